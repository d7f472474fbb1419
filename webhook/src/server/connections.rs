//! The connections that are open, and which one has to go when there are too many.
//!
//! An API server keeps connections and uses them again, so an idle one is worth keeping, but never at the price of a new
//! one: whoever opens connections and says nothing must not lock the API server out.

use super::activity::Activity;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// The open connections of a listener.
#[derive(Debug, Clone)]
pub(super) struct Connections(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    most: usize,
    open: Mutex<Open>,
    /// How many tasks still hold a connection, the ones that were told to go included.
    tasks: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    by_number: BTreeMap<u64, Arc<Activity>>,
}

impl Connections {
    /// At most this many.
    pub(super) fn new(most: usize) -> Self {
        Self(Arc::new(Inner {
            most: most.max(1),
            open: Mutex::default(),
            tasks: watch::Sender::new(0),
        }))
    }

    /// Room for one more. When there is none, the least useful connection is told to go; `None` when all are busy.
    pub(super) fn admit(&self) -> Option<Ticket> {
        let mut open = self.0.lock();
        if open.by_number.len() >= self.0.most && !open.evict() {
            return None;
        }
        let number = open.next;
        open.next += 1;
        let activity = Arc::new(Activity::new());
        open.by_number.insert(number, activity.clone());
        self.0.tasks.send_modify(|tasks| *tasks += 1);
        Some(Ticket {
            connections: self.clone(),
            number,
            activity,
        })
    }

    /// Tells the least useful connection to go, to get its file descriptor back.
    pub(super) fn relieve(&self) {
        self.0.lock().evict();
    }

    /// Waits until the last connection is gone.
    pub(super) async fn all_gone(&self) {
        let mut tasks = self.0.tasks.subscribe();
        // The sender lives as long as `self`.
        _ = tasks.wait_for(|tasks| *tasks == 0).await;
    }

    /// How many are still held.
    pub(super) fn count(&self) -> usize {
        *self.0.tasks.borrow()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn evict(&mut self) -> bool {
        let worst = self
            .by_number
            .iter()
            .filter_map(|(number, activity)| Some((activity.uselessness()?, *number)))
            .max();
        let Some((_, number)) = worst else {
            return false;
        };
        if let Some(activity) = self.by_number.remove(&number) {
            activity.evict();
        }
        true
    }
}

/// The right to hold a connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    connections: Connections,
    number: u64,
    activity: Arc<Activity>,
}

impl Ticket {
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.connections.0.lock().by_number.remove(&self.number);
        self.connections.0.tasks.send_modify(|tasks| *tasks -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::time::Duration;

    fn told_to_go(ticket: &Ticket) -> bool {
        ticket.activity().evicted().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_silent_connection_goes_first_and_busy_ones_never() {
        let connections = Connections::new(3);
        let used = connections.admit().unwrap();
        used.activity().established();
        used.activity().request();
        used.activity().answered();
        tokio::time::advance(Duration::from_mins(1)).await;
        let silent = connections.admit().unwrap();
        silent.activity().established();
        let busy = connections.admit().unwrap();
        busy.activity().established();
        busy.activity().request();

        // Never used goes before used, however long that has been idle.
        let fourth = connections.admit().unwrap();
        assert!(told_to_go(&silent));
        assert!(!told_to_go(&used));
        fourth.activity().request();
        let fifth = connections.admit().unwrap();
        assert!(told_to_go(&used));
        fifth.activity().request();
        assert!(connections.admit().is_none(), "all are busy");
        assert!(!told_to_go(&busy));

        assert_eq!(connections.count(), 5);
        drop((used, silent, busy, fourth));
        assert_eq!(connections.count(), 1);
        let waiting = connections.clone();
        let gone = tokio::spawn(async move { waiting.all_gone().await });
        drop(fifth);
        gone.await.unwrap();
    }
}
