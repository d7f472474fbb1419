//! Which policies a change of pods or of a namespace can concern: those that select it, and those of which a peer does.

use super::{Direction, dns, matching};
use crate::{
    context::Context,
    model::{Labels, NetworkPolicy, Peer, PolicyRule},
    selector,
};
use std::collections::BTreeSet;

/// Policies that look at pods with these labels.
pub(crate) fn with_pods<'a>(
    cx: &Context<'a>,
    namespace: &str,
    labels: &Labels,
) -> Vec<&'a NetworkPolicy> {
    let all = cx.all::<NetworkPolicy>();
    if answers_dns(cx, namespace, labels) {
        return all.collect();
    }
    // An unknown operator may select them: one policy too many does no harm.
    let selects = |policy: &NetworkPolicy| {
        *policy.meta.namespace == *namespace && policy.pod_selector.matches(labels) != Some(false)
    };
    all.filter(|policy| {
        selects(policy) || {
            let own = *policy.meta.namespace == *namespace;
            peers(policy).any(|(direction, rule, peer)| {
                names_pods(direction, rule, peer, labels) && in_place(cx, peer, own, namespace)
            })
        }
    })
    .collect()
}

/// Whether a peer is about pods with these labels, wherever they run. What admits all pods of a namespace is about
/// their ports at most.
fn names_pods(direction: Direction, rule: &PolicyRule, peer: &Peer, labels: &Labels) -> bool {
    match peer.pod_selector.as_ref().filter(|pods| !pods.is_empty()) {
        Some(pods) => pods.matches(labels) != Some(false),
        None => direction == Direction::Egress && !rule.ports.is_empty(),
    }
}

fn in_place(cx: &Context<'_>, peer: &Peer, own: bool, namespace: &str) -> bool {
    match &peer.namespace_selector {
        None => own,
        Some(selector) => matching::namespace_matches(cx, selector, namespace) != Some(false),
    }
}

/// Whether a Service of the cluster DNS selects such pods: every policy that isolates egress looks at them.
fn answers_dns(cx: &Context<'_>, namespace: &str, labels: &Labels) -> bool {
    dns::services(cx).iter().any(|service| {
        *service.meta.namespace == *namespace
            && service.selects_pods()
            && selector::contains_all(labels, &service.selector)
    })
}

/// Policies that look at the labels of namespaces, and those beside them: what one policy no longer admits is told by the
/// one that speaks for all.
pub(crate) fn with_namespaces<'a>(cx: &Context<'a>) -> Vec<&'a NetworkPolicy> {
    let looks = |policy: &&NetworkPolicy| {
        peers(policy).any(|(_, _, peer)| peer.namespace_selector.is_some())
    };
    let concerned: BTreeSet<&'a str> = cx
        .all::<NetworkPolicy>()
        .filter(looks)
        .map(|policy| &*policy.meta.namespace)
        .collect();
    concerned
        .into_iter()
        .flat_map(|namespace| cx.in_namespace::<NetworkPolicy>(namespace))
        .collect()
}

/// The peers of both directions that are selectors.
fn peers(policy: &NetworkPolicy) -> impl Iterator<Item = (Direction, &PolicyRule, &Peer)> {
    let rules = [Direction::Ingress, Direction::Egress]
        .into_iter()
        .flat_map(|direction| {
            direction
                .rules(policy)
                .iter()
                .map(move |rule| (direction, rule))
        });
    rules
        .flat_map(|(direction, rule)| rule.peers.iter().map(move |peer| (direction, rule, peer)))
        .filter(|(_, _, peer)| peer.ip_block.is_none())
}
