//! Host networking and host ports (HST).

use crate::{
    model::{Kind, PodSpec, Workload},
    rule::Rule,
};

mod autoscaler_targets_daemonset;
mod host_network_duplicate_port;
mod host_network_privileged_port;
mod host_network_replicas_can_share_a_node;
mod host_network_without_cluster_dns;
mod host_port_conflict_between_workloads;
mod host_port_differs_from_container_port;
mod host_port_replicas_exceed_nodes;
mod host_port_rollout_deadlock;
mod host_port_unschedulable;
mod rollout;

pub use host_network_without_cluster_dns::NETWORK_IMAGES;

pub(super) static RULES: &[&Rule] = &[
    &autoscaler_targets_daemonset::RULE,
    &host_network_duplicate_port::RULE,
    &host_network_privileged_port::RULE,
    &host_network_replicas_can_share_a_node::RULE,
    &host_network_without_cluster_dns::RULE,
    &host_port_conflict_between_workloads::RULE,
    &host_port_differs_from_container_port::RULE,
    &host_port_replicas_exceed_nodes::RULE,
    &host_port_rollout_deadlock::RULE,
    &host_port_unschedulable::RULE,
];

/// Pods that run Windows, where host networking means something else.
fn is_windows(spec: &PodSpec) -> bool {
    let selected = |key: &str| spec.node_selector.get(key).map(|value| &**value);
    spec.os.as_deref() == Some("windows")
        || ["kubernetes.io/os", "beta.kubernetes.io/os"]
            .iter()
            .any(|key| selected(key) == Some("windows"))
}

/// How a command names a workload: `deployment/web -n shop`.
fn target(workload: Workload<'_>) -> String {
    let reference = workload.reference();
    format!("{} -n {}", reference.type_name(), reference.namespace)
}

/// Whether a workload makes pods again and again, so that its template is what counts.
fn is_template(workload: Workload<'_>) -> bool {
    workload.kind() != Kind::Pod
}
