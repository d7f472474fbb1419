//! One connection, from the handshake to its end.

use super::{
    Phase, Shared,
    activity::{Activity, Owed, Watched},
    connections::Ticket,
};
use crate::metrics::HandshakeFailure;
use axum::{
    body::Body,
    http::{HeaderValue, Request, Response, header},
};
use hyper::{
    body::Incoming,
    rt::{Read, Write},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{Instant, Sleep, sleep_until, timeout},
};
use tower::Service as _;

/// Headers of a request: the API server sends about ten.
const MOST_HEADERS: usize = 64;
/// The longest head, and the piece in which bodies are read.
const BUFFER: usize = 64 << 10;
/// How long a client that is told to go is listened to.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves a connection until it ends.
pub(super) async fn serve(stream: TcpStream, shared: Arc<Shared>, ticket: Ticket) {
    // Answers are small: waiting for more to send only costs time. A connection that refuses this works all the same.
    _ = stream.set_nodelay(true);
    let Some(tls) = &shared.tls else {
        ticket.activity().established();
        return requests(TokioIo::new(stream), &shared, ticket.activity()).await;
    };
    let handshake = timeout(shared.times.handshake, async {
        // Not read, only looked at. An end or an error is met again by the handshake.
        if matches!(stream.peek(&mut [0]).await, Ok(1..)) {
            ticket.activity().heard();
        }
        tls.acceptor().accept(stream).await
    });
    let accepted = tokio::select! {
        accepted = handshake => accepted,
        _ = ticket.activity().evicted() => return failed(&shared, HandshakeFailure::ConnectionLimit),
    };
    match accepted {
        Ok(Ok(stream)) => {
            ticket.activity().established();
            requests(TokioIo::new(stream), &shared, ticket.activity()).await;
        }
        Ok(Err(error)) => {
            let failure = tls.failure(&error);
            tracing::debug!(%error, reason = failure.as_str(), "TLS handshake failed");
            failed(&shared, failure);
        }
        Err(_) => failed(&shared, HandshakeFailure::Timeout),
    }
}

fn failed(shared: &Shared, failure: HandshakeFailure) {
    shared.metrics.handshake_failed(failure);
}

async fn requests<S>(stream: S, shared: &Shared, activity: &Arc<Activity>)
where
    S: Read + Write + Unpin,
{
    let service = service_fn(|request| answer(request, shared, activity.clone()));
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_headers(MOST_HEADERS)
        .max_buf_size(BUFFER)
        .serve_connection(Watched::new(stream, activity.clone()), service);
    let mut connection = pin!(connection);
    let mut alarm = pin!(sleep_until(activity.deadline(&shared.times)));
    let mut phase = shared.phase.clone();
    let mut leaving = false;
    loop {
        let served = Timed {
            connection: connection.as_mut(),
            alarm: alarm.as_mut(),
            until: || activity.deadline(&shared.times),
        };
        tokio::select! {
            _ended_or_overdue = served => return,
            () = stopping(&mut phase), if !leaving => leaving = true,
            polite = activity.evicted() => {
                if polite {
                    connection.as_mut().graceful_shutdown();
                    _ = timeout(FAREWELL, connection).await;
                } else {
                    failed(shared, HandshakeFailure::ConnectionLimit);
                }
                return;
            }
        }
        connection.as_mut().graceful_shutdown();
    }
}

/// Waits until nothing more is taken on.
async fn stopping(phase: &mut watch::Receiver<Phase>) {
    if phase
        .wait_for(|phase| *phase >= Phase::Stopping)
        .await
        .is_err()
    {
        // Whoever decides about phases is gone, and so will the process be.
        std::future::pending::<()>().await;
    }
}

/// A connection with an alarm that follows what the connection does.
struct Timed<'c, C, F> {
    connection: Pin<&'c mut C>,
    alarm: Pin<&'c mut Sleep>,
    until: F,
}

impl<C: Future, F: Fn() -> Instant + Unpin> Future for Timed<'_, C, F> {
    type Output = Option<C::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(ended) = self.connection.as_mut().poll(cx) {
            return Poll::Ready(Some(ended));
        }
        // Everything that moves the deadline happens while the connection is polled.
        let until = (self.until)();
        if self.alarm.deadline() != until {
            self.alarm.as_mut().reset(until);
        }
        self.alarm.as_mut().poll(cx).map(|()| None)
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
    activity: Arc<Activity>,
) -> Result<Response<Guarded>, Infallible> {
    activity.request();
    let guard = Guard(activity.clone());
    let request = request.map(|body| Body::new(Owed::new(body, activity)));
    // A router is always ready, and cannot fail.
    let mut response = shared.router.clone().call(request).await?;
    if *shared.phase.borrow() >= Phase::Closing {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    Ok(response.map(|body| Guarded {
        body,
        _guard: guard,
    }))
}

/// Marks the connection as idle when the answer has been handed over, or given up.
#[derive(Debug)]
struct Guard(Arc<Activity>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.answered();
    }
}

/// A body that keeps its connection busy.
#[derive(Debug)]
struct Guarded {
    body: Body,
    _guard: Guard,
}

impl hyper::body::Body for Guarded {
    type Data = bytes::Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}
