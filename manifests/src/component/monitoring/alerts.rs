//! What somebody should hear of.
//!
//! Clusters differ in how often anything is applied. What counts single events therefore looks back for an hour: a rate over
//! five minutes would be zero again before anybody has heard of a dead webhook that is asked three times a day.

use serde_json::{Value, json};

/// An alert. Nobody is woken by a webhook that fails open; somebody has to see that it does.
pub(super) struct Alert {
    name: &'static str,
    pub(super) expression: &'static str,
    holds: &'static str,
    severity: &'static str,
    summary: &'static str,
    description: &'static str,
}

impl Alert {
    /// As the operator's `PrometheusRule` holds it.
    pub(super) fn rule(&self) -> Value {
        json!({
            "alert": self.name,
            "expr": self.expression,
            "for": self.holds,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": self.description},
        })
    }
}

pub(super) const ALERTS: [Alert; 14] = [
    Alert {
        name: "NetdoctorAdmissionSlow",
        expression: "histogram_quantile(0.99, sum by (le, webhook) (rate(netdoctor_admission_duration_seconds_bucket[5m]))) > 0.2",
        holds: "10m",
        severity: "warning",
        summary: "Admission by netdoctor is slow",
        description: "The slowest 1 % of the {{ $labels.webhook }} reviews take {{ $value | humanizeDuration }}; every change of a matched object waits for them.",
    },
    Alert {
        name: "NetdoctorCertificateExpiring",
        expression: "min by (certificate) (netdoctor_cert_expiry_timestamp_seconds) - time() < 7 * 24 * 3600",
        holds: "10m",
        severity: "critical",
        summary: "A certificate of the netdoctor webhook ends within 7 days",
        description: "The {{ $labels.certificate }} certificate ends in {{ $value | humanizeDuration }} and was not renewed. See kubectl netdoctor webhook status.",
    },
    Alert {
        name: "NetdoctorAbsent",
        expression: "absent(netdoctor_config_valid)",
        holds: "10m",
        severity: "warning",
        summary: "Nothing of the netdoctor webhook is heard of",
        description: "No replica is scraped. Where none runs, requests pass unjudged, or are refused under failurePolicy Fail. See kubectl netdoctor webhook status.",
    },
    Alert {
        name: "NetdoctorUnreachable",
        expression: "sum by (name) (increase(apiserver_admission_webhook_fail_open_count{name=~\"(validate|mutate)[.]netdoctor[.]io\"}[1h])) > 0",
        holds: "5m",
        severity: "warning",
        summary: "The API server could not reach the netdoctor webhook",
        description: "{{ $value | humanize }} calls of {{ $labels.name }} failed within an hour and their requests passed unjudged. See kubectl netdoctor webhook status.",
    },
    Alert {
        name: "NetdoctorRefusesUnjudged",
        expression: "sum by (name) (increase(apiserver_admission_webhook_rejection_count{name=~\"(validate|mutate)[.]netdoctor[.]io\", error_type=\"calling_webhook_error\"}[10m])) > 0",
        holds: "0m",
        severity: "critical",
        summary: "Changes are refused because the netdoctor webhook cannot be reached",
        description: "failurePolicy is Fail and calls of {{ $labels.name }} fail. The way out: kubectl netdoctor webhook disable.",
    },
    Alert {
        name: "NetdoctorFailsOpen",
        expression: "sum by (reason) (increase(netdoctor_admission_fail_open_total[1h])) > 0",
        holds: "10m",
        severity: "warning",
        summary: "The netdoctor webhook lets requests through unjudged",
        description: "Reason {{ $labels.reason }}, {{ $value | humanize }} requests within an hour.",
    },
    Alert {
        name: "NetdoctorCacheStale",
        expression: "max by (kind) (netdoctor_cache_age_seconds) > 600",
        holds: "10m",
        severity: "warning",
        summary: "The netdoctor webhook lost sight of a kind",
        description: "Nothing was heard about {{ $labels.kind }} objects for {{ $value | humanizeDuration }}; rules that need them let everything through.",
    },
    Alert {
        name: "NetdoctorCacheNotSynced",
        expression: "min by (kind) (netdoctor_cache_synced) == 0",
        holds: "15m",
        severity: "warning",
        summary: "The netdoctor webhook cannot read a kind",
        description: "{{ $labels.kind }} objects are not watched, by lack of a right or because the API server does not answer; rules that need them let everything through.",
    },
    Alert {
        name: "NetdoctorAuditStopped",
        expression: "time() - max(netdoctor_audit_last_pass_timestamp_seconds) > 3600",
        holds: "10m",
        severity: "warning",
        summary: "The background auditor of netdoctor does not look any more",
        description: "What only warned at admission, and what passed while the webhook was down, gets no Event. See the log of the auditor.",
    },
    Alert {
        name: "NetdoctorPanics",
        expression: "sum(increase(netdoctor_panics_total[15m])) > 0",
        holds: "0m",
        severity: "warning",
        summary: "The netdoctor webhook panicked",
        description: "A panic was caught and the request let through. Please report it with the log lines.",
    },
    Alert {
        name: "NetdoctorHandshakesFail",
        expression: "sum by (reason) (increase(netdoctor_tls_handshake_failures_total[1h])) > 20",
        holds: "10m",
        severity: "warning",
        summary: "TLS handshakes with the netdoctor webhook fail",
        description: "Reason {{ $labels.reason }}. The caBundle of the webhook configurations does not match the certificate, or something else dials the port.",
    },
    Alert {
        name: "NetdoctorCaBundleNotWritten",
        expression: "sum(increase(netdoctor_cabundle_patch_failures_total[15m])) > 0",
        holds: "15m",
        severity: "warning",
        summary: "The netdoctor webhook cannot write its caBundle",
        description: "The next rotation of its authority would cut it off. Look for a forbidden patch in its log.",
    },
    Alert {
        name: "NetdoctorWithoutLeader",
        expression: "max(netdoctor_leader) == 0",
        holds: "15m",
        severity: "warning",
        summary: "No replica of the netdoctor webhook may look after its certificates",
        description: "Nobody holds the Lease, so neither the authority nor the caBundle is written. Their log says why; rights to the Lease are the usual reason.",
    },
    Alert {
        name: "NetdoctorConfigurationRefused",
        expression: "min(netdoctor_config_valid) == 0",
        holds: "5m",
        severity: "warning",
        summary: "The netdoctor webhook refuses its configuration",
        description: "The last good configuration stays in use. An Event on the ConfigMap and the log name the line.",
    },
];
