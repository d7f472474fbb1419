//! The program itself: started, called, watched and ended as a kubelet does it.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "rotation/fake_api.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod fake_api;
#[path = "process/hostile.rs"]
mod hostile;
#[path = "process/logs.rs"]
mod logs;
#[path = "metrics/parser.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod parser;
#[path = "process/program.rs"]
mod program;

use parser::Exposition;
use program::{Cluster, Program, SECRET, TLS_NAME, VALIDATING, get, until};
use serde_json::{Value, json};
use std::{fs, time::Duration};

const LEASE: &str =
    "/apis/coordination.k8s.io/v1/namespaces/netdoctor-system/leases/netdoctor-webhook";

/// Short enough for a test.
const DRAIN: [&str; 6] = [
    "--drain-wait",
    "1s",
    "--drain-close",
    "500ms",
    "--drain-timeout",
    "5s",
];

fn review(uid: &str) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "web", "namespace": "shop", "operation": "CREATE",
            "userInfo": {"username": "ann"},
            "object": {
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"containers": [{"name": "web", "image": "web:1", "env": [{"name": "PASSWORD", "value": "hunter2"}]}]},
            },
            "dryRun": false,
        },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn from_start_to_end() {
    let cluster = Cluster::start().await;
    let mut program = Program::start(&cluster, "serve", &DRAIN).await;
    let ready = program.ready().await;
    assert!(ready < Duration::from_secs(20), "ready after {ready:?}");
    assert_eq!(
        get(program.health, "/livez").await,
        (200, "ok\n".to_owned())
    );

    // What callers trust is what answers.
    until("the caBundle", || !cluster.bundle(VALIDATING).is_empty()).await;
    let bundle = cluster.bundle(VALIDATING);
    let answer = program.review(&bundle, &review("uid-1"), "").await;
    assert_eq!(answer["response"]["uid"], "uid-1");
    assert_eq!(answer["response"]["allowed"], true);
    let trace = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    program.review(&bundle, &review("uid-2"), trace).await;

    let (status, text) = get(program.metrics, "/metrics").await;
    assert_eq!(status, 200);
    let exposition = Exposition::parse(&text).unwrap();
    let count = exposition.value(
        "netdoctor_admission_duration_seconds_count",
        &[("webhook", "validate")],
    );
    assert_eq!(count, Some(2.0));
    // A cluster that has none of the kinds says nothing about each of them.
    let built = exposition.value("netdoctor_cache_view_build_seconds", &[]);
    assert!(built.is_some());
    assert_eq!(
        get(program.metrics, "/livez").await.0,
        404,
        "each port its own"
    );

    program.signal("TERM");
    until_status(&program, "/readyz", 503).await;
    let answer = program.review(&bundle, &review("uid-3"), "").await;
    assert_eq!(
        answer["response"]["uid"], "uid-3",
        "it serves on while endpoints are dropped"
    );
    assert_eq!(get(program.health, "/livez").await.0, 200);
    let (code, log) = program.ended().await;
    assert_eq!(code, Some(0), "{log}");
    let lease = cluster.api.object(LEASE).unwrap();
    assert_eq!(
        lease["spec"]["holderIdentity"], "",
        "the next one need not wait"
    );
    check_log(&log);
}

