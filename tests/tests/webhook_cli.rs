//! `kubectl netdoctor webhook` as its user meets it, on a real API server.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::path::Path;

use netdoctor_manifests::{Component, Mode, Options, Profile, names, render};
use netdoctor_tests::cmd::{self, netdoctor};
use netdoctor_tests::{ApiServer, Rules, Spec};
use serde_json::{Value, json};

fn webhook(kubeconfig: &Path, arguments: &[&str]) -> cmd::Output {
    netdoctor()
        .kubeconfig(kubeconfig)
        .args([&["webhook"], arguments].concat())
        .run()
}

fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

/// Objects of ours that are in the cluster, as kubectl names them.
fn ours(server: &ApiServer) -> Vec<String> {
    let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations,validatingadmissionpolicies,\
                 validatingadmissionpolicybindings,clusterroles,clusterrolebindings,deployments,services,configmaps,\
                 serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,resourcequotas,namespaces";
    let selector = format!("app.kubernetes.io/name={}", names::APP);
    let list = server.kubectl(&["get", kinds, "-A", "-l", &selector, "-o", "name"]);
    list.ok().stdout.lines().map(str::to_owned).collect()
}

#[test]
fn a88_manifests_are_printed_without_a_cluster() {
    let nowhere = Path::new("/nowhere");
    for command in [&["manifests"][..], &["install"]] {
        let output = webhook(nowhere, command).ok();
        assert_eq!(documents(&output.stdout), render(&Options::default()));
        assert_eq!(output.stderr, "");
    }
    let flags = [
        "manifests",
        "--profile=guarded",
        "--with=mutate,monitoring",
        "--replicas=3",
        "-n",
        "guard",
        "-o",
        "json",
    ];
    let options = Options {
        namespace: "guard".to_owned(),
        profile: Profile::Guarded,
        replicas: 3,
        components: [Component::Mutate, Component::Monitoring].into(),
        ..Options::default()
    };
    let list = webhook(nowhere, &flags).ok().json();
    assert_eq!(list["items"].as_array().unwrap(), &render(&options));
    let policies = webhook(nowhere, &["manifests", "--mode=policy"]).ok();
    let options = Options {
        mode: Mode::Policy,
        ..Options::default()
    };
    assert_eq!(documents(&policies.stdout), render(&options));
}

#[test]
fn what_would_be_an_outage_is_wrong_usage() {
    let nowhere = Path::new("/nowhere");
    for (flags, words) in [
        (
            &["--failure-policy=Fail", "--replicas=1"][..],
            "at least 2 replicas",
        ),
        (&["-n", "kube-system"], "must not depend on it"),
        (&["--port=443"], "cannot be used"),
        (&["--mode=policy", "--with=mutate"], "there is none"),
    ] {
        let output = webhook(nowhere, &[&["manifests"], flags].concat()).exits(2);
        assert!(output.stderr.contains(words), "{}", output.stderr);
        assert_eq!(output.stdout, "");
    }
}

#[test]
fn a68_nothing_is_written_unless_somebody_says_so() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let untouched = || assert_eq!(ours(&server), Vec::<String>::new());
    for command in [&["install", "--apply"][..], &["certs", "rotate"]] {
        let output = webhook(&file, command).exits(2);
        assert!(output.stderr.contains("--yes"), "{}", output.stderr);
    }
    let readonly = webhook(&file, &["install", "--apply", "--yes", "--readonly"]).exits(2);
    assert!(readonly.stderr.contains("readonly"), "{}", readonly.stderr);
    untouched();
    let client = webhook(&file, &["install", "--apply", "--dry-run=client"]).ok();
    let lines: Vec<&str> = client.stdout.lines().collect();
    assert_eq!(lines.len(), render(&Options::default()).len());
    assert!(
        lines
            .iter()
            .all(|line| line.ends_with(" created (dry run)")),
        "{}",
        client.stdout
    );
    let dry = webhook(&file, &["install", "--apply", "--dry-run=server"]).ok();
    assert!(dry.stdout.contains(
        "clusterrole.rbac.authorization.k8s.io/netdoctor-webhook created (server dry run)"
    ));
    assert!(
        dry.stdout.contains("its namespace does not exist yet"),
        "{}",
        dry.stdout
    );
    untouched();
    let nothing = webhook(&file, &["disable"]).ok();
    assert!(
        nothing.stderr.starts_with("Nothing to disable"),
        "{}",
        nothing.stderr
    );
    let nothing = webhook(&file, &["uninstall"]).ok();
    assert!(
        nothing.stderr.starts_with("Nothing to remove"),
        "{}",
        nothing.stderr
    );
    let status = webhook(&file, &["status"]).exits(1);
    assert!(
        status.stdout.contains("nothing of netdoctor is installed"),
        "{}",
        status.stdout
    );
}

