//! Services and their endpoints (SVC).

use crate::{model::Kind, rule::Rule};

mod no_ready_endpoints;
mod selector_matches_nothing;
mod selector_miss;
mod selector_near_miss;
mod target_port_name_unresolved;

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
];

pub(super) static RULES: &[&Rule] = &[
    &selector_matches_nothing::RULE,
    &selector_near_miss::RULE,
    &no_ready_endpoints::RULE,
    &target_port_name_unresolved::RULE,
];
