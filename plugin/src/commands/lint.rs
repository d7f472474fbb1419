//! `lint`: the rules on manifests, alone or as they would be in a cluster.

mod with_cluster;

use std::time::Instant;

use netdoctor_engine::rule::Surface;
use netdoctor_engine::run::run as run_rules;

use super::judge::{Judge, clock, deliver, names, refuse};
use crate::cli::LintArgs;
use crate::outcome::{Mode, Outcome, Spec};
use crate::settings::Settings;
use crate::source::files;

/// Reads, judges, prints.
pub(crate) fn run(args: &LintArgs, settings: &Settings) -> anyhow::Result<u8> {
    let started = Instant::now();
    refuse(&args.report.output, Mode::Lint)?;
    let judge = Judge::new(&args.report, args.facts.as_deref(), settings)?;
    let namespace = args.global.connection.namespace.clone();
    let (input, context, report) = if args.with_cluster {
        with_cluster::judge(args, &judge, settings)?
    } else {
        let default = namespace.clone().unwrap_or_else(|| "default".into());
        let input = files::read(&request(args, &judge, settings, default))?;
        let now = clock(&args.report, input.clock);
        let rules = judge.rules(Surface::Lint);
        let report = run_rules(&rules, &input.snapshot, &judge.config, now, Surface::Lint);
        (input, None, report)
    };
    let spec = Spec {
        mode: Mode::Lint,
        context,
        namespace,
        selector: None,
        targets: Vec::new(),
        inputs: names(args.inputs().chain(&args.kustomize)),
        fail_on: judge.fail_on,
        min_severity: judge.min_severity,
        strict: args.report.strict,
        demo: None,
    };
    let seconds = started.elapsed().as_secs_f64();
    let mut outcome = Outcome::new(
        &report,
        spec,
        &input.sources,
        input.problems,
        input.notes,
        seconds,
    );
    outcome.step_summary.clone_from(&settings.step_summary);
    let code = deliver(&outcome, &args.report.output, &judge.warnings, settings)?;
    // The process ends here: giving back every object one by one would only take time.
    std::mem::forget((outcome, input.snapshot));
    Ok(code)
}

/// What to read, with the namespace of objects that name none.
fn request(
    args: &LintArgs,
    judge: &Judge,
    settings: &Settings,
    namespace: String,
) -> files::Request {
    files::Request {
        paths: args.inputs().cloned().collect(),
        recursive: args.recursive,
        kustomize: args.kustomize.clone(),
        kubectl: settings.kubectl.clone(),
        exclude: judge.exclude_paths.clone(),
        namespace,
        facts: judge.facts.clone(),
    }
}
