//! By what a rule misses, for those who wonder why it does not admit a connection.

use super::{
    Closest, Direction,
    matching::{Match, Party, Socket, namespace_matches, peers, ports},
};
use crate::{
    context::Context,
    model::{NetworkPolicy, Peer, PolicyPort},
    selector::LabelSelector,
};

/// By what a rule misses a connection, in the words of the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// The peers fit, these ports do not.
    Port(String),
    /// Namespaces that carry these labels are admitted.
    Namespace(String),
    /// The policy's own namespace is admitted.
    OwnNamespace,
    /// In a namespace that fits, pods with these labels are admitted.
    Labels(String),
    /// These addresses are admitted.
    Address(String),
}

/// By what a rule that does not admit the connection misses it, with a distance: 0 port, 1 labels, 2 the rest; 3 more when
/// the port does not fit either.
pub(crate) fn miss<'a>(
    cx: &Context<'_>,
    direction: Direction,
    policy: &'a NetworkPolicy,
    index: usize,
    other: &Party<'_>,
    socket: &Socket<'_>,
) -> (u8, Closest<'a>) {
    let rule = &direction.rules(policy)[index];
    let at = format!("/spec/{}/{index}", direction.field());
    let own = &*policy.meta.namespace;
    let port_fits = ports(&rule.ports, socket) != Match::No;
    let closest = |pointer, miss| Closest {
        policy,
        rule: index,
        pointer,
        miss,
    };
    if peers(cx, own, &rule.peers, other) != Match::No {
        let wanted = rule
            .ports
            .iter()
            .map(describe_port)
            .collect::<Vec<_>>()
            .join(", ");
        return (0, closest(format!("{at}/ports"), Miss::Port(wanted)));
    }
    let misses = rule.peers.iter().enumerate().map(|(number, peer)| {
        let (distance, field, miss) = peer_miss(cx, own, peer, other);
        let pointer = format!("{at}/{}/{number}/{field}", direction.peers_field());
        (
            distance + if port_fits { 0 } else { 3 },
            closest(pointer, miss),
        )
    });
    // A rule without peers admits everybody, so it was handled above.
    misses
        .min_by_key(|(distance, _)| *distance)
        .unwrap_or_else(|| (9, closest(at.clone(), Miss::Port(String::new()))))
}

fn peer_miss(
    cx: &Context<'_>,
    own: &str,
    peer: &Peer,
    other: &Party<'_>,
) -> (u8, &'static str, Miss) {
    if let Some(block) = &peer.ip_block {
        let holes = if block.except.is_empty() {
            String::new()
        } else {
            format!(" except {}", block.except.join(", "))
        };
        return (
            2,
            "ipBlock",
            Miss::Address(format!("{}{holes}", block.cidr)),
        );
    }
    let labels = |selector: &LabelSelector| Miss::Labels(selector.display());
    let Party::Pods { namespace, .. } = other else {
        return match (&peer.pod_selector, &peer.namespace_selector) {
            (Some(pods), _) => (2, "podSelector", labels(pods)),
            (None, Some(namespaces)) => (
                2,
                "namespaceSelector",
                Miss::Namespace(namespaces.display()),
            ),
            (None, None) => (2, "", Miss::OwnNamespace),
        };
    };
    match (&peer.namespace_selector, &peer.pod_selector) {
        (Some(namespaces), pods) => match pods {
            Some(pods) if namespace_matches(cx, namespaces, namespace) != Some(false) => {
                (1, "podSelector", labels(pods))
            }
            _ => (
                2,
                "namespaceSelector",
                Miss::Namespace(namespaces.display()),
            ),
        },
        (None, Some(pods)) if *namespace == own => (1, "podSelector", labels(pods)),
        (None, _) => (2, "podSelector", Miss::OwnNamespace),
    }
}

/// How messages name a port of a rule: `80/TCP`, `8000-8100/TCP`, `http/TCP`, `all UDP`.
pub(crate) fn describe_port(port: &PolicyPort) -> String {
    match (&port.port, port.end_port) {
        (None, _) => format!("all {}", port.protocol),
        (Some(first), Some(last)) => format!("{first}-{last}/{}", port.protocol),
        (Some(number), None) => format!("{number}/{}", port.protocol),
    }
}
