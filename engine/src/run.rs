//! `run`: all selected rules over a snapshot. `run_for`: the rules that one change can break.

mod change;

pub use change::{judged_kinds, run_for};

use crate::{
    config::{Config, Level},
    context::{Change, Context, Reporter, unreadable},
    finding::Finding,
    fold,
    model::{Kind, Meta, ObjectRef, Origin, Workload},
    report::{NoVerdict, NotChecked, Report, RuleCount},
    rule::{Check, Reach, Rule, Severity, Surface},
    snapshot::{Absence, Snapshot, Stored},
};
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Runs every selected rule over the whole snapshot.
pub fn run(
    rules: &[&'static Rule],
    snapshot: &Snapshot,
    config: &Config,
    now: Timestamp,
    surface: Surface,
) -> Report {
    let context = Context::new(snapshot, config, now, surface, Change::default());
    let mut runner = Runner::new(&context, rules);
    for rule in runner.selected.clone() {
        runner.rule(rule);
    }
    runner.finish()
}

/// Code, outcome and reason: what makes two outcomes the same entry of a report.
type Reason = (&'static str, NoVerdict, String);
/// The first subject, how many there are, and the severity that a finding would have had.
type Shared = (Option<ObjectRef>, usize, Severity);

/// Collects outcomes while rules run.
pub(crate) struct Runner<'c, 'a> {
    context: &'c Context<'a>,
    pub(crate) selected: Vec<&'static Rule>,
    findings: Vec<Finding>,
    not_checked: BTreeMap<Reason, Shared>,
    counts: BTreeMap<&'static str, RuleCount>,
}

impl<'c, 'a> Runner<'c, 'a> {
    pub(crate) fn new(context: &'c Context<'a>, rules: &[&'static Rule]) -> Self {
        let selected: Vec<&'static Rule> = rules
            .iter()
            .copied()
            .filter(|rule| rule.runs_on(context.surface) && context.config.selects(rule))
            .collect();
        let counts = selected
            .iter()
            .map(|rule| {
                (
                    rule.code,
                    RuleCount {
                        rule,
                        ok: 0,
                        violated: 0,
                        unknown: 0,
                        skipped: 0,
                    },
                )
            })
            .collect();
        Self {
            context,
            selected,
            findings: Vec::new(),
            not_checked: BTreeMap::new(),
            counts,
        }
    }

    fn rule(&mut self, rule: &'static Rule) {
        for check in rule.on {
            self.subjects(rule, *check);
        }
    }

    fn subjects(&mut self, rule: &'static Rule, check: Check) {
        self.gaps_of_subjects(rule, check);
        match check {
            Check::Service(f) => self.each(rule, f),
            Check::Pod(f) => self.each(rule, f),
            Check::EndpointSlice(f) => self.each(rule, f),
            Check::Autoscaler(f) => self.each(rule, f),
            Check::NetworkPolicy(f) => self.each(rule, f),
            Check::Ingress(f) => self.each(rule, f),
            Check::IngressClass(f) => self.each(rule, f),
            Check::IngressRoute(f) => self.each(rule, f),
            Check::Gateway(f) => self.each(rule, f),
            Check::Node(f) => self.each(rule, f),
            Check::Secret(f) => self.each(rule, f),
            Check::Certificate(f) => self.each(rule, f),
            Check::WebhookConfiguration(f) => self.each(rule, f),
            Check::CustomResourceDefinition(f) => self.each(rule, f),
            Check::Workload(f) => {
                for workload in top_level_workloads(self.context) {
                    self.subject(
                        rule,
                        workload.kind(),
                        workload.meta(),
                        workload.reference(),
                        |cx, report| match cx.patched_container(workload) {
                            Some(container) => report.skip(format!(
                                "a patch, not an object: container `{container}` has no image; lint what kustomize builds (-k)"
                            )),
                            None => f(cx, workload, report),
                        },
                    );
                }
            }
        }
    }

    fn each<T: Stored>(
        &mut self,
        rule: &'static Rule,
        f: for<'x> fn(&Context<'x>, &'x T, &mut Reporter),
    ) {
        let context = self.context;
        for object in context.all::<T>() {
            self.one(rule, object, f);
        }
    }

    pub(crate) fn one<T: Stored>(
        &mut self,
        rule: &'static Rule,
        object: &'a T,
        f: for<'x> fn(&Context<'x>, &'x T, &mut Reporter),
    ) {
        self.subject(
            rule,
            object.kind(),
            object.meta(),
            object.reference(),
            |cx, report| f(cx, object, report),
        );
    }

    /// A kind of subject that could not be listed makes the rule unknown, once.
    fn gaps_of_subjects(&mut self, rule: &'static Rule, check: Check) {
        if !self.context.on_cluster() {
            return;
        }
        for kind in check.kinds() {
            let Some(coverage) = self.context.snapshot.coverage.get(kind) else {
                continue;
            };
            if coverage.not_installed {
                if !kind.is_custom() && check.kinds().len() > 1 {
                    continue;
                }
                self.no_verdict(
                    rule,
                    NoVerdict::Skipped,
                    format!("not installed: {}", kind.resource()),
                    None,
                );
            }
            let asked = self.context.snapshot.scope.as_deref();
            let elsewhere = |gap: &&crate::snapshot::Gap| {
                rule.reach == Reach::Namespace
                    && asked.is_some()
                    && gap.namespace.as_deref() != asked
            };
            for gap in coverage
                .gaps
                .iter()
                .filter(|gap| !(kind.namespaced() && elsewhere(gap)))
            {
                self.no_verdict(rule, NoVerdict::Unknown, gap.reason(), None);
            }
        }
    }

    pub(crate) fn subject(
        &mut self,
        rule: &'static Rule,
        kind: Kind,
        meta: &Meta,
        reference: ObjectRef,
        judge: impl FnOnce(&Context<'a>, &mut Reporter),
    ) {
        let config = self.context.config;
        if config.excludes(rule, meta) {
            return;
        }
        if let Some(reason) = self.obstacle(rule, kind, meta) {
            return self.no_verdict(rule, reason.0, reason.1, Some(reference));
        }
        // `selected` holds only rules that have a severity here.
        let severity = rule
            .severity(self.context.surface)
            .unwrap_or(Severity::Info);
        let mut report = Reporter::new(rule, reference.clone(), severity);
        self.context.take_taint();
        let judged = catch_unwind(AssertUnwindSafe(|| judge(self.context, &mut report)));
        if judged.is_err() {
            return self.no_verdict(
                rule,
                NoVerdict::Unknown,
                "internal error in this rule".to_owned(),
                Some(reference),
            );
        }
        let tainted = self.context.take_taint();
        if let Some(reason) = tainted.filter(|_| !report.findings.is_empty()) {
            return self.no_verdict(rule, NoVerdict::Unknown, reason, Some(reference));
        }
        self.collect(rule, report, &reference);
    }

    fn collect(&mut self, rule: &'static Rule, report: Reporter, reference: &ObjectRef) {
        if !report.applicable {
            return;
        }
        let clean =
            report.findings.is_empty() && report.unknown.is_empty() && report.skipped.is_empty();
        if let Some(count) = self.counts.get_mut(rule.code) {
            count.ok += usize::from(clean);
            count.violated += usize::from(!report.findings.is_empty());
        }
        for reason in report.unknown {
            self.no_verdict(rule, NoVerdict::Unknown, reason, Some(reference.clone()));
        }
        for reason in report.skipped {
            self.no_verdict(rule, NoVerdict::Skipped, reason, Some(reference.clone()));
        }
        for mut finding in report.findings {
            finding.seal();
            if let Some(Level::On(severity)) =
                self.context.config.level(rule, &finding.subject.namespace)
            {
                finding.severity = severity;
            }
            self.findings.push(finding);
        }
    }

    /// Why a rule cannot judge a subject: a kind it needs could not be read, or a field it reads could not be decoded.
    fn obstacle(
        &self,
        rule: &'static Rule,
        kind: Kind,
        meta: &Meta,
    ) -> Option<(NoVerdict, String)> {
        for needed in rule.needs {
            match self.context.known(*needed, &meta.namespace) {
                Ok(()) | Err(Absence::Proven | Absence::NotInInput) => {}
                Err(Absence::Unknown(reason)) => return Some((NoVerdict::Unknown, reason)),
                Err(Absence::NotInstalled) => {
                    return Some((
                        NoVerdict::Skipped,
                        format!("not installed: {}", needed.resource()),
                    ));
                }
            }
        }
        let read = |pointer: &str| {
            pointer.is_empty() || rule.reads.iter().any(|pattern| touches(pointer, pattern))
        };
        let problem = meta
            .problems
            .iter()
            .find(|problem| read(&problem.pointer))?;
        Some((
            NoVerdict::Unknown,
            unreadable(kind, meta, &problem.pointer, &problem.message),
        ))
    }

    fn no_verdict(
        &mut self,
        rule: &'static Rule,
        outcome: NoVerdict,
        reason: String,
        subject: Option<ObjectRef>,
    ) {
        if let Some(count) = self.counts.get_mut(rule.code) {
            match outcome {
                NoVerdict::Unknown => count.unknown += 1,
                NoVerdict::Skipped => count.skipped += 1,
            }
        }
        let severity = rule
            .severity(self.context.surface)
            .unwrap_or(Severity::Info);
        let entry = self
            .not_checked
            .entry((rule.code, outcome, reason))
            .or_insert((subject.clone(), 0, severity));
        entry.1 += 1;
        // The smallest reference, so that the order of reading does not show.
        if subject.is_some() && subject < entry.0 {
            entry.0 = subject;
        }
    }

    pub(crate) fn finish(self) -> Report {
        let context = self.context;
        let mut findings = self.findings;
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

/// Workloads to judge: controllers that no controller here owns, pods without one, and one pod for every owner that
/// is not here (its siblings would say the same).
pub(crate) fn top_level_workloads<'a>(context: &Context<'a>) -> Vec<Workload<'a>> {
    let controllers = context
        .all::<crate::model::Controller>()
        .filter(|c| context.is_top_level(c));
    let mut workloads: Vec<Workload<'a>> = controllers.map(Workload::Controller).collect();
    let mut orphans: BTreeSet<(&str, &str, &str)> = BTreeSet::new();
    for pod in context.all::<crate::model::Pod>() {
        if let Some(owner) = pod.meta.controller() {
            if context
                .controller(&pod.meta.namespace, &owner.kind, &owner.name)
                .is_some()
            {
                continue;
            }
            if !orphans.insert((&pod.meta.namespace, &owner.kind, &owner.name)) {
                continue;
            }
        }
        if pod.alive() {
            workloads.push(Workload::Pod(pod));
        }
    }
    workloads
}

/// Whether a problem at `pointer` lies on the way to, at, or below what `pattern` names.
fn touches(pointer: &str, pattern: &str) -> bool {
    let mut wanted = pattern.split('/').skip(1);
    for token in pointer.split('/').skip(1) {
        match wanted.next() {
            None => return true,
            Some(expected) if expected == "*" || expected == token => {}
            Some(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_counts_on_the_way_to_a_field_and_below_it() {
        assert!(touches("/spec/ports/0/port", "/spec/ports/*/port"));
        assert!(touches("/spec/ports", "/spec/ports/*/port"));
        assert!(touches("/spec/ports/0/port/x", "/spec/ports/*/port"));
        assert!(!touches("/spec/ports/0/name", "/spec/ports/*/port"));
        assert!(!touches("/status", "/spec/ports/*/port"));
    }
}