/// Policies need no server: the whole life, with a live test that the API server itself answers.
#[test]
fn policies_live_from_installation_to_removal() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let install = [
        "install",
        "--mode=policy",
        "--profile=guarded",
        "--apply",
        "--yes",
    ];
    let first = webhook(&file, &install).ok();
    assert!(
        first.stdout.contains("netdoctor-pol007 created"),
        "{}",
        first.stdout
    );
    assert!(
        first.stderr.contains("Answered: POL007 refused"),
        "{}",
        first.stderr
    );
    // What was limited to one namespace is wide again, and doing it again changes nothing.
    let again = webhook(
        &file,
        &[
            "install",
            "--mode=policy",
            "--profile=guarded",
            "--apply",
            "--dry-run=server",
        ],
    )
    .ok();
    for line in again.stdout.lines() {
        assert!(line.ends_with(" unchanged (server dry run)"), "{line}");
    }
    let status = webhook(&file, &["status", "--test"]).ok();
    assert!(status.stdout.contains("policies: "), "{}", status.stdout);
    assert!(
        status.stdout.contains("POL007 refused what it should"),
        "{}",
        status.stdout
    );
    let document = webhook(&file, &["status", "-o", "json"]).ok().json();
    assert_eq!(document["kind"], "WebhookStatus");
    assert_eq!(document["status"]["verdict"], "healthy");

    let dry = webhook(&file, &["disable", "--dry-run=server"]).ok();
    assert!(
        dry.stdout
            .lines()
            .all(|line| line.ends_with(" deleted (server dry run)"))
    );
    let disabled = webhook(&file, &["disable", "--yes"]).ok();
    assert!(
        disabled
            .stdout
            .lines()
            .all(|line| line.contains("validatingadmissionpolicybinding"))
    );
    let left = ours(&server);
    assert!(
        left.iter()
            .all(|name| name.starts_with("validatingadmissionpolicy.")),
        "{left:?}"
    );
    webhook(&file, &["uninstall", "--yes"]).ok();
    assert_eq!(ours(&server), Vec::<String>::new());
}

/// Without a kubelet the Pods never run: the installation says why and has not touched a single request.
#[test]
fn an_installation_stops_at_the_first_step_that_fails() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let install = ["install", "--apply", "--yes", "--timeout=3s"];
    let stopped = webhook(&file, &install).exits(3);
    assert!(
        stopped
            .stderr
            .contains("deployment.apps/netdoctor-webhook is not ready"),
        "{}",
        stopped.stderr
    );
    assert!(
        stopped.stderr.contains("no Pod was created"),
        "{}",
        stopped.stderr
    );
    let left = ours(&server);
    assert!(
        left.iter()
            .any(|name| name == "deployment.apps/netdoctor-webhook"),
        "{left:?}"
    );
    assert!(
        !left
            .iter()
            .any(|name| name.contains("webhookconfiguration")),
        "{left:?}"
    );

    // The configuration was edited in the meantime: it stays, unless a profile is asked for.
    let edited = json!({"data": {"netdoctor.yaml": "profile: strict\n"}});
    server
        .kubectl(&[
            "patch",
            "configmap/netdoctor-config",
            "-n",
            names::NAMESPACE,
            "--type=merge",
            "-p",
            &edited.to_string(),
        ])
        .ok();
    let again = webhook(&file, &install).exits(3);
    assert!(
        again.stdout.contains("configmap/netdoctor-config kept"),
        "{}",
        again.stdout
    );
    assert!(
        again.stdout.contains("service/netdoctor-webhook unchanged"),
        "{}",
        again.stdout
    );
    let chosen = webhook(&file, &[&install[..], &["--profile=guarded"]].concat()).exits(3);
    assert!(
        chosen
            .stdout
            .contains("configmap/netdoctor-config configured"),
        "{}",
        chosen.stdout
    );

    webhook(&file, &["uninstall", "--yes"]).ok();
    let started = std::time::Instant::now();
    while !ours(&server).is_empty() {
        assert!(started.elapsed().as_secs() < 60, "{:?}", ours(&server));
    }
}

