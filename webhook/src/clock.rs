//! The time, as far as certificates and leases are concerned.
//!
//! Callers check our certificates with *their* clock, so the one that counts is the API server's: every answer of it
//! carries a `Date`. Where this machine's clock is wrong, certificates are right all the same.

use axum::http::{HeaderMap, Response, header::DATE};
use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};
use tower::util::MapResponseLayer;

/// Differences that are worth a line in the log.
const WORTH_SAYING: i64 = 60;

/// Where time comes from.
pub trait Time: fmt::Debug + Send + Sync + 'static {
    /// The wall clock of this machine. It may jump.
    fn wall(&self) -> Timestamp;
    /// Time that never runs backwards, but may stand still while the machine sleeps.
    fn running(&self) -> Duration;
}

/// The clocks of this machine.
#[derive(Debug)]
pub struct SystemTime(Instant);

impl Default for SystemTime {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Time for SystemTime {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
    fn running(&self) -> Duration {
        self.0.elapsed()
    }
}

/// One look at both clocks of this machine, to tell how much time has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock.
    pub wall: Timestamp,
    /// Time that never runs backwards.
    pub running: Duration,
}

/// A clock that follows the API server's.
#[derive(Debug)]
pub struct Clock {
    time: Arc<dyn Time>,
    /// Seconds that the API server is ahead.
    ahead: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(Arc::new(SystemTime::default()))
    }
}

impl Clock {
    /// A clock that is right until an API server says otherwise.
    pub fn new(time: Arc<dyn Time>) -> Self {
        Self {
            time,
            ahead: AtomicI64::new(0),
        }
    }

    /// The time now, as the API server has it.
    pub fn now(&self) -> Timestamp {
        let wall = self.time.wall();
        let ahead = SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed));
        wall.saturating_add(ahead).unwrap_or(wall)
    }

    /// Both clocks of this machine. What the API server says about the time is no passing of time.
    pub fn reading(&self) -> Reading {
        Reading {
            wall: self.time.wall(),
            running: self.time.running(),
        }
    }

    /// For a client whose answers the clock shall learn from.
    pub fn layer<B>(
        self: &Arc<Self>,
    ) -> MapResponseLayer<impl Fn(Response<B>) -> Response<B> + Clone + use<B>> {
        let clock = self.clone();
        MapResponseLayer::new(move |response: Response<B>| {
            clock.saw(response.headers());
            response
        })
    }

    /// Learns from the headers of an answer.
    pub fn saw(&self, headers: &HeaderMap) {
        let date = headers
            .get(DATE)
            .and_then(|date| date.to_str().ok())
            .and_then(|date| rfc2822::parse(date).ok());
        let Some(date) = date else {
            return;
        };
        let theirs = date.timestamp().as_second();
        let ahead = theirs - self.time.wall().as_second();
        let before = self.ahead.swap(ahead, Ordering::Relaxed);
        if (ahead - before).abs() >= WORTH_SAYING {
            tracing::warn!(
                seconds = ahead,
                "the API server's clock is ahead of this machine's"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_api_server() {
        let clock = Clock::default();
        let apart = || clock.now().duration_since(Timestamp::now()).as_secs();
        assert_eq!(apart(), 0);
        let mut headers = HeaderMap::new();
        clock.saw(&headers);
        assert_eq!(apart(), 0, "no date, no news");
        headers.insert(DATE, "yesterday".parse().unwrap());
        clock.saw(&headers);
        assert_eq!(apart(), 0);
        let far = Timestamp::now() + SignedDuration::from_hours(1_000);
        let text = rfc2822::DateTimePrinter::new()
            .timestamp_to_rfc9110_string(&far)
            .unwrap();
        headers.insert(DATE, text.parse().unwrap());
        clock.saw(&headers);
        assert!((apart() - 3_600_000).abs() <= 2, "{}", apart());
    }
}
