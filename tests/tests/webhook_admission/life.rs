//! Objects on their way in and on their way out, and those that somebody else owns.

use crate::manifests::{EDGE, SERVICE, WEB};
use crate::stage::{Run, apply, refused, silent, stage, try_out, wait};
use serde_json::{Value, json};

#[test]
fn what_is_being_deleted_is_left_alone() {
    let Some(stage) = stage() else { return };
    let shop = stage.server.namespace();
    let held = EDGE.replace(
        "{name: edge}\nspec:\n  rep",
        "{name: edge, finalizers: [netdoctor.io/test]}\nspec:\n  rep",
    );
    apply(&shop, &held).ok();
    apply(&shop, WEB).ok();
    stage.until_warned(&shop, SERVICE, "SVC004");
    apply(&shop, SERVICE).ok();
    stage.profile(&shop, "strict");
    shop.kubectl(&["delete", "deployment", "edge", "--wait=false"])
        .ok();
    // Even an edit that would be refused now, and the end of it all.
    let more = r#"{"spec": {"template": {"spec": {"containers": [{"name": "b", "image": "b"}]}}}}"#;
    silent(shop.kubectl(&["patch", "deployment", "edge", "-p", more]));
    let freed = r#"{"metadata": {"finalizers": null}}"#;
    silent(shop.kubectl(&["patch", "deployment", "edge", "--type=merge", "-p", freed]));
    shop.kubectl(&["get", "deployment", "edge"]).exits(1);
    silent(shop.kubectl(&["delete", "service", "web"]));
}

#[test]
fn a_namespace_goes_with_everything_that_is_wrong_in_it() {
    let Some(stage) = stage() else { return };
    let shop = stage.server.namespace();
    apply(&shop, EDGE).ok();
    apply(&shop, WEB).ok();
    stage.until_warned(&shop, SERVICE, "SVC004");
    apply(&shop, SERVICE).ok();
    stage.profile(&shop, "strict");
    stage
        .server
        .kubectl(&["delete", "namespace", &shop, "--wait=false"])
        .ok();
    wait("the namespace to go", || {
        stage.server.kubectl(&["get", "namespace", &shop]).code == Some(1)
    });
}

#[test]
fn a_pod_that_asks_for_a_name_is_judged_under_the_name_that_it_gets() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("strict");
    let pod = |port: Value| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "batch-"},
            "spec": {"containers": [{
                "name": "a", "image": "a", "ports": [{"containerPort": 8080}],
                "livenessProbe": {"httpGet": {"port": port}},
            }]},
        })
    };
    let answer = stage.post(&shop, &pod("health".into()), Run::Real);
    assert_eq!(answer.status, 403);
    let message = answer.json()["message"]
        .as_str()
        .expect("a message")
        .to_owned();
    let begins = format!("PRB001: livenessProbe of container a of Pod {shop}/batch-");
    assert!(message.contains(&begins), "{message}");
    for _ in 0..2 {
        stage.post(&shop, &pod(8080.into()), Run::Real).ok();
    }
}

#[test]
fn what_a_controller_makes_is_never_refused() {
    let Some(stage) = stage() else { return };
    let shop = stage.server.namespace();
    apply(&shop, EDGE).ok();
    stage.profile(&shop, "strict");
    stage.calls(&shop);
    let uid = shop
        .kubectl(&[
            "get",
            "deployment",
            "edge",
            "-o",
            "jsonpath={.metadata.uid}",
        ])
        .ok()
        .stdout;
    let owner = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "edge", "uid": uid, "controller": true}]);
    let template = json!({
        "metadata": {"labels": {"app": "edge"}},
        "spec": {
            "hostNetwork": true, "dnsPolicy": "ClusterFirstWithHostNet",
            "containers": [{"name": "edge", "image": "edge", "livenessProbe": {"httpGet": {"port": "health"}}}],
        },
    });
    let set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": "edge-1", "labels": {"app": "edge"}, "ownerReferences": owner},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "edge"}}, "template": template},
    });
    silent(apply(&shop, &set.to_string()));
    let mut pod = template.clone();
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = "edge-1-a".into();
    pod["metadata"]["ownerReferences"] = owner.clone();
    silent(apply(&shop, &pod.to_string()));
    // The Pod is not even asked about.
    let calls = stage.calls(&shop);
    assert!(
        calls
            .iter()
            .all(|call| call.request()["kind"]["kind"] != "Pod"),
        "{calls:?}"
    );

    // Without an owner the same is judged.
    pod["metadata"] = json!({"name": "naked"});
    refused(try_out(&shop, &pod.to_string()), "PRB001");
    let mut set = set;
    set["metadata"] = json!({"name": "naked"});
    refused(try_out(&shop, &set.to_string()), "PRB001");
}

const ROLLOUTS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: rollouts.argoproj.io}
spec:
  group: argoproj.io
  scope: Namespaced
  names: {kind: Rollout, plural: rollouts, singular: rollout}
  versions:
    - name: v1alpha1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

#[test]
fn a_custom_workload_is_judged_by_its_pod_template() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("guarded");
    stage.server.apply(ROLLOUTS);
    let crd = "crd/rollouts.argoproj.io";
    stage
        .server
        .kubectl(&["wait", "--for=condition=Established", crd])
        .ok();
    let rollout = EDGE
        .replace("apps/v1", "argoproj.io/v1alpha1")
        .replace("kind: Deployment", "kind: Rollout");
    wait("the kind", || {
        !try_out(&shop, &rollout)
            .stderr
            .contains("no matches for kind")
    });
    let probed = rollout.replace(
        "image: edge}",
        "image: edge, livenessProbe: {httpGet: {port: health}}}",
    );
    let output = refused(apply(&shop, &probed), "PRB001");
    assert!(
        output.stderr.contains(&format!("Rollout {shop}/edge")),
        "{}",
        output.stderr
    );
    let fixed = probed.replace(
        "image: edge,",
        "image: edge, ports: [{name: health, containerPort: 80}],",
    );
    apply(&shop, &fixed).ok();
    // Ratcheting knows it as well.
    let patch = r#"{"metadata": {"labels": {"a": "b"}}}"#;
    silent(shop.kubectl(&["patch", "rollout", "edge", "--type=merge", "-p", patch]));
    shop.kubectl(&["delete", "rollout", "edge"]).ok();
}
