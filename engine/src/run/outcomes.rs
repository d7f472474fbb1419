//! What rules said, before it is a report.

use crate::{
    context::Context,
    finding::Finding,
    fold,
    model::{ObjectRef, Origin},
    report::{NoVerdict, NotChecked, Report, RuleCount},
    rule::Severity,
};
use std::collections::{BTreeMap, BTreeSet};

/// Code, outcome and reason: what makes two outcomes the same entry of a report.
type Reason = (&'static str, NoVerdict, String);
/// The first subject, how many there are, and the severity that a finding would have had.
type Shared = (Option<ObjectRef>, usize, Severity);

/// What rules said so far.
#[derive(Default)]
pub(crate) struct Outcomes {
    pub(super) findings: Vec<Finding>,
    pub(super) not_checked: BTreeMap<Reason, Shared>,
    pub(super) counts: BTreeMap<&'static str, RuleCount>,
}

impl Outcomes {
    /// Joins what another runner found about other subjects.
    pub(super) fn absorb(&mut self, other: Self) {
        self.findings.extend(other.findings);
        for (reason, (subject, count, severity)) in other.not_checked {
            let entry = self
                .not_checked
                .entry(reason)
                .or_insert((subject.clone(), 0, severity));
            entry.1 += count;
            if subject.is_some() && (subject < entry.0 || entry.0.is_none()) {
                entry.0 = subject;
            }
        }
        for (code, more) in other.counts {
            let Some(count) = self.counts.get_mut(code) else {
                continue;
            };
            count.ok += more.ok;
            count.violated += more.violated;
            count.unknown += more.unknown;
            count.skipped += more.skipped;
        }
    }

    pub(crate) fn finish(self, context: &Context<'_>) -> Report {
        let mut findings = self.findings;
        fold::sort(&mut findings);
        same_everywhere_once(&mut findings);
        let (mut findings, suppressed, warnings) = context.config.allow(findings, context);
        fold::fold(&mut findings);
        let not_checked = self.not_checked.into_iter().map(
            |((code, outcome, reason), (subject, count, severity))| {
                let subject = subject.filter(|_| count == 1);
                NotChecked {
                    code,
                    outcome,
                    reason,
                    subject,
                    count,
                    severity,
                }
            },
        );
        Report {
            now: context.now,
            findings,
            suppressed,
            not_checked: not_checked.collect(),
            rules: self.counts.into_values().collect(),
            warnings,
            objects: context.snapshot.objects.len(),
        }
    }
}

/// One finding per fingerprint and origin: two subjects never give the same one.
fn same_everywhere_once(findings: &mut Vec<Finding>) {
    let mut seen: BTreeSet<(String, Origin)> = BTreeSet::new();
    findings.retain(|finding| seen.insert((finding.fingerprint.clone(), finding.subject.origin)));
}
