//! The two configurations that send requests to the webhook (webhook.md 4).

use netdoctor_engine::model::Kind;
use serde_json::{Value, json};

use crate::object::{Part, cluster, with};
use crate::{Options, conditions, names, scope};

/// Seconds that the API server waits for the validating webhook.
const VALIDATE_SECONDS: u32 = 2;
/// Seconds that it waits for the mutating one, which every other mutating webhook waits for as well.
const MUTATE_SECONDS: u32 = 1;

/// The validating configuration: one entry, since each one costs every request (kyverno#15832).
///
/// `caBundle` is absent: the replica that holds the Lease owns that field.
pub(crate) fn validating(options: &Options) -> Value {
    let webhook = json!({
        "name": names::VALIDATING_WEBHOOK,
        "admissionReviewVersions": ["v1"],
        "clientConfig": client(options, "/validate"),
        "failurePolicy": options.failure_policy.as_str(),
        "matchConditions": conditions::all(),
        "matchPolicy": "Equivalent",
        "namespaceSelector": {"matchExpressions": namespaces(options)},
        "rules": validating_rules(options),
        "sideEffects": "None",
        "timeoutSeconds": VALIDATE_SECONDS,
    });
    with(
        cluster(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            names::VALIDATING,
            Part::Webhook,
        ),
        json!({"webhooks": [webhook]}),
    )
}

/// What the validating webhook is asked about.
pub(crate) fn validating_rules(options: &Options) -> Vec<Value> {
    let mut rules = rules(scope::matched());
    rules.extend(custom_rules(options));
    rules
}

/// The mutating configuration: never fails a request, and only namespaces that ask for it.
pub(crate) fn mutating(options: &Options) -> Value {
    let mut expressions = namespaces(options);
    expressions.push(json!({
        "key": names::MUTATE_LABEL, "operator": "In", "values": ["enabled"],
    }));
    let webhook = json!({
        "name": names::MUTATING_WEBHOOK,
        "admissionReviewVersions": ["v1"],
        "clientConfig": client(options, "/mutate"),
        "failurePolicy": "Ignore",
        "matchConditions": conditions::all(),
        "matchPolicy": "Equivalent",
        "namespaceSelector": {"matchExpressions": expressions},
        "reinvocationPolicy": "Never",
        "rules": rules(scope::mutated()),
        "sideEffects": "None",
        "timeoutSeconds": MUTATE_SECONDS,
    });
    with(
        cluster(
            "admissionregistration.k8s.io/v1",
            "MutatingWebhookConfiguration",
            names::MUTATING,
            Part::Webhook,
        ),
        json!({"webhooks": [webhook]}),
    )
}

fn client(options: &Options, path: &str) -> Value {
    json!({"service": {
        "name": names::WEBHOOK,
        "namespace": options.namespace,
        "path": path,
        "port": names::SERVICE_PORT,
    }})
}

/// Which namespaces are left alone: the control plane's, our own, and those that opted out.
pub(crate) fn namespaces(options: &Options) -> Vec<Value> {
    let mut never: Vec<&str> = names::SYSTEM_NAMESPACES.to_vec();
    never.push(&options.namespace);
    let mut expressions = vec![
        json!({"key": NAMESPACE_NAME, "operator": "NotIn", "values": never}),
        json!({"key": names::ADMISSION_LABEL, "operator": "NotIn", "values": ["disabled"]}),
    ];
    if let Some(only) = &options.only_namespace {
        expressions.push(json!({"key": NAMESPACE_NAME, "operator": "In", "values": [only]}));
    }
    expressions
}

/// The label that the API server itself puts on every namespace.
pub(crate) const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Webhook rules, one per group and version, and apart where objects live outside namespaces. Other versions of the same
/// group reach the webhook converted (`matchPolicy: Equivalent`).
pub(crate) fn rules(kinds: impl IntoIterator<Item = Kind>) -> Vec<Value> {
    let mut groups: std::collections::BTreeMap<(&str, bool, &str), Vec<&str>> =
        std::collections::BTreeMap::new();
    for kind in kinds {
        if let Some(version) = kind.versions().first() {
            let key = (kind.group(), !kind.namespaced(), *version);
            groups.entry(key).or_default().push(kind.plural());
        }
    }
    groups
        .into_iter()
        .map(|((group, clustered, version), mut resources)| {
            resources.sort_unstable();
            rule(group, version, &resources, clustered)
        })
        .collect()
}

fn rule(group: &str, version: &str, resources: &[&str], clustered: bool) -> Value {
    json!({
        "apiGroups": [group],
        "apiVersions": [version],
        "operations": ["CREATE", "UPDATE"],
        "resources": resources,
        "scope": if clustered { "Cluster" } else { "Namespaced" },
    })
}

/// Scaling of the kinds whose number of replicas a rule compares with the nodes.
pub(crate) fn scale_rule() -> Value {
    let scaled =
        [Kind::Deployment, Kind::StatefulSet].map(|kind| format!("{}/scale", kind.plural()));
    let resources: Vec<&str> = scaled.iter().map(String::as_str).collect();
    let mut rule = rule(Kind::Deployment.group(), "v1", &resources, false);
    rule["operations"] = json!(["UPDATE"]);
    rule
}

fn custom_rules(options: &Options) -> impl Iterator<Item = Value> {
    options
        .custom_workloads
        .iter()
        .map(|custom| rule(&custom.group, &custom.version, &[&custom.resource], false))
}
