//! Root causes: every finding that another one explains is folded under it, so that each cause is one headline.

use crate::{
    finding::Finding,
    model::ObjectRef,
    rule::{Confidence, Severity},
};
use std::collections::{HashMap, hash_map::Entry};

/// Puts findings into the order of a report.
pub(crate) fn sort(findings: &mut [Finding]) {
    findings.sort_by_cached_key(order);
}

/// Sets `explained_by` and `explains`, and sorts: headlines by severity, each followed by what it explains.
pub(crate) fn fold(findings: &mut [Finding]) {
    let mut about: HashMap<(&'static str, ObjectRef), usize> = HashMap::new();
    sort(findings);
    for (index, finding) in findings.iter().enumerate() {
        about
            .entry((finding.rule.code, unplaced(&finding.subject)))
            .or_insert(index);
    }
    let causes: Vec<Option<usize>> = findings
        .iter()
        .enumerate()
        .map(|(index, finding)| cause(index, finding, &about))
        .collect();
    let mut causes = without_cycles(causes);
    under_first_replica(findings, &mut causes);
    raise(findings, &causes);
    for (index, cause) in causes.iter().enumerate() {
        let Some(cause) = *cause else { continue };
        findings[index].explained_by = Some(findings[cause].fingerprint.clone());
        let fingerprint = findings[index].fingerprint.clone();
        findings[cause].explains.push(fingerprint);
    }
    for finding in findings.iter_mut() {
        finding.explains.sort();
        finding.explains.dedup();
    }
    findings.sort_by_cached_key(order);
}

/// What happens to several replicas in the same way and has no cause here is one headline: that of the first.
fn under_first_replica(findings: &[Finding], causes: &mut [Option<usize>]) {
    let mut first = HashMap::new();
    for (index, finding) in findings.iter().enumerate() {
        let (Some(shared), None) = (&finding.shared, causes[index]) else {
            continue;
        };
        let key = (finding.rule.code, finding.case, finding.severity, shared);
        // The first has no cause, so no link made here closes a circle.
        match first.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(index);
            }
            Entry::Occupied(entry) => causes[index] = Some(*entry.get()),
        }
    }
}

/// A cause is as bad as the worst that it explains, so that the headline, the counts and the exit code agree. A hint
/// is never an error, whatever hangs below it.
fn raise(findings: &mut [Finding], causes: &[Option<usize>]) {
    for start in 0..findings.len() {
        let severity = findings[start].severity;
        let mut at = start;
        while let Some(cause) = causes[at] {
            let finding = &mut findings[cause];
            let most = match finding.confidence {
                Confidence::Hint => Severity::Warning,
                _ => Severity::Error,
            };
            finding.severity = finding.severity.max(severity.min(most));
            at = cause;
        }
    }
}

/// The order of a report: worst first, then code, then place. Nothing in it depends on the order of reading.
fn order(finding: &Finding) -> impl Ord + use<> {
    let subject = &finding.subject;
    (
        std::cmp::Reverse(finding.severity),
        finding.rule.code,
        subject.namespace.clone(),
        subject.kind.clone(),
        subject.name.clone(),
        subject.origin,
        finding.case,
        finding.key.clone(),
        finding.message.clone(),
    )
}

/// Causes are matched by object, wherever it was read.
fn unplaced(reference: &ObjectRef) -> ObjectRef {
    ObjectRef {
        origin: crate::model::Origin::Live,
        ..reference.clone()
    }
}

fn cause(
    index: usize,
    finding: &Finding,
    about: &HashMap<(&'static str, ObjectRef), usize>,
) -> Option<usize> {
    finding
        .because
        .iter()
        .find_map(|because| {
            let subject = unplaced(&because.subject);
            because
                .codes
                .iter()
                .find_map(|code| about.get(&(*code, subject.clone())).copied())
        })
        .filter(|cause| *cause != index)
}

/// Follows each chain; where it comes back to its start, the link that closes the circle is dropped.
fn without_cycles(mut causes: Vec<Option<usize>>) -> Vec<Option<usize>> {
    for start in 0..causes.len() {
        let mut at = start;
        for _ in 0..causes.len() {
            let Some(next) = causes[at] else { break };
            if next == start {
                causes[at] = None;
                break;
            }
            at = next;
        }
    }
    causes
}

#[cfg(test)]
mod tests;
