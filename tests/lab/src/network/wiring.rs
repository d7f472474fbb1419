//! Links, addresses, routes and the overlay, as scripts that run on the hosts.
//!
//! Each can run again on a host that has it already, or has half of it: healing a fault is laying the same wires again.

use std::fmt::Write as _;

use crate::network::{
    Family, POD_RANGE, POD_RANGE6, address, address6, pod_cidr, pod_cidr6, tunnel_mac,
};
use crate::spec::{HostName, Overlay, Spec};

/// On the switch: a bridge, and a wire from it to every host. `process` gives the process that holds a host's
/// namespaces, as the lab sees it.
pub(crate) fn switch(spec: &Spec, process: impl Fn(HostName) -> u32) -> String {
    let mut script = String::from(
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0\n\
         ip link add br0 type bridge\n\
         ip link set br0 up\n",
    );
    let own = address(HostName::Switch);
    script += &format!("ip address add {own}/24 dev br0\n");
    for host in spec.hosts().filter(|host| *host != HostName::Switch) {
        script += &format!(
            "ip link add {host} type veth peer name eth0 netns {}\n",
            process(host)
        );
        if host != HostName::Internet {
            script += &format!("ip link set {host} master br0\n");
        }
        script += &format!("ip link set {host} up\n");
    }
    script += "ip address add 203.0.113.1/24 dev internet\n";
    if spec.dual_stack {
        let own = address6(HostName::Switch);
        script += &format!(
            "ip address add {own}/64 dev br0 nodad\nip address add {INTERNET_GATEWAY6}/64 dev internet nodad\n"
        );
    }
    // The bridge's frames are the provider's business, not that of the iptables rules of this machine.
    script + "echo 0 | tee /proc/sys/net/bridge/bridge-nf-call-*tables >/dev/null\n"
}

/// The switch, as the internet host sees it.
const INTERNET_GATEWAY: &str = "203.0.113.1";
const INTERNET_GATEWAY6: &str = "2001:db8:113::1";

/// On every host but the switch: its address and the way to all others.
pub(crate) fn host(spec: &Spec, host: HostName) -> String {
    let (gateway, gateway6) = match host {
        HostName::Internet => (INTERNET_GATEWAY.to_owned(), INTERNET_GATEWAY6.to_owned()),
        _ => (
            address(HostName::Switch).to_string(),
            address6(HostName::Switch).to_string(),
        ),
    };
    let mut script = format!(
        "ip address replace {}/24 dev eth0\n\
         ip link set eth0 up\n\
         {AS_ON_A_WIRE}\n\
         ip route replace default via {gateway}\n",
        address(host)
    );
    if spec.dual_stack {
        script += &format!(
            "ip address replace {}/64 dev eth0 nodad\nip -6 route replace default via {gateway6}\n",
            address6(host)
        );
    }
    match host {
        HostName::Node(_) => script += node_settings(spec),
        // The API server connects to pods: webhooks behind Services, and its proxy.
        HostName::ControlPlane => script += &plain_routes(spec, None),
        HostName::Switch | HostName::Internet => {}
    }
    script
}

/// A real network card cuts what TCP hands down into packets before they are on the wire. Unless told to, these wires carry
/// it whole, past every MTU on the way: no path would be too narrow for TCP.
const AS_ON_A_WIRE: &str = "ethtool -K eth0 tso off gso off tx-udp_tnl-segmentation off \
                            tx-udp_tnl-csum-segmentation off tx-udp-segmentation off >/dev/null";

/// `/etc/resolv.conf` of every host: the DNS server on the internet host. CoreDNS forwards to what this file says on its
/// node.
pub(crate) fn resolv_conf() -> String {
    format!("nameserver {}\n", address(HostName::Internet))
}

/// `/etc/hosts` of every host.
pub(crate) fn hosts_file(spec: &Spec) -> String {
    let mut text = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for host in spec.hosts() {
        text += &format!("{} {host}\n", address(host));
    }
    text
}

