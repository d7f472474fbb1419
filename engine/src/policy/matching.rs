//! Whether one rule, one peer, one port fits, and by what it misses.
//!
//! Three answers: yes, no, and maybe, which says what is not known. A maybe never turns into an accusation.

use super::{Direction, End};
use crate::{
    context::Context,
    model::{
        IntOrString, IpBlock, Labels, Namespace, NetworkPolicy, Peer, PodSpec, PolicyPort,
        PolicyRule, Protocol, Text,
    },
    selector::LabelSelector,
};
use ipnet::IpNet;
use std::net::IpAddr;

/// The label that the API server puts on every namespace.
pub(crate) const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Whether something fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Yes,
    No,
    Maybe(Doubt),
}

impl Match {
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Maybe(doubt), _) | (_, Self::Maybe(doubt)) => Self::Maybe(doubt),
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    fn of(answer: Option<bool>, doubt: Doubt) -> Self {
        match answer {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Maybe(doubt),
        }
    }

    /// Yes if any is, else maybe if any is.
    fn any(answers: impl IntoIterator<Item = Self>) -> Self {
        let mut best = Self::No;
        for answer in answers {
            match answer {
                Self::Yes => return Self::Yes,
                Self::Maybe(_) if best == Self::No => best = answer,
                Self::Maybe(_) | Self::No => {}
            }
        }
        best
    }
}

/// What is not known about a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Doubt {
    /// A part of it could not be decoded.
    Unreadable,
    /// `policyTypes` holds a value that is not known.
    Type,
    /// A selector uses an operator that is not known.
    Operator,
    /// The labels of the other end's namespace are not known.
    NamespaceLabels,
    /// An `ipBlock` that may cover a pod's address. Whether blocks admit pods is up to the network plugin.
    BlockOnPod,
    /// An `ipBlock` that is no range.
    BadBlock,
    /// A peer that selects by nothing, or by selector and address at once.
    BadPeer,
    /// A port or a range that the API would refuse.
    BadPort,
}

impl Doubt {
    pub(crate) fn in_policy(self, policy: &NetworkPolicy) -> String {
        format!("NetworkPolicy {}: {self}", policy.meta)
    }
}

impl std::fmt::Display for Doubt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "a part of it could not be read",
            Self::Type => "policyTypes holds an unknown value",
            Self::Operator => "a selector uses an unknown operator",
            Self::NamespaceLabels => "the labels of the other end's namespace are not known",
            Self::BlockOnPod => "whether an ipBlock admits pods is up to the network plugin",
            Self::BadBlock => "an ipBlock is no valid range",
            Self::BadPeer => "a peer is not one that the API accepts",
            Self::BadPort => "a port is not one that the API accepts",
        })
    }
}

/// The other end, as policies see it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Party<'a> {
    Pods {
        namespace: &'a str,
        labels: &'a Labels,
        /// Empty when the addresses are not known (templates, classes).
        addresses: &'a [Text],
    },
    Address(IpAddr),
}

impl<'a> Party<'a> {
    pub(crate) fn of(end: End<'a>) -> Self {
        match end {
            End::Address(address) => Self::Address(address),
            End::Workload(workload) => Self::Pods {
                namespace: &workload.meta().namespace,
                labels: workload.pod_labels(),
                addresses: match workload {
                    crate::model::Workload::Pod(pod) => &pod.status.pod_ips,
                    crate::model::Workload::Controller(_) => &[],
                },
            },
        }
    }
}

/// Where the connection leads, and the pod there, on which port names resolve.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Socket<'s> {
    pub(crate) port: i32,
    pub(crate) protocol: &'s Protocol,
    pub(crate) pod: Option<&'s PodSpec>,
}

/// Whether a policy isolates pods with these labels (of its own namespace).
pub(crate) fn isolates(direction: Direction, policy: &NetworkPolicy, labels: &Labels) -> Match {
    // A field of the other direction cannot change what this one says.
    let other = match direction {
        Direction::Ingress => "/spec/egress",
        Direction::Egress => "/spec/ingress",
    };
    let concerns = |pointer: &str| {
        pointer.is_empty() || (pointer.starts_with("/spec") && !pointer.starts_with(other))
    };
    if policy
        .meta
        .problems
        .iter()
        .any(|problem| concerns(&problem.pointer))
    {
        return Match::Maybe(Doubt::Unreadable);
    }
    let types = policy.policy_types.iter().flatten();
    let kind = if direction.isolates(policy) {
        Match::Yes
    } else if types
        .clone()
        .any(|name| !matches!(&**name, "Ingress" | "Egress"))
    {
        Match::Maybe(Doubt::Type)
    } else {
        return Match::No;
    };
    kind.and(Match::of(
        policy.pod_selector.matches(labels),
        Doubt::Operator,
    ))
}

/// Whether a rule admits the connection.
pub(crate) fn rule(
    cx: &Context<'_>,
    own_namespace: &str,
    rule: &PolicyRule,
    other: &Party<'_>,
    socket: &Socket<'_>,
) -> Match {
    let fits = ports(&rule.ports, socket);
    if fits == Match::No {
        return Match::No;
    }
    fits.and(peers(cx, own_namespace, &rule.peers, other))
}

/// Whether any of the peers is the other end. No peers at all means everybody.
pub(crate) fn peers(
    cx: &Context<'_>,
    own_namespace: &str,
    peers: &[Peer],
    other: &Party<'_>,
) -> Match {
    if peers.is_empty() {
        return Match::Yes;
    }
    Match::any(
        peers
            .iter()
            .map(|wanted| peer(cx, own_namespace, wanted, other)),
    )
}

