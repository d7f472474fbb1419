//! What a connection is doing, and until when it may.
//!
//! ```text
//!  handshake --established--> idle --first byte--> head --request--> body --received--> busy --answered--> idle
//! ```
//!
//! hyper's own timer for the head runs while a connection is idle, too: it would close what the API server keeps for its
//! next request, at a moment that can coincide with that request. So the head has its time from its first byte, and an
//! idle connection has longer than the 90 seconds after which the API server closes it itself.

use hyper::{
    body::{Body, Frame, SizeHint},
    rt::{Read, ReadBufCursor, Write},
};
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
    /// From accepting to the end of the TLS handshake. A client that does not take what it is sent has as long.
    pub handshake: Duration,
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// Between two requests, and before the first.
    pub idle: Duration,
    /// From the head to the end of the answer. Reviews have their own, shorter time.
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
    Body,
    Busy,
}

/// Shared between a connection, its requests and whoever may have to end it.
#[derive(Debug)]
pub(super) struct Activity {
    now: Mutex<Now>,
    told: Notify,
}

/// How little is lost with a connection, the most useful first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Loss {
    /// It had its answers, and waits for the next request.
    Answered,
    /// Its client owes us something: a first request, the rest of one, or taking an answer. The API server does each of
    /// them in milliseconds, so the one that has owed for the longest is not its.
    Owed,
    /// Its client has not said a word. The API server speaks as soon as it is connected, while its handshake may take a
    /// machine without idle processors long enough to have owed for longer than a crowd that has just arrived.
    Silent,
}

#[derive(Debug, Clone, Copy)]
struct Now {
    state: State,
    since: Instant,
    /// Whether a byte has arrived.
    said: bool,
    /// Whether it has ever had an answer.
    used: bool,
    /// Since when the client has not taken what it is sent.
    blocked: Option<Instant>,
    /// Whether it was idle when it was told to go.
    polite: bool,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            now: Mutex::new(Now {
                state: State::Handshake,
                since: Instant::now(),
                said: false,
                used: false,
                blocked: None,
                polite: false,
            }),
            told: Notify::new(),
        }
    }

    /// The handshake is done.
    pub(super) fn established(&self) {
        self.enter(State::Idle);
    }

    /// Something has arrived, of whatever protocol.
    pub(super) fn heard(&self) {
        self.lock().said = true;
    }

    /// Bytes arrived: the first ones begin a head.
    fn bytes(&self) {
        let mut now = self.lock();
        now.said = true;
        if now.state == State::Idle {
            now.state = State::Head;
            now.since = Instant::now();
        }
    }

    /// The head is complete.
    pub(super) fn request(&self) {
        self.enter(State::Body);
    }

    /// So is the body, or nobody wants the rest of it.
    fn received(&self) {
        let mut now = self.lock();
        if now.state == State::Body {
            now.state = State::Busy;
            now.since = Instant::now();
        }
    }

    /// The answer has been handed over.
    pub(super) fn answered(&self) {
        self.lock().used = true;
        self.enter(State::Idle);
    }

    /// Whether the client takes what it is sent.
    fn sent<T>(&self, polled: &Poll<T>) {
        let mut now = self.lock();
        match polled {
            Poll::Ready(_) => now.blocked = None,
            Poll::Pending => _ = now.blocked.get_or_insert_with(Instant::now),
        }
    }

    fn enter(&self, state: State) {
        let mut now = self.lock();
        now.state = state;
        now.since = Instant::now();
    }

    /// Until when the connection may stay as it is.
    pub(super) fn deadline(&self, times: &Times) -> Instant {
        let now = *self.lock();
        let until = now.since
            + match now.state {
                State::Handshake => times.handshake,
                State::Idle => times.idle,
                State::Head => times.head,
                State::Body | State::Busy => times.busy,
            };
        now.blocked
            .map_or(until, |since| until.min(since + times.handshake))
    }

    /// How little is lost with this connection, and for how long it has been so. `None` when it is we who owe.
    pub(super) fn uselessness(&self) -> Option<(Loss, Duration)> {
        let now = *self.lock();
        if let Some(since) = now.blocked {
            return Some((Loss::Owed, since.elapsed()));
        }
        let loss = match now.state {
            State::Busy => return None,
            State::Idle if now.used => Loss::Answered,
            _ if !now.said => Loss::Silent,
            State::Handshake | State::Idle | State::Head | State::Body => Loss::Owed,
        };
        Some((loss, now.since.elapsed()))
    }

    /// Tells the connection to go.
    pub(super) fn evict(&self) {
        let mut now = self.lock();
        now.polite = now.state == State::Idle && now.blocked.is_none();
        drop(now);
        self.told.notify_one();
    }

    /// Waits until it is told to go. Says whether it was idle then: so what has begun since is still to be answered, while
    /// whoever owed us something is not waited for.
    pub(super) async fn evicted(&self) -> bool {
        self.told.notified().await;
        self.lock().polite
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body on its way: owed by the client until it is dropped, read to its end or not.
#[derive(Debug)]
pub(super) struct Owed<B> {
    body: B,
    activity: Arc<Activity>,
}

impl<B> Owed<B> {
    pub(super) fn new(body: B, activity: Arc<Activity>) -> Self {
        Self { body, activity }
    }
}

impl<B> Drop for Owed<B> {
    fn drop(&mut self) {
        self.activity.received();
    }
}

impl<B: Body + Unpin> Body for Owed<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that notes when bytes arrive, and when they do not leave.
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
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.activity.sent(&polled);
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.activity.sent(&polled);
        polled
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
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.activity.sent(&polled);
        polled
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
        assert_eq!(
            activity.uselessness(),
            Some((Loss::Owed, Duration::ZERO)),
            "its body may never come"
        );
        activity.received();
        activity.bytes();
        assert_eq!(activity.uselessness(), None);
        activity.answered();
        assert_eq!(activity.deadline(&times), Instant::now() + times.idle);
        assert_eq!(
            activity.uselessness(),
            Some((Loss::Answered, Duration::ZERO))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_take_an_answer_owes_for_as_long() {
        let times = Times::default();
        let activity = Activity::new();
        activity.established();
        activity.request();
        activity.received();
        let stuck = Poll::<()>::Pending;
        activity.sent(&stuck);
        let begin = Instant::now();
        tokio::time::advance(Duration::from_secs(3)).await;
        activity.sent(&stuck);
        assert_eq!(
            activity.uselessness(),
            Some((Loss::Owed, Duration::from_secs(3)))
        );
        assert_eq!(activity.deadline(&times), begin + times.handshake);
        activity.sent(&Poll::Ready(()));
        assert_eq!(activity.uselessness(), None, "it is being answered");
    }
}
