//! The rules on one request.

use super::{
    Deferred, FailOpen, Operation, Outcome, World,
    diff::Changed,
    never,
    object::{Named, decoded},
    review::Review,
    scale, weigh,
};
use crate::policy::{Asked, Profile};
use netdoctor_engine::{
    context::Change,
    finding::Finding,
    model::{Kind, ObjectRef, decode::Any},
    report::{INTERNAL, NoVerdict, Report},
    rule::{Evidence, Rule, Surface},
    rules::RULES,
    run::{self, Judgement},
};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// What is to be said about a request.
#[derive(Default)]
pub(crate) struct Ruling {
    /// New findings, worst first.
    pub(crate) said: Vec<Said>,
    /// What became of each rule that was asked.
    pub(crate) rules: BTreeSet<(&'static str, Outcome)>,
    /// What was let through, and the rules that could not be asked.
    pub(crate) fail_open: BTreeMap<FailOpen, BTreeSet<&'static str>>,
    /// About the configuration and the annotations of the object.
    pub(crate) notes: Vec<String>,
    pub(crate) deferred: Vec<Deferred>,
    pub(crate) profile: Profile,
}

/// A finding and what it does.
pub(crate) struct Said {
    pub(crate) finding: Finding,
    pub(crate) outcome: Outcome,
    /// Why it does less than the profile says, where the user should know.
    pub(crate) but: Option<&'static str>,
}

/// A request that is judged: what was, and what is to be.
pub(crate) struct Asking<'r> {
    pub(crate) review: &'r Review<'r>,
    pub(crate) change: Change<'r>,
    pub(crate) reference: ObjectRef,
    /// The kind of the owner that manages the object.
    pub(crate) controller: Option<String>,
}

/// Judges a request.
pub(crate) fn judge(review: &Review<'_>, world: &World<'_>) -> Ruling {
    if never::by_whom_or_where(review, world) {
        return Ruling::default();
    }
    if !review.sub_resource.is_empty() {
        return scale::judge(review, world).unwrap_or_default();
    }
    let (old, new) = match review.operation {
        Operation::Create => (None, review.object),
        Operation::Update => (review.old_object, review.object),
        Operation::Delete if world.policy.deletions == Asked::Warned => (review.old_object, None),
        Operation::Delete | Operation::Connect | Operation::Other => return Ruling::default(),
    };
    let complete = match review.operation {
        Operation::Update => old.is_some() && new.is_some(),
        _ => old.is_some() || new.is_some(),
    };
    let Some(object) = new.or(old).filter(|_| complete) else {
        return Ruling::let_through(FailOpen::UnknownKind);
    };
    let named = Named::read(object);
    let mirrored = |old: &RawValue| never::is_mirror(review.kind, &Named::read(old));
    if never::by_state(review.kind, &named) || old.is_some_and(mirrored) {
        return Ruling::default();
    }
    of_objects(review, world, (old, new), named.controller)
}

fn of_objects(
    review: &Review<'_>,
    world: &World<'_>,
    (old, new): (Option<&RawValue>, Option<&RawValue>),
    controller: Option<String>,
) -> Ruling {
    let rules = concerned(review.kind.unwrap_or(Kind::CustomWorkload));
    if rules.is_empty() {
        return Ruling::default();
    }
    let changed = match review.operation {
        Operation::Update => Changed::between(old, new),
        _ => Changed::Everything,
    };
    if never::is_bookkeeping(
        &changed,
        review.kind.unwrap_or(Kind::CustomWorkload),
        &rules,
    ) {
        return Ruling::default();
    }
    let decode = |raw: &RawValue| decoded(review, raw);
    let (old_any, new_any) = (old.and_then(decode), new.and_then(decode));
    if old.is_some() != old_any.is_some() || new.is_some() != new_any.is_some() {
        return Ruling::let_through(FailOpen::UnknownKind);
    }
    let change = Change {
        old: old_any.as_ref(),
        new: new_any.as_ref(),
    };
    let Some(reference) = change.new.or(change.old).map(Any::reference) else {
        return Ruling::let_through(FailOpen::UnknownKind);
    };
    let asking = Asking {
        review,
        change,
        reference,
        controller,
    };
    ask(&asking, world, rules, &|rule| {
        changed.any(|place| rule.reads_at(place))
    })
}

