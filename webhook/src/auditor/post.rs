//! Writing Events: made, or found to be there and said again.

use super::event::Remark;
use jiff::Timestamp;
use k8s_openapi::{api::events::v1::Event, apimachinery::pkg::apis::meta::v1::MicroTime};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use std::time::Duration;

/// How long one write may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posted {
    /// A new Event.
    Created,
    /// The Event that was there counts once more.
    Repeated,
    /// The Event that is there is young enough: it was said at that time.
    Fresh(Timestamp),
    /// The API server does not take it.
    Refused,
    /// Nobody answered, or not in time: to be tried again.
    Failed,
}

/// Writes the Event of a remark. One that is there already and was said after `since` is left alone.
pub(super) async fn post(
    client: &Client,
    remark: &Remark,
    instance: &str,
    now: Timestamp,
    since: Timestamp,
) -> Posted {
    let events: Api<Event> = Api::namespaced(client.clone(), remark.namespace());
    let event = remark.event(instance, now);
    let parameters = PostParams::default();
    match within(events.create(&parameters, &event)).await {
        Ok(_) => Posted::Created,
        Err(Failure::Code(409)) => again(&events, &remark.name(), now, since).await,
        Err(failure) => failure.into(),
    }
}

/// The auditor may not read Events. A patch that changes nothing shows the object as well.
async fn again(events: &Api<Event>, name: &str, now: Timestamp, since: Timestamp) -> Posted {
    let patch = async |patch| {
        let parameters = PatchParams::default();
        within(events.patch(name, &parameters, &Patch::Merge(patch))).await
    };
    let there = match patch(json!({})).await {
        Ok(event) => event,
        Err(failure) => return failure.into(),
    };
    let (count, last) = match &there.series {
        Some(series) => (series.count, Some(series.last_observed_time.0)),
        None => (1, there.event_time.as_ref().map(|time| time.0)),
    };
    if let Some(last) = last.filter(|last| *last > since) {
        return Posted::Fresh(last);
    }
    let series = json!({"series": {
        "count": count.saturating_add(1),
        "lastObservedTime": MicroTime(now),
    }});
    match patch(series).await {
        Ok(_) => Posted::Repeated,
        Err(failure) => failure.into(),
    }
}

enum Failure {
    Code(u16),
    Silence,
}

impl From<Failure> for Posted {
    fn from(failure: Failure) -> Self {
        match failure {
            // An Event that has just expired, too many requests, and whatever is the fault of the server: it passes.
            Failure::Code(404 | 429 | 500..) | Failure::Silence => Self::Failed,
            Failure::Code(_) => Self::Refused,
        }
    }
}

async fn within<T>(write: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(PATIENCE, write).await {
        Ok(Ok(written)) => Ok(written),
        Ok(Err(kube::Error::Api(status))) => {
            tracing::debug!(
                code = status.code,
                reason = status.reason,
                "an Event was not taken"
            );
            Err(Failure::Code(status.code))
        }
        Ok(Err(error)) => {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "an Event was not sent"
            );
            Err(Failure::Silence)
        }
        Err(_) => Err(Failure::Silence),
    }
}
