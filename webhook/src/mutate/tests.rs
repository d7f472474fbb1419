//! Repairs are few, declared, and the same the second time.

use crate::admit::{
    Outcome, Verdict,
    tests::kit::{Answer, Cluster, DEPLOYMENT, Request, host_network, parsed},
};
use base64::Engine as _;
use netdoctor_engine::rules::RULES;
use serde_json::{Value, json};

const ENABLED: &str = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {netdoctor.io/mutate: enabled}}\n";

fn open_dns() -> String {
    host_network().replace("dnsPolicy: Default, ", "")
}

fn wrong_host_port() -> String {
    DEPLOYMENT
        .replace(
            "spec: {containers",
            "spec: {hostNetwork: true, dnsPolicy: Default, containers",
        )
        .replace("containerPort: 8080", "containerPort: 8080, hostPort: 80")
}

/// The patch of an answer, decoded as an API server does.
fn patch_of(answer: &Answer) -> Value {
    let response = &answer.json["response"];
    assert!(answer.allowed());
    match response["patch"].as_str() {
        None => {
            assert!(response["patchType"].is_null());
            json!([])
        }
        Some(text) => {
            assert_eq!(response["patchType"], "JSONPatch");
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(text)
                .unwrap();
            serde_json::from_slice(&bytes).unwrap()
        }
    }
}

fn repaired(cluster: &Cluster, yaml: &str) -> Value {
    patch_of(&cluster.mutate(&Request::create(yaml)))
}

#[test]
fn the_default_dns_policy_is_repaired_where_the_namespace_asks() {
    let asking = Cluster::of(&[ENABLED]);
    for yaml in [
        open_dns(),
        open_dns().replace(
            "hostNetwork: true",
            "hostNetwork: true, dnsPolicy: ClusterFirst",
        ),
    ] {
        let answer = asking.mutate(&Request::create(&yaml));
        assert_eq!(
            patch_of(&answer),
            json!([{"op": "add", "path": "/spec/template/spec/dnsPolicy", "value": "ClusterFirstWithHostNet"}])
        );
        assert_eq!(answer.decision.verdict, Verdict::Patch);
        assert!(answer.decision.rules.contains(&("HST004", Outcome::Patch)));
        assert_eq!(
            answer.warnings(),
            [
                "HST004: changed Deployment shop/web: set dnsPolicy: ClusterFirstWithHostNet (namespace shop has netdoctor.io/mutate=enabled)"
            ]
        );
        assert_eq!(answer.annotation("rules"), "HST004=patch");
    }
    for other in [
        "",
        "netdoctor.io/mutate: disabled",
        "netdoctor.io/mutate: 'true'",
    ] {
        let namespace = format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{{other}}}}}\n"
        );
        Cluster::of(&[&namespace])
            .mutate(&Request::create(&open_dns()))
            .silent();
    }
    Cluster::of(&[])
        .mutate(&Request::create(&open_dns()))
        .silent();
}

#[test]
fn a_host_port_that_would_be_refused_is_repaired() {
    let asking = Cluster::of(&[ENABLED]);
    assert_eq!(
        repaired(&asking, &wrong_host_port()),
        json!([{"op": "replace", "path": "/spec/template/spec/containers/0/ports/0/hostPort", "value": 8080}])
    );
    // Two ports that would become one are left for the user.
    let two = wrong_host_port().replace(
        "hostPort: 80}",
        "hostPort: 80}, {name: b, containerPort: 8080, hostPort: 81}",
    );
    assert_eq!(repaired(&asking, &two), json!([]));
}

/// The API server does not look at init containers, so nothing would be refused.
#[test]
fn host_ports_of_init_containers_are_left_alone() {
    let asking = Cluster::of(&[ENABLED]);
    for restart in ["", "restartPolicy: Always, "] {
        let yaml = wrong_host_port()
            .replace("containerPort: 8080, hostPort: 80", "containerPort: 8080")
            .replace(
                "containers: [",
                &format!("initContainers: [{{name: i, {restart}image: i, ports: [{{containerPort: 9090, hostPort: 90}}]}}], containers: ["),
            );
        assert_eq!(repaired(&asking, &yaml), json!([]));
    }
}