/// Rules that judge objects of a kind, or that its changes can break.
pub(crate) fn concerned(kind: Kind) -> Vec<&'static Rule> {
    let at_admission = RULES
        .iter()
        .copied()
        .filter(|rule| rule.runs_on(Surface::Admit));
    at_admission
        .filter(|rule| never::judges(rule, kind) || rule.triggered_by(kind))
        .collect()
}

/// Asks the rules that can be asked, and weighs what they say.
pub(crate) fn ask(
    asking: &Asking<'_>,
    world: &World<'_>,
    rules: Vec<&'static Rule>,
    asked: &dyn Fn(&Rule) -> bool,
) -> Ruling {
    let kind = asking.change.new.or(asking.change.old).map(Any::kind);
    let mut ruling = Ruling {
        profile: world
            .policy
            .profile_of(never::namespace(asking.review, world)),
        ..Ruling::default()
    };
    let mut trusted = Vec::new();
    for rule in rules {
        match kind.and_then(|kind| trouble(rule, kind, world)) {
            None => trusted.push(rule),
            Some(reason) => ruling.unknown(rule.code, reason),
        }
    }
    let Judgement { report, milder } = run::judge(
        &trusted,
        world.snapshot,
        asking.change,
        asked,
        world.config,
        world.now,
    );
    ruling.count(&report);
    ruling.notes = report.warnings;
    for finding in report.findings {
        let milder = milder.contains(&finding.fingerprint);
        if let Some(said) = weigh::weigh(asking, world, ruling.profile, finding, milder) {
            ruling
                .deferred
                .extend(weigh::deferred(asking, world, &said));
            ruling.said.push(said);
        }
    }
    weigh::fold(&mut ruling.said);
    for said in &ruling.said {
        ruling.rules.insert((said.finding.rule.code, said.outcome));
    }
    ruling
}

/// Why a rule cannot be asked: what it would look up may be wrong by now.
fn trouble(rule: &Rule, kind: Kind, world: &World<'_>) -> Option<FailOpen> {
    let about_it = never::judges(rule, kind);
    if about_it && rule.evidence == Evidence::Own {
        return None;
    }
    let looked_up = rule.needs.iter().chain(rule.wants).copied();
    let subjects = rule.on.iter().flat_map(|check| check.kinds()).copied();
    looked_up
        .chain(subjects.filter(|_| !about_it))
        .filter_map(|kind| world.synced.trouble(kind))
        .max()
}

impl Ruling {
    /// Nothing could be judged.
    pub(crate) fn let_through(reason: FailOpen) -> Self {
        Self {
            fail_open: BTreeMap::from([(reason, BTreeSet::new())]),
            ..Self::default()
        }
    }

    fn unknown(&mut self, code: &'static str, reason: FailOpen) {
        self.rules.insert((code, Outcome::Unknown));
        self.fail_open.entry(reason).or_default().insert(code);
    }

    /// What became of the rules that have nothing new to say.
    fn count(&mut self, report: &Report) {
        for row in &report.rules {
            let outcome = match row {
                row if row.unknown > 0 => Outcome::Unknown,
                row if row.violated > 0 || row.ok > 0 => Outcome::Ok,
                row if row.skipped > 0 => Outcome::Skipped,
                _ => continue, // about something else
            };
            self.rules.insert((row.rule.code, outcome));
        }
        for finding in &report.findings {
            self.rules.remove(&(finding.rule.code, Outcome::Ok));
        }
        for suppressed in &report.suppressed {
            let code = suppressed.finding.rule.code;
            self.rules.remove(&(code, Outcome::Ok));
            self.rules.insert((code, Outcome::Allowed));
        }
        let internal = report
            .not_checked
            .iter()
            .filter(|entry| entry.outcome == NoVerdict::Unknown && entry.reason == INTERNAL);
        for entry in internal {
            self.unknown(entry.code, FailOpen::Panic);
        }
    }
}
