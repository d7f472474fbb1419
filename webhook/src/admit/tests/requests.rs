//! Which request is judged how (webhook.md 2.3).

use super::kit::{Answer, Cluster, DEPLOYMENT, NODES, Request, SERVICE, host_network, wrong_port};
use crate::admit::{Operation, Outcome, Verdict};
use serde_json::{Value, json};

fn edited(yaml: &str, edit: impl Fn(&mut Value)) -> Value {
    let mut object = super::kit::parsed(yaml);
    edit(&mut object);
    object
}

fn update(cluster: &Cluster, old: &Value, new: &Value) -> Answer {
    cluster.ask(&Request::new(
        Operation::Update,
        Some(old.clone()),
        Some(new.clone()),
    ))
}

#[test]
fn what_was_wrong_before_never_blocks_an_edit() {
    let strict = Cluster::of(&[&host_network(), DEPLOYMENT]).strict();
    let old = host_network();
    let answer = strict.update(&old, &old.replace("image: web", "image: web:2"));
    answer.silent();
    strict
        .update(&old, &old.replace("replicas: 3", "replicas: 5"))
        .silent();
    assert!(
        strict
            .update(&old, &old.replace("replicas: 3", "replicas: 4"))
            .decision
            .rules
            .contains(&("HST002", Outcome::Ok))
    );
    let more = wrong_port().replace("}]", "}, {name: extra, port: 81, targetPort: http}]");
    strict.update(&wrong_port(), &more).silent();
    let worse = more.replace("81, targetPort: http", "81, targetPort: none");
    strict.update(&wrong_port(), &worse).denies("SVC004");
}

#[test]
fn an_edit_that_makes_it_better_is_not_refused() {
    let declared =
        host_network().replace("image: web", "image: web, ports: [{containerPort: 8080}]");
    let strict = Cluster::of(&[NODES]).strict();
    strict.create(&declared).denies("HST002");
    strict.update(&host_network(), &declared).warns(&["HST002"]);
    strict.update(&declared, &host_network()).denies("HST002");
}

#[test]
fn rules_that_read_nothing_of_what_changed_are_not_asked() {
    // The Service was fine when it was written; its pods have changed since.
    let moved = DEPLOYMENT.replace("name: http", "name: web");
    let strict = Cluster::of(&[&moved]).strict();
    let new = SERVICE.replace("ports:", "sessionAffinity: ClientIP, ports:");
    strict.update(SERVICE, &new).silent();
}

#[test]
fn bookkeeping_is_never_looked_at() {
    let strict = Cluster::of(&[DEPLOYMENT]).strict();
    let old = super::kit::parsed(&host_network());
    let edits: [(&str, Value); 6] = [
        ("finalizers", json!(["x/y"])),
        ("managedFields", json!([{"manager": "kubectl"}])),
        (
            "ownerReferences",
            json!([{"kind": "App", "name": "a", "uid": "u"}]),
        ),
        ("annotations", json!({"a": "b"})),
        ("labels", json!({"a": "b"})),
        ("generation", json!(2)),
    ];
    for (key, value) in edits {
        let new = edited(&host_network(), |object| {
            object["metadata"][key] = value.clone();
        });
        // The old object is innocent, the new one is not: nothing is said all the same.
        let innocent = edited(&host_network(), |object| {
            object["spec"]["replicas"] = json!(1);
        });
        update(&strict, &old, &new).silent();
        assert_eq!(
            update(&strict, &innocent, &new).decision.verdict,
            Verdict::Deny,
            "{key}"
        );
    }
    let status = edited(&host_network(), |object| {
        object["status"] = json!({"replicas": 3});
    });
    update(&strict, &old, &status).silent();
}

#[test]
fn labels_of_pods_and_namespaces_do_count() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: c, image: c, ports: [{name: http, containerPort: 80}]}]}\n";
    let cluster = Cluster::of(&[pod, SERVICE]);
    cluster
        .update(pod, &pod.replace("app: web", "app: other"))
        .warns(&["SVC001"]);
    let namespace = |labels: &str| {
        format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{{labels}}}}}\n")
    };
    let meshed = namespace("istio-injection: enabled");
    let cluster = Cluster::of(&[&meshed, DEPLOYMENT, &wrong_port()]).strict();
    cluster
        .update(&meshed, &namespace("a: b"))
        .warns(&["SVC004"]);
    // A Service is not found by its labels.
    let labelled = SERVICE.replace("namespace: shop}", "namespace: shop, labels: {a: b}}");
    Cluster::of(&[]).update(SERVICE, &labelled).silent();
}

#[test]
fn what_is_being_deleted_is_left_alone() {
    let deleting = host_network().replace(
        "namespace: shop}",
        "namespace: shop, finalizers: [x/y], deletionTimestamp: '2026-01-01T11:00:00Z'}",
    );
    let strict = Cluster::of(&[]).strict();
    let before = host_network().replace("replicas: 3", "replicas: 1");
    strict.update(&before, &deleting).silent();
    strict.create(&deleting).silent();
}

