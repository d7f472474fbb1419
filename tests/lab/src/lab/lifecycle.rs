//! Starting a lab, finding it again, ending it.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{Lab, Owner, Running};
use crate::components::Components;
use crate::requirements;
use crate::spec::{HostName, Spec};
use crate::state::{Holder, Record, RunFolder};
use crate::{store, teardown};

/// Making the namespaces of all hosts takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(20);

const SCRIPTS: [(&str, &str); 3] = [
    ("guard.sh", include_str!("../../templates/guard.sh")),
    ("init.sh", include_str!("../../templates/init.sh")),
    ("host.sh", include_str!("../../templates/host.sh")),
];

impl Lab {
    /// Starts a lab, or attaches to one of the same spec that runs already and repairs what is dead in it. It outlives
    /// this process, until [`Self::down`]. Returns when nodes are Ready, CoreDNS answers and every node has the Services.
    ///
    /// If this process is killed before the lab is complete, the lab ends too.
    pub fn up(spec: &Spec) -> Result<Self> {
        spec.check()?;
        let components = requirements::check(spec)?;
        let folder = RunFolder::of(&spec.name);
        let (_lock, running) = lock(&folder)?;
        if let Some(lab) = running {
            ensure!(
                lab.spec == *spec,
                "lab `{0}` runs with other settings ({1}); end it with `cargo xtask lab down --name {0}` or choose another name",
                spec.name,
                lab.spec
            );
            lab.repair()?;
            return Ok(lab);
        }
        let mut lab = Self::start(folder, spec, &components)?;
        lab.stay()?;
        Ok(lab)
    }

    /// Starts a lab that ends with this value or with this process, however that ends.
    pub fn owned(spec: &Spec) -> Result<Self> {
        spec.check()?;
        let components = requirements::check(spec)?;
        let folder = RunFolder::of(&spec.name);
        let (_lock, running) = lock(&folder)?;
        if running.is_some() {
            bail!(
                "lab `{}` runs already, and belongs to somebody else",
                spec.name
            );
        }
        Self::start(folder, spec, &components)
    }

    /// The running lab of this name.
    pub fn attach(name: &str) -> Result<Option<Self>> {
        requirements::privileges()?;
        Ok(find(RunFolder::of(name)))
    }

    /// Ends the lab of this name and clears away everything of it, also what is left of one that died. Fine if there is
    /// none.
    pub fn down(name: &str) -> Result<()> {
        requirements::privileges()?;
        // A name that cannot be one would lead out of the folder of all labs.
        Spec::default().named(name)?;
        let folder = RunFolder::of(name);
        let mut logs = None;
        if folder.exists() {
            let _lock = folder.lock()?;
            logs = folder.record().map(|record| record.logs);
            teardown::end(&folder)?;
        }
        remove_logs(&logs.unwrap_or_else(|| logs_of(name)))
    }

    /// All labs on this machine, dead ones included.
    pub fn list() -> Result<Vec<Running>> {
        let describe = |folder: RunFolder| {
            let record = folder.record();
            Running {
                name: folder.name().to_owned(),
                logs: record.as_ref().map(|record| record.logs.clone()),
                spec: record.map(|record| record.spec),
                alive: find(folder).is_some(),
            }
        };
        Ok(RunFolder::all()?.into_iter().map(describe).collect())
    }

    fn start(folder: RunFolder, spec: &Spec, components: &Components) -> Result<Self> {
        let logs = logs_of(&spec.name);
        let owner = begin(&folder, spec, &logs, components).inspect_err(|_| {
            // The error is what there is to tell. Whatever is left all the same, the next lab of this name removes.
            let _ = teardown::end(&folder);
        })?;
        let mut lab = Self {
            spec: spec.clone(),
            owner: Some(owner),
            logs,
            folder,
            holders: BTreeMap::new(),
            keep_logs: AtomicBool::new(false),
        };
        // From here on, an error drops the value and so ends the lab.
        lab.holders = lab.await_hosts()?;
        lab.raise()?;
        lab.folder.write("ready", "")?;
        Ok(lab)
    }

