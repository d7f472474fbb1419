//! Services and their endpoints (SVC).

use crate::{model::Kind, rule::Rule};

mod backends;
pub(crate) mod external_name_unusable;
mod external_traffic_local_gap;
mod headless_remaps_port;
mod no_ready_endpoints;
mod node_port_reused;
mod protocol_mismatch;
mod selector_matches_nothing;
mod selector_miss;
mod selector_near_miss;
mod selectorless_without_endpoints;
mod target_port_name_partly_resolved;
mod target_port_name_unresolved;
mod target_port_not_declared;

/// Controllers whose templates stand for pods that do not exist yet.
const CONTROLLERS: &[Kind] = &[
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::ReplicaSet,
    Kind::ReplicationController,
    Kind::Job,
    Kind::CronJob,
];

/// What a selector is about.
const WORKLOADS: &[Kind] = &[
    Kind::Pod,
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::ReplicaSet,
    Kind::ReplicationController,
    Kind::Job,
    Kind::CronJob,
];
/// What rules about ports depend on: also whether a mesh injects containers into a namespace.
const PORT_TRIGGERS: &[Kind] = &[
    Kind::Pod,
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::ReplicaSet,
    Kind::ReplicationController,
    Kind::Job,
    Kind::CronJob,
    Kind::Namespace,
];

/// What sharpens rules about ports: templates, the owners of pods, and signs of a mesh.
const PORT_WANTS: &[Kind] = &[
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::ReplicaSet,
    Kind::Namespace,
];

/// What rules about ports read of a Service.
const PORT_READS: &[&str] = &[
    "/spec/selector",
    "/spec/ports/*/name",
    "/spec/ports/*/port",
    "/spec/ports/*/targetPort",
    "/spec/ports/*/protocol",
    "/spec/clusterIP",
    "/spec/type",
];

pub(super) static RULES: &[&Rule] = &[
    &selector_matches_nothing::RULE,
    &selector_near_miss::RULE,
    &no_ready_endpoints::RULE,
    &target_port_name_unresolved::RULE,
    &target_port_name_partly_resolved::RULE,
    &target_port_not_declared::RULE,
    &protocol_mismatch::RULE,
    &selectorless_without_endpoints::RULE,
    &external_traffic_local_gap::RULE,
    &headless_remaps_port::RULE,
    &external_name_unusable::RULE,
    &node_port_reused::RULE,
];
