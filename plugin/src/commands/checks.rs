//! `checks list`: every rule, with what it needs to read.

use std::io::Write as _;

use netdoctor_engine::rule::{Action, Rule, Severity};
use netdoctor_engine::rules::RULES;
use serde::Serialize;

use crate::cli::ChecksListArgs;
use crate::cli::values::ListFormat;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    api_version: &'static str,
    kind: &'static str,
    items: Vec<Item>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    code: &'static str,
    name: &'static str,
    category: &'static str,
    summary: &'static str,
    since: &'static str,
    severity: Severities,
    confidence: &'static str,
    evidence: &'static str,
    cases: Vec<Case>,
    /// Resources that must be listable, in RBAC's terms.
    needs: Vec<String>,
    /// Resources that sharpen the verdict.
    wants: Vec<String>,
    page: String,
}

#[derive(Serialize)]
struct Severities {
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lint: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admission: Option<&'static str>,
}

#[derive(Serialize)]
struct Case {
    name: &'static str,
    severity: &'static str,
}

/// Prints the list.
pub(crate) fn list(args: &ChecksListArgs) -> anyhow::Result<u8> {
    let mut out = std::io::stdout().lock();
    match args.output {
        None => out.write_all(table(!args.no_headers).as_bytes())?,
        Some(ListFormat::Name) => RULES
            .iter()
            .try_for_each(|rule| writeln!(out, "{}", rule.code))?,
        Some(ListFormat::Json) => {
            serde_json::to_writer_pretty(&mut out, &document())?;
            writeln!(out)?;
        }
        Some(ListFormat::Yaml) => {
            out.write_all(serde_saphyr::to_string(&document())?.as_bytes())?;
        }
    }
    Ok(0)
}

fn document() -> Document {
    Document {
        api_version: crate::source::bundle::API_VERSION,
        kind: "CheckList",
        items: RULES.iter().map(|rule| item(rule)).collect(),
    }
}

fn item(rule: &'static Rule) -> Item {
    let subjects = rule.on.iter().flat_map(|check| check.kinds());
    let mut needs: Vec<String> = subjects
        .chain(rule.needs)
        .map(|kind| kind.resource())
        .collect();
    needs.sort();
    needs.dedup();
    Item {
        code: rule.code,
        name: rule.name,
        category: crate::progress::area_name(rule.area()),
        summary: rule.summary,
        since: rule.since,
        severity: Severities {
            check: rule.check.map(Severity::as_str),
            lint: rule.lint.map(Severity::as_str),
            admission: rule.admit.map(Action::as_str),
        },
        confidence: rule.confidence.as_str(),
        evidence: rule.evidence.as_str(),
        cases: rule
            .cases
            .iter()
            .map(|(name, severity)| Case {
                name,
                severity: severity.as_str(),
            })
            .collect(),
        wants: rule
            .wants
            .iter()
            .map(|kind| kind.resource())
            .filter(|kind| !needs.contains(kind))
            .collect(),
        needs,
        page: format!("docs/rules/{}.md", rule.code),
    }
}

fn table(headers: bool) -> String {
    let rows = RULES.iter().map(|rule| {
        let cell = |severity: Option<&'static str>| severity.unwrap_or("-");
        [
            rule.code,
            rule.name,
            cell(rule.check.map(Severity::as_str)),
            cell(rule.lint.map(Severity::as_str)),
            cell(rule.admit.map(Action::as_str)),
            rule.confidence.as_str(),
        ]
    });
    let head = headers.then_some(["CODE", "NAME", "CHECK", "LINT", "ADMISSION", "CONFIDENCE"]);
    let rows: Vec<[&str; 6]> = head.into_iter().chain(rows).collect();
    let widths: Vec<usize> = (0..6)
        .map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text.push_str(cells.join("   ").trim_end());
        text.push('\n');
    }
    text
}
