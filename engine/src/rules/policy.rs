//! Network policies (POL).

use crate::{
    context::Context,
    model::{ObjectRef, Workload},
    rule::Rule,
};
use std::collections::BTreeSet;

mod policy_port_is_service_port;
mod policy_rules_ignored_by_types;
mod policy_selector_matches_nothing;

pub(super) static RULES: &[&Rule] = &[
    &policy_selector_matches_nothing::RULE,
    &policy_port_is_service_port::RULE,
    &policy_rules_ignored_by_types::RULE,
];

/// The objects that people edit for these workloads: each owner once, in order.
pub(super) fn owners<'a>(cx: &Context<'a>, workloads: &[Workload<'a>]) -> Vec<ObjectRef> {
    let mut seen = BTreeSet::new();
    let mut owners: Vec<ObjectRef> = Vec::new();
    for workload in workloads {
        // Replicas have one owner: it is looked up once.
        let owner = workload
            .meta()
            .controller()
            .map(|owner| (&*owner.kind, &*owner.name));
        if owner.is_none_or(|owner| seen.insert((&*workload.meta().namespace, owner))) {
            owners.push(cx.place_to_fix(*workload).reference());
        }
    }
    owners.sort();
    owners.dedup();
    owners
}

/// How messages name a few of many objects.
pub(super) fn name_some(references: &[ObjectRef]) -> String {
    const SHOWN: usize = 3;
    let mut names: Vec<String> = references
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    if references.len() > SHOWN {
        names.push(format!("{} more", references.len() - SHOWN));
    }
    match &names[..] {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
