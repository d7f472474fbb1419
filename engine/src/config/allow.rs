//! What somebody has accepted.

use super::{Annotations, Config, names_rule};
use crate::{
    context::Context,
    finding::Finding,
    model::{Meta, ObjectRef, Text},
    report::Suppressed,
    rules,
};
use globset::GlobMatcher;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet};

/// Where an allow stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A flag of this run.
    Flag,
    /// The configuration file, with the line.
    File(u32),
    /// An exemption in the configuration of the webhook, with the line.
    Exemption(u32),
}

/// One accepted finding, or a class of them.
#[derive(Debug, Clone)]
pub struct Allow {
    /// Code or name of the rule.
    pub code: Text,
    /// Narrowed to a case.
    pub case: Option<Text>,
    /// Narrowed to a kind (lower case) and name.
    pub object: Option<(Text, GlobMatcher)>,
    /// Narrowed to a namespace.
    pub namespace: Option<GlobMatcher>,
    /// Why.
    pub reason: Option<Text>,
    /// Last day on which it holds.
    pub until: Option<Date>,
    /// Where it stands.
    pub place: Place,
}

impl Allow {
    fn matches(&self, finding: &Finding) -> bool {
        let subject = &finding.subject;
        names_rule(&self.code, finding.rule)
            && self
                .case
                .as_deref()
                .is_none_or(|case| finding.case == Some(case))
            && self
                .namespace
                .as_ref()
                .is_none_or(|glob| glob.is_match(&*subject.namespace))
            && self.object.as_ref().is_none_or(|(kind, name)| {
                same_kind(kind, subject) && name.is_match(&*subject.name)
            })
    }

    /// Whether its last day is over.
    pub fn expired(&self, now: Timestamp) -> bool {
        expired(self.until, now)
    }

    /// What it is and where it stands.
    pub fn describe(&self) -> String {
        let case = self
            .case
            .as_deref()
            .map(|case| format!("/{case}"))
            .unwrap_or_default();
        match self.place {
            Place::Flag => format!("--allow {}{case}", self.code),
            Place::File(line) => format!(
                "allow {}{case} in the configuration (line {line})",
                self.code
            ),
            Place::Exemption(line) => format!(
                "exemption from {}{case} in the configuration (line {line})",
                self.code
            ),
        }
    }
}

fn same_kind(typed: &str, subject: &ObjectRef) -> bool {
    subject.kind.eq_ignore_ascii_case(typed)
        || crate::model::Kind::from_type(typed).is_some_and(|kind| kind.name() == &*subject.kind)
}

fn expired(until: Option<Date>, now: Timestamp) -> bool {
    until.is_some_and(|until| now.to_zoned(TimeZone::UTC).date() > until)
}

/// An allow annotation.
struct Annotation<'a> {
    code: &'a str,
    case: Option<&'a str>,
    reason: &'a str,
    until: Until,
}

/// The end that an annotation states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    Never,
    Day(Date),
    /// It begins as an end does, and no day follows.
    Unreadable,
}

impl Annotation<'_> {
    fn last_day(&self) -> Option<Date> {
        match self.until {
            Until::Day(day) => Some(day),
            Until::Never | Until::Unreadable => None,
        }
    }

    /// Why it does not count.
    fn problem(&self, now: Timestamp) -> Option<String> {
        match self.until {
            Until::Unreadable => {
                Some("has no day of the calendar after `until` and is ignored".to_owned())
            }
            _ if self.reason.is_empty() => Some("gives no reason and is ignored".to_owned()),
            Until::Day(day) if expired(Some(day), now) => Some(format!("expired on {day}")),
            Until::Day(_) | Until::Never => None,
        }
    }
}

/// `netdoctor.io/allow-CODE[.CASE]: "[until DATE:] reason"`.
fn annotations(meta: &Meta) -> impl Iterator<Item = Annotation<'_>> {
    meta.annotations.iter().filter_map(|(key, value)| {
        let name = key.strip_prefix("netdoctor.io/allow-")?;
        let (code, case) = name
            .split_once('.')
            .map_or((name, None), |(code, case)| (code, Some(case)));
        let (until, reason) = until(value);
        Some(Annotation {
            code,
            case,
            reason: reason.trim_ascii(),
            until,
        })
    })
}

/// The end that a value states, and the rest. The policies of the API server read the same by regular expressions, which
/// know the space characters of ASCII only.
fn until(value: &str) -> (Until, &str) {
    let dated = value.trim_ascii_start().strip_prefix("until");
    let Some(dated) = dated.filter(|rest| rest.starts_with(|c: char| c.is_ascii_whitespace()))
    else {
        return (Until::Never, value);
    };
    let (date, reason) = dated.split_once(':').unwrap_or((dated, ""));
    (
        day(date.trim_ascii()).map_or(Until::Unreadable, Until::Day),
        reason,
    )
}

/// A day as `2027-03-31`, and in no other of the forms that dates have.
fn day(text: &str) -> Option<Date> {
    let is_written = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    let plain = text.len() == 10 && text.bytes().enumerate().all(is_written);
    plain.then(|| text.parse().ok()).flatten()
}

/// What one pass over the findings learnt about the allows themselves.
#[derive(Default)]
struct Ledger {
    used: BTreeSet<String>,
    warnings: BTreeSet<String>,
}

