//! Where objects come from: an API server, manifests, or a saved state.
//!
//! Sources produce objects and gaps and judge nothing. Whatever could not be read is an [`InputProblem`] (files) or a
//! gap with its verb (clusters), never silence.

pub(crate) mod bundle;
pub(crate) mod files;
pub(crate) mod live;
pub(crate) mod overlay;
pub(crate) mod saved;

use netdoctor_engine::report::Report;
use netdoctor_engine::snapshot::{Gap, GapCause, Snapshot};

use crate::outcome::{InputProblem, Sources};

/// What a source delivers.
#[derive(Debug)]
pub(crate) struct Input {
    /// The objects.
    pub(crate) snapshot: Snapshot,
    /// Texts of the files.
    pub(crate) sources: Sources,
    /// What could not be read.
    pub(crate) problems: Vec<InputProblem>,
    /// Counted notes.
    pub(crate) notes: Vec<String>,
    /// The clock that belongs to the objects, where they bring one.
    pub(crate) clock: Option<jiff::Timestamp>,
}

/// What could not be read although no verdict was left open by it: rules cope without, and judge less sharply.
pub(crate) fn unread(snapshot: &Snapshot, report: &Report) -> Vec<String> {
    let gaps = snapshot
        .coverage
        .values()
        .flat_map(|coverage| &coverage.gaps);
    gaps.filter(|gap| gap.cause != GapCause::RawList)
        .map(Gap::reason)
        .filter(|reason| {
            let mut open = report.not_checked.iter();
            !open.any(|entry| entry.reason.contains(reason))
        })
        .collect()
}