fn peer(cx: &Context<'_>, own_namespace: &str, peer: &Peer, other: &Party<'_>) -> Match {
    match (&peer.ip_block, &peer.namespace_selector, &peer.pod_selector) {
        (Some(range), None, None) => match other {
            Party::Address(address) => block(range, *address),
            Party::Pods { addresses, .. } => block_on_pods(range, addresses),
        },
        (None, None, None) | (Some(_), _, _) => Match::Maybe(Doubt::BadPeer),
        (None, namespaces, pods) => {
            let Party::Pods {
                namespace, labels, ..
            } = other
            else {
                return Match::No;
            };
            let place = match namespaces {
                Some(selector) => Match::of(
                    namespace_matches(cx, selector, namespace),
                    Doubt::NamespaceLabels,
                ),
                None if *namespace == own_namespace => Match::Yes,
                None => Match::No,
            };
            if place == Match::No {
                return Match::No;
            }
            let fits = pods
                .as_ref()
                .map_or(Some(true), |selector| selector.matches(labels));
            place.and(Match::of(fits, Doubt::Operator))
        }
    }
}

/// Whether a namespace selector selects a namespace. Its name counts as a label, whether the Namespace object is here or
/// not; without the object other labels are not known.
pub(crate) fn namespace_matches(
    cx: &Context<'_>,
    selector: &LabelSelector,
    namespace: &str,
) -> Option<bool> {
    if selector.is_empty() {
        return Some(true);
    }
    let objects = cx.named::<Namespace>("", namespace);
    if objects.is_empty() {
        return select(selector, |key| {
            (key == NAMESPACE_NAME).then_some(Some(namespace))
        });
    }
    let mut answer = Some(false);
    for object in objects {
        let found = select(selector, |key| {
            Some(if key == NAMESPACE_NAME {
                Some(namespace)
            } else {
                object.meta.labels.get(key)
            })
        });
        match found {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}

/// A selector over labels of which some are not known: the outer `None` of `value`.
pub(crate) fn select<'v>(
    selector: &LabelSelector,
    value: impl Fn(&str) -> Option<Option<&'v str>>,
) -> Option<bool> {
    let pairs = selector
        .match_labels
        .iter()
        .map(|(key, wanted)| value(key).map(|found| found == Some(wanted)));
    let requirements = selector.match_expressions.iter();
    let requirements =
        requirements.map(|requirement| requirement.matches(value(&requirement.key)?));
    let mut known = true;
    for answer in pairs.chain(requirements) {
        match answer {
            Some(true) => {}
            Some(false) => return Some(false),
            None => known = false,
        }
    }
    known.then_some(true)
}

/// A range and its holes. `None` when any of them is no range.
pub(crate) fn parse(block: &IpBlock) -> Option<(IpNet, Vec<IpNet>)> {
    // Kubernetes takes an address with host bits set as the network that it lies in.
    let range = |text: &str| text.trim().parse::<IpNet>().ok().map(|net| net.trunc());
    Some((
        range(&block.cidr)?,
        block
            .except
            .iter()
            .map(|hole| range(hole))
            .collect::<Option<_>>()?,
    ))
}

fn block(block: &IpBlock, address: IpAddr) -> Match {
    let Some((range, holes)) = parse(block) else {
        return Match::Maybe(Doubt::BadBlock);
    };
    let inside = range.contains(&address) && !holes.iter().any(|hole| hole.contains(&address));
    if inside { Match::Yes } else { Match::No }
}

fn block_on_pods(range: &IpBlock, addresses: &[Text]) -> Match {
    let known: Vec<IpAddr> = addresses
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    if known.is_empty() && parse(range).is_some() {
        return Match::Maybe(Doubt::BlockOnPod);
    }
    match Match::any(known.into_iter().map(|address| block(range, address))) {
        Match::Yes => Match::Maybe(Doubt::BlockOnPod),
        Match::Maybe(_) => Match::Maybe(Doubt::BadBlock),
        Match::No if parse(range).is_none() => Match::Maybe(Doubt::BadBlock),
        Match::No => Match::No,
    }
}

/// Whether any of the ports is the connection's. No ports at all means all ports.
pub(crate) fn ports(ports: &[PolicyPort], socket: &Socket<'_>) -> Match {
    if ports.is_empty() {
        return Match::Yes;
    }
    Match::any(ports.iter().map(|wanted| port(wanted, socket)))
}

fn port(wanted: &PolicyPort, socket: &Socket<'_>) -> Match {
    if let Protocol::Other(_) = wanted.protocol {
        return Match::Maybe(Doubt::BadPort);
    }
    if wanted.protocol != *socket.protocol {
        return Match::No;
    }
    let fits = match (&wanted.port, wanted.end_port) {
        (None, None) => true,
        (Some(IntOrString::Int(first)), Some(last)) if *first <= last => {
            (*first..=last).contains(&socket.port)
        }
        (None | Some(_), Some(_)) => return Match::Maybe(Doubt::BadPort),
        (Some(IntOrString::Int(number)), None) => *number == socket.port,
        // An address has no names.
        (Some(IntOrString::Text(name)), None) => socket.pod.is_some_and(|pod| {
            pod.serving_containers()
                .flat_map(|(_, container)| &container.ports)
                .any(|declared| {
                    declared.name.as_ref() == Some(name)
                        && declared.protocol == *socket.protocol
                        && declared.container_port == socket.port
                })
        }),
    };
    if fits { Match::Yes } else { Match::No }
}
