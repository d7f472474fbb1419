//! Objects that are read as another kind than their own: hand-written Endpoints as a slice, and custom workloads by the
//! shape of their template.

use super::{Any, Skipped, decode};
use crate::model::{Kind, Labels, Text};
use serde_json::Value;

/// What the mirroring controller makes of hand-written Endpoints: a slice labelled for the Service of their name.
pub(super) fn mirrored(endpoints: &Value) -> Value {
    let subsets = endpoints.get("subsets").and_then(Value::as_array);
    let list = |subset: &Value, key: &str, ready: bool| -> Vec<Value> {
        let addresses = subset.get(key).and_then(Value::as_array);
        addresses
            .into_iter()
            .flatten()
            .map(|address| {
                serde_json::json!({"addresses": [address.get("ip")], "conditions": {"ready": ready}})
            })
            .collect()
    };
    let all: Vec<Value> = subsets
        .into_iter()
        .flatten()
        .flat_map(|subset| {
            let mut of_subset = list(subset, "addresses", true);
            of_subset.extend(list(subset, "notReadyAddresses", false));
            of_subset
        })
        .collect();
    let text = |pointer: &str| endpoints.pointer(pointer).and_then(Value::as_str);
    let name = text("/metadata/name").unwrap_or_default();
    serde_json::json!({
        "metadata": {
            "name": name,
            "namespace": text("/metadata/namespace").unwrap_or_default(),
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "endpoints": all,
        "ports": endpoints.pointer("/subsets/0/ports").cloned().unwrap_or_else(|| Value::Array(Vec::new())),
    })
}

/// Objects of other kinds count as workloads by their shape: containers at `spec.template.spec`.
pub(super) fn custom_workload(
    api_version: Text,
    name: Text,
    mut value: Value,
) -> Result<Any, Skipped> {
    let further_labels = experiment_labels(&value);
    // An Argo Experiment has a list of templates. The first stands for all: they are variants of one program.
    if value.pointer("/spec/template").is_none()
        && let Some(first) = value.pointer("/spec/templates/0/template").cloned()
        && let Some(spec) = value.pointer_mut("/spec").and_then(Value::as_object_mut)
    {
        spec.insert("template".to_owned(), first);
    }
    let by_shape = value
        .pointer("/spec/template/spec/containers")
        .is_some_and(Value::is_array);
    // Kustomize and Helm sources are about manifests, not about the cluster.
    if !by_shape || api_version.starts_with("kustomize.config.k8s.io") {
        return Err(Skipped::UnreadKind);
    }
    let mut any = decode(Kind::CustomWorkload, value);
    if let Any::Controller(controller) = &mut any {
        controller.custom = Some((api_version, name));
        controller.further_labels = further_labels;
    }
    Ok(any)
}

/// Labels of the pods that experiments start: those of an Argo Experiment, or of the steps of a Rollout's canary. They
/// stand beside the template's name, or inside a template of its own.
fn experiment_labels(value: &Value) -> Vec<Labels> {
    let steps = value
        .pointer("/spec/strategy/canary/steps")
        .and_then(Value::as_array);
    let of_steps = steps
        .into_iter()
        .flatten()
        .filter_map(|step| step.pointer("/experiment/templates"));
    let lists = of_steps.chain(value.pointer("/spec/templates"));
    let templates = lists.filter_map(Value::as_array).flatten();
    templates
        .flat_map(|template| {
            ["/metadata/labels", "/template/metadata/labels"].map(|at| template.pointer(at))
        })
        .flatten()
        .filter_map(|labels| serde_json::from_value(labels.clone()).ok())
        .collect()
}
