//! What is known about a lab outside of its namespaces: one small folder on the machine.
//!
//! ```text
//! /run/netdoctor-lab/NAME/lab.json     what was asked for, and where the logs are
//!                        /guard        the process that clears up in the end: its id and its start time
//!                        /init         the process that everything in the lab depends on, the same
//!                        /hosts/HOST   the process that holds a host's namespaces: the same, and its id inside of the lab
//!                        /ready        the lab has been healthy once
//!                        /lock         held while the lab is being started, stopped or repaired
//! ```

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::control_group;
use crate::spec::{HostName, Spec};

const LABS: &str = "/run/netdoctor-lab";

/// The folder of one lab.
#[derive(Debug, Clone)]
pub(crate) struct RunFolder {
    path: PathBuf,
    name: String,
}

/// A process, by what never comes back: its id together with its start time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: u32,
    /// In clock ticks since the machine started.
    pub(crate) start: u64,
}

/// The process that holds the namespaces of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Its id as the machine sees it.
    pub(crate) outside: u32,
    /// Its id as the lab sees it.
    pub(crate) inside: u32,
}

/// What `lab.json` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) spec: Spec,
    pub(crate) logs: PathBuf,
}

impl RunFolder {
    pub(crate) fn of(name: &str) -> Self {
        Self {
            path: Path::new(LABS).join(name),
            name: name.to_owned(),
        }
    }

    /// All that exist, in the order of their names.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let entries = match fs::read_dir(LABS) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.with_context(|| format!("reading {LABS}"))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry?.file_name().into_string().ok();
            // A dot is in the name of what is being removed.
            names.extend(name.filter(|name| !name.contains('.')));
        }
        names.sort();
        Ok(names.iter().map(|name| Self::of(name)).collect())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Creates a folder in it.
    pub(crate) fn create(&self, folder: &str) -> Result<()> {
        let path = self.path.join(folder);
        fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))
    }

    /// Whether nothing of a lab is in it yet.
    pub(crate) fn is_fresh(&self) -> bool {
        let traces = ["lab.json", "guard", "init", "ready"];
        traces.iter().all(|file| !self.path.join(file).exists())
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.exists()
    }

    /// The control group below which all containers of the lab are.
    pub(crate) fn control_group(&self) -> String {
        control_group::of(&self.name)
    }

    /// Creates the folder if need be and waits until nobody else works on this lab. The lock ends with the value, or
    /// with the process.
    pub(crate) fn lock(&self) -> Result<File> {
        loop {
            fs::create_dir_all(&self.path)
                .with_context(|| format!("creating {}", self.path.display()))?;
            let path = self.path.join("lock");
            let file = match File::create(&path) {
                // Removed by the end of a lab, just now.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                other => other.with_context(|| format!("creating {}", path.display()))?,
            };
            file.lock()
                .with_context(|| format!("locking {}", path.display()))?;
            // Whoever held it may have ended the lab, and with it the file that is locked here.
            match path.metadata() {
                Ok(there) if there.ino() == file.metadata()?.ino() => return Ok(file),
                _ => {}
            }
        }
    }

    pub(crate) fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.path.join(file);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    pub(crate) fn write_record(&self, record: &Record) -> Result<()> {
        self.write("lab.json", &record.to_json().to_string())
    }

    /// `None` if the lab died before it was written, or is half removed.
    pub(crate) fn record(&self) -> Option<Record> {
        let text = fs::read_to_string(self.path.join("lab.json")).ok()?;
        Record::from_json(&serde_json::from_str(&text).ok()?)
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.path.join("ready").exists()
    }

    /// The init process or the guard, if it still runs.
    pub(crate) fn process(&self, file: &str) -> Option<Process> {
        let text = fs::read_to_string(self.path.join(file)).ok()?;
        let process = Process::parse(&text)?;
        process.runs(Path::new("/proc")).then_some(process)
    }

    /// `None` until the host is set up, and when its process is gone, whose number may be somebody else's by now.
    pub(crate) fn holder(&self, host: HostName) -> Option<Holder> {
        let text = fs::read_to_string(self.path.join("hosts").join(host.to_string())).ok()?;
        let [id, start, inside, "ready"] = text.split_whitespace().collect::<Vec<_>>()[..] else {
            return None;
        };
        let process = Process::parse(&format!("{id} {start}"))?;
        process.runs(Path::new("/proc")).then_some(Holder {
            outside: process.id,
            inside: inside.parse().ok()?,
        })
    }
}

