//! SARIF 2.1.0, in the subset that code scanning reads.

mod log;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _; // writing to a String cannot fail
use std::io;

use netdoctor_engine::finding::Finding;
use netdoctor_engine::report::NotChecked;
use netdoctor_engine::rule::{Confidence, Rule, Severity};
use netdoctor_engine::rules;

use super::{report, view};
use crate::outcome::{InputProblem, Outcome, Place, Verdict};
use crate::progress::area_name;
use log::{
    ArtifactLocation, AutomationDetails, Configuration, Descriptor, Driver, Help, Invocation,
    Location, Log, Notification, PhysicalLocation, Properties, Reference, Region, Run, SarifResult,
    Text, Tool,
};

/// Code scanning shows no more of a description.
const DESCRIPTION_LIMIT: usize = 1024;

/// The log.
pub(super) fn render(outcome: &Outcome<'_>) -> io::Result<String> {
    let blocks: Vec<(&Finding, Place<'_>)> = view::blocks(outcome)
        .into_iter()
        .filter_map(|finding| Some((finding, view::main_place(outcome, finding)?)))
        .collect();
    let codes: BTreeSet<&'static str> = blocks
        .iter()
        .map(|(finding, _)| finding.rule.code)
        .chain(outcome.report.not_checked.iter().map(|entry| entry.code))
        .collect();
    let known: BTreeMap<&str, &'static Rule> = outcome
        .report
        .rules
        .iter()
        .map(|count| count.rule)
        .chain(blocks.iter().map(|(finding, _)| finding.rule))
        .map(|rule| (rule.code, rule))
        .collect();
    let described: Vec<&'static Rule> = codes
        .iter()
        .filter_map(|code| known.get(code).copied().or_else(|| rules::find(code)))
        .collect();
    let mut repeated: BTreeMap<&str, usize> = BTreeMap::new();
    let results = blocks.iter().map(|(finding, place)| {
        let number = repeated.entry(&finding.fingerprint).or_default();
        *number += 1;
        let index = described
            .iter()
            .position(|rule| rule.code == finding.rule.code)
            .unwrap_or_default();
        result(outcome, finding, place, index, *number)
    });
    let log = Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            results: results.collect(),
            tool: Tool {
                driver: driver(&described),
            },
            automation_details: AutomationDetails {
                id: "kubectl-netdoctor/lint/",
            },
            column_kind: "unicodeCodePoints",
            invocations: [invocation(outcome)],
        }],
    };
    report::harmless_json(&log)
}

fn driver(described: &[&'static Rule]) -> Driver {
    Driver {
        name: "kubectl-netdoctor",
        version: env!("CARGO_PKG_VERSION"),
        semantic_version: env!("CARGO_PKG_VERSION"),
        information_uri: env!("CARGO_PKG_HOMEPAGE"),
        rules: described.iter().map(|rule| descriptor(rule)).collect(),
    }
}

fn descriptor(rule: &'static Rule) -> Descriptor {
    let severity = rule.lint.or(rule.check).unwrap_or(Severity::Warning);
    let page = if rule.page.trim().is_empty() {
        rule.summary
    } else {
        rule.page
    };
    let full = section(rule.page, "What it does").unwrap_or(rule.summary);
    Descriptor {
        id: rule.code,
        name: rule.name,
        short_description: Text {
            text: shortened(rule.summary),
        },
        full_description: Text {
            text: shortened(full),
        },
        help: Help {
            text: page.to_owned(),
            markdown: page.to_owned(),
        },
        default_configuration: Configuration {
            level: level(severity),
        },
        properties: Properties {
            tags: vec!["kubernetes", "network", area_name(rule.area())],
            precision: match rule.confidence {
                Confidence::Certain => "very-high",
                Confidence::Likely => "high",
                Confidence::Hint => "medium",
            },
            problem_severity: match severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Info => "recommendation",
            },
        },
    }
}

