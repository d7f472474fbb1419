//! Archives in the form of `docker save`, which `ctr images import` reads.

use std::env::consts::ARCH;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::{Capability, Entry, Image, Start};

pub(super) fn write(images: &[Image], archive: &Path) -> Result<()> {
    let mut tar = Builder::new(BufWriter::new(File::create(archive)?));
    let mut manifest = Vec::new();
    for image in images {
        let layer = layer(image)?;
        let layer_digest = sha256(&layer);
        let config = config(&image.start, &layer_digest).to_string();
        let config_file = format!("{}.json", sha256(config.as_bytes()));
        let layer_file = format!("{layer_digest}/layer.tar");
        append(&mut tar, &config_file, 0o644, config.as_bytes())?;
        append(&mut tar, &layer_file, 0o644, &layer)?;
        manifest.push(json!({
            "Config": config_file,
            "RepoTags": [image.name],
            "Layers": [layer_file],
        }));
    }
    let manifest = Value::from(manifest).to_string();
    append(&mut tar, "manifest.json", 0o644, manifest.as_bytes())?;
    tar.into_inner()?.flush()?;
    Ok(())
}

/// All files of the image, uncompressed: the nodes are on this machine, and packing would take longer than copying.
fn layer(image: &Image) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    for (path, entry) in &image.entries {
        match entry {
            Entry::Folder { mode } => {
                let mut header = header(*mode, 0);
                header.set_entry_type(EntryType::Directory);
                tar.append_data(&mut header, format!("{path}/"), &[][..])?;
            }
            Entry::Link(target) => {
                let mut header = header(0o777, 0);
                header.set_entry_type(EntryType::Symlink);
                tar.append_link(&mut header, path, target)?;
            }
            Entry::Text(text) => append(&mut tar, path, 0o644, text.as_bytes())?,
            Entry::File { source, capability } => {
                let bytes =
                    fs::read(source).with_context(|| format!("reading {}", source.display()))?;
                if let Some(capability) = capability {
                    let attribute = attribute(*capability);
                    tar.append_pax_extensions([(
                        "SCHILY.xattr.security.capability",
                        &attribute[..],
                    )])?;
                }
                append(&mut tar, path, 0o755, &bytes)?;
            }
        }
    }
    Ok(tar.into_inner()?)
}

/// The extended attribute `security.capability`, version 2, of linux/capability.h: a magic number with the flag that
/// makes the rights effective, then the lower and upper halves of the permitted and inheritable sets.
fn attribute(capability: Capability) -> Vec<u8> {
    let number = match capability {
        Capability::NetBindService => 10,
    };
    let words: [u32; 5] = [0x0200_0001, 1 << number, 0, 0, 0];
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn config(start: &Start, layer_digest: &str) -> Value {
    json!({
        "architecture": match ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        },
        "os": "linux",
        "config": {
            "Entrypoint": start.entrypoint,
            "Cmd": start.command,
            "User": start.user,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer_digest}")]},
    })
}

fn append(tar: &mut Builder<impl Write>, path: &str, mode: u32, bytes: &[u8]) -> Result<()> {
    let mut header = header(mode, bytes.len());
    Ok(tar.append_data(&mut header, path, bytes)?)
}

fn header(mode: u32, size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(mode);
    header.set_size(size as u64);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// The digest in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let digest = digest(&SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
