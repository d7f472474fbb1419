use super::RULE;
use crate::testkit::{check, check_page};

fn pod(name: &str, state: &str) -> String {
    format!(
        r#"
---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: kube-system, uid: {name}, labels: {{k8s-app: kube-dns}}}}
spec: {{nodeName: node-1, containers: [{{name: coredns, image: "registry.test/coredns:v1"}}]}}
status: {{phase: Running, containerStatuses: [{{name: coredns, restartCount: 5, {state}}}]}}
"#
    )
}

const LOOP: &str = r#"state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, message: "[FATAL] plugin/loop: Loop (127.0.0.1:1 -> :53) detected"}}"#;
const SILENT: &str =
    "state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1}}";

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn it_is_one_headline_with_everything_below_it() {
    let service = r"
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {clusterIP: 10.96.0.10, selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}]}
";
    let ran = check(&(service.to_owned() + &pod("coredns-a", LOOP) + &pod("coredns-b", LOOP)));
    ran.folded("DNS002", "DNS003");
    let headlines: Vec<&str> = ran.0.headlines().map(|finding| finding.rule.code).collect();
    assert_eq!(headlines, ["DNS003"], "{}", ran.describe());
    assert_eq!(ran.of("WKL001").len(), 2);
}

#[test]
fn without_the_line_it_is_unknown_and_the_crash_loop_stays() {
    let ran = check(&pod("coredns-a", SILENT));
    ran.none("DNS003")
        .unknown("DNS003", "pods/log")
        .one("WKL001");
}

#[test]
fn another_reason_is_no_loop() {
    let other = SILENT.replace(
        "exitCode: 1",
        r#"exitCode: 1, message: "listen tcp :53: bind: address already in use""#,
    );
    let ran = check(&pod("coredns-a", &other));
    ran.none("DNS003");
    assert!(ran.0.not_checked.iter().all(|entry| entry.code != "DNS003"));
}

#[test]
fn an_old_end_of_a_container_that_runs_well_is_history() {
    let healed = LOOP.replace("waiting: {reason: CrashLoopBackOff}", "running: {}");
    check(&pod("coredns-a", &healed)).none("DNS003");
}

#[test]
fn other_programs_that_print_the_line_are_not_coredns() {
    let other = pod("app", LOOP)
        .replace("k8s-app: kube-dns", "app: x")
        .replace("registry.test/coredns:v1", "registry.test/app:v1");
    check(&other).none("DNS003");
}
