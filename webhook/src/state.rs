//! What a request is judged by: the newest view of the cluster and the configuration in use.

use crate::{
    admit::{self, BadReview, Decision, World},
    cache::Cache,
    metrics::Webhook,
    policy::Policy,
    server::Judge,
};
use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use netdoctor_engine::model::ObjectRef;
use std::sync::Arc;

/// The cluster as it is known, and how strict to be about it. Both change while requests are judged; each request sees
/// one state of either.
pub struct State {
    /// What the cluster holds.
    pub cache: Arc<Cache>,
    /// The configuration.
    pub policy: Arc<ArcSwap<Policy>>,
}

impl Judge for State {
    fn judge(&self, webhook: Webhook, review: &[u8]) -> Result<Decision, BadReview> {
        let view = self.cache.current();
        let policy = self.policy.load_full();
        let world = World {
            snapshot: &view.snapshot,
            synced: &view.synced,
            policy: &policy,
            config: &policy.config,
            now: Timestamp::now(),
            changed: &|object: &ObjectRef| view.changed(object),
        };
        match webhook {
            Webhook::Validate => admit::validate(review, &world),
            Webhook::Mutate => admit::mutate(review, &world),
        }
    }

    fn catch_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.cache.caught_up())
    }
}
