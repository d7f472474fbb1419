//! Repairs of everything that people publish.

use crate::corpus;
use crate::repair::{cluster, differences, is_declared, patch};
use netdoctor_engine::manifest;
use netdoctor_engine::model::Kind;
use serde_json::{Value, json};

/// All workloads of all files, each template once.
pub(crate) fn workloads() -> Option<Vec<Value>> {
    let folder = corpus::folder();
    assert!(
        folder.is_some() || std::env::var_os("CI").is_none(),
        "the corpus must be there in CI"
    );
    let mut seen = std::collections::BTreeSet::new();
    let mut workloads = Vec::new();
    for text in corpus::files(&folder?) {
        for document in manifest::parse(&text).documents {
            let mut object = document.value;
            let (version, kind) = (object["apiVersion"].as_str(), object["kind"].as_str());
            let kind = version.zip(kind).and_then(|(version, kind)| {
                Kind::of(version, kind).filter(|kind| kind.api_version() == version)
            });
            let workload = kind.is_some_and(|kind| {
                use Kind::{
                    CronJob, DaemonSet, Deployment, Job, Pod, ReplicaSet, ReplicationController,
                    StatefulSet,
                };
                [
                    Pod,
                    Deployment,
                    StatefulSet,
                    DaemonSet,
                    ReplicaSet,
                    ReplicationController,
                    Job,
                    CronJob,
                ]
                .contains(&kind)
            });
            if workload
                && object["metadata"]["name"].is_string()
                && seen.insert(object["spec"].to_string())
            {
                object["metadata"]["namespace"] = "shop".into();
                workloads.push(object);
            }
        }
    }
    Some(workloads)
}

#[test]
fn a_repair_is_the_same_the_second_time_and_touches_what_it_may() {
    let Some(workloads) = workloads() else { return };
    let cluster = cluster();
    let mut repaired = 0;
    for object in &workloads {
        let name = &object["metadata"]["name"];
        let first = patch(&cluster, None, object);
        let mut after = object.clone();
        json_patch::patch(&mut after, &first).expect("it applies");
        let places = differences(object, &after);
        assert!(
            places.iter().all(|place| is_declared(place)),
            "{name}: {places:?}"
        );
        assert_eq!(
            places.is_empty(),
            first.0.is_empty(),
            "{name}: a patch that changes nothing"
        );
        let second = patch(&cluster, None, &after);
        assert!(second.0.is_empty(), "{name}: {second:?}");
        repaired += usize::from(!first.0.is_empty());
    }
    assert!(workloads.len() >= 900, "{} workloads", workloads.len());
    assert!(repaired >= 15, "{repaired} repaired");
}

#[test]
fn an_update_repairs_what_a_creation_would_only_where_the_template_changes_anyway() {
    let Some(workloads) = workloads() else { return };
    let cluster = cluster();
    let mut updated = 0;
    for old in workloads {
        let expected = patch(&cluster, None, &old);
        if expected.0.is_empty()
            || ["Pod", "Job"].contains(&old["kind"].as_str().unwrap_or_default())
        {
            continue;
        }
        let mut touched = old.clone();
        touched["metadata"]["annotations"]["note"] = "a".into();
        if touched["spec"]["replicas"].is_number() {
            touched["spec"]["replicas"] = json!(7);
        }
        assert!(
            patch(&cluster, Some(&old), &touched).0.is_empty(),
            "{}",
            old["metadata"]["name"]
        );
        let template = if old["kind"] == "CronJob" {
            &mut touched["spec"]["jobTemplate"]["spec"]["template"]
        } else {
            &mut touched["spec"]["template"]
        };
        template["metadata"]["annotations"]["note"] = "a".into();
        assert_eq!(
            patch(&cluster, Some(&old), &touched),
            expected,
            "{}",
            old["metadata"]["name"]
        );
        updated += 1;
    }
    assert!(updated >= 15, "{updated} updated");
}
