//! A node: containerd, kubelet, kube-proxy and the CNI plugins, their files and flags.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::control_group;
use crate::control_plane::{PKI, write_identity, write_kubeconfig};
use crate::image;
use crate::lab::Lab;
use crate::network::{
    self, CLUSTER_DNS, CLUSTER_DNS6, Family, POD_RANGE, POD_RANGE6, address, address6, pod_cidr,
    pod_cidr6, pod_mtu, tunnel_mac,
};
use crate::spec::{HostName, Overlay, Spec};
use crate::template::fill;
use crate::tls::Authority;

/// In the order in which they start.
pub(crate) const COMPONENTS: [&str; 3] = ["containerd", "kubelet", "kube-proxy"];

/// Starts containers; see `templates/runc.sh`.
const RUNC: &str = "/etc/kubernetes/runc";

/// Writes all files of a node.
pub(crate) fn prepare(lab: &Lab, authority: &Authority, number: u8) -> Result<()> {
    let spec = lab.spec();
    let name = HostName::Node(number);
    let host = lab.host(name);
    let (v4, v6) = (address(name).to_string(), address6(name).to_string());

    host.write(&format!("{PKI}/ca.crt"), &authority.pem())?;
    let user = format!("system:node:{name}");
    let client = authority.client(&user, "system:nodes")?;
    write_identity(host, "kubelet-client", &client)?;
    let serving = authority.server_called(&user, &[&name.to_string(), &v4, &v6])?;
    write_identity(host, "kubelet-server", &serving)?;
    let proxy = authority.client("system:kube-proxy", "")?;
    write_identity(host, "kube-proxy", &proxy)?;
    write_kubeconfig(host, "/etc/kubernetes/kubelet.conf", "kubelet-client")?;
    write_kubeconfig(host, "/etc/kubernetes/kube-proxy.conf", "kube-proxy")?;

    for (file, text) in files(spec, number) {
        host.write(file, &text)?;
    }
    fs::set_permissions(host.path(RUNC), Permissions::from_mode(0o755))
        .with_context(|| format!("making {RUNC} on {name} a program"))
}

/// The files that do not hold keys.
fn files(spec: &Spec, number: u8) -> Vec<(&'static str, String)> {
    let name = HostName::Node(number).to_string();
    let dns = if spec.dual_stack {
        format!("{CLUSTER_DNS}\n- \"{CLUSTER_DNS6}\"")
    } else {
        CLUSTER_DNS.to_string()
    };
    let group = control_group::of(&spec.name);
    let kubelet = fill(
        include_str!("../templates/kubelet.yaml"),
        &[("cluster_dns", &dns), ("control_group", &group)],
    );
    let runc = fill(
        include_str!("../templates/runc.sh"),
        &[("control_group", &group)],
    );
    let proxy = fill(
        include_str!("../templates/kube-proxy.yaml"),
        &[
            ("mode", &spec.proxy.to_string()),
            ("pod_ranges", network::pod_ranges(spec)),
            ("node", &name),
        ],
    );
    let containerd = fill(
        include_str!("../templates/containerd.toml"),
        &[("pause", image::PAUSE), ("runc", RUNC)],
    );
    vec![
        (RUNC, runc),
        ("/etc/kubernetes/containerd.toml", containerd),
        ("/etc/kubernetes/kubelet.yaml", kubelet),
        ("/etc/kubernetes/kube-proxy.yaml", proxy),
        ("/etc/cni/net.d/10-flannel.conflist", cni(spec, number)),
        ("/run/flannel/subnet.env", subnet(spec, number)),
        // One machine, but the nodes do not say so.
        ("/etc/machine-id", format!("{number:032x}\n")),
    ]
}

/// What flannel's plugin hands to the bridge plugin.
fn cni(spec: &Spec, number: u8) -> String {
    let mut ranges = vec![json!([{"subnet": pod_cidr(number).to_string()}])];
    let mut routes = vec![json!({"dst": POD_RANGE})];
    if spec.dual_stack {
        ranges.push(json!([{"subnet": pod_cidr6(number).to_string()}]));
        routes.push(json!({"dst": POD_RANGE6}));
    }
    let list = json!({
        "cniVersion": "0.3.1",
        "name": "cbr0",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "mtu": pod_mtu(spec),
                "isGateway": true,
                "isDefaultGateway": true,
                "hairpinMode": true,
                "ipMasq": false,
                "ipam": {"type": "host-local", "ranges": ranges, "routes": routes},
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    });
    format!("{list:#}\n")
}

/// What flanneld leaves for its plugin.
fn subnet(spec: &Spec, number: u8) -> String {
    // The first address of the range is that of the tunnel device, the next that of the bridge.
    let bridge = pod_cidr(number).to_string().replacen(".0/", ".1/", 1);
    let mut text = fill(
        include_str!("../templates/subnet.env"),
        &[
            ("pods", POD_RANGE),
            ("gateway", &bridge),
            ("mtu", &pod_mtu(spec).to_string()),
        ],
    );
    if spec.dual_stack {
        let bridge = pod_cidr6(number).to_string().replacen("::/", "::1/", 1);
        text += &format!("FLANNEL_IPV6_NETWORK={POD_RANGE6}\nFLANNEL_IPV6_SUBNET={bridge}\n");
    }
    text
}

