//! What chores and tests share: where the Kubernetes components of the test lab are kept, and how they are built.
//!
//! The tests only look the components up. Building them takes minutes, so it is a chore (`cargo xtask components`,
//! also the first part of `cargo xtask test`) and never a surprise inside of a test.

pub mod components;

use std::path::{Path, PathBuf};

/// The folder of the checkout.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}