#[test]
fn what_the_user_decided_is_left_alone() {
    let asking = Cluster::of(&[ENABLED]);
    for policy in ["Default", "ClusterFirstWithHostNet", "None"] {
        let yaml = open_dns().replace(
            "hostNetwork: true",
            &format!("hostNetwork: true, dnsPolicy: {policy}"),
        );
        assert_eq!(repaired(&asking, &yaml), json!([]), "{policy}");
    }
    // By the time a webhook is asked the API server has filled in the default. What was applied tells.
    let mut object = parsed(&open_dns().replace(
        "hostNetwork: true",
        "hostNetwork: true, dnsPolicy: ClusterFirst",
    ));
    let mut applied = |manifest: Value| {
        let key = "kubectl.kubernetes.io/last-applied-configuration";
        object["metadata"]["annotations"][key] = manifest.to_string().into();
        let request = Request::new(crate::admit::Operation::Create, None, Some(object.clone()));
        patch_of(&asking.mutate(&request))
    };
    let stated = json!({"spec": {"template": {"spec": {"dnsPolicy": "ClusterFirst"}}}});
    assert_eq!(applied(stated), json!([]));
    let silent = json!({"spec": {"template": {"spec": {"hostNetwork": true}}}});
    assert_eq!(applied(silent).as_array().unwrap().len(), 1);
    for odd in [json!("x"), json!([]), json!(null)] {
        assert_eq!(applied(odd).as_array().unwrap().len(), 1);
    }
    // Server-side apply leaves its note elsewhere, and who writes otherwise is noted with the defaults.
    let mut owned = |operation: &str, fields: Value| {
        object["metadata"]["managedFields"] = json!([
            {"manager": "other", "operation": "Apply"},
            {"manager": "m", "operation": operation, "fieldsType": "FieldsV1", "fieldsV1": fields},
        ]);
        let request = Request::new(crate::admit::Operation::Create, None, Some(object.clone()));
        patch_of(&asking.mutate(&request))
    };
    let of = |field: &str| json!({"f:spec": {"f:template": {"f:spec": {field: {}}}}});
    assert_eq!(owned("Apply", of("f:dnsPolicy")), json!([]));
    assert_eq!(
        owned("Update", of("f:dnsPolicy")).as_array().unwrap().len(),
        1
    );
    assert_eq!(
        owned("Apply", of("f:hostNetwork"))
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let elsewhere = json!({"f:spec": {"f:dnsPolicy": {}}, "f:dnsPolicy": {}});
    assert_eq!(owned("Apply", elsewhere).as_array().unwrap().len(), 1);
    // Anti-affinity is suggested, never injected: three replicas, and only their DNS is touched.
    assert_eq!(repaired(&asking, &open_dns()).as_array().unwrap().len(), 1);
    let allowed = open_dns().replace(
        "namespace: shop}",
        "namespace: shop, annotations: {netdoctor.io/allow-HST004: node names only}}",
    );
    assert_eq!(repaired(&asking, &allowed), json!([]));
    let off = Cluster::of(&[ENABLED]).policy("overrides: [{code: HST004, mode: off}]");
    assert_eq!(repaired(&off, &open_dns()), json!([]));
}

#[test]
fn updates_are_repaired_only_with_a_rollout_that_starts_anyway() {
    let asking = Cluster::of(&[ENABLED]);
    let old = open_dns();
    let update = |new: &str| patch_of(&asking.mutate(&Request::update(&old, new)));
    assert_eq!(
        update(&old.replace("replicas: 3", "replicas: 4")),
        json!([])
    );
    assert_eq!(
        update(&old.replace("image: web", "image: web:2"))
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn immutable_and_owned_objects_are_left_alone() {
    let asking = Cluster::of(&[ENABLED]);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {hostNetwork: true, containers: [{name: c, image: c}]}\n";
    assert_eq!(
        repaired(&asking, pod),
        json!([{"op": "add", "path": "/spec/dnsPolicy", "value": "ClusterFirstWithHostNet"}])
    );
    let changed =
        patch_of(&asking.mutate(&Request::update(pod, &pod.replace("image: c", "image: d"))));
    assert_eq!(changed, json!([]));
    let job = open_dns()
        .replace("kind: Deployment", "kind: Job")
        .replace("apps/v1", "batch/v1");
    let changed = patch_of(&asking.mutate(&Request::update(
        &job,
        &job.replace("image: web", "image: d"),
    )));
    assert_eq!(changed, json!([]));
    let owned = open_dns().replace(
        "namespace: shop}",
        "namespace: shop, ownerReferences: [{kind: A, name: a, uid: u, controller: true}]}",
    );
    assert_eq!(repaired(&asking, &owned), json!([]));
    let deleting = open_dns().replace(
        "namespace: shop}",
        "namespace: shop, deletionTimestamp: '2026-01-01T00:00:00Z'}",
    );
    assert_eq!(repaired(&asking, &deleting), json!([]));
    let cron = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c", "namespace": "shop"},
        "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": parsed(&open_dns())["spec"]}}});
    let request = Request::new(crate::admit::Operation::Create, None, Some(cron));
    assert_eq!(
        patch_of(&asking.mutate(&request))[0]["path"],
        "/spec/jobTemplate/spec/template/spec/dnsPolicy"
    );
    let system = open_dns().replace("namespace: shop", "namespace: kube-system");
    assert_eq!(repaired(&asking, &system), json!([]));
    // A dry run gets the same patch: nothing else happens because of it.
    let dry = asking.mutate(&Request::create(&open_dns()).dry_run());
    assert_eq!(patch_of(&dry), repaired(&asking, &open_dns()));
}

