//! One repair, without any server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use netdoctor_engine::model::Kind;
use netdoctor_engine::snapshot::Snapshot;
use netdoctor_webhook::admit;
use serde_json::{Value, json};

use crate::judged;

/// A cluster whose namespace asks for repairs.
pub(crate) fn cluster() -> Snapshot {
    judged::cluster(
        "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {netdoctor.io/mutate: enabled}}}",
    )
}

fn review(old: Option<&Value>, new: &Value) -> Value {
    let text = |key: &str| new[key].as_str().expect("a text");
    let kind = Kind::of(text("apiVersion"), text("kind")).expect("a kind of ours");
    let version = kind.versions()[0];
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "00000000-0000-4000-8000-000000000000",
            "kind": {"group": kind.group(), "version": version, "kind": kind.name()},
            "resource": {"group": kind.group(), "version": version, "resource": kind.plural()},
            "name": new["metadata"]["name"], "namespace": "shop",
            "operation": if old.is_some() { "UPDATE" } else { "CREATE" },
            "userInfo": {"username": "ann"}, "object": new, "oldObject": old, "dryRun": false,
        },
    })
}

/// The patch for an object that is created, or that was different before.
pub(crate) fn patch(snapshot: &Snapshot, old: Option<&Value>, new: &Value) -> json_patch::Patch {
    let review = review(old, new).to_string();
    let answer = judged::ask(snapshot, "", review.as_bytes(), admit::mutate);
    let response = &answer["response"];
    assert_eq!(response["allowed"], true);
    match response["patch"].as_str() {
        None => json_patch::Patch::default(),
        Some(text) => {
            let bytes = STANDARD.decode(text).expect("base64");
            serde_json::from_slice(&bytes).expect("a JSON patch")
        }
    }
}

/// Whether a place is one that repairs may touch (decision 27).
pub(crate) fn is_declared(place: &str) -> bool {
    let tokens: Vec<&str> = place.split('/').skip(1).collect();
    let (["spec", "jobTemplate", "spec", "template", "spec", spec @ ..]
    | ["spec", "template", "spec", spec @ ..]
    | ["spec", spec @ ..]) = tokens.as_slice()
    else {
        return false;
    };
    let number = |token: &str| token.bytes().all(|byte| byte.is_ascii_digit());
    match spec {
        ["dnsPolicy"] => true,
        [
            "containers" | "initContainers",
            container,
            "ports",
            port,
            "hostPort",
        ] => number(container) && number(port),
        _ => false,
    }
}

/// JSON pointers of everything that differs.
pub(crate) fn differences(before: &Value, after: &Value) -> Vec<String> {
    let mut places = Vec::new();
    walk(before, after, String::new(), &mut places);
    places
}

fn walk(before: &Value, after: &Value, at: String, places: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let place = netdoctor_engine::pointer::join(&at, key);
                let value = |fields: &serde_json::Map<String, Value>| {
                    fields.get(key).cloned().unwrap_or_default()
                };
                walk(&value(old), &value(new), place, places);
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                walk(old, new, format!("{at}/{index}"), places);
            }
        }
        _ if before != after => places.push(at),
        _ => {}
    }
}
