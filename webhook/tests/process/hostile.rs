//! Input that nobody meant well, to the program itself: every answer is one that an API server understands, and memory
//! stays within bounds.

use crate::{
    parser::Exposition,
    program::{Cluster, Program, VALIDATING, get, until},
    review,
};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What the manifests allow is 256 MiB, for an optimised build.
const MOST_MIB: u64 = 200;

/// What must become of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// 400: the failure policy decides.
    Refused,
    /// 200, and let through.
    Allowed,
    /// Either of the two.
    Any,
}
use Fate::{Allowed, Any, Refused};

/// A review with this text in the place of the object.
fn with_object(kind: &str, object: &str) -> Vec<u8> {
    let mut whole = review("uid-1");
    whole["request"]["kind"]["kind"] = kind.into();
    whole["request"]["object"] = "@".into();
    // The API server writes the uid before the object.
    let text = whole.to_string();
    let text = text.replace(r#""request":{"#, r#""request":{"uid":"uid-1","#);
    text.replace("\"@\"", object).into_bytes()
}

fn changed(change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut whole = review("uid-1");
    change(&mut whole);
    whole.to_string().into_bytes()
}

fn spec(text: &str) -> String {
    format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"web"}},"spec":{text}}}"#)
}

/// Bytes of a generator that gives the same ones every time.
fn noise(length: usize) -> Vec<u8> {
    let next = |state: &u64| {
        Some(
            state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407),
        )
    };
    let states = std::iter::successors(Some(7_u64), next);
    states
        .take(length)
        .map(|state| state.to_be_bytes()[0])
        .collect()
}

