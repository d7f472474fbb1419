//! The Kubernetes components of the test lab: one binary for all of them, built once from their Go modules.
//!
//! ```text
//! tests/lab/components/{go.mod,go.sum,main.go,tools.go} + link flags
//!        │ hash
//!        ▼
//! ~/.cache/netdoctor-lab/<hash>/components      the binary
//!                              /kubectl ...     symlinks to it; it dispatches on its name
//!                              /agnhost         the test image of the Kubernetes project
//! ```
//!
//! The folder appears by a rename once everything in it is complete, so a build that was interrupted, or two builds at
//! the same time, leave nothing half made behind.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, bail, ensure};

/// The Kubernetes release that the lab runs.
///
/// To bump it: change it and the two constants below; in `tests/lab/components/go.mod` replace the old version
/// (`v1.X.Y` of `k8s.io/kubernetes`, `v0.X.Y` of everything else) and bring the list of `replace` lines in step with
/// the one in that release's own `go.mod`; run `go mod tidy` there; run `cargo xtask test`. Releases from 1.36 on want
/// containerd 2, which Debian 12 does not have.
pub const KUBERNETES_VERSION: &str = "1.35.4";

/// When that release was tagged, as the Go module proxy says.
const BUILD_DATE: &str = "2026-04-15T18:01:22Z";

/// The Go module proxy does not record the commit behind a tag, and an invented one would be worse.
const GIT_COMMIT: &str = "unknown";

/// The names under which the binary is linked.
const NAMES: [&str; 6] = [
    "kubectl",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
];

/// The files that decide what the build makes.
const SOURCES: [&str; 4] = ["go.mod", "go.sum", "main.go", "tools.go"];

/// A folder with the built components.
#[derive(Debug, Clone)]
pub struct Components {
    folder: PathBuf,
}

impl Components {
    /// The folder to put on `PATH`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of one component, `kubectl` or `kube-apiserver` for instance.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Finds the components that this checkout wants, if they have been built.
pub fn installed() -> Result<Option<Components>> {
    let folder = cache()?.join(fingerprint()?);
    Ok(folder
        .join("components")
        .is_file()
        .then_some(Components { folder }))
}

/// Builds the components unless they are there. `say` is told before anything that takes long.
pub fn install(mut say: impl FnMut(&str)) -> Result<Components> {
    if let Some(components) = installed()? {
        return Ok(components);
    }
    let cache = cache()?;
    let folder = cache.join(fingerprint()?);
    let unfinished = cache.join(format!("unfinished-{}", process::id()));
    fs::create_dir_all(&unfinished)
        .with_context(|| format!("creating {}", unfinished.display()))?;

    say(&format!(
        "building Kubernetes {KUBERNETES_VERSION} from its Go modules, once (four minutes on two cores)"
    ));
    let outcome = build(&unfinished).and_then(|()| match fs::rename(&unfinished, &folder) {
        // Somebody else was faster, with the same result.
        Err(_) if folder.join("components").is_file() => Ok(()),
        other => other.with_context(|| format!("moving the components to {}", folder.display())),
    });
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)
            .with_context(|| format!("removing {}", unfinished.display()))?;
    }
    outcome?;
    Ok(Components { folder })
}

fn build(into: &Path) -> Result<()> {
    let flags = link_flags();
    go_build(&into.join("components"), ".", &flags)?;
    go_build(
        &into.join("agnhost"),
        "k8s.io/kubernetes/test/images/agnhost",
        &flags,
    )?;
    for name in NAMES {
        symlink("components", into.join(name)).with_context(|| format!("linking {name}"))?;
    }
    Ok(())
}

fn go_build(output: &Path, package: &str, flags: &str) -> Result<()> {
    let status = Command::new("go")
        .current_dir(sources())
        .env("CGO_ENABLED", "0")
        .args(["build", "-trimpath", "-ldflags", flags, "-o"])
        .arg(output)
        .arg(package)
        .status()
        .context("running go; the components of the test lab are built with Go 1.25 or newer")?;
    ensure!(status.success(), "go build {package} failed ({status})");
    Ok(())
}

/// What a release build of Kubernetes stamps into its binaries. Clients and servers show it, and kubectl compares it.
fn link_flags() -> String {
    let mut numbers = KUBERNETES_VERSION.split('.');
    let major = numbers.next().unwrap_or_default();
    let minor = numbers.next().unwrap_or_default();
    let values = [
        ("gitVersion", format!("v{KUBERNETES_VERSION}")),
        ("gitMajor", major.to_owned()),
        ("gitMinor", minor.to_owned()),
        ("gitCommit", GIT_COMMIT.to_owned()),
        ("gitTreeState", "archive".to_owned()),
        ("buildDate", BUILD_DATE.to_owned()),
    ];
    let mut flags = vec!["-s -w".to_owned()];
    for package in [
        "k8s.io/component-base/version",
        "k8s.io/client-go/pkg/version",
    ] {
        flags.extend(
            values
                .iter()
                .map(|(name, value)| format!("-X {package}.{name}={value}")),
        );
    }
    flags.join(" ")
}

fn sources() -> PathBuf {
    crate::repository().join("tests/lab/components")
}

/// `$NETDOCTOR_LAB_CACHE`, else `netdoctor-lab` in the user's cache folder.
fn cache() -> Result<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = set("NETDOCTOR_LAB_CACHE") {
        return Ok(folder);
    }
    let caches = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    match caches {
        Some(caches) => Ok(caches.join("netdoctor-lab")),
        None => {
            bail!("set HOME or NETDOCTOR_LAB_CACHE: there is no folder to keep the components in")
        }
    }
}

/// A name for what the build would make: the version to read, a hash to be exact.
fn fingerprint() -> Result<String> {
    let mut hash = Fnv::new();
    for name in SOURCES {
        let file = sources().join(name);
        hash.write(&fs::read(&file).with_context(|| format!("reading {}", file.display()))?);
    }
    hash.write(link_flags().as_bytes());
    Ok(format!("{KUBERNETES_VERSION}-{:016x}", hash.0))
}

/// FNV-1a. It has to be the same in every process and with every compiler, which `DefaultHasher` does not promise.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        // A separator, so that moving text from one file to the next is a change.
        self.0 = (self.0 ^ 0x100).wrapping_mul(0x0100_0000_01b3);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_mod_asks_for_the_stated_release() {
        let text = fs::read_to_string(sources().join("go.mod")).unwrap();
        assert!(
            text.contains(&format!("k8s.io/kubernetes v{KUBERNETES_VERSION}\n")),
            "{text}"
        );

        let staging = format!("v0.{}", KUBERNETES_VERSION.trim_start_matches("1."));
        let replaced: Vec<_> = text
            .lines()
            .filter(|line| line.contains("=> k8s.io/"))
            .collect();
        assert!(
            replaced.len() > 25,
            "the staging modules are replaced one by one"
        );
        for line in replaced {
            assert!(
                line.ends_with(&staging),
                "{line} is not of release {KUBERNETES_VERSION}"
            );
        }
    }

    #[test]
    fn every_byte_counts_for_the_fingerprint() {
        let of = |parts: &[&str]| {
            let mut hash = Fnv::new();
            for part in parts {
                hash.write(part.as_bytes());
            }
            hash.0
        };
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["a", "c"]));
        assert_ne!(of(&["a", "b"]), of(&["ab", ""]));
    }
}
