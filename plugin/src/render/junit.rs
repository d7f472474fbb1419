//! `JUnit` XML: a suite per area, a test case per finding, and one per rule that passed, was skipped or could not be judged.

use std::collections::BTreeMap;
use std::fmt::Write as _; // writing to a String cannot fail

use netdoctor_engine::finding::Finding;
use netdoctor_engine::report::NoVerdict;
use netdoctor_engine::rule::Severity;

use super::{lines, view};
use crate::outcome::{Mode, Outcome};
use crate::progress::area_name;
use crate::terminal::{sanitize, sanitize_line};

/// What became of a test case.
enum State {
    Passed,
    /// A finding below the threshold: told, but no failure.
    Told(String),
    Failed {
        kind: &'static str,
        message: String,
        body: String,
    },
    Skipped(String),
    Error(String),
}

struct Case {
    name: String,
    state: State,
}

/// The document.
pub(super) fn render(outcome: &Outcome<'_>) -> String {
    let mut suites: BTreeMap<&str, Vec<Case>> = BTreeMap::new();
    let problems = outcome
        .problems
        .iter()
        .filter(|problem| problem.fatal)
        .map(|problem| Case {
            name: lines::position(&problem.file, problem.line, problem.column),
            state: State::Error(problem.message.clone()),
        });
    let problems: Vec<Case> = problems.collect();
    if !problems.is_empty() {
        suites.insert("input", problems);
    }
    for (area, case) in cases(outcome) {
        suites.entry(area_name(area)).or_default().push(case);
    }
    let all = suites.values().flatten();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    _ = writeln!(
        text,
        "<testsuites name=\"kubectl netdoctor\"{} time=\"0\">",
        counts(all)
    );
    for (name, cases) in &suites {
        text.push_str(&suite(outcome, name, cases));
    }
    text.push_str("</testsuites>\n");
    text
}

fn cases<'a>(outcome: &Outcome<'a>) -> Vec<(&'a str, Case)> {
    let report = outcome.report;
    let index = view::index(outcome);
    let mut cases: Vec<(&'a str, Case)> = Vec::new();
    for finding in outcome.shown() {
        let cause = finding
            .explained_by
            .as_deref()
            .and_then(|cause| index.get(cause)?.first().copied());
        let state = match cause.filter(|cause| cause.severity >= outcome.spec.min_severity) {
            Some(cause) => State::Skipped(format!(
                "explained by {}: {}",
                cause.rule.code, cause.message
            )),
            None => finding_state(outcome, finding),
        };
        let name = format!("{} {}", finding.rule.code, lines::place(outcome, finding));
        cases.push((finding.rule.area(), Case { name, state }));
    }
    for entry in &report.suppressed {
        let reason = entry
            .reason
            .as_deref()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        let name = format!(
            "{} {}",
            entry.finding.rule.code,
            view::object(outcome, &entry.finding.subject)
        );
        let state = State::Skipped(format!("allowed by {}{reason}", entry.by));
        cases.push((entry.finding.rule.area(), Case { name, state }));
    }
    for entry in &report.not_checked {
        let area = entry.code.trim_end_matches(|c: char| c.is_ascii_digit());
        let name = match &entry.subject {
            Some(subject) => format!("{} {}", entry.code, view::object(outcome, subject)),
            None => entry.code.to_owned(),
        };
        let state = match entry.outcome {
            NoVerdict::Unknown => State::Error(entry.reason.clone()),
            NoVerdict::Skipped => State::Skipped(entry.reason.clone()),
        };
        cases.push((area, Case { name, state }));
    }
    let is_passed = |count: &&netdoctor_engine::report::RuleCount| {
        count.ok > 0 && count.violated == 0 && count.unknown == 0
    };
    for count in report.rules.iter().filter(is_passed) {
        let name = format!("{} {}", count.rule.code, count.rule.name);
        cases.push((
            count.rule.area(),
            Case {
                name,
                state: State::Passed,
            },
        ));
    }
    cases
}

fn finding_state(outcome: &Outcome<'_>, finding: &Finding) -> State {
    let body = view::paragraph(finding);
    // Errors fail whatever the threshold of the exit code is: a view of test results has no other way to show them.
    let threshold = outcome.spec.fail_on.unwrap_or(Severity::Error);
    if finding.severity >= threshold {
        State::Failed {
            kind: finding.severity.as_str(),
            message: finding.message.clone(),
            body,
        }
    } else {
        State::Told(format!("{}: {body}", finding.severity))
    }
}

fn counts<'c>(cases: impl Iterator<Item = &'c Case>) -> String {
    let (mut tests, mut failures, mut errors, mut skipped) = (0, 0, 0, 0);
    for case in cases {
        tests += 1;
        match case.state {
            State::Failed { .. } => failures += 1,
            State::Error(_) => errors += 1,
            State::Skipped(_) => skipped += 1,
            State::Passed | State::Told(_) => {}
        }
    }
    format!(" tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
}

fn suite(outcome: &Outcome<'_>, name: &str, cases: &[Case]) -> String {
    let mut text = format!(
        "  <testsuite name=\"{}\"{} time=\"0\">\n    <properties>\n",
        attribute(name),
        counts(cases.iter())
    );
    let mut property = |name: &str, value: &str| {
        _ = writeln!(
            text,
            "      <property name=\"{name}\" value=\"{}\"/>",
            attribute(value)
        );
    };
    property("version", env!("CARGO_PKG_VERSION"));
    if let Some(context) = &outcome.spec.context {
        property("context", context);
    }
    if let Some(namespace) = &outcome.spec.namespace {
        property("namespace", namespace);
    }
    text.push_str("    </properties>\n");
    let class = match outcome.spec.mode {
        Mode::Check => "netdoctor.check",
        Mode::Lint => "netdoctor.lint",
    };
    for case in cases {
        let head = format!(
            "    <testcase name=\"{}\" classname=\"{class}\" time=\"0\"",
            attribute(&case.name)
        );
        let inside = match &case.state {
            State::Passed => None,
            State::Told(body) => Some(format!("<system-out>{}</system-out>", content(body))),
            State::Failed {
                kind,
                message,
                body,
            } => Some(format!(
                "<failure message=\"{}\" type=\"{kind}\">{}</failure>",
                attribute(message),
                content(body)
            )),
            State::Skipped(reason) => Some(format!("<skipped message=\"{}\"/>", attribute(reason))),
            State::Error(reason) => Some(format!(
                "<error message=\"{}\" type=\"unknown\"/>",
                attribute(reason)
            )),
        };
        match inside {
            None => {
                _ = writeln!(text, "{head}/>");
            }
            Some(inside) => {
                _ = writeln!(text, "{head}>\n      {inside}\n    </testcase>");
            }
        }
    }
    text.push_str("  </testsuite>\n");
    text
}

fn attribute(text: &str) -> String {
    escape(&sanitize_line(text))
}

fn content(text: &str) -> String {
    escape(&sanitize(text))
}

/// Markup is escaped; what XML cannot hold even escaped is dropped (controls are already visible text).
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c => safe.push(c),
        }
    }
    safe
}
