//! Formats for machines.

use serde_json::Value;

use super::super::github::step_summary;
use super::super::refusal;
use super::fixture::{self, Fixture};
use super::{FORMATS, PLAIN, json, print};
use crate::cli::values::Format;
use crate::outcome::Mode;

const SCHEMA: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../docs/schema/checkreport-v1alpha1.json"
));

/// A name with everything that should not reach a terminal, a page or a workflow command.
const HOSTILE: &str = "\u{1b}[31mx\u{202e}\u{7}\r\n::error::y\u{9b}|<b>&\"'%,:`@z\u{fffe}";

fn hostile_service() -> Value {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": HOSTILE, "namespace": HOSTILE},
        "spec": {"selector": {"a": "b"}, "ports": [{"name": "http", "port": 80, "targetPort": "htpp"}]},
    })
}

fn hostile_files() -> Fixture {
    let name = "a\u{1b}[2J,b:c%\u{202e}.json";
    let fixture = fixture::files(&[(name, &hostile_service().to_string())]);
    assert_eq!(fixture.outcome().shown().count(), 2);
    fixture
}

fn hostile_cluster() -> Fixture {
    fixture::cluster_of(&[hostile_service()])
}

fn all() -> Vec<Fixture> {
    vec![
        fixture::shop(),
        fixture::shop().with_problems(),
        fixture::cluster(),
        fixture::allowed(),
        hostile_files(),
        hostile_cluster(),
        fixture::files(&[]),
    ]
}

#[test]
fn a90_json_and_yaml_hold_to_the_published_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for fixture in all() {
        let document = json(&fixture);
        let errors: Vec<String> = validator
            .iter_errors(&document)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let yaml = print(&fixture, Format::Yaml, PLAIN);
        let reread: Value = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(reread, document);
    }
    let mut wrong = json(&fixture::shop());
    wrong["findings"][0]["extra"] = 1.into();
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn a32_nothing_that_acts_on_a_terminal_gets_through() {
    for (fixture, formats) in [
        (hostile_files(), &FORMATS[..]),
        (hostile_cluster(), &FORMATS[..5]),
    ] {
        for format in formats.iter().copied() {
            let text = print(&fixture, format, PLAIN);
            let bad: Vec<char> = text
                .chars()
                .filter(|c| *c != '\n' && crate::terminal::acts_on_the_terminal(*c))
                .collect();
            assert!(bad.is_empty(), "{format:?}: {bad:?}\n{text}");
            assert!(
                !text.lines().any(|line| line.starts_with("::error::y")),
                "{format:?}\n{text}"
            );
        }
    }
    let document = json(&hostile_cluster());
    assert_eq!(document["findings"][0]["subject"]["name"], HOSTILE);
}

#[test]
fn a55_equal_input_gives_equal_bytes() {
    for format in FORMATS {
        assert_eq!(
            print(&fixture::shop(), format, PLAIN),
            print(&fixture::shop(), format, PLAIN)
        );
    }
}

#[test]
fn a28_a61_nothing_found_is_nothing_printed() {
    let clean = fixture::files(&[(
        "a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
    )]);
    assert_eq!(print(&clean, Format::Short, PLAIN), "");
    assert_eq!(print(&clean, Format::Name, PLAIN), "");
    assert_eq!(print(&clean, Format::Github, PLAIN), "");
    assert_eq!(json(&clean)["findings"], serde_json::json!([]));
    assert_eq!(json(&clean)["status"]["verdict"], "clean");
}

