//! Small helpers about objects as JSON.

use serde_json::{Map, Value, json};

use crate::{Options, names};

/// Which part of the installation an object belongs to: the value of `app.kubernetes.io/component`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// Server and what belongs to it.
    Webhook,
    /// Background auditor.
    Auditor,
    /// Policies that work without a server.
    Policy,
    /// Monitoring.
    Monitoring,
}

impl Part {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Auditor => "auditor",
            Self::Policy => "policy",
            Self::Monitoring => "monitoring",
        }
    }
}

/// The labels of every object.
pub(crate) fn labels(part: Part) -> Map<String, Value> {
    let mut labels = selector(part);
    for (key, value) in [
        ("managed-by", names::MANAGER),
        ("part-of", names::APP),
        ("version", env!("CARGO_PKG_VERSION")),
    ] {
        labels.insert(format!("app.kubernetes.io/{key}"), value.into());
    }
    labels
}

/// The labels that selectors use: those that never change between two versions.
pub(crate) fn selector(part: Part) -> Map<String, Value> {
    let pairs = [
        ("component", part.as_str()),
        ("instance", names::APP),
        ("name", names::APP),
    ];
    pairs
        .into_iter()
        .map(|(key, value)| (format!("app.kubernetes.io/{key}"), value.into()))
        .collect()
}

/// An object of the whole cluster.
pub(crate) fn cluster(api_version: &str, kind: &str, name: &str, part: Part) -> Value {
    json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "labels": labels(part)},
    })
}

/// An object in the namespace of the installation.
pub(crate) fn namespaced(
    options: &Options,
    api_version: &str,
    kind: &str,
    name: &str,
    part: Part,
) -> Value {
    let mut object = cluster(api_version, kind, name, part);
    object["metadata"]["namespace"] = options.namespace.as_str().into();
    object
}

/// The object with further top-level fields.
pub(crate) fn with(mut object: Value, fields: Value) -> Value {
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    object
}

/// A field as text; empty when it is not there.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The place of a kind in the order of application.
fn rank(kind: &str) -> usize {
    const ORDER: [&str; 22] = [
        "Namespace",
        "ResourceQuota",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "ConfigMap",
        "Secret",
        "Issuer",
        "Certificate",
        "NetworkPolicy",
        "Service",
        "PodDisruptionBudget",
        "Deployment",
        "ServiceMonitor",
        "PrometheusRule",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    ];
    ORDER
        .iter()
        .position(|known| *known == kind)
        .unwrap_or(ORDER.len())
}

/// Puts objects into the order of application; what is of one kind stays as it is.
pub(crate) fn sort(objects: &mut [Value]) {
    objects.sort_by_key(|object| rank(text(object, "/kind")));
}
