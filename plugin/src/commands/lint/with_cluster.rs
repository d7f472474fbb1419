//! `lint --with-cluster`: what if the manifests were applied?
//!
//! ```text
//!  live objects --+------------------------------------> before --run--> what is wrong already
//!                 `-- overlay <-- objects of the files --> after --run--> about the files, and what is new elsewhere
//! ```
//!
//! The rules see a cluster, so that they say what `check` and the webhook say. Nothing but GET is sent.

use std::collections::BTreeSet;

use jiff::Timestamp;
use netdoctor_engine::config::Config;
use netdoctor_engine::model::decode::Any;
use netdoctor_engine::model::{Kind, Namespace, Origin};
use netdoctor_engine::report::{NotChecked, Report};
use netdoctor_engine::rule::{Rule, Surface};
use netdoctor_engine::run::run as run_rules;
use netdoctor_engine::scope;
use netdoctor_engine::snapshot::{Builder, Snapshot};

use super::super::check::warn;
use super::super::judge::{Judge, clock};
use crate::cli::LintArgs;
use crate::cluster::{self, Cluster};
use crate::outcome::InputProblem;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::source::files::Manifests;
use crate::source::{Input, files, live, overlay, unread};

/// Reads files and cluster and judges what would be. Also returns the context.
pub(super) fn judge(
    args: &LintArgs,
    judge: &Judge,
    settings: &Settings,
) -> anyhow::Result<(Input, Option<String>, Report)> {
    let progress = Progress::new(settings.progress, settings.unicode);
    let judged = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(read_and_judge(args, judge, settings, &progress));
    progress.finish();
    judged
}

async fn read_and_judge(
    args: &LintArgs,
    judge: &Judge,
    settings: &Settings,
    progress: &Progress,
) -> anyhow::Result<(Input, Option<String>, Report)> {
    let cluster = cluster::connect(&settings.connection).await?;
    let request = super::request(args, judge, settings, cluster.namespace.clone());
    let mut incoming = Vec::new();
    let mut manifests = files::each(&request, &mut |any| incoming.push(any))?;
    let named = args.global.connection.namespace.as_deref();
    manifests
        .problems
        .extend(elsewhere(&incoming, named, &manifests));
    let rules = judge.rules(Surface::Lint);
    let (live, date) = read(&cluster, &rules, &incoming, judge, progress).await?;
    let now = clock(&args.report, date);
    let run = Run {
        rules: &rules,
        config: &judge.config,
        now,
    };
    let mut builder = live.reopen();
    let (mut after, mut report) = run.compare(&mut builder, &incoming, &manifests);
    // Two lists are not one instant: what would be reported is looked up once more, and laid over again.
    let again = builder.fork().seal();
    let (confirmed, changed) = live::confirm(&cluster, again, &report, false).await;
    if changed {
        let mut builder = confirmed.reopen();
        (after, report) = run.compare(&mut builder, &incoming, &manifests);
    }
    warn(&cluster, settings, progress);
    manifests
        .problems
        .extend(without_namespace(&incoming, &after));
    let mut notes = manifests.notes;
    notes.extend(overlay::note_on_repetitions(&incoming));
    notes.extend(unread(&after, &report));
    let context = Some(cluster.context.clone()).filter(|context| !context.is_empty());
    let input = Input {
        snapshot: after,
        sources: manifests.sources,
        problems: manifests.problems,
        notes,
        clock: Some(now),
    };
    Ok((input, context, report))
}

/// Lists what the rules read, in the namespaces that the files are about, and in all of them where the files hold something
/// that others may have taken.
async fn read(
    cluster: &Cluster,
    rules: &[&'static Rule],
    incoming: &[Any],
    judge: &Judge,
    progress: &Progress,
) -> anyhow::Result<(Snapshot, Option<Timestamp>)> {
    let namespaces: BTreeSet<String> = incoming
        .iter()
        .map(|any| any.meta().namespace.to_string())
        .filter(|namespace| !namespace.is_empty())
        .collect();
    let namespaces: Vec<String> = namespaces.into_iter().collect();
    let request = live::Request {
        rules,
        namespaces: &namespaces,
        everywhere: kinds_of_all_namespaces(rules, incoming),
        facts: judge.facts.clone(),
        logs: false,
    };
    Ok(live::snapshot(cluster, &request, progress).await?)
}

/// What somebody in any namespace may have taken already: ports on nodes.
fn kinds_of_all_namespaces(rules: &[&'static Rule], incoming: &[Any]) -> BTreeSet<Kind> {
    let concerned = rules.iter().filter(|rule| {
        let wants = rule.elsewhere;
        wants.is_some_and(|wants| incoming.iter().any(wants))
    });
    let kinds = concerned.flat_map(|rule| rule.kinds());
    kinds.filter(|kind| kind.namespaced()).collect()
}

/// What every run of this command has in common.
struct Run<'a> {
    rules: &'a [&'static Rule],
    config: &'a Config,
    now: Timestamp,
}

