//! What the cluster holds, kept up to date by watches, so that no request ever has to ask.
//!
//! ```text
//!  API server --list, pages--> bytes --decode--> views --+
//!             --watch, lines-> bytes --decode--> views --+--> Builder --fork, seal--> Arc<View>
//!             --/apis/GROUP--> which kinds there are ----+    at most every so often      |
//!                                                                  requests --Cache::current()
//! ```
//!
//! A request takes one [`View`] and keeps it until it is answered; what arrives meanwhile goes into the next one. Objects
//! and indexes that did not change are shared between views.

mod build;
mod kinds;
mod object;
mod request;
mod resource;
mod shared;
mod watch;

pub use kinds::kinds;

use crate::{
    admit::{Freshness, Synced},
    configmap::Configuration,
    metrics::Metrics,
};
use futures_util::FutureExt as _;
use jiff::Timestamp;
use netdoctor_engine::{
    facts::StatedFacts,
    model::{Kind, ObjectRef},
    rules::RULES,
    snapshot::Snapshot,
};
use shared::{Progress, Shared};
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::task::AbortHandle;

/// How long an event takes from the API server's memory to ours, with plenty to spare.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// How to watch.
#[derive(Debug, Clone)]
pub struct Options {
    /// Objects per page of a list; a tenth of it for kinds whose objects are large.
    pub page_size: usize,
    /// A kind about which the API server has said nothing for longer is stale. It sends a bookmark every minute.
    pub stale_after: Duration,
    /// The least time between two views.
    pub debounce: Duration,
    /// How often to look again for kinds that are forbidden or not installed.
    pub recheck: Duration,
    /// Facts that somebody states about the cluster.
    pub facts: StatedFacts,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            page_size: 250,
            stale_after: Duration::from_mins(5),
            debounce: Duration::from_millis(200),
            recheck: Duration::from_mins(1),
            facts: StatedFacts::default(),
        }
    }
}

impl Options {
    fn page_size(&self, kind: Kind) -> usize {
        match kind {
            Kind::ConfigMap | Kind::CustomResourceDefinition => (self.page_size / 10).max(1),
            _ => self.page_size.max(1),
        }
    }
}

/// One consistent state of the cluster.
#[derive(Debug, Default)]
pub struct View {
    /// The objects.
    pub snapshot: Snapshot,
    /// How fresh each watched kind is. Kinds that may not be read or are not installed are absent: the snapshot's
    /// coverage says so.
    pub synced: Synced,
    /// How long it took to make.
    pub took: Duration,
    /// How many changes it knows of.
    pub(crate) changes: u64,
}

impl View {
    /// When what an object declares (everything but its status) was last changed: as a watch saw it, or for objects that
    /// were there before the watch, as the API server noted it in `managedFields`. `None` when there is no such object.
    pub fn changed(&self, object: &ObjectRef) -> Option<Timestamp> {
        self.snapshot.meta(object)?.changed
    }
}

/// How a watched kind is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Listed, and the watch is alive.
    Fresh,
    /// Listed, but the watch has been silent for too long.
    Stale,
    /// Not listed yet.
    Never,
    /// The right to list or watch it is missing.
    Forbidden,
    /// The API server does not have it: a custom resource that is not installed.
    Absent,
}

impl State {
    /// Lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Never => "never",
            Self::Forbidden => "forbidden",
            Self::Absent => "absent",
        }
    }
}

/// What is known about the watch of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The kind.
    pub kind: Kind,
    /// How it is doing.
    pub state: State,
    /// When the API server was last heard about it.
    pub heard: Option<Timestamp>,
    /// How many objects the newest view holds.
    pub objects: usize,
}

/// The cache. Its watches end when it is dropped.
pub struct Cache {
    shared: Arc<Shared>,
    watches: Mutex<BTreeMap<Kind, AbortHandle>>,
    builder: AbortHandle,
}

