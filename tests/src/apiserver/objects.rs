//! Writing objects: the spec as a user does, the status as a kubelet or a controller does.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::{ApiServer, Namespace};
use crate::cmd::Output;

impl ApiServer {
    /// `kubectl apply -f -`, which must succeed. Objects without a namespace go to `default`.
    pub fn apply(&self, yaml: &str) -> Output {
        self.apply_with(&self.kubeconfig, yaml)
    }

    /// Applies objects and then writes the `status` of those that have one through the status subresource.
    ///
    /// An `ownerReferences` entry without a uid gets the uid of the object that it names, which may be created by the
    /// same call: the garbage collector deletes whatever names an owner that does not exist.
    pub fn apply_status(&self, yaml: &str) {
        self.apply_status_with(&self.kubeconfig, "default", yaml);
    }

    fn apply_with(&self, kubeconfig: &Path, yaml: &str) -> Output {
        self.kubectl_with(kubeconfig, &["apply", "-f", "-"], yaml)
            .ok()
    }

    fn apply_status_with(&self, kubeconfig: &Path, namespace: &str, yaml: &str) {
        let mut waiting = documents(yaml);
        let mut resources = Resources::new(self);
        while !waiting.is_empty() {
            let names: Vec<(String, String)> = waiting.iter().map(kind_and_name).collect();
            let (later, mut now): (Vec<Value>, Vec<Value>) =
                waiting.into_iter().partition(|object| {
                    unresolved_owners(object)
                        .any(|owner| names.contains(&kind_and_name_of_owner(owner)))
                });
            assert!(
                !now.is_empty(),
                "objects own one another in a circle: {names:?}"
            );
            for object in &mut now {
                resolve_owners(object, namespace, &mut resources);
            }
            // kubectl would complain about a status that is not complete, and the server drops it here anyway.
            let items: Vec<Value> = now.iter().map(without_status).collect();
            let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
            self.apply_with(kubeconfig, &list.to_string());
            for object in now.iter().filter(|object| object.get("status").is_some()) {
                let path = format!("{}/status", resources.path(object, namespace));
                self.must(self.rest.merge(&path, &json!({"status": object["status"]})))
                    .ok();
            }
            waiting = later;
        }
    }
}

impl Namespace<'_> {
    /// [`ApiServer::apply`] in this namespace. An object that names another one goes there.
    pub fn apply(&self, yaml: &str) -> Output {
        self.server.apply_with(&self.kubeconfig, yaml)
    }

    /// [`ApiServer::apply_status`] in this namespace.
    pub fn apply_status(&self, yaml: &str) {
        self.server
            .apply_status_with(&self.kubeconfig, &self.name, yaml);
    }

    /// Waits until the endpoint slices of a Service hold this many addresses, ready or not, and returns the slices.
    pub fn await_endpoints(&self, service: &str, count: usize) -> Vec<Value> {
        let path = format!(
            "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices?labelSelector=kubernetes.io/service-name%3D{service}",
            self.name
        );
        let mut slices = Vec::new();
        self.server
            .wait_until(&format!("{count} endpoints of {service}"), || {
                slices = match self.server.rest.get(&path) {
                    Ok(answer) if answer.status == 200 => answer.json()["items"]
                        .as_array()
                        .cloned()
                        .unwrap_or_default(),
                    _ => Vec::new(),
                };
                let endpoints = |slice: &Value| slice["endpoints"].as_array().map_or(0, Vec::len);
                !slices.is_empty() && slices.iter().map(endpoints).sum::<usize>() == count
            });
        slices
    }
}

/// The objects of a YAML text; a List counts as what it holds.
fn documents(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)
        .unwrap_or_else(|error| panic!("no YAML: {error}\n{yaml}"));
    let mut objects = Vec::new();
    for document in documents {
        match document {
            Value::Null => {}
            Value::Object(mut fields) if fields.get("kind").is_some_and(|kind| kind == "List") => {
                if let Some(Value::Array(items)) = fields.remove("items") {
                    objects.extend(items);
                }
            }
            object => objects.push(object),
        }
    }
    objects
}

fn without_status(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    object
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn kind_and_name(object: &Value) -> (String, String) {
    (
        text(object, "/kind").to_owned(),
        text(object, "/metadata/name").to_owned(),
    )
}

fn kind_and_name_of_owner(owner: &Value) -> (String, String) {
    (
        text(owner, "/kind").to_owned(),
        text(owner, "/name").to_owned(),
    )
}

fn unresolved_owners(object: &Value) -> impl Iterator<Item = &Value> {
    let owners = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    owners
        .into_iter()
        .flatten()
        .filter(|owner| text(owner, "/uid").is_empty())
}

fn resolve_owners(object: &mut Value, namespace: &str, resources: &mut Resources<'_>) {
    let own = text(object, "/metadata/namespace").to_owned();
    let namespace = if own.is_empty() { namespace } else { &own };
    let Some(Value::Array(owners)) = object.pointer_mut("/metadata/ownerReferences") else {
        return;
    };
    for owner in owners {
        if text(owner, "/uid").is_empty() {
            let wanted = json!({
                "apiVersion": owner["apiVersion"],
                "kind": owner["kind"],
                "metadata": {"name": owner["name"]},
            });
            let path = resources.path(&wanted, namespace);
            let found = resources
                .server
                .must(resources.server.rest.get(&path))
                .ok()
                .json();
            owner["uid"] = found["metadata"]["uid"].clone();
        }
    }
}

/// What the server calls its kinds: group and version, to kind, to plural and whether it lives in namespaces.
struct Resources<'a> {
    server: &'a ApiServer,
    groups: BTreeMap<String, BTreeMap<String, (String, bool)>>,
}

impl<'a> Resources<'a> {
    fn new(server: &'a ApiServer) -> Self {
        Self {
            server,
            groups: BTreeMap::new(),
        }
    }

    /// The path of an object.
    fn path(&mut self, object: &Value, namespace: &str) -> String {
        let version = text(object, "/apiVersion");
        let root = if version.contains('/') {
            format!("/apis/{version}")
        } else {
            format!("/api/{version}")
        };
        let group = self
            .groups
            .entry(root.clone())
            .or_insert_with(|| discover(self.server, &root));
        let kind = text(object, "/kind");
        let (plural, namespaced) = group
            .get(kind)
            .unwrap_or_else(|| panic!("{root} has no kind {kind}"));
        let name = text(object, "/metadata/name");
        if *namespaced {
            let own = text(object, "/metadata/namespace");
            let namespace = if own.is_empty() { namespace } else { own };
            format!("{root}/namespaces/{namespace}/{plural}/{name}")
        } else {
            format!("{root}/{plural}/{name}")
        }
    }
}

fn discover(server: &ApiServer, root: &str) -> BTreeMap<String, (String, bool)> {
    let answer = server.must(server.rest.get(root)).ok().json();
    let resources = answer["resources"].as_array().cloned().unwrap_or_default();
    let plain = resources
        .iter()
        .filter(|resource| !text(resource, "/name").contains('/'));
    plain
        .map(|resource| {
            let plural = text(resource, "/name").to_owned();
            (
                text(resource, "/kind").to_owned(),
                (plural, resource["namespaced"] == true),
            )
        })
        .collect()
}