type Row = (&'static str, Fate, Vec<u8>);

/// What may not even be a review.
#[rustfmt::skip]
fn envelopes() -> Vec<Row> {
    let good = review("uid-1").to_string();
    let version = |version: &str| good.replace("admission.k8s.io/v1", version).into_bytes();
    let with = |key: &str, value: Value| changed(|whole| whole["request"][key] = value.clone());
    vec![
        ("nothing", Refused, Vec::new()),
        ("noise", Refused, noise(100_000)),
        ("null", Refused, b"null".to_vec()),
        ("a list", Refused, b"[]".to_vec()),
        ("cut short", Refused, good[..good.len() / 2].into()),
        ("one byte short", Refused, good[..good.len() - 1].into()),
        ("something behind it", Refused, format!("{good}x").into()),
        ("a byte order mark", Refused, format!("\u{feff}{good}").into()),
        ("deep lists", Refused, "[".repeat(200_000).into()),
        ("an earlier version", Refused, version("admission.k8s.io/v1beta1")),
        ("a later version", Refused, version("admission.k8s.io/v2")),
        ("another kind", Refused, good.replace("AdmissionReview", "Pod").into()),
        ("no request", Refused, changed(|whole| whole["request"] = Value::Null)),
        ("a list as request", Refused, changed(|whole| whole["request"] = json!([]))),
        ("no uid", Refused, with("uid", Value::Null)),
        ("a uid of a megabyte", Refused, with("uid", "u".repeat(1 << 20).into())),
        ("two uids", Any, good.replacen(r#""uid":"#, r#""uid":"other","uid":"#, 1).into()),
        ("two objects", Any, good.replacen(r#""object":"#, r#""object":{"spec":{}},"object":"#, 1).into()),
        ("an unknown operation", Allowed, with("operation", "PATCH".into())),
        ("no object", Allowed, with("object", Value::Null)),
        ("lines in names", Allowed, with("name", "a\r\nX-Evil: 1\u{0}".into())),
    ]
}

/// Reviews of objects of any form.
#[rustfmt::skip]
fn objects() -> Vec<Row> {
    let pod = |text: &str| with_object("Pod", &spec(text));
    let not_utf8 = |text: Vec<u8>| text.into_iter().map(|byte| if byte == b'@' { 0xff } else { byte }).collect();
    let deep = format!("{}1{}", r#"{"spec":"#.repeat(100_000), "}".repeat(100_000));
    let labels = (0..20_000).map(|number| (format!("label-{number:020}"), json!("x".repeat(30))));
    let labels = Value::Object(labels.collect()).to_string();
    let labels = format!(r#"{{"metadata":{{"name":"web","labels":{labels}}},"spec":{{"containers":[]}}}}"#);
    let name = format!(r#"{{"metadata":{{"name":"{}"}}}}"#, "n".repeat(1 << 20));
    let ports = r#"{"containerPort":1e400},{"containerPort":-99999999999999999999999999}"#;
    let texts = format!(r#"{{"containers":[{{"name":"a","args":[{}""]}}]}}"#, r#""","#.repeat(900_000));
    vec![
        ("text as object", Allowed, with_object("Pod", "\"web\"")),
        ("a list as object", Allowed, with_object("Pod", "[[],[]]")),
        ("an unknown kind", Allowed, with_object("Thing", &spec("{}"))),
        ("bytes that are not UTF-8", Refused, not_utf8(pod("@"))),
        ("text that is not UTF-8", Any, not_utf8(pod(r#"{"hostname":"@"}"#))),
        ("half a surrogate", Any, pod(r#"{"hostname":"\ud800"}"#)),
        ("lists for maps", Allowed, pod(r#"{"containers":{"name":[]},"hostNetwork":"yes"}"#)),
        ("the same key twice", Allowed, pod(r#"{"containers":[],"containers":[{"name":"a"}],"containers":7}"#)),
        ("huge numbers", Allowed, pod(&format!(r#"{{"containers":[{{"name":"a","ports":[{ports}]}}]}}"#))),
        ("numbers that are none", Refused, pod(r#"{"priority":NaN}"#)),
        ("deep", Allowed, with_object("Pod", &deep)),
        ("deep, of an unknown kind", Allowed, with_object("Thing", &deep)),
        ("a megabyte of labels", Allowed, with_object("Pod", &labels)),
        ("a name of a megabyte", Allowed, with_object("Pod", &name)),
        ("empty texts by the hundred thousand", Allowed, pod(&texts)),
        ("zeros by the million", Allowed, with_object("Thing", &spec(&format!("[{}0]", "0,".repeat(1_400_000))))),
        ("empty containers by the million", Allowed, pod(&format!(r#"{{"containers":[{}{{}}]}}"#, "{},".repeat(1_000_000)))),
    ]
}

/// The program, ready, and whom it is trusted by.
async fn start(cluster: &Cluster) -> (Program, String) {
    let program = Program::start(cluster, "serve", &["--log", "info"]).await;
    program.ready().await;
    until("the caBundle", || !cluster.bundle(VALIDATING).is_empty()).await;
    (program, cluster.bundle(VALIDATING))
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_nobody_meant_well() {
    let cluster = Cluster::start().await;
    let (program, bundle) = start(&cluster).await;
    for (name, fate, body) in envelopes().into_iter().chain(objects()) {
        for path in ["/validate", "/mutate"] {
            let (status, answer) = program.send(&bundle, path, "application/json", &body).await;
            match status {
                200 => {
                    assert_ne!(fate, Refused, "{name}");
                    let answer: Value = serde_json::from_str(&answer).unwrap();
                    assert_eq!(answer["response"]["allowed"], true, "{name}");
                    assert!(
                        ["uid-1", "other"].contains(&answer["response"]["uid"].as_str().unwrap()),
                        "{name}"
                    );
                }
                400 => assert_ne!(fate, Allowed, "{name}: {answer}"),
                _ => panic!("{name}: {status} {answer}"),
            }
        }
    }
    let metrics = Exposition::parse(&get(program.metrics, "/metrics").await.1).unwrap();
    assert_eq!(metrics.value("netdoctor_panics_total", &[]), Some(0.0));
    assert!(program.peak_mib() < MOST_MIB, "{} MiB", program.peak_mib());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_bodies_at_once_take_no_more_memory_than_there_is() {
    let cluster = Cluster::start().await;
    let (program, bundle) = start(&cluster).await;
    let json = "application/json";
    let longest = 8 << 20;
    // Each is as heavy as it can be, and there are more than fit.
    let containers = format!(r#"{{"containers":[{}{{}}]}}"#, "{},".repeat(60_000));
    let heavy = with_object("Pod", &spec(&containers));
    let mut text = with_object("Pod", &spec(r#"{"hostname":"@"}"#));
    let blank = "x".repeat(longest - text.len());
    text = String::from_utf8(text)
        .unwrap()
        .replace('@', &blank)
        .into_bytes();
    let too_large = vec![b' '; longest + 1];
    let sent = (0..12).map(async |_| {
        let statuses = [&heavy, &text, &too_large].map(async |body| {
            let (status, answer) = program.send(&bundle, "/validate", json, body).await;
            if status == 200 {
                let answer: Value = serde_json::from_str(&answer).unwrap();
                assert_eq!(answer["response"]["allowed"], true);
                assert_eq!(answer["response"]["uid"], "uid-1");
            }
            status
        });
        let statuses = futures_util::future::join_all(statuses).await;
        // On a busy machine the last one, which has no uid, may not even arrive in time.
        assert!(
            matches!(statuses[..], [200, 200, 400 | 503]),
            "{statuses:?}"
        );
    });
    futures_util::future::join_all(sent).await;
    let (status, _) = program
        .send(
            &bundle,
            "/validate",
            "text/plain",
            review("uid-1").to_string().as_bytes(),
        )
        .await;
    assert_eq!(status, 200, "what it is called does not matter");
    assert!(program.peak_mib() < MOST_MIB, "{} MiB", program.peak_mib());
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_without_an_end_are_answered_in_time() {
    let cluster = Cluster::start().await;
    let (program, bundle) = start(&cluster).await;
    let stream = program.secure(&bundle).await;
    let (mut read, mut write) = tokio::io::split(stream);
    let head =
        "POST /validate?timeout=1s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let begin =
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"uid-1","#;
    let first = format!("{head}{:x}\r\n{begin}\r\n", begin.len());
    write.write_all(first.as_bytes()).await.unwrap();
    let sending = async {
        while write.write_all(b"1\r\n \r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let receiving = async {
        let mut answer = Vec::new();
        while !answer.ends_with(b"}") {
            assert!(read.read_buf(&mut answer).await.unwrap() > 0, "cut off");
        }
        String::from_utf8(answer).unwrap()
    };
    let answer = tokio::select! {
        answer = receiving => answer,
        () = sending => panic!("cut off"),
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("listened to for ever"),
    };
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains("no time left") && answer.contains("uid-1"),
        "{answer}"
    );
}
