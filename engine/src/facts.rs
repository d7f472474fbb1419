//! What is known about the cluster as a whole, each fact with a confidence and the sign it was read from.

mod addresses;
pub(crate) mod agent;
mod dataplane;
mod distribution;
mod load_balancer;
mod proxy;
pub(crate) mod ranges;

pub use addresses::{NodeAddresses, Overlay};

use crate::{
    model::{Kind, NetworkSettings, Text},
    rule::Confidence,
    snapshot::{Snapshot, Source},
};

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

impl Dataplane {
    /// As its project spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flannel => "flannel",
            Self::Calico => "Calico",
            Self::Canal => "Canal",
            Self::Cilium => "Cilium",
            Self::Antrea => "Antrea",
            Self::OvnKubernetes => "OVN-Kubernetes",
            Self::KubeOvn => "Kube-OVN",
            Self::KubeRouter => "kube-router",
            Self::Weave => "Weave",
            Self::Kindnet => "kindnet",
            Self::CloudNative => "cloud network",
        }
    }
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
    /// Namespace and name of the `DaemonSets` that run the detected dataplane's agents.
    pub dataplane_agents: Vec<(Text, Text)>,
    /// Namespace and name of the `DaemonSets` that run kube-proxy.
    pub proxy_agents: Vec<(Text, Text)>,
    /// What could give Services of type `LoadBalancer` an address.
    pub load_balancers: Vec<Fact<Text>>,
    /// Addresses of nodes and of their overlay, compared with each other.
    pub addresses: NodeAddresses,
}

/// Kinds that facts are read from. All of them are optional: what may not be listed leaves its fact unknown.
pub const KINDS: &[Kind] = &[
    Kind::Node,
    Kind::DaemonSet,
    Kind::Pod,
    Kind::Service,
    Kind::ServiceCIDR,
    Kind::ConfigMap,
    Kind::CustomResourceDefinition,
];

impl Facts {
    pub(crate) fn detect(snapshot: &Snapshot, stated: StatedFacts) -> Self {
        let distribution = stated
            .distribution
            .map(told)
            .or_else(|| distribution::detect(snapshot));
        let found = dataplane::detect(snapshot, distribution.as_ref().map(|fact| fact.value));
        let dataplane = stated.dataplane.map(told).or(found.dataplane);
        let settings = settings(snapshot, &found.namespaces);
        let embedded = distribution
            .as_ref()
            .is_some_and(|fact| fact.value.embeds_network());
        let kind = dataplane.as_ref().map(|fact| fact.value);
        let on_cluster = snapshot.source == Source::Cluster;
        let nodes_known = on_cluster && snapshot.known(Kind::Node, "").is_ok();
        Self {
            encapsulation: dataplane::encapsulation(snapshot, kind, &settings),
            proxy_mode: proxy::detect(snapshot, embedded, kind, &settings),
            pod_cidrs: stated_or(stated.pod_cidrs, || ranges::pods(snapshot, &settings)),
            service_cidrs: stated_or(stated.service_cidrs, || {
                ranges::services(snapshot, &settings)
            }),
            cluster_domain: stated
                .cluster_domain
                .map(told)
                .or_else(|| domain(&settings, on_cluster)),
            nodes: stated
                .nodes
                .or_else(|| nodes_known.then(|| snapshot.objects.nodes.len())),
            node_port_range: stated.node_port_range,
            dns_services: dns_services(snapshot),
            dataplane_agents: agents_of(&found.agents, kind),
            proxy_agents: proxy::sets(snapshot),
            load_balancers: load_balancer::detect(snapshot),
            addresses: NodeAddresses::new(snapshot, kind),
            dataplane_namespaces: found.namespaces,
            distribution,
            dataplane,
        }
    }

    /// Whether a Service is the cluster DNS.
    pub fn is_dns_service(&self, namespace: &str, name: &str) -> bool {
        self.dns_services
            .iter()
            .any(|service| *service.0 == *namespace && *service.1 == *name)
    }
}

