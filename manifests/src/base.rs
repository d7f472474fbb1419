//! The base: what every installation has unless a component takes it away.

use serde_json::{Value, json};

use crate::object::{Part, cluster, namespaced, selector, with};
use crate::{Options, configuration, names, rbac, workload};

/// All objects of the base.
pub(crate) fn objects(options: &Options) -> Vec<Value> {
    let mut objects = vec![namespace(options), priority_quota(options)];
    objects.extend(rbac::of_webhook(options));
    objects.extend(rbac::of_auditor(options));
    objects.push(config(options, "advisory"));
    objects.extend([
        network_policy(options, Part::Webhook),
        network_policy(options, Part::Auditor),
        service(options, Part::Webhook),
        service(options, Part::Auditor),
        disruption_budget(options),
        workload::webhook(options),
        workload::auditor(options),
        configuration::validating(options),
    ]);
    objects
}

/// The namespace, in which only Pods of the strictest standard may run.
fn namespace(options: &Options) -> Value {
    let mut namespace = cluster("v1", "Namespace", &options.namespace, Part::Webhook);
    for mode in ["audit", "enforce", "warn"] {
        let label = format!("pod-security.kubernetes.io/{mode}");
        namespace["metadata"]["labels"][label] = "restricted".into();
    }
    namespace
}

/// Some clouds let Pods of a system priority class only into namespaces with a quota for it. Elsewhere it changes nothing.
fn priority_quota(options: &Options) -> Value {
    with(
        namespaced(
            options,
            "v1",
            "ResourceQuota",
            names::PRIORITY_QUOTA,
            Part::Webhook,
        ),
        json!({"spec": {
            "hard": {"pods": "20"},
            "scopeSelector": {"matchExpressions": [{
                "operator": "In",
                "scopeName": "PriorityClass",
                "values": [workload::PRIORITY_CLASS],
            }]},
        }}),
    )
}

/// The configuration, which the server reads again whenever it changes.
pub(crate) fn config(options: &Options, profile: &str) -> Value {
    with(
        namespaced(options, "v1", "ConfigMap", names::CONFIG_MAP, Part::Webhook),
        json!({"data": {names::CONFIG_KEY: format!("profile: {profile}\n")}}),
    )
}

/// Requests of the API server come from no Pod that a selector could name. A policy sees them at the port of the Pod, not
/// at that of the Service (apisix-ingress-controller#2812).
fn network_policy(options: &Options, part: Part) -> Value {
    let ingress: Vec<Value> = ports(options, part)
        .into_iter()
        .map(|(_, port)| json!({"port": port, "protocol": "TCP"}))
        .collect();
    let name = name_of(part);
    with(
        namespaced(options, "networking.k8s.io/v1", "NetworkPolicy", name, part),
        json!({"spec": {
            "podSelector": {"matchLabels": selector(part)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": ingress}],
            "egress": [
                {"ports": [tcp(53), {"port": 53, "protocol": "UDP"}, tcp(5353), {"port": 5353, "protocol": "UDP"}]},
                {"ports": API_SERVER_PORTS.map(tcp)},
            ],
        }}),
    )
}

/// Where API servers listen: 443 behind a load balancer, 6443 as a rule, 8443 (minikube), 16443 (`MicroK8s`).
const API_SERVER_PORTS: [u16; 4] = [443, 6443, 8443, 16443];

fn tcp(port: u16) -> Value {
    json!({"port": port, "protocol": "TCP"})
}

/// Name and number of the container's ports. The auditor serves nobody but probes and Prometheus.
pub(crate) fn ports(options: &Options, part: Part) -> Vec<(&'static str, u16)> {
    let plain = [
        ("health", names::HEALTH_PORT),
        ("metrics", names::METRICS_PORT),
    ];
    match part {
        Part::Webhook => [("webhook", options.port)]
            .into_iter()
            .chain(plain)
            .collect(),
        Part::Auditor | Part::Policy | Part::Monitoring => plain.to_vec(),
    }
}

fn service(options: &Options, part: Part) -> Value {
    let mut ports = vec![json!({
        "name": "metrics", "port": names::METRICS_PORT, "protocol": "TCP", "targetPort": "metrics",
    })];
    if part == Part::Webhook {
        ports.insert(
            0,
            json!({
                "appProtocol": "https", "name": "https", "port": names::SERVICE_PORT, "protocol": "TCP",
                "targetPort": "webhook",
            }),
        );
    }
    with(
        namespaced(options, "v1", "Service", name_of(part), part),
        json!({"spec": {"type": "ClusterIP", "selector": selector(part), "ports": ports}}),
    )
}

/// Name of what a part has only one of.
pub(crate) fn name_of(part: Part) -> &'static str {
    match part {
        Part::Auditor => names::AUDITOR,
        Part::Webhook | Part::Policy | Part::Monitoring => names::WEBHOOK,
    }
}

/// A drain takes one replica at a time, and takes one that is not ready at once: it serves nobody.
fn disruption_budget(options: &Options) -> Value {
    with(
        namespaced(
            options,
            "policy/v1",
            "PodDisruptionBudget",
            names::WEBHOOK,
            Part::Webhook,
        ),
        json!({"spec": {
            "maxUnavailable": 1,
            "selector": {"matchLabels": selector(Part::Webhook)},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        }}),
    )
}
