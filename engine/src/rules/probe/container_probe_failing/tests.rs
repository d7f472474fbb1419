use super::{Class, RULE, classify};
use crate::{
    model::Kind,
    rule::Severity,
    testkit::{check, check_page, check_with, forbid},
};

fn pod(probe: &str, ready: &str, status: &str) -> String {
    format!(
        "
---
apiVersion: v1
kind: Pod
metadata: {{name: web-1, namespace: shop, uid: p1, labels: {{app: web}}}}
spec: {{nodeName: node-1, containers: [{{name: web, image: web, {probe}}}]}}
status: {{phase: Running, conditions: [{{type: Ready, status: '{ready}'}}], containerStatuses: [{{name: web, {status}}}]}}
"
    )
}

fn event(uid: &str, at: &str, message: &str) -> String {
    format!(
        "
---
apiVersion: v1
kind: Event
metadata: {{name: e, namespace: shop}}
involvedObject: {{kind: Pod, namespace: shop, name: web-1, uid: {uid}, fieldPath: 'spec.containers{{web}}'}}
reason: Unhealthy
message: {message:?}
lastTimestamp: '2026-01-01T{at}Z'
"
    )
}

const READINESS: &str = "readinessProbe: {httpGet: {port: 8080}}";
const UNREADY: &str =
    "ready: false, started: true, state: {running: {startedAt: '2026-01-01T10:00:00Z'}}";
const REFUSED: &str = "Readiness probe failed: dial tcp 10.0.0.1:8080: connect: connection refused";

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn the_status_alone_is_enough_for_readiness() {
    let ran = check(&pod(READINESS, "False", UNREADY));
    assert_eq!(ran.one("PRB002").severity, Severity::Warning);
}

#[test]
fn k8sgpt_events_are_matched_by_uid_and_age() {
    let ready = pod(
        READINESS,
        "True",
        &UNREADY.replace("ready: false", "ready: true"),
    );
    check(&(ready.clone() + &event("p0", "11:59:00", REFUSED))).none("PRB002");
    check(&(ready.clone() + &event("p1", "11:00:00", REFUSED))).none("PRB002");
    let passed = check(&(ready + &event("p1", "11:59:00", REFUSED)));
    let passed = passed.one("PRB002");
    assert_eq!(passed.severity, Severity::Info);
    assert!(
        passed.message.contains("failed and passes again"),
        "{}",
        passed.message
    );
}

#[test]
fn a_failing_liveness_probe_needs_its_event() {
    let liveness = "livenessProbe: {httpGet: {port: 8080}}";
    check(&pod(liveness, "False", UNREADY)).none("PRB002");
    let failed = event(
        "p1",
        "11:59:00",
        "Liveness probe failed: HTTP probe failed with statuscode: 503",
    );
    let ran = check(&(pod(liveness, "False", UNREADY) + &failed));
    let finding = ran.one("PRB002");
    assert!(
        finding.message.contains("liveness") && finding.message.contains("503"),
        "{}",
        finding.message
    );
}

#[test]
fn inside_the_time_to_start_it_is_info() {
    let fresh = UNREADY.replace("10:00:00", "11:59:45");
    let ran = check(&pod(READINESS, "False", &fresh));
    assert_eq!(ran.one("PRB002").severity, Severity::Info);
    let slow = "readinessProbe: {httpGet: {port: 8080}}, startupProbe: {httpGet: {port: 8080}, periodSeconds: 60, failureThreshold: 200}";
    let starting = UNREADY.replace("started: true", "started: false");
    let ran = check(&pod(slow, "False", &starting));
    let finding = ran.one("PRB002");
    assert_eq!(finding.severity, Severity::Info);
    assert!(finding.message.contains("startup"), "{}", finding.message);
}

#[test]
fn gates_dead_nodes_and_ended_containers_are_no_probe() {
    let ready = UNREADY.replace("ready: false", "ready: true");
    check(&pod(READINESS, "False", &ready)).none("PRB002");
    check(&pod(
        READINESS,
        "False",
        "ready: false, state: {waiting: {reason: CrashLoopBackOff}}",
    ))
    .none("PRB002");
    check(&pod("", "False", UNREADY)).none("PRB002");
    let deleting = pod(READINESS, "False", UNREADY).replace(
        "uid: p1,",
        "uid: p1, deletionTimestamp: '2026-01-01T11:59:00Z',",
    );
    check(&deleting).none("PRB002");
}

#[test]
fn an_undeclared_port_name_is_the_cause() {
    let named = "readinessProbe: {httpGet: {port: http}}";
    check(&pod(named, "False", UNREADY)).folded("PRB002", "PRB001");
}

#[test]
fn what_the_application_answers_is_not_printed() {
    let exec = event(
        "p1",
        "11:59:00",
        "Readiness probe failed: password=hunter2 connection refused",
    );
    let ran = check(&(pod(READINESS, "False", UNREADY) + &exec));
    assert!(!format!("{:?}", ran.one("PRB002")).contains("hunter2"));
}

#[test]
fn each_kind_of_failure_is_told_apart() {
    let cases = [
        (REFUSED, Some(Class::Refused)),
        (
            "Readiness probe failed: HTTP probe failed with statuscode: 503",
            Some(Class::Status(503)),
        ),
        (
            "Get \"http://10.0.0.1/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
            Some(Class::TimedOut),
        ),
        (
            "Get \"https://10.0.0.1/\": tls: first record does not look like a TLS handshake",
            Some(Class::Tls),
        ),
        ("curl: (6) Could not resolve host: db", Some(Class::Dns)),
        (
            "dial tcp 10.0.0.1:80: connect: no route to host",
            Some(Class::Unroutable),
        ),
        ("something else", None),
    ];
    for (message, expected) in cases {
        assert_eq!(classify(message), expected, "{message}");
    }
}

#[test]
fn a_403_on_events_leaves_the_status_and_on_pods_nothing() {
    let broken = pod(READINESS, "False", UNREADY);
    check_with(&broken, |b| forbid(b, Kind::Event)).one("PRB002");
    check_with("", |b| forbid(b, Kind::Pod))
        .none("PRB002")
        .unknown("PRB002", "forbidden");
}
