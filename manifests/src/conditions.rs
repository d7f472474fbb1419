//! Match conditions: what the API server decides by itself, so that the webhook is not asked (webhook.md 4.1).
//!
//! Every expression is total. One that fails skips the webhook under `Ignore`, and refuses the request under `Fail`: a
//! field is touched only after `has()`, from the outside in.

use netdoctor_engine::model::Kind;
use serde_json::{Value, json};

use crate::scope;

/// Group of the requests that come from kube-system's service accounts.
const SYSTEM_ACCOUNTS: &str = "system:serviceaccounts:kube-system";

/// The conditions of both webhooks, in the order in which they are cheapest to refuse.
pub(crate) fn all() -> Vec<Value> {
    [
        ("not-the-control-plane", not_the_control_plane()),
        ("not-being-deleted", NOT_BEING_DELETED.to_owned()),
        ("not-owned-by-a-controller", not_owned()),
        ("something-changed-that-rules-read", changed()),
    ]
    .into_iter()
    .map(|(name, expression)| json!({"name": name, "expression": expression}))
    .collect()
}

/// Nodes and the controllers of the control plane repair what exists; they must never wait for a webhook.
fn not_the_control_plane() -> String {
    format!(
        "(!has(request.userInfo.groups)\n  || !('system:nodes' in request.userInfo.groups)\n  && !('{SYSTEM_ACCOUNTS}' in request.userInfo.groups))\n\
         && (!has(request.userInfo.username)\n  || !(request.userInfo.username in ['system:kube-controller-manager', 'system:kube-scheduler', 'system:apiserver']))"
    )
}

/// A finalizer must always be removable.
const NOT_BEING_DELETED: &str =
    "object == null || !has(object.metadata) || !has(object.metadata.deletionTimestamp)";

/// A denial would loop the controller; the workload above was judged, and the auditor looks at the rest.
fn not_owned() -> String {
    format!("!(request.kind.kind in {}) || {NOBODYS}", list(&OWNED))
}

/// No controller manages the object.
pub(crate) const NOBODYS: &str = "object == null || !has(object.metadata) || !has(object.metadata.ownerReferences)\n\
     || !object.metadata.ownerReferences.exists(owner, has(owner.controller) && owner.controller == true)";

/// Kinds that controllers make.
const OWNED: [Kind; 4] = [
    Kind::Job,
    Kind::Pod,
    Kind::ReplicaSet,
    Kind::ReplicationController,
];

/// An update is judged when its specification changes, or labels and annotations where rules read them.
fn changed() -> String {
    let mut labelled: Vec<Kind> = scope::reading("/metadata/labels").into_iter().collect();
    // Selectors of Services and policies read the labels of Pods, whatever the rules about Pods read.
    if !labelled.contains(&Kind::Pod) {
        labelled.insert(0, Kind::Pod);
    }
    let mut expression = String::from(
        "object == null || oldObject == null\n|| has(object.spec) != has(oldObject.spec)\n|| has(object.spec) && object.spec != oldObject.spec",
    );
    expression.push_str(&metadata_changed("labels", &labelled));
    let annotated: Vec<Kind> = scope::reading("/metadata/annotations")
        .into_iter()
        .collect();
    if !annotated.is_empty() {
        expression.push_str(&metadata_changed("annotations", &annotated));
    }
    expression
}

fn metadata_changed(field: &str, kinds: &[Kind]) -> String {
    format!(
        "\n|| request.kind.kind in {} && has(object.metadata) && has(oldObject.metadata)\n  && (has(object.metadata.{field}) != has(oldObject.metadata.{field})\n      || has(object.metadata.{field}) && object.metadata.{field} != oldObject.metadata.{field})",
        list(kinds)
    )
}

fn list(kinds: &[Kind]) -> String {
    let mut names: Vec<String> = kinds
        .iter()
        .map(|kind| format!("'{}'", kind.name()))
        .collect();
    names.dedup();
    format!("[{}]", names.join(", "))
}
