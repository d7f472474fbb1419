//! `run`: all selected rules over a snapshot. `run_for`: the rules that one change can break.

mod change;
mod outcomes;

pub use change::{Judgement, judge, judged_kinds, run_for};

use crate::{
    config::{Config, Level},
    context::{Change, Context, Reporter, unreadable},
    model::{Kind, Meta, ObjectRef, Workload},
    report::{INTERNAL, NoVerdict, Report, RuleCount},
    rule::{Check, Reach, Rule, Severity, Surface},
    snapshot::{Absence, Snapshot, Stored},
};
use jiff::Timestamp;
use outcomes::Outcomes;
use std::{
    collections::BTreeSet,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
};

/// Snapshots smaller than this are judged faster than threads start.
const SHARED_FROM: usize = 5_000;

/// Runs every selected rule over the whole snapshot. Subjects of a large one are shared between the cores; the report
/// does not depend on how.
pub fn run<'s>(
    rules: &[&'static Rule],
    snapshot: &'s Snapshot,
    config: &'s Config,
    now: Timestamp,
    surface: Surface,
) -> Report {
    let context = || Context::new(snapshot, config, now, surface, Change::default());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let of = if snapshot.objects.len() < SHARED_FROM {
        1
    } else {
        cores
    };
    let own = context();
    let workloads = top_level_workloads(&own);
    let judge = |context: &Context<'s>, number: usize| {
        let mut runner = Runner::new(context, rules);
        runner.share = Share { number, of };
        runner.all(&workloads);
        runner.outcomes
    };
    let outcomes = std::thread::scope(|scope| {
        let others: Vec<_> = (1..of)
            .map(|number| scope.spawn(move || judge(&context(), number)))
            .collect();
        let mut outcomes = judge(&own, 0);
        for other in others {
            // Rules are caught one by one: a worker that panicked is a defect of the runner itself.
            let other = other
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcomes.absorb(other);
        }
        outcomes
    });
    outcomes.finish(&own)
}

/// Every how-many-th subject a runner judges, beginning with which.
#[derive(Clone, Copy)]
struct Share {
    number: usize,
    of: usize,
}

/// One object to judge, with its reference made once for all rules.
pub(crate) struct Judged<'m> {
    kind: Kind,
    meta: &'m Meta,
    reference: Rc<ObjectRef>,
}

impl<'m> Judged<'m> {
    pub(crate) fn new(kind: Kind, meta: &'m Meta, reference: ObjectRef) -> Self {
        Self {
            kind,
            meta,
            reference: Rc::new(reference),
        }
    }
}

/// Runs rules and collects what they say.
pub(crate) struct Runner<'c, 'a> {
    context: &'c Context<'a>,
    pub(crate) selected: Vec<&'static Rule>,
    share: Share,
    pub(crate) outcomes: Outcomes,
}

/// The function of a rule for one view.
type Judge<T> = for<'x> fn(&Context<'x>, &'x T, &mut Reporter);

impl<'c, 'a> Runner<'c, 'a> {
    pub(crate) fn new(context: &'c Context<'a>, rules: &[&'static Rule]) -> Self {
        let selected: Vec<&'static Rule> = rules
            .iter()
            .copied()
            .filter(|rule| rule.runs_on(context.surface) && context.config.selects(rule))
            .collect();
        let zero = |rule: &&'static Rule| {
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
        };
        let counts = selected.iter().map(zero).collect();
        let outcomes = Outcomes {
            counts,
            ..Outcomes::default()
        };
        Self {
            context,
            selected,
            share: Share { number: 0, of: 1 },
            outcomes,
        }
    }

