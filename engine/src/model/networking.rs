//! Ingress, its classes, and network policies.

use super::{IntOrString, Kind, Meta, Object, Protocol, Text};
use crate::selector::LabelSelector;
use serde::{Deserialize, Deserializer};

macro_rules! object {
    ($view:ty, $kind:expr $(, $($more:tt)+)?) => {
        impl Object for $view {
            fn meta(&self) -> &Meta {
                &self.meta
            }
            fn meta_mut(&mut self) -> &mut Meta {
                &mut self.meta
            }
            fn kind(&self) -> Kind {
                $kind
            }
            $($($more)+)?
        }
    };
}

object!(
    Ingress,
    Kind::Ingress,
    fn forget_status(&mut self) {
        self.addresses.clear();
    }
);
object!(IngressClass, Kind::IngressClass);
object!(NetworkPolicy, Kind::NetworkPolicy);

/// An Ingress.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ingress {
    /// Metadata.
    pub meta: Meta,
    /// `spec.ingressClassName`.
    pub class_name: Option<Text>,
    /// `spec.defaultBackend`.
    pub default_backend: Option<Backend>,
    /// Rules.
    pub rules: Vec<IngressRule>,
    /// `spec.tls`.
    pub tls: Vec<IngressTls>,
    /// Addresses in `status.loadBalancer.ingress`. Never proof that nothing serves the Ingress.
    pub addresses: Vec<Text>,
}

impl Ingress {
    /// The legacy annotation that names a class.
    pub fn class_annotation(&self) -> Option<&str> {
        self.meta.annotations.get("kubernetes.io/ingress.class")
    }

    /// Every backend with the JSON pointer to it and the `host` and `path` that lead there (empty for the default).
    pub fn backends(&self) -> impl Iterator<Item = (String, &Backend, &str, &str)> {
        let default = self
            .default_backend
            .iter()
            .map(|backend| ("/spec/defaultBackend".to_owned(), backend, "", ""));
        let paths = self.rules.iter().enumerate().flat_map(|(i, rule)| {
            rule.paths.iter().enumerate().map(move |(j, path)| {
                let pointer = format!("/spec/rules/{i}/http/paths/{j}/backend");
                (
                    pointer,
                    &path.backend,
                    rule.host.as_deref().unwrap_or(""),
                    path.path.as_deref().unwrap_or("/"),
                )
            })
        });
        default.chain(paths)
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs)]
pub struct IngressRule {
    pub host: Option<Text>,
    pub paths: Vec<IngressPath>,
}

/// One path of a rule.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct IngressPath {
    pub path: Option<Text>,
    pub path_type: Option<Text>,
    pub backend: Backend,
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Backend {
    /// Service name; `None` for `resource` backends.
    pub service: Option<Text>,
    /// Service port.
    pub port: BackendPort,
    /// Written in the form of the removed beta API (`serviceName`, `servicePort`).
    pub legacy: bool,
}

/// A Service port by number or name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BackendPort {
    /// Not given.
    #[default]
    Unset,
    /// By number.
    Number(i32),
    /// By name.
    Name(Text),
}

