//! The images of every lab, imported once.
//!
//! Importing them costs a node a second and a half of processor time and 200 MiB of memory. So it is done once per version
//! of the archive, by a containerd that runs only for that, and nodes share the result: their containerd has a database of
//! its own, which leads to layers in the cache. What they write goes elsewhere, as for every container.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, ensure};

use crate::components::{self, Components};
use crate::image;

/// A file that is there when the store is complete.
const COMPLETE: &str = "io.containerd.metadata.v1.bolt/meta.db";

/// The folder with all images that nodes have from the start. It is made unless it is there.
pub(crate) fn ready(components: &Components) -> Result<PathBuf> {
    let archive = image::archive(components)?;
    let name = archive.file_stem().unwrap_or_default().to_string_lossy();
    let cache = components::cache()?;
    let folder = cache.join(format!("store-{name}"));
    if folder.join(COMPLETE).is_file() {
        return Ok(folder);
    }
    let unfinished = cache.join(format!("unfinished-{}-{name}", process::id()));
    fs::create_dir_all(&unfinished)
        .with_context(|| format!("creating {}", unfinished.display()))?;
    let outcome = import(&archive, &unfinished).and_then(|()| {
        match fs::rename(&unfinished, &folder) {
            // Somebody else was faster, with the same result.
            Err(_) if folder.join(COMPLETE).is_file() => Ok(()),
            other => other.with_context(|| format!("moving images to {}", folder.display())),
        }
    });
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)
            .with_context(|| format!("removing {}", unfinished.display()))?;
    }
    outcome.map(|()| folder)
}

fn import(archive: &Path, folder: &Path) -> Result<()> {
    let output = Command::new("unshare")
        .args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--propagation=private",
            "--",
        ])
        .args(["sh", "-c", include_str!("../templates/store.sh"), "sh"])
        .args([archive, folder])
        .output()
        .context("running unshare")?;
    ensure!(
        output.status.success(),
        "{} cannot be imported: {}",
        archive.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