/// The server is dead, its configurations are there: they go first, and what is somebody else's stays.
#[test]
fn a87_configurations_go_first_and_strangers_stay() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let options = Options {
        components: [Component::Mutate].into(),
        ..Options::default()
    };
    server.apply(&netdoctor_manifests::yaml::stream(&render(&options)));
    let status = webhook(&file, &["status"]).exits(1);
    assert!(
        status.stdout.contains("no caBundle, so every call fails"),
        "{}",
        status.stdout
    );
    assert!(
        status.stdout.contains("has nowhere to send requests"),
        "{}",
        status.stdout
    );
    assert!(
        status.stdout.contains("not matching any namespace"),
        "{}",
        status.stdout
    );

    let disabled = webhook(&file, &["disable", "--yes"]).ok();
    let lines: Vec<&str> = disabled.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "mutatingwebhookconfiguration.admissionregistration.k8s.io/netdoctor-mutating deleted",
            "validatingwebhookconfiguration.admissionregistration.k8s.io/netdoctor-validating deleted",
        ]
    );
    let status = webhook(&file, &["status"]).exits(1);
    assert!(
        status.stdout.contains("validating: disabled"),
        "{}",
        status.stdout
    );

    server.apply(&netdoctor_manifests::yaml::stream(&render(&options)));
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": names::NAMESPACE}});
    server.apply(&theirs.to_string());
    let removed = webhook(&file, &["uninstall", "--yes"]).ok();
    let order: Vec<&str> = removed.stdout.lines().collect();
    let at = |name: &str| {
        order
            .iter()
            .position(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {order:?}"))
    };
    assert_eq!(at("mutatingwebhookconfiguration"), 0);
    assert_eq!(at("validatingwebhookconfiguration"), 1);
    assert!(at("deployment.apps/netdoctor-webhook") < at("service/netdoctor-webhook"));
    assert!(
        at("configmap/netdoctor-config")
            < at("clusterrole.rbac.authorization.k8s.io/netdoctor-webhook")
    );
    assert!(
        removed
            .stderr
            .contains("stays: it also holds configmap/theirs"),
        "{}",
        removed.stderr
    );
    server.kubectl(&["get", "namespace", names::NAMESPACE]).ok();
}

/// A namespace that was there before is neither relabelled nor removed.
#[test]
fn a_namespace_of_somebody_else_is_left_alone() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let _ = server.namespace_called("guard");
    let install = ["install", "--apply", "--yes", "--timeout=1s", "-n", "guard"];
    let stopped = webhook(&file, &install).exits(3);
    assert!(
        stopped.stdout.contains("namespace/guard kept"),
        "{}",
        stopped.stdout
    );
    let namespace = server
        .kubectl(&["get", "namespace", "guard", "-o", "json"])
        .ok()
        .json();
    assert!(
        namespace["metadata"]["labels"]
            .get("app.kubernetes.io/name")
            .is_none()
    );
    webhook(&file, &["uninstall", "--yes", "-n", "guard"]).ok();
    assert_eq!(ours(&server), Vec::<String>::new());
    server.kubectl(&["get", "namespace", "guard"]).ok();
}

