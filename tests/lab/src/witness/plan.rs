//! Which probes make up a table.

use std::net::{IpAddr, SocketAddr};

use super::column::{TRIES, Targets};
use super::roster::{Addresses, NodePods, Roster};
use super::{Cell, Family, Sign, Table};
use crate::network;
use crate::spec::HostName;

/// The ports of a server.
const HTTP: u16 = 8080;
pub(super) const UDP: u16 = 8081;
/// The port of a kubelet.
const KUBELET: u16 = 10250;
/// A name that every cluster has.
const INSIDE_NAME: &str = "kubernetes.default.svc.cluster.local.";

/// Where a probe runs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Host(HostName),
    Client(HostName),
    Server(HostName),
    /// A pod of a scenario, by name.
    Pod(String),
}

/// One probe.
#[derive(Debug)]
pub(super) struct Probe {
    row: usize,
    column: &'static str,
    pub(super) place: Place,
    /// A command of `probe.sh`, or nothing if there is no such target.
    pub(super) command: Option<String>,
    /// For UDP: which receiver to ask.
    pub(super) arrival: Option<Arrival>,
}

/// UDP that the server of one node may have got from the client of another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) from: HostName,
    pub(super) to: HostName,
    pub(super) family: Family,
}

/// The probes of a table, in the order of the signs in its cells.
pub(super) struct Plan {
    rows: Vec<String>,
    pub(super) probes: Vec<Probe>,
}

impl Plan {
    pub(super) fn new(roster: &Roster, dns_pods: &[Addresses], family: Family) -> Self {
        let rows = roster
            .nodes
            .iter()
            .map(|node| node.host.to_string())
            .collect();
        let mut plan = Self {
            rows,
            probes: Vec::new(),
        };
        for (index, node) in roster.nodes.iter().enumerate() {
            let others: Vec<&NodePods> = roster
                .nodes
                .iter()
                .filter(|other| other.host != node.host)
                .collect();
            let mut from = Row {
                plan: &mut plan,
                index,
                family,
            };
            from.pods_and_hosts(node, &others);
            from.services(roster, node, &others);
            from.names(roster, dns_pods, node);
            from.outside(roster, node);
        }
        plan
    }

    /// The table, given the sign of every probe.
    pub(super) fn table(&self, signs: &[Sign]) -> Table {
        Table::from_fn(&self.rows, |row, column| {
            let of_cell =
                self.probes.iter().zip(signs).filter(|(probe, _)| {
                    probe.column == column.name && self.rows[probe.row] == row
                });
            let signs: Vec<Sign> = of_cell.map(|(_, sign)| *sign).collect();
            if column.targets != Targets::Tries {
                return Cell::Signs(signs);
            }
            let known = signs.iter().filter(|sign| **sign != Sign::Unknown).count();
            let worked = signs.iter().filter(|sign| **sign == Sign::Works).count();
            let number = |count| u8::try_from(count).unwrap_or(u8::MAX);
            Cell::Count {
                worked: number(worked),
                tries: number(known),
            }
        })
    }
}

/// Adds the probes of one row.
struct Row<'a> {
    plan: &'a mut Plan,
    index: usize,
    family: Family,
}

impl Row<'_> {
    fn pods_and_hosts(&mut self, node: &NodePods, others: &[&NodePods]) {
        let (client, host) = (Place::Client(node.host), Place::Host(node.host));
        // The same size of packet in both families: an IPv6 header is 20 bytes longer.
        let large = match self.family {
            Family::V4 => 1400,
            Family::V6 => 1380,
        };
        self.tcp("S", &client, node.server.addresses, HTTP);
        self.tcp("Nl", &host, node.server.addresses, HTTP);
        for other in others {
            let server = other.server.addresses;
            self.tcp("X", &client, server, HTTP);
            self.tcp("H", &host, other.addresses, KUBELET);
            self.tcp("Nr", &host, server, HTTP);
            self.to("I", &client, server, |address| {
                format!("echo_request 56 {address}")
            });
            self.to("L", &client, server, |address| {
                format!("echo_request {large} {address}")
            });
            self.to("U", &client, server, |address| {
                format!("udp {}", SocketAddr::new(address, UDP))
            });
            if let Some(probe) = self.plan.probes.last_mut() {
                probe.arrival = Some(Arrival {
                    from: node.host,
                    to: other.host,
                    family: self.family,
                });
            }
        }
        self.tcp(
            "K",
            &Place::Host(HostName::ControlPlane),
            node.addresses,
            KUBELET,
        );
    }

    fn services(&mut self, roster: &Roster, node: &NodePods, others: &[&NodePods]) {
        let (client, host) = (Place::Client(node.host), Place::Host(node.host));
        let own = &node.service;
        self.tcp("Cl", &client, own.addresses, 80);
        self.tcp("HCl", &host, own.addresses, 80);
        self.tcp("Hp", &Place::Server(node.host), own.addresses, 80);
        self.tcp("Pown", &client, node.addresses, own.node_port);
        for other in others {
            self.tcp("Cr", &client, other.service.addresses, 80);
            self.tcp("HCr", &host, other.service.addresses, 80);
            self.tcp("P", &client, other.addresses, own.node_port);
        }
        for _ in 0..TRIES {
            self.tcp("M", &client, roster.servers, 80);
        }
        self.tcp(
            "Pi",
            &Place::Host(HostName::Internet),
            node.addresses,
            own.node_port,
        );
        self.tcp("A", &client, roster.api, 443);
    }

    fn names(&mut self, roster: &Roster, dns_pods: &[Addresses], node: &NodePods) {
        let client = Place::Client(node.host);
        self.to("Ds", &client, roster.dns, |address| {
            format!("dns {INSIDE_NAME} {address}")
        });
        self.to("DsT", &client, roster.dns, |address| {
            format!("dns_tcp {INSIDE_NAME} {address}")
        });
        for pod in dns_pods {
            self.to("Dp", &client, *pod, |address| {
                format!("dns {INSIDE_NAME} {address}")
            });
            self.to("DpT", &client, *pod, |address| {
                format!("dns_tcp {INSIDE_NAME} {address}")
            });
        }
        self.to("En", &client, roster.dns, |address| {
            format!("new_name {}. {address}", network::OUTSIDE_NAME)
        });
    }

    fn outside(&mut self, roster: &Roster, node: &NodePods) {
        self.tcp("Ei", &Place::Client(node.host), roster.internet, 80);
        self.tcp("nE", &Place::Host(node.host), roster.internet, 80);
    }

    fn tcp(&mut self, column: &'static str, place: &Place, target: Addresses, port: u16) {
        self.to(column, place, target, |address| {
            format!("tcp {}", SocketAddr::new(address, port))
        });
    }

    fn to(
        &mut self,
        name: &'static str,
        place: &Place,
        target: Addresses,
        command: impl FnOnce(IpAddr) -> String,
    ) {
        self.plan.probes.push(Probe {
            row: self.index,
            column: name,
            place: place.clone(),
            command: target.of(self.family).map(command),
            arrival: None,
        });
    }
}
