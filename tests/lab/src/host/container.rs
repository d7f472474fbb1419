//! Containers on a node, found without the programs that a fault may have stopped.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::{Host, proc_of};
use crate::spec::HostName;
use crate::state::Process;

/// Where containerd's shims keep a folder per container, with its OCI configuration and the id of its process.
const TASKS: &str = "/run/containerd/io.containerd.runtime.v2.task/k8s.io";

/// A running container on a node.
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

impl Host<'_> {
    /// The running containers of a node, sandboxes included, in the order of namespace, pod and name. It needs neither
    /// API server nor kubelet nor containerd.
    pub fn containers(&self) -> Result<Vec<Container>> {
        let folder = self.path(TASKS);
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.with_context(|| format!("reading {TASKS} on {}", self.name))?,
        };
        let mut containers = Vec::new();
        for entry in entries {
            // A container that is being removed while this looks is none.
            containers.extend(self.container(&entry?.path()));
        }
        containers.sort_by(|a, b| {
            (&a.namespace, &a.pod, &a.name, &a.id).cmp(&(&b.namespace, &b.pod, &b.name, &b.id))
        });
        Ok(containers)
    }

    fn container(&self, task: &Path) -> Option<Container> {
        let pid = fs::read_to_string(task.join("init.pid")).ok()?;
        let pid = pid.trim().parse().ok()?;
        Process::find(&proc_of(*self), pid)?;
        let config: Value =
            serde_json::from_slice(&fs::read(task.join("config.json")).ok()?).ok()?;
        let annotation = |name: &str| {
            let value = config["annotations"][format!("io.kubernetes.cri.{name}")].as_str()?;
            Some(value.to_owned())
        };
        Some(Container {
            node: self.name,
            namespace: annotation("sandbox-namespace")?,
            pod: annotation("sandbox-name")?,
            name: annotation("container-name"),
            id: task.file_name()?.to_str()?.to_owned(),
            pid,
        })
    }

    /// A command of the *host's* file system in the network namespace of a container: `ping`, `nslookup`, `ip` and so on
    /// as the pod's packets would fare, whether or not its image has such a program.
    pub fn command_in_network_of(&self, container: &Container, program: &str) -> Command {
        self.command_at(container, &["--net"], program)
    }

    /// A command of the container's own image, by its full path, in all of its namespaces.
    pub fn command_in(&self, container: &Container, program: &str) -> Command {
        let namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid"];
        self.command_at(container, &namespaces, program)
    }

    fn command_at(&self, container: &Container, namespaces: &[&str], program: &str) -> Command {
        let mut command = self.command("nsenter");
        command
            .args(namespaces)
            .args(["--target", &container.pid.to_string(), "--", program]);
        command
    }
}
