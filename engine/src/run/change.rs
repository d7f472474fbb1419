//! `run_for` and `judge`: what one change can break, without looking at the rest of the cluster.
//!
//! ```text
//!  change (old, new) --> the incoming object ------------------> every rule about it
//!                    \-> reach: who refers to it, or did before -> rules that its kind triggers
//! ```
//!
//! The snapshot is overlaid, never copied, so the cost depends on how many objects refer to the changed one, not on the
//! size of the cluster. `judge` asks the rules a second time, with the old object laid over the snapshot, but only where
//! they found something: what was wrong before is not this change's fault.

mod reach;
#[cfg(test)]
mod tests;

use super::{Judged, Runner};
use crate::{
    config::Config,
    context::{Change, Context},
    finding::Finding,
    model::{
        Autoscaler, Certificate, CustomResourceDefinition, EndpointSlice, Gateway, Ingress,
        IngressClass, IngressRoute, Kind, NetworkPolicy, Node, Object as _, ObjectRef, Secret,
        Service, WebhookConfiguration, Workload, decode::Any,
    },
    report::Report,
    rule::{Actions, Check, Rule, Surface},
    snapshot::Snapshot,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

macro_rules! subjects {
    ($($view:ident),* $(,)?) => {
        /// One object to judge.
        #[derive(Clone, Copy)]
        enum Subject<'a> {
            Workload(Workload<'a>),
            $($view(&'a $view),)*
        }

        impl<'a> Subject<'a> {
            /// The object of a change, when rules judge objects of its view.
            fn of(any: &'a Any) -> Option<Self> {
                match any {
                    Any::Pod(pod) => Some(Self::Workload(Workload::Pod(pod))),
                    Any::Controller(controller) => {
                        Some(Self::Workload(Workload::Controller(controller)))
                    }
                    $(Any::$view(object) => Some(Self::$view(object)),)*
                    _ => None,
                }
            }

            fn reference(self) -> ObjectRef {
                match self {
                    Self::Workload(workload) => workload.reference(),
                    $(Self::$view(object) => object.reference(),)*
                }
            }
        }

        impl<'a> Runner<'_, 'a> {
            fn judge(&mut self, rule: &'static Rule, subject: Subject<'a>) {
                for check in rule.on {
                    match (*check, subject) {
                        (Check::Workload(f), Subject::Workload(workload)) => {
                            let judged =
                                Judged::new(workload.kind(), workload.meta(), workload.reference());
                            self.workload(rule, &judged, workload, f);
                        }
                        (Check::Pod(f), Subject::Workload(Workload::Pod(pod))) => {
                            self.one(rule, pod, f);
                        }
                        $((Check::$view(f), Subject::$view(object)) => self.one(rule, object, f),)*
                        _ => {}
                    }
                }
            }
        }
    };
}

subjects!(
    Service,
    EndpointSlice,
    Autoscaler,
    NetworkPolicy,
    Ingress,
    IngressClass,
    IngressRoute,
    Gateway,
    Node,
    Secret,
    Certificate,
    WebhookConfiguration,
    CustomResourceDefinition,
);

/// Runs the rules that a change can break: those about the new object, and those about objects that refer to it. What was
/// wrong before is told as well.
///
/// With neither `old` nor `new` there is nothing to judge and the report is empty.
pub fn run_for(
    rules: &[&'static Rule],
    snapshot: &Snapshot,
    change: Change<'_>,
    config: &Config,
    now: Timestamp,
    surface: Surface,
) -> Report {
    let context = Context::new(snapshot, config, now, surface, change);
    let mut runner = Runner::new(&context, rules);
    ask(&mut runner, &context, change, &|_| true);
    runner.outcomes.finish(&context)
}

/// What a change brings.
#[derive(Debug)]
pub struct Judgement {
    /// What the rules say that the change can break; `findings` holds only what was not there before, and what became
    /// worse in the incoming object.
    pub report: Report,
    /// Findings that are new, with something like them there before.
    pub milder: Milder,
}

/// Fingerprints of findings with which a change made nothing worse.
#[derive(Debug, Default)]
pub struct Milder {
    /// The same rule said worse about the same part of the same object before.
    pub better: BTreeSet<String>,
    /// The part has another name: what the rule said about as many parts in the same place is gone.
    pub renamed: BTreeSet<String>,
}

impl Milder {
    /// Whether a finding is one of them.
    pub fn contains(&self, fingerprint: &str) -> bool {
        self.better.contains(fingerprint) || self.renamed.contains(fingerprint)
    }
}

/// Judges a change for admission. `asked` leaves out rules about the incoming object; rules about objects that refer to
/// it are always asked.
pub fn judge(
    rules: &[&'static Rule],
    snapshot: &Snapshot,
    change: Change<'_>,
    asked: &dyn Fn(&Rule) -> bool,
    config: &Config,
    now: Timestamp,
) -> Judgement {
    let context = Context::new(snapshot, config, now, Surface::Admit, change);
    let mut runner = Runner::new(&context, rules);
    let subjects = ask(&mut runner, &context, change, asked);
    let mut outcomes = runner.outcomes;
    let mut milder = Milder::default();
    if !outcomes.findings.is_empty() {
        let before = Change {
            // A new object is hidden from the snapshot as well, should that be ahead of the request.
            old: change.new.or(change.old),
            new: change.old,
        };
        let context = Context::new(snapshot, config, now, Surface::Admit, before);
        let known = before_change(&context, rules, change.old, &subjects, &outcomes.findings);
        milder.renamed = renamed(&known, &outcomes.findings);
        // Others became worse through this change at most: they hear of it from the auditor.
        let about_it = |finding: &Finding| {
            let incoming = change.new.map(Any::reference);
            incoming.is_some_and(|incoming| incoming.same_object(&finding.subject))
        };
        outcomes.findings.retain(|finding| {
            !known.iter().any(|old| {
                old.fingerprint == finding.fingerprint
                    && (at_least(old.actions, finding.actions) || !about_it(finding))
            })
        });
        let was_worse = |finding: &&Finding| {
            known.iter().any(|old| {
                old.rule.code == finding.rule.code
                    && old.subject.same_object(&finding.subject)
                    && old.key == finding.key
                    && at_least(old.actions, finding.actions)
            })
        };
        milder.better = outcomes
            .findings
            .iter()
            .filter(was_worse)
            .map(|finding| finding.fingerprint.clone())
            .collect();
    }
    Judgement {
        report: outcomes.finish(&context),
        milder,
    }
}

/// Asks the rules; returns who was judged, each once.
fn ask<'a>(
    runner: &mut Runner<'_, 'a>,
    context: &Context<'a>,
    change: Change<'a>,
    asked: &dyn Fn(&Rule) -> bool,
) -> BTreeMap<ObjectRef, Subject<'a>> {
    let mut judged = BTreeMap::new();
    let selected = runner.selected.clone();
    let incoming = change.new.and_then(Subject::of);
    if let Some(subject) = incoming {
        judged.insert(subject.reference(), subject);
        for rule in selected.iter().copied().filter(|rule| asked(rule)) {
            runner.judge(rule, subject);
        }
    }
    let Some(kind) = change.new.or(change.old).map(Any::kind) else {
        return judged;
    };
    let triggered: Vec<&'static Rule> = selected
        .into_iter()
        .filter(|rule| rule.triggered_by(kind))
        .collect();
    for subject in reach::others(context, change, &triggered) {
        let reference = subject.reference();
        if judged.contains_key(&reference) {
            continue;
        }
        for rule in &triggered {
            runner.judge(rule, subject);
        }
        judged.insert(reference, subject);
    }
    judged
}

/// What the rules that found something said before, about the same subjects.
fn before_change<'a>(
    context: &Context<'a>,
    rules: &[&'static Rule],
    old: Option<&'a Any>,
    subjects: &BTreeMap<ObjectRef, Subject<'a>>,
    findings: &[Finding],
) -> Vec<Finding> {
    let mut runner = Runner::new(context, rules);
    let old = old.and_then(Subject::of);
    let pairs: BTreeMap<(&ObjectRef, &str), &'static Rule> = findings
        .iter()
        .map(|finding| ((&finding.subject, finding.rule.code), finding.rule))
        .collect();
    for ((reference, _), rule) in pairs {
        let was = old.filter(|old| old.reference().same_object(reference));
        let other = || {
            let incoming = context.hides(reference);
            subjects.get(reference).copied().filter(|_| !incoming)
        };
        if let Some(subject) = was.or_else(other) {
            runner.judge(rule, subject);
        }
    }
    runner.outcomes.findings
}

/// Findings about parts that only have another name now. A fingerprint holds the name of a part, so what was wrong with
/// it before looks new. Places are compared without the positions in lists, which change as easily.
fn renamed(before: &[Finding], after: &[Finding]) -> BTreeSet<String> {
    let only_in = |some: &'_ [Finding], others: &[Finding]| {
        let others: BTreeSet<&str> = others.iter().map(|other| &*other.fingerprint).collect();
        let some = some.iter();
        some.filter(|finding| !others.contains(&*finding.fingerprint))
            .map(|finding| (part(finding), finding.actions, finding.fingerprint.clone()))
            .collect::<Vec<_>>()
    };
    let (gone, new) = (only_in(before, after), only_in(after, before));
    let is_renamed = |(part, actions, _): &&(_, Option<Actions>, String)| {
        let as_bad = gone
            .iter()
            .filter(|(other, was, _)| other == part && at_least(*was, *actions));
        as_bad.count() >= new.iter().filter(|(other, ..)| other == part).count()
    };
    let found = new.iter().filter(is_renamed);
    found
        .map(|(_, _, fingerprint)| fingerprint.clone())
        .collect()
}

/// What a rule is about, without names and positions: `SVC004`, the Service, `/spec/ports/*/targetPort`.
fn part(finding: &Finding) -> (&'static str, String, String) {
    let pointer = finding.labels.first().map_or("", |label| &*label.pointer);
    let steps = pointer.split('/').map(|step| match step.parse::<u32>() {
        Ok(_) => "*",
        Err(_) => step,
    });
    let place = steps.collect::<Vec<_>>().join("/");
    (finding.rule.code, finding.subject.to_string(), place)
}

fn at_least(one: Option<Actions>, other: Option<Actions>) -> bool {
    one.zip(other)
        .is_some_and(|(one, other)| one.guarded >= other.guarded && one.strict >= other.strict)
}

/// Kinds whose changes `run_for` can judge, for watches and webhook rules.
pub fn judged_kinds(rules: &[&'static Rule]) -> BTreeSet<Kind> {
    let admitted = rules.iter().filter(|rule| rule.admit.is_some());
    admitted
        .flat_map(|rule| {
            rule.on
                .iter()
                .flat_map(|check| check.kinds())
                .chain(rule.triggers)
        })
        .copied()
        .collect()
}
