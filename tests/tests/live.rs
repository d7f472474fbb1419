//! `check` and `bundle` on a real cluster: who may read what, what leaves the cluster in a file, and the way through
//! kubectl.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use netdoctor_engine::model::Kind;
use netdoctor_engine::rule::Surface;
use netdoctor_engine::rules::RULES;
use netdoctor_tests::cmd::{Output, Program, netdoctor};
use netdoctor_tests::lab::components;
use netdoctor_tests::{ApiServer, Rules, Spec};
use serde_json::Value;

/// The defects in namespace `broken`; the shop has none.
const DEFECTS: [&str; 4] = ["HST011", "ING001", "SVC002", "WKL001"];

/// The server of these tests, which only read from it, and the clock for all of them: nothing is too young.
fn cluster() -> Option<&'static (ApiServer, String)> {
    static CLUSTER: OnceLock<Option<(ApiServer, String)>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| {
        let server = ApiServer::start(&Spec::default())?;
        let _ = server.namespace_called("ingress-nginx");
        server
            .namespace_called("shop")
            .apply_status(include_str!("live/shop.yaml"));
        server
            .namespace_called("broken")
            .apply_status(include_str!("live/broken.yaml"));
        let now = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
        settle(&server, &now);
        Some((server, now))
    });
    cluster.as_ref()
}

