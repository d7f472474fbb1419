//! Two lists are not one instant: what a finding did not find, or found to disagree, is read once more before it is
//! reported.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use netdoctor_engine::finding::Lookup;
use netdoctor_engine::model::{Kind, Text, decode, decode::Any};
use netdoctor_engine::report::Report;
use netdoctor_engine::rule::Evidence;
use netdoctor_engine::snapshot::Snapshot;

use super::list;
use super::plan::Wanted;
use crate::cluster::{ApiError, Cluster};
use crate::progress::Progress;

/// Reads more than this are not repeated: a cluster with that many findings has one cause, not many races.
const MOST_READS: usize = 200;
/// Reads at a time.
const AT_ONCE: usize = 8;

/// What one more read said.
enum Fresh {
    /// The present state of what was looked up.
    Objects(Lookup, Vec<Any>),
    /// It could not be read: what was known stays.
    Unread,
}

/// Reads the referents of all findings that depend on absence or disagreement once more. `None` when there is nothing
/// to confirm.
pub(crate) async fn confirm(
    cluster: &Cluster,
    snapshot: Snapshot,
    report: &Report,
    logs: bool,
) -> (Snapshot, bool) {
    let lookups = lookups(report);
    if lookups.is_empty() {
        return (snapshot, false);
    }
    let reads = lookups
        .into_iter()
        .take(MOST_READS)
        .map(|lookup| read(cluster, lookup));
    let fresh: Vec<Fresh> = futures_util::stream::iter(reads)
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut builder = snapshot.reopen();
    for fresh in fresh {
        let Fresh::Objects(lookup, objects) = fresh else {
            continue;
        };
        match &lookup {
            Lookup::Object(kind, namespace, name) => builder.forget(*kind, namespace, Some(name)),
            Lookup::All(kind, namespace) => builder.forget(*kind, namespace, None),
        }
        for any in objects {
            builder.insert(any);
        }
    }
    if logs {
        // Pods that were read again came without the words of their containers.
        builder = super::logs::read(cluster, builder).await;
    }
    (builder.seal(), true)
}

fn lookups(report: &Report) -> BTreeSet<Lookup> {
    let raced = report.findings.iter().filter(|finding| {
        matches!(finding.rule.evidence, Evidence::Miss | Evidence::Contra)
            || !finding.lookups.is_empty()
    });
    let mut lookups: BTreeSet<Lookup> = BTreeSet::new();
    for finding in raced {
        lookups.extend(finding.lookups.iter().cloned());
        let subject = &finding.subject;
        if let Some(kind) = Kind::of(&subject.api_version, &subject.kind) {
            lookups.insert(Lookup::Object(
                kind,
                subject.namespace.clone(),
                subject.name.clone(),
            ));
        }
    }
    once(lookups)
}

/// Without what another lookup reads anyway.
fn once(mut lookups: BTreeSet<Lookup>) -> BTreeSet<Lookup> {
    // The cluster covers its namespaces, and a namespace its objects.
    let whole: BTreeSet<(Kind, Text)> = lookups
        .iter()
        .filter_map(|lookup| match lookup {
            Lookup::All(kind, namespace) => Some((*kind, namespace.clone())),
            Lookup::Object(..) => None,
        })
        .collect();
    let everywhere = |kind: Kind| whole.contains(&(kind, Text::default()));
    let covered = |kind: Kind, namespace: &Text| {
        everywhere(kind) || whole.contains(&(kind, namespace.clone()))
    };
    lookups.retain(|lookup| match lookup {
        Lookup::All(kind, namespace) => namespace.is_empty() || !everywhere(*kind),
        Lookup::Object(kind, namespace, _) => !covered(*kind, namespace),
    });
    lookups
}

async fn read(cluster: &Cluster, lookup: Lookup) -> Fresh {
    let (kind, namespace, name) = match &lookup {
        Lookup::Object(kind, namespace, name) => (*kind, namespace, Some(name)),
        Lookup::All(kind, namespace) => (*kind, namespace, None),
    };
    let namespace = (kind.namespaced() && !namespace.is_empty()).then(|| namespace.to_string());
    let wanted = Wanted {
        kind,
        api_version: kind.api_version(),
        namespace,
        instead: Vec::new(),
    };
    let Some(name) = name else {
        let quiet = Progress::silent();
        let listed = list::all(cluster, &wanted, &quiet, |kind, json| {
            decode::from_slice(kind, json.as_bytes())
        })
        .await;
        return match listed.failure {
            None => Fresh::Objects(lookup, listed.objects),
            Some(_) => Fresh::Unread,
        };
    };
    match cluster
        .get_bytes(&format!("{}/{name}", wanted.path()))
        .await
    {
        Ok(answer) => Fresh::Objects(lookup, vec![decode::from_slice(kind, &answer.body)]),
        // The one answer that proves absence.
        Err(ApiError::NotFound { .. }) => Fresh::Objects(lookup, Vec::new()),
        Err(_) => Fresh::Unread,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_twice() {
        let all = |namespace: &str| Lookup::All(Kind::Pod, namespace.into());
        let one = |namespace: &str| Lookup::Object(Kind::Pod, namespace.into(), "web".into());
        let both = once(BTreeSet::from([all("a"), one("a"), one("b")]));
        assert_eq!(both, BTreeSet::from([all("a"), one("b")]));
        let everywhere = once(BTreeSet::from([all(""), all("a"), one("b")]));
        assert_eq!(everywhere, BTreeSet::from([all("")]));
        let other = Lookup::All(Kind::Node, "".into());
        let kinds = BTreeSet::from([other, one("a")]);
        assert_eq!(once(kinds.clone()), kinds);
    }
}
