//! Which program a pod runs: agents of dataplanes and service proxies, told by container names and images.
//!
//! Names of `DaemonSets` say little (`rke2-canal`, `anetd`, `kube-flannel-ds-amd64`), and mirrors rename images, so
//! several spellings count. An unknown image is no agent, never "no dataplane".

use super::Dataplane;
use crate::model::{Container, Labels, PodSpec};

/// The dataplane whose node agent these pods are.
pub(crate) fn dataplane(spec: &PodSpec) -> Option<Dataplane> {
    let mut found: Option<Dataplane> = None;
    for container in &spec.containers {
        found = match (found, of_container(container)) {
            (Some(Dataplane::Calico), Some(Dataplane::Flannel))
            | (Some(Dataplane::Flannel), Some(Dataplane::Calico)) => Some(Dataplane::Canal),
            (None, other) => other,
            (some, _) => some,
        };
    }
    found
}

fn of_container(container: &Container) -> Option<Dataplane> {
    let name = &*container.name;
    let repository = repository(&container.image);
    let last = repository.rsplit('/').next().unwrap_or_default();
    let calico = name.starts_with("calico-node")
        || repository.ends_with("calico/node")
        || last.contains("calico-node")
        || last == "hardened-calico";
    Some(if calico {
        Dataplane::Calico
    } else if name == "cilium-agent"
        || matches!(last, "cilium" | "cilium-ci" | "mirrored-cilium-cilium")
    {
        Dataplane::Cilium
    } else if name == "kube-flannel" || last.ends_with("flannel") {
        Dataplane::Flannel
    } else if name == "antrea-agent" {
        Dataplane::Antrea
    } else if matches!(name, "ovnkube-controller" | "ovnkube-node") {
        Dataplane::OvnKubernetes
    } else if matches!(name, "cni-server" | "openvswitch") && last.starts_with("kube-ovn") {
        Dataplane::KubeOvn
    } else if name == "weave" && last.starts_with("weave-kube") {
        Dataplane::Weave
    } else if name == "kindnet-cni" || last == "kindnetd" {
        Dataplane::Kindnet
    } else if last == "kube-router" {
        Dataplane::KubeRouter
    } else if last == "amazon-k8s-cni" || matches!(name, "cns-container" | "netd" | "terway") {
        Dataplane::CloudNative
    } else {
        return None;
    })
}

/// Whether these pods are kube-proxy, as a `DaemonSet` (kubeadm) or as static pods (RKE2, older GKE).
pub(crate) fn is_kube_proxy(labels: &Labels, spec: &PodSpec) -> bool {
    let labelled = ["k8s-app", "component"]
        .into_iter()
        .any(|key| labels.get(key) == Some("kube-proxy"));
    labelled
        || spec.containers.iter().any(|container| {
            let repository = repository(&container.image);
            let last = repository.rsplit('/').next().unwrap_or_default();
            &*container.name == "kube-proxy" || last == "kube-proxy"
        })
}

/// An image reference without tag and digest.
fn repository(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        // A colon before the last slash separates a port of the registry.
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(containers: &[(&str, &str)]) -> PodSpec {
        PodSpec {
            containers: containers
                .iter()
                .map(|(name, image)| Container {
                    name: (*name).into(),
                    image: (*image).into(),
                    ..Container::default()
                })
                .collect(),
            ..PodSpec::default()
        }
    }

    #[test]
    fn agents_are_told_by_container_and_image_wherever_they_are_mirrored() {
        let cases = [
            (
                "kube-flannel",
                "ghcr.io/flannel-io/flannel:v0.26.1",
                Dataplane::Flannel,
            ),
            (
                "calico-node",
                "docker.io/calico/node:v3.29.0",
                Dataplane::Calico,
            ),
            (
                "x",
                "mirror.test:5000/rancher/mirrored-calico-node:v3",
                Dataplane::Calico,
            ),
            (
                "cilium-agent",
                "quay.io/cilium/cilium:v1.16@sha256:00",
                Dataplane::Cilium,
            ),
            (
                "kindnet-cni",
                "docker.io/kindest/kindnetd:v2024",
                Dataplane::Kindnet,
            ),
            (
                "aws-node",
                "602401143452.dkr.ecr.test/amazon-k8s-cni:v1.18",
                Dataplane::CloudNative,
            ),
            (
                "antrea-agent",
                "antrea/antrea-agent-ubuntu:v2",
                Dataplane::Antrea,
            ),
            (
                "cni-server",
                "docker.io/kubeovn/kube-ovn:v1.13",
                Dataplane::KubeOvn,
            ),
        ];
        for (name, image, expected) in cases {
            assert_eq!(
                dataplane(&spec(&[(name, image)])),
                Some(expected),
                "{image}"
            );
        }
    }

    #[test]
    fn what_only_sounds_like_an_agent_is_none() {
        for (name, image) in [
            ("cilium-envoy", "quay.io/cilium/cilium-envoy:v1"),
            ("cilium-operator", "quay.io/cilium/operator-generic:v1"),
            ("kube-multus", "ghcr.io/k8snetworkplumbingwg/multus-cni:v4"),
            ("csi", "calico/csi:v3"),
            ("flannel-exporter", "example.test/flannel-exporter:1"),
        ] {
            assert_eq!(dataplane(&spec(&[(name, image)])), None, "{image}");
        }
    }

    #[test]
    fn calico_and_flannel_in_one_pod_are_canal() {
        let canal = spec(&[
            ("calico-node", "rancher/hardened-calico:v3"),
            ("kube-flannel", "rancher/hardened-flannel:v0"),
        ]);
        assert_eq!(dataplane(&canal), Some(Dataplane::Canal));
    }
}
