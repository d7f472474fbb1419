//! Policies of the API server, which need nobody who answers.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use netdoctor_manifests::{Mode, Options, names};
use netdoctor_tests::{ApiServer, Spec};
use serde_json::{Value, json};

use crate::{applied, only, ours, said, webhook};

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
    assert!(tested(&first.stderr, "Answered: "), "{}", first.stderr);
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
    assert!(tested(&status.stdout, ""), "{}", status.stdout);
    let document = webhook(&file, &["status", "-o", "json"]).ok().json();
    assert_eq!(document["kind"], "WebhookStatus");
    assert_eq!(document["status"]["verdict"], "healthy");

    let dry = webhook(&file, &["disable", "--dry-run=server"]).ok();
    assert!(
        dry.stdout
            .lines()
            .all(|line| line.ends_with(" deleted (server dry run)"))
    );
    let started = Instant::now();
    while !refused(&server, "default") {
        assert!(started.elapsed().as_secs() < 30, "never in force");
    }
    let disabled = webhook(&file, &["disable", "--yes"]).ok();
    assert!(!refused(&server, "default"), "disabled means disabled");
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

/// What `guarded` refuses: rules for traffic that the policy is not about.
fn useless_policy(namespace: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "useless", "namespace": namespace},
        "spec": {
            "podSelector": {"matchLabels": {"app": "shop"}},
            "policyTypes": ["Ingress"],
            "egress": [{"ports": [{"port": 443, "protocol": "TCP"}]}],
        },
    })
}

/// Whether it is refused in a namespace, in a dry run.
fn refused(server: &ApiServer, namespace: &str) -> bool {
    let create = ["create", "--dry-run=server", "-f", "-"];
    let output = server.kubectl_with_input(&create, &useless_policy(namespace).to_string());
    output.code != Some(0) && output.stderr.contains("POL007")
}

fn install_in(file: &Path, namespace: &str, flags: &[&str]) -> netdoctor_tests::cmd::Output {
    let test = format!("--test-namespace={namespace}");
    let install = ["install", "--mode=policy", "--apply", "--yes", &test];
    webhook(file, &[&install, flags].concat())
}

/// An answer in one namespace comes first. Where it stays away, nothing is refused anywhere else, whatever that namespace
/// asks for.
#[test]
fn policies_begin_in_one_namespace() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let _ = server.namespace_called("first");
    let _ = server.namespace_called("second");
    let label = |namespace: &str, label: &str| {
        server
            .kubectl(&["label", "namespace", namespace, label])
            .ok();
    };
    label("first", &format!("{}=disabled", names::ADMISSION_LABEL));
    label("second", &format!("{}=guarded", names::PROFILE_LABEL));

    let stopped = install_in(&file, "first", &["--timeout=3s"]).exits(3);
    said(&stopped.stderr, "nobody answered the test");
    said(
        &stopped.stderr,
        "Only namespace first was included, and nothing else is matched",
    );
    let bindings = server.kubectl(&["get", "validatingadmissionpolicybindings", "-o", "json"]);
    let bindings = bindings.ok().json();
    let bindings = bindings["items"].as_array().unwrap();
    assert!(!bindings.is_empty());
    for binding in bindings {
        let only = only(&binding["spec"]["matchResources"]);
        assert_eq!(only, json!(["first"]), "{binding}");
    }
    // By now a policy that were wide would have been heard of.
    for _ in 0..10 {
        assert!(!refused(&server, "second"));
        sleep(Duration::from_millis(200));
    }
    let status = webhook(&file, &["status"]).ok();
    let words = status.stdout.split_whitespace().collect::<Vec<_>>();
    said(
        &words.join(" "),
        "only namespace first: the installation was not finished",
    );

    label("first", &format!("{}-", names::ADMISSION_LABEL));
    install_in(&file, "first", &[]).ok();
    let started = Instant::now();
    while !refused(&server, "second") {
        assert!(started.elapsed().as_secs() < 30, "never in force");
    }

    // Once they are in force, they are in force all the time: another installation does not begin anew.
    let again = install_in(&file, "first", &["--profile=guarded", "--with=label-guard"]).ok();
    assert!(
        again.stderr.matches("Testing the answer").count() == 2,
        "{}",
        again.stderr
    );
    assert!(refused(&server, "second"));
    // What the next one does without is named, and stays.
    let less = install_in(&file, "first", &["--profile=guarded"]).ok();
    said(&less.stderr, "Left from an earlier installation");
    said(&less.stderr, "/netdoctor-label-guard");
    assert!(
        ours(&server)
            .iter()
            .any(|name| name.ends_with("/netdoctor-label-guard"))
    );
}

/// Webhook and policies judge some rules both. Whoever installs the second is told how the first leaves them to it, and
/// `status` says it until that is done.
#[test]
fn whoever_has_both_is_told_how_to_be_warned_once() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let try_policies = ["install", "--mode=policy", "--apply", "--dry-run=server"];
    let alone = webhook(&file, &try_policies).ok();
    assert!(!alone.stderr.contains("both there"), "{}", alone.stderr);

    applied(&server, &Options::default());
    let second = webhook(&file, &try_policies).ok().stderr;
    said(&second, "Webhook and policies are both there");
    said(
        &second,
        "configmap/netdoctor-config in namespace netdoctor-system",
    );
    let line = second.lines().find(|line| line.starts_with("rules: {"));
    let line = line.unwrap();
    said(line, "HST002: {severity: off}");

    let policies = Options {
        mode: Mode::Policy,
        ..Options::default()
    };
    applied(&server, &policies);
    let try_webhook = ["install", "--apply", "--dry-run=server"];
    said(&webhook(&file, &try_webhook).ok().stderr, line);
    let status = || {
        let status = webhook(&file, &["status"]).exits(1);
        status.stdout.contains("both there")
    };
    assert!(status());

    let left = json!({"data": {names::CONFIG_KEY: format!("profile: advisory\n{line}\n")}});
    let map = format!("configmap/{}", names::CONFIG_MAP);
    let patch = [
        "patch",
        &map,
        "-n",
        names::NAMESPACE,
        "--type=merge",
        "-p",
        &left.to_string(),
    ];
    server.kubectl(&patch).ok();
    assert!(!status());
    let once = webhook(&file, &try_webhook).ok().stderr;
    assert!(!once.contains("both there"), "{once}");
}

/// Whether one of the objects of the self-test was refused, by whichever of the policies was in force first.
fn tested(text: &str, before: &str) -> bool {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let refused = |code| words.contains(&format!("{before}{code} refused what it should"));
    ["POL007", "SVC019"].into_iter().any(refused)
}
