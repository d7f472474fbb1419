//! What a lab needs of the machine: root on Linux, a few programs, and parts of the kernel, which are tried rather than
//! looked up, because a kernel says nowhere what it can do.

mod kernel;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::components::{self, Components};
use crate::image::BUSYBOX;
use crate::spec::Spec;

/// Programs that the lab runs, and the Debian packages that they come in. A path stands for a file that must be there.
const PROGRAMS: [(&str, &str); 25] = [
    ("etcd", "etcd-server"),
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("/usr/lib/cni/bridge", "containernetworking-plugins"),
    ("/usr/lib/cni/host-local", "containernetworking-plugins"),
    ("/usr/lib/cni/portmap", "containernetworking-plugins"),
    ("/usr/lib/cni/loopback", "containernetworking-plugins"),
    ("iptables", "iptables"),
    ("ip6tables", "iptables"),
    ("nft", "nftables"),
    ("ipset", "ipset"),
    ("conntrack", "conntrack"),
    ("ip", "iproute2"),
    ("bridge", "iproute2"),
    ("ethtool", "ethtool"),
    ("socat", "socat"),
    ("tcpdump", "tcpdump"),
    (BUSYBOX, "busybox-static"),
    ("openssl", "openssl"),
    ("sysctl", "procps"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
];

/// Watches that the kubelets and containerds of a lab open, many times over. Debian allows 128.
const INOTIFY_INSTANCES: u64 = 1024;

/// What the control plane and the internet host take, and some air.
const MEMORY_MIB: u64 = 640;

/// What each node adds, with its pods. Images are on disk, and all nodes share them.
const MEMORY_PER_NODE_MIB: u64 = 128;

/// Finds out whether a lab of this kind can run here, and returns what it is made of. The error is one sentence: what is
/// missing and how to get it.
///
/// One limit of the machine is raised where it is too low, because two labs exhaust it: `fs.inotify.max_user_instances`.
pub fn check(spec: &Spec) -> Result<Components> {
    ensure!(
        cfg!(target_os = "linux"),
        "the test lab is made of namespaces, which only Linux has; a virtual machine with Linux will do"
    );
    privileges()?;
    programs()?;
    let components = components::installed()?.context(
        "the Kubernetes components of the test lab are not built; `cargo xtask components` builds them, with Go 1.25 or newer",
    )?;
    kernel::check(spec)?;
    memory(spec)?;
    raise("fs.inotify.max_user_instances", INOTIFY_INSTANCES)?;
    Ok(components)
}

/// The Debian packages that [`check`] would miss, sorted.
pub fn missing_packages() -> Vec<&'static str> {
    let mut packages: Vec<_> = missing().into_iter().map(|(_, package)| package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}

/// A program on `PATH`, or where the administrator's programs are even if `PATH` does not say so.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        // An absolute name replaces the folder.
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

fn missing() -> Vec<(&'static str, &'static str)> {
    let there = |name: &str| match name {
        // The image of the lab has no libraries. Debian's other package puts a linked one in the same place.
        BUSYBOX => fs::read(name).is_ok_and(|bytes| is_static(&bytes)),
        _ => program(name).is_some(),
    };
    PROGRAMS
        .into_iter()
        .filter(|(name, _)| !there(name))
        .collect()
}

fn programs() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = missing.iter().map(|(name, _)| *name).collect();
    bail!(
        "the test lab needs {}; on Debian or Ubuntu: sudo apt-get install {}",
        sentence(&names),
        missing_packages().join(" ")
    )
}

/// Fails unless this process is root with root's rights: a container may have the name without them.
pub fn privileges() -> Result<()> {
    let status = fs::read_to_string("/proc/self/status").context("reading /proc/self/status")?;
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or_default();
    refuse_without_rights(effective)
}

fn refuse_without_rights(effective: u64) -> Result<()> {
    // The numbers are those of linux/capability.h.
    let needed = [("CAP_NET_ADMIN", 12), ("CAP_SYS_ADMIN", 21)];
    let missing: Vec<_> = needed
        .into_iter()
        .filter(|(_, number)| effective & (1 << number) == 0)
        .map(|(name, _)| name)
        .collect();
    ensure!(
        missing.is_empty(),
        "the test lab needs root, to make namespaces and networks in them: run it with sudo, or in a container with --privileged ({} missing)",
        sentence(&missing)
    );
    Ok(())
}

