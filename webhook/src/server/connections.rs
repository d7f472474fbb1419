//! The connections that are open, and which one has to go when there are too many.
//!
//! An API server keeps connections and uses them again, so an idle one is worth keeping, but never at the price of a new
//! one: whoever opens connections and says nothing must not lock the API server out. Nor may whoever opens the most: it is
//! the client with the most connections that loses one, unless somebody has been silent for too long.

use super::activity::{Activity, Loss};
use std::{
    cmp::Reverse,
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// How long an API server that is short of processors may take to say its first word.
const SPEECHLESS: Duration = Duration::from_millis(500);

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
    by_number: BTreeMap<u64, Held>,
    by_peer: BTreeMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Held {
    peer: IpAddr,
    activity: Arc<Activity>,
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

    /// Room for one more from `peer`. When there is none, the least useful connection is told to go; `None` when all are
    /// busy.
    pub(super) fn admit(&self, peer: IpAddr) -> Option<Ticket> {
        let mut open = self.0.lock();
        if open.by_number.len() >= self.0.most && !open.evict() {
            return None;
        }
        let activity = Arc::new(Activity::new());
        let number = open.add(peer, activity.clone());
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
    fn add(&mut self, peer: IpAddr, activity: Arc<Activity>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.by_number.insert(number, Held { peer, activity });
        *self.by_peer.entry(peer).or_default() += 1;
        number
    }

    fn remove(&mut self, number: u64) -> Option<Held> {
        let held = self.by_number.remove(&number)?;
        if let Some(count) = self.by_peer.get_mut(&held.peer) {
            *count -= 1;
            if *count == 0 {
                self.by_peer.remove(&held.peer);
            }
        }
        Some(held)
    }

    fn evict(&mut self) -> bool {
        let of_peer = |peer| self.by_peer.get(peer).copied().unwrap_or_default();
        let worst = self
            .by_number
            .iter()
            .filter_map(|(number, held)| {
                let uselessness = held.activity.uselessness()?;
                let (loss, time) = uselessness;
                // So long that it cannot be an API server, whoever else holds more.
                let hopeless = loss == Loss::Silent && time >= SPEECHLESS;
                Some((hopeless, of_peer(&held.peer), uselessness, Reverse(*number)))
            })
            .max();
        let evicted = worst.and_then(|(.., Reverse(number))| self.remove(number));
        evicted.map(|held| held.activity.evict()).is_some()
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
        self.connections.0.lock().remove(self.number);
        self.connections.0.tasks.send_modify(|tasks| *tasks -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::activity::Owed, *};
    use futures_util::FutureExt as _;
    use std::net::Ipv4Addr;

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn told_to_go(ticket: &Ticket) -> bool {
        ticket.activity().evicted().now_or_never().is_some()
    }

    /// A request has arrived completely, and has no answer yet.
    fn judged(ticket: &Ticket) {
        ticket.activity().request();
        drop(Owed::new((), ticket.activity().clone()));
    }

    #[tokio::test(start_paused = true)]
    async fn who_holds_the_most_loses_one_even_when_others_are_less_useful() {
        let connections = Connections::new(4);
        let many = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
        let admit = |peer| {
            let ticket = connections.admit(peer).unwrap();
            ticket.activity().established();
            ticket
        };
        // Each of the many has had an answer, and keeps its connection for more.
        let mut held = Vec::new();
        for _ in 0..3 {
            let ticket = admit(many);
            judged(&ticket);
            ticket.activity().answered();
            held.push(ticket);
            tokio::time::advance(Duration::from_secs(5)).await;
        }
        let alone = admit(PEER);
        tokio::time::advance(SPEECHLESS / 2).await;
        let more = admit(many);
        assert!(!told_to_go(&alone), "it is the only one of its client");
        assert!(told_to_go(&held[0]));
        tokio::time::advance(SPEECHLESS / 2).await;
        let again = admit(many);
        assert!(told_to_go(&alone), "it will never say a word");
        drop((held, more, alone, again));
        let alone = admit(PEER);
        assert_eq!(connections.count(), 1);
        assert_eq!(connections.0.lock().by_peer, BTreeMap::from([(PEER, 1)]));
        drop(alone);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_handshake_outlives_a_crowd_that_says_nothing() {
        let connections = Connections::new(3);
        let slow = connections.admit(PEER).unwrap();
        slow.activity().heard();
        tokio::time::advance(Duration::from_secs(1)).await;
        let mut crowd: Vec<_> = (0..5).map(|_| connections.admit(PEER).unwrap()).collect();
        assert!(crowd.iter().take(3).all(told_to_go));
        slow.activity().established();
        tokio::time::advance(Duration::from_secs(1)).await;
        crowd.push(connections.admit(PEER).unwrap());
        assert!(!told_to_go(&slow), "its first request is on its way");
        assert!(told_to_go(&crowd[3]));
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_silent_connection_goes_first_and_busy_ones_never() {
        let connections = Connections::new(3);
        let used = connections.admit(PEER).unwrap();
        used.activity().established();
        judged(&used);
        used.activity().answered();
        tokio::time::advance(Duration::from_mins(1)).await;
        let silent = connections.admit(PEER).unwrap();
        silent.activity().established();
        let busy = connections.admit(PEER).unwrap();
        busy.activity().established();
        judged(&busy);

        // Never used goes before used, however long that has been idle.
        let fourth = connections.admit(PEER).unwrap();
        assert!(told_to_go(&silent));
        assert!(!told_to_go(&used));
        judged(&fourth);
        let fifth = connections.admit(PEER).unwrap();
        assert!(told_to_go(&used));
        judged(&fifth);
        assert!(connections.admit(PEER).is_none(), "all are busy");
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
