//! The match conditions on a real API server: each is total, and each decides what it says.
//!
//! A webhook that cannot be reached and fails closed tells by the text of the refusal whether it was asked: `connection
//! refused` when the condition holds, nothing when it does not, and the text of the failure when it has none.

use std::time::Instant;

use netdoctor_manifests::{Options, names, render};
use netdoctor_tests::{ApiServer, Spec};
use serde_json::{Value, json};

/// What the API server made of a condition for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Asked,
    PassedBy,
    Failed(String),
}

fn conditions() -> Vec<(String, String)> {
    let objects = render(&Options::default());
    let configuration = objects
        .iter()
        .find(|object| object["metadata"]["name"] == names::VALIDATING)
        .unwrap();
    let conditions = configuration["webhooks"][0]["matchConditions"].as_array();
    conditions
        .unwrap()
        .iter()
        .map(|condition| {
            let text = |field: &str| condition[field].as_str().unwrap().to_owned();
            (text("name"), text("expression"))
        })
        .collect()
}

/// A webhook with one condition, for everything in the namespaces of this test.
fn install(server: &ApiServer, name: &str, expression: &str) {
    let rules = json!([{
        "apiGroups": ["", "apps", "batch", "networking.k8s.io", "example.com"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": ["pods", "services", "deployments", "replicasets", "jobs", "ingresses", "ingressclasses", "oddities"],
    }]);
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "probe"},
        "webhooks": [{
            "name": "probe.netdoctor.io",
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": "https://127.0.0.1:1/"},
            "failurePolicy": "Fail",
            "matchConditions": [{"name": name, "expression": expression}],
            "rules": rules,
            "sideEffects": "None",
            "timeoutSeconds": 1,
        }],
    });
    server.apply(&configuration.to_string());
}

fn verdict(output: &netdoctor_tests::cmd::Output) -> Verdict {
    let refused = output.stderr.contains("failed calling webhook");
    if refused && output.stderr.contains("connect") {
        Verdict::Asked
    } else if output.code == Some(0) {
        Verdict::PassedBy
    } else {
        Verdict::Failed(output.stderr.clone())
    }
}

struct Probe<'a> {
    server: &'a ApiServer,
    namespace: &'a str,
}

impl Probe<'_> {
    fn create(&self, object: &Value) -> Verdict {
        self.create_as(object, &[])
    }

    fn create_as(&self, object: &Value, identity: &[&str]) -> Verdict {
        let arguments = [
            &[
                "create",
                "--dry-run=server",
                "-n",
                self.namespace,
                "-f",
                "-",
            ],
            identity,
        ]
        .concat();
        verdict(
            &self
                .server
                .kubectl_with_input(&arguments, &object.to_string()),
        )
    }

    fn patch(&self, target: &str, patch: &Value) -> Verdict {
        let patch = patch.to_string();
        verdict(&self.server.kubectl(&[
            "patch",
            target,
            "-n",
            self.namespace,
            "--dry-run=server",
            "--type=merge",
            "-p",
            &patch,
        ]))
    }

    /// A configuration takes effect a moment after it was written: the verdict that has to come, sooner or later.
    fn settle(&self, wanted: &Verdict, object: &Value) {
        let started = Instant::now();
        while self.create(object) != *wanted {
            assert!(
                started.elapsed().as_secs() < 30,
                "the condition never took effect"
            );
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }
}

fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "c"}]},
    })
}

fn oddity(name: &str) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Oddity", "metadata": {"name": name}})
}

fn owned(mut object: Value, controller: Option<bool>) -> Value {
    let mut owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "1"});
    if let Some(controller) = controller {
        owner["controller"] = controller.into();
    }
    object["metadata"]["ownerReferences"] = json!([owner]);
    object
}

/// Objects that have as little as the API server lets through, and one of a kind without any schema.
fn prepare(server: &ApiServer) -> String {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "oddities.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Oddity", "plural": "oddities"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}],
        },
    });
    server.apply(&definition.to_string());
    server
        .kubectl(&[
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "crd/oddities.example.com",
        ])
        .ok();
    let namespace = server.namespace_called("conditions").to_string();
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        pod("plain"),
        oddity("bare"),
        {"apiVersion": "example.com/v1", "kind": "Oddity", "metadata": {"name": "flat"}, "spec": 7},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}},
        {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "i"},
         "spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}},
        {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "c"},
         "spec": {"controller": "example.com/c"}},
    ]});
    let applied = server.kubectl_with_input(
        &["apply", "-n", &namespace, "-f", "-"],
        &objects.to_string(),
    );
    applied.ok();
    namespace
}

