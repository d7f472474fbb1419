//! Manifests laid over what a cluster holds, as `kubectl apply` would.

use std::collections::{BTreeMap, BTreeSet};

use netdoctor_engine::model::decode::Any;
use netdoctor_engine::model::{Controller, Kind, Meta, Object as _, Pod};
use netdoctor_engine::snapshot::{Builder, Snapshot};

/// What identifies an object in a cluster.
type Name = (Kind, String, String);

fn name(kind: Kind, meta: &Meta) -> Name {
    (kind, meta.namespace.to_string(), meta.name.to_string())
}

/// Puts the objects of the files in the place of those of the same kind, namespace and name. Pods that a replaced workload
/// made go with it: they would be replaced by Pods of the new template, which stands for them.
pub(crate) fn lay(builder: &mut Builder, live: &Snapshot, incoming: &[Any]) {
    let replaced: BTreeSet<Name> = incoming
        .iter()
        .filter(|any| any.kind().is_controller())
        .map(|any| name(any.kind(), any.meta()))
        .collect();
    for (kind, namespace, name) in made_by(live, replaced) {
        builder.remove(kind, &namespace, &name);
    }
    let last: BTreeMap<Name, usize> = named(incoming)
        .map(|(at, any)| (name(any.kind(), any.meta()), at))
        .collect();
    for (kind, namespace, name) in last.keys() {
        builder.remove(*kind, namespace, name);
    }
    for (at, any) in incoming.iter().enumerate() {
        let meta = any.meta();
        if meta.name.is_empty() || last.get(&name(any.kind(), meta)) == Some(&at) {
            builder.insert(any.clone());
        }
    }
}

/// Objects with their places, without those that the server is to name: they replace nobody.
fn named(incoming: &[Any]) -> impl Iterator<Item = (usize, &Any)> {
    let named = |(_, any): &(usize, &Any)| !any.meta().name.is_empty();
    incoming.iter().enumerate().filter(named)
}

/// What these workloads made: controllers of a lower level, and Pods.
fn made_by(live: &Snapshot, mut owners: BTreeSet<Name>) -> Vec<Name> {
    let owned = |meta: &Meta, owners: &BTreeSet<Name>| {
        meta.controller().is_some_and(|owner| {
            Kind::of(&owner.api_version, &owner.kind).is_some_and(|kind| {
                owners.contains(&(kind, meta.namespace.to_string(), owner.name.to_string()))
            })
        })
    };
    let mut made = Vec::new();
    for controller in live.store::<Controller>() {
        if owned(controller.meta(), &owners) {
            made.push(name(controller.kind(), controller.meta()));
        }
    }
    owners.extend(made.iter().cloned());
    for pod in live.store::<Pod>() {
        if owned(pod.meta(), &owners) {
            made.push(name(Kind::Pod, pod.meta()));
        }
    }
    made
}

/// Objects that the files hold more than once: the last one counts.
pub(crate) fn note_on_repetitions(incoming: &[Any]) -> Option<String> {
    let mut times: BTreeMap<Name, usize> = BTreeMap::new();
    for (_, any) in named(incoming) {
        *times.entry(name(any.kind(), any.meta())).or_default() += 1;
    }
    let repeated = times.values().filter(|times| **times > 1).count();
    match repeated {
        0 => None,
        1 => Some(
            "1 object occurs more than once in the input; the last one counts, as it would for kubectl apply"
                .to_owned(),
        ),
        n => Some(format!(
            "{n} objects occur more than once in the input; the last ones count, as they would for kubectl apply"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netdoctor_engine::model::Origin;
    use netdoctor_engine::model::decode;
    use netdoctor_engine::snapshot::Source;
    use serde_json::{Value, json};

    fn any(value: Value) -> Any {
        decode::from_value(value, Origin::Live).unwrap()
    }

    fn workload(kind: &str, api_version: &str, name: &str, owner: Option<(&str, &str)>) -> Value {
        let mut object = json!({
            "apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": "shop"},
        });
        if let Some((kind, owner)) = owner {
            object["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": kind, "name": owner, "controller": true, "uid": "1"}]);
        }
        object
    }

    #[test]
    fn pods_of_a_replaced_workload_go_with_it() {
        let mut builder = Builder::new(Source::Cluster);
        for value in [
            workload("Deployment", "apps/v1", "web", None),
            workload(
                "ReplicaSet",
                "apps/v1",
                "web-1",
                Some(("Deployment", "web")),
            ),
            workload("Pod", "v1", "web-1-a", Some(("ReplicaSet", "web-1"))),
            workload("Deployment", "apps/v1", "db", None),
            workload("ReplicaSet", "apps/v1", "db-1", Some(("Deployment", "db"))),
            workload("Pod", "v1", "db-1-a", Some(("ReplicaSet", "db-1"))),
            workload("Pod", "v1", "alone", None),
        ] {
            builder.insert(any(value));
        }
        let live = builder.fork().seal();
        let incoming = [any(workload("Deployment", "apps/v1", "web", None))];
        lay(&mut builder, &live, &incoming);
        let after = builder.seal();
        let pods: Vec<&str> = after
            .store::<Pod>()
            .iter()
            .map(|pod| &*pod.meta.name)
            .collect();
        assert_eq!(pods, ["alone", "db-1-a"]);
        let controllers: Vec<&str> = after
            .store::<Controller>()
            .iter()
            .map(|controller| &*controller.meta.name)
            .collect();
        assert_eq!(controllers, ["db", "db-1", "web"]);
    }

    #[test]
    fn the_last_of_several_counts_and_is_told() {
        let service = |port: i32| {
            any(json!({
                "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
                "spec": {"ports": [{"port": port}]},
            }))
        };
        let mut builder = Builder::new(Source::Cluster);
        let live = builder.fork().seal();
        let incoming = [service(1), service(2)];
        lay(&mut builder, &live, &incoming);
        let after = builder.seal();
        let ports: Vec<i32> = after
            .store::<netdoctor_engine::model::Service>()
            .iter()
            .map(|service| service.ports[0].port)
            .collect();
        assert_eq!(ports, [2]);
        assert!(
            note_on_repetitions(&incoming)
                .unwrap()
                .starts_with("1 object")
        );
        assert_eq!(note_on_repetitions(&incoming[..1]), None);
    }
}
