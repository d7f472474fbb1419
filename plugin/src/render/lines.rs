//! One line per problem or object, for shell pipes.

use std::collections::BTreeSet;
use std::fmt::Write as _; // writing to a String cannot fail

use netdoctor_engine::finding::Finding;

use super::view;
use crate::outcome::{InputProblem, Outcome};
use crate::terminal::sanitize_line;

/// `PLACE: SEVERITY[CODE]: MESSAGE`, problems of the input included; nothing when all is well.
pub(super) fn short(outcome: &Outcome<'_>) -> String {
    let mut text = String::new();
    for problem in outcome.problems.iter().filter(|problem| problem.fatal) {
        text.push_str(&problem_line(problem));
        text.push('\n');
    }
    for finding in view::blocks(outcome) {
        let place = place(outcome, finding);
        let (severity, code) = (finding.severity, finding.rule.code);
        let message = sanitize_line(&finding.message);
        _ = writeln!(
            text,
            "{}: {severity}[{code}]: {message}",
            sanitize_line(&place)
        );
    }
    text
}

fn problem_line(problem: &InputProblem) -> String {
    let message = sanitize_line(&problem.message);
    match position(&problem.file, problem.line, problem.column) {
        place if place.is_empty() => format!("error: {message}"),
        place => format!("{place}: error: {message}"),
    }
}

/// `type[.group]/name` of everything with a finding, each once.
pub(super) fn names(outcome: &Outcome<'_>) -> String {
    let mut seen = BTreeSet::new();
    let mut text = String::new();
    for finding in outcome.shown() {
        let subject = &finding.subject;
        let name = format!("{}/{}", view::resource_type(subject), subject.name);
        // In two namespaces the same name is two objects, but for a caller who asked for one namespace it is one argument.
        if seen.insert(name.clone()) {
            text.push_str(&sanitize_line(&name));
            text.push('\n');
        }
    }
    text
}

/// `file:line:column`, as far as known; safe to print.
pub(super) fn position(file: &str, line: Option<u32>, column: Option<u32>) -> String {
    let mut text = sanitize_line(short_path(file)).into_owned();
    for number in [line, column].into_iter().flatten() {
        _ = write!(text, ":{number}");
    }
    text
}

/// Without the `./` of a file that was found below the current directory.
pub(super) fn short_path(file: &str) -> &str {
    file.strip_prefix("./").unwrap_or(file)
}

/// Where a finding is: a place in a file, or the object.
pub(super) fn place(outcome: &Outcome<'_>, finding: &Finding) -> String {
    match view::main_place(outcome, finding) {
        Some(place) => position(
            place.file,
            Some(place.span.start.line),
            Some(place.span.start.column),
        ),
        None => view::object(outcome, &finding.subject),
    }
}
