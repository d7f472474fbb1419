use super::RULE;
use crate::{
    model::Kind,
    rule::Severity,
    testkit::{Ran, check, check_page, check_with, forbid},
};

const SERVICE: &str = "
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {publishNotReadyAddresses: true, selector: {app: web}, ports: [{port: 80}]}
";

fn pod(status: &str) -> String {
    format!(
        r#"
---
apiVersion: v1
kind: Pod
metadata: {{name: web-1, namespace: shop, uid: p1, labels: {{app: web}}, creationTimestamp: "2025-12-01T00:00:00Z"}}
spec: {{nodeName: node-1, containers: [{{name: web, image: web}}]}}
status: {{phase: Running, startTime: "2025-12-01T00:00:00Z", containerStatuses: [{{name: web, {status}}}]}}
"#
    )
}

fn crash(message: &str) -> String {
    pod(&format!(
        "restartCount: 4, state: {{waiting: {{reason: CrashLoopBackOff}}}}, lastState: {{terminated: {{exitCode: 1, message: {message:?}}}}}"
    ))
}

fn severity(ran: &Ran) -> Severity {
    ran.one("WKL001").severity
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn behind_a_service_it_warns_and_otherwise_informs() {
    assert_eq!(severity(&check(&crash("bye"))), Severity::Info);
    assert_eq!(
        severity(&check(&(crash("bye") + SERVICE))),
        Severity::Warning
    );
    let signed = check(&crash(
        "dial tcp 10.0.0.9:5432: connect: connection refused",
    ));
    assert_eq!(severity(&signed), Severity::Warning);
    let job = (crash("bye") + SERVICE).replace(
        "uid: p1,",
        "uid: p1, ownerReferences: [{apiVersion: batch/v1, kind: Job, name: j, uid: j, controller: true}],",
    );
    assert_eq!(severity(&check(&job)), Severity::Info);
}

#[test]
fn one_exit_is_no_loop() {
    check(&pod("restartCount: 1, state: {running: {}}, lastState: {terminated: {exitCode: 1, finishedAt: '2026-01-01T11:59:00Z'}}"))
        .none("WKL001");
    check(&pod("restartCount: 0, state: {terminated: {exitCode: 1}}")).none("WKL001");
    check(&pod(
        "restartCount: 0, state: {waiting: {reason: ImagePullBackOff}}",
    ))
    .none("WKL001");
}

#[test]
fn between_two_restarts_it_is_the_same_loop() {
    let ended = "restartCount: 3, state: {terminated: {exitCode: 2}}, lastState: {terminated: {exitCode: 2}}";
    assert!(
        check(&pod(ended))
            .one("WKL001")
            .message
            .contains("exit code 2")
    );
    let init = pod(ended).replace("containerStatuses", "initContainerStatuses");
    check(&init).one("WKL001");
    let done = init.replace(
        "state: {terminated: {exitCode: 2}}, ",
        "state: {terminated: {exitCode: 0}}, ",
    );
    check(&done).none("WKL001");
}

#[test]
fn a_rate_needs_a_young_pod_or_a_recent_event() {
    let running = "restartCount: 3, state: {running: {}}, lastState: {terminated: {exitCode: 1, finishedAt: '2026-01-01T11:58:00Z'}}";
    check(&pod(running)).none("WKL001");
    let young = pod(running).replace(
        "startTime: \"2025-12-01T00:00:00Z\"",
        "startTime: '2026-01-01T11:52:00Z'",
    );
    check(&young).one("WKL001");
    let event = |uid: &str, at: &str| {
        format!(
            "
---
apiVersion: v1
kind: Event
metadata: {{name: e, namespace: shop}}
involvedObject: {{kind: Pod, name: web-1, namespace: shop, uid: {uid}}}
reason: BackOff
message: Back-off restarting failed container web in pod web-1
lastTimestamp: '2026-01-01T{at}Z'
"
        )
    };
    check(&(pod(running) + &event("p1", "11:58:00"))).one("WKL001");
    check(&(pod(running) + &event("p1", "10:00:00"))).none("WKL001");
    // Names are used again: an event about another pod of that name does not count.
    check(&(pod(running) + &event("p0", "11:58:00"))).none("WKL001");
}

#[test]
fn out_of_memory_is_named() {
    let oom = pod(
        "restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}",
    );
    assert!(check(&oom).one("WKL001").message.contains("out of memory"));
}

#[test]
fn nothing_secret_is_printed() {
    for line in [
        "postgres://admin:hunter2@10.0.0.9:5432/x: connection refused token=abcdef",
        "login admin:1234 failed: connection refused",
        "user john.doe:4321 connection refused",
    ] {
        let ran = check(&crash(line));
        let text = format!("{:?}", ran.one("WKL001"));
        for secret in ["hunter2", "abcdef", "admin", "john"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn a_refused_service_is_named_by_its_short_name() {
    let ran = check(&(crash("dial tcp: connect to web:80: connection refused") + SERVICE));
    let finding = ran.one("WKL001");
    assert!(finding.message.contains("`web:80`"), "{}", finding.message);
    assert!(
        finding
            .notes
            .iter()
            .any(|note| note.contains("Service `shop/web`"))
    );
}

#[test]
fn after_the_node_came_back_the_advice_is_to_wait() {
    let node = "
---
apiVersion: v1
kind: Node
metadata: {name: node-1}
status: {conditions: [{type: Ready, status: 'True', lastTransitionTime: '2026-01-01T11:50:00Z'}]}
";
    let fixes = |ran: &Ran| ran.one("WKL001").fixes.len();
    assert_eq!(fixes(&check(&(crash("bye") + node))), 2);
    let long_ago = node.replace("11:50", "08:00");
    assert_eq!(fixes(&check(&(crash("bye") + &long_ago))), 1);
}

#[test]
fn a_pod_on_a_dead_node_is_explained_by_it() {
    let node = "
---
apiVersion: v1
kind: Node
metadata: {name: node-1}
status: {conditions: [{type: Ready, status: Unknown, lastTransitionTime: '2026-01-01T11:00:00Z'}]}
";
    check(&(crash("bye") + node)).folded("WKL001", "NOD001");
}

#[test]
fn a_403_accuses_nobody_and_missing_services_only_soften() {
    let ran = check_with(&crash("bye"), |b| forbid(b, Kind::Pod));
    ran.unknown("WKL001", "forbidden");
    let ran = check_with(&(crash("bye")), |b| forbid(b, Kind::Service));
    assert_eq!(severity(&ran), Severity::Info);
}

/// Between the end of a container and its back-off the kubelet shows the end as the present state, without what a log
/// reader found about the one before.
#[test]
fn words_of_the_run_before_are_heard_while_the_container_is_down() {
    let status = "restartCount: 3, state: {terminated: {exitCode: 1, reason: Error}}, lastState: {terminated: {exitCode: 1, reason: Error, message: 'listen tcp :7000: bind: address already in use'}}";
    let ran = check(&(pod(status) + SERVICE));
    let message = &ran.one("WKL001").message;
    assert!(message.contains("7000"), "{message}");
}

#[test]
fn words_that_were_read_and_tell_nothing_are_not_asked_for_again() {
    let notes = |ran: &Ran| ran.one("WKL001").notes.join("\n");
    assert!(!notes(&check(&(crash("bye") + SERVICE))).contains("--logs"));
    let unread = crash("bye").replace("message: \"bye\"", "reason: Error");
    assert!(notes(&check(&(unread + SERVICE))).contains("--logs"));
}

#[test]
fn the_command_reads_the_run_that_ended() {
    let command = |status: &str| {
        let ran = check(&(pod(status) + SERVICE));
        ran.one("WKL001").fixes[0]
            .command
            .clone()
            .unwrap_or_default()
    };
    let ended = "terminated: {exitCode: 1, finishedAt: '2026-01-01T11:59:00Z'}";
    let down = format!("restartCount: 3, state: {{{ended}}}, lastState: {{{ended}}}");
    assert!(!command(&down).contains("--previous"));
    let up = format!("restartCount: 3, state: {{running: {{}}}}, lastState: {{{ended}}}");
    let up = pod(&up)
        .replace("2025-12-01", "2026-01-01")
        .replace("00:00:00", "11:55:00");
    let ran = check(&(up + SERVICE));
    let command = ran.one("WKL001").fixes[0].command.as_deref();
    assert!(command.is_some_and(|command| command.ends_with("--previous")));
}
