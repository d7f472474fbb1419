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
    if answers_dns(cx, namespace, labels) {
        return cx.all().collect();
    }
    let admits = |policy: &NetworkPolicy, own: bool| {
        peers(policy).any(|(direction, rule, peer)| {
            let named = match &peer.pod_selector {
                Some(pods) if !pods.is_empty() => pods.matches(labels) != Some(false),
                _ => names_ports(direction, rule),
            };
            named && in_place(cx, peer, own, namespace)
        })
    };
    let own = cx
        .in_namespace::<NetworkPolicy>(namespace)
        .filter(|policy| {
            // An unknown operator may select them: one policy too many does no harm.
            policy.pod_selector.matches(labels) != Some(false) || admits(policy, true)
        });
    let others = cx
        .outward_policies()
        .filter(|policy| *policy.meta.namespace != *namespace && admits(policy, false));
    own.chain(others).collect()
}

/// Whether a policy looks at pods of other namespaces, more than by letting all of a namespace in.
pub(crate) fn looks_outward(policy: &NetworkPolicy) -> bool {
    peers(policy).any(|(direction, rule, peer)| {
        let pods = peer.pod_selector.as_ref();
        peer.namespace_selector.is_some()
            && (pods.is_some_and(|pods| !pods.is_empty()) || names_ports(direction, rule))
    })
}

/// What admits all pods of a namespace is about their ports at most.
fn names_ports(direction: Direction, rule: &PolicyRule) -> bool {
    direction == Direction::Egress && !rule.ports.is_empty()
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
