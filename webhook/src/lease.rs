//! Who of several replicas writes: the holder of a `coordination.k8s.io` Lease.
//!
//! As client-go does it, nobody trusts the times that another machine has written: a lease is taken over when *this*
//! replica has seen it unchanged for as long as it lasts, by a clock that cannot jump. Whether this replica still holds
//! its own is judged by whichever of its clocks has moved more, so that a machine that slept does not believe that it
//! still leads.
//!
//! A lease cannot stop a request that is already on its way. What it guards is therefore safe without it: the Secret is
//! written with its `resourceVersion`, and so is everything that is made from it.

mod record;

pub use record::{LeaseError, Leases};

use crate::clock::Reading;
use std::time::Duration;

/// A lease that claims to last longer than this many times ours is not believed.
const MOST: u32 = 10;

/// What a Lease says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Who holds it; empty when it was given up.
    pub holder: String,
    /// How long it lasts after each renewal.
    pub duration: Duration,
    /// The version of the object: every renewal changes it.
    pub version: String,
}

/// What to do about a Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Make it: there is none.
    Create,
    /// Write our name into it.
    Take,
    /// Renew it.
    Renew,
    /// Leave it to its holder.
    Follow,
}

/// One replica's view of who leads.
#[derive(Debug)]
pub struct Election {
    identity: String,
    duration: Duration,
    observed: Option<(Record, Reading)>,
    held_since: Option<Reading>,
}

impl Election {
    /// `identity` is unique, even among restarts of a replica.
    pub fn new(identity: String, duration: Duration) -> Self {
        Self {
            identity,
            duration,
            observed: None,
            held_since: None,
        }
    }

    /// Who we are.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// How long our lease lasts after each renewal.
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// What to do, having just read the Lease.
    pub fn decide(&mut self, lease: Option<&Record>, now: Reading) -> Move {
        let Some(lease) = lease else {
            return Move::Create;
        };
        if lease.holder == self.identity {
            return Move::Renew;
        }
        self.held_since = None;
        if lease.holder.is_empty() {
            return Move::Take;
        }
        match &self.observed {
            Some((seen, since)) if seen == lease => {
                let lasts = lease
                    .duration
                    .clamp(Duration::from_secs(1), self.duration * MOST);
                let unchanged = now.running.saturating_sub(since.running);
                if unchanged >= lasts {
                    Move::Take
                } else {
                    Move::Follow
                }
            }
            _ => {
                self.observed = Some((lease.clone(), now));
                Move::Follow
            }
        }
    }

    /// Our name is in the Lease. `asked` is when the request was sent, not when it was answered.
    pub fn holds(&mut self, asked: Reading) {
        self.held_since = Some(asked);
    }

    /// Somebody else was faster.
    pub fn lost(&mut self) {
        self.held_since = None;
    }

    /// Whether this replica may write. It stops a third of the duration before anybody else may begin.
    pub fn leads(&self, now: Reading) -> bool {
        self.held_since.is_some_and(|since| {
            let wall = now.wall.duration_since(since.wall);
            let wall = Duration::try_from(wall).unwrap_or_default();
            let running = now.running.saturating_sub(since.running);
            wall.max(running) < self.duration * 2 / 3
        })
    }
}

#[cfg(test)]
mod tests;
