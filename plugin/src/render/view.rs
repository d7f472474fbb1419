//! What several formats say about a report: which findings are blocks, what they explain, how objects and reasons are named.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _; // writing to a String cannot fail

use json_patch::Patch;
use netdoctor_engine::finding::{Finding, Fix, FixClass, Label};
use netdoctor_engine::model::ObjectRef;
use netdoctor_engine::report::{NoVerdict, NotChecked};
use netdoctor_engine::rule::Rule;

use super::text::shell;
use crate::outcome::{Outcome, Place};
use crate::terminal::sanitize_line;

/// Version of the report's schema, `major.minor`. Fields are only ever added within a major version.
pub(super) const SCHEMA_VERSION: &str = "1.0";

/// Findings that get a block of their own: all that are shown, except those that another shown finding explains.
pub(super) fn blocks<'a>(outcome: &Outcome<'a>) -> Vec<&'a Finding> {
    let shown: BTreeSet<&str> = outcome
        .shown()
        .map(|finding| &*finding.fingerprint)
        .collect();
    outcome
        .shown()
        .filter(|finding| {
            finding
                .explained_by
                .as_deref()
                .is_none_or(|cause| !shown.contains(cause))
        })
        .collect()
}

/// Symptoms of one rule.
pub(super) struct Symptoms<'a> {
    pub(super) rule: &'static Rule,
    pub(super) findings: Vec<&'a Finding>,
}

/// Findings by fingerprint; variants of one object in several files share one.
pub(super) type Index<'a> = BTreeMap<&'a str, Vec<&'a Finding>>;

/// Indexes the findings of a report.
pub(super) fn index<'a>(outcome: &Outcome<'a>) -> Index<'a> {
    let mut index = Index::new();
    for finding in &outcome.report.findings {
        index.entry(&finding.fingerprint).or_default().push(finding);
    }
    index
}

/// What a finding explains, directly or through others, worst first.
pub(super) fn explained<'a>(index: &Index<'a>, cause: &Finding) -> Vec<Symptoms<'a>> {
    let mut seen: BTreeSet<&str> = BTreeSet::from([&*cause.fingerprint]);
    let mut open: Vec<&str> = cause.explains.iter().map(String::as_str).collect();
    let mut of_rule: BTreeMap<_, Vec<&'a Finding>> = BTreeMap::new();
    while let Some(fingerprint) = open.pop() {
        if !seen.insert(fingerprint) {
            continue;
        }
        for &finding in index.get(fingerprint).into_iter().flatten() {
            open.extend(finding.explains.iter().map(String::as_str));
            let key = (Reverse(finding.severity), finding.rule.code);
            of_rule.entry(key).or_default().push(finding);
        }
    }
    let groups = of_rule.into_values().filter_map(|mut findings| {
        findings.sort_by(|a, b| (&a.subject, &a.key).cmp(&(&b.subject, &b.key)));
        let rule = findings.first()?.rule;
        Some(Symptoms { rule, findings })
    });
    groups.collect()
}

/// Up to three names, and how many there are besides: `pod/a, pod/b, pod/c and 11 more`.
pub(super) fn few_names(names: impl Iterator<Item = String>) -> String {
    let names: BTreeSet<String> = names.collect();
    let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    let more = names.len() - shown.len();
    let list = shown.join(", ");
    if more == 0 {
        list
    } else {
        format!("{list} and {more} more")
    }
}

/// Up to three objects; a namespace that they share is named once.
pub(super) fn few_objects<'f>(
    outcome: &Outcome<'_>,
    findings: impl Iterator<Item = &'f Finding> + Clone,
) -> String {
    let namespaces: BTreeSet<&str> = findings
        .clone()
        .map(|finding| &*finding.subject.namespace)
        .collect();
    let asked = outcome.spec.namespace.as_deref();
    match namespaces.first() {
        Some(shared) if namespaces.len() == 1 && !shared.is_empty() && asked != Some(shared) => {
            let names = few_names(findings.map(|finding| finding.subject.type_name()));
            format!("{names} in namespace {shared}")
        }
        _ => few_names(findings.map(|finding| object(outcome, &finding.subject))),
    }
}

/// `type/name`, and the namespace as a flag where it is not the one that was asked for.
pub(super) fn object(outcome: &Outcome<'_>, subject: &ObjectRef) -> String {
    let asked = outcome.spec.namespace.as_deref();
    if subject.namespace.is_empty() || asked == Some(&*subject.namespace) {
        subject.type_name()
    } else {
        format!("{} -n {}", subject.type_name(), subject.namespace)
    }
}

/// The type as kubectl takes it without doubt: with the group, except where Kubernetes itself defines the kind.
pub(super) fn resource_type(object: &ObjectRef) -> String {
    let kind = object.kind.as_str().to_ascii_lowercase();
    match object.group() {
        "" => kind,
        group => format!("{kind}.{group}"),
    }
}

/// Where a finding is shown: its first place, or the object itself.
pub(super) fn main_label(finding: &Finding) -> Label {
    finding.labels.first().cloned().unwrap_or_else(|| Label {
        object: finding.subject.clone(),
        pointer: String::new(),
        text: String::new(),
    })
}

/// The place in a file where a finding is shown.
pub(super) fn main_place<'a>(outcome: &Outcome<'a>, finding: &Finding) -> Option<Place<'a>> {
    outcome.sources.place(&main_label(finding))
}