/// What the kubelet, kube-proxy and the bridge plugin want, or the administrator by their advice.
const fn node_settings(spec: &Spec) -> &'static str {
    if spec.dual_stack {
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
         net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1 net.ipv6.conf.all.forwarding=1\n"
    } else {
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
         net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1\n"
    }
}

/// On a node: the ways to the pods of the other nodes, and masquerading of what leaves the pod network.
pub(crate) fn overlay(spec: &Spec, node: u8) -> String {
    let mut script = match spec.overlay {
        Overlay::HostGw => plain_routes(spec, Some(node)),
        Overlay::Vxlan => tunnel(spec, node, Family::V4),
    };
    if spec.overlay == Overlay::Vxlan && spec.dual_stack {
        script += &tunnel(spec, node, Family::V6);
    }
    script += &masquerade(
        "iptables",
        POD_RANGE,
        &pod_cidr(node).to_string(),
        "224.0.0.0/4",
    );
    if spec.dual_stack {
        script += &masquerade(
            "ip6tables",
            POD_RANGE6,
            &pod_cidr6(node).to_string(),
            "ff00::/8",
        );
    }
    script
}

/// A route per node to its pods, as flannel's `host-gw` backend makes them.
fn plain_routes(spec: &Spec, own: Option<u8>) -> String {
    let mut script = String::new();
    for peer in (1..=spec.nodes).filter(|peer| Some(*peer) != own) {
        let node = HostName::Node(peer);
        // Writing to a String cannot fail.
        let _ = writeln!(
            script,
            "ip route replace {} via {}",
            pod_cidr(peer),
            address(node)
        );
        if spec.dual_stack {
            let _ = writeln!(
                script,
                "ip -6 route replace {} via {}",
                pod_cidr6(peer),
                address6(node)
            );
        }
    }
    script
}

/// Where the script of [`overlay`] is on a node.
pub(crate) const OVERLAY_FILE: &str = "/etc/flannel/overlay.sh";

/// The device, and per peer a forwarding entry, a neighbour and a route, as flannel's `vxlan` backend makes them. It has
/// a second device for IPv6, whose outer packets are IPv6 too. `VNI`, `PORT`, `DEVICE`, `LOCAL` and `DF` in the environment of
/// the script are for faults.
fn tunnel(spec: &Spec, node: u8, family: Family) -> String {
    let (device, overhead, ip) = match family {
        Family::V4 => ("flannel.1", 50, "ip"),
        Family::V6 => ("flannel-v6.1", 70, "ip -6"),
    };
    let outer = |node| match family {
        Family::V4 => address(HostName::Node(node)).to_string(),
        Family::V6 => address6(HostName::Node(node)).to_string(),
    };
    let range = |node| match family {
        Family::V4 => pod_cidr(node).to_string(),
        Family::V6 => pod_cidr6(node).to_string(),
    };
    // The first address of a node's pods is that of its tunnel device.
    let inner = |node| match family {
        Family::V4 => pod_cidr(node).network().to_string(),
        Family::V6 => pod_cidr6(node).network().to_string(),
    };
    let length = if family == Family::V4 { 32 } else { 128 };
    let (own_inner, mac) = (inner(node), tunnel_mac(node, family));
    let local = match family {
        Family::V4 => format!("${{LOCAL:-{}}}", outer(node)),
        Family::V6 => outer(node),
    };
    let mut script = format!(
        "ip link delete {device} 2>/dev/null || true\n\
         ip link add {device} address {mac} mtu {} type vxlan id ${{VNI:-1}} dev ${{DEVICE:-eth0}} local {local} \
         dstport ${{PORT:-8472}} df ${{DF:-unset}} nolearning\n\
         {ip} address add {own_inner}/{length} dev {device} {}\n\
         ip link set {device} up\n",
        1500 - overhead,
        if family == Family::V4 { "" } else { "nodad" },
    );
    for peer in (1..=spec.nodes).filter(|peer| *peer != node) {
        let (mac, inner) = (tunnel_mac(peer, family), inner(peer));
        script += &format!(
            "bridge fdb append {mac} dev {device} dst {}\n\
             {ip} neighbour replace {inner} lladdr {mac} dev {device} nud permanent\n\
             {ip} route replace {} via {inner} dev {device} onlink\n",
            outer(peer),
            range(peer),
        );
    }
    script
}