fn memory(spec: &Spec) -> Result<()> {
    let needed = MEMORY_MIB + u64::from(spec.nodes) * MEMORY_PER_NODE_MIB;
    let text = fs::read_to_string("/proc/meminfo").context("reading /proc/meminfo")?;
    let available = text
        .lines()
        .find_map(|line| {
            line.strip_prefix("MemAvailable:")?
                .split_whitespace()
                .next()?
                .parse::<u64>()
                .ok()
        })
        .context("/proc/meminfo does not say how much memory is available")?
        / 1024;
    ensure!(
        available >= needed,
        "the test lab with --nodes {} needs {needed} MiB of memory, and {available} MiB are available",
        spec.nodes
    );
    Ok(())
}

/// Raises a limit of the machine, never lowers it.
fn raise(key: &str, least: u64) -> Result<()> {
    let file = Path::new("/proc/sys").join(key.replace('.', "/"));
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    if text.trim().parse::<u64>().is_ok_and(|now| now >= least) {
        return Ok(());
    }
    fs::write(&file, least.to_string()).with_context(|| {
        format!("the test lab needs {key} to be {least} or more; `sysctl -w {key}={least}` failed")
    })
}

/// Whether a 64-bit ELF program brings all of its code with it: it names no interpreter (`PT_INTERP`).
fn is_static(elf: &[u8]) -> bool {
    const PT_INTERP: u64 = 3;
    let number = |offset: usize, length: usize| {
        let bytes = elf.get(offset..offset.checked_add(length)?)?;
        let number = bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        Some(number)
    };
    let segments = || {
        let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        let kinds = (0..count).map(|index| {
            let offset = table.checked_add(index.checked_mul(size)?)?;
            number(usize::try_from(offset).ok()?, 4)
        });
        kinds.collect::<Option<Vec<_>>>()
    };
    elf.starts_with(b"\x7fELF\x02\x01")
        && segments().is_some_and(|kinds| !kinds.is_empty() && !kinds.contains(&PT_INTERP))
}

/// `a`, `a and b`, `a, b and c`.
fn sentence(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_as_sentences() {
        assert_eq!(sentence(&["etcd"]), "etcd");
        assert_eq!(sentence(&["etcd", "runc"]), "etcd and runc");
        assert_eq!(sentence(&["etcd", "runc", "nft"]), "etcd, runc and nft");
    }

    #[test]
    fn somebody_without_rights_is_told_what_to_do() {
        assert!(refuse_without_rights(u64::MAX).is_ok());
        let error = refuse_without_rights(0).unwrap_err().to_string();
        assert!(
            error.contains("sudo") && error.contains("CAP_NET_ADMIN and CAP_SYS_ADMIN"),
            "{error}"
        );
        // A container's root that may shape networks but not mount.
        let error = refuse_without_rights(1 << 12).unwrap_err().to_string();
        assert!(error.contains("(CAP_SYS_ADMIN missing)"), "{error}");
    }

    #[test]
    fn a_linked_program_is_not_static() {
        let linked = fs::read("/proc/self/exe").unwrap();
        assert!(!is_static(&linked));
        assert!(!is_static(b"#!/bin/sh\n"));
        // The same header without a table is no program.
        assert!(!is_static(&linked[..64]));
        if let Some(components) = components::installed().unwrap() {
            assert!(is_static(&fs::read(components.path("coredns")).unwrap()));
        }
    }

    #[test]
    fn programs_are_found_by_name_and_by_path() {
        assert!(program("sh").is_some());
        assert_eq!(program("/bin/sh"), Some(PathBuf::from("/bin/sh")));
        assert_eq!(program("no-such-program-anywhere"), None);
        assert_eq!(program("/usr"), None, "a folder is no program");
    }

    #[test]
    fn a_limit_is_never_lowered() {
        let key = "fs.inotify.max_user_watches";
        let read = || fs::read_to_string("/proc/sys/fs/inotify/max_user_watches").unwrap();
        let before = read();
        raise(key, 1).unwrap();
        assert_eq!(before, read());
        assert!(raise("fs.inotify.no_such_limit", 1).is_err());
    }

    /// Whatever this machine lacks, the answer is one line that says what to do about it.
    #[test]
    fn a_machine_can_run_a_lab_or_is_told_why_not() {
        match check(&Spec::default()) {
            Ok(components) => assert!(components.path("kubelet").is_file()),
            Err(error) => {
                let text = format!("{error:#}");
                assert!(text.starts_with("the "), "{text}");
                assert!(!text.contains('\n'), "{text}");
                assert!(
                    !missing_packages().is_empty() || !text.contains("apt-get"),
                    "{text}"
                );
                eprintln!("no lab here: {text}");
            }
        }
    }
}
