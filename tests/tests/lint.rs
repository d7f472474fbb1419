//! `lint` as its user meets it: what can be handed in, what comes out, and what happens with input that is broken.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::struct_field_names,
    clippy::format_collect,
    reason = "a test fails where it cannot go on, and says why it is skipped"
)]

use std::fs;
use std::path::Path;

use netdoctor_tests::cmd::netdoctor;
use serde_json::Value;
use tempfile::TempDir;

/// A Service whose `targetPort` no Pod declares; the finding stands on line 9, column 17.
const BROKEN: &str = "apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
    - port: 80
      targetPort: htpp
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
    - name: web
      image: web
      ports: [{name: http, containerPort: 8080}]
";

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn lint(folder: &Path, arguments: &[&str]) -> netdoctor_tests::cmd::Output {
    netdoctor()
        .current_dir(folder)
        .args([&["lint"][..], arguments].concat())
        .run()
}

/// The places of the findings of a code: file, line, column, end column.
fn places(report: &Value, code: &str) -> Vec<(String, u64, u64, u64)> {
    let findings = report["findings"].as_array().unwrap();
    let places = findings
        .iter()
        .filter(|finding| finding["code"] == code)
        .map(|finding| {
            let label = &finding["labels"][0];
            let number = |key: &str| label[key].as_u64().unwrap();
            (
                label["file"].as_str().unwrap().to_owned(),
                number("line"),
                number("column"),
                number("endColumn"),
            )
        });
    places.collect()
}

fn found(folder: &Path, arguments: &[&str]) -> Vec<(String, u64, u64, u64)> {
    let output = lint(folder, &[arguments, &["-o", "json"]].concat());
    assert_eq!(output.code, Some(1), "{}{}", output.stdout, output.stderr);
    places(&output.json(), "SVC004")
}

fn at(file: &str, line: u64, column: u64, end: u64) -> Vec<(String, u64, u64, u64)> {
    vec![(file.to_owned(), line, column, end)]
}

#[test]
fn the_field_is_named_to_the_column() {
    let dir = folder(&[("web.yaml", BROKEN.as_bytes())]);
    assert_eq!(
        found(dir.path(), &["-f", "web.yaml"]),
        at("web.yaml", 9, 19, 23)
    );
}