/// Fields that a repair may touch, whatever the workload.
fn is_declared(path: &str) -> bool {
    path.ends_with("/spec/dnsPolicy") || (path.ends_with("/hostPort") && path.contains("/ports/"))
}

/// Applies what both webhooks would, as the API server does.
fn apply(cluster: &Cluster, object: &Value) -> Value {
    let request = Request::new(crate::admit::Operation::Create, None, Some(object.clone()));
    let patch = patch_of(&cluster.mutate(&request));
    for operation in patch.as_array().unwrap() {
        assert_ne!(operation["op"], "test");
        assert!(
            is_declared(operation["path"].as_str().unwrap()),
            "{operation}"
        );
    }
    let mut after = object.clone();
    let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
    json_patch::patch(&mut after, &patch).unwrap();
    after
}

/// Every object of every page, and of the manifests beside this repository's tests.
fn corpus() -> Vec<Value> {
    let pages = RULES.iter().map(|rule| rule.page);
    let examples = pages.flat_map(|page| page.split("```yaml\n").skip(1));
    let mut texts: Vec<String> = examples
        .map(|text| text.split("```").next().unwrap_or("").to_owned())
        .collect();
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if matches!(
                path.extension().and_then(|e| e.to_str()),
                Some("yaml" | "yml")
            ) {
                texts.push(std::fs::read_to_string(path).unwrap_or_default());
            }
        }
    }
    let documents = texts.iter().flat_map(|text| {
        let parsed = netdoctor_engine::manifest::parse(text.as_bytes());
        parsed.documents.into_iter().map(|document| document.value)
    });
    let objects = documents.flat_map(|value| match value["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![value],
    });
    objects
        .filter(|object| object["kind"].is_string() && object["metadata"].is_object())
        .collect()
}

#[test]
fn a_second_repair_changes_nothing() {
    let cluster = Cluster::of(&[ENABLED]);
    let (mut seen, mut changed) = (0, 0);
    for mut object in corpus() {
        object["metadata"]["namespace"] = "shop".into();
        let once = apply(&cluster, &object);
        assert_eq!(apply(&cluster, &once), once, "{object}");
        seen += 1;
        changed += usize::from(once != object);
        // The same with the defaults that an API server would have filled in by then.
        let mut defaulted = object.clone();
        for pointer in [
            "/spec",
            "/spec/template/spec",
            "/spec/jobTemplate/spec/template/spec",
        ] {
            if let Some(spec) = defaulted
                .pointer_mut(pointer)
                .filter(|spec| spec["containers"].is_array())
                && spec["dnsPolicy"].is_null()
            {
                spec["dnsPolicy"] = "ClusterFirst".into();
            }
        }
        let once = apply(&cluster, &defaulted);
        assert_eq!(apply(&cluster, &once), once, "{object}");
    }
    assert!(seen > 150 && changed > 3, "{changed} of {seen}");
}

#[test]
fn pointers_hold_for_keys_of_any_form() {
    let mut object = parsed(&open_dns());
    object["spec"]["template"]["metadata"]["labels"]["a~b/c"] = "x".into();
    let once = apply(&Cluster::of(&[ENABLED]), &object);
    assert_eq!(
        once["spec"]["template"]["spec"]["dnsPolicy"],
        "ClusterFirstWithHostNet"
    );
}
