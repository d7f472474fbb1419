use super::RULE;
use crate::{
    model::Kind,
    rule::Severity,
    testkit::{Ran, check, check_page, check_with, forbid},
};

const SERVICE: &str = r#"
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}, creationTimestamp: "2025-01-01T00:00:00Z"}
spec: {clusterIP: 10.96.0.10, selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}]}
"#;

fn slice(conditions: &str) -> String {
    format!(
        r"
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: kube-dns-x, namespace: kube-system, labels: {{kubernetes.io/service-name: kube-dns}}}}
addressType: IPv4
endpoints: [{{addresses: [10.244.0.5], conditions: {{{conditions}}}}}]
"
    )
}

fn pod(status: &str) -> String {
    format!(
        r#"
---
apiVersion: v1
kind: Pod
metadata: {{name: coredns-a, namespace: kube-system, uid: p1, labels: {{k8s-app: kube-dns}}, creationTimestamp: "2025-12-31T00:00:00Z"}}
spec: {{nodeName: node-1, containers: [{{name: coredns, image: coredns}}]}}
status: {status}
"#
    )
}

const CRASHING: &str = r#"{phase: Running, conditions: [{type: Ready, status: "False"}], containerStatuses: [{name: coredns, restartCount: 9,
  state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, message: "listen tcp :53: bind: address already in use"}}}]}"#;

fn ran(parts: &[String]) -> Ran {
    check(&(SERVICE.to_owned() + &parts.concat()))
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn a_crash_loop_of_its_pods_is_part_of_this_headline() {
    let ran = ran(&[slice("ready: false"), pod(CRASHING)]);
    let finding = ran.one("DNS002");
    assert!(
        finding
            .notes
            .iter()
            .any(|note| note.contains("port 53 is already in use")),
        "{:?}",
        finding.notes
    );
    ran.folded("WKL001", "DNS002");
    assert!(finding.is_headline());
}

#[test]
fn a_dead_node_is_the_cause() {
    let node = r#"
---
apiVersion: v1
kind: Node
metadata: {name: node-1}
status: {conditions: [{type: Ready, status: Unknown, lastTransitionTime: "2026-01-01T11:00:00Z"}]}
"#;
    let unready = r#"{phase: Running, conditions: [{type: Ready, status: "False"}], containerStatuses: [{name: coredns, ready: true, state: {running: {}}}]}"#;
    let ran = ran(&[slice("ready: false"), pod(unready), node.to_owned()]);
    ran.folded("DNS002", "NOD001");
}

#[test]
fn ready_true_or_absent_is_ready_in_any_slice() {
    ran(&[slice("ready: true")]).none("DNS002");
    ran(&[slice("")]).none("DNS002");
    let second = slice("ready: true")
        .replace("kube-dns-x", "kube-dns-y")
        .replace("IPv4", "IPv6");
    ran(&[slice("ready: false"), second]).none("DNS002");
}

#[test]
fn terminating_endpoints_that_serve_make_it_a_warning() {
    let ran = ran(&[slice("ready: false, serving: true, terminating: true")]);
    assert_eq!(ran.one("DNS002").severity, Severity::Warning);
}

#[test]
fn scaled_to_zero_is_said_and_undone() {
    let deployment = r"
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system}
spec: {replicas: 0, selector: {matchLabels: {k8s-app: kube-dns}}, template: {metadata: {labels: {k8s-app: kube-dns}}, spec: {containers: [{name: c, image: c}]}}}
";
    let ran = ran(&[deployment.to_owned()]);
    let finding = ran.one("DNS002");
    assert!(
        finding.message.contains("scaled to 0"),
        "{}",
        finding.message
    );
    let command = finding.fixes[0].command.as_deref();
    assert_eq!(
        command,
        Some("kubectl -n kube-system scale deployment/coredns --replicas=2")
    );
}

#[test]
fn young_pods_and_pods_that_just_became_ready_are_settling() {
    let young = pod("{phase: Pending}").replace("2025-12-31T00:00:00Z", "2026-01-01T11:59:30Z");
    ran(&[young]).none("DNS002").unknown("DNS002", "settling");
    let ready = |at: &str| {
        pod(&format!(
            r#"{{phase: Running, conditions: [{{type: Ready, status: "True", lastTransitionTime: "2026-01-01T{at}Z"}}]}}"#
        ))
    };
    ran(&[slice("ready: false"), ready("11:59:50")])
        .none("DNS002")
        .unknown("DNS002", "settling");
    let stale = ran(&[slice("ready: false"), ready("10:00:00")]);
    assert!(
        stale
            .one("DNS002")
            .message
            .contains("no EndpointSlice lists it")
    );
}

#[test]
fn other_dns_servers_are_ordinary_services() {
    let nested = SERVICE.replace("namespace: kube-system", "namespace: vcluster-a");
    check(&nested).none("DNS002");
}

#[test]
fn a_403_accuses_nobody() {
    for kind in [Kind::EndpointSlice, Kind::Pod] {
        let ran = check_with(SERVICE, |builder| forbid(builder, kind));
        ran.none("DNS002").unknown("DNS002", "forbidden");
    }
}
