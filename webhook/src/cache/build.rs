//! Makes a new view when something has changed, and not more often than it is worth.

use super::{State, View, shared::Shared};
use crate::admit::{Freshness, Synced};
use netdoctor_engine::model::Kind;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// How often to look whether a kind has become stale.
const TICK: Duration = Duration::from_secs(1);

/// Building takes at most one part in so many of one core's time.
const SHARE: u32 = 10;
/// The same while somebody waits.
const HASTE: u32 = 1;

/// Builds views for as long as the future is polled.
pub(super) async fn keep(shared: Arc<Shared>) {
    let mut last = Built::default();
    loop {
        let dirty = tokio::time::timeout(TICK, shared.changed()).await;
        if dirty.is_err() && shared.states() == last.states {
            continue;
        }
        pause(&shared, &last).await;
        let work = Arc::clone(&shared);
        match tokio::task::spawn_blocking(move || build(&work)).await {
            Ok((view, states)) => {
                last = Built {
                    took: view.took,
                    states,
                    ..Built::default()
                };
                shared.view.store(Arc::new(view));
                shared.views.send_modify(|number| *number += 1);
            }
            // The panic has been reported. The last view stays, and its kinds grow stale if this goes on.
            Err(_) => last.at = Instant::now(),
        }
    }
}

/// Waits until the next view is worth its cost: as many as are changed at once go into one. Whoever is about to be
/// refused something waits for less, but never so little that refusals keep a core busy.
async fn pause(shared: &Shared, last: &Built) {
    let usual = shared.options.debounce.max(last.took * SHARE);
    let soonest = last.at + last.took * HASTE;
    tokio::select! {
        () = tokio::time::sleep_until((last.at + usual).into()) => {}
        () = async {
            shared.wanted.notified().await;
            tokio::time::sleep_until(soonest.into()).await;
        } => {}
    }
}

/// What is remembered about the last view.
struct Built {
    at: Instant,
    took: Duration,
    states: BTreeMap<Kind, State>,
}

impl Default for Built {
    fn default() -> Self {
        Self {
            at: Instant::now(),
            took: Duration::ZERO,
            states: BTreeMap::new(),
        }
    }
}

fn build(shared: &Shared) -> (View, BTreeMap<Kind, State>) {
    let began = Instant::now();
    // Before anything is looked at: what changes meanwhile may be in the view, and then is so twice.
    let changes = shared.changes();
    let states = shared.states();
    let mut fork = {
        let mut kept = shared.kept();
        let counts = kept.builder.counts();
        let coverage: Vec<_> = kept
            .kinds
            .iter()
            .map(|(kind, progress)| {
                let state = states.get(kind).copied().unwrap_or(State::Never);
                let count = counts.get(kind).copied().unwrap_or_default();
                (*kind, progress.coverage(*kind, state, count))
            })
            .collect();
        let mut fork = kept.builder.fork();
        for (kind, coverage) in coverage {
            *fork.coverage(kind) = coverage;
        }
        fork
    };
    // Half a list is nothing to judge by; rules know from the coverage, the facts do not.
    let listing = states.iter().filter(|(_, state)| **state == State::Never);
    for (kind, _) in listing {
        fork.forget(*kind, "", None);
    }
    let earlier = shared.view.load();
    let snapshot = fork.seal_after(&earlier.snapshot);
    let fresh = |state: State| match state {
        State::Fresh => Some(Freshness::Fresh),
        State::Stale => Some(Freshness::Stale),
        State::Never => Some(Freshness::Never),
        State::Forbidden | State::Absent => None,
    };
    let synced = states
        .iter()
        .filter_map(|(kind, state)| Some((*kind, fresh(*state)?)));
    let view = View {
        snapshot,
        synced: Synced(synced.collect()),
        took: began.elapsed(),
        changes,
    };
    tracing::trace!(took = ?view.took, objects = view.snapshot.objects.len(), "a new view");
    (view, states)
}
