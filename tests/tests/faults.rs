//! A cluster that answers badly: whatever goes wrong becomes a named gap or one sentence and exit code 3, never a panic,
//! never silence, and never an accusation of objects that nobody could see.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail where the test does"
)]

#[path = "faults/crowd.rs"]
mod crowd;

use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use netdoctor_tests::cmd::{Output, netdoctor};
use netdoctor_tests::{ApiServer, Fault, FaultProxy, Rule, Spec};
use serde_json::{Value, json};

/// Two defects: a Service that selects nothing among pods that run, and one field that contradicts itself.
const SHOP: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  nodeName: node-1
  containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]
status:
  phase: Running
  podIP: 10.244.1.7
  conditions: [{type: Ready, status: 'True'}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: wbe}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: edge}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: DaemonSet, name: edge}
  minReplicas: 1
  maxReplicas: 2
";

/// The defects by code: the first is only seen with pods.
const ALL: [&str; 2] = ["HST011", "SVC002"];
const WITHOUT_PODS: [&str; 1] = ["HST011"];

/// Later than everything that is created here, so that nothing is too young to be judged.
fn later() -> String {
    (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string()
}

fn shop() -> Option<&'static ApiServer> {
    static SERVER: OnceLock<Option<ApiServer>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let server = ApiServer::start(&Spec::default())?;
        server.namespace_called("shop").apply_status(SHOP);
        Some(server)
    });
    server.as_ref()
}

/// `check -A -o json` through the proxy. Whatever happens, nothing is written and nothing panics.
fn check(proxy: &FaultProxy<'_>, arguments: &[&str]) -> Output {
    let now = later();
    let output = netdoctor()
        .kubeconfig(proxy.kubeconfig("shop"))
        .args(["check", "-A", "-o", "json", "--now", &now])
        .args(arguments)
        .run();
    sane(proxy, &output);
    output
}

fn sane(proxy: &FaultProxy<'_>, output: &Output) {
    for request in proxy.requests() {
        assert_eq!(request.method, "GET", "{request:?}");
        assert!(
            request.user_agent.starts_with("kubectl-netdoctor/"),
            "{request:?}"
        );
    }
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
}

fn codes(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    let mut codes: Vec<&str> = findings
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    codes.sort_unstable();
    codes
}

/// The reason why a rule that needs pods has no verdict.
#[track_caller]
fn gap(output: &Output, words: &str) {
    let report = output.json();
    assert_eq!(codes(&report), WITHOUT_PODS, "{}", output.stdout);
    let said = report["notChecked"]
        .as_array()
        .unwrap()
        .iter()
        .any(|entry| {
            let reason = entry["reason"].as_str().unwrap();
            entry["outcome"] == "unknown"
                && reason.contains("cannot list pods")
                && reason.contains(words)
        });
    assert!(said, "{words} not in {}", report["notChecked"]);
}

/// One line on standard error and nothing on standard output.
#[track_caller]
fn one_sentence(output: Output, words: &str) {
    let output = output.exits(3);
    assert_eq!(output.stdout, "");
    assert_eq!(
        output.stderr.trim_end().lines().count(),
        1,
        "{}",
        output.stderr
    );
    assert!(
        output.stderr.contains(words),
        "{words} not in {}",
        output.stderr
    );
}

/// How many pages of pods were asked for.
fn pages(proxy: &FaultProxy<'_>) -> usize {
    let requests = proxy.requests();
    requests
        .iter()
        .filter(|request| request.path == "/api/v1/pods")
        .count()
}

#[test]
fn without_faults_both_defects_are_found_and_only_get_is_sent() {
    let Some(server) = shop() else { return };
    let proxy = FaultProxy::start(server);
    let output = check(&proxy, &[]).exits(1);
    assert_eq!(codes(&output.json()), ALL, "{}", output.stdout);
    let lists = proxy.requests();
    let of_pods: Vec<_> = lists
        .iter()
        .filter(|request| request.path == "/api/v1/pods")
        .collect();
    assert_eq!(of_pods.len(), 1, "one list of pods: {of_pods:?}");
    assert!(of_pods[0].query.contains("limit=500"), "{of_pods:?}");
    // What is said to be absent is read once more, in its namespace only.
    assert!(
        lists
            .iter()
            .any(|request| request.path == "/api/v1/namespaces/shop/services/web"),
        "{lists:?}"
    );
}

