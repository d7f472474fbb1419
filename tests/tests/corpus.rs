//! False alarms, counted on 1,493 sets of manifests that people publish and run.
//!
//! The manifests are third-party data and live beside the checkout, never in it. Where they are absent the test says so
//! and passes; in CI it must run.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::struct_field_names,
    clippy::format_collect,
    reason = "a test fails where it cannot go on, and says why it is skipped"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use netdoctor_engine::config::Config;
use netdoctor_engine::finding::Finding;
use netdoctor_engine::load::{self, Place};
use netdoctor_engine::manifest;
use netdoctor_engine::model::Origin;
use netdoctor_engine::rule::{Evidence, Severity, Surface};
use netdoctor_engine::rules::RULES;
use netdoctor_engine::run::run;
use netdoctor_engine::snapshot::{Builder, Snapshot, Source};
use serde::Deserialize;

#[derive(Deserialize)]
struct Set {
    source: String,
    set: String,
    files: Vec<String>,
    status: String,
}

#[derive(Deserialize)]
struct Verdict {
    code: String,
    file: String,
    object: String,
    verdict: String,
    sets: Vec<String>,
}

#[derive(Deserialize)]
struct AcceptedList {
    accepted: Vec<Accepted>,
}

#[derive(Deserialize)]
struct Accepted {
    code: String,
    file: String,
    object: String,
    reason: String,
}

/// A finding, as verdicts name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    code: String,
    case: String,
    file: String,
    object: String,
    severity: Severity,
    message: String,
}

fn corpus() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let path = std::env::var_os("NETDOCTOR_CORPUS").map_or(beside, PathBuf::from);
    path.join("sets.json").is_file().then_some(path)
}

#[test]
fn no_false_alarms_and_every_true_defect_found() {
    let Some(corpus) = corpus() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "the corpus must be there in CI"
        );
        println!("skipped: no corpus beside the checkout (NETDOCTOR_CORPUS names another place)");
        return;
    };
    let sets: Vec<Set> = json(&corpus.join("sets.json"));
    let verdicts: Vec<Verdict> = json(&corpus.join("verdicts.json"));
    let accepted: AcceptedList = toml::from_str(include_str!("../corpus-accepted.toml")).unwrap();
    assert!(
        accepted
            .accepted
            .iter()
            .all(|entry| !entry.reason.is_empty())
    );
    let mut archives: HashMap<&str, HashMap<String, Vec<u8>>> = HashMap::new();
    let (mut wrong, mut unfound): (BTreeMap<Seen, usize>, BTreeSet<String>) =
        (BTreeMap::new(), BTreeSet::new());
    let mut judged = 0;
    for set in sets.iter().filter(|set| set.status != "excluded") {
        let files = archives
            .entry(&set.source)
            .or_insert_with(|| unpack(&corpus, &set.source));
        let seen = lint(set, files);
        judged += 1;
        let id = format!("{}/{}", set.source, set.set);
        for (finding, evidence) in &seen {
            if is_false_alarm(set, finding, *evidence, &verdicts, &accepted.accepted) {
                *wrong.entry(finding.clone()).or_default() += 1;
            }
        }
        for verdict in verdicts
            .iter()
            .filter(|verdict| verdict.verdict == "TRUE" && verdict.sets.contains(&id))
        {
            let known = RULES
                .iter()
                .any(|rule| verdict.code.split('/').next() == Some(rule.code));
            if known && !seen.iter().any(|(finding, _)| names(verdict, finding)) {
                unfound.insert(format!(
                    "{} {} {}",
                    verdict.code, verdict.file, verdict.object
                ));
            }
        }
    }
    assert!(judged > 1000, "only {judged} sets were judged");
    let mut report = String::new();
    for (finding, times) in &wrong {
        let Seen {
            code,
            case,
            file,
            object,
            severity,
            message,
        } = finding;
        writeln!(
            report,
            "{code} {case} {severity} ×{times} {file} {object}: {message}"
        )
        .unwrap();
    }
    for missing in &unfound {
        writeln!(report, "not found: {missing}").unwrap();
    }
    println!(
        "{judged} sets, {} false alarms, {} true defects not found",
        wrong.len(),
        unfound.len()
    );
    assert!(
        report.is_empty(),
        "{} false alarms, {} defects not found:\n{report}",
        wrong.len(),
        unfound.len()
    );
}

fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> T {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn unpack(corpus: &Path, source: &str) -> HashMap<String, Vec<u8>> {
    let archive = std::fs::File::open(corpus.join(source).join("manifests.tgz")).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    let mut files = HashMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let path = path.trim_start_matches("./").to_owned();
        let mut text = Vec::new();
        entry.read_to_end(&mut text).unwrap();
        files.insert(format!("{source}/{path}"), text);
    }
    files
}

fn lint(set: &Set, files: &HashMap<String, Vec<u8>>) -> Vec<(Seen, Evidence)> {
    let mut builder = Builder::new(Source::Files);
    for name in &set.files {
        let Some(text) = files.get(name) else {
            panic!("{name} is not in the archive of {}", set.source)
        };
        let place = Place {
            file: Some(builder.file(name)),
            namespace: "default",
        };
        manifest::parse_each(text, &mut |document| {
            load::document(place, document.index, document.value, &mut |any| {
                builder.insert(any);
            });
        });
    }
    let snapshot = builder.seal();
    let now = "2026-01-01T00:00:00Z".parse().unwrap();
    let report = run(&RULES, &snapshot, &Config::default(), now, Surface::Lint);
    report
        .findings
        .iter()
        .map(|finding| (seen(finding, &snapshot), finding.rule.evidence))
        .collect()
}

fn seen(finding: &Finding, snapshot: &Snapshot) -> Seen {
    let subject = &finding.subject;
    let file = match subject.origin {
        Origin::File { file, .. } => snapshot.files[file as usize].to_string(),
        Origin::Live => String::new(),
    };
    let namespace = if subject.namespace.is_empty() {
        String::new()
    } else {
        format!("{}/", subject.namespace)
    };
    Seen {
        code: finding.rule.code.to_owned(),
        case: finding.case.unwrap_or_default().to_owned(),
        file,
        object: format!("{}/{namespace}{}", subject.kind, subject.name),
        severity: finding.severity,
        message: finding.message.clone(),
    }
}

fn names(verdict: &Verdict, finding: &Seen) -> bool {
    let (code, case) = verdict
        .code
        .split_once('/')
        .map_or((&*verdict.code, None), |(code, case)| (code, Some(case)));
    code == finding.code
        && case.is_none_or(|case| case == finding.case)
        && verdict.file == finding.file
        && verdict.object == finding.object
}

fn is_false_alarm(
    set: &Set,
    finding: &Seen,
    evidence: Evidence,
    verdicts: &[Verdict],
    accepted: &[Accepted],
) -> bool {
    if finding.severity < Severity::Warning {
        return false;
    }
    let listed = accepted.iter().any(|entry| {
        entry.code == finding.code && entry.file == finding.file && entry.object == finding.object
    });
    if listed {
        return false;
    }
    let verdict = verdicts.iter().find(|verdict| names(verdict, finding));
    match verdict.map(|verdict| &*verdict.verdict) {
        Some("TRUE" | "DELIBERATE") => false,
        Some("TRUE-HARMLESS") => finding.severity > Severity::Warning,
        Some("FRAGMENT") => finding.severity == Severity::Error,
        None if set.status == "fragment" => {
            finding.severity == Severity::Error && evidence == Evidence::Miss
        }
        Some(_) | None => true,
    }
}