impl Process {
    /// The process that has this id in this `/proc` now.
    pub(crate) fn find(proc: &Path, id: u32) -> Option<Self> {
        let text = fs::read_to_string(proc.join(id.to_string()).join("stat")).ok()?;
        let Status {
            state,
            threads,
            start,
        } = Status::parse(&text)?;
        // A dead process that nobody has waited for is no process, once its last thread has let go of files and ports.
        let dead = matches!(state, 'Z' | 'X') && threads <= 1;
        (!dead).then_some(Self { id, start })
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (id, start) = text.trim().split_once(' ')?;
        Some(Self {
            id: id.parse().ok()?,
            start: start.parse().ok()?,
        })
    }

    pub(crate) fn text(self) -> String {
        format!("{} {}\n", self.id, self.start)
    }

    /// Whether it is there, according to this `/proc`.
    pub(crate) fn runs(self, proc: &Path) -> bool {
        Self::find(proc, self.id) == Some(self)
    }
}

/// Parts of `/proc/ID/stat`; see `proc_pid_stat(5)`.
#[derive(Debug, PartialEq, Eq)]
struct Status {
    state: char,
    threads: u32,
    start: u64,
}

impl Status {
    fn parse(stat: &str) -> Option<Self> {
        // The second field is the program's name in parentheses, which may hold anything. The third, the twentieth and
        // the twenty-second are wanted.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        Some(Self {
            state: fields.next()?.chars().next()?,
            threads: fields.nth(16)?.parse().ok()?,
            start: fields.nth(1)?.parse().ok()?,
        })
    }
}

impl Record {
    fn to_json(&self) -> Value {
        let Spec {
            name,
            nodes,
            overlay,
            proxy,
            dual_stack,
        } = &self.spec;
        json!({
            "name": name,
            "nodes": nodes,
            "overlay": overlay.to_string(),
            "proxy": proxy.to_string(),
            "dualStack": dual_stack,
            "logs": self.logs,
        })
    }

    fn from_json(value: &Value) -> Option<Self> {
        let spec = Spec {
            name: value["name"].as_str()?.to_owned(),
            nodes: u8::try_from(value["nodes"].as_u64()?).ok()?,
            overlay: value["overlay"].as_str()?.parse().ok()?,
            proxy: value["proxy"].as_str()?.parse().ok()?,
            dual_stack: value["dualStack"].as_bool()?,
        };
        Some(Self {
            spec,
            logs: value["logs"].as_str()?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Overlay, ProxyMode};

    #[test]
    fn the_name_of_a_program_does_not_confuse() {
        let stat =
            "31 (a ) S 7) S 1 31 31 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 3 0 95726 2596864 409 1";
        let status = Status {
            state: 'S',
            threads: 3,
            start: 95726,
        };
        assert_eq!(Status::parse(stat), Some(status));
        assert_eq!(Status::parse("31 (a) S 1"), None);
    }

    #[test]
    fn a_process_is_known_by_its_start_too() {
        let own = Process::find(Path::new("/proc"), std::process::id()).unwrap();
        assert!(own.runs(Path::new("/proc")));
        assert_eq!(Process::parse(&own.text()), Some(own));
        let other = Process {
            start: own.start + 1,
            ..own
        };
        assert!(!other.runs(Path::new("/proc")));
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let record = Record {
            spec: Spec {
                name: "a-1".to_owned(),
                nodes: 9,
                overlay: Overlay::HostGw,
                proxy: ProxyMode::Nftables,
                dual_stack: true,
            },
            logs: "/some/where".into(),
        };
        assert_eq!(Record::from_json(&record.to_json()), Some(record));
        assert_eq!(Record::from_json(&json!({"name": "a"})), None);
    }
}
