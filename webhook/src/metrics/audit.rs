//! What the background auditor counts.

use jiff::Timestamp;
use netdoctor_engine::rule::Action;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::{collections::BTreeMap, sync::atomic::AtomicU64, time::Duration};

/// What became of an Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is new.
    Created,
    /// It was there, and counts once more.
    Repeated,
    /// The API server does not take it.
    Refused,
    /// Nobody answered.
    Failed,
}

impl Outcome {
    /// Value of the `outcome` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FindingLabels {
    rule: &'static str,
    action: &'static str,
}

/// The metrics of the auditor. All zero in a server.
#[derive(Debug, Default)]
pub struct Audit {
    passes: Counter,
    duration: Gauge<f64, AtomicU64>,
    last: Gauge,
    findings: Family<FindingLabels, Gauge>,
    events: Family<OutcomeLabel, Counter>,
    waiting: Gauge,
}

impl Audit {
    #[rustfmt::skip]
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("audit_passes", "Times that everything was looked at", self.passes.clone());
        registry.register("audit_pass_duration_seconds", "How long the last look took", self.duration.clone());
        registry.register("audit_last_pass_timestamp_seconds", "When it ended, in seconds since 1970", self.last.clone());
        registry.register("audit_findings", "Findings in the cluster, by what the webhook does with such", self.findings.clone());
        registry.register("audit_events", "Events written, or not", self.events.clone());
        registry.register("audit_events_waiting", "Findings that have no Event yet because there are too many", self.waiting.clone());
    }

    /// Everything was looked at.
    pub fn passed(&self, took: Duration, now: Timestamp) {
        self.passes.inc();
        self.duration.set(took.as_secs_f64());
        self.last.set(now.as_second());
    }

    /// What the last look found: all that there is, so that what was put right does not stay.
    pub fn found(&self, counts: &BTreeMap<(&'static str, Action), usize>) {
        self.findings.clear();
        for ((rule, action), count) in counts {
            let action = action.as_str();
            self.findings
                .get_or_create(&FindingLabels { rule, action })
                .set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
    }

    /// An Event was written, or not.
    pub fn event(&self, outcome: Outcome) {
        let outcome = outcome.as_str();
        self.events.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// So many findings wait for their Event.
    pub fn waiting(&self, count: usize) {
        self.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}
