use super::RULE;
use crate::{
    model::Kind,
    rule::Severity,
    testkit::{check, check_page, check_with, forbid},
};

fn node(name: &str, ready: &str, spec: &str) -> String {
    format!(
        r"
---
apiVersion: v1
kind: Node
metadata: {{name: {name}}}
spec: {{{spec}}}
status: {{conditions: [{{type: DiskPressure, status: 'False'}}, {{type: Ready, {ready}}}]}}
"
    )
}

const SILENT: &str = r#"status: Unknown, lastTransitionTime: "2026-01-01T11:00:00Z""#;

const WEB: &str = r#"
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, uid: w1, labels: {app: web}}
spec: {nodeName: node-1, containers: [{name: web, image: web}]}
status: {phase: Running, conditions: [{type: Ready, status: "False"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-x, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], nodeName: node-1, conditions: {ready: false}}]
"#;

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn services_without_an_endpoint_and_with_fewer_are_told_apart() {
    let dark = check(&(node("node-1", SILENT, "") + WEB));
    let finding = dark.one("NOD001");
    assert_eq!(finding.severity, Severity::Error);
    assert!(
        finding
            .notes
            .contains(&"no ready endpoint is left for Service `shop/web`".to_owned()),
        "{:?}",
        finding.notes
    );
    let elsewhere = WEB.replace(
        "conditions: {ready: false}}]",
        "conditions: {ready: false}}, {addresses: [10.0.1.1], nodeName: node-2, conditions: {ready: true}}]",
    );
    let thinner = check(&(node("node-1", SILENT, "") + &elsewhere));
    let notes = &thinner.one("NOD001").notes;
    assert!(
        notes.contains(&"fewer endpoints for Service `shop/web`".to_owned()),
        "{notes:?}"
    );
}

#[test]
fn endpoints_that_are_still_ready_are_not_called_lost() {
    let reported = r#"status: "False", message: "container runtime is down", lastTransitionTime: "2026-01-01T11:00:00Z""#;
    let ready = WEB.replace(
        "conditions: {ready: false}}]",
        "conditions: {ready: true}}]",
    );
    let ran = check(&(node("node-1", reported, "") + &ready));
    let notes = &ran.one("NOD001").notes;
    assert!(
        notes.contains(
            &"what runs there is still a ready endpoint of Service `shop/web`".to_owned()
        ),
        "{notes:?}"
    );
    assert!(
        !notes
            .iter()
            .any(|note| note.contains("no ready endpoint") || note.contains("fewer")),
        "{notes:?}"
    );
}

#[test]
fn cordoned_is_not_not_ready() {
    check(&node("node-1", "status: 'True'", "unschedulable: true")).none("NOD001");
}

#[test]
fn a_drained_node_is_a_warning_and_one_with_workload_an_error() {
    let cordoned = node("node-1", SILENT, "unschedulable: true");
    assert_eq!(check(&cordoned).one("NOD001").severity, Severity::Warning);
    let busy = check(&(cordoned + WEB));
    assert_eq!(busy.one("NOD001").severity, Severity::Error);
}

#[test]
fn under_two_minutes_is_info() {
    let recent = SILENT.replace("11:00:00", "11:59:00");
    let ran = check(&node("node-1", &recent, ""));
    assert_eq!(ran.one("NOD001").severity, Severity::Info);
}

#[test]
fn each_kind_of_trouble_is_named() {
    let cases = [
        (
            "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:cni plugin not initialized",
            "pod network",
        ),
        ("container runtime is down", "container runtime"),
        (
            "PLEG is not healthy: pleg was last seen active 5m ago",
            "container runtime",
        ),
        ("kubelet is shutting down", "kubelet says so"),
    ];
    for (message, expected) in cases {
        let ready = format!(
            "status: 'False', message: {message:?}, lastTransitionTime: '2026-01-01T10:00:00Z'"
        );
        let ran = check(&node("node-1", &ready, ""));
        let said = &ran.one("NOD001").message;
        assert!(said.contains(expected), "{message}: {said}");
    }
}

#[test]
fn no_condition_and_odd_statuses_accuse_nobody() {
    check("{apiVersion: v1, kind: Node, metadata: {name: a}}")
        .none("NOD001")
        .unknown("NOD001", "no Ready condition");
    check(&node("a", "status: Perhaps", ""))
        .none("NOD001")
        .unknown("NOD001", "Perhaps");
}

#[test]
fn a_403_on_pods_or_slices_keeps_the_fact_and_claims_no_loss() {
    for kind in [Kind::Pod, Kind::EndpointSlice, Kind::Service] {
        let ran = check_with(
            &(node("node-1", SILENT, "") + WEB.split("---\napiVersion: discovery").next().unwrap()),
            |b| forbid(b, kind),
        );
        let finding = ran.one("NOD001");
        assert_eq!(finding.severity, Severity::Error);
        if kind == Kind::EndpointSlice {
            assert!(
                !finding.notes.iter().any(|note| note.contains("endpoint")),
                "{:?}",
                finding.notes
            );
        }
    }
    check_with(&node("node-1", SILENT, ""), |b| forbid(b, Kind::Node))
        .unknown("NOD001", "forbidden");
}
