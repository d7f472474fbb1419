//! The control group below which all containers of a lab are, in every hierarchy of the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The name of the group of a lab.
pub(crate) fn of(lab: &str) -> String {
    format!("netdoctor-lab-{lab}")
}

/// Creates the group: kubelets complain about one that is not there yet.
pub(crate) fn create(name: &str) -> Result<()> {
    for root in hierarchies()? {
        let group = root.join(name);
        fs::create_dir_all(&group).with_context(|| format!("creating {}", group.display()))?;
        // In version 1, a new group of this kind may use no processor and no memory until it is told.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            let (from, to) = (root.join(file), group.join(file));
            if from.exists() && to.exists() {
                fs::copy(&from, &to).with_context(|| format!("writing {}", to.display()))?;
            }
        }
    }
    Ok(())
}

/// Removes the group and those below it, once the kernel has taken the last process out of them.
pub(crate) fn remove(name: &str, patience: Duration) -> Result<()> {
    let start = Instant::now();
    loop {
        let mut left = Vec::new();
        for root in hierarchies()? {
            let group = root.join(name);
            if group.exists() && remove_tree(&group).is_err() {
                left.push(group);
            }
        }
        let Some(group) = left.first() else {
            return Ok(());
        };
        // The kernel takes a process out of its group a moment after it is gone.
        if start.elapsed() > patience {
            bail!("{} cannot be removed", group.display());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// The hierarchies: one in version 2, one per controller in version 1.
fn hierarchies() -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("reading /proc/self/mounts")?;
    Ok(places(&mounts))
}

fn places(mounts: &str) -> Vec<PathBuf> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (_, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
            kind.starts_with("cgroup").then(|| PathBuf::from(place))
        })
        .collect()
}

/// Control groups are removed from the leaves; the files in them go with them and cannot be removed one by one.
fn remove_tree(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found() {
        let mounts = "proc /proc proc rw 0 0\n\
                      tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
                      cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(
            places(mounts),
            ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified"].map(PathBuf::from)
        );
    }
}
