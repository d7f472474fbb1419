//! A running lab.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use ipnet::{Ipv4Net, Ipv6Net};

use crate::host::{Container, Host, Output};
use crate::network;
use crate::spec::{HostName, Spec};

/// A running lab.
pub struct Lab {
    spec: Spec,
    logs: PathBuf,
}

/// One line of `lab status`.
#[derive(Debug, Clone)]
pub struct Running {
    /// What was asked for.
    pub spec: Spec,
    /// Whether the processes are there. If not, `down` clears away what a killed run left.
    pub alive: bool,
    /// The folder with its logs.
    pub logs: PathBuf,
}

impl Lab {
    /// Starts a lab, or attaches to one of the same spec that runs already. It outlives this process, until
    /// [`Self::down`]. Returns when nodes are Ready, CoreDNS answers and every node has the Services.
    pub fn up(spec: &Spec) -> Result<Self> {
        bail!("{spec:?}: not there yet")
    }

    /// Starts a lab that ends with this value or with this process, however that ends.
    pub fn owned(spec: &Spec) -> Result<Self> {
        bail!("{spec:?}: not there yet")
    }

    /// The running lab of this name.
    pub fn attach(name: &str) -> Result<Option<Self>> {
        bail!("{name}: not there yet")
    }

    /// Ends the lab of this name and clears away everything of it, also what is left of one that died. Fine if there is
    /// none.
    pub fn down(name: &str) -> Result<()> {
        bail!("{name}: not there yet")
    }

    /// All labs on this machine, dead ones included.
    pub fn list() -> Result<Vec<Running>> {
        bail!("not there yet")
    }

    /// What was asked for.
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The folder of this run: every log, every command.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// Keeps the logs of an owned lab when it ends. Errors of this type do that by themselves.
    pub fn keep_logs(&self) {}

    /// One of the hosts.
    pub const fn host(&self, name: HostName) -> Host<'_> {
        Host::new(self, name)
    }

    /// Node 1 and so on.
    pub fn nodes(&self) -> impl Iterator<Item = HostName> + use<> {
        (1..=self.spec.nodes).map(HostName::Node)
    }

    /// All hosts.
    pub fn hosts(&self) -> impl Iterator<Item = HostName> + use<> {
        let others = [HostName::Switch, HostName::ControlPlane, HostName::Internet];
        others.into_iter().chain(self.nodes())
    }

    /// The IPv4 address of a host.
    pub const fn address(&self, host: HostName) -> Ipv4Addr {
        network::address(host)
    }

    /// The IPv6 address of a host; it has one only with [`Spec::dual_stack`].
    pub const fn address6(&self, host: HostName) -> Ipv6Addr {
        network::address6(host)
    }

    /// The IPv4 pod range of a node.
    pub fn pod_cidr(&self, node: u8) -> Ipv4Net {
        network::pod_cidr(node)
    }

    /// The IPv6 pod range of a node; it has one only with [`Spec::dual_stack`].
    pub fn pod_cidr6(&self, node: u8) -> Ipv6Net {
        network::pod_cidr6(node)
    }

    /// The kubeconfig of an administrator. It works on the control plane.
    pub fn kubeconfig(&self) -> PathBuf {
        self.logs.join("admin.conf")
    }

    /// Runs the real kubectl on the control plane. The exit code is for the caller to judge.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        bail!("{arguments:?}: not there yet")
    }

    /// The same with text on standard input.
    pub fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Result<Output> {
        bail!("{arguments:?} {input}: not there yet")
    }

    /// `kubectl apply`, which must succeed.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        bail!("{yaml}: not there yet")
    }

    /// `kubectl delete` of what the text names, without waiting for pods to end gracefully. What is gone already is fine.
    pub fn delete(&self, yaml: &str) -> Result<()> {
        bail!("{yaml}: not there yet")
    }

    /// `kubectl get … -o json`, parsed. It must succeed.
    pub fn get(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        bail!("{arguments:?}: not there yet")
    }

    /// Polls until there is a value. The error says what was waited for and names the folder with the logs.
    pub fn wait<T>(
        &self,
        what: &str,
        patience: Duration,
        attempt: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let _ = (patience, attempt);
        bail!("{what}: not there yet")
    }

    /// Runs a command in a pod through the API server, as `kubectl exec` does.
    pub fn pod_exec(&self, namespace: &str, pod: &str, argv: &[&str]) -> Result<Output> {
        bail!("{namespace}/{pod} {argv:?}: not there yet")
    }

    /// Runs our program on the control plane.
    pub fn netdoctor(&self, binary: &Path, arguments: &[&str]) -> Result<Output> {
        bail!("{} {arguments:?}: not there yet", binary.display())
    }

    /// Loads the images of a `docker save` archive into every node.
    pub fn load(&self, archive: &Path) -> Result<()> {
        bail!("{}: not there yet", archive.display())
    }

    /// The running containers of a pod, the sandbox left out, found on its node without API server and kubelet.
    pub fn containers_of(&self, namespace: &str, pod: &str) -> Result<Vec<Container>> {
        bail!("{namespace}/{pod}: not there yet")
    }

    /// The components that run on a host, in the order in which they start: `etcd`, `kube-apiserver`,
    /// `kube-controller-manager`, `kube-scheduler` on the control plane; `containerd`, `kubelet`, `kube-proxy` on a
    /// node; `web` and `dns` on the internet host.
    pub fn components_of(&self, host: HostName) -> &'static [&'static str] {
        match host {
            HostName::Switch => &[],
            HostName::ControlPlane => &[
                "etcd",
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
            ],
            HostName::Internet => &["dns", "web"],
            HostName::Node(_) => &["containerd", "kubelet", "kube-proxy"],
        }
    }

    /// Restarts the API server and everything that watches it, and waits until all of it works again. A restart of
    /// `kube-apiserver` alone leaves watchers behind that take up to 90 s to come back.
    pub fn restart_api_server(&self) -> Result<()> {
        bail!("not there yet")
    }

    /// Waits until the cluster is as healthy as [`Self::up`] left it: components run, nodes Ready, CoreDNS ready and its
    /// addresses programmed on every node. For the end of a healed fault.
    pub fn settle(&self) -> Result<()> {
        bail!("not there yet")
    }

    /// A certificate signed by the authority of the cluster, for faults that replace one; see
    /// [`crate::tls::Authority`]. The certificates of a host are in `/etc/kubernetes/pki` of that host.
    pub fn authority(&self) -> Result<crate::tls::Authority> {
        bail!("not there yet")
    }
}
