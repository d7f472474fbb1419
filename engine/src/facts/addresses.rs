//! Addresses that nodes have, and addresses that their overlay announces, compared once for all nodes.

use super::{Dataplane, ranges};
use crate::{
    model::{Node, Text},
    snapshot::Snapshot,
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

/// An address that a node's overlay agent announces to the other nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// The annotation that holds it.
    pub annotation: &'static str,
    /// The address, without prefix length.
    pub address: IpAddr,
}

/// The table.
#[derive(Debug, Clone, Default)]
pub struct NodeAddresses {
    /// Overlay address -> nodes that announce it.
    announced: BTreeMap<IpAddr, Vec<Text>>,
    /// Node address -> nodes that have it.
    owned: BTreeMap<IpAddr, Vec<Text>>,
    /// Nodes whose overlay address is one of their own.
    own: usize,
    /// All internal addresses are private and in one network of /16.
    one_private_network: bool,
    flannel: bool,
    calico: bool,
}

const FLANNEL: &[&str] = &[
    "flannel.alpha.coreos.com/public-ip",
    "flannel.alpha.coreos.com/public-ipv6",
];
const CALICO: &[&str] = &[
    "projectcalico.org/IPv4Address",
    "projectcalico.org/IPv6Address",
];

impl NodeAddresses {
    pub(super) fn new(snapshot: &Snapshot, dataplane: Option<Dataplane>) -> Self {
        let mut table = Self {
            flannel: matches!(dataplane, Some(Dataplane::Flannel | Dataplane::Canal)),
            calico: dataplane == Some(Dataplane::Calico),
            ..Self::default()
        };
        let mut networks: Vec<Option<Ipv4Addr>> = Vec::new();
        for node in &snapshot.objects.nodes {
            for address in addresses(node) {
                table
                    .owned
                    .entry(address)
                    .or_default()
                    .push(node.meta.name.clone());
            }
            for overlay in table.overlays(node) {
                table.own += usize::from(addresses(node).any(|own| own == overlay.address));
                table
                    .announced
                    .entry(overlay.address)
                    .or_default()
                    .push(node.meta.name.clone());
            }
            networks.extend(internal(node).map(private_network));
        }
        networks.dedup();
        table.one_private_network = matches!(networks[..], [Some(_)]);
        table
    }

    /// Addresses that the node announces for the detected dataplane. What another dataplane left behind is not read.
    pub fn overlays(&self, node: &Node) -> Vec<Overlay> {
        let flannel = FLANNEL.iter().filter(|_| self.flannel);
        let calico = CALICO.iter().filter(|_| self.calico);
        flannel
            .chain(calico)
            .filter_map(|annotation| {
                let text = node.meta.annotations.get(annotation)?;
                let address = text.split('/').next()?.parse().ok()?;
                Some(Overlay {
                    annotation,
                    address,
                })
            })
            .collect()
    }

    /// Nodes that announce the address.
    pub fn announcing(&self, address: IpAddr) -> &[Text] {
        self.announced.get(&address).map_or(&[], Vec::as_slice)
    }

    /// Nodes that have the address.
    pub fn owners(&self, address: IpAddr) -> &[Text] {
        self.owned.get(&address).map_or(&[], Vec::as_slice)
    }

    /// Whether any node announces an address of its own, so that another one stands out.
    pub fn some_are_own(&self) -> bool {
        self.own > 0
    }

    /// Whether the internal addresses of all nodes are private and in one network.
    pub fn one_private_network(&self) -> bool {
        self.one_private_network
    }
}

/// Every address of a node.
pub(crate) fn addresses(node: &Node) -> impl Iterator<Item = IpAddr> {
    let all = node.status.addresses.iter();
    all.filter_map(|address| address.address.parse().ok())
}

/// The internal IPv4 addresses of a node.
fn internal(node: &Node) -> impl Iterator<Item = IpAddr> {
    node.addresses("InternalIP")
        .filter_map(|address| address.parse().ok())
        .filter(IpAddr::is_ipv4)
}

/// The network of /16 of a private address.
fn private_network(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(v4) if ranges::is_private(address) => {
            let [a, b, ..] = v4.octets();
            Some(Ipv4Addr::new(a, b, 0, 0))
        }
        _ => None,
    }
}
