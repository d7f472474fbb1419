//! The programs of the lab that no distribution packages in the right version, built once from their Go modules.
//!
//! ```text
//! tests/lab/components/{go.mod,go.sum,main.go,tools.go}      tests/lab/coredns/{go.mod,go.sum,main.go}
//!        │ + link flags, hashed                                     │
//!        ▼                                                          ▼
//! ~/.cache/netdoctor-lab/<hash>/components   one binary      …/coredns-<hash>/coredns
//!                              /kubectl ...  symlinks to it; it dispatches on its name
//!                              /agnhost      the test image of the Kubernetes project
//! ```
//!
//! Each part has a folder of its own, so that a change of one does not build the other again. A folder appears by a
//! rename once everything in it is complete, so a build that was interrupted, or two builds at the same time, leave
//! nothing half made behind.

mod coredns;
mod kubernetes;
mod part;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

pub use coredns::COREDNS_VERSION;
pub use kubernetes::{AGNHOST_VERSION, KUBERNETES_VERSION};
use part::Part;

/// The built components.
#[derive(Debug, Clone)]
pub struct Components {
    kubernetes: PathBuf,
    coredns: PathBuf,
}

impl Components {
    /// The folder to put on `PATH`: everything of Kubernetes.
    pub fn folder(&self) -> &Path {
        &self.kubernetes
    }

    /// The path of one component: `kubectl`, `kube-apiserver`, `agnhost`, `coredns` and so on.
    pub fn path(&self, name: &str) -> PathBuf {
        let folder = if name == coredns::PROGRAM {
            &self.coredns
        } else {
            &self.kubernetes
        };
        folder.join(name)
    }
}

/// Finds the components that this checkout wants, if all of them have been built.
pub fn installed() -> Result<Option<Components>> {
    let cache = cache()?;
    let kubernetes = kubernetes::PART.installed(&cache)?;
    let coredns = coredns::PART.installed(&cache)?;
    Ok(kubernetes
        .zip(coredns)
        .map(|(kubernetes, coredns)| Components {
            kubernetes,
            coredns,
        }))
}

/// Builds the components that are not there. `say` is told before anything that takes long.
pub fn install(mut say: impl FnMut(&str)) -> Result<Components> {
    let cache = cache()?;
    let mut install = |part: &Part| part.install(&cache, &mut say);
    Ok(Components {
        kubernetes: install(&kubernetes::PART)?,
        coredns: install(&coredns::PART)?,
    })
}

/// `$NETDOCTOR_LAB_CACHE`, else `netdoctor-lab` in the user's cache folder. The images made of the components are kept
/// there too.
pub(crate) fn cache() -> Result<PathBuf> {
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
