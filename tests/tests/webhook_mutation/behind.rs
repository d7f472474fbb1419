//! Repairs as users of `kubectl` meet them.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::published::workloads;
use crate::repair::{cluster, differences, is_declared, patch};
use netdoctor_engine::model::Kind;
use netdoctor_manifests::{Component, Options};
use netdoctor_tests::cmd::Output;
use netdoctor_tests::webhook::{Settings, Webhook};
use netdoctor_tests::{ApiServer, Namespace, Spec};
use serde_json::{Value, json};

struct Stage {
    server: ApiServer,
    _webhook: Webhook,
}

fn stage() -> Option<&'static Stage> {
    static STAGE: OnceLock<Option<Stage>> = OnceLock::new();
    let build = || {
        let server = ApiServer::start(&Spec::default())?;
        let settings = Settings {
            options: Options {
                components: [Component::Mutate].into(),
                ..Options::default()
            },
            ..Settings::default()
        };
        let webhook = Webhook::start(&server, settings);
        webhook.guard(&server);
        Some(Stage {
            server,
            _webhook: webhook,
        })
    };
    STAGE.get_or_init(build).as_ref()
}

/// On the node's network, with a DNS policy that does not go with it and that nobody chose.
const EDGE: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: edge, annotations: {example.org/a_b: '~1/~0', example.org/quote: 'a\"b'}}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: edge}}
  template:
    metadata: {labels: {app.kubernetes.io/name: edge}}
    spec:
      hostNetwork: true
      containers: [{name: edge, image: edge, args: [--to=db.shop.svc.cluster.local]}]
";

const DNS: &str = "jsonpath={.spec.template.spec.dnsPolicy}";

/// A namespace that asks for repairs, as server and webhook know by now.
fn asking(stage: &Stage) -> Namespace<'_> {
    let shop = stage.server.namespace();
    ask(stage, &shop);
    shop
}

fn ask(stage: &Stage, shop: &Namespace<'_>) {
    let label = ["label", "namespace", shop, "netdoctor.io/mutate=enabled"];
    stage.server.kubectl(&label).ok();
    let probe = EDGE.replace("{name: edge, ann", "{name: probe, ann");
    let tried = ["create", "--dry-run=server", "-o", DNS, "-f", "-"];
    let began = Instant::now();
    while shop.kubectl_with_input(&tried, &probe).ok().stdout != "ClusterFirstWithHostNet" {
        assert!(began.elapsed() < Duration::from_mins(1), "no repair");
    }
}

fn apply(shop: &Namespace<'_>, manifest: &str) -> Output {
    shop.kubectl_with_input(&["apply", "-f", "-"], manifest)
}

fn dns(shop: &Namespace<'_>, object: &str) -> String {
    shop.kubectl(&["get", object, "-o", DNS]).ok().stdout
}

#[test]
fn what_the_user_left_open_is_repaired_and_named() {
    let Some(stage) = stage() else { return };
    let shop = asking(stage);
    let output = apply(&shop, EDGE).ok();
    let said = format!(
        "Warning: HST004: changed DaemonSet {shop}/edge: set dnsPolicy: ClusterFirstWithHostNet (namespace {shop} has \
         netdoctor.io/mutate=enabled)"
    );
    assert!(output.stderr.contains(&said), "{}", output.stderr);
    assert!(
        !output.stderr.contains("HST004: Pods") && output.stderr.lines().count() == 1,
        "{}",
        output.stderr
    );
    assert_eq!(dns(&shop, "daemonset/edge"), "ClusterFirstWithHostNet");
    // The same manifest again: nothing to change, nothing to say.
    let again = apply(&shop, EDGE).ok();
    assert_eq!(
        (again.stdout.trim(), &*again.stderr),
        ("daemonset.apps/edge unchanged", "")
    );

    // What somebody decided stays.
    let decided = EDGE
        .replace("{name: edge, ann", "{name: decided, ann")
        .replace(
            "hostNetwork: true",
            "hostNetwork: true\n      dnsPolicy: ClusterFirst",
        );
    let output = apply(&shop, &decided).ok();
    assert!(
        output.stderr.contains("HST004") && !output.stderr.contains("changed"),
        "{}",
        output.stderr
    );
    assert_eq!(dns(&shop, "daemonset/decided"), "ClusterFirst");
}

#[test]
fn a_host_port_that_the_api_server_would_refuse_becomes_the_only_one_it_takes() {
    let Some(stage) = stage() else { return };
    let shop = asking(stage);
    let wrong = EDGE.replace(
        "image: edge,",
        "image: edge, ports: [{containerPort: 8080, hostPort: 80}],",
    );
    let output = apply(&shop, &wrong).ok();
    assert!(
        output.stderr.contains("HST001: changed DaemonSet"),
        "{}",
        output.stderr
    );
    let port = "jsonpath={.spec.template.spec.containers[0].ports[0].hostPort}";
    let stored = shop
        .kubectl(&["get", "daemonset", "edge", "-o", port])
        .ok()
        .stdout;
    assert_eq!(stored, "8080");
    // Elsewhere the API server says what it always says.
    let other = stage.server.namespace();
    let refused = apply(&other, &wrong).exits(1);
    assert!(
        refused.stderr.contains("must match `containerPort`"),
        "{}",
        refused.stderr
    );
}

