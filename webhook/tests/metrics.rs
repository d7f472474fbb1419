//! What scrapers read: names, types, labels and histograms, by a parser that forgives nothing.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "metrics/parser.rs"]
mod parser;

use jiff::{SignedDuration, Timestamp};
use netdoctor_engine::model::Kind;
use netdoctor_webhook::{
    admit::{Decision, FailOpen, Operation, Outcome, Verdict},
    metrics::{Certificate, HandshakeFailure, Metrics, Webhook},
};
use parser::{Exposition, Type};
use std::{collections::BTreeSet, time::Duration};

/// The table of webhook.md 15, the two of the configuration, the cost of a view, the log, and the election.
const NAMES: [(&str, Type, &[&str]); 20] = [
    (
        "netdoctor_admission_requests_total",
        Type::Counter,
        &[
            "code",
            "decision",
            "dry_run",
            "kind",
            "operation",
            "webhook",
        ],
    ),
    (
        "netdoctor_admission_rule_verdicts_total",
        Type::Counter,
        &["rule", "verdict"],
    ),
    (
        "netdoctor_admission_duration_seconds",
        Type::Histogram,
        &["webhook"],
    ),
    ("netdoctor_admission_in_flight", Type::Gauge, &[]),
    ("netdoctor_admission_shed_total", Type::Counter, &[]),
    (
        "netdoctor_admission_fail_open_total",
        Type::Counter,
        &["reason"],
    ),
    ("netdoctor_panics_total", Type::Counter, &[]),
    ("netdoctor_cache_age_seconds", Type::Gauge, &["kind"]),
    ("netdoctor_cache_synced", Type::Gauge, &["kind"]),
    ("netdoctor_cache_objects", Type::Gauge, &["kind"]),
    ("netdoctor_cache_view_build_seconds", Type::Gauge, &[]),
    (
        "netdoctor_cert_expiry_timestamp_seconds",
        Type::Gauge,
        &["certificate"],
    ),
    (
        "netdoctor_cabundle_patch_failures_total",
        Type::Counter,
        &[],
    ),
    (
        "netdoctor_tls_handshake_failures_total",
        Type::Counter,
        &["reason"],
    ),
    ("netdoctor_tls_reload_failures_total", Type::Counter, &[]),
    ("netdoctor_config_valid", Type::Gauge, &[]),
    ("netdoctor_config_reload_failures_total", Type::Counter, &[]),
    ("netdoctor_log_lines_dropped_total", Type::Counter, &[]),
    ("netdoctor_leader", Type::Gauge, &[]),
    ("netdoctor_lease_failures_total", Type::Counter, &[]),
];

fn decision(verdict: Verdict) -> Decision {
    Decision {
        body: Vec::new(),
        verdict,
        operation: Operation::Create,
        kind: Some(Kind::Service),
        dry_run: true,
        rules: vec![("SVC004", Outcome::Deny), ("SVC006", Outcome::Ok)],
        fail_open: BTreeSet::new(),
        deferred: Vec::new(),
    }
}

/// Uses every method once or more.
fn used() -> Metrics {
    let metrics = Metrics::new();
    for (number, verdict) in [Verdict::Deny, Verdict::Deny, Verdict::Warn]
        .into_iter()
        .enumerate()
    {
        let took = Duration::from_micros(90 << (4 * number));
        metrics.decided(Webhook::Validate, &decision(verdict), took);
    }
    let reasons = [FailOpen::Panic, FailOpen::Shed, FailOpen::StaleCache];
    let open = Decision {
        fail_open: reasons.into_iter().collect(),
        kind: None,
        dry_run: false,
        ..decision(Verdict::FailOpen(FailOpen::Panic))
    };
    metrics.decided(Webhook::Mutate, &open, Duration::from_mins(1));
    metrics.refused(Webhook::Validate, 400, Duration::ZERO);
    metrics.panicked();
    metrics.cache_heard(Kind::Pod, "2026-11-28T08:00:00Z".parse().unwrap());
    metrics.cache_synced(Kind::Pod, true);
    metrics.cache_synced(Kind::Node, false);
    metrics.cache_objects(Kind::Pod, 10_000);
    // A custom resource that was taken away is not an old cache.
    metrics.cache_heard(Kind::Gateway, "2026-11-28T08:00:00Z".parse().unwrap());
    metrics.cache_synced(Kind::Gateway, true);
    metrics.cache_absent(Kind::Gateway);
    metrics.cache_view_built(Duration::from_millis(250));
    metrics.certificate_expires(
        Certificate::Ca,
        Timestamp::from_second(1_900_000_000).unwrap(),
    );
    metrics.certificate_expires(
        Certificate::Leaf,
        Timestamp::from_second(1_800_000_000).unwrap(),
    );
    metrics.bundle_failed();
    metrics.leads(true);
    metrics.election_failed();
    metrics.handshake_failed(HandshakeFailure::CertificateRefused);
    metrics.reload_failed();
    metrics.configuration_refused();
    metrics
}

