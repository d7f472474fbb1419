//! For people: what could not be read, how each area stands, one block per cause with the worst last, and a line that sums up.

mod areas;
mod block;
mod excerpt;
mod info;
mod summary;

use netdoctor_engine::rule::Severity;

use super::text::{BOLD, DIM, RED, YELLOW};
use super::{Style, view};
use crate::outcome::{InputProblem, Mode, Outcome};

/// Renders everything.
pub(super) fn render(outcome: &Outcome<'_>, style: Style) -> String {
    let blocks = view::blocks(outcome);
    let mut parts: Vec<String> = Vec::new();
    parts.extend(problems(outcome, style));
    let (infos, loud): (Vec<_>, Vec<_>) = blocks
        .into_iter()
        .partition(|finding| finding.severity == Severity::Info);
    if !loud.is_empty() || style.verbose {
        parts.push(header(outcome, style));
        if outcome.spec.mode == Mode::Check || style.verbose {
            parts.extend(areas::lines(outcome, style));
        }
    }
    parts.extend(areas::not_checked(outcome, style));
    parts.extend(areas::suppressed(outcome, style));
    parts.extend(info::lines(outcome, style, &infos));
    let index = view::index(outcome);
    let pictures = block::Blocks::new(outcome, &index, style);
    // The report is sorted worst first; on a screen the last line is the one that is seen.
    parts.extend(loud.iter().rev().map(|finding| pictures.render(finding)));
    parts.push(summary::lines(outcome, style));
    let mut text = parts.join("\n\n");
    text.push('\n');
    text
}

/// What could not be read or was left out, and what is wrong with the configuration.
fn problems(outcome: &Outcome<'_>, style: Style) -> Option<String> {
    let mut lines: Vec<String> = outcome
        .problems
        .iter()
        .map(|problem| {
            let (word, ansi) = if problem.fatal {
                ("error", RED)
            } else {
                ("warning", YELLOW)
            };
            prefixed(style, word, ansi, &located(style, problem))
        })
        .collect();
    lines.extend(
        outcome
            .report
            .warnings
            .iter()
            .map(|warning| prefixed(style, "warning", YELLOW, &style.line(warning))),
    );
    lines.extend(
        outcome
            .notes
            .iter()
            .map(|note| prefixed(style, "note", BOLD, &style.line(note))),
    );
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn located(style: Style, problem: &InputProblem) -> String {
    let message = style.line(&problem.message);
    match super::lines::position(&problem.file, problem.line, problem.column) {
        place if place.is_empty() => message,
        place => format!("{place}: {message}"),
    }
}

fn prefixed(style: Style, word: &str, ansi: anstyle::Style, text: &str) -> String {
    format!(
        "{}: {}",
        style.paint(ansi, word),
        style.hang(text, word.len() + 2)
    )
}

/// What this is about.
fn header(outcome: &Outcome<'_>, style: Style) -> String {
    let spec = &outcome.spec;
    let mut parts = vec![match spec.mode {
        Mode::Check => "kubectl netdoctor".to_owned(),
        Mode::Lint => "kubectl netdoctor lint".to_owned(),
    }];
    if let Some(demo) = &spec.demo {
        parts.push(format!("demo {demo}"));
    }
    if let Some(context) = &spec.context {
        parts.push(format!("context {context}"));
    }
    if spec.mode == Mode::Check {
        parts.push(spec.namespace.as_ref().map_or_else(
            || "all namespaces".to_owned(),
            |name| format!("namespace {name}"),
        ));
    }
    parts.extend(
        spec.selector
            .as_ref()
            .map(|selector| format!("selector {selector}")),
    );
    parts.extend(spec.targets.iter().cloned());
    parts.push(super::text::count(outcome.report.objects, "object"));
    parts.push(super::text::count(outcome.report.rules.len(), "check"));
    let words: Vec<String> = parts.iter().map(|part| style.line(part)).collect();
    let text = super::text::wrap(&words.join(style.dot()), style.width).join("\n  ");
    style.paint(DIM, &text)
}
