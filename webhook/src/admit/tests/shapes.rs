//! Every kind of workload, and objects that only look like one.

use super::kit::{Cluster, Request, parsed};
use crate::admit::{FailOpen, Operation};
use netdoctor_engine::model::Kind;
use serde_json::{Value, json};

/// A template that is wrong in any workload: a probe on a port that is not declared.
fn template() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [
        {"name": "c", "image": "c", "readinessProbe": {"httpGet": {"port": "http"}}}]}})
}

fn object(api_version: &str, kind: &str, spec: &Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
}

#[test]
fn every_kind_of_workload() {
    let plain = json!({"template": template()});
    let cron = json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template()}}});
    let guarded = Cluster::of(&[]).guarded();
    for (api_version, kind, spec) in [
        ("v1", "Pod", &template()["spec"]),
        ("v1", "ReplicationController", &plain),
        ("apps/v1", "Deployment", &plain),
        ("apps/v1", "StatefulSet", &plain),
        ("apps/v1", "DaemonSet", &plain),
        ("apps/v1", "ReplicaSet", &plain),
        ("batch/v1", "Job", &plain),
        ("batch/v1", "CronJob", &cron),
        ("argoproj.io/v1alpha1", "Rollout", &plain),
        ("kubeflow.org/v1", "Notebook", &plain),
        ("apps.kruise.io/v1alpha1", "CloneSet", &plain),
    ] {
        let object = object(api_version, kind, spec);
        let answer = guarded.ask(&Request::new(Operation::Create, None, Some(object)));
        assert!(!answer.allowed(), "{kind}: {}", answer.json);
        answer.denies("PRB001");
        assert!(
            answer.message().contains(&format!("{kind} shop/web")),
            "{}",
            answer.message()
        );
        assert!(
            answer.decision.kind.is_some() || api_version.contains('.'),
            "{kind}"
        );
    }
}

#[test]
fn a_kind_without_pods_is_let_through_and_counted() {
    let guarded = Cluster::of(&[]).guarded();
    for spec in [
        json!({}),
        json!({"template": {}}),
        json!({"template": {"spec": {"containers": {}}}}),
        json!(null),
    ] {
        let object = object("example.test/v1", "Thing", &spec);
        let answer = guarded.ask(&Request::new(Operation::Create, None, Some(object)));
        answer.fails_open(FailOpen::UnknownKind);
        assert_eq!(answer.decision.kind, None);
    }
    // A kind that is known and that no rule judges is nobody's business.
    let map = parsed("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: shop}}");
    guarded
        .ask(&Request::new(Operation::Create, None, Some(map)))
        .silent();
}

#[test]
fn a_custom_workload_is_ratcheted_like_any_other() {
    let old = object(
        "argoproj.io/v1alpha1",
        "Rollout",
        &json!({"template": template()}),
    );
    let mut new = old.clone();
    new["spec"]["replicas"] = json!(3);
    let strict = Cluster::of(&[]).strict();
    let update = |old: &Value, new: &Value| {
        strict.ask(&Request::new(
            Operation::Update,
            Some(old.clone()),
            Some(new.clone()),
        ))
    };
    update(&old, &new).silent();
    let mut healthy = old.clone();
    healthy["spec"]["template"]["spec"]["containers"][0]["ports"] =
        json!([{"name": "http", "containerPort": 80}]);
    update(&healthy, &old).denies("PRB001");
    update(&old, &healthy).silent();
}

#[test]
fn fields_that_cannot_be_read_accuse_nobody() {
    let guarded = Cluster::of(&[super::kit::DEPLOYMENT]).guarded();
    let mut service = parsed(&super::kit::wrong_port());
    service["spec"]["ports"][0]["port"] = json!("eighty");
    let answer = guarded.ask(&Request::new(Operation::Create, None, Some(service)));
    assert!(answer.allowed(), "{}", answer.json);
    // An unknown value of an enum is kept, and judged by nobody who does not know it.
    let mut service = parsed(&super::kit::wrong_port());
    service["spec"]["ports"][0]["protocol"] = json!("QUIC");
    service["spec"]["fancy"] = json!({"new": [1, 2, 3]});
    let answer = guarded.ask(&Request::new(Operation::Create, None, Some(service)));
    assert_eq!(answer.decision.kind, Some(Kind::Service));
}

#[test]
fn requests_without_the_objects_they_should_hold() {
    let guarded = Cluster::of(&[]).guarded();
    let create = Request::create(super::kit::DEPLOYMENT);
    guarded
        .ask(&create.clone().with("object", Value::Null))
        .fails_open(FailOpen::UnknownKind);
    let update = Request::update(&super::kit::host_network(), super::kit::DEPLOYMENT);
    guarded
        .ask(&update.clone().with("object", Value::Null))
        .fails_open(FailOpen::UnknownKind);
    guarded
        .ask(&update.with("oldObject", Value::Null))
        .fails_open(FailOpen::UnknownKind);
    for odd in [json!(5), json!("x"), json!([]), json!({}), json!(true)] {
        let answer = guarded.ask(&create.clone().with("object", odd));
        assert!(answer.allowed(), "{}", answer.json);
    }
}
