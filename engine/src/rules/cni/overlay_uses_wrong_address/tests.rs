use super::RULE;
use crate::{
    finding::Finding,
    model::Kind,
    rule::{Confidence, Severity},
    testkit::{Ran, check, check_page, check_with, forbid},
};

fn node(name: &str, overlay: &str, addresses: &[&str]) -> String {
    let list: Vec<String> = addresses
        .iter()
        .enumerate()
        .map(|(index, address)| {
            let kind = if index == 0 {
                "InternalIP"
            } else {
                "ExternalIP"
            };
            format!("{{type: {kind}, address: {address}}}")
        })
        .collect();
    format!(
        "
---
apiVersion: v1
kind: Node
metadata: {{name: {name}, annotations: {{flannel.alpha.coreos.com/backend-type: vxlan, flannel.alpha.coreos.com/public-ip: {overlay}}}}}
status: {{addresses: [{}]}}
",
        list.join(", ")
    )
}

fn ran(nodes: &[String]) -> Ran {
    check(&nodes.concat())
}

fn kind(finding: &Finding) -> (Option<&'static str>, Severity, Confidence) {
    (finding.case, finding.severity, finding.confidence)
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn an_address_that_changed_is_certain() {
    let ran = ran(&[
        node("a", "10.0.0.9", &["10.0.0.1"]),
        node("b", "10.0.0.2", &["10.0.0.2"]),
    ]);
    let finding = ran.one("CNI010");
    assert_eq!(
        kind(finding),
        (Some("changed"), Severity::Error, Confidence::Certain)
    );
    assert_eq!(&*finding.subject.name, "a");
}

#[test]
fn the_address_of_another_node_is_certain_whatever_the_network() {
    let ran = ran(&[
        node("a", "10.9.0.2", &["10.0.0.1"]),
        node("b", "10.0.0.2", &["10.0.0.2", "10.9.0.2"]),
    ]);
    let finding = ran.one("CNI010");
    assert!(
        finding.message.contains("the address of node `b`"),
        "{}",
        finding.message
    );
}

#[test]
fn all_nodes_behind_the_same_nat_address_share_it() {
    let ran = ran(&[
        node("a", "10.0.2.15", &["192.168.0.1"]),
        node("b", "10.0.2.15", &["192.168.0.2"]),
    ]);
    let found = ran.of("CNI010");
    assert_eq!(found.len(), 2);
    assert!(
        found
            .iter()
            .all(|finding| finding.case == Some("shared") && finding.severity == Severity::Error)
    );
}

#[test]
fn a_network_of_its_own_for_the_overlay_is_normal() {
    let ran = ran(&[
        node("a", "10.9.0.1", &["10.0.0.1"]),
        node("b", "10.9.0.2", &["10.0.0.2"]),
    ]);
    ran.quiet("CNI010");
    assert_eq!(ran.of("CNI010").len(), 2);
}

#[test]
fn one_node_on_another_interface_stands_out() {
    let ran = ran(&[
        node("a", "10.9.0.1", &["10.0.0.1"]),
        node("b", "10.0.0.2", &["10.0.0.2"]),
    ]);
    assert_eq!(
        kind(ran.one("CNI010")),
        (
            Some("other-interface"),
            Severity::Warning,
            Confidence::Likely
        )
    );
}

#[test]
fn a_public_address_beside_a_private_network_is_a_warning() {
    let public = |second: &str| {
        [
            node("a", "198.51.100.1", &["10.0.0.1", "198.51.100.1"]),
            node("b", second, &[second]),
        ]
    };
    assert_eq!(
        kind(ran(&public("10.0.0.2")).one("CNI010")),
        (Some("public"), Severity::Warning, Confidence::Likely)
    );
    // Nodes in different networks need it.
    ran(&public("172.16.0.2")).none("CNI010");
    let encrypted = public("10.0.0.2").concat().replace("vxlan", "wireguard");
    check(&encrypted).quiet("CNI010").one("CNI010");
}

#[test]
fn an_overwrite_is_a_decision() {
    let told = node("a", "10.0.0.9", &["10.0.0.1"]).replace(
        "annotations: {",
        "annotations: {flannel.alpha.coreos.com/public-ip-overwrite: 10.0.0.9, ",
    );
    check(&told).quiet("CNI010").one("CNI010");
}

#[test]
fn calico_addresses_have_a_prefix_length_and_stale_flannel_ones_do_not_count() {
    let calico = |address: &str| {
        format!(
            "
---
apiVersion: v1
kind: Node
metadata: {{name: a, annotations: {{projectcalico.org/IPv4Address: {address}, flannel.alpha.coreos.com/public-ip: 10.0.0.77}}}}
status: {{addresses: [{{type: InternalIP, address: 10.0.0.1}}]}}
"
        )
    };
    check(&calico("10.0.0.1/24")).none("CNI010");
    check(&calico("10.0.0.9/24")).one("CNI010");
}

#[test]
fn nodes_without_annotations_addresses_or_permission_accuse_nobody() {
    check("{apiVersion: v1, kind: Node, metadata: {name: a}}").none("CNI010");
    check(&node("a", "10.0.0.9", &[]))
        .none("CNI010")
        .unknown("CNI010", "no address");
    check(&node("a", "nonsense", &["10.0.0.1"])).none("CNI010");
    let gone = check_with(&node("a", "10.0.0.9", &["10.0.0.1"]), |b| {
        forbid(b, Kind::Node);
    });
    gone.unknown("CNI010", "forbidden");
}
