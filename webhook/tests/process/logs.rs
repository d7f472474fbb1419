//! What is said, and what happens when nobody reads it.

use crate::{
    fake_api::Fault,
    parser::Exposition,
    program::{Cluster, Program, VALIDATING, get, until},
    review,
};
use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn start(cluster: &Cluster) -> (Program, String) {
    let program = Program::start(cluster, "serve", &["--drain-wait", "0s"]).await;
    program.ready().await;
    until("the caBundle", || !cluster.bundle(VALIDATING).is_empty()).await;
    (program, cluster.bundle(VALIDATING))
}

/// Sends the same body again and again on one connection, and reads every answer.
async fn send_often(program: &Program, bundle: &str, body: &str, times: usize) {
    let mut stream = program.secure(bundle).await;
    let length = body.len();
    let request =
        format!("POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
    let mut answer = vec![0; 64 << 10];
    for number in 0..times {
        stream.write_all(request.as_bytes()).await.unwrap();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut answer)).await;
        let read = read.unwrap_or_else(|_| panic!("no answer to request {number}"));
        assert!(read.unwrap() > 0, "cut off at request {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_holds_nothing_up() {
    let cluster = Cluster::start().await;
    let (mut program, bundle) = start(&cluster).await;
    // Every review is a line, as long as lines get.
    let mut wordy = review(&"u".repeat(200));
    for key in ["name", "namespace"] {
        wordy["request"][key] = "n".repeat(250).into();
    }
    send_often(&program, &bundle, &wordy.to_string(), 2_000).await;
    assert_eq!(get(program.health, "/livez").await.0, 200);
    let text = get(program.metrics, "/metrics").await.1;
    let metrics = Exposition::parse(&text).unwrap();
    let dropped = metrics.value("netdoctor_log_lines_dropped_total", &[]);
    assert!(dropped.unwrap() > 0.0, "there were not enough of them");
    // Once somebody reads, the rest is whole lines, up to the last one.
    program.signal("TERM");
    let (code, log) = program.ended().await;
    assert_eq!(code, Some(0));
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.last().unwrap()["phase"], "Stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sends_nonsense_does_not_fill_the_log() {
    let cluster = Cluster::start().await;
    let (mut program, bundle) = start(&cluster).await;
    send_often(&program, &bundle, "nonsense", 300).await;
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    send_often(&program, &bundle, "nonsense", 1).await;
    program.signal("TERM");
    let (_, log) = program.ended().await;
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|line: &Value| line["message"] == "a request could not be answered with a decision")
        .collect();
    assert!((11..100).contains(&lines.len()), "{}", lines.len());
    let unsaid: u64 = lines
        .iter()
        .map(|line| line["unsaid"].as_u64().unwrap())
        .sum();
    assert_eq!(unsaid + lines.len() as u64, 301, "all of them are counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_with_the_api_server_is_said_once() {
    let cluster = Cluster::start().await;
    cluster.api.faults(|_, _| Some(Fault::Refuse(500)));
    let mut program = Program::start(&cluster, "serve", &["--drain-wait", "0s"]).await;
    until("sixty failures, some of them with the Lease", || {
        let requests = cluster.api.requests();
        let lease = requests.iter().filter(|path| path.contains("/leases"));
        requests.len() > 60 && lease.count() > 1
    })
    .await;
    program.signal("TERM");
    let (_, log) = program.ended().await;
    let of_client: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("kube_client"))
        .collect();
    assert!(of_client.is_empty(), "{of_client:?}");
    let of_lease = log.matches("no news about who leads").count();
    assert_eq!(of_lease, 1, "{log}");
}
