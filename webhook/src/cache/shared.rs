//! What the watches fill and the builder of views empties.

use super::{Options, State, View, request::Failure};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use netdoctor_engine::{
    model::{Kind, decode::Any},
    snapshot::{Builder, Coverage, Difference, Gap, GapCause, Source},
};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::{Notify, Semaphore};

/// Lists that are read at the same time: each holds a page.
const LISTS: usize = 2;

pub(super) struct Shared {
    pub(super) client: kube::Client,
    pub(super) options: Options,
    pub(super) view: ArcSwap<View>,
    /// Counts views, for those who wait for the next one.
    pub(super) views: tokio::sync::watch::Sender<u64>,
    /// Something that rules read has changed.
    dirty: Notify,
    /// How often it has.
    changes: AtomicU64,
    /// Somebody waits for a view that knows of it.
    pub(super) wanted: Notify,
    pub(super) listing: Semaphore,
    kept: Mutex<Kept>,
}

pub(super) struct Kept {
    pub(super) builder: Builder,
    pub(super) kinds: BTreeMap<Kind, Progress>,
}

/// How far the watch of a kind has come.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress {
    pub(super) phase: Phase,
    /// When the API server was last heard about it.
    pub(super) heard: Option<Heard>,
    /// Why nothing more came.
    trouble: Option<GapCause>,
    version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    /// The first list has not arrived completely.
    #[default]
    Listing,
    /// Listed, and watched since.
    Watching,
    /// The right is missing.
    Forbidden,
    /// There is no such resource.
    Absent,
}

/// A moment by two clocks: one that nobody sets back, and one that goes on while the machine sleeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    pub(super) at: Timestamp,
    instant: Instant,
}

impl Heard {
    fn now() -> Self {
        Self {
            at: Timestamp::now(),
            instant: Instant::now(),
        }
    }

    /// The longer of the two: after a sleep, and after a clock was set, doubt is right until something is heard again.
    fn age(self) -> std::time::Duration {
        let by_wall = Timestamp::now().duration_since(self.at);
        let by_wall = by_wall.try_into().unwrap_or_default();
        self.instant.elapsed().max(by_wall)
    }
}

impl Shared {
    pub(super) fn new(client: kube::Client, options: Options) -> Self {
        let mut builder = Builder::new(Source::Cluster);
        builder.state(options.facts.clone());
        Self {
            client,
            options,
            view: ArcSwap::default(),
            views: tokio::sync::watch::Sender::new(0),
            dirty: Notify::new(),
            changes: AtomicU64::new(0),
            wanted: Notify::new(),
            listing: Semaphore::new(LISTS),
            kept: Mutex::new(Kept {
                builder,
                kinds: BTreeMap::new(),
            }),
        }
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        // What a panic can have left behind is an object that was not replaced.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next view differs from the last one.
    pub(super) fn dirty(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.dirty.notify_one();
    }

    /// Waits until something has changed since the last call.
    pub(super) async fn changed(&self) {
        self.dirty.notified().await;
    }

    /// How often something has changed.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// The API server answered, or sent something.
    pub(super) fn heard(&self, kind: Kind) {
        if let Some(progress) = self.kept().kinds.get_mut(&kind) {
            progress.heard = Some(Heard::now());
            progress.trouble = None;
        }
    }

    /// Nothing came back. Whatever is kept stays; in time it is stale.
    pub(super) fn failed(&self, kind: Kind, failure: &Failure) {
        if let Some(progress) = self.kept().kinds.get_mut(&kind) {
            progress.trouble = Some(failure.gap());
        }
    }

    /// A list has arrived completely: what it did not hold is gone.
    pub(super) fn listed(&self, kind: Kind, version: &str, names: &HashSet<(String, String)>) {
        let mut kept = self.kept();
        if !kept.kinds.contains_key(&kind) {
            return;
        }
        // A pair of owned texts is what the set takes; made once for all objects.
        let mut pair = (String::new(), String::new());
        kept.builder.retain(kind, |meta| {
            pair.0.replace_range(.., &meta.namespace);
            pair.1.replace_range(.., &meta.name);
            names.contains(&pair)
        });
        if let Some(progress) = kept.kinds.get_mut(&kind) {
            progress.phase = Phase::Watching;
            version.clone_into(&mut progress.version);
        }
        drop(kept);
        self.heard(kind);
        self.dirty();
    }

    /// The kind can no longer be read, and what is kept of it is worth nothing.
    pub(super) fn lost(&self, kind: Kind, phase: Phase) {
        let mut kept = self.kept();
        let Some(progress) = kept.kinds.get_mut(&kind) else {
            return;
        };
        if std::mem::replace(&mut progress.phase, phase) == phase {
            return;
        }
        kept.builder.forget(kind, "", None);
        drop(kept);
        self.dirty();
    }

    /// An object is there, as part of a list or because it changed.
    pub(super) fn put(&self, kind: Kind, any: Any) {
        let mut kept = self.kept();
        // A watch that was given up may still have something in its hands.
        let Some(progress) = kept.kinds.get(&kind) else {
            return;
        };
        let waiting = progress.phase == Phase::Listing;
        let difference = kept.builder.replace(any);
        drop(kept);
        if difference != Difference::None && !waiting {
            self.dirty();
        }
    }

    /// An object is gone.
    pub(super) fn remove(&self, kind: Kind, namespace: &str, name: &str) {
        if self.kept().builder.remove(kind, namespace, name) {
            self.dirty();
        }
    }

    /// How every kind is doing.
    pub(super) fn states(&self) -> BTreeMap<Kind, State> {
        let kept = self.kept();
        let states = kept.kinds.iter();
        states
            .map(|(kind, progress)| (*kind, self.state(progress)))
            .collect()
    }

    fn state(&self, progress: &Progress) -> State {
        let limit = self.options.stale_after;
        match (progress.phase, progress.heard) {
            (Phase::Forbidden, _) => State::Forbidden,
            (Phase::Absent, _) => State::Absent,
            (Phase::Watching, Some(heard)) if heard.age() <= limit => State::Fresh,
            (Phase::Watching, _) => State::Stale,
            (Phase::Listing, _) => State::Never,
        }
    }
}

impl Progress {
    /// What the snapshot says about the kind in this state.
    pub(super) fn coverage(&self, kind: Kind, state: State, count: usize) -> Coverage {
        let gap = |verb: &str, cause| Coverage {
            gaps: vec![Gap {
                verb: verb.into(),
                resource: kind.resource().into(),
                namespace: None,
                cause,
            }],
            count,
            ..Coverage::default()
        };
        let trouble = self.trouble.clone();
        match state {
            State::Fresh => Coverage {
                count,
                resource_version: self.version.as_str().into(),
                ..Coverage::complete()
            },
            State::Stale => gap("watch", trouble.unwrap_or(GapCause::Timeout)),
            State::Never => gap("list", trouble.unwrap_or(GapCause::NotRead)),
            State::Forbidden => gap("list", GapCause::Forbidden),
            State::Absent => Coverage {
                not_installed: true,
                ..Coverage::default()
            },
        }
    }
}