/// The Node object, with what flannel and the administrator write into it. The kubelet adds the rest.
pub(crate) fn object(spec: &Spec, number: u8) -> Value {
    let name = HostName::Node(number);
    let mut annotations = json!({
        "flannel.alpha.coreos.com/backend-type": spec.overlay.to_string(),
        "flannel.alpha.coreos.com/backend-data": backend_data(spec, number, Family::V4),
        "flannel.alpha.coreos.com/kube-subnet-manager": "true",
        "flannel.alpha.coreos.com/public-ip": address(name),
    });
    let mut ranges = vec![pod_cidr(number).to_string()];
    if spec.dual_stack {
        annotations["flannel.alpha.coreos.com/backend-v6-data"] =
            backend_data(spec, number, Family::V6).into();
        annotations["flannel.alpha.coreos.com/public-ipv6"] = address6(name).to_string().into();
        ranges.push(pod_cidr6(number).to_string());
    }
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name.to_string(), "annotations": annotations},
        "spec": {"podCIDR": ranges[0], "podCIDRs": ranges},
        "status": {"conditions": [{
            "type": "NetworkUnavailable",
            "status": "False",
            "reason": "FlannelIsUp",
            "message": "Flannel is running on this node",
        }]},
    })
}

fn backend_data(spec: &Spec, number: u8, family: Family) -> String {
    match spec.overlay {
        Overlay::HostGw => "null".to_owned(),
        Overlay::Vxlan => json!({"VNI": 1, "VtepMAC": tunnel_mac(number, family)}).to_string(),
    }
}

/// The program and the arguments of a component.
pub(crate) fn arguments(spec: &Spec, number: u8, component: &str) -> Option<Vec<String>> {
    let name = HostName::Node(number);
    let mut addresses = address(name).to_string();
    if spec.dual_stack {
        addresses += &format!(",{}", address6(name));
    }
    let flags = match component {
        "containerd" => vec!["--config=/etc/kubernetes/containerd.toml".to_owned()],
        "kubelet" => vec![
            "--config=/etc/kubernetes/kubelet.yaml".to_owned(),
            "--kubeconfig=/etc/kubernetes/kubelet.conf".to_owned(),
            format!("--hostname-override={name}"),
            format!("--node-ip={addresses}"),
        ],
        "kube-proxy" => vec!["--config=/etc/kubernetes/kube-proxy.yaml".to_owned()],
        _ => return None,
    };
    let mut arguments = vec![component.to_owned()];
    arguments.extend(flags);
    Some(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::has_gap;

    fn dual_stack() -> Spec {
        Spec {
            dual_stack: true,
            ..Spec::default()
        }
    }

    #[test]
    fn files_have_no_gaps() {
        for spec in [Spec::default(), dual_stack()] {
            for (name, text) in files(&spec, 1) {
                assert!(!has_gap(&text), "{name}:\n{text}");
            }
        }
    }

    #[test]
    fn the_environment_of_flannel_names_the_bridge() {
        assert_eq!(
            subnet(&dual_stack(), 2),
            "FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.2.1/24\nFLANNEL_MTU=1430\nFLANNEL_IPMASQ=true\n\
             FLANNEL_IPV6_NETWORK=fd00:10:244::/48\nFLANNEL_IPV6_SUBNET=fd00:10:244:2::1/64\n"
        );
    }

    #[test]
    fn the_node_says_how_it_is_reached() {
        let node = object(&Spec::default(), 3);
        assert_eq!(
            node["spec"],
            json!({"podCIDR": "10.244.3.0/24", "podCIDRs": ["10.244.3.0/24"]})
        );
        let annotations = &node["metadata"]["annotations"];
        assert_eq!(
            annotations["flannel.alpha.coreos.com/public-ip"],
            "172.30.0.13"
        );
        assert_eq!(
            annotations["flannel.alpha.coreos.com/backend-data"],
            "{\"VNI\":1,\"VtepMAC\":\"02:00:00:04:00:03\"}"
        );
        assert_eq!(
            object(&dual_stack(), 1)["spec"]["podCIDRs"][1],
            "fd00:10:244:1::/64"
        );
    }

    #[test]
    fn every_component_has_arguments() {
        for component in COMPONENTS {
            let arguments = arguments(&dual_stack(), 1, component).unwrap();
            assert_eq!(arguments[0], component);
        }
        let kubelet = arguments(&dual_stack(), 1, "kubelet").unwrap();
        assert!(kubelet.contains(&"--node-ip=172.30.0.11,fd00:172:30::11".to_owned()));
    }
}
