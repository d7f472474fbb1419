//! What the cluster holds, kept up to date by watches, so that no request ever has to ask.
//!
//! ```text
//!  API server --list, pages--> bytes --decode--> views --+
//!             --watch, lines-> bytes --decode--> views --+--> Builder --seal, at most every so often--> Arc<View>
//!             --/apis--------> which kinds there are ----+                                                 |
//!                                                                              requests --Cache::current()-+
//! ```
//!
//! A request takes one [`View`] and keeps it until it is answered; what arrives meanwhile goes into the next one.

mod kinds;

pub use kinds::kinds;

use crate::admit::Synced;
use arc_swap::ArcSwap;
use jiff::Timestamp;
use netdoctor_engine::{
    facts::StatedFacts,
    model::{Kind, ObjectRef},
    snapshot::Snapshot,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// How to watch.
#[derive(Debug, Clone)]
pub struct Options {
    /// Objects per page of a list.
    pub page_size: usize,
    /// A kind whose watch has been silent for longer is stale. The API server sends a bookmark about once a minute.
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

/// One consistent state of the cluster.
#[derive(Debug, Default)]
pub struct View {
    /// The objects.
    pub snapshot: Snapshot,
    /// How fresh each watched kind is. Kinds that may not be read or are not installed are absent: the snapshot's
    /// coverage says so.
    pub synced: Synced,
}

impl View {
    /// When what an object declares (everything but its status) was last changed, as far as anybody can know: seen by a
    /// watch, or written down in `managedFields`. `None` when there is no such object here.
    pub fn changed(&self, _object: &ObjectRef) -> Option<Timestamp> {
        None
    }
}

/// The cache.
pub struct Cache {
    view: ArcSwap<View>,
}

impl Cache {
    /// Begins to watch. Returns at once: until the first lists have arrived every kind is `Never` synced.
    #[allow(clippy::unused_async, reason = "the watches follow")]
    pub async fn start(_client: kube::Client, _kinds: BTreeSet<Kind>, _options: Options) -> Self {
        Self::still(View::default())
    }

    /// A cache that holds one view for ever.
    pub fn still(view: View) -> Self {
        Self {
            view: ArcSwap::from_pointee(view),
        }
    }

    /// The newest view.
    pub fn current(&self) -> Arc<View> {
        self.view.load_full()
    }
}