impl std::fmt::Display for BackendPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unset => f.write_str("<unset>"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// One entry of `spec.tls`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct IngressTls {
    pub hosts: Vec<Text>,
    pub secret_name: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawBackend {
    service: Option<RawBackendService>,
    service_name: Option<Text>,
    service_port: Option<IntOrString>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawBackendService {
    name: Text,
    port: RawPort,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawPort {
    number: Option<i32>,
    name: Option<Text>,
}

impl<'de> Deserialize<'de> for Backend {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawBackend::deserialize(deserializer)?;
        if let Some(service) = raw.service {
            let port = match (
                service.port.number.filter(|n| *n != 0),
                service.port.name.filter(|n| !n.is_empty()),
            ) {
                (Some(number), _) => BackendPort::Number(number),
                (None, Some(name)) => BackendPort::Name(name),
                (None, None) => BackendPort::Unset,
            };
            return Ok(Self {
                service: Some(service.name),
                port,
                legacy: false,
            });
        }
        let legacy = raw.service_name.is_some();
        let port = match raw.service_port {
            None => BackendPort::Unset,
            Some(IntOrString::Int(number)) => BackendPort::Number(number),
            Some(IntOrString::Text(name)) => BackendPort::Name(name),
        };
        Ok(Self {
            service: raw.service_name,
            port,
            legacy,
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawIngress {
    metadata: Meta,
    spec: RawIngressSpec,
    status: RawIngressStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawIngressSpec {
    ingress_class_name: Option<Text>,
    default_backend: Option<Backend>,
    backend: Option<Backend>,
    rules: Vec<RawRule>,
    tls: Vec<IngressTls>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawRule {
    host: Option<Text>,
    http: RawHttp,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawHttp {
    paths: Vec<IngressPath>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawIngressStatus {
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

impl<'de> Deserialize<'de> for Ingress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawIngress::deserialize(deserializer)?;
        let spec = raw.spec;
        Ok(Self {
            meta: raw.metadata,
            class_name: spec.ingress_class_name,
            default_backend: spec.default_backend.or(spec.backend),
            rules: spec
                .rules
                .into_iter()
                .map(|rule| IngressRule {
                    host: rule.host,
                    paths: rule.http.paths,
                })
                .collect(),
            tls: spec.tls,
            addresses: raw
                .status
                .load_balancer
                .ingress
                .into_iter()
                .filter_map(|a| a.ip.or(a.hostname))
                .collect(),
        })
    }
}

/// An `IngressClass`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IngressClass {
    /// Metadata.
    pub meta: Meta,
    /// `spec.controller`.
    pub controller: Text,
}

impl IngressClass {
    /// Marked as the default class.
    pub fn is_default(&self) -> bool {
        self.meta
            .annotations
            .get("ingressclass.kubernetes.io/is-default-class")
            == Some("true")
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawClass {
    metadata: Meta,
    spec: RawClassSpec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawClassSpec {
    controller: Text,
}

impl<'de> Deserialize<'de> for IngressClass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawClass::deserialize(deserializer)?;
        Ok(Self {
            meta: raw.metadata,
            controller: raw.spec.controller,
        })
    }
}

/// A `NetworkPolicy` (networking.k8s.io/v1).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NetworkPolicy {
    /// Metadata.
    pub meta: Meta,
    /// Pods it selects; empty selects all of the namespace.
    pub pod_selector: LabelSelector,
    /// `spec.policyTypes` as written; `None` when absent or empty, which means a default.
    pub policy_types: Option<Vec<Text>>,
    /// `spec.ingress`; `None` when the key is absent.
    pub ingress: Option<Vec<PolicyRule>>,
    /// `spec.egress`; `None` when the key is absent.
    pub egress: Option<Vec<PolicyRule>>,
}

impl NetworkPolicy {
    /// Whether it isolates the selected pods for ingress. The default is always yes.
    pub fn isolates_ingress(&self) -> bool {
        self.policy_types
            .as_ref()
            .is_none_or(|types| types.iter().any(|t| &**t == "Ingress"))
    }

    /// Whether it isolates for egress. The default is yes when there are egress rules.
    pub fn isolates_egress(&self) -> bool {
        match &self.policy_types {
            Some(types) => types.iter().any(|t| &**t == "Egress"),
            None => self.egress.as_ref().is_some_and(|rules| !rules.is_empty()),
        }
    }
}

/// One ingress or egress rule. Missing or empty lists match everything.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct PolicyRule {
    /// `from` or `to`.
    #[serde(alias = "from", alias = "to")]
    pub peers: Vec<Peer>,
    /// Ports.
    pub ports: Vec<PolicyPort>,
}

/// One peer of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Peer {
    /// Pods; alone: of the policy's own namespace.
    pub pod_selector: Option<LabelSelector>,
    /// Namespaces; alone: all pods in them.
    pub namespace_selector: Option<LabelSelector>,
    /// Addresses.
    pub ip_block: Option<IpBlock>,
}

/// A range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct IpBlock {
    pub cidr: Text,
    pub except: Vec<Text>,
}

/// A port of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyPort {
    /// Protocol, TCP when absent.
    pub protocol: Protocol,
    /// Port of the *pod*, by number or name; absent matches all.
    pub port: Option<IntOrString>,
    /// Last port of a range that begins at `port`.
    pub end_port: Option<i32>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawPolicy {
    metadata: Meta,
    spec: RawPolicySpec,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawPolicySpec {
    pod_selector: LabelSelector,
    policy_types: Vec<Text>,
    ingress: Option<Vec<PolicyRule>>,
    egress: Option<Vec<PolicyRule>>,
}

impl<'de> Deserialize<'de> for NetworkPolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawPolicy::deserialize(deserializer)?;
        Ok(Self {
            meta: raw.metadata,
            pod_selector: raw.spec.pod_selector,
            policy_types: Some(raw.spec.policy_types).filter(|types| !types.is_empty()),
            ingress: raw.spec.ingress,
            egress: raw.spec.egress,
        })
    }
}
