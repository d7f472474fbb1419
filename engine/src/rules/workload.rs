//! Workloads and what they depend on (WKL).

use crate::rule::Rule;

mod container_crash_looping;
pub(super) mod crash;
mod pod_cannot_be_scheduled;
pub(super) mod signature;
pub(super) mod trouble;
pub(super) mod unschedulable;

pub(super) static RULES: &[&Rule] = &[
    &container_crash_looping::RULE,
    &pod_cannot_be_scheduled::RULE,
];
