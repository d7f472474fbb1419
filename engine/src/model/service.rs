//! Services and their endpoints.

use super::{IntOrString, Kind, Labels, Meta, Object, Protocol, Text};
use serde::{Deserialize, Deserializer};

/// A Service.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Service {
    /// Metadata.
    pub meta: Meta,
    /// `spec.type`, empty for the default.
    pub type_name: Text,
    /// `spec.selector`; empty means that the Service has none.
    pub selector: Labels,
    /// Ports.
    pub ports: Vec<ServicePort>,
    /// `spec.clusterIP`.
    pub cluster_ip: Option<Text>,
    /// `spec.clusterIPs`.
    pub cluster_ips: Vec<Text>,
    /// `spec.externalName`.
    pub external_name: Option<Text>,
    /// `spec.externalIPs`.
    pub external_ips: Vec<Text>,
    /// `spec.externalTrafficPolicy`.
    pub external_traffic_policy: Option<Text>,
    /// `spec.publishNotReadyAddresses`.
    pub publish_not_ready_addresses: bool,
    /// `spec.healthCheckNodePort`.
    pub health_check_node_port: Option<i32>,
    /// `spec.loadBalancerClass`.
    pub load_balancer_class: Option<Text>,
    /// `spec.loadBalancerIP`.
    pub load_balancer_ip: Option<Text>,
    /// Addresses and host names in `status.loadBalancer.ingress`.
    pub load_balancer_addresses: Vec<Text>,
}

impl Object for Service {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::Service
    }
    fn forget_status(&mut self) {
        self.load_balancer_addresses.clear();
    }
}

impl Service {
    /// `spec.type` with its default.
    pub fn service_type(&self) -> &str {
        if self.type_name.is_empty() {
            "ClusterIP"
        } else {
            &self.type_name
        }
    }

    /// `clusterIP: None`.
    pub fn is_headless(&self) -> bool {
        self.cluster_ip.as_deref() == Some("None")
    }

    /// Type `ExternalName`.
    pub fn is_external_name(&self) -> bool {
        self.service_type() == "ExternalName"
    }

    /// Reachable through ports of the nodes: type `NodePort` or `LoadBalancer`.
    pub fn is_on_nodes(&self) -> bool {
        matches!(self.service_type(), "NodePort" | "LoadBalancer")
    }

    /// Every port that it asks for on the nodes, the one of the health check included.
    pub fn node_ports(&self) -> impl Iterator<Item = i32> {
        let on_nodes = self.is_on_nodes();
        self.ports
            .iter()
            .filter_map(ServicePort::node_port)
            .chain(self.health_check_node_port)
            .filter(move |_| on_nodes)
    }

    /// Whether the `EndpointSlice` controller looks for pods of this Service.
    pub fn selects_pods(&self) -> bool {
        !self.is_external_name() && !self.selector.is_empty()
    }
}

/// One port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// Name; a single port may have none.
    pub name: Option<Text>,
    /// Port of the Service.
    pub port: i32,
    /// Where pods listen; absent means `port`.
    pub target_port: Option<IntOrString>,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Port on every node; 0 counts as absent.
    pub node_port: Option<i32>,
    /// `appProtocol`.
    pub app_protocol: Option<Text>,
}

impl ServicePort {
    /// `targetPort` with its default.
    pub fn target(&self) -> IntOrString {
        match &self.target_port {
            // The API server defaults 0 and "" as if they were absent.
            None | Some(IntOrString::Int(0)) => IntOrString::Int(self.port),
            Some(IntOrString::Text(text)) if text.is_empty() => IntOrString::Int(self.port),
            Some(target) => target.clone(),
        }
    }

    /// `nodePort` when one is asked for.
    pub fn node_port(&self) -> Option<i32> {
        self.node_port.filter(|port| *port != 0)
    }