fn now() -> Timestamp {
    "2026-11-28T08:01:30Z".parse().unwrap()
}

#[test]
fn the_table_is_what_is_exposed() {
    let exposition = Exposition::parse(&used().render(now())).unwrap();
    let exposed: BTreeSet<&str> = exposition.families.keys().map(String::as_str).collect();
    let table: BTreeSet<&str> = NAMES.iter().map(|(name, _, _)| *name).collect();
    assert_eq!(exposed, table);
    for (name, kind, labels) in NAMES {
        let family = &exposition.families[name];
        assert_eq!(family.kind, kind, "{name}");
        assert!(!family.samples.is_empty(), "{name} has no sample");
        for sample in &family.samples {
            let own: Vec<&str> = sample
                .labels
                .keys()
                .map(String::as_str)
                .filter(|l| *l != "le")
                .collect();
            assert_eq!(own, labels, "{name}");
        }
    }
}

#[test]
fn before_anything_happened_it_is_well_formed_too() {
    let exposition = Exposition::parse(&Metrics::new().render(now())).unwrap();
    for counted in [
        "netdoctor_admission_fail_open_total",
        "netdoctor_tls_handshake_failures_total",
    ] {
        let samples = &exposition.families[counted].samples;
        assert!(samples.len() > 5 && samples.iter().all(|sample| sample.value == 0.0));
    }
    assert_eq!(exposition.value("netdoctor_panics_total", &[]), Some(0.0));
    assert_eq!(exposition.value("netdoctor_config_valid", &[]), Some(1.0));
    assert_eq!(
        exposition.value("netdoctor_leader", &[]),
        None,
        "with certificates from files nobody has to lead"
    );
}

#[test]
fn what_happened_is_what_is_counted() {
    let metrics = used();
    let text = metrics.render(now());
    let exposition = Exposition::parse(&text).unwrap();
    let value = |name: &str, labels: &[(&str, &str)]| exposition.value(name, labels);
    let denied = [
        ("webhook", "validate"),
        ("operation", "CREATE"),
        ("kind", "Service"),
        ("decision", "deny"),
        ("code", "403"),
        ("dry_run", "true"),
    ];
    assert_eq!(
        value("netdoctor_admission_requests_total", &denied),
        Some(2.0)
    );
    let of_rule = [("rule", "SVC004"), ("verdict", "deny")];
    assert_eq!(
        value("netdoctor_admission_rule_verdicts_total", &of_rule),
        Some(4.0)
    );
    assert_eq!(value("netdoctor_admission_shed_total", &[]), Some(1.0));
    assert_eq!(value("netdoctor_panics_total", &[]), Some(2.0));
    assert_eq!(value("netdoctor_leader", &[]), Some(1.0));
    assert_eq!(value("netdoctor_lease_failures_total", &[]), Some(1.0));
    assert_eq!(
        value(
            "netdoctor_admission_fail_open_total",
            &[("reason", "stale-cache")]
        ),
        Some(1.0)
    );
    assert_eq!(
        value("netdoctor_cache_age_seconds", &[("kind", "Pod")]),
        Some(90.0)
    );
    assert_eq!(
        value("netdoctor_cache_synced", &[("kind", "Node")]),
        Some(0.0)
    );
    for gauge in ["netdoctor_cache_synced", "netdoctor_cache_age_seconds"] {
        assert_eq!(value(gauge, &[("kind", "Gateway")]), None, "{gauge}");
    }
    assert_eq!(value("netdoctor_cache_view_build_seconds", &[]), Some(0.25));
    let ca = [("certificate", "ca")];
    assert_eq!(
        value("netdoctor_cert_expiry_timestamp_seconds", &ca),
        Some(1_900_000_000.0)
    );
    assert_eq!(value("netdoctor_config_valid", &[]), Some(0.0));
    let guard = metrics.in_flight();
    assert!(
        metrics
            .render(now())
            .contains("netdoctor_admission_in_flight 1\n")
    );
    drop(guard);
    assert!(
        metrics
            .render(now())
            .contains("netdoctor_admission_in_flight 0\n")
    );
    metrics.configuration_loaded();
    assert!(metrics.render(now()).contains("netdoctor_config_valid 1\n"));
}

