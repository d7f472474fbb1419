//! Ending a lab, whatever state it is in.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::control_group;
use crate::state::{Process, RunFolder};

/// The kernel ends a lab in a fraction of a second. A machine that swaps takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends the lab and removes everything but its logs. The caller holds the lock.
pub(crate) fn end(folder: &RunFolder) -> Result<()> {
    // The init process takes everything in the lab with it; the guard then clears up and ends by itself.
    if let Some(init) = folder.process("init") {
        kill(init)?;
        await_end(init, "the init process of the lab")?;
    }
    if let Some(guard) = folder.process("guard") {
        await_end(guard, "the process that clears up after the lab")?;
    }
    // If the guard was killed, its work is left.
    control_group::remove(&folder.control_group(), PATIENCE)?;
    remove_folder(folder.path())
}

fn kill(process: Process) -> Result<()> {
    let status = Command::new("kill")
        .args(["-KILL", &process.id.to_string()])
        .stderr(Stdio::null())
        .status()
        .context("running kill")?;
    if !status.success() && process.runs(Path::new("/proc")) {
        bail!("process {} cannot be killed", process.id);
    }
    Ok(())
}

fn await_end(process: Process, what: &str) -> Result<()> {
    let start = Instant::now();
    while process.runs(Path::new("/proc")) {
        if start.elapsed() > PATIENCE {
            bail!("{what} (process {}) does not end", process.id);
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        // The guard was faster.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        other => other.with_context(|| format!("removing {}", folder.display()))?,
    }
    if let Some(labs) = folder.parent() {
        // It stays while there are other labs.
        let _ = fs::remove_dir(labs);
    }
    Ok(())
}
