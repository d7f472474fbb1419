//! What is done with the cluster of a lab: through its API, and in its pods.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::Lab;
use crate::host::{Container, Host, Output};
use crate::spec::HostName;

impl Lab {
    /// Runs the real kubectl on the control plane as administrator. The exit code is for the caller to judge.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        self.kubectl_with_input(arguments, "")
    }

    /// The same with text on standard input.
    pub fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let host = self.host(HostName::ControlPlane);
        let mut command = self.kubectl_command(arguments);
        let title = format!("kubectl {}\n{input}", arguments.join(" "));
        host.finish(&title, &mut command, input)
    }

    /// A kubectl that hangs is ended.
    pub(super) fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.host(HostName::ControlPlane).command("timeout");
        command.args(["-k", "5", "300", "kubectl"]).args(arguments);
        command
    }

    /// `kubectl apply`, which must succeed.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        self.must(&["apply", "-f", "-"], yaml).map(drop)
    }

    /// `kubectl delete` of what the text names, without waiting for pods to end gracefully. What is gone already is fine.
    pub fn delete(&self, yaml: &str) -> Result<()> {
        let arguments = ["delete", "--ignore-not-found", "--now", "-f", "-"];
        self.must(&arguments, yaml).map(drop)
    }

    /// `kubectl get … -o json`, parsed. It must succeed.
    pub fn get(&self, arguments: &[&str]) -> Result<Value> {
        let arguments = [&["get", "-o", "json"], arguments].concat();
        let output = self.must(&arguments, "")?;
        serde_json::from_str(&output.stdout)
            .with_context(|| format!("reading what kubectl {} wrote", arguments.join(" ")))
    }

    /// Runs kubectl, which must succeed.
    pub fn must(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let output = self.kubectl_with_input(arguments, input)?;
        if output.ok() {
            return Ok(output);
        }
        let arguments = arguments.join(" ");
        Err(self.failure(&format!(
            "exit code {} from kubectl {arguments}\n{}{}",
            output.code, output.stdout, output.stderr
        )))
    }

    /// Runs a command in a pod through the API server, as `kubectl exec` does.
    pub fn pod_exec(&self, namespace: &str, pod: &str, argv: &[&str]) -> Result<Output> {
        self.kubectl(&[&["exec", "-n", namespace, pod, "--"], argv].concat())
    }

    /// Runs our program on the control plane, with the kubeconfig of an administrator. The exit code is for the caller to
    /// judge.
    pub fn netdoctor(&self, binary: &Path, arguments: &[&str]) -> Result<Output> {
        let host = self.host(HostName::ControlPlane);
        let mut command = host.command("timeout");
        command.args(["-k", "5", "300"]).arg(binary).args(arguments);
        let title = format!("{} {}", binary.display(), arguments.join(" "));
        host.finish(&title, &mut command, "")
    }

    /// Loads the images of a `docker save` archive into every node.
    pub fn load(&self, archive: &Path) -> Result<()> {
        self.on_each(self.nodes(), |host| self.load_into(host, archive))
    }

    pub(super) fn load_into(&self, host: Host<'_>, archive: &Path) -> Result<()> {
        // Opened here: the host may not see the folder that it is in.
        let file = File::open(archive).with_context(|| format!("opening {}", archive.display()))?;
        let mut command = host.command("ctr");
        command
            .args(["--namespace=k8s.io", "images", "import", "-"])
            .stdin(file);
        let output = Output::from(command.output().context("running ctr")?);
        host.log(&format!("load {}", archive.display()), &output)?;
        if output.ok() {
            return Ok(());
        }
        Err(self.failure(&format!(
            "{} cannot be loaded: {}{}",
            archive.display(),
            output.stdout,
            output.stderr
        )))
    }

    /// The running containers of a pod, the sandbox left out, found on its node without API server and kubelet.
    pub fn containers_of(&self, namespace: &str, pod: &str) -> Result<Vec<Container>> {
        let mut found = Vec::new();
        for node in self.nodes() {
            found.extend(self.host(node).containers()?);
        }
        found.retain(|container| {
            container.namespace == namespace && container.pod == pod && container.name.is_some()
        });
        Ok(found)
    }
}
