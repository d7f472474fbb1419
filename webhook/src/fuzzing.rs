//! The entry of the `admission` fuzz target, shared with a property test on stable: whatever the bytes are, the answer is
//! one that an API server accepts, or a refusal to answer.

use crate::{
    admit::{self, Decision, Freshness, Synced, World},
    policy::{Policy, Profile},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use json_patch::Patch;
use netdoctor_engine::{
    manifest,
    model::{Kind, Origin, decode},
    snapshot::{Builder, Snapshot, Source},
};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// A cluster in which most rules find something to look at.
const CLUSTER: &str = include_str!("fuzzing/cluster.yaml");

static SNAPSHOT: LazyLock<Snapshot> = LazyLock::new(|| {
    let mut builder = Builder::new(Source::Cluster);
    for kind in Kind::all() {
        builder.coverage(kind).everywhere = true;
    }
    for document in manifest::parse(CLUSTER.as_bytes()).documents {
        if let Ok(any) = decode::from_value(document.value, Origin::Live) {
            builder.insert(any);
        }
    }
    builder.seal()
});

/// Asks both webhooks. Panics when an answer is not what an API server takes.
pub fn admit(bytes: &[u8]) {
    let policy = Policy {
        profile: Profile::Strict,
        ..Policy::default()
    };
    let synced = Synced(Kind::all().map(|kind| (kind, Freshness::Fresh)).collect());
    let world = World {
        snapshot: &SNAPSHOT,
        synced: &synced,
        policy: &policy,
        config: &policy.config,
        now: Timestamp::UNIX_EPOCH,
        changed: &|_| None,
    };
    if let Ok(decision) = admit::validate(bytes, &world) {
        check(&decision);
    }
    let Ok(decision) = admit::mutate(bytes, &world) else {
        return;
    };
    let Some(repaired) = repaired(bytes, &check(&decision)) else {
        return;
    };
    // What has been repaired is left alone.
    if let Ok(decision) = admit::mutate(&repaired, &world) {
        assert!(check(&decision)["patch"].is_null(), "patched again");
    }
}

/// The response, if it is one that an API server takes.
fn check(decision: &Decision) -> Value {
    let panicked = decision.fail_open.contains(&admit::FailOpen::Panic);
    assert!(!panicked, "a rule or the code around it panicked");
    let mut json: Value = serde_json::from_slice(&decision.body).expect("an answer is JSON");
    let response = json["response"].take();
    assert!(response["allowed"].is_boolean() && response["uid"].is_string());
    let warnings = response["warnings"].as_array().map_or(&[][..], |list| list);
    assert!(warnings.len() <= 9, "{warnings:?}");
    for text in warnings.iter().chain([&response["status"]["message"]]) {
        let text = text.as_str().unwrap_or_default();
        let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        assert!(text.len() <= 256 && printable, "{text}");
    }
    response
}

/// The review of the object with the patch of the response; none without a patch. Panics when it does not apply.
fn repaired(review: &[u8], response: &Value) -> Option<Vec<u8>> {
    let patch = STANDARD.decode(response["patch"].as_str()?);
    let patch: Patch = serde_json::from_slice(&patch.expect("base64")).expect("a patch");
    let mut review: Value = serde_json::from_slice(review).ok()?;
    let object = &mut review["request"]["object"];
    json_patch::patch(object, &patch).expect("a patch applies to what was sent");
    Some(review.to_string().into_bytes())
}

/// Grows a review from bytes: an object of a kind that rules know, with anything in its fields.
pub fn review(bytes: &[u8]) -> Vec<u8> {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let operation = ["CREATE", "UPDATE", "DELETE", "CONNECT"][usize::from(*first % 4)];
    let (kind, old, new) = netdoctor_engine::fuzzing::pair(rest);
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "operation": operation, "namespace": "shop", "name": "web",
            "kind": {"group": kind.group(), "version": kind.versions().first(), "kind": kind.name()},
            "object": new, "oldObject": old,
        },
    });
    review.to_string().into_bytes()
}
