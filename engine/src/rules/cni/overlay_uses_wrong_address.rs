//! `overlay-uses-wrong-address`

use crate::{
    context::{Context, Reporter},
    facts::{Dataplane, Distribution, Overlay, ranges},
    finding::{Finding, Fix},
    model::{Kind, Node, ObjectRef, Text},
    pointer,
    rule::{Check, Confidence, Evidence, Reach, Rule, Severity},
    rules::text,
};
use std::net::IpAddr;

pub(super) static RULE: Rule = Rule {
    code: "CNI010",
    name: "overlay-uses-wrong-address",
    summary: "a node's overlay announces an address that leads elsewhere",
    check: Some(Severity::Error),
    confidence: Confidence::Likely,
    evidence: Evidence::Fact,
    reach: Reach::Cluster,
    wants: &[Kind::DaemonSet],
    cases: &[
        ("shared", Severity::Error),
        ("changed", Severity::Error),
        ("other-interface", Severity::Warning),
        ("public", Severity::Warning),
    ],
    reads: &["/metadata/annotations", "/status/addresses"],
    page: include_str!("overlay_uses_wrong_address.md"),
    file: file!(),
    on: &[Check::Node(check)],
    ..Rule::BASE
};

const OVERWRITE: &str = "flannel.alpha.coreos.com/public-ip-overwrite";

fn check<'a>(cx: &Context<'a>, node: &'a Node, report: &mut Reporter) {
    let overlays = cx.facts().addresses.overlays(node);
    if overlays.is_empty() {
        return report.not_applicable();
    }
    let own: Vec<IpAddr> = node
        .status
        .addresses
        .iter()
        .filter_map(|address| address.address.parse().ok())
        .collect();
    if own.is_empty() {
        return report.unknown(format!("node {} reports no address", node.meta.name));
    }
    for overlay in overlays {
        judge(cx, node, &own, &overlay, report);
    }
}

fn judge(cx: &Context<'_>, node: &Node, own: &[IpAddr], overlay: &Overlay, report: &mut Reporter) {
    let (name, address) = (&node.meta.name, overlay.address);
    let table = &cx.facts().addresses;
    let others = |names: &[Text]| -> Vec<Text> {
        names
            .iter()
            .filter(|other| *other != name)
            .cloned()
            .collect()
    };
    let sharing = others(table.announcing(address));
    let owners = others(table.owners(address));
    let finding = if !sharing.is_empty() {
        let finding = report.find(format!(
            "node `{name}` and node {} announce the same overlay address {address}",
            text::names(&sharing)
        ));
        let nodes = sharing.iter().take(4);
        for other in nodes {
            finding.label(reference(other), annotation(overlay), "the same address");
        }
        finding.case("shared").confidence(Confidence::Certain)
    } else if own.contains(&address) {
        let Some(finding) = public(cx, name, own, overlay, report) else {
            return;
        };
        finding
    } else if !owners.is_empty() {
        report
            .find(format!(
                "the overlay of node `{name}` announces {address}, which is the address of node {}",
                text::names(&owners)
            ))
            .case("changed")
            .confidence(Confidence::Certain)
    } else if own.iter().any(|own| same_network(*own, address)) {
        report
            .find(format!(
                "the overlay of node `{name}` announces {address}, which is no longer an address of the node"
            ))
            .case("changed")
            .confidence(Confidence::Certain)
    } else {
        let finding = report.find(format!(
            "the overlay of node `{name}` announces {address}, which is none of the addresses it reports"
        ));
        if table.some_are_own() {
            finding.case("other-interface").severity(Severity::Warning)
        } else {
            // All nodes do the same: a network of its own for the overlay.
            finding.case("other-interface").severity(Severity::Info)
        }
    };
    finish(cx, node, own, overlay, finding);
}

fn finish(cx: &Context<'_>, node: &Node, own: &[IpAddr], overlay: &Overlay, finding: &mut Finding) {
    // The main place comes first; labels to other nodes were added before it.
    finding.at(annotation(overlay), "announced to the other nodes");
    finding.labels.rotate_right(1);
    let shown: Vec<String> = own.iter().map(ToString::to_string).collect();
    finding
        .key(overlay.annotation)
        .note(format!("the node reports {}", shown.join(", ")))
        .note("other nodes send all traffic for the Pods of this node to the announced address");
    if node.meta.annotations.get(OVERWRITE).is_some() {
        finding
            .severity(Severity::Info)
            .note("`public-ip-overwrite` sets it on purpose");
    }
    fixes(cx, &node.meta.name, finding);
}

/// The node's own address, but one for the outside, while the nodes share a private network.
fn public<'r>(
    cx: &Context<'_>,
    name: &str,
    own: &[IpAddr],
    overlay: &Overlay,
    report: &'r mut Reporter,
) -> Option<&'r mut Finding> {
    let facts = cx.facts();
    let inside = own.iter().any(|own| ranges::is_private(*own));
    let outside = overlay.address.is_ipv4() && !ranges::is_private(overlay.address);
    if !outside || !inside || !facts.addresses.one_private_network() {
        return None;
    }
    let finding = report.find(format!(
        "the overlay of node `{name}` announces the public address {}, although all nodes share a private network",
        overlay.address
    ));
    let encrypted = facts
        .encapsulation
        .as_ref()
        .is_some_and(|fact| &*fact.value == "wireguard");
    finding.case("public").severity(if encrypted {
        Severity::Info
    } else {
        Severity::Warning
    });
    Some(
        finding.note(
            "traffic between nodes leaves the private network, where firewalls often drop it",
        ),
    )
}

/// The same /24, or /64: close enough that the one address has replaced the other.
fn same_network(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => a.octets()[..3] == b.octets()[..3],
        (IpAddr::V6(a), IpAddr::V6(b)) => a.octets()[..8] == b.octets()[..8],
        _ => false,
    }
}

fn annotation(overlay: &Overlay) -> String {
    pointer::join("/metadata/annotations", overlay.annotation)
}

fn reference(node: &str) -> ObjectRef {
    ObjectRef::wanted(Kind::Node, "", node)
}

fn fixes(cx: &Context<'_>, name: &str, finding: &mut Finding) {
    let facts = cx.facts();
    let distribution = facts.distribution.as_ref().map(|fact| fact.value);
    let dataplane = facts.dataplane.as_ref().map(|fact| fact.value);
    let k3d = name
        .strip_prefix("k3d-")
        .and_then(|rest| rest.rsplit_once("-server-").or(rest.rsplit_once("-agent-")));
    let fix = match (distribution, dataplane) {
        (Some(Distribution::K3d), _) => {
            let fix = Fix::manual(
                "stop and start the cluster, because the address is chosen when a node starts",
            );
            match k3d {
                Some((cluster, _)) => fix.command(format!(
                    "k3d cluster stop {cluster} && k3d cluster start {cluster}"
                )),
                None => fix,
            }
        }
        (Some(Distribution::K3s), _) => Fix::manual(format!(
            "set `--flannel-iface` or `--node-ip` on node {name} and restart K3s there"
        )),
        (_, Some(Dataplane::Calico)) => Fix::manual(
            "set IP_AUTODETECTION_METHOD=kubernetes-internal-ip for calico-node (in the Installation where the operator runs it), then let the agents restart",
        ),
        _ => Fix::manual(format!(
            "name the interface (`--iface`) of the agent, then restart it on node {name}"
        )),
    };
    finding.fix(fix);
}

#[cfg(test)]
mod tests;
