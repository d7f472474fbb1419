//! All pairs of classes at once, for one port.

use super::{
    Class, Direction, Policies,
    bits::Bits,
    matching::{self, Match, Party, Socket},
};
use crate::model::{NetworkPolicy, Peer, PolicyRule, Protocol};
use std::collections::BTreeMap;
use std::ops::Range;

/// What holds for the pods of one class towards those of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// Passes.
    Allowed,
    /// Does not.
    Denied,
    /// Cannot be told.
    Unknown,
}

/// Who reaches whom on one port.
#[derive(Debug)]
pub struct Reach<'a> {
    /// The classes; rows and columns of the table.
    pub classes: Vec<Class<'a>>,
    egress: Vec<Row>,
    ingress: Vec<Row>,
}

/// What one class lets pass in one direction.
#[derive(Debug, Clone)]
struct Row {
    isolated: bool,
    /// Something about it is not known.
    doubt: bool,
    yes: Bits,
    maybe: Bits,
}

impl Row {
    fn cell(&self, other: usize) -> Cell {
        if self.yes.has(other) || !(self.isolated || self.doubt) {
            Cell::Allowed
        } else if self.doubt || self.maybe.has(other) {
            Cell::Unknown
        } else {
            Cell::Denied
        }
    }
}

impl Reach<'_> {
    /// What holds from one class to another, by their positions in `classes`. Two pods of the same class are meant where
    /// both are equal; a pod always reaches itself.
    pub fn cell(&self, source: usize, destination: usize) -> Cell {
        if self.classes[source].host_network || self.classes[destination].host_network {
            return Cell::Unknown;
        }
        match (
            self.egress[source].cell(destination),
            self.ingress[destination].cell(source),
        ) {
            (Cell::Denied, _) | (_, Cell::Denied) => Cell::Denied,
            (Cell::Unknown, _) | (_, Cell::Unknown) => Cell::Unknown,
            (Cell::Allowed, Cell::Allowed) => Cell::Allowed,
        }
    }
}

/// Builds the rows.
struct Table<'c, 'a> {
    policies: Policies<'c, 'a>,
    classes: Vec<Class<'a>>,
    /// Classes are sorted by namespace.
    by_namespace: BTreeMap<&'a str, Range<usize>>,
    port: i32,
    protocol: Protocol,
}

impl<'a> Policies<'_, 'a> {
    /// Who reaches whom on a port, as far as policies decide it. Cost: policies × classes of their namespaces, plus for
    /// every peer the classes of the namespaces that it selects.
    pub fn reach(self, port: i32, protocol: &Protocol) -> Reach<'a> {
        let classes = self.classes();
        let mut by_namespace: BTreeMap<&'a str, Range<usize>> = BTreeMap::new();
        for (at, class) in classes.iter().enumerate() {
            by_namespace.entry(class.namespace).or_insert(at..at).end = at + 1;
        }
        let table = Table {
            policies: self,
            classes,
            by_namespace,
            port,
            protocol: protocol.clone(),
        };
        let egress = table.rows(Direction::Egress);
        let ingress = table.rows(Direction::Ingress);
        Reach {
            classes: table.classes,
            egress,
            ingress,
        }
    }
}

impl<'a> Table<'_, 'a> {
    fn rows(&self, direction: Direction) -> Vec<Row> {
        let size = self.classes.len();
        let empty = Row {
            isolated: false,
            doubt: false,
            yes: Bits::new(size),
            maybe: Bits::new(size),
        };
        let mut rows = vec![empty; size];
        for (namespace, range) in &self.by_namespace {
            let odd = matches!(self.protocol, Protocol::Other(_))
                || self.policies.engine_policies(namespace).is_some();
            for row in &mut rows[range.clone()] {
                row.doubt = odd;
            }
            if odd {
                continue;
            }
            for policy in self.policies.cx.in_namespace::<NetworkPolicy>(namespace) {
                self.policy(direction, policy, range, &mut rows);
            }
        }
        rows
    }

    fn policy(
        &self,
        direction: Direction,
        policy: &'a NetworkPolicy,
        range: &Range<usize>,
        rows: &mut [Row],
    ) {
        let mut selected = Vec::new();
        for at in range.clone() {
            match matching::isolates(direction, policy, self.labels(at)) {
                Match::Yes => selected.push(at),
                Match::Maybe(_) => rows[at].doubt = true,
                Match::No => {}
            }
        }
        for at in &selected {
            rows[*at].isolated = true;
        }
        if selected.is_empty() {
            return;
        }
        for rule in direction.rules(policy) {
            self.rule(direction, policy, rule, &selected, rows);
        }
    }

    fn rule(
        &self,
        direction: Direction,
        policy: &'a NetworkPolicy,
        rule: &PolicyRule,
        selected: &[usize],
        rows: &mut [Row],
    ) {
        let (yes, maybe) = match direction {
            Direction::Ingress => self.peers(policy, &rule.peers, |_| Match::Yes),
            // Port names resolve on the peer.
            Direction::Egress => self.peers(policy, &rule.peers, |peer| self.ports(rule, peer)),
        };
        for at in selected {
            let fits = match direction {
                Direction::Ingress => self.ports(rule, *at),
                Direction::Egress => Match::Yes,
            };
            let row = &mut rows[*at];
            match fits {
                Match::Yes => {
                    row.yes.add(&yes);
                    row.maybe.add(&maybe);
                }
                Match::Maybe(_) => {
                    row.maybe.add(&yes);
                    row.maybe.add(&maybe);
                }
                Match::No => {}
            }
        }
    }

    fn ports(&self, rule: &PolicyRule, destination: usize) -> Match {
        let pod = self.classes[destination]
            .members
            .first()
            .map(|member| member.spec());
        matching::ports(
            &rule.ports,
            &Socket {
                port: self.port,
                protocol: &self.protocol,
                pod,
            },
        )
    }

    /// The classes that any of the peers selects, and those that one may select.
    fn peers(
        &self,
        policy: &NetworkPolicy,
        peers: &[Peer],
        ports: impl Fn(usize) -> Match,
    ) -> (Bits, Bits) {
        let mut yes = Bits::new(self.classes.len());
        let mut maybe = yes.clone();
        let own = &*policy.meta.namespace;
        let mut judge = |at: usize, fits: &dyn Fn() -> Match| {
            let answer = match ports(at) {
                Match::No => Match::No,
                port => port.and(fits()),
            };
            match answer {
                Match::Yes => yes.set(at),
                Match::Maybe(_) => maybe.set(at),
                Match::No => {}
            }
        };
        if peers.is_empty() {
            for at in 0..self.classes.len() {
                judge(at, &|| Match::Yes);
            }
        }
        for peer in peers {
            for (namespace, range) in &self.by_namespace {
                if peer.ip_block.is_none() && !self.may_select(own, peer, namespace) {
                    continue;
                }
                for at in range.clone() {
                    judge(at, &|| {
                        let party = Party::Pods {
                            namespace,
                            labels: self.labels(at),
                            addresses: &[],
                        };
                        matching::peers(self.policies.cx, own, std::slice::from_ref(peer), &party)
                    });
                }
            }
        }
        (yes, maybe)
    }

    /// Sorts out whole namespaces before their classes are looked at.
    fn may_select(&self, own: &str, peer: &Peer, namespace: &str) -> bool {
        match &peer.namespace_selector {
            None => peer.pod_selector.is_none() || namespace == own,
            Some(selector) => {
                matching::namespace_matches(self.policies.cx, selector, namespace) != Some(false)
            }
        }
    }

    fn labels(&self, at: usize) -> &crate::model::Labels {
        &self.classes[at].labels
    }
}