#[test]
fn a_rotation_is_a_wish_in_an_annotation() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let absent = webhook(&file, &["certs", "rotate", "--yes"]).exits(3);
    assert!(
        absent
            .stderr
            .contains("there is no Secret netdoctor-webhook-ca"),
        "{}",
        absent.stderr
    );
    let _ = server.namespace_called(names::NAMESPACE);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": names::CA_SECRET, "namespace": names::NAMESPACE}});
    server.apply(&secret.to_string());
    let read = || {
        let secret = server.kubectl(&[
            "get",
            "secret",
            names::CA_SECRET,
            "-n",
            names::NAMESPACE,
            "-o",
            "json",
        ]);
        secret.ok().json()["metadata"]["annotations"][names::ROTATE_ANNOTATION].clone()
    };
    webhook(&file, &["certs", "rotate", "--dry-run=server"]).ok();
    assert_eq!(read(), Value::Null);
    let done = webhook(&file, &["certs", "rotate", "--yes"]).ok();
    assert_eq!(done.stdout, "secret/netdoctor-webhook-ca annotated\n");
    let first = read();
    assert!(first.as_str().unwrap().ends_with('Z'), "{first}");
    webhook(&file, &["certs", "rotate", "--yes"]).ok();
    assert_ne!(read(), first, "a second wish is another one");
}

#[test]
fn whoever_may_not_is_told_what_is_missing() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let nobody = server.kubeconfig_for_service_account("default", "nobody", &Rules::default());
    let install = webhook(&nobody, &["install", "--apply", "--yes"]).exits(3);
    assert!(
        install.stderr.contains("Error from server (Forbidden)"),
        "{}",
        install.stderr
    );
    assert!(
        install
            .stderr
            .contains("kubectl auth can-i create clusterroles"),
        "{}",
        install.stderr
    );
    let status = webhook(&nobody, &["status"]).exits(3);
    assert!(
        status.stdout.contains("kubectl auth can-i"),
        "{}",
        status.stdout
    );
    let disable = webhook(&nobody, &["disable", "--yes"]).exits(3);
    assert!(
        disable
            .stderr
            .contains("kubectl delete validatingwebhookconfiguration"),
        "{}",
        disable.stderr
    );
    // Break-glass needs no more than the right to delete two objects by name.
    let role = [
        "create",
        "clusterrole",
        "breaker",
        "--verb=delete",
        "--resource=validatingwebhookconfigurations,mutatingwebhookconfigurations",
        "--resource-name=netdoctor-validating",
        "--resource-name=netdoctor-mutating",
    ];
    server.kubectl(&role).ok();
    let bind = [
        "create",
        "clusterrolebinding",
        "breaker",
        "--clusterrole=breaker",
        "--serviceaccount=default:nobody",
    ];
    server.kubectl(&bind).ok();
    server.apply(&netdoctor_manifests::yaml::stream(&render(
        &Options::default(),
    )));
    let started = std::time::Instant::now();
    loop {
        let output = webhook(&nobody, &["disable", "--yes"]);
        if output.code == Some(0) {
            break;
        }
        let waited = started.elapsed().as_secs();
        assert!(
            waited < 30,
            "the right never took effect: {}",
            output.stderr
        );
    }
    assert!(
        !ours(&server)
            .iter()
            .any(|name| name.contains("webhookconfiguration"))
    );
}

#[test]
fn an_unreachable_server_is_named() {
    let lonely = netdoctor()
        .args([
            "webhook",
            "status",
            "-s",
            "https://127.0.0.1:1",
            "--request-timeout=2s",
        ])
        .run()
        .exits(3);
    assert!(
        lonely.stderr.contains("127.0.0.1:1 was refused"),
        "{}",
        lonely.stderr
    );
    let disable = netdoctor()
        .args(["webhook", "disable", "--yes", "-s", "https://127.0.0.1:1"])
        .run()
        .exits(3);
    assert!(disable.stderr.contains("refused"), "{}", disable.stderr);
}