/// Every line is an object of its own, reviews are named, and nothing of what is in objects is there.
fn check_log(log: &str) {
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |uid: &str| lines.iter().find(|line| line["uid"] == uid).unwrap();
    let line = of("uid-2");
    assert_eq!(line["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(line["parent_id"], "00f067aa0ba902b7");
    assert_eq!(
        (&line["kind"], &line["namespace"], &line["name"]),
        (&"Pod".into(), &"shop".into(), &"web".into())
    );
    assert!(of("uid-1")["trace_id"].is_null());
    for secret in ["hunter2", "PASSWORD", "PRIVATE KEY", "ann"] {
        assert!(
            !log.contains(&format!("\"{secret}\"")) && !log.contains(&format!("={secret}")),
            "{secret}"
        );
    }
    assert!(!log.contains("hunter2") && !log.contains("PRIVATE KEY"));
}

async fn until_status(program: &Program, path: &str, wanted: u16) {
    for _ in 0..200 {
        if get(program.health, path).await.0 == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{path} is never {wanted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_from_files_need_nothing_of_the_cluster() {
    let cluster = Cluster::start().await;
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed([TLS_NAME.to_owned()]).unwrap();
    fs::write(folder.path().join("tls.crt"), made.cert.pem()).unwrap();
    fs::write(
        folder.path().join("tls.key"),
        made.signing_key.serialize_pem(),
    )
    .unwrap();
    let path = folder.path().to_str().unwrap();
    let arguments = ["--certificates", "files", "--tls-dir", path];
    let mut program = Program::start(&cluster, "serve", &[&arguments[..], &DRAIN].concat()).await;
    program.ready().await;
    let answer = program.review(&made.cert.pem(), &review("uid-1"), "").await;
    assert_eq!(answer["response"]["allowed"], true);
    let requests = cluster.api.requests();
    assert!(
        requests.iter().all(|request| request.starts_with("GET")),
        "{requests:?}"
    );
    assert!(
        requests.iter().all(|request| !request.contains("/secrets")),
        "{requests:?}"
    );
    program.signal("INT");
    assert_eq!(program.ended().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_api_server_it_lives_and_is_not_ready() {
    let cluster = Cluster::start().await;
    cluster
        .api
        .faults(|_, _| Some(fake_api::Fault::Refuse(500)));
    let mut program = Program::start(&cluster, "serve", &DRAIN).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(get(program.health, "/livez").await.0, 200);
    let (status, text) = get(program.health, "/readyz").await;
    assert_eq!(
        (status, text.as_str()),
        (503, "no serving certificate yet\n")
    );
    cluster.api.heal();
    program.ready().await;
    assert!(cluster.api.object(SECRET).is_some());
    program.signal("TERM");
    // Whoever asks twice means it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    program.signal("TERM");
    assert_eq!(program.ended().await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_said_at_the_start() {
    let cluster = Cluster::start().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = async |arguments: &[&str]| {
        let output = cluster.command("serve", arguments).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    let (code, said) = run(&["--port", &port]).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains(&format!("listening on 127.0.0.1:{port} for reviews")),
        "{said}"
    );
    let (code, said) = run(&["--propagation-time", "1s"]).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("--propagation-time"), "{said}");
    let (code, said) = run(&["--client-ca-file", "/nowhere", "--client-name", "a"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("/nowhere"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn running_out_of_file_descriptors_is_no_end() {
    let cluster = Cluster::start().await;
    let mut program = Program::start_with_files(&cluster, 60, &DRAIN).await;
    program.ready().await;
    until("the caBundle", || !cluster.bundle(VALIDATING).is_empty()).await;
    let bundle = cluster.bundle(VALIDATING);
    // More than it may have open at once, and none of them says a word.
    let mut silent = Vec::new();
    for _ in 0..150 {
        silent.push(program.connect().await);
    }
    let answer = program.review(&bundle, &review("uid-1"), "").await;
    assert_eq!(
        answer["response"]["uid"], "uid-1",
        "the silent ones make room"
    );
    drop(silent);
    let answer = program.review(&bundle, &review("uid-2"), "").await;
    assert_eq!(answer["response"]["uid"], "uid-2");
    assert_eq!(get(program.health, "/livez").await.0, 200);
    program.signal("TERM");
    let (code, log) = program.ended().await;
    assert_eq!(code, Some(0));
    assert!(
        log.contains("cannot accept connections"),
        "the limit was never met"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auditor_is_a_process_of_its_own() {
    let cluster = Cluster::start().await;
    let mut program = Program::start(&cluster, "audit", &[]).await;
    program.ready().await;
    let (status, text) = get(program.metrics, "/metrics").await;
    assert_eq!(status, 200);
    Exposition::parse(&text).unwrap();
    let requests = cluster.api.requests();
    assert!(
        requests.iter().all(|request| !request.contains("/secrets")),
        "{requests:?}"
    );
    program.signal("TERM");
    assert_eq!(program.ended().await.0, Some(0));
}
