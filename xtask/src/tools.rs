//! Programs of the machine that the tests and the lab need, and how to get them.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use netdoctor_lab::requirements;

/// Whether a program of this name can be run.
pub(crate) fn on_path(program: &str) -> bool {
    requirements::program(program).is_some()
}

/// Makes sure that the programs of the lab are there; the store behind the API server in the tests is one of them.
/// Installs them where that needs no question, as root on Debian and its kin.
pub(crate) fn install_packages(say: impl FnOnce(&str)) -> Result<()> {
    let missing = requirements::missing_packages();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !on_path("apt-get") || requirements::privileges().is_err() {
        bail!("some packages are not installed; on Debian or Ubuntu: sudo apt-get install {list}");
    }
    say(&format!("installing from Debian: {list}"));
    let _quiet = QuietServices::new(Path::new("/usr/sbin/policy-rc.d"))?;
    // The package lists of a fresh machine are empty or old; without them the install fails, so they come first.
    apt_get(&["update"])?;
    let install = ["install", "--yes", "--no-install-recommends"];
    apt_get(&[&install[..], &missing].concat())?;
    let still = requirements::missing_packages();
    ensure!(
        still.is_empty(),
        "apt-get installed {list}, but programs of {} are still not there",
        still.join(" ")
    );
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
        .args(["-o", "Dpkg::Use-Pty=0"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status()
        .context("running apt-get")?;
    ensure!(
        status.success(),
        "apt-get {} failed ({status})",
        arguments.join(" ")
    );
    Ok(())
}

/// While this lives, packages do not start the services that they bring: the lab runs its own etcd and containerd, and
/// nobody asked for Debian's. invoke-rc.d and deb-systemd-invoke ask a script whether they may.
struct QuietServices {
    /// The script, if it is ours.
    script: Option<PathBuf>,
}

impl QuietServices {
    fn new(script: &Path) -> Result<Self> {
        // Images for containers have one that allows nothing, and an administrator's own is not ours to replace.
        if script.exists() {
            return Ok(Self { script: None });
        }
        let context = || format!("writing {}", script.display());
        fs::write(script, policy(process::id())).with_context(context)?;
        fs::set_permissions(script, fs::Permissions::from_mode(0o755)).with_context(context)?;
        Ok(Self {
            script: Some(script.to_owned()),
        })
    }
}

impl Drop for QuietServices {
    fn drop(&mut self) {
        if let Some(script) = &self.script {
            // Without this process it allows everything, so that it stays is untidy but harmless.
            let _ = fs::remove_file(script);
        }
    }
}

/// Forbids to start services as long as a process lives. Should it be killed, what it left behind does no harm.
fn policy(process: u32) -> String {
    format!(
        "#!/bin/sh\n# Written while packages of the netdoctor test lab are installed.\n\
         kill -0 {process} 2>/dev/null && exit 101\nexit 0\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(script: &Path) -> Option<i32> {
        let status = Command::new("sh")
            .arg(script)
            .args(["etcd", "start"])
            .status();
        status.unwrap().code()
    }

    #[test]
    fn services_stay_off_while_packages_are_installed() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("policy-rc.d");
        let quiet = QuietServices::new(&script).unwrap();
        assert_eq!(
            answer(&script),
            Some(101),
            "forbidden, says the policy of Debian"
        );
        assert_eq!(
            fs::metadata(&script).unwrap().permissions().mode() & 0o777,
            0o755
        );
        drop(quiet);
        assert!(!script.exists());
    }

    #[test]
    fn what_a_killed_installation_left_forbids_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("policy-rc.d");
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        fs::write(&script, policy(gone.id())).unwrap();
        assert_eq!(answer(&script), Some(0));
    }

    #[test]
    fn an_administrators_policy_stays() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("policy-rc.d");
        fs::write(&script, "exit 104\n").unwrap();
        drop(QuietServices::new(&script).unwrap());
        assert_eq!(answer(&script), Some(104));
    }
}