#[test]
fn nobody_is_repaired_who_did_not_ask() {
    let Some(stage) = stage() else { return };
    let shop = stage.server.namespace();
    apply(&shop, EDGE).ok();
    assert_eq!(dns(&shop, "daemonset/edge"), "ClusterFirst");
    let label = [
        "label",
        "namespace",
        "kube-system",
        "netdoctor.io/mutate=enabled",
    ];
    stage.server.kubectl(&label).ok();
    // Long enough for everybody to have seen the label: another namespace asks later and is heard.
    let later = asking(stage);
    apply(&later, EDGE).ok();
    let system = ["-n", "kube-system", "apply", "-f", "-"];
    let output = stage.server.kubectl_with_input(&system, EDGE).ok();
    assert!(!output.stderr.contains("Warning"), "{}", output.stderr);
    let stored =
        stage
            .server
            .kubectl(&["-n", "kube-system", "get", "daemonset", "edge", "-o", DNS]);
    assert_eq!(stored.ok().stdout, "ClusterFirst");
}

#[test]
fn no_rollout_begins_that_the_user_did_not_begin() {
    let Some(stage) = stage() else { return };
    let shop = stage.server.namespace();
    let deployment = EDGE.replace("DaemonSet", "Deployment");
    apply(&shop, &deployment).ok();
    ask(stage, &shop);
    let generation = || {
        let path = "jsonpath={.metadata.generation}";
        shop.kubectl(&["get", "deployment", "edge", "-o", path])
            .ok()
            .stdout
    };
    for edit in [
        &["annotate", "deployment", "edge", "note=a"][..],
        &["scale", "deployment", "edge", "--replicas=2"],
        &[
            "patch",
            "deployment",
            "edge",
            "-p",
            r#"{"spec": {"minReadySeconds": 3}}"#,
        ],
    ] {
        shop.kubectl(edit).ok();
        assert_eq!(dns(&shop, "deployment/edge"), "ClusterFirst", "{edit:?}");
    }
    let before = generation();
    let output = shop
        .kubectl(&["set", "image", "deployment/edge", "edge=edge:2"])
        .ok();
    assert!(
        output.stderr.contains("HST004: changed"),
        "{}",
        output.stderr
    );
    assert_eq!(dns(&shop, "deployment/edge"), "ClusterFirstWithHostNet");
    let number = |text: String| text.parse::<u32>().expect("a number");
    assert_eq!(
        number(generation()),
        number(before) + 1,
        "one rollout, not two"
    );
}

/// Objects that are tried, of those that are repaired and of those that are not.
const MOST: usize = 120;

#[test]
fn the_api_server_takes_every_repaired_object_that_people_publish() {
    let Some(stage) = stage() else { return };
    let Some(workloads) = workloads() else { return };
    let (plain, shop) = (stage.server.namespace(), asking(stage));
    let cluster = cluster();
    let (open, dull): (Vec<Value>, Vec<Value>) = workloads
        .into_iter()
        .partition(|object| !patch(&cluster, None, object).0.is_empty());
    let dull = dull.into_iter().step_by(17).take(MOST);
    let mut repaired = 0;
    for mut object in open.into_iter().take(MOST).chain(dull) {
        let kind = Kind::of(
            object["apiVersion"].as_str().unwrap(),
            object["kind"].as_str().unwrap(),
        )
        .unwrap();
        let root = if kind.group().is_empty() {
            "/api"
        } else {
            "/apis"
        };
        let mut create = |namespace: &Namespace<'_>| {
            object["metadata"]["namespace"] = (**namespace).into();
            let version = kind.api_version();
            let path = format!(
                "{root}/{version}/namespaces/{}/{}?dryRun=All",
                &**namespace,
                kind.plural()
            );
            stage.server.rest().post(&path, &object).expect("an answer")
        };
        let (before, after) = (create(&plain), create(&shop));
        let name = &before.json()["metadata"]["name"];
        if before.status == 201 {
            assert_eq!(
                after.status,
                201,
                "{name}: {}",
                String::from_utf8_lossy(&after.body)
            );
            let (before, after) = (before.json()["spec"].clone(), after.json()["spec"].clone());
            let places = differences(&json!({"spec": before}), &json!({"spec": after}));
            let owned = |place: &String| is_declared(place) || is_of_the_request(place);
            assert!(places.iter().all(owned), "{name}: {places:?}");
            repaired += usize::from(places.iter().any(|place| is_declared(place)));
        } else {
            repaired += usize::from(after.status == 201);
        }
    }
    assert!(repaired >= 15, "{repaired} repaired");
}

/// What the API server makes up for every request: labels of Jobs with the uid, tokens of Pods.
fn is_of_the_request(place: &str) -> bool {
    place.ends_with("controller-uid")
        || place.contains("kube-api-access")
        || place.contains("/volumes/")
        || place.contains("/volumeMounts/")
}