#[test]
fn conditions_are_total_and_decide_what_they_say() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let namespace = prepare(&server);
    let probe = Probe {
        server: &server,
        namespace: &namespace,
    };
    for (name, expression) in conditions() {
        install(&server, &name, &expression);
        match name.as_str() {
            "not-the-control-plane" => control_plane(&probe),
            "not-being-deleted" => deleted(&probe),
            "not-owned-by-a-controller" => owners(&probe),
            "something-changed-that-rules-read" => changes(&probe),
            other => panic!("{other} is not tested"),
        }
        none_fails(&probe);
        server
            .kubectl(&["delete", "validatingwebhookconfiguration", "probe"])
            .ok();
        probe.settle(&Verdict::PassedBy, &pod("after"));
    }
}

fn control_plane(probe: &Probe<'_>) {
    probe.settle(&Verdict::Asked, &pod("p"));
    for identity in [
        &[
            "--as=system:kube-controller-manager",
            "--as-group=system:masters",
        ][..],
        &["--as=system:kube-scheduler", "--as-group=system:masters"],
        &[
            "--as=system:serviceaccount:kube-system:x",
            "--as-group=system:serviceaccounts:kube-system",
            "--as-group=system:masters",
        ],
        &[
            "--as=system:node:a",
            "--as-group=system:nodes",
            "--as-group=system:masters",
        ],
    ] {
        assert_eq!(
            probe.create_as(&pod("p"), identity),
            Verdict::PassedBy,
            "{identity:?}"
        );
    }
    let person = ["--as=jane", "--as-group=system:masters"];
    assert_eq!(probe.create_as(&pod("p"), &person), Verdict::Asked);
}

fn deleted(probe: &Probe<'_>) {
    probe.settle(&Verdict::Asked, &pod("p"));
    let held = json!({"metadata": {"finalizers": ["example.com/held"]}});
    // Written around the webhook, which refuses everything now: nothing but a condition lets this through.
    probe
        .server
        .kubectl(&["delete", "validatingwebhookconfiguration", "probe"])
        .ok();
    probe.settle(&Verdict::PassedBy, &pod("p"));
    let target = [
        "patch",
        "service/s",
        "-n",
        probe.namespace,
        "--type=merge",
        "-p",
    ];
    probe
        .server
        .kubectl(&[&target[..], &[&held.to_string()]].concat())
        .ok();
    probe
        .server
        .kubectl(&["delete", "service/s", "-n", probe.namespace, "--wait=false"])
        .ok();
    let (name, expression) = conditions()
        .into_iter()
        .find(|(name, _)| name == "not-being-deleted")
        .unwrap();
    install(probe.server, &name, &expression);
    probe.settle(&Verdict::Asked, &pod("p"));
    assert_eq!(
        probe.patch("service/s", &json!({"metadata": {"finalizers": null}})),
        Verdict::PassedBy
    );
    probe
        .server
        .kubectl(&[&target[..], &["{\"metadata\":{\"finalizers\":null}}"]].concat())
        .ok();
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    assert_eq!(probe.create(&service), Verdict::Asked);
    probe
        .server
        .kubectl(&["delete", "validatingwebhookconfiguration", "probe"])
        .ok();
    probe.settle(&Verdict::PassedBy, &pod("p"));
    let created = probe.server.kubectl_with_input(
        &["create", "-n", probe.namespace, "-f", "-"],
        &service.to_string(),
    );
    created.ok();
    install(probe.server, &name, &expression);
    probe.settle(&Verdict::Asked, &pod("p"));
}

fn owners(probe: &Probe<'_>) {
    probe.settle(&Verdict::PassedBy, &owned(pod("p"), Some(true)));
    probe.settle(&Verdict::Asked, &pod("p"));
    assert_eq!(probe.create(&owned(pod("p"), None)), Verdict::Asked);
    assert_eq!(probe.create(&owned(pod("p"), Some(false))), Verdict::Asked);
    // A Service that belongs to an operator is judged: nobody makes it again and again.
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "t"}, "spec": {"ports": [{"port": 80}]}});
    assert_eq!(probe.create(&owned(service, Some(true))), Verdict::Asked);
}