    /// How messages name the port: `http (80/TCP)` or `80/TCP`.
    pub fn label(&self) -> String {
        match self.name.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => format!("{name} ({}/{})", self.port, self.protocol),
            None => format!("{}/{}", self.port, self.protocol),
        }
    }

    /// The part of a fingerprint that names this port: its name, or number and protocol.
    pub fn stable_key(&self) -> String {
        match self.name.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => name.to_owned(),
            None => format!("{}/{}", self.port, self.protocol),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawService {
    metadata: Meta,
    spec: RawSpec,
    status: RawStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawSpec {
    #[serde(rename = "type")]
    type_name: Text,
    selector: Labels,
    ports: Vec<ServicePort>,
    #[serde(rename = "clusterIP")]
    cluster_ip: Option<Text>,
    #[serde(rename = "clusterIPs")]
    cluster_ips: Vec<Text>,
    external_name: Option<Text>,
    #[serde(rename = "externalIPs")]
    external_ips: Vec<Text>,
    external_traffic_policy: Option<Text>,
    publish_not_ready_addresses: bool,
    health_check_node_port: Option<i32>,
    load_balancer_class: Option<Text>,
    #[serde(rename = "loadBalancerIP")]
    load_balancer_ip: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawStatus {
    load_balancer: RawLoadBalancer,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawLoadBalancer {
    ingress: Vec<RawAddress>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawAddress {
    ip: Option<Text>,
    hostname: Option<Text>,
}

impl<'de> Deserialize<'de> for Service {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawService::deserialize(deserializer)?;
        let spec = raw.spec;
        Ok(Self {
            meta: raw.metadata,
            type_name: spec.type_name,
            selector: spec.selector,
            ports: spec.ports,
            cluster_ip: spec.cluster_ip.filter(|ip| !ip.is_empty()),
            cluster_ips: spec.cluster_ips,
            external_name: spec.external_name,
            external_ips: spec.external_ips,
            external_traffic_policy: spec.external_traffic_policy,
            publish_not_ready_addresses: spec.publish_not_ready_addresses,
            health_check_node_port: spec.health_check_node_port.filter(|port| *port != 0),
            load_balancer_class: spec.load_balancer_class,
            load_balancer_ip: spec.load_balancer_ip,
            load_balancer_addresses: raw
                .status
                .load_balancer
                .ingress
                .into_iter()
                .filter_map(|address| address.ip.or(address.hostname))
                .collect(),
        })
    }
}

/// An `EndpointSlice`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    /// Metadata; of the labels only the one that names the Service: the others are copies of the Service's.
    #[serde(rename = "metadata", deserialize_with = "meta_of_slice")]
    pub meta: Meta,
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: Text,
    /// Endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Resolved ports.
    pub ports: Vec<SlicePort>,
}

impl Object for EndpointSlice {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::EndpointSlice
    }
}

impl EndpointSlice {
    /// The Service that the slice belongs to.
    pub fn service_name(&self) -> Option<&str> {
        self.meta.labels.get(SERVICE_NAME)
    }
}

/// `discovery.k8s.io/v1`, `LabelServiceName`.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

fn meta_of_slice<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Meta, D::Error> {
    let mut meta = Meta::deserialize(deserializer)?;
    let service = meta.labels.get(SERVICE_NAME);
    meta.labels = service
        .map(|service| (Text::from_static_str(SERVICE_NAME), service))
        .into_iter()
        .collect();
    Ok(meta)
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoint {
    /// Addresses, all of one backend.
    pub addresses: Vec<Text>,
    /// Conditions.
    pub conditions: EndpointConditions,
    /// Name of the Pod behind it, if `targetRef` names one.
    #[serde(rename = "targetRef", deserialize_with = "pod_name")]
    pub pod: Option<Text>,
    /// Node it runs on.
    pub node_name: Option<Text>,
}

impl Endpoint {
    /// Ready: true or absent (`k8s.io/api/discovery/v1`, `EndpointConditions`).
    pub fn ready(&self) -> bool {
        self.conditions.ready.unwrap_or(true)
    }

    /// Serving while terminating: kube-proxy's fallback when nothing is ready (KEP-1669).
    pub fn serving_terminating(&self) -> bool {
        self.conditions.serving.unwrap_or(false) && self.conditions.terminating.unwrap_or(false)
    }
}

/// Conditions of an endpoint.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct EndpointConditions {
    pub ready: Option<bool>,
    pub serving: Option<bool>,
    pub terminating: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawTarget {
    kind: Text,
    name: Text,
}

fn pod_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text>, D::Error> {
    let target = Option::<RawTarget>::deserialize(deserializer)?;
    Ok(target
        .filter(|target| &*target.kind == "Pod")
        .map(|target| target.name))
}

/// A port of a slice; no number means all ports.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct SlicePort {
    pub name: Option<Text>,
    pub port: Option<i32>,
    pub protocol: Protocol,
}
