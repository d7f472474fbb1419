//! The slice of Kubernetes that rules read: small, tolerant views of objects.
//!
//! A view holds only the fields that some rule looks at. Unknown fields are ignored, unknown enum values are kept as
//! text, and a field of the wrong type is a recorded [`Problem`] of that object instead of a lost object
//! (see [`decode`]). Arguments, environment values and configuration data never enter a view: what rules decide on is
//! kept as [`Mentions`] (port numbers and host names), so a saved snapshot cannot leak them.
//!
//! ```text
//!  bytes / YAML value --decode--> Any --insert--> Snapshot
//!                        |
//!                        +--> Meta.problems (pointer, message)
//! ```

pub mod decode;

mod admission;
mod any;
mod autoscaling;
mod certificate;
mod cluster;
mod config;
mod container;
mod gateway;
mod kind;
mod maker;
mod mentions;
mod meta;
mod network_settings;
mod networking;
mod pod;
mod service;
mod status;
mod workload;

pub use admission::{CustomResourceDefinition, ServiceReference, Webhook, WebhookConfiguration};
pub use autoscaling::Autoscaler;
pub use certificate::{Certificate, CertificateRequest, Challenge, Issuer, IssuerRef, Order};
pub use cluster::{Address, Event, Namespace, Node, ServiceCidr, Taint};
pub use config::{ConfigMap, Secret};
pub use container::{
    Container, ContainerPort, Lifecycle, LifecycleHandler, PortAction, Probe, Security,
};
pub use gateway::{CertificateReference, Gateway, IngressRoute, Listener, OpaquePolicy};
pub use kind::Kind;
pub use maker::Maker;
pub use mentions::Mentions;
pub(crate) use mentions::{TELLTALES, names_a_credential};
pub use meta::{
    Labels, Meta, ObjectRef, Origin, Owner, Problem, RUNTIME_LABELS, annotation_is_read,
};
pub use network_settings::NetworkSettings;
pub(crate) use network_settings::encapsulation as network_encapsulation;
pub use networking::{
    Backend, BackendPort, Ingress, IngressClass, IngressPath, IngressRule, IngressTls, IpBlock,
    NetworkPolicy, Peer, PolicyPort, PolicyRule,
};
pub use pod::{Affinity, AntiAffinityTerm, NodeSelectorTerm, Pod, PodSpec, Toleration, Written};
pub use service::{Endpoint, EndpointSlice, Service, ServicePort, SlicePort};
pub use status::{Condition, ContainerState, ContainerStatus, PodStatus, Terminated};
pub use workload::{Controller, ControllerStatus, Strategy, Template, Workload};

use serde::Deserialize;

/// Text that is never changed after decoding. Up to sixteen bytes, as most names have, lie in the field itself; a clone of a
/// longer one shares it.
pub type Text = lean_string::LeanString;

/// What every stored object has in common.
pub trait Object {
    /// Name, namespace, labels and where the object came from.
    fn meta(&self) -> &Meta;
    /// For decoding only: where the metadata is put after the fact.
    fn meta_mut(&mut self) -> &mut Meta;
    /// The kind of this object; views that stand for several kinds hold it.
    fn kind(&self) -> Kind;
    /// The full reference, with the origin.
    fn reference(&self) -> ObjectRef {
        ObjectRef::new(self.kind(), self.meta())
    }
    /// Leaves only what somebody declared, for telling a change from a mere report about the object.
    fn forget_status(&mut self) {}
}

/// A port as Kubernetes writes it: a number or the name of one (`IntOrString`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(untagged)]
pub enum IntOrString {
    /// A number. The range is for rules to judge.
    Int(i32),
    /// A name, or a percentage such as `25%`.
    Text(Text),
}

impl IntOrString {
    /// The name, when it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Int(_) => None,
            Self::Text(text) => Some(text),
        }
    }

    /// The number, when it is one.
    pub fn int(&self) -> Option<i32> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Text(_) => None,
        }
    }

    /// A count out of `total`, percentages rounded as asked (`k8s.io/apimachinery/pkg/util/intstr`).
    /// `None` when the text is no percentage.
    pub fn scaled(&self, total: i32, round: Round) -> Option<i32> {
        let percent = match self {
            Self::Int(number) => return Some(*number),
            Self::Text(text) => text.strip_suffix('%')?.parse::<i64>().ok()?,
        };
        let product = percent.checked_mul(i64::from(total))?;
        let scaled = match round {
            Round::Up => product.div_euclid(100) + i64::from(product.rem_euclid(100) != 0),
            Round::Down => product.div_euclid(100),
        };
        i32::try_from(scaled).ok()
    }
}

impl std::fmt::Display for IntOrString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// Which way a percentage of replicas is rounded: surge up, unavailable down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Towards more.
    Up,
    /// Towards fewer.
    Down,
}

/// Transport protocol. Absent means TCP everywhere in the API.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Protocol {
    /// `TCP`, the default.
    #[default]
    Tcp,
    /// `UDP`.
    Udp,
    /// `SCTP`.
    Sctp,
    /// Anything else, kept so that no verdict is built on a guess.
    Other(Text),
}

impl Protocol {
    /// As the API spells it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
            Self::Other(text) => text,
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Protocol {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        Ok(match &*text {
            // An empty protocol is what a client sends that serialises its zero value.
            "TCP" | "" => Self::Tcp,
            "UDP" => Self::Udp,
            "SCTP" => Self::Sctp,
            _ => Self::Other(text),
        })
    }
}
