//! What controllers and kubelets would add to the objects of a manifest: nodes, the pods of workloads, their status.

use netdoctor_engine::model::Kind;
use serde_json::{Value, json};

/// The nodes on which pods are placed.
const NODES: [&str; 2] = ["node-1", "node-2"];

/// The objects and what a cluster makes of them: every workload runs, and every pod is ready.
pub(crate) fn bring_to_life(objects: &[Value]) -> Vec<Value> {
    let mut all = objects.to_vec();
    if !objects.iter().any(|object| object["kind"] == "Node") {
        all.extend(
            NODES
                .into_iter()
                .zip(11..)
                .map(|(name, host)| node(name, host)),
        );
    }
    let mut address = 10;
    for workload in objects {
        for mut pod in pods(workload, &mut all) {
            address += 1;
            let pod_ip = format!("10.244.1.{address}");
            pod["status"] = running(&pod, &pod_ip);
            all.push(pod);
        }
    }
    all
}

fn node(name: &str, host: u8) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "status": {
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}],
            "addresses": [{"type": "InternalIP", "address": format!("172.30.0.{host}")}],
        },
    })
}

/// The pods of a workload; a Deployment gets its `ReplicaSet` on the way.
fn pods(workload: &Value, all: &mut Vec<Value>) -> Vec<Value> {
    let name = workload["metadata"]["name"].as_str().unwrap_or_default();
    match workload["kind"].as_str().unwrap_or_default() {
        "Deployment" => {
            let set = format!("{name}-1");
            let template = &workload["spec"]["template"];
            all.push(json!({
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "metadata": {
                    "name": set,
                    "namespace": workload["metadata"]["namespace"],
                    "labels": template["metadata"]["labels"],
                    "ownerReferences": [owner("Deployment", name)],
                },
                "spec": {
                    "replicas": workload["spec"]["replicas"].as_u64().unwrap_or(1),
                    "selector": workload["spec"]["selector"],
                    "template": template,
                },
            }));
            vec![pod(
                workload,
                &format!("{set}-a"),
                &owner("ReplicaSet", &set),
                NODES[0],
            )]
        }
        "StatefulSet" => vec![pod(
            workload,
            &format!("{name}-0"),
            &owner("StatefulSet", name),
            NODES[0],
        )],
        "DaemonSet" => NODES
            .iter()
            .map(|node| {
                pod(
                    workload,
                    &format!("{name}-{node}"),
                    &owner("DaemonSet", name),
                    node,
                )
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn owner(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true})
}

fn pod(workload: &Value, name: &str, owner: &Value, node: &str) -> Value {
    let template = &workload["spec"]["template"];
    let mut spec = template["spec"].clone();
    spec["nodeName"] = node.into();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": workload["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
            "ownerReferences": [owner],
        },
        "spec": spec,
    })
}

fn running(pod: &Value, address: &str) -> Value {
    let containers = pod["spec"]["containers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let statuses: Vec<Value> = containers
        .iter()
        .map(|container| {
            json!({
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": true,
                "started": true,
                "restartCount": 0,
                "state": {"running": {}},
            })
        })
        .collect();
    json!({
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": statuses,
    })
}

/// Definitions of every kind of a third party among these, as permissive as a definition can be.
pub(crate) fn definitions(kinds: impl Iterator<Item = Kind>) -> String {
    let items: Vec<Value> = kinds
        .filter(|kind| kind.is_custom())
        .map(definition)
        .collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

fn definition(kind: Kind) -> Value {
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": kind.resource(),
            "annotations": {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/gateway-api/pull/2997"},
        },
        "spec": {
            "group": kind.group(),
            "scope": if kind.namespaced() { "Namespaced" } else { "Cluster" },
            "names": {
                "kind": kind.name(),
                "plural": kind.plural(),
                "singular": kind.name().to_ascii_lowercase(),
            },
            "versions": [{
                "name": kind.versions()[0],
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": any, "status": any}}},
                "subresources": {"status": {}},
            }],
        },
    })
}
