//! Context that needs no block: a line each, or one line for many of a kind.

use netdoctor_engine::finding::Finding;

use super::super::text::CYAN;
use super::super::{Style, lines, view};
use crate::outcome::Outcome;

/// Findings of one rule that are listed one by one.
const ONE_BY_ONE: usize = 3;

/// The compact lines, in report order.
pub(super) fn lines(outcome: &Outcome<'_>, style: Style, infos: &[&Finding]) -> Option<String> {
    let mut text: Vec<String> = Vec::new();
    for group in infos.chunk_by(|a, b| a.rule.code == b.rule.code) {
        let [first, ..] = group else { continue };
        let head = format!("info[{}]", first.rule.code);
        let indent = head.len() + 2;
        let head = style.paint(CYAN, &head);
        if group.len() > ONE_BY_ONE && !style.verbose {
            let names = view::few_objects(outcome, group.iter().copied());
            let line = format!(
                "{} ({}{}): {names}",
                first.rule.summary,
                style.times(),
                group.len()
            );
            text.push(format!(
                "{head}: {}",
                style.hang(&style.line(&line), indent)
            ));
            continue;
        }
        for finding in group {
            let line = format!("{} ({})", finding.message, lines::place(outcome, finding));
            text.push(format!(
                "{head}: {}",
                style.hang(&style.line(&line), indent)
            ));
        }
    }
    (!text.is_empty()).then(|| text.join("\n"))
}
