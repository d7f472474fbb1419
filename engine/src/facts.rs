//! What is known about the cluster as a whole, each fact with a confidence and the sign it was read from.

use crate::{model::Text, rule::Confidence, snapshot::Snapshot};

/// A value that was stated, detected or assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact<T> {
    /// The value.
    pub value: T,
    /// How sure. `Certain` facts were stated, or follow from the API alone.
    pub confidence: Confidence,
    /// What it was read from, for people.
    pub sign: String,
}

/// How pods reach pods on other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Dataplane {
    Flannel,
    Calico,
    Canal,
    Cilium,
    Antrea,
    OvnKubernetes,
    KubeOvn,
    KubeRouter,
    Weave,
    Kindnet,
    CloudNative,
}

/// Distribution of Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Distribution {
    K3s,
    K3d,
    Rke2,
    MicroK8s,
    Kind,
    Minikube,
    OpenShift,
    Gke,
    Eks,
    Aks,
    Kubeadm,
}

/// Facts that a user states instead of having them detected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct StatedFacts {
    pub cluster_domain: Option<Text>,
    pub nodes: Option<usize>,
    pub node_port_range: Option<(i32, i32)>,
    pub pod_cidrs: Vec<Text>,
    pub service_cidrs: Vec<Text>,
    pub dataplane: Option<Dataplane>,
    pub distribution: Option<Distribution>,
}

/// Facts.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Distribution; `None` when no sign was seen.
    pub distribution: Option<Fact<Distribution>>,
    /// Dataplane; `None` is "unknown", never "no CNI".
    pub dataplane: Option<Fact<Dataplane>>,
    /// Its encapsulation: `vxlan`, `ipip`, `wireguard`, `geneve`, `none`.
    pub encapsulation: Option<Fact<Text>>,
    /// `iptables`, `ipvs`, `nftables`, `replaced` (eBPF), `embedded`.
    pub proxy_mode: Option<Fact<Text>>,
    /// Pod ranges.
    pub pod_cidrs: Vec<Fact<Text>>,
    /// Service ranges.
    pub service_cidrs: Vec<Fact<Text>>,
    /// DNS domain of the cluster.
    pub cluster_domain: Option<Fact<Text>>,
    /// Number of nodes, stated or listed.
    pub nodes: Option<usize>,
    /// First and last `NodePort`, when stated.
    pub node_port_range: Option<(i32, i32)>,
    /// Names of the Services in `kube-system` (or the distribution's namespace) that are the cluster DNS.
    pub dns_services: Vec<(Text, Text)>,
    /// Namespaces of the detected dataplane, where rules about host networking are silent.
    pub dataplane_namespaces: Vec<Text>,
}

impl Facts {
    pub(crate) fn detect(_snapshot: &Snapshot, stated: StatedFacts) -> Self {
        Self {
            nodes: stated.nodes,
            node_port_range: stated.node_port_range,
            ..Self::default()
        }
    }
}
