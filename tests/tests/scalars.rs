//! Manifests mean what kubectl reads: every odd scalar, key and merge is compared with kubectl's own conversion.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::struct_field_names,
    clippy::format_collect,
    reason = "a test fails where it cannot go on, and says why it is skipped"
)]

use netdoctor_engine::manifest;
use netdoctor_lab::components;
use netdoctor_tests::cmd::Program;
use serde_json::Value;

const ODD: &str = r#"apiVersion: example.test/v1
kind: Odd
metadata: {name: odd}
spec:
  booleans: [yes, Yes, YES, no, on, Off, y, n, true, False, "yes", 'on']
  numbers: [0777, 0o17, 08, 0x1F, 0b101, 1_000, 1e3, 1.5, -0, +12, .5, 123456789012345678, 1.0]
  strings: [1:30, 2001-12-14, 2001-12-14T21:59:43Z, "0777", '1e3', 1.2.3, v1, 10.0.0.1, =, <<, 0x, 1__0, --1, 08a]
  nulls: [~, null, NULL, Null, ""]
  tagged: [!!str 80, !!str true, !!int "80", !!float "1.5", !!bool "yes"]
  keys: {1: a, 1.5: b, true: c, n: e, 0777: h, "on": i}
  blocks:
    literal: |
      one
        two

    folded: >-
      one
      two

      three
    keep: |+
      end

  quoted: "a\tb\u00e9\x41 \
    c"
  anchors: &base {port: 80, name: http}
  merged: {<<: *base, port: 81}
  merges:
    <<: [*base, {extra: 1}]
    name: own
  alias: *base
  empty: {}
  list:
  - a
  -   - nested
  - {x: 1, y: [2]}
"#;

#[test]
fn odd_values_are_read_as_kubectl_reads_them() {
    let Ok(Some(components)) = components::installed() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "the components must be there in CI"
        );
        println!("skipped: kubectl is not built (cargo xtask components)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("odd.yaml");
    std::fs::write(&file, ODD).unwrap();
    let output = Program::new(components.path("kubectl"))
        .args(["label", "--local", "-o", "json", "zz=1", "-f"])
        .args([&file])
        .run();
    let theirs = output.ok().json();
    let parsed = manifest::parse(ODD.as_bytes());
    assert!(parsed.problems.is_empty(), "{:?}", parsed.problems);
    let ours = &parsed.documents[0].value;
    let (Value::Object(theirs), Value::Object(ours)) = (&theirs["spec"], &ours["spec"]) else {
        panic!("no spec");
    };
    for (key, value) in theirs {
        assert_eq!(ours.get(key), Some(value), "{key}");
    }
    assert_eq!(theirs.len(), ours.len());
}

/// What stands behind `spec:` in a document that kubectl reads or refuses as a whole.
const DOUBTFUL: [&str; 12] = [
    "{null: a}",
    "{~: a}",
    "[a, , b]",
    "{[1]: a}",
    "{a: .inf}",
    "{a: .nan}",
    "*nowhere",
    "{a: 1, a: 2}",
    "\n  a: 1\n b: 2",
    "[1, 2",
    "!!int abc",
    "{<<: 1}",
];

#[test]
fn what_kubectl_refuses_is_a_problem_here_and_what_it_reads_is_not() {
    let Ok(Some(components)) = components::installed() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "the components must be there in CI"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("doubtful.yaml");
    for spec in DOUBTFUL {
        let text = format!(
            "apiVersion: example.test/v1\nkind: Odd\nmetadata: {{name: odd}}\nspec: {spec}\n"
        );
        std::fs::write(&file, &text).unwrap();
        let theirs = Program::new(components.path("kubectl"))
            .args(["label", "--local", "-o", "json", "zz=1", "-f"])
            .args([&file])
            .run();
        let parsed = manifest::parse(text.as_bytes());
        let refused = parsed
            .problems
            .iter()
            .any(netdoctor_engine::manifest::Problem::is_fatal);
        assert_eq!(
            refused,
            theirs.code != Some(0),
            "{spec}: {:?} but kubectl says {}",
            parsed.problems,
            theirs.stderr
        );
    }
}