    fn await_hosts(&self) -> Result<BTreeMap<HostName, Holder>> {
        let start = Instant::now();
        loop {
            if let Some(holders) = holders(&self.folder, &self.spec) {
                return Ok(holders);
            }
            if start.elapsed() > PATIENCE {
                return Err(self.failure("the namespaces of the hosts cannot be made"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets the lab outlive this process.
    fn stay(&mut self) -> Result<()> {
        if let Some(Owner {
            pipe: Some(mut pipe),
            ..
        }) = self.owner.take()
        {
            pipe.write_all(b"stay\n")
                .context("telling the lab to stay")?;
        }
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let Some(mut owner) = self.owner.take() else {
            return;
        };
        // The init process notices, and ends.
        drop(owner.pipe.take());
        // Neither error can be told to anybody; what is left is cleared away by the next lab of this name.
        let _ = owner.guard.wait();
        let _ = teardown::end(&self.folder);
        if !thread::panicking() && !self.keep_logs.load(Ordering::Relaxed) {
            let _ = remove_logs(&self.logs);
        }
    }
}

/// Takes the lock of a lab, and finds it, or clears away what is left of it.
fn lock(folder: &RunFolder) -> Result<(File, Option<Lab>)> {
    loop {
        let lock = folder.lock()?;
        if let Some(lab) = find(folder.clone()) {
            return Ok((lock, Some(lab)));
        }
        if folder.is_fresh() {
            return Ok((lock, None));
        }
        // This takes the lock away too, hence another round.
        teardown::end(folder)?;
    }
}

/// A lab that has been healthy once, and all of whose hosts are still there: one that is gone cannot be put back.
fn find(folder: RunFolder) -> Option<Lab> {
    folder.process("init").filter(|_| folder.is_ready())?;
    let Record { spec, logs } = folder.record()?;
    Some(Lab {
        holders: holders(&folder, &spec)?,
        spec,
        logs,
        folder,
        owner: None,
        keep_logs: AtomicBool::new(true),
    })
}

fn holders(folder: &RunFolder, spec: &Spec) -> Option<BTreeMap<HostName, Holder>> {
    spec.hosts()
        .map(|host| Some((host, folder.holder(host)?)))
        .collect()
}

/// Writes down what the lab is to be, and starts its first process.
fn begin(folder: &RunFolder, spec: &Spec, logs: &Path, components: &Components) -> Result<Owner> {
    let images = store::ready(components)?;
    remove_logs(logs)?;
    fs::create_dir_all(logs).with_context(|| format!("creating {}", logs.display()))?;
    folder.write_record(&Record {
        spec: spec.clone(),
        logs: logs.to_owned(),
    })?;
    folder.create("hosts")?;
    folder.create("data")?;
    for (name, text) in SCRIPTS {
        folder.write(name, text)?;
    }
    spawn_guard(folder, spec, logs, components, &images)
}

fn spawn_guard(
    folder: &RunFolder,
    spec: &Spec,
    logs: &Path,
    components: &Components,
    images: &Path,
) -> Result<Owner> {
    let path = logs.join("guard.log");
    let log = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    let coredns = components.path("coredns");
    let mut guard = Command::new("setsid")
        .arg("sh")
        .arg(folder.path().join("guard.sh"))
        .arg(folder.path())
        .arg(folder.control_group())
        .arg(logs)
        .arg(components.folder())
        .arg(coredns.parent().unwrap_or(&coredns))
        .arg(images)
        .args(spec.hosts().map(|host| host.to_string()))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("starting the lab's first process")?;
    Ok(Owner {
        pipe: guard.stdin.take(),
        guard,
    })
}

/// `$NETDOCTOR_LAB_LOGS/NAME`, else `lab/NAME` in the build folder of the checkout.
fn logs_of(name: &str) -> PathBuf {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let folder = set("NETDOCTOR_LAB_LOGS").unwrap_or_else(|| {
        let target = set("CARGO_TARGET_DIR").unwrap_or_else(|| PathBuf::from("target"));
        crate::repository().join(target).join("lab")
    });
    folder.join(name)
}

fn remove_logs(logs: &Path) -> Result<()> {
    match fs::remove_dir_all(logs) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other.with_context(|| format!("removing {}", logs.display())),
    }
}
