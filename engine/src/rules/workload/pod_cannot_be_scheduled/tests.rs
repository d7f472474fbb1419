use super::RULE;
use crate::{
    model::Kind,
    rule::Severity,
    testkit::{check, check_page, check_with, forbid},
};

const SERVICE: &str = "
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {publishNotReadyAddresses: true, selector: {app: web}, ports: [{port: 80}]}
";

fn pod(condition: &str) -> String {
    format!(
        "
---
apiVersion: v1
kind: Pod
metadata: {{name: web-1, namespace: shop, uid: p1, labels: {{app: web}}, creationTimestamp: '2026-01-01T11:00:00Z'}}
spec: {{containers: [{{name: web, image: web}}]}}
status: {{phase: Pending, conditions: [{{type: PodScheduled, status: 'False', {condition}}}]}}
"
    )
}

const TAINT: &str = "reason: Unschedulable, lastTransitionTime: '2026-01-01T11:00:00Z', message: '0/1 nodes are available: 1 node(s) had untolerated taint {a: b}.'";

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn only_behind_a_service_it_warns() {
    assert_eq!(check(&pod(TAINT)).one("WKL002").severity, Severity::Info);
    let ran = check(&(pod(TAINT) + SERVICE));
    assert_eq!(ran.one("WKL002").severity, Severity::Warning);
    assert!(ran.one("WKL002").message.contains("taint"));
}

#[test]
fn a_node_autoscaler_at_work_makes_it_info() {
    let event = "
---
apiVersion: v1
kind: Event
metadata: {name: e, namespace: shop}
involvedObject: {kind: Pod, name: web-1, namespace: shop, uid: p1}
reason: TriggeredScaleUp
";
    let ran = check(&(pod(TAINT) + SERVICE + event));
    assert_eq!(ran.one("WKL002").severity, Severity::Info);
}

#[test]
fn gates_and_young_pods_are_no_fault() {
    check(&pod("reason: SchedulingGated")).none("WKL002");
    let young = TAINT.replace("11:00:00", "11:59:30");
    check(&pod(&young))
        .none("WKL002")
        .unknown("WKL002", "settling");
}

#[test]
fn dead_nodes_explain_it() {
    let node = "
---
apiVersion: v1
kind: Node
metadata: {name: node-1}
status: {conditions: [{type: Ready, status: Unknown, lastTransitionTime: '2026-01-01T10:00:00Z'}]}
";
    let dead = TAINT.replace("{a: b}", "{node.kubernetes.io/unreachable: }");
    check(&(pod(&dead) + SERVICE + node)).folded("WKL002", "NOD001");
    let own = check(&(pod(TAINT) + SERVICE + node));
    assert!(own.one("WKL002").is_headline());
}

#[test]
fn a_403_accuses_nobody() {
    check_with(SERVICE, |b| forbid(b, Kind::Pod))
        .none("WKL002")
        .unknown("WKL002", "forbidden");
}
