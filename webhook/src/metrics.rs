//! What the webhook counts, in the text format of Prometheus (webhook.md 15).
//!
//! Every label has few values, all of them known beforehand: names of objects and namespaces are never labels, and a
//! kind that no rule knows counts as `other`. Whoever can reach the port cannot make the answer grow.

use crate::{
    admit::{Decision, FailOpen, Verdict},
    logging,
};
use jiff::Timestamp;
use netdoctor_engine::model::Kind;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, atomic::AtomicU64},
    time::Duration,
};

pub mod audit;
mod labels;
mod text;

pub use labels::{Certificate, HandshakeFailure, Webhook};
use labels::{CertificateLabel, KindLabel, ReasonLabel, RequestLabels, RuleLabels, WebhookLabel};

/// Media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds in seconds, from 100 µs up to the longest time that the API server waits by default.
const DURATIONS: [f64; 16] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0,
    5.0, 10.0,
];

/// Of a metric that has no labels, and is absent where it says nothing.
type NoLabel = [(&'static str, &'static str); 0];

/// Every reason to let something through unjudged.
const FAIL_OPEN: [FailOpen; 6] = [
    FailOpen::Panic,
    FailOpen::UnsyncedCache,
    FailOpen::StaleCache,
    FailOpen::UnknownKind,
    FailOpen::Deadline,
    FailOpen::Shed,
];

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    rules: Family<RuleLabels, Counter>,
    durations: Family<WebhookLabel, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    shed: Counter,
    fail_open: Family<ReasonLabel, Counter>,
    panics: Counter,
    cache_age: Family<KindLabel, Gauge>,
    cache_synced: Family<KindLabel, Gauge>,
    cache_objects: Family<KindLabel, Gauge>,
    view_build: Gauge<f64, AtomicU64>,
    certificate_expiry: Family<CertificateLabel, Gauge>,
    bundle_failures: Counter,
    handshake_failures: Family<ReasonLabel, Counter>,
    reload_failures: Counter,
    configuration_valid: Gauge,
    configuration_failures: Counter,
    lines_dropped: Counter,
    leader: Family<NoLabel, Gauge>,
    election_failures: Counter,
    /// When each kind was last heard of: its age is worked out when somebody asks.
    heard: Mutex<BTreeMap<Kind, Timestamp>>,
    /// What only the auditor counts: shown by [`Metrics::of_auditor`].
    pub audit: audit::Audit,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("netdoctor"),
            requests: Family::default(),
            rules: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATIONS)),
            in_flight: Gauge::default(),
            shed: Counter::default(),
            fail_open: Family::default(),
            panics: Counter::default(),
            cache_age: Family::default(),
            cache_synced: Family::default(),
            cache_objects: Family::default(),
            view_build: Gauge::default(),
            certificate_expiry: Family::default(),
            bundle_failures: Counter::default(),
            handshake_failures: Family::default(),
            reload_failures: Counter::default(),
            configuration_valid: Gauge::default(),
            configuration_failures: Counter::default(),
            lines_dropped: logging::dropped(),
            leader: Family::default(),
            election_failures: Counter::default(),
            heard: Mutex::default(),
            audit: audit::Audit::default(),
        };
        metrics.register_admission();
        metrics.register_operation();
        metrics.configuration_valid.set(1);
        metrics.begin_at_zero();
        metrics
    }

    /// A series that begins with its first event has no increase that an alert could see.
    fn begin_at_zero(&self) {
        for reason in FAIL_OPEN.map(FailOpen::as_str) {
            drop(self.fail_open.get_or_create(&ReasonLabel { reason }));
        }
        for reason in HandshakeFailure::ALL.map(HandshakeFailure::as_str) {
            drop(
                self.handshake_failures
                    .get_or_create(&ReasonLabel { reason }),
            );
        }
        for webhook in [Webhook::Validate, Webhook::Mutate].map(Webhook::as_str) {
            drop(self.durations.get_or_create(&WebhookLabel { webhook }));
        }
    }

    /// The same with what only the auditor counts.
    pub fn of_auditor() -> Self {
        let mut metrics = Self::new();
        metrics.audit.register(&mut metrics.registry);
        metrics
    }

    #[rustfmt::skip]
    fn register_admission(&mut self) {
        let registry = &mut self.registry;
        registry.register("admission_requests", "Reviews answered, by what was asked and what the answer was", self.requests.clone());
        registry.register("admission_rule_verdicts", "What became of each rule that was asked", self.rules.clone());
        registry.register("admission_duration_seconds", "Time from the head of a request to its answer", self.durations.clone());
        registry.register("admission_in_flight", "Reviews being read, waiting or judged", self.in_flight.clone());
        registry.register("admission_shed", "Reviews let through unjudged because there were too many", self.shed.clone());
        registry.register("admission_fail_open", "Reviews let through without having been judged completely", self.fail_open.clone());
        registry.register("panics", "Panics caught while judging", self.panics.clone());
    }

    #[rustfmt::skip]
    fn register_operation(&mut self) {
        let registry = &mut self.registry;
        registry.register("cache_age_seconds", "Time since the API server was last heard about a kind", self.cache_age.clone());
        registry.register("cache_synced", "Whether a kind has been listed and its watch is alive", self.cache_synced.clone());
        registry.register("cache_objects", "Objects cached", self.cache_objects.clone());
        registry.register("cache_view_build_seconds", "How long the newest view of the cluster took to make", self.view_build.clone());
        registry.register("cert_expiry_timestamp_seconds", "When the certificate in use ends, in seconds since 1970", self.certificate_expiry.clone());
        registry.register("cabundle_patch_failures", "Failed attempts to write the caBundle of a webhook configuration", self.bundle_failures.clone());
        registry.register("tls_handshake_failures", "Connections that never carried a request", self.handshake_failures.clone());
        registry.register("tls_reload_failures", "Certificates that were there but could not be used", self.reload_failures.clone());
        registry.register("config_valid", "Whether the configuration in use is the one that is written down", self.configuration_valid.clone());
        registry.register("config_reload_failures", "Configurations that were refused while the last good one stayed", self.configuration_failures.clone());
        registry.register("log_lines_dropped", "Lines of the log that nobody took in time", self.lines_dropped.clone());
        registry.register("leader", "Whether this replica keeps the authority and the caBundle; absent where nobody has to", self.leader.clone());
        registry.register("lease_failures", "Times that the Lease could not be read or written: without it nobody is the leader", self.election_failures.clone());
    }

    /// Counts one review that was answered with a decision.
    pub fn decided(&self, webhook: Webhook, decision: &Decision, took: Duration) {
        let code = if decision.verdict == Verdict::Deny {
            403
        } else {
            200
        };
        self.count(
            &RequestLabels {
                webhook: webhook.as_str(),
                operation: decision.operation.as_str(),
                kind: decision.kind.map_or("other", Kind::name),
                decision: decision.verdict.as_str(),
                code,
                dry_run: if decision.dry_run { "true" } else { "false" },
            },
            took,
        );
        for (rule, outcome) in &decision.rules {
            let verdict = outcome.as_str();
            self.rules
                .get_or_create(&RuleLabels { rule, verdict })
                .inc();
        }
        for reason in &decision.fail_open {
            self.fail_open
                .get_or_create(&ReasonLabel {
                    reason: reason.as_str(),
                })
                .inc();
            match reason {
                FailOpen::Shed => _ = self.shed.inc(),
                FailOpen::Panic => _ = self.panics.inc(),
                FailOpen::UnsyncedCache
                | FailOpen::StaleCache
                | FailOpen::UnknownKind
                | FailOpen::Deadline => {}
            }
        }
    }

    /// Counts a request that was answered with an HTTP error, so that `failurePolicy` decides.
    pub fn refused(&self, webhook: Webhook, code: u16, took: Duration) {
        self.count(
            &RequestLabels {
                webhook: webhook.as_str(),
                operation: "OTHER",
                kind: "other",
                decision: "error",
                code,
                dry_run: "false",
            },
            took,
        );
    }

    fn count(&self, labels: &RequestLabels, took: Duration) {
        let webhook = labels.webhook;
        self.durations
            .get_or_create(&WebhookLabel { webhook })
            .observe(took.as_secs_f64());
        self.requests.get_or_create(labels).inc();
    }

    /// Counts a review as in flight until the guard is dropped.
    pub fn in_flight(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    /// A panic that no decision tells about.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// The API server was heard about a kind.
    pub fn cache_heard(&self, kind: Kind, at: Timestamp) {
        let mut heard = self
            .heard
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        heard.insert(kind, at);
    }

    /// Whether a kind has been listed and its watch is alive.
    pub fn cache_synced(&self, kind: Kind, synced: bool) {
        self.cache_synced
            .get_or_create(&KindLabel::of(kind))
            .set(i64::from(synced));
    }

    /// The API server does not have a kind, or no rule needs it. That is no trouble, so nothing is said about its cache any more: neither that
    /// it is not in sync, nor how old it gets.
    pub fn cache_absent(&self, kind: Kind) {
        let label = KindLabel::of(kind);
        self.heard
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .remove(&kind);
        for gauges in [&self.cache_age, &self.cache_synced, &self.cache_objects] {
            gauges.remove(&label);
        }
    }

    /// How many objects of a kind are cached.
    pub fn cache_objects(&self, kind: Kind, objects: usize) {
        self.cache_objects
            .get_or_create(&KindLabel::of(kind))
            .set(i64::try_from(objects).unwrap_or(i64::MAX));
    }

    /// How long the newest view of the cluster took to make.
    pub fn cache_view_built(&self, took: Duration) {
        self.view_build.set(took.as_secs_f64());
    }

    /// When a certificate ends.
    pub fn certificate_expires(&self, certificate: Certificate, at: Timestamp) {
        let certificate = match certificate {
            Certificate::Ca => "ca",
            Certificate::Leaf => "leaf",
        };
        self.certificate_expiry
            .get_or_create(&CertificateLabel { certificate })
            .set(at.as_second());
    }

    /// A caBundle could not be written.
    pub fn bundle_failed(&self) {
        self.bundle_failures.inc();
    }

    /// Whether this replica is the leader.
    pub fn leads(&self, leads: bool) {
        self.leader.get_or_create(&[]).set(i64::from(leads));
    }

    /// Nothing is known about the Lease.
    pub fn election_failed(&self) {
        self.election_failures.inc();
    }

    /// A connection never carried a request.
    pub fn handshake_failed(&self, failure: HandshakeFailure) {
        let reason = failure.as_str();
        self.handshake_failures
            .get_or_create(&ReasonLabel { reason })
            .inc();
    }

    /// A certificate that was there could not be used.
    pub fn reload_failed(&self) {
        self.reload_failures.inc();
    }

    /// The configuration that is written down is in use.
    pub fn configuration_loaded(&self) {
        self.configuration_valid.set(1);
    }

    /// The configuration that is written down was refused; the last good one stays in use.
    pub fn configuration_refused(&self) {
        self.configuration_valid.set(0);
        self.configuration_failures.inc();
    }

    /// Everything, in the text format of Prometheus.
    pub fn render(&self, now: Timestamp) -> String {
        let heard = self
            .heard
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        for (kind, at) in heard {
            // A clock that was set back must not give a negative age.
            let age = now.duration_since(at).as_secs().max(0);
            self.cache_age.get_or_create(&KindLabel::of(kind)).set(age);
        }
        text::render(&self.registry)
    }
}

/// A review in flight.
#[derive(Debug)]
pub struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
