//! A real Kubernetes cluster of several nodes on one machine, whose network can be broken on purpose.

pub mod components;
pub mod kubeconfig;
pub mod spec;
pub mod tls;

use std::path::{Path, PathBuf};

/// The folder of the checkout.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