/// flannel's chain, rule by rule. What flannel adds to FORWARD is left out, as with `--iptables-forward-rules=false`: a
/// dropping FORWARD policy is a fault that shows.
fn masquerade(program: &str, pods: &str, own: &str, multicast: &str) -> String {
    let chain = "FLANNEL-POSTRTG";
    format!(
        "{program} -w -t nat -N {chain} 2>/dev/null || {program} -w -t nat -F {chain}\n\
         {program} -w -t nat -C POSTROUTING -m comment --comment 'flanneld masq' -j {chain} 2>/dev/null ||\n\
         \x20   {program} -w -t nat -A POSTROUTING -m comment --comment 'flanneld masq' -j {chain}\n\
         {program}-restore -w --noflush <<'END'\n\
         *nat\n\
         -A {chain} -m mark --mark 0x4000/0x4000 -m comment --comment \"flanneld masq\" -j RETURN\n\
         -A {chain} -s {own} -d {pods} -m comment --comment \"flanneld masq\" -j RETURN\n\
         -A {chain} -s {pods} -d {own} -m comment --comment \"flanneld masq\" -j RETURN\n\
         -A {chain} ! -s {pods} -d {own} -m comment --comment \"flanneld masq\" -j RETURN\n\
         -A {chain} -s {pods} ! -d {multicast} -m comment --comment \"flanneld masq\" -j MASQUERADE --random-fully\n\
         -A {chain} ! -s {pods} -d {pods} -m comment --comment \"flanneld masq\" -j MASQUERADE --random-fully\n\
         COMMIT\n\
         END\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(overlay: Overlay, dual_stack: bool) -> Spec {
        Spec {
            overlay,
            dual_stack,
            ..Spec::default()
        }
    }

    #[test]
    fn a_tunnel_knows_all_peers_but_itself() {
        let script = overlay(&spec(Overlay::Vxlan, false), 2);
        assert_eq!(script.matches("bridge fdb append").count(), 2);
        assert!(
            script.contains("ip route replace 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink\n")
        );
        assert!(
            script.contains("ip route replace 10.244.3.0/24 via 10.244.3.0 dev flannel.1 onlink\n")
        );
        assert!(!script.contains("replace 10.244.2.0/24"));
        assert!(script.contains(
            " mtu 1450 type vxlan id ${VNI:-1} dev ${DEVICE:-eth0} local ${LOCAL:-172.30.0.12} \
                 dstport ${PORT:-8472} df ${DF:-unset} nolearning\n"
        ));
        assert!(!script.contains("v6"));
    }

    #[test]
    fn both_families_have_a_tunnel_each() {
        let script = overlay(&spec(Overlay::Vxlan, true), 1);
        assert!(script.contains("ip -6 address add fd00:10:244:1::/128 dev flannel-v6.1 nodad\n"));
        assert!(script.contains(
            "ip -6 route replace fd00:10:244:2::/64 via fd00:10:244:2:: dev flannel-v6.1 onlink\n"
        ));
        assert!(script.contains("dst fd00:172:30::12\n"));
        assert!(script.contains("ip6tables-restore"));
    }

    #[test]
    fn host_gw_has_no_tunnel() {
        let script = overlay(&spec(Overlay::HostGw, true), 3);
        assert!(!script.contains("vxlan"));
        assert!(script.contains("ip route replace 10.244.1.0/24 via 172.30.0.11\n"));
        assert!(script.contains("ip -6 route replace fd00:10:244:2::/64 via fd00:172:30::12\n"));
    }

    #[test]
    fn every_host_has_one_wire_and_the_internet_is_beyond_a_router() {
        let script = switch(&Spec::default(), |_| 7);
        assert_eq!(
            script.matches("type veth peer name eth0 netns 7").count(),
            5
        );
        assert!(script.contains("ip link set node-3 master br0"));
        assert!(!script.contains("ip link set internet master br0"));
        let script = host(&Spec::default(), HostName::Internet);
        assert!(script.contains("ip route replace default via 203.0.113.1\n"));
    }
}
