mod features;
mod oracle;

use super::{End, Policies, Question, Verdict};
use crate::{
    config::Config,
    context::Context,
    load::{self, Place},
    model::{Kind, Pod, Protocol, Workload},
    rule::Surface,
    snapshot::{Builder, Snapshot, Source},
    testkit,
};
use serde_json::Value;

/// A snapshot of a cluster that was listed completely.
fn cluster(documents: Vec<Value>) -> Snapshot {
    let mut builder = Builder::new(Source::Cluster);
    for kind in Kind::all() {
        builder.coverage(kind).everywhere = true;
    }
    for document in documents {
        let place = Place {
            file: None,
            namespace: "default",
        };
        load::document(place, 0, document, &mut |any| builder.insert(any));
    }
    builder.seal()
}

fn asked<T>(snapshot: &Snapshot, ask: impl FnOnce(&Context<'_>) -> T) -> T {
    let config = Config::default();
    ask(&Context::still(
        snapshot,
        &config,
        testkit::clock(),
        Surface::Check,
    ))
}

/// A pod as `namespace/name`, or an address.
fn end<'a>(cx: &Context<'a>, text: &str) -> End<'a> {
    match text.split_once('/') {
        Some((namespace, name)) => {
            let pod = cx
                .get::<Pod>(namespace, name)
                .unwrap_or_else(|| panic!("no pod {text}"));
            End::Workload(Workload::Pod(pod))
        }
        None => End::Address(text.parse().unwrap()),
    }
}

fn verdict<'a>(
    cx: &Context<'a>,
    source: &str,
    destination: &str,
    port: i32,
    protocol: Protocol,
) -> Verdict<'a> {
    let question = Question {
        source: end(cx, source),
        destination: end(cx, destination),
        port,
        protocol,
    };
    Policies::new(cx).verdict(&question)
}

/// `allowed`, `denied`, `unknown`.
fn word(verdict: &Verdict<'_>) -> &'static str {
    match verdict {
        Verdict::Allowed { .. } => "allowed",
        Verdict::Denied { .. } => "denied",
        Verdict::Unknown { .. } => "unknown",
    }
}
