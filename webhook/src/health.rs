//! `/livez`, `/readyz` and `/metrics`, without TLS, on ports of their own.
//!
//! Alive means that a restart would not help: the API server plays no part in it. Ready means that a call would be
//! answered: there is a certificate, and the listener is up. Caches play no part in that; a request that comes before they
//! are filled is let through.

use crate::{
    cache::Cache,
    metrics::{self, Metrics},
    server::{Gate, Phase},
    tls::Serving,
};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// A review takes milliseconds, and its caller has long given up by then.
const STUCK: Duration = Duration::from_secs(30);

/// What health is read from.
#[derive(Clone)]
pub struct Health {
    /// The certificate, where there is need of one.
    pub serving: Option<Arc<Serving>>,
    /// The workers, where there are any.
    pub gate: Option<Gate>,
    /// Whether the server is on its way out. It is listening as long as it is not.
    pub phase: watch::Receiver<Phase>,
    /// For `/metrics`.
    pub metrics: Arc<Metrics>,
    /// Whose gauges are brought up to date when somebody looks.
    pub cache: Arc<Cache>,
}

impl Health {
    /// What stands in the way of being alive.
    pub fn dead(&self) -> Option<&'static str> {
        let gate = self.gate.as_ref()?;
        gate.stuck(STUCK)
            .then_some("every worker has been busy with the same review for 30 s")
    }

    /// What stands in the way of being ready.
    pub fn unready(&self) -> Option<&'static str> {
        if *self.phase.borrow() != Phase::Serving {
            Some("shutting down")
        } else if self
            .serving
            .as_ref()
            .is_none_or(|serving| serving.is_ready())
        {
            None
        } else {
            Some("no serving certificate yet")
        }
    }
}

/// `/livez` and `/readyz`.
pub fn probes(health: Health) -> Router {
    Router::new()
        .route(
            "/livez",
            get(async |State(health): State<Health>| answer(health.dead())),
        )
        .route(
            "/readyz",
            get(async |State(health): State<Health>| answer(health.unready())),
        )
        .with_state(health)
}

/// `/metrics`.
pub fn metrics(health: Health) -> Router {
    Router::new()
        .route(
            "/metrics",
            get(async |State(health): State<Health>| render(&health)),
        )
        .with_state(health)
}

fn answer(trouble: Option<&'static str>) -> Response {
    match trouble {
        None => "ok\n".into_response(),
        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")).into_response(),
    }
}

fn render(health: &Health) -> Response {
    health.cache.measure(&health.metrics);
    let text = health.metrics.render(Timestamp::now());
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}
