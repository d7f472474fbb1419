//! Templates that become manifests, which are skipped rather than called broken.

use super::{Problem, ProblemKind};

/// Whether the file contains `{{` at all, which is all that nearly every file is asked.
pub(super) fn may_be(text: &[u8]) -> bool {
    text.windows(2).any(|pair| pair == b"{{")
}

/// The one problem that stands for the file when it is a template: it has `{{`, and is not YAML.
///
/// `{{` in text that reads well (a dashboard in a `ConfigMap`) is no reason to skip anything, and a file that is broken in an encoding or in size
/// is broken, template or not.
pub(super) fn verdict(text: &[u8], problems: &[Problem]) -> Option<Problem> {
    let broken = problems
        .iter()
        .find(|problem| matches!(problem.kind, ProblemKind::Syntax | ProblemKind::Unsupported))?;
    debug_assert!(may_be(text), "only asked about files with `{{`");
    Some(Problem {
        kind: ProblemKind::Template,
        message: "the file is a template (`{{`); render it and check the result".to_owned(),
        at: broken.at,
        pointer: None,
        document: None,
    })
}
