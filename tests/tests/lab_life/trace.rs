//! What a lab leaves on the machine while it runs, to be looked for when it is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use netdoctor_lab::HostName;

/// Namespaces are freed a moment after their last process.
const PATIENCE: Duration = Duration::from_secs(10);

/// The kinds of namespaces that a lab makes.
const NAMESPACES: [&str; 5] = ["net", "mnt", "uts", "pid", "ipc"];

/// Processes and namespaces of a running lab, and the names of its groups and files.
pub(crate) struct Traces {
    name: String,
    init: u32,
    guard: u32,
    /// By id, with the start time.
    processes: BTreeMap<u32, String>,
    /// How many of them are in a control group of the lab.
    contained: usize,
    namespaces: BTreeSet<PathBuf>,
}

impl Traces {
    pub(crate) fn of(name: &str) -> Self {
        let (init, guard) = (id(name, "init"), id(name, "guard"));
        let group = group(name);
        let own = fs::read_link(format!("/proc/{init}/ns/pid")).ok();
        let mut processes = BTreeMap::new();
        let mut namespaces = BTreeSet::new();
        let mut contained = 0;
        for process in ids() {
            let pid_namespace = fs::read_link(format!("/proc/{process}/ns/pid")).ok();
            // Containers have PID namespaces of their own below that of the lab.
            let groups = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap_or_default();
            let in_group = groups.contains(&group);
            contained += usize::from(in_group);
            let of_lab = (own.is_some() && pid_namespace == own) || in_group;
            if !of_lab && process != guard {
                continue;
            }
            processes.extend(start_time(process).map(|start| (process, start)));
            if process != guard {
                namespaces.extend(namespaces_of(process));
            }
        }
        // The init process shares some with the machine.
        for namespace in namespaces_of(std::process::id()) {
            namespaces.remove(&namespace);
        }
        Self {
            name: name.to_owned(),
            init,
            guard,
            processes,
            contained,
            namespaces,
        }
    }

    pub(crate) fn init(&self) -> u32 {
        self.init
    }

    pub(crate) fn processes(&self) -> usize {
        self.processes.len()
    }

    pub(crate) fn kill_init(&self) {
        kill(self.init);
    }

    /// Kills the process that holds the namespaces of this host.
    pub(crate) fn kill_holder(&self, host: HostName) {
        let holder = id(&self.name, &format!("hosts/{host}"));
        kill(holder);
        eventually("the holder is left", || {
            start_time(holder).into_iter().collect()
        });
    }

    pub(crate) fn kill_guard(&self) {
        kill(self.guard);
    }

    /// The other tests of this file would prove nothing if this did not find what a lab is made of.
    pub(crate) fn assert_alive(&self) {
        // Four components of the control plane, three of the node, two of the internet host, holders, shims, pods.
        assert!(self.processes.len() > 15, "{:?}", self.processes);
        // Network, mounts and name of four hosts, and more for the pods.
        assert!(self.namespaces.len() > 12, "{:?}", self.namespaces);
        assert!(!groups_of(&self.name).is_empty());
        // Containers are in the lab's group and nowhere else, or the group would go and leave theirs.
        assert!(self.contained >= 2, "{:?}", self.processes);
    }

    pub(crate) fn assert_processes_gone(&self) {
        eventually("processes of the lab are left", || {
            let left = self
                .processes
                .iter()
                .filter(|(id, start)| start_time(**id).as_ref() == Some(*start));
            left.map(|(id, _)| describe(*id)).collect()
        });
    }

    pub(crate) fn assert_gone(&self) {
        self.assert_processes_gone();
        eventually("namespaces of the lab are left", || {
            let used: BTreeSet<PathBuf> = ids().into_iter().flat_map(namespaces_of).collect();
            self.namespaces
                .intersection(&used)
                .map(|path| path.display().to_string())
                .collect()
        });
        eventually("control groups of the lab are left", || {
            groups_of(&self.name)
        });
        let folder = Path::new("/run/netdoctor-lab").join(&self.name);
        assert!(!folder.exists(), "{} is left", folder.display());
    }
}

