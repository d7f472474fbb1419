//! Templates that become manifests, which are skipped rather than called broken.

use super::split::Chunks;
use super::{Problem, ProblemKind};

const BLOCK: usize = 4096;

/// Whether the file contains `{{` at all, which is all that nearly every file is asked.
pub(super) fn may_be(text: &[u8]) -> bool {
    // In blocks without an early end, which the compiler can turn into vector code.
    (0..text.len()).step_by(BLOCK).any(|start| {
        let block = &text[start..text.len().min(start + BLOCK + 1)];
        let mut found = false;
        for (first, second) in block.iter().zip(&block[1..]) {
            found |= *first == b'{' && *second == b'{';
        }
        found
    })
}

/// The one problem that stands for the file when it is a template: a document of it has `{{`, and is not YAML.
///
/// `{{` in text that reads well (a dashboard in a `ConfigMap`) is no reason to skip anything, and a file that is broken in an encoding or in size
/// is broken, template or not.
pub(super) fn verdict(text: &[u8], problems: &[Problem]) -> Option<Problem> {
    let mut broken = problems
        .iter()
        .filter(|problem| matches!(problem.kind, ProblemKind::Syntax | ProblemKind::Unsupported))
        .peekable();
    broken.peek()?;
    let mut chunks = Chunks::new(text, 0);
    let mut chunk = chunks.next()?;
    let found = broken.find(|problem| {
        while !chunk.holds(problem.at) {
            match chunks.next() {
                Some(next) => chunk = next,
                None => return false,
            }
        }
        may_be(chunk.bytes())
    })?;
    Some(Problem {
        kind: ProblemKind::Template,
        message: "the file is a template (`{{`); render it and check the result".to_owned(),
        at: found.at,
        pointer: None,
        document: None,
    })
}
