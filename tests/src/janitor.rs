//! A process that tidies up after this one, however this one ends.
//!
//! A test binary leaves by `exit`, by a panic, by Ctrl-C or by SIGKILL, and in none of these cases do the statics that hold
//! the API server get dropped. So a shell waits on a pipe whose other end only this process holds. When the pipe closes, it
//! kills what it was told about and removes the folder. It is in a process group of its own: what a terminal or a CI runner
//! sends to the group of the tests does not reach it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Reads one process id per line until the pipe closes. A process that is still dying may write once more, hence the
/// second attempt.
const SCRIPT: &str = r#"
while read -r id; do ids="$ids $id"; done
test -z "$ids" || kill -KILL $ids
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
"#;

/// A folder and the processes that work in it. Both are gone soon after this value or this process is.
pub(crate) struct Janitor {
    folder: PathBuf,
    shell: Child,
    children: Vec<Child>,
}

impl Janitor {
    /// A new, empty folder, in memory where the system offers that: etcd syncs every write to its disk.
    pub(crate) fn hire() -> io::Result<Self> {
        let memory = Path::new("/dev/shm");
        let builder = |place: &Path| {
            tempfile::Builder::new()
                .prefix("netdoctor-")
                .tempdir_in(place)
        };
        let folder = builder(memory)
            .or_else(|_| builder(&std::env::temp_dir()))?
            .keep();
        let shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(&folder)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self {
            folder,
            shell,
            children: Vec::new(),
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts a process whose output goes to `NAME.log` in the folder. Returns its index for [`Self::kill`].
    pub(crate) fn start(&mut self, name: &str, command: &mut Command) -> io::Result<usize> {
        let child = self.employ(name, command)?;
        self.children.push(child);
        Ok(self.children.len() - 1)
    }

    /// The same for a process that somebody else looks after, who must not wait for it: see [`Self::kill`].
    pub(crate) fn employ(&mut self, name: &str, command: &mut Command) -> io::Result<Child> {
        let log = File::create(self.log(name))?;
        let child = command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        if let Some(pipe) = &mut self.shell.stdin {
            writeln!(pipe, "{}", child.id())?;
        }
        Ok(child)
    }

    /// Kills one process at once. It is not waited for, so that its id is not given to another process while the shell
    /// remembers it.
    pub(crate) fn kill(&mut self, index: usize) -> io::Result<()> {
        self.children[index].kill()
    }

    /// Whether all processes still run.
    pub(crate) fn all_alive(&mut self) -> io::Result<bool> {
        for child in &mut self.children {
            if child.try_wait()?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The end of every log, for the message of a failure.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        let mut files: Vec<PathBuf> = fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        files.sort();
        for file in files
            .iter()
            .filter(|file| file.extension().is_some_and(|end| end == "log"))
        {
            let log = fs::read_to_string(file).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(15)..].join("\n");
            text.extend(["--- ", &file.display().to_string(), "\n", &tail, "\n"]);
        }
        text
    }

    /// Where what a process says goes.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.folder.join(name).with_extension("log")
    }
}

impl Drop for Janitor {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Nothing can be done about a shell that is gone already; the children are reaped either way.
        let _ = self.shell.wait();
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