/// What is the same before and after, whatever else goes on.
#[derive(PartialEq, Eq)]
pub(crate) struct Machine {
    mounts: BTreeSet<String>,
    links: BTreeSet<String>,
    rules: BTreeSet<String>,
    settings: BTreeMap<&'static str, String>,
    files: BTreeSet<PathBuf>,
}

/// Set by a kubelet that is not kept from it.
const SETTINGS: [&str; 5] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
];

/// Where containerd, kubelet, plugins and packages keep state.
const FOLDERS: [&str; 4] = ["/etc", "/run", "/var/lib", "/var/log"];

impl Machine {
    pub(crate) fn look() -> Self {
        let words = |text: String, number: usize| {
            let word = move |line: &str| line.split_whitespace().nth(number).map(str::to_owned);
            text.lines().filter_map(word).collect()
        };
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let settings = SETTINGS.into_iter().filter_map(|key| {
            let value = fs::read_to_string(format!("/proc/sys/{key}")).ok()?;
            Some((key, value))
        });
        let mut files = BTreeSet::new();
        for folder in FOLDERS {
            collect(Path::new(folder), &mut files);
        }
        Self {
            mounts: words(mounts, 1),
            links: words(output("ip", &["-o", "link"]), 1),
            rules: output("nft", &["--stateless", "list", "ruleset"])
                .lines()
                .map(str::to_owned)
                .collect(),
            settings: settings.collect(),
            files,
        }
    }

    pub(crate) fn assert_unchanged(&self) {
        let now = Self::look();
        assert_eq!(self.mounts, now.mounts);
        assert_eq!(self.links, now.links);
        assert_eq!(self.rules, now.rules);
        assert_eq!(self.settings, now.settings);
        let new: Vec<_> = now.files.difference(&self.files).collect();
        assert!(new.is_empty(), "new files: {new:?}");
        let lost: Vec<_> = self.files.difference(&now.files).collect();
        assert!(lost.is_empty(), "lost files: {lost:?}");
    }
}

/// All paths below a folder, those of other labs left out, which come and go as they like.
fn collect(folder: &Path, files: &mut BTreeSet<PathBuf>) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let path = entry.path();
        if path.starts_with("/run/netdoctor-lab") {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&path, files);
        }
        files.insert(path);
    }
}

/// The id of the process that a file of the lab's folder names first; 0 if there is none.
fn id(lab: &str, file: &str) -> u32 {
    let text = fs::read_to_string(format!("/run/netdoctor-lab/{lab}/{file}")).unwrap_or_default();
    let first = text.split(' ').next();
    first.and_then(|id| id.parse().ok()).unwrap_or(0)
}

fn ids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// As text, because it only serves to be compared. `None` if the process is gone, or a zombie that nobody waits for.
fn start_time(id: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    if fields.next() == Some("Z") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

fn namespaces_of(id: u32) -> impl Iterator<Item = PathBuf> {
    NAMESPACES
        .into_iter()
        .filter_map(move |kind| fs::read_link(format!("/proc/{id}/ns/{kind}")).ok())
}

fn describe(id: u32) -> String {
    let command = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
    format!("{id} {}", command.replace('\0', " "))
}

fn group(name: &str) -> String {
    format!("/netdoctor-lab-{name}/")
}

fn groups_of(name: &str) -> Vec<String> {
    let wanted = group(name);
    let wanted = wanted.trim_matches('/');
    let found = output("find", &["/sys/fs/cgroup", "-type", "d", "-name", wanted]);
    found.lines().map(str::to_owned).collect()
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

fn kill(id: u32) {
    // To kill(1), it means everything that was started with this test.
    assert_ne!(id, 0);
    let status = Command::new("kill")
        .args(["-KILL", &id.to_string()])
        .status();
    assert!(status.unwrap().success());
}

/// Waits until nothing is left.
fn eventually(what: &str, left: impl Fn() -> Vec<String>) {
    let start = Instant::now();
    loop {
        let left = left();
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: {left:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
