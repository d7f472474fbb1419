//! The manifests of the webhook as their users meet them: built by kustomize, accepted by a real API server, admitted under
//! the strictest Pod Security standard, and without a finding of our own rules.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "webhook_manifests/conditions.rs"]
mod conditions;
#[path = "webhook_manifests/definitions.rs"]
mod definitions;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use netdoctor_lab::components;
use netdoctor_manifests::kustomize::OVERLAYS;
use netdoctor_manifests::{Component, Options, component, names, render, yaml};
use netdoctor_tests::cmd::netdoctor;
use netdoctor_tests::{ApiServer, Spec, cmd};
use serde_json::Value;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../manifests")
        .canonicalize()
        .unwrap()
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Objects by what identifies them: kustomize has an order of its own.
fn keyed(objects: Vec<Value>) -> BTreeMap<[String; 4], Value> {
    let count = objects.len();
    let keyed: BTreeMap<[String; 4], Value> = objects
        .into_iter()
        .map(|object| {
            let key = [
                "/apiVersion",
                "/kind",
                "/metadata/namespace",
                "/metadata/name",
            ]
            .map(|pointer| text(&object, pointer).to_owned());
            (key, object)
        })
        .collect();
    assert_eq!(keyed.len(), count, "two objects of one name");
    keyed
}

fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

/// What the real kustomize makes of a folder.
fn build(kubectl: &Path, folder: &Path) -> Vec<Value> {
    let output = cmd::Program::new(kubectl)
        .args(["kustomize"])
        .args([folder])
        .run()
        .ok();
    documents(&output.stdout)
}

/// A kustomization of the base and some components, in a folder that disappears.
fn build_components(kubectl: &Path, components: &[Component]) -> Vec<Value> {
    let scratch = tempfile::tempdir_in(folder().join("..").join("target")).unwrap();
    let relative = "../../manifests";
    let list: Vec<String> = components
        .iter()
        .map(|component| format!("- {relative}/components/{}", component.as_str()))
        .collect();
    let list = list.join("\n");
    let text = format!("resources:\n- {relative}/base\ncomponents:\n{list}\n");
    std::fs::write(scratch.path().join("kustomization.yaml"), text).unwrap();
    build(kubectl, scratch.path())
}

fn with(components: &[Component]) -> Options {
    Options {
        components: components.iter().copied().collect(),
        ..Options::default()
    }
}

fn assert_same(built: Vec<Value>, rendered: Vec<Value>, what: &str) {
    let (built, rendered) = (keyed(built), keyed(rendered));
    let names =
        |objects: &BTreeMap<[String; 4], Value>| objects.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&built), names(&rendered), "{what}");
    for (key, object) in &rendered {
        let (built, rendered) = (yaml::object(&built[key]), yaml::object(object));
        let different = built.lines().zip(rendered.lines()).find(|(a, b)| a != b);
        assert!(built == rendered, "{what}: {key:?}: {different:?}");
    }
}

/// kubectl, or a note why the test does nothing.
fn kubectl() -> Option<PathBuf> {
    // The same message and the same strictness in CI as for every test that needs the components.
    ApiServer::shared()?;
    Some(components::installed().unwrap()?.path("kubectl"))
}

#[test]
fn a88_kustomize_builds_what_we_print() {
    let Some(kubectl) = kubectl() else { return };
    let base = build(&kubectl, &folder().join("base"));
    assert_same(base, render(&Options::default()), "base");
    for overlay in &OVERLAYS {
        let built = build(&kubectl, &folder().join("overlays").join(overlay.name));
        assert_same(built, render(&overlay.options()), overlay.name);
    }
    let install = std::fs::read_to_string(folder().join("install.yaml")).unwrap();
    assert_same(
        documents(&install),
        render(&Options::default()),
        "install.yaml",
    );
}

