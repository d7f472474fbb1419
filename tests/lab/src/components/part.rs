//! One Go module of ours, and what is built from it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, ensure};

use crate::fnv::Fnv;
use crate::requirements;

/// One Go module of ours, and what is built from it.
pub(super) struct Part {
    /// For people.
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// How long the first build takes, for people.
    pub(super) cost: &'static str,
    /// The module, in the checkout.
    pub(super) folder: &'static str,
    /// The files in it that decide what the build makes.
    pub(super) sources: &'static [&'static str],
    /// What the name of its folder in the cache begins with.
    pub(super) cached_as: &'static str,
    /// A file that is there when the part is.
    pub(super) program: &'static str,
    pub(super) link_flags: fn() -> String,
    /// Fills a folder.
    pub(super) build: fn(&Path) -> Result<()>,
}

impl Part {
    /// Its folder, if it has been built from these sources.
    pub(super) fn installed(&self, cache: &Path) -> Result<Option<PathBuf>> {
        let folder = cache.join(self.fingerprint()?);
        Ok(folder.join(self.program).is_file().then_some(folder))
    }

    /// Builds it unless it is there. `say` is told before.
    pub(super) fn install(&self, cache: &Path, say: &mut impl FnMut(&str)) -> Result<PathBuf> {
        if let Some(folder) = self.installed(cache)? {
            return Ok(folder);
        }
        ensure!(
            requirements::program("go").is_some(),
            "the components of the test lab are built with Go 1.25 or newer, and there is no `go` on PATH"
        );
        let fingerprint = self.fingerprint()?;
        let folder = cache.join(&fingerprint);
        let unfinished = cache.join(format!("unfinished-{}-{fingerprint}", process::id()));
        fs::create_dir_all(&unfinished)
            .with_context(|| format!("creating {}", unfinished.display()))?;

        let Self {
            name,
            version,
            cost,
            ..
        } = self;
        say(&format!(
            "building {name} {version} from its Go modules, once ({cost})"
        ));
        let outcome = (self.build)(&unfinished).and_then(|()| {
            match fs::rename(&unfinished, &folder) {
                // Somebody else was faster, with the same result.
                Err(_) if folder.join(self.program).is_file() => Ok(()),
                other => other.with_context(|| format!("moving {name} to {}", folder.display())),
            }
        });
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)
                .with_context(|| format!("removing {}", unfinished.display()))?;
        }
        outcome?;
        Ok(folder)
    }

    pub(super) fn go_build(&self, output: &Path, package: &str) -> Result<()> {
        let status = Command::new("go")
            .current_dir(self.module())
            .env("CGO_ENABLED", "0")
            .args(["build", "-trimpath", "-ldflags", &(self.link_flags)(), "-o"])
            .arg(output)
            .arg(package)
            .status()
            .context("running go")?;
        ensure!(status.success(), "go build {package} failed ({status})");
        Ok(())
    }

    /// One of its source files.
    pub(super) fn source(&self, name: &str) -> Result<String> {
        let file = self.module().join(name);
        fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
    }

    fn module(&self) -> PathBuf {
        crate::repository().join(self.folder)
    }

    /// A name for what the build would make: the version to read, a hash to be exact.
    fn fingerprint(&self) -> Result<String> {
        let mut hash = Fnv::new();
        for name in self.sources {
            hash.write(self.source(name)?.as_bytes());
        }
        hash.write((self.link_flags)().as_bytes());
        Ok(format!("{}{}-{hash}", self.cached_as, self.version))
    }
}
