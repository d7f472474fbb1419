//! From bare hosts to a cluster.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Lab;
use crate::host::Host;
use crate::network::{CLUSTER_DNS, CLUSTER_DNS6, wiring};
use crate::spec::{HostName, Spec};
use crate::template::fill;
use crate::{control_group, control_plane, image, internet, node};

/// How long one step may take. A machine that does nothing else needs a twentieth of it.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

impl Lab {
    /// Wires the hosts, starts everything on them, and returns when the cluster is healthy.
    pub(super) fn raise(&self) -> Result<()> {
        control_group::create(&self.folder.control_group())?;
        let switch = wiring::switch(&self.spec, |host| self.holder(host).inside);
        self.host(HostName::Switch).run(&switch)?;
        let authority = control_plane::prepare(self)?;

        // Nodes get ready while the API server starts.
        self.on_each(self.hosts().skip(1), |host| {
            host.write("/etc/resolv.conf", &wiring::resolv_conf())?;
            host.write("/etc/hosts", &wiring::hosts_file(&self.spec))?;
            host.run(&wiring::host(&self.spec, host.name()))?;
            match host.name() {
                HostName::Switch => Ok(()),
                HostName::ControlPlane => self.raise_control_plane(host),
                HostName::Internet => {
                    internet::prepare(self)?;
                    start_all(host)
                }
                HostName::Node(number) => {
                    self.lay_overlay(number)?;
                    node::prepare(self, &authority, number)?;
                    host.run(include_str!("../../templates/images.sh"))?;
                    host.start("containerd")
                }
            }
        })?;
        // A kubelet or a kube-proxy that does not find its Node would wait for half a minute.
        self.on_each(self.nodes(), |host| {
            self.await_containerd(host)?;
            start_all(host)
        })?;
        self.settle_first()
    }

    fn raise_control_plane(&self, host: Host<'_>) -> Result<()> {
        self.start_control_plane(host)?;
        let nodes: Vec<Value> = (1..=self.spec.nodes)
            .map(|number| node::object(&self.spec, number))
            .collect();
        let nodes = json!({"apiVersion": "v1", "kind": "List", "items": nodes});
        self.must(
            &["create", "--validate=false", "-f", "-"],
            &nodes.to_string(),
        )?;
        let coredns = coredns(&self.spec);
        self.must(&["apply", "--validate=false", "-f", "-"], &coredns)
            .map(drop)
    }

    /// Starts what does not run yet, the API server first: a controller manager that does not find it within 10 s gives up.
    pub(super) fn start_control_plane(&self, host: Host<'_>) -> Result<()> {
        host.start("etcd")?;
        host.start("kube-apiserver")?;
        self.await_api_server()?;
        start_all(host)
    }

    pub(super) fn await_api_server(&self) -> Result<()> {
        let host = self.host(HostName::ControlPlane);
        // Asking with kubectl costs as much as the server's start leaves of a processor, so a cheaper sign comes first.
        self.wait("the port of the API server", PATIENCE, || {
            Ok(host.listens(6443).then_some(()))
        })?;
        self.wait("the API server", PATIENCE, || {
            let output = self
                .kubectl_command(&["get", "--raw=/readyz"])
                .output()
                .context("running kubectl")?;
            Ok(output.status.success().then_some(()))
        })
    }

    /// A kubelet that does not find its runtime gives up.
    fn await_containerd(&self, host: Host<'_>) -> Result<()> {
        let socket = host.path("/run/containerd/containerd.sock");
        self.wait("containerd", PATIENCE, || Ok(socket.exists().then_some(())))
    }
}

/// Starts what does not run yet.
pub(super) fn start_all(host: Host<'_>) -> Result<()> {
    host.components()
        .iter()
        .try_for_each(|component| host.start(component))
}

fn coredns(spec: &Spec) -> String {
    let first = CLUSTER_DNS.to_string();
    let (ips, policy) = if spec.dual_stack {
        (format!("{first}, \"{CLUSTER_DNS6}\""), "RequireDualStack")
    } else {
        (first.clone(), "SingleStack")
    };
    fill(
        include_str!("../../templates/coredns.yaml"),
        &[
            ("replicas", &spec.nodes.min(2).to_string()),
            ("image", &image::coredns()),
            ("first_ip", &first),
            ("ips", &ips),
            ("family_policy", policy),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::has_gap;

    #[test]
    fn coredns_is_complete() {
        let spec = Spec {
            nodes: 1,
            dual_stack: true,
            ..Spec::default()
        };
        let text = coredns(&spec);
        assert!(!has_gap(&text), "{text}");
        assert!(text.contains("replicas: 1\n"));
        assert!(text.contains("clusterIPs: [10.96.0.10, \"fd00:10:96::a\"]\n"));
        assert!(coredns(&Spec::default()).contains("replicas: 2\n"));
    }
}
