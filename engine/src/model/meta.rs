//! Names, labels and origins of objects.

use super::{Kind, Text};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use std::{collections::BTreeMap, sync::Arc};

/// A label set, sorted by key. Shared: the pods of one `ReplicaSet` hold the same allocation (see `snapshot::Interner`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Labels(pub(crate) Arc<[(Text, Text)]>);

impl Labels {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(known, _)| (**known).cmp(key));
        Some(&*self.0.get(at.ok()?)?.1)
    }

    /// Pairs in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Labels that controllers set while pods run; no template declares them (catalogue §1.8).
pub const RUNTIME_LABELS: &[&str] = &[
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "job-name",
    "controller-uid",
    "batch.kubernetes.io/job-name",
    "batch.kubernetes.io/controller-uid",
    "batch.kubernetes.io/job-completion-index",
    "rollouts-pod-template-hash",
];

impl Labels {
    /// Without the labels that controllers set while pods run.
    #[must_use]
    pub fn without_runtime(&self) -> Self {
        if self.iter().any(|(key, _)| RUNTIME_LABELS.contains(&key)) {
            self.iter()
                .filter(|(key, _)| !RUNTIME_LABELS.contains(key))
                .collect()
        } else {
            self.clone()
        }
    }
}

impl<K: Into<Text>, V: Into<Text>> FromIterator<(K, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        let pairs: BTreeMap<Text, Text> = pairs
            .map(|(key, value)| (key.into(), value.into()))
            .collect();
        Self(pairs.into_iter().collect())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(text_map(deserializer)?.into_iter().collect()))
    }
}

/// A map of texts in which a null value means that the key is absent.
pub(super) fn text_map<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<Text, Text>, D::Error> {
    let raw =
        Option::<BTreeMap<Text, Option<Text>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(raw
        .into_iter()
        .filter_map(|(key, value)| value.map(|value| (key, value)))
        .collect())
}

/// Annotations that rules read. All others are dropped while decoding: they are large and may hold secrets.
pub fn annotation_is_read(key: &str) -> bool {
    let Some((prefix, name)) = key.split_once('/') else {
        return false;
    };
    match prefix {
        "netdoctor.io"
        | "ingressclass.kubernetes.io"
        | "k3s.io"
        | "flannel.alpha.coreos.com"
        | "projectcalico.org"
        | "linkerd.io"
        | "sidecar.istio.io"
        | "inject.istio.io"
        | "cert-manager.io"
        | "acme.cert-manager.io"
        | "kuma.io"
        | "endpoints.kubernetes.io" => true,
        "consul.hashicorp.com" => name == "connect-inject",
        "dapr.io" => name == "enabled",
        "sidecar.opentelemetry.io" => name == "inject",
        "kubernetes.io" => matches!(name, "ingress.class" | "config.mirror" | "tls-acme"),
        "control-plane.alpha.kubernetes.io" => name == "leader",
        "kubeadm.alpha.kubernetes.io" => name == "cri-socket",
        "network.cilium.io" => name.starts_with("ipv"),
        "helm.sh" => name == "hook",
        "metallb.universe.tf" | "metallb.io" => matches!(name, "address-pool" | "loadBalancerIPs"),
        _ => false,
    }
}

fn read_annotations<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Labels, D::Error> {
    let mut all = text_map(deserializer)?;
    all.retain(|key, _| annotation_is_read(key));
    Ok(Labels(all.into_iter().collect()))
}

/// One entry of `metadata.ownerReferences`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Owner {
    pub api_version: Text,
    pub kind: Text,
    pub name: Text,
    pub uid: Text,
    pub controller: bool,
}

/// Where an object was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Origin {
    /// From an API server, or from a saved state of one.
    #[default]
    Live,
    /// From a manifest.
    File {
        /// Index into `Snapshot::files`.
        file: u32,
        /// Position of the document in the file, counted from 0.
        document: u32,
        /// Position in `items`, when the document is a list.
        item: Option<u32>,
    },
}

