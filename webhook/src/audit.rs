//! `audit`: puts the background auditor together.

use crate::{
    auditor,
    clock::Clock,
    health::Health,
    metrics::Metrics,
    process::{PlainSockets, Process, client},
    server::Drain,
    settings::Audit,
};
use std::{sync::Arc, time::Duration};

/// Nobody waits for an answer of the auditor: it stops at once.
const DRAIN: Drain = Drain {
    leaving: Duration::ZERO,
    closing: Duration::ZERO,
    stopping: Duration::from_secs(2),
};

/// Audits until a signal.
///
/// # Errors
/// When something that it cannot do without is missing at the start, or ends by itself later.
pub async fn audit(settings: &Audit) -> anyhow::Result<()> {
    let plain = PlainSockets::bind(&settings.process).await?;
    let client = client(&Arc::new(Clock::default())).await?;
    let mut process = Process::new(Metrics::of_auditor())?;
    let place = settings.process.place();
    let configuration = process.configuration(place.clone(), client.clone());
    let cache = process.cache(client.clone(), &configuration).await;
    let health = Health {
        serving: None,
        gate: None,
        phase: process.phases.follow(),
        metrics: process.metrics.clone(),
        cache: cache.clone(),
    };
    process.open_plain(plain, health);
    let options = auditor::Options::new(settings.process.pod_name.clone(), place);
    let metrics = process.metrics.clone();
    process.add_until_leaving(auditor::run(client, cache, configuration, metrics, options));
    process.run(DRAIN).await
}
