//! Reviews of changes to a generated cluster.

use super::cluster::Size;
use netdoctor_engine::{model::Kind, rules::RULES};
use netdoctor_webhook::{
    admit::{Freshness, Synced},
    cache,
    policy::Policy,
};
use serde_json::{Value, json};

/// Everything is fresh.
pub(crate) fn synced() -> Synced {
    let kinds = cache::kinds(&RULES, &Policy::default().config);
    Synced(
        kinds
            .into_iter()
            .map(|kind| (kind, Freshness::Fresh))
            .collect(),
    )
}

/// Reviews of what people do, by name: most of it harmless, some of it wrong.
pub(crate) fn reviews(size: Size) -> Vec<(&'static str, Vec<u8>)> {
    let middle = size.of(Kind::Deployment) / 2;
    let create = |kind: Kind, number: usize, edit: &dyn Fn(&mut Value)| {
        let mut value = object(size, kind, number);
        value["metadata"]["name"] = "fresh".into();
        edit(&mut value);
        review("CREATE", kind, &Value::Null, &value)
    };
    let update = |kind: Kind, number: usize, edit: &dyn Fn(&mut Value)| {
        let old = object(size, kind, number);
        let mut new = old.clone();
        edit(&mut new);
        assert_ne!(old, new, "an update that changes nothing is not judged");
        review("UPDATE", kind, &old, &new)
    };
    vec![
        ("new Pod", create(Kind::Pod, 1, &unowned)),
        ("Pod with another label", update(Kind::Pod, 1, &relabelled)),
        ("new Deployment", create(Kind::Deployment, middle, &|_| {})),
        (
            "new Deployment on the host network",
            create(Kind::Deployment, middle, &host_network),
        ),
        (
            "Deployment with another image",
            update(Kind::Deployment, middle, &image),
        ),
        (
            "Deployment with a port renamed",
            update(Kind::Deployment, middle, &renamed),
        ),
        ("new Service", create(Kind::Service, 1, &|_| {})),
        (
            "new Service with a wrong port",
            create(Kind::Service, 1, &wrong_port),
        ),
        (
            "Service with a wrong port",
            update(Kind::Service, 1, &wrong_port),
        ),
        ("new Ingress", create(Kind::Ingress, 1, &|_| {})),
        (
            "new Ingress to nowhere",
            create(Kind::Ingress, 1, &no_service),
        ),
        ("Ingress to nowhere", update(Kind::Ingress, 1, &no_service)),
        ("new NetworkPolicy", create(Kind::NetworkPolicy, 0, &|_| {})),
        (
            "NetworkPolicy for all Pods",
            update(Kind::NetworkPolicy, 0, &for_all),
        ),
    ]
}

fn object(size: Size, kind: Kind, number: usize) -> Value {
    let mut value: Value = serde_json::from_str(&size.json(kind, number)).unwrap_or_default();
    value["apiVersion"] = kind.api_version().into();
    value["kind"] = kind.name().into();
    value
}

fn unowned(pod: &mut Value) {
    pod["metadata"]["ownerReferences"] = Value::Null;
}

fn relabelled(pod: &mut Value) {
    unowned(pod);
    pod["metadata"]["labels"]["app"] = "other".into();
}

fn host_network(deployment: &mut Value) {
    deployment["spec"]["template"]["spec"]["hostNetwork"] = true.into();
}

fn image(deployment: &mut Value) {
    let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
    container["image"] = "registry.example.test/x:2".into();
}

fn renamed(deployment: &mut Value) {
    let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
    container["ports"][0]["name"] = "web".into();
}

fn wrong_port(service: &mut Value) {
    service["spec"]["ports"][0]["targetPort"] = "htpp".into();
}

fn no_service(ingress: &mut Value) {
    let path = &mut ingress["spec"]["rules"][0]["http"]["paths"][0];
    path["backend"]["service"]["name"] = "gone".into();
}

fn for_all(policy: &mut Value) {
    policy["spec"]["podSelector"] = json!({});
}

fn review(operation: &str, kind: Kind, old: &Value, new: &Value) -> Vec<u8> {
    let group = json!({"group": kind.group(), "version": "v1"});
    let with = |key: &str, name: &str| {
        let mut value = group.clone();
        value[key] = name.into();
        value
    };
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": with("kind", kind.name()),
            "resource": with("resource", kind.plural()),
            "name": new["metadata"]["name"],
            "namespace": new["metadata"]["namespace"],
            "operation": operation,
            "userInfo": {"username": "dev", "groups": ["system:authenticated"]},
            "object": new,
            "oldObject": old,
            "dryRun": false,
        },
    });
    review.to_string().into_bytes()
}
