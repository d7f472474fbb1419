//! The distribution, from what its nodes say about themselves.

use super::{Distribution, Fact};
use crate::{
    model::Node,
    rule::Confidence,
    snapshot::{Snapshot, Source},
};

/// Looks at every node; the more specific sign wins (a kind node also carries kubeadm's annotation).
pub(super) fn detect(snapshot: &Snapshot) -> Option<Fact<Distribution>> {
    if snapshot.source == Source::Files && snapshot.objects.nodes.is_empty() {
        return None;
    }
    let signs = snapshot.objects.nodes.iter().filter_map(of_node);
    let best = signs.max_by_key(|(distribution, _)| rank(*distribution));
    best.map(|(value, sign)| Fact {
        value,
        confidence: Confidence::Likely,
        sign,
    })
    .or_else(|| of_services(snapshot))
}

fn rank(distribution: Distribution) -> u8 {
    match distribution {
        Distribution::Kubeadm => 0,
        Distribution::K3s => 1,
        _ => 2,
    }
}

fn of_node(node: &Node) -> Option<(Distribution, String)> {
    let name = &node.meta.name;
    let version = &*node.status.node_info.kubelet_version;
    let provider = node.spec.provider_id.as_deref().unwrap_or_default();
    let label = |key: &str| node.meta.labels.get(key);
    let label_starting = |prefix: &str| {
        let mut keys = node.meta.labels.iter().map(|(key, _)| key);
        keys.find(|key| key.starts_with(prefix))
    };
    let by_version = [
        ("+rke2r", Distribution::Rke2),
        ("-gke.", Distribution::Gke),
        ("-eks-", Distribution::Eks),
    ];
    for (part, distribution) in by_version {
        if version.contains(part) {
            return Some((
                distribution,
                format!("kubelet version {version} of node {name}"),
            ));
        }
    }
    let k3s = version.contains("+k3s")
        || provider.starts_with("k3s://")
        || node
            .meta
            .annotations
            .iter()
            .any(|(key, _)| key.starts_with("k3s.io/"));
    if k3s {
        let distribution = if name.starts_with("k3d-") {
            Distribution::K3d
        } else {
            Distribution::K3s
        };
        return Some((
            distribution,
            format!("annotations and kubelet version of node {name}"),
        ));
    }
    if provider.starts_with("kind://") {
        return Some((Distribution::Kind, format!("providerID of node {name}")));
    }
    let by_label = [
        ("microk8s.io/", Distribution::MicroK8s),
        ("node.kubernetes.io/microk8s-", Distribution::MicroK8s),
        ("minikube.k8s.io/", Distribution::Minikube),
        ("node.openshift.io/", Distribution::OpenShift),
        ("cloud.google.com/gke-", Distribution::Gke),
        ("eks.amazonaws.com/", Distribution::Eks),
        ("kubernetes.azure.com/", Distribution::Aks),
    ];
    for (prefix, distribution) in by_label {
        if let Some(key) = label_starting(prefix) {
            return Some((distribution, format!("label {key} of node {name}")));
        }
    }
    if label("node.kubernetes.io/instance-type") == Some("rke2") {
        return Some((Distribution::Rke2, format!("instance type of node {name}")));
    }
    let kubeadm = "kubeadm.alpha.kubernetes.io/cri-socket";
    node.meta.annotations.get(kubeadm).map(|_| {
        (
            Distribution::Kubeadm,
            format!("annotation {kubeadm} of node {name}"),
        )
    })
}

/// Where nodes may not be read, the DNS Service still has the distribution's own name.
fn of_services(snapshot: &Snapshot) -> Option<Fact<Distribution>> {
    let services = &snapshot.objects.services;
    let known = [
        ("openshift-dns", "dns-default", Distribution::OpenShift),
        (
            "kube-system",
            "rke2-coredns-rke2-coredns",
            Distribution::Rke2,
        ),
    ];
    let (namespace, name, value) = known
        .into_iter()
        .find(|(namespace, name, _)| !services.named(namespace, name).is_empty())?;
    Some(Fact {
        value,
        confidence: Confidence::Hint,
        sign: format!("Service {namespace}/{name}"),
    })
}