#[test]
fn an_age_is_never_negative() {
    let earlier = now().checked_sub(SignedDuration::from_hours(2)).unwrap();
    let exposition = Exposition::parse(&used().render(earlier)).unwrap();
    assert_eq!(
        exposition.value("netdoctor_cache_age_seconds", &[("kind", "Pod")]),
        Some(0.0)
    );
}

#[test]
fn the_histogram_begins_below_a_millisecond() {
    let exposition = Exposition::parse(&used().render(now())).unwrap();
    let bucket = |le: &str| {
        let labels = [("webhook", "validate"), ("le", le)];
        exposition.value("netdoctor_admission_duration_seconds_bucket", &labels)
    };
    // Zero and 90 µs; 1.44 ms; 23 ms.
    assert_eq!(bucket("0.0001"), Some(2.0));
    assert_eq!(bucket("0.0025"), Some(3.0));
    assert_eq!(bucket("+Inf"), Some(4.0));
}

#[test]
fn the_parser_forgives_nothing() {
    let good = "# HELP a_total Help.\n# TYPE a_total counter\na_total{b=\"c\\\"\\\\\\n\"} 1\n";
    let parsed = Exposition::parse(good).unwrap();
    assert_eq!(parsed.value("a_total", &[("b", "c\"\\\n")]), Some(1.0));
    for bad in [
        "a 1",
        "a 1\n",
        "# TYPE a counter\na 1\n",
        "# HELP a Help.\n# TYPE a counter\na 1\n",
        "# HELP a_total Help.\n# TYPE a_total counter\na_total -1\n",
        "# HELP a Help.\n# TYPE a gauge\na 1\na 1\n",
        "# HELP a Help.\n# TYPE a gauge\na{b=\"c} 1\n",
        "# HELP a Help.\n# TYPE a gauge\na{b=\"\\x\"} 1\n",
        "# HELP a Help.\n# TYPE a gauge\na{b=\"1\",b=\"2\"} 1\n",
        "# HELP a Help.\n# TYPE a gauge\na{1b=\"c\"} 1\n",
        "# HELP a Help.\n# TYPE a gauge\nb 1\n",
        "# HELP a Help.\n# TYPE a gauge\na one\n",
        "# HELP a Help.\n# TYPE a gauge\n\na 1\n",
        "# HELP a-b Help.\n# TYPE a-b gauge\na-b 1\n",
        "# HELP a Help.\n# TYPE a gauge\n# EOF\n",
        "# HELP a Help.\n# TYPE a histogram\na_bucket{le=\"1\"} 1\na_sum 1\na_count 1\n",
        "# HELP a Help.\n# TYPE a histogram\na_bucket{le=\"1\"} 2\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
        "# HELP a Help.\n# TYPE a histogram\na_bucket{le=\"2\"} 0\na_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 1\n",
        "# HELP a Help.\n# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_sum 1\na_count 2\n",
        "# HELP a Help.\n# TYPE a histogram\na_bucket{le=\"+Inf\"} 1\na_count 1\n",
    ] {
        assert!(Exposition::parse(bad).is_err(), "{bad}");
    }
}