/// Waits until the controllers have done their part: then only the defects are left.
fn settle(server: &ApiServer, now: &str) {
    let start = Instant::now();
    loop {
        let output = check(&server.kubeconfig(), now, &["-A"]);
        if codes(&output.exits(1).json()) == DEFECTS {
            return;
        }
        if start.elapsed() > Duration::from_secs(30) {
            let output = check(&server.kubeconfig(), now, &["-A"]);
            panic!("not {DEFECTS:?} but {}", output.stdout);
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn check(kubeconfig: &Path, now: &str, arguments: &[&str]) -> Output {
    netdoctor()
        .kubeconfig(kubeconfig)
        .args(["check", "-o", "json", "--now", now])
        .args(arguments)
        .run()
}

fn replay(now: &str, files: &[&Path], arguments: &[&str]) -> Output {
    let from = files
        .iter()
        .flat_map(|file| ["--from".as_ref(), file.as_os_str()]);
    netdoctor()
        .args(["check", "-o", "json", "--now", now])
        .args(from)
        .args(arguments)
        .run()
}

fn codes(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    let mut codes: Vec<&str> = findings
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    codes.sort_unstable();
    codes
}

fn fingerprints(report: &Value) -> BTreeSet<&str> {
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["fingerprint"].as_str().unwrap())
        .collect()
}

/// The kinds behind the rules of `check`, and those behind facts about the cluster. Kinds of third parties are not
/// installed here.
fn kinds() -> BTreeSet<Kind> {
    let rules = RULES.iter().filter(|rule| rule.runs_on(Surface::Check));
    let mut kinds: BTreeSet<Kind> = rules.flat_map(|rule| rule.kinds()).collect();
    kinds.extend([Kind::Node, Kind::Namespace, Kind::ServiceCIDR]);
    kinds.retain(|kind| !kind.is_custom());
    kinds
}

/// A role that may read all of these.
fn may_read(kinds: impl Iterator<Item = Kind>) -> String {
    kinds
        .map(|kind| {
            format!(
                "- {{apiGroups: ['{}'], resources: [{}], verbs: [get, list]}}\n",
                kind.group(),
                kind.plural()
            )
        })
        .collect()
}

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
        if !report["notChecked"].to_string().contains(&wanted) {
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

/// A report without what names its source.
fn comparable(mut report: Value) -> Value {
    for field in ["spec", "tool"] {
        report.as_object_mut().unwrap().remove(field);
    }
    report
}

/// Says where two reports differ, and fails there.
#[track_caller]
fn same(one: Value, other: Value, about: &str) {
    let (one, other) = (
        format!("{:#}", comparable(one)),
        format!("{:#}", comparable(other)),
    );
    let differing: Vec<_> = one
        .lines()
        .zip(other.lines())
        .filter(|(one, other)| one != other)
        .take(9)
        .collect();
    assert!(one == other, "{about}: {differing:#?}");
}

fn save(server: &ApiServer, file: &Path, arguments: &[&str]) {
    netdoctor()
        .kubeconfig(server.kubeconfig())
        .args(["bundle", "save"])
        .args([file])
        .args(arguments)
        .run()
        .ok();
}

#[test]
fn a_bundle_gives_the_report_that_the_cluster_gave() {
    let Some((server, now)) = cluster() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for (name, scope) in [
        ("all.json", &["-A"][..]),
        ("all.json.gz", &["-A"]),
        ("shop.json", &["-n", "broken"]),
    ] {
        let file = folder.path().join(name);
        save(server, &file, scope);
        let live = check(&server.kubeconfig(), now, scope).exits(1);
        let saved = replay(now, &[&file], &[]).exits(1);
        same(saved.json(), live.json(), name);
    }
    // Without --now the clock is the server's, minutes ago at most.
    let report = netdoctor()
        .args(["check", "-o", "json", "--from"])
        .args([folder.path().join("all.json")])
        .run()
        .json();
    let clock: jiff::Timestamp = report["metadata"]["now"].as_str().unwrap().parse().unwrap();
    assert!(
        jiff::Timestamp::now().duration_since(clock).as_mins() < 30,
        "{clock}"
    );
}

#[test]
fn a_bundle_of_a_user_with_few_rights_accuses_nobody() {
    let Some((server, now)) = cluster() else {
        return;
    };
    let rules = may_read(kinds().into_iter().filter(|kind| *kind != Kind::Service));
    let rules = Rules {
        cluster: &rules,
        ..Rules::default()
    };
    let kubeconfig = server.kubeconfig_for_service_account("shop", "saver", &rules);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bundle.json");
    let output = netdoctor()
        .kubeconfig(&kubeconfig)
        .args(["bundle", "save", "-A"])
        .args([&file])
        .run()
        .ok();
    assert!(output.stderr.contains("unreadable"), "{}", output.stderr);
    let live = check(&kubeconfig, now, &["-A"]).json();
    same(replay(now, &[&file], &[]).json(), live, "");
}

#[test]
fn no_secret_leaves_the_cluster_in_a_bundle() {
    let Some((server, _)) = cluster() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (plain, packed) = (
        folder.path().join("a.json"),
        folder.path().join("a.json.gz"),
    );
    save(server, &plain, &["-A"]);
    save(server, &packed, &["-A"]);
    let plain = fs::read_to_string(plain).unwrap();
    let mut unpacked = String::new();
    let packed = fs::read(packed).unwrap();
    std::io::Read::read_to_string(&mut GzDecoder::new(packed.as_slice()), &mut unpacked).unwrap();
    for text in [plain, unpacked] {
        assert!(text.contains("web-1-a"), "the bundle holds the shop");
        // base64 of the planted values begins with `cGxhbnRlZC`.
        for secret in ["planted-", "cGxhbnRlZC", "last-applied-configuration"] {
            let at = text.find(secret);
            assert!(
                at.is_none(),
                "{secret} in …{}…",
                &text[at.unwrap().saturating_sub(200)..][..300]
            );
        }
    }
}

/// What people have already: `kubectl get` of everything that is there.
fn get(server: &ApiServer, resources: &str, format: &str) -> String {
    server
        .kubectl(&["get", resources, "-A", "-o", format])
        .ok()
        .stdout
}

#[test]
fn a_list_of_kubectl_gives_the_findings_that_it_can_prove() {
    let Some((server, now)) = cluster() else {
        return;
    };
    let live = check(&server.kubeconfig(), now, &["-A"]).exits(1).json();
    let resources: Vec<String> = kinds().into_iter().map(Kind::resource).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: String| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let json = file("list.json", get(server, &resources.join(","), "json"));
    let yaml = file("list.yaml", get(server, &resources.join(","), "yaml"));
    let split = folder.path().join("split");
    fs::create_dir(&split).unwrap();
    let mut parts = Vec::new();
    for resource in &resources {
        let part = file(
            &format!("split/{resource}.json"),
            get(server, resource, "json"),
        );
        parts.push(part);
    }
    let first = replay(now, &[&json], &[]).exits(1).json();
    let (listed, known) = (
        format!("{:#}", first["findings"]),
        format!("{:#}", live["findings"]),
    );
    let differing: Vec<_> = listed
        .lines()
        .zip(known.lines())
        .filter(|(one, other)| one != other)
        .collect();
    assert!(listed == known, "{differing:#?}");
    // A kind without objects may be one that nobody asked for.
    let open = first["notChecked"].to_string();
    assert!(open.contains("the input holds no "), "{open}");
    let paths: Vec<&Path> = parts.iter().map(AsRef::as_ref).collect();
    for files in [vec![yaml.as_path()], paths, vec![split.as_path()]] {
        let report = replay(now, &files, &[]).exits(1).json();
        same(report, first.clone(), &format!("{files:?}"));
    }
}

#[test]
fn a_list_without_a_kind_does_not_prove_that_there_is_none() {
    let Some((server, now)) = cluster() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.json");
    fs::write(&file, get(server, "ingresses,pods", "json")).unwrap();
    let report = replay(now, &[&file], &[]).json();
    assert!(
        !codes(&report).contains(&"ING001"),
        "{}",
        report["findings"]
    );
}

#[test]
fn a_file_that_is_no_saved_state_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let cut = br#"{"apiVersion": "netdoctor.io/v1alpha1", "kind": "Bundle", "schemaVersion": 1, "objects": [{"#;
    let newer = br#"{"apiVersion": "netdoctor.io/v1alpha1", "kind": "Bundle", "schemaVersion": 99, "tool": {"version": "9.9.9"},
        "metadata": {"now": "2026-01-01T12:00:00Z"}, "spec": {}, "listed": [], "objects": []}"#;
    for (name, text, words) in [
        ("empty.json", &b""[..], "neither a bundle nor a list"),
        ("text.json", b"hello", ""),
        ("cut.json", cut, "no complete bundle"),
        ("newer.json", newer, "9.9.9"),
        ("damaged.json.gz", b"\x1f\x8b\x08\x00garbage", "damaged"),
    ] {
        let output = netdoctor()
            .args(["check", "--from"])
            .args([file(name, text)])
            .run()
            .exits(3);
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(said.contains(words), "{name}: {said}");
        assert!(!said.contains("panicked"), "{name}: {said}");
    }
    let missing = folder.path().join("missing.json");
    let output = netdoctor()
        .args(["check", "--from"])
        .args([missing])
        .run()
        .exits(3);
    assert!(
        output.stderr.contains("does not exist"),
        "{}",
        output.stderr
    );
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