impl Run<'_> {
    /// The cluster as it would be, and what is to be said about that.
    fn compare(
        &self,
        live: &mut Builder,
        incoming: &[Any],
        manifests: &Manifests,
    ) -> (Snapshot, Report) {
        let before = live.fork().seal();
        let mut builder = live.fork();
        for file in manifests.sources.names() {
            builder.file(file);
        }
        overlay::lay(&mut builder, &before, incoming);
        let after = builder.seal();
        let known = self.rules_on(&before);
        let mut report = self.rules_on(&after);
        let fingerprints: BTreeSet<&str> = known
            .findings
            .iter()
            .map(|finding| &*finding.fingerprint)
            .collect();
        scope::keep(&mut report, |finding| {
            is_incoming(finding.subject.origin) || !fingerprints.contains(&*finding.fingerprint)
        });
        report
            .suppressed
            .retain(|suppressed| is_incoming(suppressed.finding.subject.origin));
        let open: BTreeSet<NotChecked> = known.not_checked.into_iter().collect();
        report.not_checked.retain(|entry| match &entry.subject {
            Some(subject) => is_incoming(subject.origin),
            // The same about the same number of objects is about those that are there already.
            None => !open.contains(entry) || entry.count == 1,
        });
        (after, report)
    }

    fn rules_on(&self, snapshot: &Snapshot) -> Report {
        run_rules(self.rules, snapshot, self.config, self.now, Surface::Lint)
    }
}

fn is_incoming(origin: Origin) -> bool {
    matches!(origin, Origin::File { .. })
}

/// kubectl refuses an object of another namespace than the one that was named by flag.
fn elsewhere<'a>(
    incoming: &'a [Any],
    named: Option<&'a str>,
    manifests: &'a Manifests,
) -> impl Iterator<Item = InputProblem> + use<> {
    let files: Vec<&str> = manifests.sources.names().collect();
    let others = incoming.iter().filter(|any| {
        let meta = any.meta();
        !meta.namespace.is_empty()
            && !meta.namespace_implied
            && named.is_some_and(|named| *meta.namespace != *named)
    });
    let problems: Vec<InputProblem> = others
        .map(|any| {
            let meta = any.meta();
            let file = match meta.origin {
                Origin::File { file, .. } => files.get(file as usize).copied(),
                Origin::Live => None,
            };
            let namespace = &meta.namespace;
            InputProblem {
                file: file.unwrap_or_default().to_owned(),
                line: None,
                column: None,
                message: format!(
                    "the namespace from the provided object \"{namespace}\" does not match the namespace \"{}\". You must \
                     pass '--namespace={namespace}' to perform this operation.",
                    named.unwrap_or_default()
                ),
                fatal: true,
            }
        })
        .collect();
    problems.into_iter()
}

/// Namespaces that would have to be created first.
fn without_namespace(incoming: &[Any], after: &Snapshot) -> Vec<InputProblem> {
    if after.known(Kind::Namespace, "").is_err() {
        return Vec::new();
    }
    let wanted: BTreeSet<&str> = incoming
        .iter()
        .map(|any| &*any.meta().namespace)
        .filter(|namespace| !namespace.is_empty())
        .collect();
    let absent = wanted
        .into_iter()
        .filter(|name| after.store::<Namespace>().named("", name).is_empty());
    absent
        .map(|name| InputProblem {
            file: String::new(),
            line: None,
            column: None,
            message: format!(
                "namespaces \"{name}\" not found: the server refuses what is in it until it exists"
            ),
            fatal: false,
        })
        .collect()
}
