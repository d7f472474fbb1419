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
    let of = |kind: Kind, number: usize| -> Value {
        let text = size.json(kind, number);
        let mut value: Value = serde_json::from_str(&text).unwrap_or_default();
        value["apiVersion"] = kind.api_version().into();
        value["kind"] = kind.name().into();
        value
    };
    let middle = size.of(Kind::Deployment) / 2;
    let deployment = of(Kind::Deployment, middle);
    let mut renamed = deployment.clone();
    renamed["spec"]["template"]["spec"]["containers"][0]["ports"][0]["name"] = "web".into();
    let mut image = deployment.clone();
    image["spec"]["template"]["spec"]["containers"][0]["image"] =
        "registry.example.test/x:2".into();
    let fresh = |kind: Kind, number: usize, edit: &dyn Fn(&mut Value)| {
        let mut value = of(kind, number);
        value["metadata"]["name"] = "fresh".into();
        edit(&mut value);
        review("CREATE", kind, &Value::Null, &value)
    };
    let host_network = |value: &mut Value| {
        let spec = &mut value["spec"]["template"]["spec"];
        spec["hostNetwork"] = true.into();
    };
    let wrong_port = |value: &mut Value| value["spec"]["ports"][0]["targetPort"] = "htpp".into();
    let no_service = |value: &mut Value| {
        value["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] = "gone".into();
    };
    vec![
        ("new Deployment", fresh(Kind::Deployment, middle, &|_| {})),
        (
            "new Deployment on the host network",
            fresh(Kind::Deployment, middle, &host_network),
        ),
        (
            "other image",
            review("UPDATE", Kind::Deployment, &deployment, &image),
        ),
        (
            "port renamed",
            review("UPDATE", Kind::Deployment, &deployment, &renamed),
        ),
        ("new Service", fresh(Kind::Service, 1, &|_| {})),
        (
            "new Service with a wrong port",
            fresh(Kind::Service, 1, &wrong_port),
        ),
        ("new Ingress", fresh(Kind::Ingress, 1, &|_| {})),
        (
            "new Ingress to nowhere",
            fresh(Kind::Ingress, 1, &no_service),
        ),
        ("new NetworkPolicy", fresh(Kind::NetworkPolicy, 0, &|_| {})),
    ]
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