#[test]
fn a26_names_are_arguments_for_kubectl() {
    insta::assert_snapshot!(print(&fixture::shop(), Format::Name, PLAIN), @r"
    service/web
    deployment.apps/agent
    ");
}

#[test]
fn short_lines_name_place_code_and_fact() {
    insta::assert_snapshot!(print(&fixture::shop().with_problems(), Format::Short, PLAIN), @"
    deploy/broken.yaml:3:7: error: mapping values are not allowed here
    deploy/web.yaml:12:19: error[SVC904]: no selected pod of Service `shop/web` declares a port named `htpp`
    deploy/agent.yaml:11:5: warning[HST904]: hostNetwork pods of Deployment shop/agent keep `dnsPolicy: ClusterFirst`
    deploy/web.yaml:7:3: info[SVC990]: Service `web` selects by label
    ");
}

#[test]
fn a93_workflow_commands_are_escaped() {
    let text = print(&hostile_files(), Format::Github, PLAIN);
    assert!(
        text.starts_with("::error file=a^[[2J%2Cb%3Ac%25<U+202E>.json,line=1,endLine=1,col="),
        "{text}"
    );
    let summary = step_summary(&hostile_files().outcome());
    assert!(
        !summary.contains("<b>") && summary.contains("&lt;b&gt;"),
        "{summary}"
    );
    let rows = summary.lines().filter(|line| line.starts_with("| error"));
    for row in rows {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 5, "{row}");
    }
}

#[test]
fn a91_sarif_has_what_code_scanning_needs() {
    let log: Value = serde_json::from_str(&print(
        &fixture::shop().with_problems(),
        Format::Sarif,
        PLAIN,
    ))
    .unwrap();
    let run = &log["runs"][0];
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let region = &result["locations"][0]["physicalLocation"]["region"];
        assert!(region["startLine"].as_u64().unwrap() >= 1, "{region}");
    }
    let first = &run["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(first["artifactLocation"]["uri"], "deploy/web.yaml");
    assert_eq!(
        first["region"],
        serde_json::json!({"startLine": 12, "startColumn": 19, "endLine": 12, "endColumn": 23})
    );
    assert_eq!(
        rules[1]["fullDescription"]["text"],
        "Compares names of ports."
    );
    no_empty_text(&log);
}

fn no_empty_text(value: &Value) {
    match value {
        Value::String(text) => assert!(!text.is_empty()),
        Value::Array(items) => items.iter().for_each(no_empty_text),
        Value::Object(entries) => entries.values().for_each(no_empty_text),
        _ => {}
    }
}

#[test]
fn a91_fingerprints_outlive_a_shift_of_lines() {
    let prints = |text: &str| -> Vec<Value> {
        let log = print(&fixture::files(&[("web.yaml", text)]), Format::Sarif, PLAIN);
        let log: Value = serde_json::from_str(&log).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap();
        results
            .iter()
            .map(|result| result["partialFingerprints"].clone())
            .collect()
    };
    let shifted = format!("# one\n# two\n{}", fixture::SERVICE);
    assert_eq!(prints(fixture::SERVICE), prints(&shifted));
    assert_eq!(prints(fixture::SERVICE).len(), 2);
    // Two variants of one object are two results, and differ.
    let both = print(
        &fixture::files(&[("a.yaml", fixture::SERVICE), ("b.yaml", fixture::SERVICE)]),
        Format::Sarif,
        PLAIN,
    );
    let hash = |number: u8| both.contains(&format!("dc8d13b1a4c33267:{number}\""));
    assert!(hash(1) && hash(2), "{both}");
}

#[test]
fn sarif_of_a_cluster_is_refused_with_the_way_out() {
    assert!(
        refusal(Format::Sarif, Mode::Check)
            .unwrap()
            .contains("-o json")
    );
    assert!(refusal(Format::Sarif, Mode::Lint).is_none());
    let error = super::render(
        Format::Sarif,
        &fixture::cluster().outcome(),
        PLAIN,
        &mut Vec::new(),
    )
    .unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
}

#[test]
fn a92_junit_counts_agree_and_tags_close() {
    for fixture in all() {
        let text = print(&fixture, Format::Junit, PLAIN);
        let number = |line: &str, name: &str| -> usize {
            let (_, rest) = line.split_once(&format!("{name}=\"")).unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        };
        let head = text.lines().nth(1).unwrap();
        for (name, tag) in [
            ("tests", "<testcase "),
            ("failures", "<failure "),
            ("errors", "<error "),
            ("skipped", "<skipped "),
        ] {
            assert_eq!(
                number(head, name),
                text.matches(tag).count(),
                "{name}\n{text}"
            );
            let of_suites: usize = text
                .lines()
                .filter(|line| line.contains("<testsuite "))
                .map(|line| number(line, name))
                .sum();
            assert_eq!(number(head, name), of_suites, "{name}\n{text}");
        }
        assert_well_formed(&text);
    }
}

/// Every tag closes, no attribute holds a raw bracket, and each character is one that XML allows.
fn assert_well_formed(text: &str) {
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(text.chars().all(allowed), "{text}");
    let mut open: Vec<&str> = Vec::new();
    for part in text.split('<').skip(2) {
        let (tag, content) = part.split_once('>').unwrap();
        assert!(!content.contains('>'), "{part}");
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag.split([' ', '/']).find(|word| !word.is_empty()).unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{text}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn explained_findings_are_in_the_document_but_have_no_block() {
    let cluster = fixture::cluster();
    let document = json(&cluster);
    let symptoms = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["explainedBy"].is_string());
    assert_eq!(symptoms.count(), 5);
    assert_eq!(document["summary"]["explained"], 5);
    assert!(!print(&cluster, Format::Short, PLAIN).contains("DNS904"));
    assert_eq!(
        print(&cluster, Format::Junit, PLAIN)
            .matches("explained by NOD901")
            .count(),
        5
    );
}

#[test]
fn a93_the_step_summary_is_added_to_its_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "before\n").unwrap();
    let shop = fixture::shop();
    let mut outcome = shop.outcome();
    outcome.step_summary = Some(file.path().to_owned());
    super::render(Format::Github, &outcome, PLAIN, &mut Vec::new()).unwrap();
    super::render(Format::Short, &outcome, PLAIN, &mut Vec::new()).unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    assert_eq!(text, format!("before\n{}", step_summary(&outcome)));
    assert!(
        text.contains("| error | SVC904 | deploy/web.yaml:12:19 |"),
        "{text}"
    );
}
