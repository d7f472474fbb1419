//! How each area stands, and what was not checked.

use netdoctor_engine::report::{NoVerdict, RuleCount};
use netdoctor_engine::rule::Severity;
use std::fmt::Write as _; // writing to a String cannot fail

use super::super::text::{BOLD, DIM, Mark, columns, count};
use super::super::{Style, view};
use crate::outcome::Outcome;
use crate::progress::area_name;

/// Reasons that are printed; the others are counted, unless all are asked for.
const REASONS: usize = 5;

/// Areas in the order of their cost and reach: what stands on its own first, what depends on much last.
const ORDER: [&str; 18] = [
    "API", "WHK", "NOD", "CNI", "MTU", "KPX", "DNS", "HST", "WKL", "PRB", "SVC", "POL", "ING",
    "GWY", "LBA", "TLS", "EGR", "FWD",
];

/// One line per area that had something to check.
pub(super) fn lines(outcome: &Outcome<'_>, style: Style) -> Option<String> {
    let areas = areas(outcome);
    let wide = areas
        .iter()
        .map(|area| columns(area_name(area.code)))
        .max()?;
    let lines: Vec<String> = areas
        .iter()
        .map(|area| {
            let name = area_name(area.code);
            let pad = " ".repeat(wide - columns(name) + 2);
            let head = format!("{} {name}{pad}", style.mark(area.mark()));
            let indent = columns(&head);
            format!("{head}{}", style.hang(&area.words(style), indent))
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

struct Area {
    code: &'static str,
    checks: view::Checks,
    errors: usize,
    warnings: usize,
    infos: usize,
    explained: usize,
    worst: Option<Severity>,
    passed: Vec<&'static str>,
}

fn areas(outcome: &Outcome<'_>) -> Vec<Area> {
    let rules = &outcome.report.rules;
    let mut codes: Vec<&'static str> = rules.iter().map(|count| count.rule.area()).collect();
    codes.dedup();
    codes.sort_by_key(|code| {
        (
            ORDER
                .iter()
                .position(|known| known == code)
                .unwrap_or(ORDER.len()),
            *code,
        )
    });
    codes.dedup();
    let blocks = view::blocks(outcome);
    let build = |code: &&'static str| {
        let in_area = || rules.iter().filter(|count| count.rule.area() == *code);
        let here = |severity| {
            blocks
                .iter()
                .filter(|finding| finding.rule.area() == *code && finding.severity == severity)
                .count()
        };
        let shown: Vec<_> = outcome
            .shown()
            .filter(|finding| finding.rule.area() == *code)
            .collect();
        let (errors, warnings, infos) = (
            here(Severity::Error),
            here(Severity::Warning),
            here(Severity::Info),
        );
        Area {
            code,
            checks: view::checks(in_area()),
            errors,
            warnings,
            infos,
            explained: shown.len() - errors - warnings - infos,
            worst: shown.iter().map(|finding| finding.severity).max(),
            passed: in_area()
                .filter(|count| is_passed(count))
                .map(|count| count.rule.code)
                .collect(),
        }
    };
    codes
        .iter()
        .map(build)
        .filter(Area::has_something)
        .collect()
}

fn is_passed(count: &RuleCount) -> bool {
    count.ok > 0 && count.violated == 0 && count.unknown == 0
}

impl Area {
    fn has_something(&self) -> bool {
        let checks = &self.checks;
        checks.passed + checks.failed + checks.unknown + checks.skipped > 0
    }

    fn mark(&self) -> Mark {
        if self.worst == Some(Severity::Error) {
            Mark::Error
        } else if self.worst == Some(Severity::Warning) {
            Mark::Warning
        } else if self.checks.unknown > 0 || self.checks.passed + self.checks.failed == 0 {
            Mark::Open
        } else {
            Mark::Passed
        }
    }

    fn words(&self, style: Style) -> String {
        let checks = &self.checks;
        let mut words = Vec::new();
        let mut add = |number: usize, text: String| {
            if number > 0 {
                words.push(text);
            }
        };
        add(checks.passed, format!("{} passed", checks.passed));
        add(self.errors, count(self.errors, "error"));
        add(self.warnings, count(self.warnings, "warning"));
        add(self.infos, format!("{} info", self.infos));
        add(self.explained, format!("{} explained", self.explained));
        add(checks.unknown, format!("{} unknown", checks.unknown));
        add(checks.skipped, format!("{} skipped", checks.skipped));
        if words.is_empty() {
            // Its findings are allowed, or below what is shown.
            words.push(format!("{} not shown", checks.failed));
        }
        let mut text = words.join(", ");
        if style.verbose && !self.passed.is_empty() {
            _ = write!(text, " ({})", self.passed.join(" "));
        }
        text
    }
}

/// What gave no verdict, by reason: neither is a pass.
pub(super) fn not_checked(outcome: &Outcome<'_>, style: Style) -> Option<String> {
    let groups = view::open(&outcome.report.not_checked);
    if groups.is_empty() {
        return None;
    }
    let limit = if style.verbose { groups.len() } else { REASONS };
    let mut lines = vec![format!(
        "{} {}",
        style.mark(Mark::Open),
        style.paint(BOLD, "not checked")
    )];
    for group in groups.iter().take(limit) {
        lines.push(format!(
            "  {}  {}",
            style.paint(DIM, word(group.outcome)),
            style.hang(&describe(style, group), 11)
        ));
    }
    if groups.len() > limit {
        let more = count(groups.len() - limit, "more reason");
        lines.push(format!(
            "  {}",
            style.hang(&format!("and {more} (-o json lists them)"), 2)
        ));
    }
    Some(lines.join("\n"))
}

fn word(outcome: NoVerdict) -> &'static str {
    match outcome {
        NoVerdict::Unknown => "unknown",
        NoVerdict::Skipped => "skipped",
    }
}

fn describe(style: Style, group: &view::Open<'_>) -> String {
    let codes = if group.codes.len() <= 6 || style.verbose {
        group.codes.join(", ")
    } else {
        format!(
            "{} and {} more",
            group.codes[..5].join(", "),
            group.codes.len() - 5
        )
    };
    let about = match group.subject {
        Some(subject) => format!("{codes} for {subject}"),
        None if group.count > group.codes.len() => format!("{codes}, {} times", group.count),
        None => codes,
    };
    format!("{} [{}]", style.line(group.reason), style.line(&about))
}

/// What somebody allowed; in full only when asked for.
pub(super) fn suppressed(outcome: &Outcome<'_>, style: Style) -> Option<String> {
    if !style.verbose || outcome.report.suppressed.is_empty() {
        return None;
    }
    let mut lines = vec![style.paint(BOLD, "allowed")];
    for entry in &outcome.report.suppressed {
        let mut text = format!(
            "{}: {} (by {}",
            entry.finding.rule.code, entry.finding.message, entry.by
        );
        if let Some(until) = &entry.until {
            _ = write!(text, " until {until}");
        }
        if let Some(reason) = &entry.reason {
            _ = write!(text, ": {reason}");
        }
        text.push(')');
        lines.push(format!("  {}", style.hang(&style.line(&text), 2)));
    }
    Some(lines.join("\n"))
}
