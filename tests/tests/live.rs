//! `check` and `bundle` on a real cluster: who may read what, what leaves the cluster in a file, and the way through
//! kubectl.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail where the test does"
)]

#[path = "live/cluster.rs"]
mod cluster;
#[path = "live/saved.rs"]
mod saved;

use std::fs;

use cluster::{DEFECTS, check, cluster, codes, fingerprints, kinds, may_read};
use netdoctor_engine::model::Kind;
use netdoctor_engine::rules::RULES;
use netdoctor_lab::components;
use netdoctor_tests::Rules;
use netdoctor_tests::cmd::{Program, netdoctor};

#[test]
fn a_kind_that_may_not_be_read_accuses_nobody() {
    let Some((server, now)) = cluster() else {
        return;
    };
    let whole = check(&server.kubeconfig(), now, &["-A"]).exits(1).json();
    let known = fingerprints(&whole);
    let mut wrong = String::new();
    for missing in kinds() {
        let rules = may_read(kinds().into_iter().filter(|kind| *kind != missing));
        let rules = Rules {
            cluster: &rules,
            ..Rules::default()
        };
        let account = format!("without-{}", missing.plural());
        let kubeconfig = server.kubeconfig_for_service_account("shop", &account, &rules);
        let output = check(&kubeconfig, now, &["-A", "--fail-on=info"]);
        let report = output.json();
        let findings = report["findings"].as_array().unwrap();
        if !fingerprints(&report).is_subset(&known) {
            wrong += &format!("{missing}: findings that are not there: {findings:#?}\n");
        }
        for finding in findings {
            let rule = RULES
                .iter()
                .find(|rule| rule.code == finding["code"])
                .unwrap();
            if rule.needs.contains(&missing) {
                wrong += &format!("{missing}: {} was judged without it\n", rule.code);
            }
        }
        let wanted = format!("kubectl auth can-i list {} -A", missing.resource());
        let said = format!("{}{}", report["notChecked"], report["notes"]);
        if !said.contains(&wanted) {
            wrong += &format!("{missing}: nothing says `{wanted}`\n");
        }
        let expected = Some(i32::from(!findings.is_empty()));
        if output.code != expected {
            wrong += &format!(
                "{missing}: exit code {:?} instead of {expected:?}\n",
                output.code
            );
        }
        let never = check(&kubeconfig, now, &["-A", "--fail-on=never", "--strict"]);
        if never.code != Some(0) {
            wrong += &format!(
                "{missing}: exit code {:?} with --fail-on=never\n",
                never.code
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_could_not_be_checked_fails_a_strict_run() {
    let Some((server, now)) = cluster() else {
        return;
    };
    let rules = may_read(kinds().into_iter().filter(|kind| *kind != Kind::Pod));
    let rules = Rules {
        cluster: &rules,
        ..Rules::default()
    };
    let kubeconfig = server.kubeconfig_for_service_account("shop", "strict", &rules);
    let only = ["-n", "shop", "--only", "SVC002"];
    check(&kubeconfig, now, &only).exits(0);
    let report = check(&kubeconfig, now, &[&only[..], &["--strict"]].concat())
        .exits(1)
        .json();
    assert_eq!(report["status"]["verdict"], "incomplete");
}

#[test]
fn a_user_of_one_namespace_gets_what_it_can_show() {
    let Some((server, now)) = cluster() else {
        return;
    };
    let everything = "- {apiGroups: ['*'], resources: ['*'], verbs: [get, list]}";
    let rules = Rules {
        namespace: everything,
        ..Rules::default()
    };
    let inside = server.kubeconfig_for_service_account("broken", "tenant", &rules);
    let report = check(&inside, now, &[]).exits(1).json();
    assert_eq!(codes(&report), DEFECTS, "{report:#}");

    let healthy = server.kubeconfig_for_service_account("shop", "tenant", &rules);
    let report = check(&healthy, now, &[]).exits(0).json();
    assert!(codes(&report).is_empty(), "{}", report["findings"]);
    let open = report["notChecked"].to_string();
    assert!(open.contains("kubectl auth can-i list nodes -A"), "{open}");
}

#[test]
fn kubectl_finds_the_plugin_and_keeps_its_exit_code() {
    let Some((server, now)) = cluster() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (command, _home) = netdoctor().into_command();
    let plugin = folder.path().join("kubectl-netdoctor");
    std::os::unix::fs::symlink(command.get_program(), &plugin).unwrap();
    let kubectl = components::installed().unwrap().unwrap().path("kubectl");
    let run = |arguments: &[&str]| {
        Program::new(&kubectl)
            .env("PATH", folder.path())
            .kubeconfig(server.kubeconfig())
            .args(arguments)
            .run()
    };
    let listed = run(&["plugin", "list"]).ok();
    assert!(
        listed.stdout.contains("kubectl-netdoctor"),
        "{}",
        listed.stdout
    );
    let said = format!("{}{}", listed.stdout, listed.stderr);
    assert!(!said.to_lowercase().contains("warning"), "{said}");

    let found = run(&[
        "netdoctor",
        "check",
        "-n",
        "broken",
        "--now",
        now,
        "-o",
        "name",
    ])
    .exits(1);
    assert!(
        found.stdout.contains("service/frontend"),
        "{}",
        found.stdout
    );
    run(&["netdoctor", "check", "-n", "shop", "--now", now]).exits(0);
    run(&["netdoctor", "check", "--no-such-flag"]).exits(2);
    run(&["netdoctor", "check", "--kubeconfig=/nonexistent"]).exits(3);
    let help = run(&["netdoctor", "--help"]).ok();
    assert!(help.stdout.contains("kubectl netdoctor"), "{}", help.stdout);
}

#[test]
fn a_server_that_cannot_be_reached_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let config = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let pointing_at = |server: &str| {
        format!(
            "{{apiVersion: v1, kind: Config, current-context: a, clusters: [{{name: a, cluster: {{server: '{server}'}}}}], \
             users: [{{name: a, user: {{token: t}}}}], contexts: [{{name: a, context: {{cluster: a, user: a}}}}]}}"
        )
    };
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut cases = vec![
        (
            folder.path().join("missing"),
            "no configuration has been provided",
        ),
        (config("empty", ""), "no configuration has been provided"),
        (
            config("broken", "clusters: [{name: a\n"),
            "error loading config file",
        ),
        (config("list", "[1, 2]"), "error loading config file"),
        (
            config(
                "refused",
                &pointing_at(&format!("https://127.0.0.1:{port}")),
            ),
            "was refused",
        ),
        (
            config("nowhere", &pointing_at("https://cluster.invalid:6443")),
            "cluster.invalid",
        ),
    ];
    if let Some((server, _)) = cluster() {
        let real = fs::read_to_string(server.kubeconfig()).unwrap();
        let address = real.split("https://").nth(1).unwrap();
        let address: String = address
            .chars()
            .take_while(|c| c.is_ascii_digit() || ".:".contains(*c))
            .collect();
        cases.push((
            config(
                "unknown-authority",
                &pointing_at(&format!("https://{address}")),
            ),
            "unknown authority",
        ));
    }
    for (kubeconfig, words) in cases {
        for command in [&["check", "-A"][..], &["bundle", "save", "/dev/null"]] {
            let output = netdoctor()
                .kubeconfig(&kubeconfig)
                .args(command)
                .run()
                .exits(3);
            assert_eq!(output.stdout, "", "{}", kubeconfig.display());
            assert_eq!(
                output.stderr.trim_end().lines().count(),
                1,
                "{}",
                output.stderr
            );
            assert!(
                output.stderr.contains(words),
                "{words} not in {}",
                output.stderr
            );
        }
    }
}
