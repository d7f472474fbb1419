//! The last lines: counts, what is open, what the exit code means, and what to do next.

use netdoctor_engine::report::NoVerdict;
use netdoctor_engine::rule::Severity;

use super::super::text::{BOLD, DIM, GREEN, Mark, RED, YELLOW, count, wrap};
use super::super::{Style, view};
use crate::outcome::{Outcome, Verdict};

/// One to three lines.
pub(super) fn lines(outcome: &Outcome<'_>, style: Style) -> String {
    let mut lines = vec![counts(outcome, style)];
    lines.extend(
        exit_code(outcome).map(|text| style.paint(DIM, &wrap(&text, style.width).join("\n"))),
    );
    lines.extend(
        next(outcome)
            .map(|command| format!("{} {}", style.paint(BOLD, "Next:"), style.line(&command))),
    );
    lines.join("\n")
}

fn counts(outcome: &Outcome<'_>, style: Style) -> String {
    let report = outcome.report;
    let checks = view::checks(report.rules.iter());
    let blocks = view::blocks(outcome);
    let of = |severity| {
        blocks
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let (errors, warnings, infos) = (
        of(Severity::Error),
        of(Severity::Warning),
        of(Severity::Info),
    );
    let mut found = Vec::new();
    if errors > 0 {
        found.push(style.paint(RED, &count(errors, "error")));
    }
    if warnings > 0 {
        found.push(style.paint(YELLOW, &count(warnings, "warning")));
    }
    let is_clean = found.is_empty();
    if infos > 0 && !is_clean {
        found.push(format!("{infos} info"));
    }
    let shown = outcome.shown().count();
    let mut rest = Vec::new();
    let mut add = |number: usize, words: String| {
        if number > 0 {
            rest.push(words);
        }
    };
    add(
        shown - blocks.len(),
        format!("{} explained by them", shown - blocks.len()),
    );
    if is_clean {
        add(infos, format!("{infos} info"));
    } else {
        add(checks.passed, format!("{} passed", checks.passed));
    }
    let hidden = report.findings.len() - shown;
    add(
        hidden,
        format!("{hidden} below {}", outcome.spec.min_severity),
    );
    add(
        checks.unknown,
        format!(
            "{} unknown{}",
            checks.unknown,
            why(outcome, NoVerdict::Unknown)
        ),
    );
    add(
        checks.skipped,
        format!(
            "{} skipped{}",
            checks.skipped,
            why(outcome, NoVerdict::Skipped)
        ),
    );
    let suppressed = report.suppressed.len();
    add(suppressed, format!("{suppressed} allowed"));
    if style.is_terminal {
        rest.push(format!("{:.1}s", outcome.seconds));
    }
    let head = if is_clean {
        calm(outcome, style, checks)
    } else {
        found.join(", ")
    };
    let words = std::iter::once(head).chain(rest.iter().map(|part| style.line(part)));
    let text = words.collect::<Vec<_>>().join(style.dot());
    wrap(&text, style.width).join("\n")
}

/// The calm line; it promises no more than was looked at.
fn calm(outcome: &Outcome<'_>, style: Style, checks: view::Checks) -> String {
    let verdicts = checks.passed + checks.failed + checks.idle;
    if outcome.report.objects == 0 {
        return format!(
            "{} Nothing to check: no object that a check reads",
            style.mark(Mark::Open)
        );
    }
    if verdicts == 0 || outcome.verdict == Verdict::Failed {
        let text = format!(
            "No problems found in {}, but not everything could be read",
            count(verdicts, "check")
        );
        return format!("{} {text}", style.mark(Mark::Warning));
    }
    let text = format!("No problems found in {}", count(verdicts, "check"));
    format!(
        "{} {}",
        style.mark(if checks.unknown > 0 {
            Mark::Open
        } else {
            Mark::Passed
        }),
        style.paint(GREEN, &text)
    )
}

/// The reason, when there is only one; a list of several stands above.
fn why(outcome: &Outcome<'_>, verdict: NoVerdict) -> String {
    let groups = view::open(&outcome.report.not_checked);
    let reasons: Vec<&str> = groups
        .iter()
        .filter(|group| group.outcome == verdict)
        .map(|group| group.reason)
        .collect();
    match reasons[..] {
        [only] => format!(" ({})", only.split(" (").next().unwrap_or(only)),
        _ => String::new(),
    }
}

/// What the exit code says, where the counts do not make it plain.
fn exit_code(outcome: &Outcome<'_>) -> Option<String> {
    if outcome.spec.demo.is_some() {
        return None;
    }
    let worst = outcome.report.worst();
    match (outcome.verdict, outcome.spec.fail_on) {
        (Verdict::Failed, _) => Some("Exit code 3: the input could not be read to the end.".into()),
        (Verdict::Incomplete, _) => {
            Some("Exit code 1: with --strict, checks without a verdict count as findings.".into())
        }
        (Verdict::Clean, None) if worst > Some(Severity::Info) => {
            Some("Exit code 0, whatever is found (--fail-on never).".into())
        }
        (Verdict::Clean, Some(threshold)) if worst > Some(Severity::Info) => Some(format!(
            "Exit code 0: nothing at or above {threshold} (--fail-on)."
        )),
        _ => None,
    }
}

/// The next command: the page of the worst finding, or the permission that is missing.
fn next(outcome: &Outcome<'_>) -> Option<String> {
    let blocks = view::blocks(outcome);
    if let Some(worst) = blocks
        .iter()
        .find(|finding| finding.severity > Severity::Info)
    {
        return Some(format!("kubectl netdoctor explain {}", worst.rule.code));
    }
    let groups = view::open(&outcome.report.not_checked);
    groups.iter().find_map(|group| {
        let (_, command) = group.reason.split_once("(try: ")?;
        Some(command.trim_end_matches(')').to_owned())
    })
}