#[test]
fn owned_objects_are_recorded_and_never_refused() {
    let owned = |kind: &str, owner: &str| {
        host_network()
            .replace("kind: Deployment", &format!("kind: {kind}"))
            .replace(
                "namespace: shop}",
                &format!("namespace: shop, ownerReferences: [{{apiVersion: apps/v1, kind: {owner}, name: web, uid: u, controller: true}}]}}"),
            )
    };
    let strict = Cluster::of(&[]).strict();
    let answer = strict.create(&owned("ReplicaSet", "Deployment"));
    assert!(
        answer.allowed() && answer.warnings().is_empty(),
        "{}",
        answer.json
    );
    assert_eq!(
        answer.annotation("rules"),
        "HST002/ports-not-declared=audit"
    );
    // Of other kinds the owner is somebody's operator: it hears of it, and is not stopped.
    strict
        .create(&owned("Deployment", "App"))
        .warns(&["HST002"]);
    // An owner that does not manage it changes nothing.
    let other = owned("Deployment", "App").replace("controller: true", "controller: false");
    strict.create(&other).denies("HST002");
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: c, image: c, readinessProbe: {httpGet: {port: http}}}]}\n";
    strict.create(pod).denies("PRB001");
    let made = pod.replace("namespace: shop}", "namespace: shop, ownerReferences: [{apiVersion: batch/v1, kind: Job, name: j, uid: u, controller: true}]}");
    assert_eq!(strict.create(&made).annotation("rules"), "PRB001=audit");
}

#[test]
fn mirror_pods_are_skipped() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, annotations: {kubernetes.io/config.mirror: x}}\nspec: {containers: [{name: c, image: c, readinessProbe: {httpGet: {port: http}}}]}\n";
    let strict = Cluster::of(&[]).strict();
    strict.create(pod).silent();
    // A kubelet mirrors Pods and nothing else: on other objects the annotation is somebody's wish to be left alone.
    let annotated = "namespace: shop, annotations: {kubernetes.io/config.mirror: x}}";
    let deployment = host_network().replace("namespace: shop}", annotated);
    strict.create(&deployment).denies("HST002");
    strict
        .update(
            &deployment.replace("replicas: 3", "replicas: 1"),
            &deployment,
        )
        .denies("HST002");
}

#[test]
fn the_control_plane_is_never_held_up() {
    let strict = Cluster::of(&[]).strict();
    let by = |user: Value| strict.ask(&Request::create(&host_network()).with("userInfo", user));
    by(json!({"username": "system:node:n1", "groups": ["system:nodes"]})).silent();
    by(json!({"username": "system:serviceaccount:kube-system:x", "groups": ["system:serviceaccounts", "system:serviceaccounts:kube-system"]})).silent();
    for name in [
        "system:kube-controller-manager",
        "system:kube-scheduler",
        "system:apiserver",
    ] {
        by(json!({"username": name})).silent();
    }
    by(json!({"username": "system:admin", "groups": ["system:masters"]})).denies("HST002");
    by(json!({"username": "system:serviceaccount:shop:x", "groups": ["system:serviceaccounts:shop"]})).denies("HST002");
    by(json!(null)).denies("HST002");
    for namespace in ["kube-system", "kube-public", "kube-node-lease"] {
        let object = host_network().replace("namespace: shop", &format!("namespace: {namespace}"));
        strict.create(&object).silent();
    }
}

#[test]
fn the_namespace_is_that_of_the_request() {
    let silent_about_it = wrong_port().replace(", namespace: shop", "");
    let guarded = Cluster::of(&[DEPLOYMENT]).guarded();
    let request = Request::create(&silent_about_it);
    guarded
        .ask(&request.clone().with("namespace", "shop"))
        .denies("SVC004");
    guarded
        .ask(&request.with("namespace", "other"))
        .warns(&["SVC002"]);
}

#[test]
fn a_name_that_is_still_to_be_made() {
    let object = host_network().replace("name: web, namespace", "generateName: web-, namespace");
    let answer = Cluster::of(&[]).guarded().create(&object);
    answer.denies("HST002");
    assert!(
        answer.message().contains("Deployment shop/web-*"),
        "{}",
        answer.message()
    );
    // The API server may have made it by then.
    let request = Request::create(&object).with("name", "web-x7f2");
    let answer = Cluster::of(&[]).guarded().ask(&request);
    assert!(
        answer.message().contains("Deployment shop/web-x7f2"),
        "{}",
        answer.message()
    );
}

#[test]
fn other_operations_and_subresources_are_let_through() {
    let strict = Cluster::of(&[]).strict();
    let create = Request::create(&host_network());
    for operation in ["CONNECT", "PATCH", ""] {
        strict
            .ask(&create.clone().with("operation", operation))
            .silent();
    }
    for part in [
        "status",
        "scale",
        "binding",
        "eviction",
        "exec",
        "portforward",
        "ephemeralcontainers",
        "resize",
    ] {
        strict
            .ask(&create.clone().with("subResource", part))
            .silent();
    }
}

#[test]
fn scaling_is_judged_unless_somebody_wants_silence() {
    let node = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {conditions: [{type: Ready, status: 'True'}]}\n";
    let web = DEPLOYMENT.replace("containerPort: 8080", "containerPort: 8080, hostPort: 80");
    let scale = |replicas: i32| {
        let object = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": replicas}});
        Request::new(Operation::Update, Some(object.clone()), Some(object))
            .with("subResource", "scale")
            .with(
                "resource",
                json!({"group": "apps", "version": "v1", "resource": "deployments"}),
            )
    };
    let silent = Cluster::of(&[node, &web]).policy("profile: strict\nscale: ignored");
    silent.ask(&scale(3)).silent();
    let asked = Cluster::of(&[node, &web]).strict();
    asked.ask(&scale(3)).warns(&["HST010"]);
    asked.ask(&scale(1)).silent();
    asked.ask(&scale(3).with("name", "other")).silent();
}
