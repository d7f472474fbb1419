//! The two Deployments (webhook.md 10).

use serde_json::{Value, json};

use crate::base::{name_of, ports};
use crate::object::{Part, labels, namespaced, selector, with};
use crate::{Options, names};

/// Admission is part of every change: its Pods are not the ones to go when a node is full.
pub(crate) const PRIORITY_CLASS: &str = "system-cluster-critical";

/// User and group in the image, which has no others.
const USER: u32 = 65_532;

/// The server.
pub(crate) fn webhook(options: &Options) -> Value {
    let mut spec = deployment(options, Part::Webhook, options.replicas);
    // A new replica serves before an old one goes.
    spec["strategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    let pod = &mut spec["template"]["spec"];
    pod["priorityClassName"] = PRIORITY_CLASS.into();
    pod["topologySpreadConstraints"] = json!([
        spread("kubernetes.io/hostname", "DoNotSchedule"),
        spread("topology.kubernetes.io/zone", "ScheduleAnyway"),
    ]);
    with(
        namespaced(
            options,
            "apps/v1",
            "Deployment",
            names::WEBHOOK,
            Part::Webhook,
        ),
        json!({"spec": spec}),
    )
}

/// The background auditor: a process and an account of its own, one replica, replaced rather than doubled.
pub(crate) fn auditor(options: &Options) -> Value {
    let mut spec = deployment(options, Part::Auditor, 1);
    spec["strategy"] = json!({"type": "Recreate"});
    with(
        namespaced(
            options,
            "apps/v1",
            "Deployment",
            names::AUDITOR,
            Part::Auditor,
        ),
        json!({"spec": spec}),
    )
}

/// Pods of one revision are spread among themselves, so that a rollout does not count the old ones. Nodes that do not take
/// them (a control plane with its taint) are no places that would have to be filled first.
fn spread(key: &str, otherwise: &str) -> Value {
    json!({
        "labelSelector": {"matchLabels": selector(Part::Webhook)},
        "matchLabelKeys": ["pod-template-hash"],
        "maxSkew": 1,
        "nodeTaintsPolicy": "Honor",
        "topologyKey": key,
        "whenUnsatisfiable": otherwise,
    })
}

fn deployment(options: &Options, part: Part, replicas: u32) -> Value {
    json!({
        "replicas": replicas,
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": selector(part)},
        "template": {"metadata": {"labels": labels(part)}, "spec": pod(options, part)},
    })
}

fn pod(options: &Options, part: Part) -> Value {
    json!({
        "automountServiceAccountToken": true,
        "containers": [container(options, part)],
        "enableServiceLinks": false,
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "securityContext": {
            "fsGroup": USER,
            "runAsGroup": USER,
            "runAsNonRoot": true,
            "runAsUser": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "serviceAccountName": name_of(part),
        "terminationGracePeriodSeconds": 30,
    })
}

fn container(options: &Options, part: Part) -> Value {
    let ports: Vec<Value> = ports(options, part)
        .into_iter()
        .map(|(name, port)| json!({"containerPort": port, "name": name, "protocol": "TCP"}))
        .collect();
    json!({
        "name": part.as_str(),
        "image": options.image,
        "command": ["/netdoctor-webhook"],
        "args": [if part == Part::Auditor { "audit" } else { "serve" }],
        "env": environment(options, part),
        "ports": ports,
        "livenessProbe": probe("/livez", 10),
        "readinessProbe": probe("/readyz", 5),
        "resources": {
            "limits": {"memory": "512Mi"},
            "requests": {"cpu": "100m", "memory": "96Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
        },
    })
}

/// No `host`: the restricted standard refuses probes that name one.
fn probe(path: &str, period: u32) -> Value {
    json!({
        "failureThreshold": 3,
        "httpGet": {"path": path, "port": "health", "scheme": "HTTP"},
        "periodSeconds": period,
        "timeoutSeconds": 2,
    })
}

pub(crate) fn environment(options: &Options, part: Part) -> Vec<Value> {
    let mut environment = vec![
        json!({"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}),
        json!({"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}}),
        json!({"name": "NETDOCTOR_CONFIG_MAP", "value": names::CONFIG_MAP}),
        json!({"name": "NETDOCTOR_HEALTH_PORT", "value": names::HEALTH_PORT.to_string()}),
        json!({"name": "NETDOCTOR_METRICS_PORT", "value": names::METRICS_PORT.to_string()}),
        json!({"name": names::ALLOCATOR.0, "value": names::ALLOCATOR.1}),
    ];
    if part == Part::Webhook {
        environment.extend([
            json!({"name": "NETDOCTOR_PORT", "value": options.port.to_string()}),
            json!({"name": "NETDOCTOR_SERVICE", "value": names::WEBHOOK}),
            json!({"name": "NETDOCTOR_CERTIFICATES", "value": "self-managed"}),
        ]);
    }
    environment
}
