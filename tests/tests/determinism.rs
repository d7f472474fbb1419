//! The same objects give the same report, byte for byte, in whatever order they were read.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::struct_field_names,
    clippy::format_collect,
    reason = "a test fails where it cannot go on, and says why it is skipped"
)]

use std::fs;
use std::path::{Path, PathBuf};

use netdoctor_engine::config::Config;
use netdoctor_engine::load::{self, Place};
use netdoctor_engine::manifest;
use netdoctor_engine::model::Kind;
use netdoctor_engine::rule::Surface;
use netdoctor_engine::rules::RULES;
use netdoctor_engine::run::run;
use netdoctor_engine::snapshot::{Builder, Source};
use proptest::prelude::*;
use serde_json::Value;

/// The documents of every built-in cluster.
fn clusters() -> Vec<(PathBuf, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin/src/demo");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let parsed = manifest::parse(&fs::read(&path).unwrap());
        (
            path,
            parsed
                .documents
                .into_iter()
                .map(|document| document.value)
                .collect(),
        )
    };
    paths.into_iter().map(read).collect()
}

fn report(documents: &[Value]) -> String {
    let mut builder = Builder::new(Source::Cluster);
    for kind in Kind::all() {
        builder.coverage(kind).everywhere = true;
    }
    for document in documents {
        let place = Place {
            file: None,
            namespace: "default",
        };
        load::document(place, 0, document.clone(), &mut |any| builder.insert(any));
    }
    let now = "2026-01-01T12:00:00Z".parse().unwrap();
    let report = run(
        &RULES,
        &builder.seal(),
        &Config::default(),
        now,
        Surface::Check,
    );
    format!("{report:#?}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn shuffled_input_gives_the_same_report(seed in any::<u64>()) {
        for (path, documents) in clusters() {
            let mut shuffled = documents.clone();
            // A small generator of our own: the order must follow from the seed alone.
            let mut state = seed | 1;
            for at in (1..shuffled.len()).rev() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let other = usize::try_from(state >> 33).unwrap() % (at + 1);
                shuffled.swap(at, other);
            }
            prop_assert_eq!(report(&documents), report(&shuffled), "{}", path.display());
        }
    }
}

#[test]
fn broken_clusters_have_findings_to_compare() {
    let with_findings = clusters()
        .iter()
        .filter(|(_, documents)| report(documents).contains("Finding {"))
        .count();
    assert!(with_findings >= 9, "{with_findings}");
}
