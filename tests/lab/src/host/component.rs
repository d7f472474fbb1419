//! Starting and stopping the programs that a host consists of.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Host, LOGS, proc_of};
use crate::spec::HostName;
use crate::state::Process;
use crate::{control_plane, internet, node};

/// Leaves a process behind that belongs to the init process of the lab, and says its id.
const START: &str = r#"
log=$1
shift
setsid "$@" </dev/null >>"$log" 2>&1 &
echo $!
"#;

impl Host<'_> {
    /// The components of this host, in the order in which they start: `etcd`, `kube-apiserver`,
    /// `kube-controller-manager`, `kube-scheduler` on the control plane; `containerd`, `kubelet`, `kube-proxy` on a
    /// node; `dns`, `web` on the internet host.
    pub const fn components(&self) -> &'static [&'static str] {
        match self.name {
            HostName::Switch => &[],
            HostName::ControlPlane => &control_plane::COMPONENTS,
            HostName::Internet => &internet::COMPONENTS,
            HostName::Node(_) => &node::COMPONENTS,
        }
    }

    /// Stops a component as a crash does, with SIGKILL. Nothing restarts it. Fine if it does not run.
    pub fn stop(&self, component: &str) -> Result<()> {
        self.demand(component)?;
        let Some(process) = self.process(component) else {
            return Ok(());
        };
        // It may end by itself between the look and the shot.
        self.try_run(&format!("kill -KILL {}", process.id))?;
        let what = format!("the end of {component} on {}", self.name);
        self.lab.wait(&what, Duration::from_secs(10), || {
            Ok((!process.runs(&proc_of(*self))).then_some(()))
        })
    }

    /// Starts a component unless it runs, and returns at once.
    pub fn start(&self, component: &str) -> Result<()> {
        self.demand(component)?;
        if self.process(component).is_some() {
            return Ok(());
        }
        let arguments = self.arguments(component)?;
        let title = format!("start {component}: {}", arguments.join(" "));
        let mut command = self.command("sh");
        command
            .args(["-e", "-c", START, "sh"])
            .arg(format!("{LOGS}/{}-{component}.log", self.name))
            .args(arguments);
        let output = self.finish(&title, &mut command, "")?;
        let process = output
            .stdout
            .trim()
            .parse()
            .ok()
            .and_then(|id| Process::find(&proc_of(*self), id));
        match process {
            Some(process) => self.write(&pid_file(component), &process.text()),
            None => Err(self
                .lab
                .failure(&format!("{component} on {} did not start", self.name))),
        }
    }

    /// Stops and starts.
    pub fn restart(&self, component: &str) -> Result<()> {
        self.stop(component)?;
        self.start(component)
    }

    /// Whether the process of a component is there.
    pub fn runs(&self, component: &str) -> Result<bool> {
        self.demand(component)?;
        Ok(self.process(component).is_some())
    }

    fn process(&self, component: &str) -> Option<Process> {
        let text = fs::read_to_string(self.path(&pid_file(component))).ok()?;
        let process = Process::parse(&text)?;
        process.runs(&proc_of(*self)).then_some(process)
    }

    fn demand(&self, component: &str) -> Result<()> {
        let known = self.components();
        if known.contains(&component) {
            return Ok(());
        }
        bail!(
            "no component of {} is called `{component}`; there is {}",
            self.name,
            if known.is_empty() {
                "none".to_owned()
            } else {
                known.join(", ")
            }
        )
    }

    /// The program and its arguments.
    fn arguments(&self, component: &str) -> Result<Vec<String>> {
        let spec = self.lab.spec();
        let arguments = match self.name {
            HostName::Switch => None,
            HostName::ControlPlane => control_plane::arguments(spec, component),
            HostName::Internet => internet::arguments(component),
            HostName::Node(number) => node::arguments(spec, number, component),
        };
        arguments.with_context(|| format!("{component} on {} has no program", self.name))
    }
}

fn pid_file(component: &str) -> String {
    format!("/run/netdoctor-lab/{component}.pid")
}
