//! One host of a lab, and what is done on it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::lab::Lab;
use crate::spec::HostName;

/// What a finished command left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code; 128 and the signal's number for a command that a signal ended.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// One host of a running lab.
#[derive(Clone, Copy)]
pub struct Host<'lab> {
    lab: &'lab Lab,
    name: HostName,
}

/// A running container on a node, found without kubelet, containerd and API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The node that it runs on.
    pub node: HostName,
    /// The namespace of its pod.
    pub namespace: String,
    /// The name of its pod.
    pub pod: String,
    /// The name of the container in the pod; `None` for the sandbox (the `pause` container).
    pub name: Option<String>,
    /// The id that containerd knows it by.
    pub id: String,
    /// The id of its first process, as processes inside of the lab see it.
    pub pid: u32,
}

impl<'lab> Host<'lab> {
    pub(crate) const fn new(lab: &'lab Lab, name: HostName) -> Self {
        Self { lab, name }
    }

    /// Which host this is.
    pub const fn name(&self) -> HostName {
        self.name
    }

    /// A command in all namespaces of the host, with the components on `PATH` and nothing else of the environment; on
    /// the control plane also `KUBECONFIG`. It starts in `/`. Its output is not logged; use [`Self::run`] for that.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(program);
        command
    }

    /// Runs a script with `sh -e` and logs it. An exit code other than 0 is an error that shows the output and names the
    /// folder with the logs.
    pub fn run(&self, script: &str) -> Result<Output> {
        let _ = (script, self.lab);
        bail!("not there yet")
    }

    /// The same, but the exit code is for the caller to judge. An error means that the script could not be run at all.
    pub fn try_run(&self, script: &str) -> Result<Output> {
        let _ = script;
        bail!("not there yet")
    }

    /// Where a file of the host is seen from the machine, for reading and for replacing it. `file` is absolute.
    pub fn path(&self, file: &str) -> PathBuf {
        Path::new("/proc").join(file)
    }

    /// The running containers of a node, sandboxes included.
    pub fn containers(&self) -> Result<Vec<Container>> {
        bail!("not there yet")
    }

    /// A command of the *host's* file system in the network namespace of a container: `ping`, `nslookup`, `ip` and so on
    /// as the pod's packets would fare, whether or not its image has such a program.
    pub fn command_in_network_of(&self, container: &Container, program: &str) -> Command {
        let _ = container;
        Command::new(program)
    }

    /// A command of the container's own image in all of its namespaces.
    pub fn command_in(&self, container: &Container, program: &str) -> Command {
        let _ = container;
        Command::new(program)
    }

    /// Stops a component (see [`crate::lab::Lab::components_of`]) as a crash does, with SIGKILL. Nothing restarts it.
    /// Fine if it does not run.
    pub fn stop(&self, component: &str) -> Result<()> {
        bail!("{component}: not there yet")
    }

    /// Starts a component that does not run, and returns at once.
    pub fn start(&self, component: &str) -> Result<()> {
        bail!("{component}: not there yet")
    }

    /// Stops and starts.
    pub fn restart(&self, component: &str) -> Result<()> {
        bail!("{component}: not there yet")
    }

    /// Whether the process of a component is there.
    pub fn runs(&self, component: &str) -> Result<bool> {
        bail!("{component}: not there yet")
    }
}