#[test]
fn a88_components_can_be_combined() {
    let Some(kubectl) = kubectl() else { return };
    for component in component::ALL {
        let built = build_components(&kubectl, &[component]);
        assert_same(built, render(&with(&[component])), component.as_str());
    }
    let many = [
        Component::Strict,
        Component::Mutate,
        Component::CertManager,
        Component::HostNetwork,
        Component::ControlPlane,
        Component::NoPriority,
        Component::Monitoring,
        Component::LabelGuard,
    ];
    assert_same(
        build_components(&kubectl, &many),
        render(&with(&many)),
        "many",
    );
    let small = [
        Component::Guarded,
        Component::SingleReplica,
        Component::Files,
        Component::NoAuditor,
    ];
    assert_same(
        build_components(&kubectl, &small),
        render(&with(&small)),
        "small",
    );
}

#[test]
fn our_own_rules_find_nothing() {
    let mut inputs = vec![("base".to_owned(), Options::default())];
    inputs.extend(
        component::ALL.map(|component| (component.as_str().to_owned(), with(&[component]))),
    );
    for (name, options) in inputs {
        let output = netdoctor()
            .args(["lint", "-", "-o", "json", "--fail-on=info"])
            .stdin(yaml::stream(&render(&options)))
            .run();
        let findings = &output.json()["findings"];
        assert_eq!(
            findings.as_array().map(Vec::len),
            Some(0),
            "{name}: {findings:#}"
        );
        assert_eq!(output.code, Some(0), "{name}");
    }
}

#[test]
fn a_real_api_server_accepts_every_object() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    definitions::install(&server);
    for component in component::ALL {
        let objects = render(&with(&[component]));
        // Namespaced objects need their namespace also in a dry run.
        server.apply(&yaml::object(&objects[0]));
        let objects = yaml::stream(&objects);
        for side in ["--server-side=true", "--server-side=false"] {
            let applied = server.kubectl_with_input(
                &[
                    "apply",
                    side,
                    "--dry-run=server",
                    "--field-manager=kubectl-client-side-apply",
                    "-f",
                    "-",
                ],
                &objects,
            );
            let applied = applied.ok();
            assert!(
                !applied.stderr.contains("Warning"),
                "{}: {}",
                component.as_str(),
                applied.stderr
            );
        }
    }
    // Applied for good: doing it again would change nothing.
    let objects = yaml::stream(&render(&with(&[Component::Mutate, Component::LabelGuard])));
    server.apply(&objects);
    let again = server
        .kubectl_with_input(&["diff", "-f", "-"], &objects)
        .ok();
    assert_eq!(again.stdout, "");
}

/// Pods as the Deployment controller would make them, in a namespace that is guarded for real.
#[test]
fn a86_pods_pass_the_strictest_standard() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    for options in [
        Options::default(),
        with(&[Component::Files, Component::ControlPlane]),
    ] {
        server.apply(&yaml::stream(&render(&options)));
        for name in [names::WEBHOOK, names::AUDITOR] {
            let pod = pod_of(&options, name);
            let created = server
                .kubectl_with_input(&["create", "--dry-run=server", "-f", "-"], &pod.to_string());
            let created = created.ok();
            assert_eq!(created.stderr, "", "{name}");
        }
    }
    // The standard is enforced, and the same Pod with the node's network is refused.
    let mut pod = pod_of(&Options::default(), names::WEBHOOK);
    pod["spec"]["hostNetwork"] = true.into();
    let refused =
        server.kubectl_with_input(&["create", "--dry-run=server", "-f", "-"], &pod.to_string());
    assert!(
        refused.stderr.contains("PodSecurity \"restricted"),
        "{}",
        refused.stderr
    );
    let options = with(&[Component::HostNetwork]);
    server.apply(&yaml::stream(&render(&options)));
    let pod = pod_of(&options, names::WEBHOOK);
    server
        .kubectl_with_input(&["create", "--dry-run=server", "-f", "-"], &pod.to_string())
        .ok();
}

fn pod_of(options: &Options, name: &str) -> Value {
    let deployment = render(options)
        .into_iter()
        .find(|object| {
            text(object, "/kind") == "Deployment" && text(object, "/metadata/name") == name
        })
        .unwrap();
    let template = &deployment["spec"]["template"];
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("{name}-x"),
            "namespace": options.namespace,
            "labels": template["metadata"]["labels"],
        },
        "spec": template["spec"],
    })
}

