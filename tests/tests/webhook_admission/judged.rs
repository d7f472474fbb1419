//! The webhook's own judge, without any server: a review in, a few lines out.

use netdoctor_engine::load::{self, Place};
use netdoctor_engine::manifest;
use netdoctor_engine::model::Kind;
use netdoctor_engine::snapshot::{Builder, Snapshot, Source};
use netdoctor_webhook::admit::{self, Synced, World};
use netdoctor_webhook::policy::Policy;
use serde_json::Value;

use crate::manifests::{WEB, good_service};

/// A complete cluster that holds these objects, in namespace `shop`.
pub(crate) fn cluster(yaml: &str) -> Snapshot {
    let mut builder = Builder::new(Source::Cluster);
    for kind in Kind::all() {
        builder.coverage(kind).everywhere = true;
    }
    let place = Place {
        file: None,
        namespace: "shop",
    };
    for document in manifest::parse(yaml.as_bytes()).documents {
        load::document(place, document.index, document.value, &mut |any| {
            builder.insert(any);
        });
    }
    builder.seal()
}

/// Answers a review as a webhook whose cache holds this would.
pub(crate) fn ask(
    snapshot: &Snapshot,
    configuration: &str,
    review: &[u8],
    asked: fn(&[u8], &World<'_>) -> Result<admit::Decision, admit::BadReview>,
) -> Value {
    let policy = Policy::parse(configuration).expect("a configuration");
    let world = World {
        snapshot,
        synced: &Synced::default(),
        policy: &policy,
        config: &policy.config,
        now: "2026-01-01T12:00:00Z".parse().expect("a time"),
        changed: &|_| None,
    };
    let decision = asked(review, &world).expect("a review");
    serde_json::from_slice(&decision.body).expect("JSON")
}

/// The answer under a profile, in a cluster that holds [`WEB`] and its Service.
pub(crate) fn answer(review: &[u8], profile: &str) -> String {
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}";
    let snapshot = cluster(&format!("{WEB}---{}---\n{namespace}\n", good_service()));
    let answer = ask(
        &snapshot,
        &format!("profile: {profile}"),
        review,
        admit::validate,
    );
    let response = &answer["response"];
    assert_eq!(response["uid"], "00000000-0000-4000-8000-000000000000");
    let mut text = if response["allowed"] == true {
        "allowed"
    } else {
        "refused"
    }
    .to_owned();
    if let Some(rules) = response["auditAnnotations"]["rules"].as_str() {
        text.push_str(&format!(" [{rules}]"));
    }
    if let Some(message) = response["status"]["message"].as_str() {
        text.push_str(&format!("\n    {message}"));
    }
    for cause in response["status"]["details"]["causes"]
        .as_array()
        .into_iter()
        .flatten()
    {
        text.push_str(&format!(
            "\n    at {}",
            cause["field"].as_str().unwrap_or_default()
        ));
    }
    for warning in response["warnings"].as_array().into_iter().flatten() {
        text.push_str(&format!(
            "\n    warning: {}",
            warning.as_str().unwrap_or_default()
        ));
    }
    text
}
