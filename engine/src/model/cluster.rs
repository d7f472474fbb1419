//! Nodes, namespaces, ranges and events.

use super::{Condition, Kind, Meta, Object, Text};
use jiff::Timestamp;
use serde::Deserialize;

/// A node.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Metadata.
    #[serde(rename = "metadata")]
    pub meta: Meta,
    /// Specification.
    pub spec: NodeSpec,
    /// Status.
    pub status: NodeStatus,
}

/// `NodeSpec`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct NodeSpec {
    #[serde(rename = "podCIDR")]
    pub pod_cidr: Option<Text>,
    #[serde(rename = "podCIDRs")]
    pub pod_cidrs: Vec<Text>,
    pub unschedulable: bool,
    pub taints: Vec<Taint>,
    #[serde(rename = "providerID")]
    pub provider_id: Option<Text>,
}

/// `NodeStatus`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct NodeStatus {
    pub conditions: Vec<Condition>,
    pub addresses: Vec<Address>,
    pub node_info: NodeInfo,
}

/// `NodeSystemInfo`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct NodeInfo {
    pub kubelet_version: Text,
    pub kernel_version: Text,
    pub os_image: Text,
    pub operating_system: Text,
    pub container_runtime_version: Text,
}

/// A taint.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Taint {
    pub key: Text,
    pub value: Option<Text>,
    pub effect: Text,
}

/// A node address.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Address {
    /// `InternalIP`, `ExternalIP`, `Hostname`, …
    #[serde(rename = "type")]
    pub kind: Text,
    /// The address.
    pub address: Text,
}

impl Object for Node {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::Node
    }
    fn forget_status(&mut self) {
        self.status = NodeStatus::default();
    }
}

impl Node {
    /// Condition `Ready`, in whatever position.
    pub fn ready_condition(&self) -> Option<&Condition> {
        Condition::find(&self.status.conditions, "Ready")
    }

    /// Condition `Ready` is true.
    pub fn ready(&self) -> bool {
        self.ready_condition().is_some_and(Condition::is_true)
    }

    /// Addresses of a type.
    pub fn addresses<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        self.status
            .addresses
            .iter()
            .filter(move |address| &*address.kind == kind)
            .map(|address| &*address.address)
    }
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Namespace {
    /// Metadata.
    #[serde(rename = "metadata")]
    pub meta: Meta,
}

impl Object for Namespace {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::Namespace
    }
}

/// A `ServiceCIDR` (KEP-1880).
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct ServiceCidr {
    /// Metadata.
    #[serde(rename = "metadata")]
    pub meta: Meta,
    /// Specification.
    pub spec: ServiceCidrSpec,
}

/// `ServiceCIDRSpec`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct ServiceCidrSpec {
    pub cidrs: Vec<Text>,
}

impl Object for ServiceCidr {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::ServiceCIDR
    }
}

/// An event (core/v1).
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Event {
    /// Metadata.
    #[serde(rename = "metadata")]
    pub meta: Meta,
    /// What it is about. Match by kind *and* UID: names are reused.
    pub involved_object: Involved,
    /// Machine-readable reason.
    pub reason: Text,
    /// Text for people.
    pub message: Text,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: Text,
    /// How often.
    pub count: i32,
    /// Last time, old form.
    pub last_timestamp: Option<Timestamp>,
    /// Time, new form.
    pub event_time: Option<Timestamp>,
    /// Series, new form.
    pub series: Option<Series>,
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Involved {
    pub kind: Text,
    pub namespace: Text,
    pub name: Text,
    pub uid: Text,
    /// `spec.containers{NAME}` for events about one container.
    #[serde(rename = "fieldPath")]
    pub field_path: Text,
}

/// A series of equal events.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Series {
    pub count: i32,
    pub last_observed_time: Option<Timestamp>,
}

impl Event {
    /// When it was last seen, whichever form the event uses.
    pub fn last_seen(&self) -> Option<Timestamp> {
        let series = self
            .series
            .as_ref()
            .and_then(|series| series.last_observed_time);
        series
            .or(self.last_timestamp)
            .or(self.event_time)
            .or(self.meta.creation_timestamp)
    }
}

impl Object for Event {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::Event
    }
}