    /// Subject by subject rather than rule by rule: what rules look up about one subject is still at hand then.
    fn all(&mut self, workloads: &[Workload<'a>]) {
        let checks: Vec<(&'static Rule, Check)> = self
            .selected
            .iter()
            .flat_map(|rule| rule.on.iter().map(|check| (*rule, *check)))
            .collect();
        if self.share.number == 0 {
            for (rule, check) in &checks {
                self.gaps_of_subjects(rule, *check);
            }
        }
        macro_rules! over {
            ($($view:ident),*) => {
                $(self.over(&checks, |check| match check {
                    Check::$view(f) => Some(f),
                    _ => None,
                });)*
            };
        }
        over!(
            Service,
            Pod,
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
            CustomResourceDefinition
        );
        for workload in workloads
            .iter()
            .skip(self.share.number)
            .step_by(self.share.of)
        {
            let judged = Judged::new(workload.kind(), workload.meta(), workload.reference());
            for (rule, check) in &checks {
                if let Check::Workload(f) = check {
                    self.workload(rule, &judged, *workload, *f);
                }
            }
        }
    }

    /// A strategic-merge patch among manifests looks like a workload and is none.
    pub(crate) fn workload(
        &mut self,
        rule: &'static Rule,
        judged: &Judged<'_>,
        workload: Workload<'a>,
        f: for<'x> fn(&Context<'x>, Workload<'x>, &mut Reporter),
    ) {
        self.subject(rule, judged, |cx, report| match cx.patched_container(workload) {
            Some(container) => report.skip(format!(
                "a patch, not an object: container `{container}` has no image; lint what kustomize builds (-k)"
            )),
            None => f(cx, workload, report),
        });
    }

    fn over<T: Stored>(
        &mut self,
        checks: &[(&'static Rule, Check)],
        pick: fn(Check) -> Option<Judge<T>>,
    ) {
        let checks: Vec<(&'static Rule, Judge<T>)> = checks
            .iter()
            .filter_map(|(rule, check)| Some((*rule, pick(*check)?)))
            .collect();
        if checks.is_empty() {
            return;
        }
        let context = self.context;
        for object in context
            .all::<T>()
            .skip(self.share.number)
            .step_by(self.share.of)
        {
            let judged = Judged::new(object.kind(), object.meta(), object.reference());
            for (rule, f) in &checks {
                self.subject(rule, &judged, |cx, report| f(cx, object, report));
            }
        }
    }

    pub(crate) fn one<T: Stored>(&mut self, rule: &'static Rule, object: &'a T, f: Judge<T>) {
        let judged = Judged::new(object.kind(), object.meta(), object.reference());
        self.subject(rule, &judged, |cx, report| f(cx, object, report));
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
                // Who wanted more than the namespaces that were read says so itself.
                .filter(|gap| !coverage.is_narrowed_by(gap))
                .filter(|gap| !(kind.namespaced() && elsewhere(gap)))
            {
                self.no_verdict(rule, NoVerdict::Unknown, gap.reason(), None);
            }
        }
    }

    pub(crate) fn subject(
        &mut self,
        rule: &'static Rule,
        judged: &Judged<'_>,
        judge: impl FnOnce(&Context<'a>, &mut Reporter),
    ) {
        let reference = &judged.reference;
        if self.context.config.excludes(rule, judged.meta) {
            return;
        }
        if let Some((outcome, reason)) = self.obstacle(rule, judged.kind, judged.meta) {
            return self.no_verdict(rule, outcome, reason, Some(reference));
        }
        // `selected` holds only rules that have a severity here.
        let severity = rule
            .severity(self.context.surface)
            .unwrap_or(Severity::Info);
        let mut report = Reporter::new(rule, Rc::clone(reference), severity);
        self.context.take_taint();
        let done = catch_unwind(AssertUnwindSafe(|| judge(self.context, &mut report)));
        if done.is_err() {
            return self.no_verdict(
                rule,
                NoVerdict::Unknown,
                INTERNAL.to_owned(),
                Some(reference),
            );
        }
        let tainted = self.context.take_taint();
        if let Some(reason) = tainted.filter(|_| !report.findings.is_empty()) {
            return self.no_verdict(rule, NoVerdict::Unknown, reason, Some(reference));
        }
        self.collect(rule, report, reference);
    }

    fn collect(&mut self, rule: &'static Rule, report: Reporter, reference: &ObjectRef) {
        if !report.applicable {
            return;
        }
        let clean =
            report.findings.is_empty() && report.unknown.is_empty() && report.skipped.is_empty();
        if let Some(count) = self.outcomes.counts.get_mut(rule.code) {
            count.ok += usize::from(clean);
            count.violated += usize::from(!report.findings.is_empty());
        }
        for reason in report.unknown {
            self.no_verdict(rule, NoVerdict::Unknown, reason, Some(reference));
        }
        for reason in report.skipped {
            self.no_verdict(rule, NoVerdict::Skipped, reason, Some(reference));
        }
        for mut finding in report.findings {
            finding.seal();
            if self.context.surface == Surface::Admit {
                finding.actions = rule.actions(finding.case, finding.severity);
            }
            if let Some(Level::On(severity)) =
                self.context.config.level(rule, &finding.subject.namespace)
            {
                finding.severity = severity;
            }
            self.outcomes.findings.push(finding);
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
        let read = |pointer: &str| pointer.is_empty() || rule.reads_at(pointer);
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
        subject: Option<&ObjectRef>,
    ) {
        if let Some(count) = self.outcomes.counts.get_mut(rule.code) {
            match outcome {
                NoVerdict::Unknown => count.unknown += 1,
                NoVerdict::Skipped => count.skipped += 1,
            }
        }
        let severity = rule
            .severity(self.context.surface)
            .unwrap_or(Severity::Info);
        let shared = &mut self.outcomes.not_checked;
        let entry = shared
            .entry((rule.code, outcome, reason))
            .or_insert_with(|| (subject.cloned(), 0, severity));
        entry.1 += 1;
        // The smallest reference, so that the order of reading does not show.
        if subject.is_some() && subject < entry.0.as_ref() {
            entry.0 = subject.cloned();
        }
    }
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