/// A field that could not be read as its type. Rules that read this path are unknown for the object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// JSON pointer of the field, empty for the whole object.
    pub pointer: Text,
    /// What was wrong, in one sentence.
    pub message: Text,
}

/// The metadata that rules read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Meta {
    /// `metadata.name`; for `generateName` objects of a file the prefix.
    pub name: Text,
    /// `metadata.namespace`; filled with the default namespace where a manifest leaves it out.
    pub namespace: Text,
    /// UID, empty in files.
    pub uid: Text,
    /// Labels.
    pub labels: Labels,
    /// The annotations that rules read, not all of them.
    #[serde(deserialize_with = "read_annotations")]
    pub annotations: Labels,
    /// Owners.
    pub owner_references: Vec<Owner>,
    /// Creation time by the API server's clock.
    pub creation_timestamp: Option<Timestamp>,
    /// Set while the object is being deleted.
    pub deletion_timestamp: Option<Timestamp>,
    /// Counts changes of the specification.
    pub generation: i64,
    #[serde(default)]
    generate_name: Text,
    /// The manifest named no namespace: the object lands wherever it is applied.
    #[serde(skip)]
    pub namespace_implied: bool,
    /// Where it was read.
    #[serde(skip)]
    pub origin: Origin,
    /// When what the object declares was last changed, where the reader keeps track of that.
    #[serde(skip)]
    pub changed: Option<Timestamp>,
    /// Fields that could not be read.
    #[serde(skip)]
    pub problems: Vec<Problem>,
}

impl Meta {
    /// The owner that manages this object, if any.
    pub fn controller(&self) -> Option<&Owner> {
        self.owner_references.iter().find(|owner| owner.controller)
    }

    /// Whether a deletion is under way.
    pub fn deleting(&self) -> bool {
        self.deletion_timestamp.is_some()
    }

    /// Seconds since creation, `None` when the object has no creation time (manifests).
    pub fn age_seconds(&self, now: Timestamp) -> Option<i64> {
        self.creation_timestamp
            .map(|created| now.as_second() - created.as_second())
    }

    pub(crate) fn settle_name(&mut self) {
        if self.name.is_empty() {
            self.name = std::mem::take(&mut self.generate_name);
        } else {
            self.generate_name = Text::default();
        }
    }
}

/// Namespace and name, as messages print it.
impl std::fmt::Display for Meta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// What names an object in a report.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectRef {
    /// `metadata.namespace`, empty for cluster-scoped objects.
    pub namespace: Text,
    /// The kind's name, for custom workloads the real one (`Rollout`).
    pub kind: Text,
    /// `metadata.name`.
    pub name: Text,
    /// `apiVersion`.
    pub api_version: Text,
    /// Where it was read; objects of one name in two files are two variants.
    pub origin: Origin,
}

impl ObjectRef {
    /// The reference to an object of a kind in the table.
    pub fn new(kind: Kind, meta: &Meta) -> Self {
        Self {
            namespace: meta.namespace.clone(),
            kind: kind.name().into(),
            name: meta.name.clone(),
            api_version: kind.api_version().into(),
            origin: meta.origin,
        }
    }

    /// The reference to a live object that may not exist: what a rule looked for.
    pub fn wanted(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            namespace: if kind.namespaced() {
                namespace.into()
            } else {
                Text::default()
            },
            kind: kind.name().into(),
            name: name.into(),
            api_version: kind.api_version().into(),
            origin: Origin::Live,
        }
    }

    /// API group, empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version
            .rsplit_once('/')
            .map_or("", |(group, _)| group)
    }

    /// Whether both name the same object, wherever each was read.
    pub fn same_object(&self, other: &Self) -> bool {
        self.name == other.name
            && self.namespace == other.namespace
            && self.kind == other.kind
            && self.group() == other.group()
    }

    /// `type/name`, as kubectl takes it.
    pub fn type_name(&self) -> String {
        format!("{}/{}", self.kind.to_ascii_lowercase(), self.name)
    }
}

/// `Deployment shop/web`: how messages name an object.
impl std::fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}
