//! Reviews as the API server sends them, kept as `fixtures/admission/*.json` for fast tests.
//!
//! The story below makes every operation once and compares what arrives with what is kept. With `NETDOCTOR_RECORD=1` it
//! writes the files anew; a new release of Kubernetes that sends something else shows as a difference.

use std::fs;
use std::path::PathBuf;

use crate::judged;
use crate::manifests::{EDGE, SERVICE, WEB, good_service, ingress};
use crate::stage::stage;
use netdoctor_tests::Namespace;
use serde_json::{Value, json};

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/admission")
}

/// What differs between two runs, by key, and what is kept in its place.
const FLEETING: &[(&str, &str)] = &[
    ("uid", "00000000-0000-4000-8000-000000000000"),
    ("resourceVersion", "1"),
    ("creationTimestamp", "2026-01-01T00:00:00Z"),
    ("deletionTimestamp", "2026-01-01T00:00:00Z"),
    ("time", "2026-01-01T00:00:00Z"),
    ("clusterIP", "10.96.0.10"),
    ("kubectl.kubernetes.io/restartedAt", "2026-01-01T00:00:00Z"),
];

/// The volume that the API server gives every Pod.
const TOKEN: &str = "kube-api-access-";

/// A review without anything of this run or machine.
fn normalised(review: &Value, namespace: &str) -> Value {
    let text = review.to_string().replace(namespace, "shop");
    let mut review: Value = serde_json::from_str(&text).expect("it was JSON before");
    review["request"]["userInfo"] = json!({
        "username": review["request"]["userInfo"]["username"],
        "groups": review["request"]["userInfo"]["groups"],
    });
    settle(&mut review);
    review
}

fn settle(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match FLEETING.iter().find(|(name, _)| name == key) {
                    Some((_, kept)) if value.is_string() => *value = (*kept).into(),
                    _ if key == "clusterIPs" => *value = json!(["10.96.0.10"]),
                    _ if key == "managedFields" => {
                        settle(value);
                        in_one_order(value);
                    }
                    _ => settle(value),
                }
            }
        }
        Value::String(text) if text.starts_with(TOKEN) => *text = format!("{TOKEN}xxxxx"),
        Value::Array(items) => items.iter_mut().for_each(settle),
        _ => {}
    }
}

/// The API server sorts managers by the second in which they wrote, and by name within one.
fn in_one_order(managers: &mut Value) {
    if let Some(managers) = managers.as_array_mut() {
        managers.sort_by_key(|entry| {
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            (text("manager"), text("operation"), text("subresource"))
        });
    }
}

/// Made up by the API server: the prefix stays.
fn unnamed(review: &mut Value) {
    let generated = review["request"]["object"]["metadata"].clone();
    if let (Some(prefix), Some(name)) = (
        generated["generateName"].as_str(),
        generated["name"].as_str(),
    ) {
        let text = review.to_string().replace(name, &format!("{prefix}xxxxx"));
        *review = serde_json::from_str(&text).expect("it was JSON before");
    }
}

/// One operation: what it is called, and how to do it. `-p` and what follows it is one patch.
struct Step {
    name: &'static str,
    command: &'static str,
    input: String,
}

fn step(name: &'static str, command: &'static str) -> Step {
    with_input(name, command, String::new())
}

fn with_input(name: &'static str, command: &'static str, input: impl Into<String>) -> Step {
    Step {
        name,
        command,
        input: input.into(),
    }
}

const APPLY: &str = "apply -f -";
const CREATE: &str = "create -f -";

fn creations() -> Vec<Step> {
    let held = EDGE.replace(
        "{name: edge}\nspec:\n  rep",
        "{name: held, finalizers: [netdoctor.io/test]}\nspec:\n  rep",
    );
    let pod = "{apiVersion: v1, kind: Pod, metadata: {generateName: batch-}, spec: {containers: [{name: a, image: a, \
               livenessProbe: {httpGet: {port: health}}}]}}";
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web}, spec: {podSelector: {}, \
                  policyTypes: [Ingress], egress: [{}]}}";
    vec![
        with_input("create-deployment", APPLY, WEB),
        with_input("create-host-network", CREATE, EDGE),
        with_input("create-dry-run", "create --dry-run=server -f -", SERVICE),
        with_input("create-service", APPLY, SERVICE),
        with_input("create-ingress", APPLY, ingress("web", "number: 8080")),
        with_input("create-network-policy", APPLY, policy),
        with_input("create-generate-name", CREATE, pod),
        with_input("create-held", APPLY, held),
    ]
}

