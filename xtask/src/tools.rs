//! Programs of the machine that the tests need, and how to get them.

use std::env;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// Whether a program of this name is on `PATH`.
pub(crate) fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Makes sure that etcd is there: the store behind the API server in the tests. Installs it where that needs no question,
/// as root on Debian and its kin.
pub(crate) fn install_etcd() -> Result<()> {
    if on_path("etcd") {
        return Ok(());
    }
    if !on_path("apt-get") || !is_root()? {
        bail!("etcd is not installed; on Debian or Ubuntu: sudo apt-get install etcd-server");
    }
    println!("installing etcd from Debian");
    // The package lists of a fresh machine are empty or old; without them the install fails, so they come first.
    apt_get(&["update"])?;
    apt_get(&["install", "--yes", "--no-install-recommends", "etcd-server"])?;
    ensure!(
        on_path("etcd"),
        "apt-get installed etcd-server, but there is still no etcd on PATH"
    );
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context("running apt-get")?;
    ensure!(
        status.success(),
        "apt-get {} failed ({status})",
        arguments.join(" ")
    );
    Ok(())
}

fn is_root() -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let own = Path::new("/proc/self")
        .metadata()
        .context("reading the owner of this process")?;
    Ok(own.uid() == 0)
}
