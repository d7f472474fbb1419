//! The result of a run.

use crate::{
    finding::Finding,
    model::{ObjectRef, Text},
    rule::{Rule, Severity},
};
use jiff::Timestamp;

/// Why a rule that panicked gave no verdict.
pub const INTERNAL: &str = "internal error in this rule";

/// Everything a run has to say. Equal input gives an equal report, byte for byte in every output format.
#[derive(Debug)]
pub struct Report {
    /// The clock of the run.
    pub now: Timestamp,
    /// Findings, headlines and what they explain, sorted.
    pub findings: Vec<Finding>,
    /// Findings that somebody allowed.
    pub suppressed: Vec<Suppressed>,
    /// Rules that gave no verdict, with the reason.
    pub not_checked: Vec<NotChecked>,
    /// One row per rule that was selected, in code order.
    pub rules: Vec<RuleCount>,
    /// About the configuration itself: unknown and unused allows, expired ones.
    pub warnings: Vec<String>,
    /// Number of objects that were read.
    pub objects: usize,
}

/// How often a rule came to which outcome.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct RuleCount {
    pub rule: &'static Rule,
    pub ok: usize,
    pub violated: usize,
    pub unknown: usize,
    pub skipped: usize,
}

/// A rule without a verdict.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotChecked {
    /// The rule's code.
    pub code: &'static str,
    /// Unknown or skipped.
    pub outcome: NoVerdict,
    /// Why, with the verb that is missing.
    pub reason: String,
    /// The subject, when it is about one.
    pub subject: Option<ObjectRef>,
    /// How many subjects share code, outcome and reason.
    pub count: usize,
    /// Severity that a finding would have had.
    pub severity: Severity,
}

/// The two ways of not coming to a verdict. Neither is a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoVerdict {
    /// Evidence could not be obtained.
    Unknown,
    /// Not applicable, not installed, or switched off.
    Skipped,
}

impl NoVerdict {
    /// Lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Skipped => "skipped",
        }
    }
}

/// A finding that was allowed.
#[derive(Debug)]
pub struct Suppressed {
    /// The finding.
    pub finding: Finding,
    /// What allowed it: `annotation`, `config`, `flag`.
    pub by: &'static str,
    /// The reason given.
    pub reason: Option<Text>,
    /// Until when, as a date.
    pub until: Option<Text>,
}

impl Report {
    /// Findings that nothing else explains.
    pub fn headlines(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.is_headline())
    }

    /// A finding by fingerprint.
    pub fn by_fingerprint(&self, fingerprint: &str) -> Option<&Finding> {
        self.findings
            .iter()
            .find(|finding| finding.fingerprint == fingerprint)
    }

    /// Number of findings of a severity, headlines and explained ones.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    }

    /// The worst finding.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}