impl Cache {
    /// Begins to watch. Returns at once: until the first lists have arrived every kind is `Never` synced.
    #[allow(
        clippy::unused_async,
        reason = "what it starts needs the runtime that an async caller has"
    )]
    pub async fn start(client: kube::Client, kinds: BTreeSet<Kind>, options: Options) -> Self {
        let shared = Arc::new(Shared::new(client, options));
        let builder = {
            let shared = Arc::clone(&shared);
            supervised("views", move || build::keep(Arc::clone(&shared)))
        };
        let cache = Self {
            shared,
            watches: Mutex::default(),
            builder,
        };
        cache.watch(kinds);
        cache
    }

    /// Watches exactly these kinds from now on: what is no longer needed is forgotten, and what is new is listed.
    pub fn watch(&self, kinds: BTreeSet<Kind>) {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = self.shared.kept();
        watches.retain(|kind, watch| {
            let wanted = kinds.contains(kind);
            if !wanted {
                watch.abort();
                kept.kinds.remove(kind);
                kept.builder.forget(*kind, "", None);
            }
            wanted
        });
        for kind in kinds {
            if watches.contains_key(&kind) {
                continue;
            }
            kept.kinds.insert(kind, Progress::default());
            let shared = Arc::clone(&self.shared);
            let watch = supervised(kind.plural(), move || {
                watch::keep(Arc::clone(&shared), kind)
            });
            watches.insert(kind, watch);
        }
        drop(kept);
        self.shared.dirty();
    }

    /// Other facts about the cluster than before.
    pub fn state(&self, facts: StatedFacts) {
        self.shared.kept().builder.state(facts);
        self.shared.dirty();
    }

    /// Follows the configuration for as long as the future is polled: rules that are switched off need no watch.
    pub async fn follow(&self, configuration: &Configuration) {
        let mut changes = configuration.changes();
        loop {
            changes.mark_unchanged();
            let policy = configuration.policy();
            self.watch(kinds(&RULES, &policy.config));
            self.state(policy.facts.clone());
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// The newest view.
    pub fn current(&self) -> Arc<View> {
        self.shared.view.load_full()
    }

    /// Waits until the view knows of every change that the API server had announced when this was called. It asks nobody:
    /// what is on its way gets [`ON_ITS_WAY`] to arrive, and the next view is made without the usual pause.
    pub async fn caught_up(&self) {
        tokio::time::sleep(ON_ITS_WAY).await;
        let known = self.shared.changes();
        let mut views = self.views();
        while self.current().changes < known {
            self.shared.wanted.notify_one();
            // The sender lives as long as the cache.
            let _ = views.changed().await;
        }
    }

    /// Counts views: whoever waits for it to change gets the next one. Several may pass unseen.
    pub fn views(&self) -> tokio::sync::watch::Receiver<u64> {
        self.shared.views.subscribe()
    }

    /// Waits until every kind has been listed or refused, and the view says so.
    pub async fn settled(&self) {
        let mut views = self.views();
        while !self.is_settled() {
            // The sender lives as long as the cache.
            let _ = views.changed().await;
        }
    }

    fn is_settled(&self) -> bool {
        let view = self.current();
        let seen = |(kind, state): (&Kind, &State)| match state {
            State::Never => false,
            State::Fresh | State::Stale => {
                let freshness = view.synced.0.get(kind);
                freshness.is_some_and(|freshness| *freshness != Freshness::Never)
            }
            State::Forbidden | State::Absent => view.snapshot.coverage.contains_key(kind),
        };
        self.shared.states().iter().all(seen)
    }

    /// How every watched kind is doing.
    pub fn statuses(&self) -> Vec<Status> {
        let states = self.shared.states();
        let view = self.current();
        let kept = self.shared.kept();
        let statuses = states.into_iter().map(|(kind, state)| Status {
            kind,
            state,
            heard: kept
                .kinds
                .get(&kind)
                .and_then(|progress| Some(progress.heard?.at)),
            objects: view
                .snapshot
                .coverage
                .get(&kind)
                .map_or(0, |coverage| coverage.count),
        });
        statuses.collect()
    }

    /// Brings the gauges of the caches up to date.
    pub fn measure(&self, metrics: &Metrics) {
        metrics.cache_view_built(self.current().took);
        let statuses = self.statuses();
        let watched: BTreeSet<Kind> = statuses.iter().map(|status| status.kind).collect();
        // What no rule asks for any more is no old cache.
        for kind in Kind::all().filter(|kind| !watched.contains(kind)) {
            metrics.cache_absent(kind);
        }
        for status in statuses {
            if status.state == State::Absent {
                metrics.cache_absent(status.kind);
                continue;
            }
            metrics.cache_synced(status.kind, status.state == State::Fresh);
            metrics.cache_objects(status.kind, status.objects);
            if let Some(heard) = status.heard {
                metrics.cache_heard(status.kind, heard);
            }
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.builder.abort();
        let watches = self
            .watches
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        watches.values().for_each(AbortHandle::abort);
    }
}

/// Runs a task that never ends by itself, and again should it panic.
fn supervised<F>(what: &'static str, mut task: impl FnMut() -> F + Send + 'static) -> AbortHandle
where
    F: Future<Output = ()> + Send + 'static,
{
    let task = async move {
        loop {
            let ended = AssertUnwindSafe(task()).catch_unwind().await;
            tracing::error!(
                what,
                panicked = ended.is_err(),
                "a task of the cache ended; it begins again"
            );
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    };
    tokio::spawn(task).abort_handle()
}

#[cfg(test)]
mod tests;