fn changes(probe: &Probe<'_>) {
    probe.settle(&Verdict::Asked, &pod("p"));
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    let annotation = json!({"metadata": {"annotations": {"a": "b"}}});
    let finalizer = json!({"metadata": {"finalizers": ["example.com/held"]}});
    let table = [
        ("pod/plain", &label, Verdict::Asked),
        ("pod/plain", &annotation, Verdict::PassedBy),
        ("pod/plain", &finalizer, Verdict::PassedBy),
        ("service/s", &label, Verdict::PassedBy),
        ("service/s", &annotation, Verdict::PassedBy),
        ("ingress/i", &label, Verdict::PassedBy),
        ("ingress/i", &annotation, Verdict::Asked),
        ("ingressclass/c", &annotation, Verdict::Asked),
    ];
    for (target, patch, wanted) in table {
        assert_eq!(probe.patch(target, patch), wanted, "{target} {patch}");
    }
    let selector = json!({"spec": {"selector": {"app": "x"}}});
    assert_eq!(probe.patch("service/s", &selector), Verdict::Asked);
    let added = json!({"spec": {"x": 1}});
    assert_eq!(probe.patch("oddity/bare", &added), Verdict::Asked);
    assert_eq!(probe.patch("oddity/bare", &label), Verdict::PassedBy);
    assert_eq!(
        probe.patch("oddity/flat", &json!({"spec": 8})),
        Verdict::Asked
    );
    large_specs(probe);
}

/// The comparison of two specifications stays within the API server's budget for conditions (webhook.md 4.1).
fn large_specs(probe: &Probe<'_>) {
    let entries: serde_json::Map<String, Value> = (0..20_000)
        .map(|number| (format!("key-{number}"), json!({"value": "x".repeat(40)})))
        .collect();
    let large = json!({"apiVersion": "example.com/v1", "kind": "Oddity", "metadata": {"name": "large"}, "spec": entries});
    assert!(large.to_string().len() > 1_000_000);
    assert_eq!(probe.create(&large), Verdict::Asked);
    probe
        .server
        .kubectl(&["delete", "validatingwebhookconfiguration", "probe"])
        .ok();
    probe.settle(&Verdict::PassedBy, &pod("p"));
    let created = probe.server.kubectl_with_input(
        &["create", "-n", probe.namespace, "-f", "-"],
        &large.to_string(),
    );
    created.ok();
    let (name, expression) = conditions()
        .into_iter()
        .find(|(name, _)| name.starts_with("something"))
        .unwrap();
    install(probe.server, &name, &expression);
    probe.settle(&Verdict::Asked, &pod("p"));
    assert_eq!(
        probe.patch("oddity/large", &json!({"metadata": {"labels": {"a": "b"}}})),
        Verdict::PassedBy
    );
    assert_eq!(
        probe.patch("oddity/large", &json!({"spec": {"key-7": null}})),
        Verdict::Asked
    );
}

/// Whatever arrives, a condition holds or does not; it never fails.
fn none_fails(probe: &Probe<'_>) {
    let objects = [
        pod("n"),
        owned(pod("n"), None),
        oddity("n"),
        json!({"apiVersion": "example.com/v1", "kind": "Oddity", "metadata": {"name": "n"}, "spec": null}),
        json!({"apiVersion": "example.com/v1", "kind": "Oddity", "metadata": {"generateName": "n-"}, "spec": [1]}),
        owned(oddity("n"), Some(true)),
    ];
    for object in &objects {
        let verdict = probe.create(object);
        assert!(
            !matches!(verdict, Verdict::Failed(_)),
            "{object}: {verdict:?}"
        );
    }
    for target in [
        "pod/plain",
        "oddity/bare",
        "oddity/flat",
        "service/s",
        "ingress/i",
    ] {
        for patch in [
            json!({"metadata": {"labels": {"a": "b"}}}),
            json!({"metadata": {"annotations": {"a": "b"}}}),
        ] {
            let verdict = probe.patch(target, &patch);
            assert!(
                !matches!(verdict, Verdict::Failed(_)),
                "{target}: {verdict:?}"
            );
        }
        let gone =
            probe
                .server
                .kubectl(&["delete", target, "-n", probe.namespace, "--dry-run=server"]);
        assert!(
            !matches!(verdict(&gone), Verdict::Failed(_)),
            "{target}: {}",
            gone.stderr
        );
    }
}
