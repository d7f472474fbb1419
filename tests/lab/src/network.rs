//! The addresses of a lab. They are the same in every lab: labs do not see one another.

pub(crate) mod wiring;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use crate::spec::{HostName, Overlay, Spec};

/// The range of all pods.
pub const POD_RANGE: &str = "10.244.0.0/16";
/// The same for IPv6, in a lab with both.
pub const POD_RANGE6: &str = "fd00:10:244::/48";
/// The range of cluster IPs.
pub const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The same for IPv6, in a lab with both.
pub const SERVICE_RANGE6: &str = "fd00:10:96::/112";
/// The cluster IP of the Service `kube-dns`.
pub const CLUSTER_DNS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// The second cluster IP of the Service `kube-dns`, in a lab with both families.
pub const CLUSTER_DNS6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x10, 0x96, 0, 0, 0, 0, 0xa);
/// The cluster IP of the Service `kubernetes`: the first of the range.
pub const API_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
/// The domain that the DNS server on the internet host knows. Every name in it resolves to that host.
pub const OUTSIDE_NAME: &str = "outside.example";

/// The address of a host in the network that all hosts share; the internet host has one outside of it.
pub const fn address(host: HostName) -> Ipv4Addr {
    match host {
        HostName::Switch => Ipv4Addr::new(172, 30, 0, 1),
        HostName::ControlPlane => Ipv4Addr::new(172, 30, 0, 10),
        HostName::Node(number) => Ipv4Addr::new(172, 30, 0, 10 + number),
        HostName::Internet => Ipv4Addr::new(203, 0, 113, 53),
    }
}

/// The same for IPv6, in a lab with both.
pub const fn address6(host: HostName) -> Ipv6Addr {
    let last = match host {
        HostName::Switch => 1,
        HostName::ControlPlane => 0x10,
        // Written with the digits of the IPv4 address: fd00:172:30::11 is node-1.
        HostName::Node(number) => 0x10 + number as u16,
        HostName::Internet => return Ipv6Addr::new(0x2001, 0xdb8, 0x113, 0, 0, 0, 0, 0x53),
    };
    Ipv6Addr::new(0xfd00, 0x172, 0x30, 0, 0, 0, 0, last)
}

/// The pod range of a node, its `spec.podCIDR`.
pub fn pod_cidr(node: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(10, 244, node, 0), 24)
}

/// The IPv6 pod range of a node, the second of its `spec.podCIDRs` in a lab with both.
pub fn pod_cidr6(node: u8) -> Ipv6Net {
    Ipv6Net::new_assert(
        Ipv6Addr::new(0xfd00, 0x10, 0x244, u16::from(node), 0, 0, 0, 0),
        64,
    )
}

/// How an address stands in a URL, before the port.
pub fn in_url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

/// One of the two address families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

/// The hardware address of a node's tunnel device for this family.
pub fn tunnel_mac(node: u8, family: Family) -> String {
    let family = match family {
        Family::V4 => 4,
        Family::V6 => 6,
    };
    format!("02:00:00:{family:02x}:00:{node:02x}")
}

/// The largest packet that pods may send.
pub const fn pod_mtu(spec: &Spec) -> u16 {
    match (spec.overlay, spec.dual_stack) {
        (Overlay::HostGw, _) => 1500,
        (Overlay::Vxlan, false) => 1450,
        // VXLAN in IPv6.
        (Overlay::Vxlan, true) => 1430,
    }
}

/// The ranges of all pods, as flags and files of Kubernetes want them: separated by a comma.
pub const fn pod_ranges(spec: &Spec) -> &'static str {
    if spec.dual_stack {
        "10.244.0.0/16,fd00:10:244::/48"
    } else {
        POD_RANGE
    }
}
