//! Objects of manifests that people publish and run. Third-party data: beside the checkout, never in it.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use netdoctor_engine::manifest;
use netdoctor_engine::model::Kind;
use serde_json::Value;

/// The folder, where it is.
pub(crate) fn folder() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let path = std::env::var_os("NETDOCTOR_CORPUS").map_or(beside, PathBuf::from);
    path.join("sets.json").is_file().then_some(path)
}

/// Workloads on the node's network, and Services and policies, up to so many of a kind.
const MOST_OF_A_KIND: usize = 250;

/// Objects of kinds that policies judge, in the order of the files. Of workloads those that share the node's network or
/// name ports come first: the others say nothing to any policy.
pub(crate) fn objects(folder: &Path) -> Vec<Value> {
    let mut found: Vec<(bool, Kind, Value)> = Vec::new();
    let mut seen = BTreeSet::new();
    for text in files(folder) {
        for document in manifest::parse(&text).documents {
            if let Some(kind) = judged(&document.value)
                && seen.insert(document.value["spec"].to_string())
            {
                let telling = telling(&document.value);
                found.push((!telling, kind, document.value));
            }
        }
    }
    found.sort_by_key(|(dull, kind, _)| (*kind, *dull));
    let mut counts = std::collections::BTreeMap::new();
    found.retain(|(_, kind, _)| {
        let count = counts.entry(*kind).or_insert(0);
        *count += 1;
        *count <= MOST_OF_A_KIND
    });
    found.into_iter().map(|(_, _, object)| object).collect()
}

/// The texts of all archives, in the order of their names.
pub(crate) fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut sources: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("manifests.tgz"))
        .filter(|archive| archive.is_file())
        .collect();
    sources.sort();
    let mut files = std::collections::BTreeMap::new();
    for source in sources {
        let archive = std::fs::File::open(&source).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = source.join(entry.path().unwrap());
            let mut text = Vec::new();
            entry.read_to_end(&mut text).unwrap();
            files.insert(name, text);
        }
    }
    files.into_values().collect()
}

fn judged(object: &Value) -> Option<Kind> {
    let kind = Kind::of(object["apiVersion"].as_str()?, object["kind"].as_str()?)?;
    let current = kind.api_version() == object["apiVersion"].as_str()?;
    let named = object["metadata"]["name"].is_string();
    let wanted = matches!(
        kind,
        Kind::Pod
            | Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::Job
            | Kind::CronJob
            | Kind::Service
            | Kind::NetworkPolicy
            | Kind::HorizontalPodAutoscaler
    );
    (current && named && wanted).then_some(kind)
}

fn telling(object: &Value) -> bool {
    let text = object.to_string();
    [
        "hostNetwork\":true",
        "Probe\"",
        "ExternalName",
        "\"None\"",
        "policyTypes",
        "hostPort",
    ]
    .iter()
    .any(|word| text.contains(word))
}