#[test]
fn files_come_as_directories_globs_lists_and_standard_input() {
    let dir = folder(&[
        ("a/web.yaml", BROKEN.as_bytes()),
        ("a/b/web.yaml", BROKEN.as_bytes()),
        ("a/notes.txt", b"no manifest"),
    ]);
    assert_eq!(found(dir.path(), &["-f", "a"]).len(), 1);
    assert_eq!(found(dir.path(), &["-f", "a", "-R"]).len(), 2);
    assert_eq!(found(dir.path(), &["-f", "a/*.yaml"]).len(), 1);
    assert_eq!(
        found(dir.path(), &["-f", "a/web.yaml,a/b/web.yaml"]).len(),
        2
    );
    assert_eq!(
        found(dir.path(), &["a/web.yaml", "a/../a/web.yaml"]).len(),
        1,
        "one file is read once"
    );
    let piped = netdoctor()
        .args(["lint", "-f", "-", "-o", "json"])
        .stdin(BROKEN)
        .run();
    assert_eq!(
        places(&piped.exits(1).json(), "SVC004"),
        at("<stdin>", 9, 19, 23)
    );
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_no_place() {
    let text = format!("\u{feff}{}", BROKEN.replace('\n', "\r\n"));
    let dir = folder(&[("web.yaml", text.as_bytes())]);
    assert_eq!(
        found(dir.path(), &["-f", "web.yaml"]),
        at("web.yaml", 9, 19, 23)
    );
}

#[test]
fn a_field_behind_an_anchor_or_in_json_has_its_own_place() {
    let anchored = BROKEN.replace(
        "  ports:\n    - port: 80\n      targetPort: htpp",
        "  ports: [&p {port: 80, targetPort: htpp}, {<<: *p, name: other, port: 81}]",
    );
    let dir = folder(&[("web.yaml", anchored.as_bytes())]);
    let found_here = found(dir.path(), &["-f", "web.yaml"]);
    assert_eq!(found_here[0], ("web.yaml".to_owned(), 7, 37, 41));
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n  {\"apiVersion\": \"v1\", \"kind\": \"Service\", \"metadata\": {\"name\": \"w\\u00fcb\"},\n   \"spec\": {\"selector\": {\"app\": \"web\"}, \"ports\": [{\"port\": 80, \"targetPort\": \"htpp\"}]}},\n  {\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"web\", \"labels\": {\"app\": \"web\"}}, \"spec\": {\"containers\": [{\"name\": \"web\", \"image\": \"web\"}]}}]}\n";
    let dir = folder(&[("web.json", json.as_bytes())]);
    let places = found(dir.path(), &["-f", "web.json"]);
    let line = json.lines().nth(2).unwrap();
    let column = u64::try_from(line.find("\"htpp\"").unwrap()).unwrap() + 1;
    assert_eq!(places, at("web.json", 3, column, column + 6));
}

#[test]
fn a_kustomization_is_built_by_kubectl() {
    let Some(_server) = netdoctor_tests::ApiServer::shared() else {
        return;
    };
    let kustomization = b"resources: [web.yaml]\nnamespace: shop\n";
    let dir = folder(&[
        ("web.yaml", BROKEN.as_bytes()),
        ("kustomization.yaml", kustomization),
    ]);
    let kubectl = netdoctor_lab::components::installed()
        .unwrap()
        .unwrap()
        .path("kubectl");
    let output = netdoctor()
        .current_dir(dir.path())
        .env("KUBECTL_PATH", &kubectl)
        .args(["lint", "-k", ".", "-o", "json"])
        .run();
    let report = output.exits(1).json();
    assert_eq!(report["findings"][0]["subject"]["namespace"], "shop");
    fs::remove_file(dir.path().join("web.yaml")).unwrap();
    let broken = netdoctor()
        .current_dir(dir.path())
        .env("KUBECTL_PATH", &kubectl)
        .args(["lint", "-k", "."])
        .run()
        .exits(3);
    assert!(
        broken.stderr.contains("cannot be built"),
        "{}",
        broken.stderr
    );
    let nowhere = netdoctor()
        .current_dir(dir.path())
        .env("KUBECTL_PATH", "/nowhere")
        .env("PATH", "/nowhere")
        .args(["lint", "-k", "."])
        .run()
        .exits(3);
    assert!(
        nowhere.stderr.contains("kubectl or kustomize"),
        "{}",
        nowhere.stderr
    );
}

#[test]
fn a_broken_document_is_reported_and_its_neighbours_are_judged() {
    let text = format!("kind: Service\n  metadata: [\n---\n{BROKEN}");
    let dir = folder(&[("web.yaml", text.as_bytes())]);
    let output = lint(dir.path(), &["-f", "web.yaml", "-o", "json"]).exits(3);
    let report = output.json();
    assert_eq!(report["status"]["verdict"], "failed");
    assert_eq!(report["status"]["exitCode"], 3);
    assert_eq!(places(&report, "SVC004"), at("web.yaml", 12, 19, 23));
    let human = lint(dir.path(), &["-f", "web.yaml"]).exits(3);
    assert!(human.stdout.contains("web.yaml:2:"), "{}", human.stdout);
}

#[test]
fn the_exit_code_is_the_same_for_every_format() {
    let dir = folder(&[("web.yaml", BROKEN.as_bytes())]);
    for format in [
        "human", "short", "json", "yaml", "name", "sarif", "junit", "github",
    ] {
        lint(dir.path(), &["-f", "web.yaml", "-o", format]).exits(1);
        lint(
            dir.path(),
            &["-f", "web.yaml", "-o", format, "--fail-on", "never"],
        )
        .exits(0);
    }
    let several = lint(
        dir.path(),
        &["-f", "web.yaml", "-o", "json=r.json", "-o", "sarif=r.sarif"],
    )
    .exits(1);
    assert!(several.stdout.contains("SVC004"));
    for file in ["r.json", "r.sarif"] {
        let value: Value =
            serde_json::from_slice(&fs::read(dir.path().join(file)).unwrap()).unwrap();
        assert!(value.is_object());
    }
}

#[test]
fn configuration_allows_and_thresholds() {
    let config = b"allow: [{code: SVC004, object: service/web, reason: the port comes with the next image}]\n";
    let dir = folder(&[("web.yaml", BROKEN.as_bytes()), (".netdoctor.yaml", config)]);
    let report = lint(dir.path(), &["-f", "web.yaml", "-o", "json"])
        .exits(0)
        .json();
    assert_eq!(report["suppressed"][0]["code"], "SVC004");
    assert_eq!(report["suppressed"][0]["by"], "config");
    fs::write(
        dir.path().join(".netdoctor.yaml"),
        "rules: {SVC999: {severity: off}}",
    )
    .unwrap();
    let wrong = lint(dir.path(), &["-f", "web.yaml"]).exits(3);
    assert!(
        wrong.stderr.contains(".netdoctor.yaml") && wrong.stderr.contains("SVC999"),
        "{}",
        wrong.stderr
    );
    fs::remove_file(dir.path().join(".netdoctor.yaml")).unwrap();
    lint(
        dir.path(),
        &["-f", "web.yaml", "--allow", "SVC004=service/web"],
    )
    .exits(0);
    lint(
        dir.path(),
        &["-f", "web.yaml", "--allow", "SVC004=service/other"],
    )
    .exits(1);
    lint(
        dir.path(),
        &["-f", "web.yaml", "--skip", "target-port-name-unresolved"],
    )
    .exits(0);
    let unknown = lint(dir.path(), &["-f", "web.yaml", "--only", "SVC998"]).exits(0);
    assert!(
        unknown.stderr.contains("no such rule"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn every_bad_input_is_one_clear_sentence() {
    let utf16: Vec<u8> = "apiVersion: v1\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let laughs = format!(
        "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n{}apiVersion: v1\nkind: Service\n",
        (1..12)
            .map(|n| format!(
                "a{n}: &a{n} [*a{0},*a{0},*a{0},*a{0},*a{0},*a{0},*a{0},*a{0},*a{0},*a{0}]\n",
                n - 1
            ))
            .collect::<String>()
    );
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let dir = folder(&[
        ("empty.yaml", b""),
        ("utf16.yaml", &utf16),
        ("binary.yaml", &[0, 159, 146, 150, 0, 255]),
        ("laughs.yaml", laughs.as_bytes()),
        ("deep.json", deep.as_bytes()),
        ("unclosed.yaml", b"a: [1, 2\nb: }"),
        ("nothing/readme.txt", b"text"),
    ]);
    for (file, words) in [
        ("empty.yaml", "no Kubernetes object"),
        ("utf16.yaml", "UTF-16"),
        ("binary.yaml", ""),
        ("laughs.yaml", ""),
        ("deep.json", ""),
        ("unclosed.yaml", "unclosed.yaml:"),
        ("nothing", "no manifest"),
    ] {
        let output = lint(dir.path(), &["-f", file]).exits(3);
        let text = format!("{}{}", output.stdout, output.stderr);
        assert!(text.contains(words), "{file}: {text}");
        assert!(!text.contains("panicked"), "{file}: {text}");
    }
    let missing = lint(dir.path(), &["-f", "missing.yaml"]).exits(3);
    assert_eq!(
        missing.stderr,
        "error: the path \"missing.yaml\" does not exist\n"
    );
    lint(dir.path(), &[]).exits(2);
    lint(dir.path(), &["-f", "a", "-k", "b"]).exits(2);
}

#[test]
fn templates_and_foreign_documents_are_counted_not_judged() {
    let template = b"{{- if .Values.service }}\nkind: Service\nmetadata: {name: {{ .Values.name }}}\n{{- end }}\n";
    let dir = folder(&[
        ("chart/service.yaml", template),
        ("chart/values.yaml", b"name: web\n"),
        ("web.yaml", BROKEN.as_bytes()),
    ]);
    let output = lint(dir.path(), &["-f", ".", "-R"]).exits(1);
    assert!(output.stdout.contains("template"), "{}", output.stdout);
}

#[test]
fn wrong_types_in_every_field_are_survived() {
    let fields = ["metadata", "spec", "status", "data"];
    for wrong in ["7", "\"x\"", "[1]", "null", "true"] {
        for kind in [
            ("v1", "Service"),
            ("v1", "Pod"),
            ("apps/v1", "Deployment"),
            ("networking.k8s.io/v1", "Ingress"),
            ("networking.k8s.io/v1", "NetworkPolicy"),
            ("v1", "Node"),
        ] {
            let body: String = fields
                .iter()
                .map(|field| format!("{field}: {wrong}\n"))
                .collect();
            let text = format!("apiVersion: {}\nkind: {}\n{body}", kind.0, kind.1);
            let output = netdoctor()
                .args(["lint", "-f", "-", "-o", "json"])
                .stdin(text)
                .run()
                .exits(0);
            assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
        }
    }
}

#[test]
fn a_file_of_100_mb_is_read() {
    let filler = format!("  key: \"{}\"\n", "x".repeat(1_000));
    let document = format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n{}",
        filler.replace("key", "k1")
    );
    let text = format!(
        "{}---\n{BROKEN}",
        document.repeat(100_000_000 / document.len())
    );
    let dir = folder(&[("big.yaml", text.as_bytes())]);
    assert_eq!(found(dir.path(), &["-f", "big.yaml"]).len(), 1);
}

#[test]
fn hostile_names_reach_no_terminal_raw() {
    let text = BROKEN.replace("name: web\nspec", "name: \"web\\e[31m\\u202e\\r\"\nspec");
    let dir = folder(&[("web.yaml", text.as_bytes())]);
    for format in ["human", "short", "name", "github"] {
        let output = lint(
            dir.path(),
            &["-f", "web.yaml", "-o", format, "--color=never"],
        )
        .exits(1);
        let hostile = |c: char| c == '\u{1b}' || c == '\u{202e}' || c == '\r';
        assert!(
            !output.stdout.contains(hostile),
            "{format}: {:?}",
            output.stdout
        );
    }
}

#[test]
fn explain_demo_and_lists_need_no_cluster() {
    let list = netdoctor()
        .args(["checks", "list", "-o", "name"])
        .run()
        .ok();
    assert!(list.stdout.lines().count() >= 46, "{}", list.stdout);
    for code in list.stdout.lines() {
        let page = netdoctor().args(["explain", code]).run().ok();
        assert!(
            page.stdout.contains("What it does") && page.stdout.starts_with(code),
            "{}",
            page.stdout
        );
    }
    let near = netdoctor().args(["explain", "SVC04"]).run().exits(2);
    assert!(near.stderr.contains("SVC004"), "{}", near.stderr);
    let demo = netdoctor().args(["demo"]).run().ok();
    assert!(
        demo.stdout.contains("healthy") && demo.stdout.contains("SVC004"),
        "{}",
        demo.stdout
    );
    let healthy = netdoctor().args(["demo", "healthy"]).run().ok();
    assert!(
        healthy.stdout.contains("No problems found"),
        "{}",
        healthy.stdout
    );
    netdoctor().args(["demo", "nothing"]).run().exits(2);
}

#[test]
fn equal_input_gives_equal_bytes() {
    let dir = folder(&[
        ("a.yaml", BROKEN.as_bytes()),
        (
            "b.yaml",
            BROKEN.replace("name: web", "name: web2").as_bytes(),
        ),
    ]);
    for format in ["human", "json", "sarif", "junit"] {
        let run = || {
            lint(
                dir.path(),
                &["-f", ".", "-o", format, "--now", "2026-01-01"],
            )
            .stdout
        };
        assert_eq!(run(), run(), "{format}");
    }
}
