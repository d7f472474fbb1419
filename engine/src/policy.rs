//! What network policies allow.
//!
//! Kubernetes unites all policies that select a pod, for each direction by itself: a pod that no policy isolates takes
//! everything, any other pod only what at least one rule admits. A connection needs the egress of its source *and* the
//! ingress of its destination. Policies see pod addresses and pod ports, after Services were translated.
//!
//! ```text
//!  Question {source, destination, port, protocol}
//!      |-- egress half:  policies of the source's namespace       --> admitted by a rule | not isolated | denied | unknown
//!      |-- ingress half: policies of the destination's namespace  --> the same
//!      v
//!  Verdict: denied if either half is denied, else unknown if either is unknown, else allowed
//! ```
//!
//! Selectors never run over pairs of pods: [`Policies::classes`] puts pods that no policy can tell apart into one class,
//! and [`Policies::reach`] answers for all pairs of classes at once.
//!
//! Source: `k8s.io/api/networking/v1`, and the Kubernetes documentation on network policies for what is left to plugins.

mod bits;
mod classes;
pub(crate) mod concern;
pub(crate) mod dns;
mod matching;
mod miss;
pub(crate) mod namespaces;
pub(crate) mod ranges;
mod reach;
#[cfg(test)]
mod tests;
mod verdict;

pub use classes::Class;
pub use matching::Doubt;
pub use miss::Miss;
pub use reach::{Cell, Reach};
pub use verdict::{Allow, Closest, End, Half, Question, Verdict};

use crate::{
    context::Context,
    model::{NetworkPolicy, Node, OpaquePolicy, PolicyRule, Protocol, Workload},
    snapshot::{Absence, GapCause},
};
use matching::{Match, Party, Socket};
use std::net::IpAddr;

/// One of the two ways that policies look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Into the selected pods.
    Ingress,
    /// Out of the selected pods.
    Egress,
}

impl Direction {
    /// The rules of a policy for this direction.
    pub fn rules(self, policy: &NetworkPolicy) -> &[PolicyRule] {
        let rules = match self {
            Self::Ingress => &policy.ingress,
            Self::Egress => &policy.egress,
        };
        rules.as_deref().unwrap_or_default()
    }

    /// Whether a policy isolates the pods that it selects.
    pub fn isolates(self, policy: &NetworkPolicy) -> bool {
        match self {
            Self::Ingress => policy.isolates_ingress(),
            Self::Egress => policy.isolates_egress(),
        }
    }

    /// The field of `spec` that holds the rules.
    pub fn field(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }

    /// The field of a rule that holds the peers.
    pub fn peers_field(self) -> &'static str {
        match self {
            Self::Ingress => "from",
            Self::Egress => "to",
        }
    }

    /// As `policyTypes` spells it.
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }
}

/// The policies of a snapshot. Holds nothing: every answer is looked up by namespace.
#[derive(Clone, Copy)]
pub struct Policies<'c, 'a> {
    cx: &'c Context<'a>,
}

/// What isolates a pod in one direction.
#[derive(Debug, Default)]
pub(crate) struct Isolation<'a> {
    /// Policies that surely do, by name.
    pub(crate) by: Vec<&'a NetworkPolicy>,
    /// There may be more, or what one says is not fully known.
    pub(crate) doubt: Option<String>,
}

impl<'c, 'a> Policies<'c, 'a> {
    /// The policies that a context sees.
    pub fn new(cx: &'c Context<'a>) -> Self {
        Self { cx }
    }

    /// Answers one question.
    pub fn verdict(self, question: &Question<'a>) -> Verdict<'a> {
        let ends = (question.source, question.destination);
        if let (End::Workload(Workload::Pod(a)), End::Workload(Workload::Pod(b))) = ends
            && a.meta.namespace == b.meta.namespace
            && a.meta.name == b.meta.name
        {
            return Verdict::Allowed {
                egress: Allow::Itself,
                ingress: Allow::Itself,
            };
        }
        let (port, protocol) = (question.port, &question.protocol);
        let egress = self.half(
            Direction::Egress,
            question.source,
            question.destination,
            port,
            protocol,
        );
        let ingress = self.half(
            Direction::Ingress,
            question.destination,
            question.source,
            port,
            protocol,
        );
        let by_address = matches!(ends.0, End::Address(_)) || matches!(ends.1, End::Address(_));
        let denied = |direction, isolating, closest| Verdict::Denied {
            direction,
            isolating,
            closest,
            except_own_node: by_address,
        };
        match (egress, ingress) {
            (Half::Denied { isolating, closest }, _) => {
                denied(Direction::Egress, isolating, closest)
            }
            (_, Half::Denied { isolating, closest }) => {
                denied(Direction::Ingress, isolating, closest)
            }
            (Half::Unknown { reason }, _) | (_, Half::Unknown { reason }) => {
                Verdict::Unknown { reason }
            }
            (Half::Allowed(egress), Half::Allowed(ingress)) => Verdict::Allowed { egress, ingress },
        }
    }

    /// Answers for one direction: what the policies that select `own` say about `other`. The port is always that of the
    /// connection's destination.
    pub fn half(
        self,
        direction: Direction,
        own: End<'a>,
        other: End<'a>,
        port: i32,
        protocol: &Protocol,
    ) -> Half<'a> {
        let End::Workload(own) = own else {
            return Half::Allowed(Allow::NotIsolated);
        };
        if let Some(reason) = outside_the_api(own, other, protocol) {
            return Half::Unknown { reason };
        }
        if let Some(reason) = self.engine_policies(&own.meta().namespace) {
            return Half::Unknown { reason };
        }
        if let End::Address(address) = other
            && self.is_own_node(own, address)
        {
            return Half::Allowed(Allow::OwnNode);
        }
        let isolation = self.isolation(direction, own);
        if isolation.by.is_empty() && isolation.doubt.is_none() {
            return Half::Allowed(Allow::NotIsolated);
        }
        let socket = Socket {
            port,
            protocol,
            pod: match (direction, other) {
                (Direction::Ingress, _) => Some(own.spec()),
                (Direction::Egress, End::Workload(other)) => Some(other.spec()),
                (Direction::Egress, End::Address(_)) => None,
            },
        };
        self.admitted(direction, isolation, &Party::of(other), &socket)
    }

