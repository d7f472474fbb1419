//! The sink for what a rule has to say.

use crate::{
    finding::Finding,
    model::ObjectRef,
    rule::{Rule, Severity},
    snapshot::Absence,
};
use std::rc::Rc;

/// Collects what a rule has to say about one subject.
pub struct Reporter {
    rule: &'static Rule,
    subject: Rc<ObjectRef>,
    severity: Severity,
    pub(crate) findings: Vec<Finding>,
    pub(crate) unknown: Vec<String>,
    pub(crate) skipped: Vec<String>,
    pub(crate) applicable: bool,
}

impl Reporter {
    pub(crate) fn new(rule: &'static Rule, subject: Rc<ObjectRef>, severity: Severity) -> Self {
        Self {
            rule,
            subject,
            severity,
            findings: Vec::new(),
            unknown: Vec::new(),
            skipped: Vec::new(),
            applicable: true,
        }
    }

    /// A violation, with the rule's default severity and confidence. `message`: one fact, lower case, no period,
    /// names in backticks, stands alone, without the remedy.
    pub fn find(&mut self, message: impl Into<String>) -> &mut Finding {
        let index = self.findings.len();
        self.findings.push(Finding {
            rule: self.rule,
            case: None,
            severity: self.severity,
            confidence: self.rule.confidence,
            subject: ObjectRef::clone(&self.subject),
            key: String::new(),
            message: message.into(),
            notes: Vec::new(),
            labels: Vec::new(),
            fixes: Vec::new(),
            because: Vec::new(),
            lookups: Vec::new(),
            shared: None,
            actions: None,
            explained_by: None,
            explains: Vec::new(),
            fingerprint: String::new(),
        });
        &mut self.findings[index]
    }

    /// Evidence could not be obtained; the reason names what is missing.
    pub fn unknown(&mut self, reason: impl Into<String>) {
        self.unknown.push(reason.into());
    }

    /// A guard applies: the rule has no opinion here.
    pub fn skip(&mut self, reason: impl Into<String>) {
        self.skipped.push(reason.into());
    }

    /// The rule is not about this subject: not counted at all.
    pub fn not_applicable(&mut self) {
        self.applicable = false;
    }

    /// Turns an [`Absence`] that proves nothing into the outcome it stands for. `wanted` names what was looked for.
    /// Returns whether the absence is proven.
    pub fn proven(&mut self, absence: Absence, wanted: &str) -> bool {
        match absence {
            Absence::Proven => return true,
            Absence::NotInInput => self.skip(format!("not in this input: {wanted}")),
            Absence::Unknown(reason) => self.unknown(reason),
            Absence::NotInstalled => self.skip(format!("not installed: {wanted}")),
        }
        false
    }
}