impl Distribution {
    /// Dataplane and service proxy run inside the node's one process: there are no pods to look for.
    pub fn embeds_network(self) -> bool {
        matches!(self, Self::K3s | Self::K3d | Self::MicroK8s)
    }
}

/// The `DaemonSets` of one dataplane. Canal is flannel's and Calico's agents together, in one set or in two.
fn agents_of(
    agents: &[(Dataplane, Text, Text)],
    dataplane: Option<Dataplane>,
) -> Vec<(Text, Text)> {
    let belongs = |agent: Dataplane| match dataplane {
        Some(Dataplane::Canal) => matches!(
            agent,
            Dataplane::Canal | Dataplane::Calico | Dataplane::Flannel
        ),
        Some(dataplane) => agent == dataplane,
        None => false,
    };
    agents
        .iter()
        .filter(|(dataplane, _, _)| belongs(*dataplane))
        .map(|(_, namespace, name)| (namespace.clone(), name.clone()))
        .collect()
}

fn told<T>(value: T) -> Fact<T> {
    Fact {
        value,
        confidence: Confidence::Certain,
        sign: "stated".to_owned(),
    }
}

fn stated_or(stated: Vec<Text>, detect: impl FnOnce() -> Vec<Fact<Text>>) -> Vec<Fact<Text>> {
    if stated.is_empty() {
        detect()
    } else {
        stated.into_iter().map(told).collect()
    }
}

/// Settings of the cluster's own components, each with the `ConfigMap` it was read from. Those of other namespaces
/// belong to somebody else's DNS server or to a nested cluster.
fn settings<'a>(snapshot: &'a Snapshot, dataplane: &[Text]) -> Vec<(&'a NetworkSettings, String)> {
    let mut namespaces: Vec<&str> = vec!["kube-system", "openshift-dns"];
    namespaces.extend(dataplane.iter().map(|namespace| &**namespace));
    namespaces.sort_unstable();
    namespaces.dedup();
    let maps = namespaces
        .into_iter()
        .flat_map(|namespace| snapshot.objects.config_maps.in_namespace(namespace));
    maps.filter_map(|map| Some((&**map.network.as_ref()?, format!("ConfigMap {}", map.meta))))
        .collect()
}

fn domain(settings: &[(&NetworkSettings, String)], on_cluster: bool) -> Option<Fact<Text>> {
    let configured = settings.iter().find_map(|(settings, sign)| {
        Some(Fact {
            value: settings.cluster_domain.clone()?,
            confidence: Confidence::Likely,
            sign: sign.clone(),
        })
    });
    configured.or_else(|| {
        on_cluster.then(|| Fact {
            value: "cluster.local".into(),
            confidence: Confidence::Hint,
            sign: "the default, as nothing was seen that says otherwise".to_owned(),
        })
    })
}

/// By label and port: names differ (`kube-dns`, `rke2-coredns-rke2-coredns`, `dns-default`), and metrics Services of
/// monitoring stacks select the same pods.
fn dns_services(snapshot: &Snapshot) -> Vec<(Text, Text)> {
    let services = &snapshot.objects.services;
    let labelled = services
        .in_namespace("kube-system")
        .iter()
        .filter(|service| {
            (service.meta.labels.get("k8s-app") == Some("kube-dns")
                // The label is a convention, the name is what kubeadm and every client of it look for.
                || &*service.meta.name == "kube-dns")
            // NodeLocal DNSCache's way past itself to the same pods.
            && &*service.meta.name != "kube-dns-upstream"
        });
    let of_openshift = services.named("openshift-dns", "dns-default");
    labelled
        .chain(of_openshift)
        .filter(|service| service.ports.iter().any(|port| port.port == 53))
        .map(|service| (service.meta.namespace.clone(), service.meta.name.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
