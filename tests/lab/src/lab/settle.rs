//! Telling when a cluster is healthy.

use std::collections::BTreeSet;

use anyhow::Result;
use serde_json::Value;

use super::Lab;
use super::raise::{PATIENCE, start_all};
use crate::host::Host;
use crate::network::CLUSTER_DNS;
use crate::spec::{HostName, ProxyMode};

/// Where the kubelet and kube-proxy say how they are.
const KUBELET_PORT: u16 = 10248;
const PROXY_PORT: u16 = 10256;

impl Lab {
    /// Waits until the cluster is as healthy as [`Self::up`] left it: API server, kubelets and kube-proxies answer, nodes
    /// are Ready, CoreDNS is ready and programmed on every node. For the end of a healed fault.
    pub fn settle(&self) -> Result<()> {
        self.await_cluster()
            .and_then(|()| self.await_kubelets())
            .inspect_err(|_| self.gather_evidence())
    }

    /// The same for nodes that have just started, and so have no pods that they could not know yet.
    pub(super) fn settle_first(&self) -> Result<()> {
        self.await_cluster().inspect_err(|_| self.gather_evidence())
    }

    /// Starts what is dead, and settles.
    pub(super) fn repair(&self) -> Result<()> {
        self.start_control_plane(self.host(HostName::ControlPlane))?;
        self.on_each(self.hosts(), start_all)?;
        self.settle()
    }

    /// Restarts the API server and everything that watches it, and waits until all of it works again. A restart of
    /// `kube-apiserver` alone leaves watchers behind that take up to 90 s to come back.
    pub fn restart_api_server(&self) -> Result<()> {
        let host = self.host(HostName::ControlPlane);
        host.restart("kube-apiserver")?;
        self.await_api_server()?;
        host.restart("kube-controller-manager")?;
        host.restart("kube-scheduler")?;
        self.on_each(self.nodes(), |host| {
            host.restart("kubelet")?;
            host.restart("kube-proxy")
        })?;
        self.settle()
    }

    fn await_cluster(&self) -> Result<()> {
        self.await_api_server()?;
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        let ready = ["wait", "--for=condition=Ready", "nodes", "--all", &timeout];
        self.must(&ready, "")?;
        let rollout = ["rollout", "status", "-n=kube-system", "deployment/coredns"];
        self.must(&[&rollout[..], &[&timeout]].concat(), "")?;
        let replicas = usize::from(self.spec.nodes.min(2));
        let dns = self.wait("the endpoints of CoreDNS", PATIENCE, || {
            let endpoints = self.ready_endpoints_of_dns()?;
            Ok((endpoints.len() >= replicas).then_some(endpoints))
        })?;
        self.on_each(self.nodes(), |host| self.await_node(host, &dns))?;
        // Pods are refused until there is one.
        self.wait("the default service account", PATIENCE, || {
            let output = self.kubectl(&["get", "serviceaccount", "default"])?;
            Ok(output.ok().then_some(()))
        })
    }

    /// A kubelet that was restarted knows nothing of its pods for a moment: `exec` fails although all of them run.
    fn await_kubelets(&self) -> Result<()> {
        let running = self.get(&["pods", "-A", "--field-selector=status.phase=Running"])?;
        self.on_each(self.nodes(), |host| {
            let node = host.name().to_string();
            let mine = |pod: &&Value| pod["spec"]["nodeName"] == *node;
            let wanted: BTreeSet<String> = uids(list(&running["items"]).iter().filter(mine));
            let path = format!("--raw=/api/v1/nodes/{node}/proxy/pods");
            self.wait("a kubelet that knows its pods", PATIENCE, || {
                let output = self.must(&["get", &path], "")?;
                let known: Value = serde_json::from_str(&output.stdout)?;
                let known = uids(list(&known["items"]).iter());
                Ok(wanted.is_subset(&known).then_some(()))
            })
        })
    }

    /// The IPv4 addresses behind `kube-dns`.
    fn ready_endpoints_of_dns(&self) -> Result<BTreeSet<String>> {
        let selector = "-l=kubernetes.io/service-name=kube-dns";
        let slices = self.get(&["endpointslices", "-n=kube-system", selector])?;
        let slices = list(&slices["items"]);
        Ok(slices
            .iter()
            .filter(|slice| slice["addressType"] == "IPv4")
            .flat_map(|slice| list(&slice["endpoints"]))
            .filter(|endpoint| endpoint["conditions"]["ready"] == true)
            .flat_map(|endpoint| list(&endpoint["addresses"]))
            .filter_map(|address| address.as_str().map(str::to_owned))
            .collect())
    }

    /// kubelet and kube-proxy answer, and the node's rules and the network lead to CoreDNS.
    fn await_node(&self, host: Host<'_>, dns: &BTreeSet<String>) -> Result<()> {
        let rules = match self.spec.proxy {
            ProxyMode::Iptables => "iptables-save -t nat",
            ProxyMode::Nftables => "nft list table ip kube-proxy",
        };
        let mut script = format!("rules=$({rules})\n");
        for address in dns {
            // In both modes an endpoint stands beside its port, and in one of them before a blank.
            let pattern = format!("{}[:. ]*53", address.replace('.', "\\."));
            script += &format!("echo \"$rules\" | grep -q '{pattern}'\n");
        }
        script += &format!(
            "busybox nslookup kubernetes.default.svc.cluster.local. {CLUSTER_DNS} >/dev/null\n"
        );
        self.wait(
            "kubelet, kube-proxy and the way to CoreDNS",
            PATIENCE,
            || {
                if !(host.listens(KUBELET_PORT) && host.listens(PROXY_PORT)) {
                    return Ok(None);
                }
                let output = host.try_run(&script)?;
                Ok(output.ok().then_some(()))
            },
        )
    }

    /// What somebody who reads the logs will ask for first.
    fn gather_evidence(&self) {
        for arguments in [
            ["get", "nodes,pods,services,endpointslices", "-A", "-owide"],
            ["get", "events", "-A", "--sort-by=.lastTimestamp"],
        ] {
            // It goes to the log of commands, error or not; the caller has an error to report already.
            let _ = self.kubectl(&arguments);
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn uids<'a>(pods: impl Iterator<Item = &'a Value>) -> BTreeSet<String> {
    pods.filter_map(|pod| pod["metadata"]["uid"].as_str().map(str::to_owned))
        .collect()
}
