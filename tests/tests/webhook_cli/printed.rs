//! What is printed, tried, or refused before anything is asked.

use std::path::Path;

use netdoctor_manifests::{Component, Mode, Options, Profile, render};
use netdoctor_tests::cmd::netdoctor;
use netdoctor_tests::{ApiServer, Spec};
use serde_json::Value;

use crate::{ours, said, webhook};

fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
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
    // No server was asked, so nobody knows what is there; a configuration that is there would stay.
    let (kept, applied): (Vec<&str>, Vec<&str>) = lines
        .into_iter()
        .partition(|line| line.starts_with("configmap/netdoctor-config "));
    assert_eq!(
        kept,
        ["configmap/netdoctor-config would be created, unless it is there (dry run)"]
    );
    for line in applied {
        assert!(line.ends_with(" would be applied (dry run)"), "{line}");
    }
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

/// Printed objects are applied all at once: with `Fail`, requests are refused from the first second.
#[test]
fn whoever_prints_a_webhook_that_refuses_is_warned() {
    let nowhere = Path::new("/nowhere");
    for command in ["install", "manifests"] {
        let output = webhook(nowhere, &[command, "--failure-policy=Fail"]).ok();
        said(&output.stderr, "Warning: whoever applies these at once");
        said(&output.stderr, "install --apply --failure-policy=Fail");
        let objects = documents(&output.stdout);
        assert!(!objects.is_empty());
    }
}