#[test]
fn a89_the_accounts_can_do_what_they_need_and_no_more() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    server.apply(&yaml::stream(&render(&Options::default())));
    let can = |account: &str, arguments: &[&str]| {
        let identity = format!("--as=system:serviceaccount:{}:{account}", names::NAMESPACE);
        let answer = server.kubectl(&[&["auth", "can-i"], arguments, &[&identity]].concat());
        answer.stdout.trim() == "yes"
    };
    let here = ["-n", names::NAMESPACE];
    let everywhere = ["-A"];
    for account in [names::WEBHOOK, names::AUDITOR] {
        for kind in [
            "pods",
            "services",
            "nodes",
            "networkpolicies.networking.k8s.io",
        ] {
            assert!(
                can(account, &[&["watch", kind], &everywhere[..]].concat()),
                "{account} {kind}"
            );
        }
        for (verb, kind) in [
            ("list", "secrets"),
            ("get", "secrets"),
            ("list", "configmaps"),
            ("create", "pods"),
        ] {
            assert!(
                !can(account, &[&[verb, kind], &everywhere[..]].concat()),
                "{account} {kind}"
            );
        }
        assert!(
            !can(account, &[&["list", "secrets"], &here[..]].concat()),
            "{account}"
        );
        assert!(
            can(
                account,
                &[&["watch", "configmaps/netdoctor-config"], &here[..]].concat()
            ),
            "{account}"
        );
    }
    let webhook = |arguments: &[&str]| can(names::WEBHOOK, arguments);
    assert!(webhook(&[
        "patch",
        "validatingwebhookconfigurations/netdoctor-validating"
    ]));
    assert!(!webhook(&[
        "patch",
        "validatingwebhookconfigurations/another"
    ]));
    assert!(!webhook(&[
        "delete",
        "validatingwebhookconfigurations/netdoctor-validating"
    ]));
    assert!(!webhook(&["create", "validatingwebhookconfigurations"]));
    assert!(webhook(
        &[&["update", "secrets/netdoctor-webhook-ca"], &here[..]].concat()
    ));
    assert!(!webhook(&[&["create", "events"], &everywhere[..]].concat()));
    let auditor = |arguments: &[&str]| can(names::AUDITOR, arguments);
    assert!(auditor(&[&["create", "events"], &everywhere[..]].concat()));
    assert!(!auditor(
        &[&["get", "secrets/netdoctor-webhook-ca"], &here[..]].concat()
    ));
    assert!(!auditor(&[
        "patch",
        "validatingwebhookconfigurations/netdoctor-validating"
    ]));
}

/// Whoever may label a namespace cannot opt it out without the right to do so.
#[test]
fn the_label_guard_asks_for_a_right_of_its_own() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    server.apply(&yaml::stream(&render(&with(&[Component::LabelGuard]))));
    let rules = netdoctor_tests::Rules {
        cluster: "[{apiGroups: [''], resources: [namespaces], verbs: ['*']}]",
        namespace: "",
    };
    let file = server.kubeconfig_for_service_account("default", "labeller", &rules);
    let label = |arguments: &[&str]| {
        let kubectl = components::installed().unwrap().unwrap().path("kubectl");
        cmd::Program::new(kubectl)
            .kubeconfig(&file)
            .args([&["label", "namespace", "default"], arguments].concat())
            .run()
    };
    // A policy takes effect a moment after it was created.
    let started = std::time::Instant::now();
    let refused = loop {
        let output = label(&["--overwrite", "netdoctor.io/admission=disabled"]);
        if output.code != Some(0) {
            break output;
        }
        server
            .kubectl(&["label", "namespace", "default", "netdoctor.io/admission-"])
            .ok();
        assert!(
            started.elapsed().as_secs() < 60,
            "the policy never took effect"
        );
    };
    assert!(
        refused.stderr.contains("need the right to `exempt`"),
        "{}",
        refused.stderr
    );
    label(&["team=a"]).ok();
    server
        .kubectl(&[
            "create",
            "clusterrolebinding",
            "exempt",
            "--clusterrole=netdoctor-label-guard",
            "--serviceaccount=default:labeller",
        ])
        .ok();
    let started = std::time::Instant::now();
    while label(&["--overwrite", "netdoctor.io/admission=disabled"]).code != Some(0) {
        assert!(
            started.elapsed().as_secs() < 60,
            "the right never took effect"
        );
    }
}
