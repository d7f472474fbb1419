//! Going away without anybody noticing.
//!
//! ```text
//!  Serving --SIGTERM--> Leaving ---------> Closing ---------------> Stopping ------------> Stopped
//!                       not ready; still   answers say              nothing is accepted;   what is left
//!                       serves as usual,   `Connection: close`,     idle connections are   is cut off
//!                       while endpoints    so that callers go       closed, busy ones end
//!                       are dropped        elsewhere                with their answer
//! ```
//!
//! An idle connection is closed last and once nobody used it for a while: closing one at the moment in which the API
//! server sends on it is the one failure that nothing on this side can mend.

use std::{future::Future, time::Duration};
use tokio::{sync::watch, time::timeout};

/// How far the server is on its way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// It is not.
    Serving,
    /// It is no longer ready, and serves as before.
    Leaving,
    /// Every answer asks for the connection to be closed.
    Closing,
    /// Nothing new is accepted.
    Stopping,
    /// Nothing is waited for.
    Stopped,
}

/// How long each step may take. Together they stay below `terminationGracePeriodSeconds` (30 by default).
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// For every node to learn that the endpoint is gone.
    pub leaving: Duration,
    /// For callers to give up their connections.
    pub closing: Duration,
    /// For the last answers. Ends earlier when there is nothing left.
    pub stopping: Duration,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            leaving: Duration::from_secs(8),
            closing: Duration::from_secs(5),
            stopping: Duration::from_secs(10),
        }
    }
}

/// The phase of the process: one writes it, everybody follows it.
#[derive(Debug)]
pub struct Phases(watch::Sender<Phase>);

impl Default for Phases {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Serving))
    }
}

impl Phases {
    /// Follows the phase.
    pub fn follow(&self) -> watch::Receiver<Phase> {
        self.0.subscribe()
    }

    /// Enters a phase.
    pub fn enter(&self, phase: Phase) {
        tracing::info!(?phase, "phase");
        self.0.send_replace(phase);
    }

    /// Goes through the steps until `done` or the end. `hurry` skips the waits that only spare others trouble: whoever
    /// asks twice means it.
    pub async fn drain(&self, times: Drain, done: impl Future, hurry: impl Future) {
        self.enter(Phase::Leaving);
        let patiently = async {
            tokio::time::sleep(times.leaving).await;
            self.enter(Phase::Closing);
            tokio::time::sleep(times.closing).await;
        };
        tokio::select! {
            () = patiently => {}
            _ = hurry => {}
        }
        self.enter(Phase::Stopping);
        _ = timeout(times.stopping, done).await;
        self.enter(Phase::Stopped);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn goes_through_the_phases_in_order_and_in_time() {
        let phases = Phases::default();
        let mut follow = phases.follow();
        let begin = Instant::now();
        let seen = tokio::spawn(async move {
            let mut seen = Vec::new();
            while *follow.borrow() < Phase::Stopped && follow.changed().await.is_ok() {
                seen.push((*follow.borrow_and_update(), begin.elapsed().as_secs()));
            }
            seen
        });
        tokio::task::yield_now().await;
        phases
            .drain(Drain::default(), pending::<()>(), pending::<()>())
            .await;
        assert_eq!(
            seen.await.unwrap(),
            [
                (Phase::Leaving, 0),
                (Phase::Closing, 8),
                (Phase::Stopping, 13),
                (Phase::Stopped, 23)
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn ends_early_when_nothing_is_left_or_somebody_insists() {
        let phases = Phases::default();
        let begin = Instant::now();
        phases
            .drain(Drain::default(), async {}, pending::<()>())
            .await;
        assert_eq!(begin.elapsed(), Duration::from_secs(13));
        let begin = Instant::now();
        let hurry = tokio::time::sleep(Duration::from_secs(1));
        phases.drain(Drain::default(), async {}, hurry).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(1));
    }
}
