//! When calls are due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Puts a ticket into the queue for each call. A thread, because the timers of tokio are a millisecond late.
pub(super) struct Clock {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What clients take their calls from.
#[derive(Clone)]
pub(super) enum Tickets {
    /// Calls in the order in which they fell due.
    Queue(Arc<Mutex<UnboundedReceiver<Instant>>>),
    /// A call is due whenever a client is free.
    Closed(Arc<AtomicBool>),
}

impl Clock {
    pub(super) fn start(rate: Option<u32>) -> (Self, Tickets) {
        let stopped = Arc::new(AtomicBool::new(false));
        let Some(rate) = rate else {
            let tickets = Tickets::Closed(Arc::clone(&stopped));
            return (
                Self {
                    stopped,
                    thread: None,
                },
                tickets,
            );
        };
        let (sender, receiver) = unbounded_channel();
        let flag = Arc::clone(&stopped);
        let thread = thread::spawn(move || tick(rate, &flag, &sender));
        let clock = Self {
            stopped,
            thread: Some(thread),
        };
        (clock, Tickets::Queue(Arc::new(Mutex::new(receiver))))
    }

    /// Nothing falls due any more.
    pub(super) fn stop(self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread {
            // It does nothing that could panic.
            let _ = thread.join();
        }
    }
}

fn tick(rate: u32, stopped: &AtomicBool, queue: &UnboundedSender<Instant>) {
    let begin = Instant::now();
    for number in 0_u64.. {
        let due = begin + Duration::from_nanos(number * 1_000_000_000 / u64::from(rate));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if stopped.load(Ordering::Relaxed) || queue.send(due).is_err() {
            return;
        }
    }
}

impl Tickets {
    /// When the next call was due; none after the last.
    pub(super) async fn next(&self) -> Option<Instant> {
        match self {
            Self::Queue(queue) => queue.lock().await.recv().await,
            Self::Closed(stopped) => (!stopped.load(Ordering::Relaxed)).then(Instant::now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_fall_due_by_the_clock_and_not_one_is_lost() {
        let (clock, tickets) = Clock::start(Some(1_000));
        let first = tickets.next().await.expect("a first call");
        // Nobody takes a ticket for a while: those of the meantime wait, each with its own time.
        tokio::time::sleep(Duration::from_millis(100)).await;
        for number in 1..=50 {
            let due = tickets.next().await.expect("another");
            assert_eq!(due, first + Duration::from_millis(number));
        }
        clock.stop();
        while tickets.next().await.is_some() {}
    }

    #[tokio::test]
    async fn a_closed_loop_is_due_when_asked() {
        let (clock, tickets) = Clock::start(None);
        let before = Instant::now();
        assert!(tickets.next().await.is_some_and(|due| due >= before));
        clock.stop();
        assert_eq!(tickets.next().await, None);
    }
}