#[test]
fn a_busy_server_is_asked_again() {
    let Some(server) = shop() else { return };
    let proxy = FaultProxy::start(server);
    proxy.add(
        Rule::new(Fault::too_many_requests(1))
            .resource("pods")
            .times(2),
    );
    let output = check(&proxy, &[]).exits(1);
    assert_eq!(codes(&output.json()), ALL, "{}", output.stdout);
}

#[test]
fn a_server_that_stays_busy_is_a_gap() {
    let Some(server) = shop() else { return };
    let proxy = FaultProxy::start(server);
    proxy.add(Rule::new(Fault::too_many_requests(1)).resource("pods"));
    gap(&check(&proxy, &["--request-timeout=3s"]).exits(1), "429");
    // The findings that remain decide; with --strict the open question does.
    gap(
        &check(&proxy, &["--request-timeout=3s", "--fail-on=never"]).exits(0),
        "429",
    );
}

#[test]
fn a_web_page_in_place_of_a_list_is_a_gap() {
    let Some(server) = shop() else { return };
    let proxy = FaultProxy::start(server);
    for (status, words) in [
        (200, "did not come from a Kubernetes API server"),
        (500, "500"),
    ] {
        proxy.reset();
        proxy.add(Rule::new(Fault::html(status)).resource("pods"));
        gap(&check(&proxy, &[]).exits(1), words);
    }
}

#[test]
fn a_web_page_in_place_of_a_server_ends_the_run() {
    let Some(server) = shop() else { return };
    let proxy = FaultProxy::start(server);
    for (status, words) in [
        (200, "a web page"),
        (302, "redirect"),
        (404, "a web page"),
        (500, "500"),
    ] {
        proxy.reset();
        proxy.add(Rule::new(Fault::html(status)));
        one_sentence(check(&proxy, &[]), words);
    }
}

#[test]
fn a_server_without_the_core_group_is_no_server() {
    let Some(server) = shop() else { return };
    let proxy = FaultProxy::start(server);
    proxy.add(Rule::new(Fault::not_found()));
    one_sentence(check(&proxy, &[]), "NotFound");
}

#[test]
fn an_answer_that_breaks_off_is_a_gap() {
    let Some(server) = shop() else { return };
    let proxy = FaultProxy::start(server);
    // In the head of the list, and in the middle of its first object.
    for after in [0, 10, 400] {
        proxy.reset();
        proxy.add(Rule::new(Fault::Cut { after }).resource("pods"));
        gap(&check(&proxy, &[]).exits(1), "cut off");
    }
}

#[test]
fn a_connection_that_closes_is_a_gap() {
    let Some(server) = shop() else { return };
    let proxy = FaultProxy::start(server);
    proxy.add(Rule::new(Fault::Kill).resource("pods"));
    gap(&check(&proxy, &[]).exits(1), "");
}

#[test]
fn credentials_that_the_server_does_not_know_end_the_run() {
    let Some(server) = shop() else { return };
    let proxy = FaultProxy::start(server);
    proxy.add(Rule::new(Fault::unauthorized()));
    one_sentence(check(&proxy, &[]), "You must be logged in to the server");
    let wrong = server.kubeconfig_for_token("shop", "nobody");
    let output = netdoctor().kubeconfig(wrong).args(["check", "-A"]).run();
    one_sentence(output, "You must be logged in to the server");
    // One list is refused in the middle of the run: credentials that end then.
    proxy.reset();
    proxy.add(Rule::new(Fault::unauthorized()).resource("pods"));
    gap(&check(&proxy, &[]).exits(1), "401");
}

