//! `check`: the rules on a cluster, or on a saved state of one.

use std::collections::BTreeSet;
use std::time::Instant;

use jiff::Timestamp;
use netdoctor_engine::model::Kind;
use netdoctor_engine::report::Report;
use netdoctor_engine::rule::{Rule, Surface};
use netdoctor_engine::run::run as run_rules;
use netdoctor_engine::scope::Scope;
use netdoctor_engine::selector;

use super::Usage;
use super::judge::{Judge, clock, deliver, kind_of, names, refuse, talk};
use crate::cli::CheckArgs;
use crate::cluster::{self, Cluster};
use crate::outcome::{InputProblem, Mode, Outcome, Sources, Spec};
use crate::progress::Progress;
use crate::settings::Settings;
use crate::source::{Input, live, saved, unread};

/// Reads, judges, prints.
pub(crate) fn run(args: &CheckArgs, settings: &Settings) -> anyhow::Result<u8> {
    let started = Instant::now();
    refuse(&args.report.output, Mode::Check)?;
    let judge = Judge::new(&args.report, args.facts.as_deref(), settings)?;
    let mut scope = scope(args)?;
    let rules = judge.rules(Surface::Check);
    let (input, context, mut report) = if args.from.is_empty() {
        let progress = Progress::new(settings.progress, settings.unicode);
        let judged = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(live(args, &judge, &rules, &mut scope, settings, &progress));
        progress.finish();
        judged?
    } else {
        let asked = (!args.all_namespaces)
            .then_some(args.global.connection.namespace.as_deref())
            .flatten();
        scope.namespace = asked.map(str::to_owned);
        let input = saved::read(&args.from, asked, judge.facts.clone())?;
        let now = clock(&args.report, input.clock);
        let report = run_rules(&rules, &input.snapshot, &judge.config, now, Surface::Check);
        (input, None, report)
    };
    scope.narrow(&mut report, &input.snapshot);
    let spec = Spec {
        mode: Mode::Check,
        context,
        namespace: scope.namespace.clone(),
        selector: args.selector.clone(),
        targets: args.objects.clone(),
        inputs: names(args.from.iter()),
        fail_on: judge.fail_on,
        min_severity: judge.min_severity,
        strict: args.report.strict,
        demo: None,
    };
    let seconds = started.elapsed().as_secs_f64();
    let mut problems = input.problems;
    problems.extend(missing_targets(&scope, &input.snapshot));
    let mut notes = input.notes;
    notes.extend(unread(&input.snapshot, &report));
    let mut outcome = Outcome::new(&report, spec, &input.sources, problems, notes, seconds);
    outcome.step_summary.clone_from(&settings.step_summary);
    let code = deliver(&outcome, &args.report.output, &judge.warnings, settings)?;
    // The process ends here: giving back every object one by one would only take time.
    std::mem::forget((outcome, input.snapshot));
    Ok(code)
}

async fn live(
    args: &CheckArgs,
    judge: &Judge,
    rules: &[&'static Rule],
    scope: &mut Scope,
    settings: &Settings,
    progress: &Progress,
) -> anyhow::Result<(Input, Option<String>, Report)> {
    let cluster = cluster::connect(&settings.connection).await?;
    scope.namespace = (!args.all_namespaces).then(|| cluster.namespace.clone());
    let request = live::Request {
        rules,
        namespaces: scope.namespace.as_slice(),
        everywhere: BTreeSet::new(),
        facts: judge.facts.clone(),
        logs: args.logs,
    };
    let (snapshot, date) = live::snapshot(&cluster, &request, progress).await?;
    let now: Timestamp = clock(&args.report, date);
    let mut report = run_rules(rules, &snapshot, &judge.config, now, Surface::Check);
    let (snapshot, changed) = live::confirm(&cluster, snapshot, &report, args.logs).await;
    if changed {
        report = run_rules(rules, &snapshot, &judge.config, now, Surface::Check);
    }
    warn(&cluster, settings, progress);
    let context = Some(cluster.context.clone()).filter(|context| !context.is_empty());
    let input = Input {
        snapshot,
        sources: Sources::default(),
        problems: Vec::new(),
        notes: Vec::new(),
        clock: Some(now),
    };
    Ok((input, context, report))
}

/// Shows what the server warned about.
pub(super) fn warn(cluster: &Cluster, settings: &Settings, progress: &Progress) {
    progress.finish();
    for warning in cluster.take_warnings() {
        talk(settings, &format!("Warning: {warning}"));
    }
}

fn scope(args: &CheckArgs) -> anyhow::Result<Scope> {
    let selector = args.selector.as_deref().map(selector::parse).transpose();
    let selector = selector.map_err(|sentence| Usage(format!("error: {sentence}")))?;
    let targets = args.targets.iter().map(|target| {
        Ok((
            kind_of(&target.kind)?.name().to_owned(),
            target.name.clone(),
        ))
    });
    Ok(Scope {
        namespace: None,
        selector,
        targets: targets.collect::<anyhow::Result<_>>()?,
    })
}

/// A target that is not there is said, as kubectl says it. One that could not be looked up is not called missing.
fn missing_targets(
    scope: &Scope,
    snapshot: &netdoctor_engine::snapshot::Snapshot,
) -> Vec<InputProblem> {
    let mut problems = Vec::new();
    for (kind, name) in &scope.targets {
        let (Some(name), Some(known)) = (name, Kind::all().find(|known| known.name() == kind))
        else {
            continue;
        };
        let namespace = if known.namespaced() {
            scope.namespace.as_deref()
        } else {
            None
        };
        let mut found = false;
        snapshot.each_meta(&mut |reference, meta| {
            found |= *meta.name == **name
                && namespace.is_none_or(|namespace| *meta.namespace == *namespace)
                && *reference().kind == **kind;
        });
        if found
            || snapshot
                .known(known, namespace.unwrap_or_default())
                .is_err()
        {
            continue;
        }
        problems.push(InputProblem {
            file: String::new(),
            line: None,
            column: None,
            message: format!(
                "Error from server (NotFound): {} \"{name}\" not found",
                known.resource()
            ),
            fatal: true,
        });
    }
    problems
}