/// The text below a heading of a page.
fn section<'p>(page: &'p str, heading: &str) -> Option<&'p str> {
    let (_, body) = page.split_once(&format!("## {heading}\n"))?;
    let text = body.split("\n## ").next()?.trim();
    (!text.is_empty()).then_some(text)
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= DESCRIPTION_LIMIT {
        return text.to_owned();
    }
    let cut: String = text.chars().take(DESCRIPTION_LIMIT - 1).collect();
    format!("{cut}…")
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn result(
    outcome: &Outcome<'_>,
    finding: &Finding,
    place: &Place<'_>,
    rule_index: usize,
    number: usize,
) -> SarifResult {
    let related = finding.labels.iter().skip(1).filter_map(|label| {
        let place = outcome.sources.place(label)?;
        let message = (!label.text.is_empty()).then(|| Text {
            text: label.text.clone(),
        });
        Some(Location {
            message,
            ..location(&place)
        })
    });
    let related = related.enumerate().map(|(index, location)| Location {
        id: Some(index + 1),
        ..location
    });
    SarifResult {
        rule_id: finding.rule.code,
        rule_index,
        level: level(finding.severity),
        message: Text {
            text: view::paragraph(finding),
        },
        locations: [location(place)],
        related_locations: related.collect(),
        // Nothing in it depends on lines, so that an edit above a finding does not make it new. Two files may hold variants of one object.
        partial_fingerprints: BTreeMap::from([
            ("netdoctor/v1", finding.fingerprint.clone()),
            (
                "primaryLocationLineHash",
                format!("{}:{number}", finding.fingerprint),
            ),
        ]),
    }
}

fn location(place: &Place<'_>) -> Location {
    Location {
        id: None,
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation {
                uri: uri(place.file),
            },
            region: Some(Region {
                start_line: place.span.start.line,
                start_column: place.span.start.column,
                end_line: place.span.end.line,
                end_column: place.span.end.column,
            }),
        },
        message: None,
    }
}

/// A file name as a URI: relative ones stay relative to where the run started.
fn uri(file: &str) -> String {
    let slashes = if cfg!(windows) {
        file.replace('\\', "/")
    } else {
        file.to_owned()
    };
    let mut path = slashes.as_str();
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    let mut uri = if path.starts_with('/') {
        "file://".to_owned()
    } else {
        String::new()
    };
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

fn invocation(outcome: &Outcome<'_>) -> Invocation {
    let problems = outcome.problems.iter().map(problem);
    let open = outcome.report.not_checked.iter().map(not_checked);
    let warnings = outcome
        .report
        .warnings
        .iter()
        .filter(|text| !text.is_empty())
        .map(|text| Notification {
            level: "warning",
            message: Text { text: text.clone() },
            associated_rule: None,
            locations: Vec::new(),
        });
    Invocation {
        execution_successful: outcome.verdict != Verdict::Failed,
        exit_code: outcome.verdict.exit_code(),
        tool_execution_notifications: problems.chain(warnings).chain(open).collect(),
    }
}

fn problem(problem: &InputProblem) -> Notification {
    let region = problem.line.map(|line| {
        let column = problem.column.unwrap_or(1);
        Region {
            start_line: line,
            start_column: column,
            end_line: line,
            end_column: column,
        }
    });
    let location = (!problem.file.is_empty()).then(|| Location {
        id: None,
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation {
                uri: uri(&problem.file),
            },
            region,
        },
        message: None,
    });
    Notification {
        level: if problem.fatal { "error" } else { "warning" },
        message: Text {
            text: problem.message.clone(),
        },
        associated_rule: None,
        locations: location.into_iter().collect(),
    }
}

fn not_checked(entry: &NotChecked) -> Notification {
    let about = entry
        .subject
        .as_ref()
        .map(|subject| format!(" ({subject})"))
        .unwrap_or_default();
    Notification {
        level: "note",
        message: Text {
            text: format!(
                "{} {}: {}{about}",
                entry.code,
                entry.outcome.as_str(),
                entry.reason
            ),
        },
        associated_rule: Some(Reference { id: entry.code }),
        locations: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_relative_and_encoded() {
        assert_eq!(uri("./deploy/web a.yaml"), "deploy/web%20a.yaml");
        assert_eq!(uri("größe:1.yaml"), "gr%C3%B6%C3%9Fe%3A1.yaml");
        assert_eq!(uri("/tmp/x.yaml"), "file:///tmp/x.yaml");
    }
}
