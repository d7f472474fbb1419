//! What a connection is doing, and until when it may.
//!
//! ```text
//!  handshake --established--> idle --first byte--> head --request--> busy --answered--> idle
//! ```
//!
//! hyper's own timer for the head runs while a connection is idle, too: it would close what the API server keeps for its
//! next request, at a moment that can coincide with that request. So the head has its time from its first byte, and an
//! idle connection has longer than the 90 seconds after which the API server closes it itself.

use hyper::rt::{Read, ReadBufCursor, Write};
use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};

/// How long each state of a connection may last.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// From accepting to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// Between two requests, and before the first.
    pub idle: Duration,
    /// From the head to the end of the answer. Reviews have their own, shorter time; this is for clients that do not
    /// take their answer.
    pub busy: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(5),
            head: Duration::from_secs(2),
            idle: Duration::from_mins(2),
            busy: Duration::from_mins(1),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Handshake,
    Idle,
    Head,
    Busy,
}

/// Shared between a connection, its requests and whoever may have to end it.
#[derive(Debug)]
pub(super) struct Activity {
    now: Mutex<Now>,
    told: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Now {
    state: State,
    since: Instant,
    used: bool,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            now: Mutex::new(Now {
                state: State::Handshake,
                since: Instant::now(),
                used: false,
            }),
            told: Notify::new(),
        }
    }

    /// The handshake is done.
    pub(super) fn established(&self) {
        self.enter(State::Idle);
    }

    /// Bytes arrived: the first ones begin a head.
    fn bytes(&self) {
        let mut now = self.lock();
        if now.state == State::Idle {
            now.state = State::Head;
            now.since = Instant::now();
        }
    }

    /// The head is complete.
    pub(super) fn request(&self) {
        self.lock().used = true;
        self.enter(State::Busy);
    }

    /// The answer has been handed over.
    pub(super) fn answered(&self) {
        self.enter(State::Idle);
    }

    fn enter(&self, state: State) {
        let mut now = self.lock();
        now.state = state;
        now.since = Instant::now();
    }

    /// Until when the connection may stay as it is.
    pub(super) fn deadline(&self, times: &Times) -> Instant {
        let now = *self.lock();
        now.since
            + match now.state {
                State::Handshake => times.handshake,
                State::Idle => times.idle,
                State::Head => times.head,
                State::Busy => times.busy,
            }
    }

    /// How little is lost with this connection: never used before used, then the longest without a request. `None` when
    /// it is busy.
    pub(super) fn uselessness(&self) -> Option<(bool, Duration)> {
        let now = *self.lock();
        (now.state != State::Busy).then(|| (!now.used, now.since.elapsed()))
    }

    /// Tells the connection to go.
    pub(super) fn evict(&self) {
        self.told.notify_one();
    }

    /// Waits until it is told to go.
    pub(super) async fn evicted(&self) {
        self.told.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that notes when bytes arrive.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<S: Read + Unpin> Read for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        // An end of the stream counts as bytes, which only shortens what is over anyway.
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.activity.bytes();
        }
        polled
    }
}

impl<S: Write + Unpin> Write for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, buffers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_state_has_its_own_time() {
        let times = Times::default();
        let activity = Activity::new();
        let begin = Instant::now();
        assert_eq!(activity.deadline(&times), begin + times.handshake);
        tokio::time::advance(Duration::from_secs(1)).await;
        activity.established();
        assert_eq!(
            activity.deadline(&times),
            Instant::now() + Duration::from_mins(2)
        );
        activity.bytes();
        let head = activity.deadline(&times);
        assert_eq!(head, Instant::now() + Duration::from_secs(2));
        tokio::time::advance(Duration::from_secs(1)).await;
        activity.bytes();
        assert_eq!(
            activity.deadline(&times),
            head,
            "more bytes give no more time"
        );
        activity.request();
        assert_eq!(activity.deadline(&times), Instant::now() + times.busy);
        activity.bytes();
        assert_eq!(activity.uselessness(), None);
        activity.answered();
        assert_eq!(activity.deadline(&times), Instant::now() + times.idle);
        assert_eq!(activity.uselessness(), Some((false, Duration::ZERO)));
    }
}