fn updates() -> Vec<Step> {
    let server_side = "apply --server-side --force-conflicts -f -";
    vec![
        with_input("update-apply", APPLY, good_service()),
        step(
            "update-json-patch",
            r#"patch service web --type=json -p [{"op": "replace", "path": "/spec/ports/0/targetPort", "value": "htpp"}]"#,
        ),
        step(
            "update-merge-patch",
            r#"patch service web --type=merge -p {"spec": {"ports": [{"name": "http", "port": 80, "targetPort": "http"}]}}"#,
        ),
        step(
            "update-strategic-patch",
            r#"patch service web --type=strategic -p {"spec": {"ports": [{"port": 80, "targetPort": "htpp"}]}}"#,
        ),
        with_input("update-server-side-apply", server_side, good_service()),
        step("update-rollout-restart", "rollout restart deployment/edge"),
        step("update-set-image", "set image deployment/edge edge=edge:2"),
        step(
            "update-replicas",
            r#"patch deployment edge --type=merge -p {"spec": {"replicas": 5}}"#,
        ),
        step(
            "update-dry-run",
            "set image deployment/edge edge=edge:3 --dry-run=server",
        ),
    ]
}

/// What the webhook is never asked about.
fn unasked() -> Vec<Step> {
    vec![
        step("scale", "scale deployment edge --replicas=4"),
        step("annotate", "annotate deployment edge a=b"),
        step("delete", "delete deployment held --wait=false"),
        step(
            "finalizer",
            r#"patch deployment held --type=merge -p {"metadata": {"finalizers": null}}"#,
        ),
        step("delete-service", "delete service web"),
    ]
}

fn run(namespace: &Namespace<'_>, step: &Step) {
    let (words, patch) = match step.command.split_once(" -p ") {
        Some((words, patch)) => (words, vec!["-p", patch]),
        None => (step.command, Vec::new()),
    };
    let arguments: Vec<&str> = words.split(' ').chain(patch).collect();
    namespace.kubectl_with_input(&arguments, &step.input).ok();
}

#[test]
fn the_api_server_sends_what_is_kept() {
    let Some(stage) = stage() else { return };
    let shop = stage.server.namespace();
    let record = std::env::var_os("NETDOCTOR_RECORD").is_some();
    let mut different = Vec::new();
    stage.calls(&shop);
    for step in creations().into_iter().chain(updates()) {
        run(&shop, &step);
        let mut calls = stage.calls(&shop);
        assert_eq!(calls.len(), 1, "{}: {calls:#?}", step.name);
        let call = calls.remove(0);
        assert_eq!(call.target, "/validate?timeout=2s");
        let mut review = normalised(&call.review, &shop);
        unnamed(&mut review);
        let file = folder().join(format!("{}.json", step.name));
        let text = serde_json::to_string_pretty(&review).expect("JSON") + "\n";
        if record {
            fs::create_dir_all(folder()).expect("the folder");
            fs::write(&file, text).expect("the file");
        } else if fs::read_to_string(&file).ok() != Some(text) {
            different.push(step.name);
        }
    }
    assert_eq!(
        different, [""; 0],
        "the API server sends something else than fixtures/admission holds; NETDOCTOR_RECORD=1 writes it anew"
    );
    for step in unasked() {
        run(&shop, &step);
        assert_eq!(stage.calls(&shop), [], "{}", step.name);
    }
}

#[test]
fn every_kept_review_is_answered_as_before() {
    let mut files: Vec<PathBuf> = fs::read_dir(folder())
        .expect("the folder")
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    files.sort();
    let kept = creations().len() + updates().len();
    assert_eq!(files.len(), kept);
    let mut text = String::new();
    for file in files {
        let name = file
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let review = fs::read(&file).expect("the file");
        text.push_str(&format!("{name}\n"));
        for profile in ["advisory", "guarded", "strict"] {
            text.push_str(&format!(
                "  {profile}: {}\n",
                judged::answer(&review, profile)
            ));
        }
    }
    insta::assert_snapshot!("kept_reviews", text);
}