impl Config {
    /// Splits findings into those that stay and those that somebody allowed; the texts are about the allows.
    pub(crate) fn allow(
        &self,
        findings: Vec<Finding>,
        context: &Context<'_>,
    ) -> (Vec<Finding>, Vec<Suppressed>, Vec<String>) {
        let mut ledger = Ledger::default();
        let annotated = annotated_objects(&findings, context);
        let (mut kept, mut suppressed) = (Vec::new(), Vec::new());
        for finding in findings {
            let by = self
                .by_entry(&finding, context.now, &mut ledger)
                .or_else(|| self.by_annotation(&finding, &annotated, context, &mut ledger));
            match by {
                None => kept.push(finding),
                Some((by, reason, until)) => suppressed.push(Suppressed {
                    finding,
                    by,
                    reason,
                    until,
                }),
            }
        }
        suppressed.sort_by(|a, b| a.finding.fingerprint.cmp(&b.finding.fingerprint));
        self.report_unused(&annotated, context, &mut ledger);
        (kept, suppressed, ledger.warnings.into_iter().collect())
    }

    fn by_entry(
        &self,
        finding: &Finding,
        now: Timestamp,
        ledger: &mut Ledger,
    ) -> Option<(&'static str, Option<Text>, Option<Text>)> {
        for entry in self.allow.iter().filter(|entry| entry.matches(finding)) {
            ledger.used.insert(entry.describe());
            if expired(entry.until, now) {
                let until = entry.until.map(|date| date.to_string()).unwrap_or_default();
                ledger
                    .warnings
                    .insert(format!("{} expired on {until}", entry.describe()));
                continue;
            }
            let by = match entry.place {
                Place::Flag => "flag",
                Place::File(_) => "config",
                Place::Exemption(_) => "exemption",
            };
            return Some((
                by,
                entry.reason.clone(),
                entry.until.map(|date| date.to_string().into()),
            ));
        }
        None
    }

    fn report_unused(
        &self,
        annotated: &BTreeMap<ObjectRef, &Meta>,
        context: &Context<'_>,
        ledger: &mut Ledger,
    ) {
        // Only a run over everything shows that an allow is of no use.
        let everything = !context.is_change();
        for entry in self.allow.iter().filter(|_| everything) {
            let text = entry.describe();
            match rules::find(&entry.code) {
                None => drop(
                    ledger
                        .warnings
                        .insert(format!("{text}: there is no such rule")),
                ),
                Some(rule)
                    if rule.runs_on(context.surface)
                        && self.selects(rule)
                        && !ledger.used.contains(&text) =>
                {
                    ledger.warnings.insert(format!("{text} matched nothing"));
                }
                Some(_) => {}
            }
        }
        for (object, meta) in annotated {
            for annotation in annotations(meta) {
                let text = format!("annotation allow-{} on {object}", annotation.code);
                match rules::find(annotation.code) {
                    None => drop(
                        ledger
                            .warnings
                            .insert(format!("{text}: there is no such rule")),
                    ),
                    Some(rule)
                        if everything
                            && rule.runs_on(context.surface)
                            && self.selects(rule)
                            && !ledger.used.contains(&used_key(object, &annotation)) =>
                    {
                        ledger.warnings.insert(format!("{text} matched nothing"));
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

fn used_key(object: &ObjectRef, annotation: &Annotation<'_>) -> String {
    format!(
        "{object} {} {}",
        annotation.code,
        annotation.case.unwrap_or("")
    )
}

/// Objects that carry an allow: all of them, or, when one change is judged, those that the findings are about.
fn annotated_objects<'a>(
    findings: &[Finding],
    context: &Context<'a>,
) -> BTreeMap<ObjectRef, &'a Meta> {
    let allows = |meta: &Meta| {
        let mut keys = meta.annotations.iter().map(|(key, _)| key);
        keys.any(|key| key.starts_with("netdoctor.io/allow-"))
    };
    let mut found = BTreeMap::new();
    if !context.is_change() {
        context.snapshot.each_meta(&mut |reference, meta| {
            if allows(meta) {
                found.insert(reference(), meta);
            }
        });
        return found;
    }
    let subjects = findings.iter().map(|finding| &finding.subject);
    let owners = subjects
        .clone()
        .filter_map(|subject| context.owner_of(subject));
    let incoming = context.incoming().map(crate::model::decode::Any::reference);
    let concerned: BTreeSet<ObjectRef> = subjects.cloned().chain(owners).chain(incoming).collect();
    for object in concerned {
        if let Some(meta) = context.meta_of(&object).filter(|meta| allows(meta)) {
            found.insert(object, meta);
        }
    }
    found
}

impl Config {
    /// An annotation on the subject, or on the workload that owns the subject.
    fn by_annotation(
        &self,
        finding: &Finding,
        annotated: &BTreeMap<ObjectRef, &Meta>,
        context: &Context<'_>,
        ledger: &mut Ledger,
    ) -> Option<(&'static str, Option<Text>, Option<Text>)> {
        if annotated.is_empty() {
            return None;
        }
        let own = annotated
            .get_key_value(&finding.subject)
            .map(|(object, meta)| (object.clone(), *meta));
        let owner = context.owner_of(&finding.subject).and_then(|owner| {
            annotated
                .get_key_value(&owner)
                .map(|(object, meta)| (object.clone(), *meta))
        });
        for (object, meta) in own.into_iter().chain(owner) {
            for annotation in annotations(meta) {
                let case = annotation
                    .case
                    .is_none_or(|case| finding.case == Some(case));
                if !names_rule(annotation.code, finding.rule) || !case {
                    continue;
                }
                ledger.used.insert(used_key(&object, &annotation));
                let text = format!("annotation allow-{} on {object}", annotation.code);
                if self.annotations == Annotations::Ignored {
                    ledger
                        .warnings
                        .insert(format!("{text} does not count here"));
                } else if let Some(problem) = annotation.problem(context.now) {
                    ledger.warnings.insert(format!("{text} {problem}"));
                } else {
                    let until = annotation.last_day().map(|date| date.to_string().into());
                    return Some(("annotation", Some(annotation.reason.into()), until));
                }
            }
        }
        None
    }
}
