//! Workflow commands, which GitHub turns into annotations of a pull request, and a table for the summary of the step.

use netdoctor_engine::finding::Finding;
use netdoctor_engine::rule::Severity;
use std::fmt::Write as _; // writing to a String cannot fail

use super::text::count;
use super::{lines, view};
use crate::outcome::{InputProblem, Outcome};
use crate::terminal::{sanitize, sanitize_line};

/// Rows of the table; GitHub refuses a summary of more than 1 MiB.
const ROWS: usize = 1000;

/// One command per problem.
pub(super) fn annotations(outcome: &Outcome<'_>) -> String {
    let mut text = String::new();
    for problem in &outcome.problems {
        text.push_str(&problem_command(problem));
    }
    for group in view::open(&outcome.report.not_checked) {
        let message = format!(
            "{} {}: {}",
            group.codes.join(", "),
            group.outcome.as_str(),
            group.reason
        );
        text.push_str(&command(
            "notice",
            &[("title", "not checked".to_owned())],
            &message,
        ));
    }
    for finding in view::blocks(outcome) {
        text.push_str(&finding_command(outcome, finding));
    }
    text
}

fn problem_command(problem: &InputProblem) -> String {
    let mut properties = Vec::new();
    if !problem.file.is_empty() {
        properties.push(("file", lines::short_path(&problem.file).to_owned()));
    }
    properties.extend(problem.line.map(|line| ("line", line.to_string())));
    properties.extend(problem.column.map(|column| ("col", column.to_string())));
    command(
        if problem.fatal { "error" } else { "warning" },
        &properties,
        &problem.message,
    )
}

fn finding_command(outcome: &Outcome<'_>, finding: &Finding) -> String {
    let mut properties = Vec::new();
    let mut message = view::paragraph(finding);
    match view::main_place(outcome, finding) {
        Some(place) => properties.extend([
            ("file", lines::short_path(place.file).to_owned()),
            ("line", place.span.start.line.to_string()),
            ("endLine", place.span.end.line.to_string()),
            ("col", place.span.start.column.to_string()),
        ]),
        None => message = format!("{}: {message}", view::object(outcome, &finding.subject)),
    }
    properties.push((
        "title",
        format!("{} {}", finding.rule.code, finding.rule.name),
    ));
    command(word(finding.severity), &properties, &message)
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "notice",
    }
}

/// The escapes are those of `@actions/core`.
fn command(word: &str, properties: &[(&str, String)], message: &str) -> String {
    let properties: Vec<String> = properties
        .iter()
        .map(|(name, value)| {
            format!(
                "{name}={}",
                data(&sanitize_line(value))
                    .replace(':', "%3A")
                    .replace(',', "%2C")
            )
        })
        .collect();
    let gap = if properties.is_empty() { "" } else { " " };
    format!(
        "::{word}{gap}{}::{}\n",
        properties.join(","),
        data(&sanitize(message))
    )
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// The table.
pub(super) fn step_summary(outcome: &Outcome<'_>) -> String {
    let blocks = view::blocks(outcome);
    let mut text = String::from("### kubectl netdoctor\n\n");
    let checks = view::checks(outcome.report.rules.iter());
    let of = |severity| {
        blocks
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    _ = writeln!(
        text,
        "{}, {}, {} info · {} passed, {} unknown, {} skipped · {} allowed",
        count(of(Severity::Error), "error"),
        count(of(Severity::Warning), "warning"),
        of(Severity::Info),
        checks.passed,
        checks.unknown,
        checks.skipped,
        outcome.report.suppressed.len(),
    );
    if !blocks.is_empty() {
        text.push_str("\n| severity | code | place | finding |\n| --- | --- | --- | --- |\n");
    }
    for finding in blocks.iter().take(ROWS) {
        let place = cell(&lines::place(outcome, finding));
        _ = writeln!(
            text,
            "| {} | {} | {place} | {} |",
            finding.severity,
            finding.rule.code,
            cell(&finding.message)
        );
    }
    if blocks.len() > ROWS {
        _ = writeln!(
            text,
            "\n{} more: see the other outputs.",
            blocks.len() - ROWS
        );
    }
    for problem in outcome.problems.iter().filter(|problem| problem.fatal) {
        let place = lines::position(&problem.file, problem.line, problem.column);
        _ = writeln!(
            text,
            "\n- not read: {} {}",
            cell(&place),
            cell(&problem.message)
        );
    }
    let open = view::open(&outcome.report.not_checked);
    if !open.is_empty() {
        text.push('\n');
    }
    for group in open {
        _ = writeln!(
            text,
            "- {}: {} ({})",
            group.outcome.as_str(),
            cell(group.reason),
            group.codes.join(", ")
        );
    }
    text
}

/// Text of others inside a table: no markup, no HTML, no mention, no end of the cell.
fn cell(text: &str) -> String {
    let mut safe = String::new();
    for c in sanitize_line(text).chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '@' => safe.push_str("&#64;"),
            '|' | '\\' | '*' | '_' | '[' | ']' | '!' | '#' | '~' => safe.extend(['\\', c]),
            c => safe.push(c),
        }
    }
    safe
}
