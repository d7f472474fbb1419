//! Saved states: what a bundle holds and what it must not, and what a list of kubectl can prove.

use std::fs;
use std::path::Path;

use flate2::read::GzDecoder;
use netdoctor_engine::model::Kind;
use netdoctor_tests::cmd::{Output, netdoctor};
use netdoctor_tests::{ApiServer, Rules};
use serde_json::Value;

use super::cluster::{DEFECTS, check, cluster, codes, fingerprints, kinds, may_read};

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
    let (listed, known) = (fingerprints(&first), fingerprints(&live));
    assert!(listed.is_subset(&known), "{}", first["findings"]);
    let open = first["notChecked"].as_array().unwrap();
    for code in DEFECTS {
        let lost = |entry: &Value| entry["code"] == code && entry["outcome"] == "unknown";
        assert!(
            codes(&first).contains(&code) || open.iter().any(lost),
            "{code} is lost: {open:#?}"
        );
    }
    assert!(codes(&first).contains(&"ING001"), "{}", first["findings"]);
    // A kind without objects may be one that nobody asked for.
    let unasked = "the input holds no daemonsets.apps";
    let silent = |entry: &Value| entry["reason"].as_str().unwrap().starts_with(unasked);
    assert!(open.iter().any(silent), "{open:#?}");
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