/// A JSON pointer as people write fields: `spec.ports[0].targetPort`.
pub(super) fn field(pointer: &str) -> String {
    let mut path = String::new();
    for token in pointer.split('/').skip(1) {
        let token = netdoctor_engine::pointer::unescape(token);
        if token.bytes().all(|byte| byte.is_ascii_digit()) && !token.is_empty() {
            _ = write!(path, "[{token}]");
        } else if token.contains(['.', '/']) {
            _ = write!(path, "[{token:?}]");
        } else {
            if !path.is_empty() {
                path.push('.');
            }
            path.push_str(&token);
        }
    }
    path
}

/// A finding as a few lines of plain text, safe to print: fact, evidence, fix, page.
pub(super) fn paragraph(finding: &Finding) -> String {
    let mut lines = vec![finding.message.clone()];
    lines.extend(finding.notes.iter().map(|note| format!("note: {note}")));
    if !finding.explains.is_empty() {
        lines.push(format!(
            "explains: {}",
            super::text::count(finding.explains.len(), "other finding")
        ));
    }
    lines.extend(
        finding
            .fixes
            .first()
            .map(|fix| format!("fix: {}{}", fix.title, class_note(fix.class))),
    );
    lines.push(format!(
        "more: kubectl netdoctor explain {}",
        finding.rule.code
    ));
    let lines: Vec<_> = lines.iter().map(|line| sanitize_line(line)).collect();
    lines.join("\n")
}

/// A command that does what a fix says: its own, or a patch by kubectl.
pub(super) fn command(fix: &Fix) -> Option<String> {
    if let Some(command) = &fix.command {
        return Some(command.clone());
    }
    let object = fix.object.as_ref()?;
    if fix.patch.0.is_empty() {
        return None;
    }
    let mut words = vec!["kubectl".to_owned()];
    if !object.namespace.is_empty() {
        words.extend(["-n".to_owned(), shell(&object.namespace)]);
    }
    words.extend([
        "patch".to_owned(),
        shell(&short_type(object)),
        shell(&object.name),
    ]);
    words.extend([
        "--type=json".to_owned(),
        "-p".to_owned(),
        shell(&patch_text(&fix.patch)),
    ]);
    Some(words.join(" "))
}

/// The type without its group where kubectl finds it so.
fn short_type(object: &ObjectRef) -> String {
    match object.group() {
        ""
        | "apps"
        | "batch"
        | "autoscaling"
        | "networking.k8s.io"
        | "discovery.k8s.io"
        | "admissionregistration.k8s.io" => object.kind.as_str().to_ascii_lowercase(),
        _ => resource_type(object),
    }
}

/// A patch on one line.
pub(super) fn patch_text(patch: &Patch) -> String {
    // A patch holds nothing that JSON cannot say.
    serde_json::to_string(patch).unwrap_or_default()
}

/// How much a person has to look at a fix.
pub(super) fn class_note(class: FixClass) -> &'static str {
    match class {
        FixClass::Safe => " (safe)",
        FixClass::Review => " (needs review)",
        FixClass::Manual => "",
    }
}

/// Rules that gave no verdict for one reason.
pub(super) struct Open<'a> {
    pub(super) outcome: NoVerdict,
    pub(super) reason: &'a str,
    pub(super) codes: Vec<&'static str>,
    /// Object, when it is about one only.
    pub(super) subject: Option<&'a ObjectRef>,
    pub(super) count: usize,
}

/// What was not checked, by reason: unknown before skipped, then the reason that stops most rules first.
pub(super) fn open<'a>(entries: &'a [NotChecked]) -> Vec<Open<'a>> {
    let mut groups: BTreeMap<(NoVerdict, &'a str), Open<'a>> = BTreeMap::new();
    for entry in entries {
        let group = groups
            .entry((entry.outcome, &entry.reason))
            .or_insert(Open {
                outcome: entry.outcome,
                reason: &entry.reason,
                codes: Vec::new(),
                subject: entry.subject.as_ref(),
                count: 0,
            });
        if !group.codes.contains(&entry.code) {
            group.codes.push(entry.code);
        }
        if group.subject != entry.subject.as_ref() {
            group.subject = None;
        }
        group.count += entry.count;
    }
    let mut groups: Vec<Open<'a>> = groups.into_values().collect();
    groups.sort_by_key(|group| (group.outcome, Reverse(group.codes.len())));
    groups
}

/// Number of rules with an outcome.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Checks {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) unknown: usize,
    pub(super) skipped: usize,
    /// Nothing in the input concerns them.
    pub(super) idle: usize,
}

/// Sorts rules by what came out: a rule that was violated somewhere failed, one that is open somewhere is open.
pub(super) fn checks<'a>(
    rules: impl Iterator<Item = &'a netdoctor_engine::report::RuleCount>,
) -> Checks {
    let mut checks = Checks::default();
    for rule in rules {
        let slot = if rule.violated > 0 {
            &mut checks.failed
        } else if rule.unknown > 0 {
            &mut checks.unknown
        } else if rule.ok > 0 {
            &mut checks.passed
        } else if rule.skipped > 0 {
            &mut checks.skipped
        } else {
            &mut checks.idle
        };
        *slot += 1;
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_become_fields() {
        assert_eq!(
            field("/spec/ports/0/targetPort"),
            "spec.ports[0].targetPort"
        );
        assert_eq!(
            field("/metadata/annotations/a.b~1c"),
            "metadata.annotations[\"a.b/c\"]"
        );
        assert_eq!(field(""), "");
    }

    #[test]
    fn names_are_few_and_unique() {
        let names = |list: &[&str]| few_names(list.iter().map(ToString::to_string));
        assert_eq!(names(&["b", "a", "a"]), "a, b");
        assert_eq!(names(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
