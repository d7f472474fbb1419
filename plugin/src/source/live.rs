//! A live cluster: every kind that the selected rules need is listed once, in parallel, in pages, and each page is
//! turned into slim views before the next one is asked for. Only GET leaves this module.
//!
//! ```text
//!  rules --Plan--> (kind, namespace)*  --list, pages of 500--> bytes --convert--> objects --+--> Builder
//!                                         `-- 403, 410, 429, 5xx, timeout, cut --> Gap -----+
//!                                              all namespaces, while one would do: that one, and a Gap
//! ```

mod confirm;
mod list;
mod logs;
mod plan;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use netdoctor_engine::facts::StatedFacts;
use netdoctor_engine::model::{Kind, decode};
use netdoctor_engine::rule::Rule;
use netdoctor_engine::snapshot::{Builder, Coverage, Gap, GapCause, Snapshot, Source};

use crate::cluster::{ApiError, Cluster};
use crate::progress::Progress;
use plan::Wanted;

pub(crate) use confirm::confirm;

/// What to read.
pub(crate) struct Request<'a> {
    /// Rules that will run; their kinds are read.
    pub(crate) rules: &'a [&'static Rule],
    /// These namespaces, or all where there are none.
    pub(crate) namespaces: &'a [String],
    /// Kinds that are read in all namespaces nevertheless, where that is allowed.
    pub(crate) everywhere: BTreeSet<Kind>,
    /// Stated facts.
    pub(crate) facts: StatedFacts,
    /// Read the last log lines of failing containers.
    pub(crate) logs: bool,
}

/// What was read, in whatever form `convert` gives objects.
pub(crate) struct Listed<T> {
    /// Objects by kind.
    pub(crate) objects: Vec<(Kind, Vec<T>)>,
    /// What was listed, and what could not be.
    pub(crate) coverage: BTreeMap<Kind, Coverage>,
    /// The server's clock at the beginning.
    pub(crate) clock: Option<Timestamp>,
}

/// Reads a snapshot.
pub(crate) async fn snapshot(
    cluster: &Cluster,
    request: &Request<'_>,
    progress: &Progress,
) -> Result<(Snapshot, Option<Timestamp>), ApiError> {
    let listed = read(cluster, request, progress, |kind, json| {
        decode::from_slice(kind, json.as_bytes())
    })
    .await?;
    let mut builder = Builder::new(Source::Cluster);
    if let [only] = request.namespaces {
        builder.scope(Some(only));
    }
    builder.state(request.facts.clone());
    for (_, objects) in listed.objects {
        for any in objects {
            builder.insert(any);
        }
    }
    for (kind, coverage) in listed.coverage {
        *builder.coverage(kind) = coverage;
    }
    if request.logs {
        builder = logs::read(cluster, builder).await;
    }
    Ok((builder.seal(), listed.clock))
}

/// Lists everything the plan asks for.
pub(crate) async fn read<T: Send + 'static>(
    cluster: &Cluster,
    request: &Request<'_>,
    progress: &Progress,
    convert: fn(Kind, &str) -> T,
) -> Result<Listed<T>, ApiError> {
    let plan = plan::make(cluster, request).await?;
    progress.plan(request.rules, plan.lists.iter().map(|wanted| wanted.kind));
    let lists = plan
        .lists
        .iter()
        .map(|wanted| widest(cluster, wanted, progress, convert));
    let results = futures_util::future::join_all(lists).await;
    let mut listed = Listed {
        objects: Vec::new(),
        coverage: plan.coverage,
        clock: plan.clock,
    };
    let (mut answered, mut first) = (plan.lists.is_empty(), None);
    for (wanted, result) in results.into_iter().flatten() {
        let coverage = listed.coverage.entry(wanted.kind).or_default();
        coverage.count += result.objects.len();
        listed.objects.push((wanted.kind, result.objects));
        match result.failure {
            None => {
                answered = true;
                coverage.resource_version = result.resource_version.into();
                match &wanted.namespace {
                    Some(namespace) => drop(coverage.namespaces.insert(namespace.as_str().into())),
                    None => coverage.everywhere = true,
                }
            }
            // Every API server has the core group: without it something else answers.
            Some(ApiError::NotFound { .. }) if !wanted.kind.group().is_empty() => {
                coverage.not_installed = true;
            }
            Some(error) => {
                coverage
                    .gaps
                    .push(gap(wanted.kind, wanted.namespace.as_deref(), &error));
                if !wanted.instead.is_empty() && !error.ends_the_run() {
                    continue;
                }
                first = Some(match first {
                    Some(earlier) if !error.ends_the_run() => earlier,
                    _ => error,
                });
            }
        }
    }
    once_for_pods(&mut listed.coverage);
    match first {
        // Not one list was complete: there is no cluster to report about, and no findings would be a lie.
        Some(error) if !answered => Err(error),
        _ => Ok(listed),
    }
}

/// Lists all namespaces, and where that fails the ones that are needed at least.
async fn widest<T>(
    cluster: &Cluster,
    wanted: &Wanted,
    progress: &Progress,
    convert: fn(Kind, &str) -> T,
) -> Vec<(Wanted, list::Result<T>)> {
    let mut result = list::all(cluster, wanted, progress, convert).await;
    let narrower = match &result.failure {
        None | Some(ApiError::NotFound { .. }) => Vec::new(),
        Some(error) if error.ends_the_run() => Vec::new(),
        Some(_) => wanted.narrower(),
    };
    if !narrower.is_empty() {
        // They bring what is needed of it once more.
        result.objects.clear();
    }
    let mut results = vec![(wanted.clone(), result)];
    for wanted in narrower {
        let result = list::all(cluster, &wanted, progress, convert).await;
        results.push((wanted, result));
    }
    results
}

/// Who may not list the Pods of all namespaces may rarely list what makes them: that is one gap, not one for each kind.
fn once_for_pods(coverage: &mut BTreeMap<Kind, Coverage>) {
    let told = coverage
        .get(&Kind::Pod)
        .is_some_and(|pods| pods.narrowed().next().is_some());
    if !told {
        return;
    }
    for (_, coverage) in coverage.iter_mut().filter(|(kind, _)| **kind != Kind::Pod) {
        let narrowed: Vec<Gap> = coverage.narrowed().cloned().collect();
        coverage.gaps.retain(|gap| !narrowed.contains(gap));
    }
}

/// The gap that a failed read leaves.
pub(crate) fn gap(kind: Kind, namespace: Option<&str>, error: &ApiError) -> Gap {
    let cause = match error {
        ApiError::Forbidden { .. } => GapCause::Forbidden,
        ApiError::Unauthorized { .. } => GapCause::Unauthorized,
        ApiError::Timeout { .. } => GapCause::Timeout,
        ApiError::Gone { .. } => GapCause::Expired,
        ApiError::TooManyRequests { .. } => GapCause::TooManyRequests,
        ApiError::Server { status, .. } | ApiError::Status { status, .. } => {
            GapCause::Server(*status)
        }
        ApiError::Cut { .. } => GapCause::Cut,
        ApiError::NotJson { .. } | ApiError::NotFound { .. } => GapCause::NotKubernetes,
        ApiError::Connect(_) => GapCause::Connection,
    };
    Gap {
        verb: "list".into(),
        resource: kind.resource().into(),
        namespace: namespace.map(Into::into),
        cause,
    }
}