#[test]
fn a_user_who_may_read_nothing_is_told_so() {
    let Some(server) = shop() else { return };
    let proxy = FaultProxy::start(server);
    proxy.add(Rule::new(Fault::forbidden()));
    one_sentence(check(&proxy, &[]), "Forbidden");
    // Discovery alone being forbidden is no obstacle.
    proxy.reset();
    proxy.add(Rule::new(Fault::forbidden()).path("/apis").times(1));
    assert_eq!(codes(&check(&proxy, &[]).exits(1).json()), ALL);
}

#[test]
fn a_server_that_does_not_answer_in_time_is_a_gap() {
    let Some(server) = shop() else { return };
    let proxy = FaultProxy::start(server);
    proxy.add(Rule::new(Fault::Stall(Duration::from_mins(1))).resource("pods"));
    let start = Instant::now();
    gap(
        &check(&proxy, &["--request-timeout=2s"]).exits(1),
        "no answer in time",
    );
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
    proxy.reset();
    proxy.add(Rule::new(Fault::Stall(Duration::from_mins(1))));
    one_sentence(check(&proxy, &["--request-timeout=1s"]), "1s");
}

#[test]
fn a_kind_that_is_not_installed_is_skipped() {
    let Some(server) = shop() else { return };
    let proxy = FaultProxy::start(server);
    let report = check(&proxy, &[]).exits(1).json();
    let entry = report["notChecked"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["code"] == "TLS007");
    let entry = entry.unwrap_or_else(|| panic!("{}", report["notChecked"]));
    assert_eq!(entry["outcome"], "skipped");
    assert!(
        entry["reason"]
            .as_str()
            .unwrap()
            .starts_with("not installed"),
        "{entry}"
    );
    let asked = proxy.requests();
    assert!(
        !asked
            .iter()
            .any(|request| request.path.contains("cert-manager.io")),
        "{asked:?}"
    );
}

#[test]
fn an_object_of_the_future_spoils_nothing() {
    let Some(server) = shop() else { return };
    let proxy = FaultProxy::start(server);
    let strange = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "strange", "namespace": "shop", "orbit": [1, {"a": null}]},
        "spec": {
            "type": "Teleport",
            "ipFamilyPolicy": "RequireTripleStack",
            "internalTrafficPolicy": "Nearby",
            "selector": {"app": "web"},
            "ports": [{"port": 80, "protocol": "QUIC", "targetPort": 8080, "lanes": 4}],
            "warp": {"factor": 9},
        },
        "status": {"conditions": [{"type": "Entangled", "status": "Perhaps"}]},
    });
    let broken = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "broken", "namespace": "shop", "labels": 7},
        "spec": {"selector": "app=web", "ports": {"port": "eighty"}, "type": []},
    });
    // The list is sorted: `kubernetes` in `default` stands first, and nothing is wrong with it.
    for item in [strange, broken, json!(7), json!(null)] {
        proxy.reset();
        proxy.add(
            Rule::new(Fault::Item {
                index: 0,
                item: item.clone(),
            })
            .path("/api/v1/services"),
        );
        let output = check(&proxy, &[]).exits(1);
        assert_eq!(codes(&output.json()), ALL, "{item}: {}", output.stdout);
    }
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_list_leaves_one_sentence_or_a_gap() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    server.namespace_called("shop").apply_status(SHOP);
    let proxy = FaultProxy::start(&server);
    // Everything but pods has arrived when the server goes.
    proxy.add(Rule::new(Fault::Stall(Duration::from_secs(5))).resource("pods"));
    let now = later();
    let (mut command, _home) = netdoctor()
        .kubeconfig(proxy.kubeconfig("shop"))
        .args(["check", "-A", "-o", "json", "--now", &now])
        .into_command();
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while pages(&proxy) == 0 {
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "pods were never listed"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(3));
    server.kill();
    let output = child.wait_with_output().unwrap();
    let output = Output {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    sane(&proxy, &output);
    gap(&output.exits(1), "");

    // Now there is nobody at all.
    let kubeconfig = server.kubeconfig();
    let output = netdoctor()
        .kubeconfig(kubeconfig)
        .args(["check", "-A"])
        .run();
    one_sentence(output, "was refused");
}