    fn admitted(
        self,
        direction: Direction,
        isolation: Isolation<'a>,
        other: &Party<'a>,
        socket: &Socket<'_>,
    ) -> Half<'a> {
        let mut doubt = isolation.doubt;
        let mut closest: Option<(u8, Closest<'a>)> = None;
        for policy in &isolation.by {
            for (index, rule) in direction.rules(policy).iter().enumerate() {
                match matching::rule(self.cx, &policy.meta.namespace, rule, other, socket) {
                    Match::Yes => return Half::Allowed(Allow::Rule(policy, index)),
                    Match::Maybe(why) => doubt = doubt.or_else(|| Some(why.in_policy(policy))),
                    Match::No => {
                        let near = miss::miss(self.cx, direction, policy, index, other, socket);
                        if closest
                            .as_ref()
                            .is_none_or(|(distance, _)| near.0 < *distance)
                        {
                            closest = Some(near);
                        }
                    }
                }
            }
        }
        match doubt {
            Some(reason) => Half::Unknown { reason },
            None => Half::Denied {
                isolating: isolation.by,
                closest: closest.map(|(_, closest)| closest),
            },
        }
    }

    /// The policies that isolate the pods of a workload.
    pub(crate) fn isolation(self, direction: Direction, own: Workload<'_>) -> Isolation<'a> {
        let mut found = Isolation::default();
        for policy in self.cx.in_namespace::<NetworkPolicy>(&own.meta().namespace) {
            match matching::isolates(direction, policy, own.pod_labels()) {
                Match::Yes => found.by.push(policy),
                Match::Maybe(why) => {
                    found.doubt.get_or_insert_with(|| why.in_policy(policy));
                }
                Match::No => {}
            }
        }
        found
            .by
            .sort_by(|a, b| (&a.meta.name, a.meta.origin).cmp(&(&b.meta.name, b.meta.origin)));
        found
    }

    /// Policies of a network plugin that may select pods of the namespace and that are not evaluated here.
    pub(crate) fn engine_policies(self, namespace: &str) -> Option<String> {
        use crate::model::Object as _;
        let cluster_wide = self.cx.in_namespace::<OpaquePolicy>("").next();
        let found = cluster_wide.or_else(|| self.cx.in_namespace::<OpaquePolicy>(namespace).next());
        if let Some(policy) = found {
            return Some(format!(
                "{} may select these pods and is not evaluated",
                policy.reference()
            ));
        }
        ENGINE_KINDS
            .iter()
            .find_map(|kind| match self.cx.known(*kind, namespace) {
                // A raw list names no kind that it does not hold; clusters without these kinds would never get a verdict.
                Err(Absence::Unknown(reason)) if !self.only_unlisted(*kind) => Some(reason),
                _ => None,
            })
    }

    fn only_unlisted(self, kind: crate::model::Kind) -> bool {
        self.cx
            .snapshot
            .coverage
            .get(&kind)
            .is_some_and(|coverage| {
                !coverage.gaps.is_empty()
                    && coverage
                        .gaps
                        .iter()
                        .all(|gap| gap.cause == GapCause::RawList)
            })
    }

    fn is_own_node(self, own: Workload<'_>, address: IpAddr) -> bool {
        own.node_name().is_some_and(|node| {
            let nodes = self.cx.named::<Node>("", node);
            nodes
                .iter()
                .flat_map(|node| &node.status.addresses)
                .any(|known| known.address.parse() == Ok(address))
        })
    }
}

/// Kinds whose objects network plugins enforce beside `NetworkPolicy`.
pub(crate) const ENGINE_KINDS: &[crate::model::Kind] = {
    use crate::model::Kind;
    &[
        Kind::CiliumNetworkPolicy,
        Kind::CiliumClusterwideNetworkPolicy,
        Kind::CalicoNetworkPolicy,
        Kind::GlobalNetworkPolicy,
        Kind::AdminNetworkPolicy,
        Kind::BaselineAdminNetworkPolicy,
        Kind::ClusterNetworkPolicy,
    ]
};

/// What the API leaves to plugins, whatever the policies say.
fn outside_the_api(own: Workload<'_>, other: End<'_>, protocol: &Protocol) -> Option<String> {
    if let Protocol::Other(text) = protocol {
        return Some(format!("policies do not speak about protocol {text}"));
    }
    let other = match other {
        End::Workload(other) => Some(other),
        End::Address(_) => None,
    };
    let on_host = std::iter::once(own)
        .chain(other)
        .find(|end| end.spec().host_network)?;
    Some(format!(
        "{} uses the host network, for which policies promise nothing",
        on_host.reference()
    ))
}

/// Whether a rule admits a port of a pod, whoever the peer is. What cannot be told counts as admitted.
pub(crate) fn admits_port(
    rule: &PolicyRule,
    port: i32,
    protocol: &Protocol,
    pod: &crate::model::PodSpec,
) -> bool {
    matching::ports(
        &rule.ports,
        &Socket {
            port,
            protocol,
            pod: Some(pod),
        },
    ) != Match::No
}
