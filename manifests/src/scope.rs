//! Which kinds the webhook watches and which requests reach it, from what the rules say about themselves.

use std::collections::{BTreeMap, BTreeSet};

use netdoctor_engine::model::Kind;
use netdoctor_engine::rule::{Rule, Surface};
use netdoctor_engine::rules::RULES;
use netdoctor_engine::run::judged_kinds;

/// Never cached: contents that nobody should have to trust us with, or too much of it. Rules that would like to see them
/// cope, or are unknown (webhook.md 7).
const NEVER_WATCHED: [Kind; 4] = [
    Kind::Secret,
    Kind::ConfigMap,
    Kind::Event,
    Kind::CustomResourceDefinition,
];

/// Never sent to the webhook: a cluster must be able to start, nodes must be able to join, and controllers must be able to
/// write, without it (webhook.md 4.3).
const NEVER_MATCHED: [Kind; 7] = [
    Kind::Node,
    Kind::Namespace,
    Kind::Secret,
    Kind::ConfigMap,
    Kind::Event,
    Kind::EndpointSlice,
    Kind::CustomResourceDefinition,
];

/// The rules that run at admission.
pub fn admitted() -> impl Iterator<Item = &'static Rule> {
    RULES
        .iter()
        .copied()
        .filter(|rule| rule.runs_on(Surface::Admit))
}

/// The kinds that server and auditor list and watch: subjects of the rules, what they need or want, and what can break
/// them. Namespaces are among them, since their labels choose the profile.
pub fn watched() -> BTreeSet<Kind> {
    let of_rules = admitted().flat_map(|rule| {
        rule.kinds()
            .into_iter()
            .chain(rule.triggers.iter().copied())
    });
    of_rules
        .chain([Kind::Namespace])
        .filter(|kind| !NEVER_WATCHED.contains(kind) && *kind != Kind::CustomWorkload)
        .collect()
}

/// The kinds whose changes are sent to the webhook.
pub fn matched() -> BTreeSet<Kind> {
    judged_kinds(&RULES)
        .into_iter()
        .filter(|kind| !NEVER_MATCHED.contains(kind) && *kind != Kind::CustomWorkload)
        .collect()
}

/// The kinds that the mutating webhook is asked about: workloads, which hold the fields that it repairs.
pub fn mutated() -> BTreeSet<Kind> {
    matched()
        .into_iter()
        .filter(|kind| *kind == Kind::Pod || kind.is_controller())
        .collect()
}

/// Kinds of which the rules read more of the metadata than names: a change of labels or annotations alone can matter there.
pub(crate) fn reading(metadata: &str) -> BTreeSet<Kind> {
    let matched = matched();
    admitted()
        .filter(|rule| rule.reads.iter().any(|read| read.starts_with(metadata)))
        .flat_map(|rule| rule.on.iter().flat_map(|check| check.kinds()))
        .copied()
        .filter(|kind| matched.contains(kind))
        .collect()
}

/// Plural names by API group, as RBAC and webhook rules list them.
pub(crate) fn by_group(
    kinds: impl IntoIterator<Item = Kind>,
) -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut groups: BTreeMap<&'static str, Vec<&'static str>> = BTreeMap::new();
    for kind in kinds {
        groups.entry(kind.group()).or_default().push(kind.plural());
    }
    for resources in groups.values_mut() {
        resources.sort_unstable();
        resources.dedup();
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_cluster_needs_to_start_is_matched() {
        for kind in matched() {
            assert!(!NEVER_MATCHED.contains(&kind), "{kind}");
        }
        for kind in [
            Kind::Pod,
            Kind::Service,
            Kind::Deployment,
            Kind::Ingress,
            Kind::NetworkPolicy,
            Kind::HorizontalPodAutoscaler,
        ] {
            assert!(matched().contains(&kind), "{kind}");
        }
    }

    #[test]
    fn secrets_are_not_watched() {
        assert!(!watched().contains(&Kind::Secret));
        assert!(watched().contains(&Kind::Namespace) && watched().contains(&Kind::Node));
    }

    #[test]
    fn every_kind_that_an_admitted_rule_cannot_do_without_is_watched() {
        for rule in admitted() {
            for kind in rule.needs {
                assert!(watched().contains(kind), "{} needs {kind}", rule.code);
            }
        }
    }
}
