//! The server: HTTP/1.1 over TLS, made so that nobody can keep it from answering the API server.
//!
//! ```text
//!  accept --room?--> task per connection: handshake (5 s) -> head (2 s) -> body (2 s) -> review --gate--> answer
//!     |  no: the least useful idle connection goes             |
//!     +--file descriptors gone: wait, and let one go           +--idle (2 min)--> closed
//! ```
//!
//! | bound | what happens beyond it |
//! |---|---|
//! | handshake, head, idle and answer time | the connection is closed |
//! | connections | of the client with the most, the one that has owed us something for longest, or was idle for longest; when all are being answered, the new one |
//! | body length | 400 |
//! | time for a body to arrive (2 s) | let through, counted |
//! | memory of all bodies, reviews that wait | let through, counted |
//! | time of a review | let through, counted |
//!
//! HTTP/2 is not offered: the API server forces HTTP/1.1 to webhooks, so that its calls spread over replicas.

mod accept;
mod activity;
mod body;
mod connection;
mod connections;
mod deadline;
mod drain;
mod gate;
mod head;
mod review;
mod weight;

pub use accept::{Listener, bind};
pub use activity::Times;
pub use drain::{Drain, Phase, Phases};
pub use gate::Gate;
pub use review::{Admission, Judge, Limits};

use crate::{metrics::Metrics, tls::Tls};
use axum::{Router, routing::post};
use std::sync::Arc;
use tokio::sync::watch;

/// What the connections of a listener share.
pub(crate) struct Shared {
    tls: Option<Tls>,
    router: Router,
    times: Times,
    phase: watch::Receiver<Phase>,
    metrics: Arc<Metrics>,
}

/// The webhook's paths.
pub fn router(admission: Admission) -> Router {
    Router::new()
        .route("/validate", post(review::validate))
        .route("/mutate", post(review::mutate))
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
        .with_state(admission)
}
