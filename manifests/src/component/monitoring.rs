//! `ServiceMonitor`, alerts and dashboard (webhook.md 15). Off by default: they need the Prometheus operator.

mod dashboard;

use serde_json::{Value, json};

use super::Edits;
use crate::object::{Part, namespaced, with};
use crate::{Options, names};

pub(crate) use dashboard::dashboard;

/// One name for all three objects.
const NAME: &str = "netdoctor";

pub(super) fn edits(options: &Options) -> Edits {
    let part = Part::Monitoring;
    let api = "monitoring.coreos.com/v1";
    let services = json!({
        "app.kubernetes.io/instance": names::APP,
        "app.kubernetes.io/name": names::APP,
    });
    let monitor = with(
        namespaced(options, api, "ServiceMonitor", NAME, part),
        json!({"spec": {
            "endpoints": [{"interval": "30s", "path": "/metrics", "port": "metrics", "scheme": "http"}],
            "namespaceSelector": {"matchNames": [options.namespace]},
            "selector": {"matchLabels": services},
        }}),
    );
    let alerts: Vec<Value> = ALERTS.iter().map(Alert::rule).collect();
    let rules = with(
        namespaced(options, api, "PrometheusRule", NAME, part),
        json!({"spec": {"groups": [{"name": NAME, "rules": alerts}]}}),
    );
    let text = serde_json::to_string_pretty(&dashboard()).unwrap_or_default();
    let mut board = with(
        namespaced(options, "v1", "ConfigMap", "netdoctor-dashboard", part),
        json!({"data": {"netdoctor.json": format!("{text}\n")}}),
    );
    // The sidecar of Grafana's chart looks for this label.
    board["metadata"]["labels"]["grafana_dashboard"] = "1".into();
    Edits {
        adds: vec![board, monitor, rules],
        ..Edits::default()
    }
}

/// An alert. Nobody is woken by a webhook that fails open; somebody has to see that it does.
struct Alert {
    name: &'static str,
    expression: &'static str,
    holds: &'static str,
    severity: &'static str,
    summary: &'static str,
    description: &'static str,
}

impl Alert {
    fn rule(&self) -> Value {
        json!({
            "alert": self.name,
            "expr": self.expression,
            "for": self.holds,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": self.description},
        })
    }
}

const ALERTS: [Alert; 9] = [
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
        name: "NetdoctorCacheStale",
        expression: "max by (kind) (netdoctor_cache_age_seconds) > 600",
        holds: "10m",
        severity: "warning",
        summary: "The netdoctor webhook lost sight of a kind",
        description: "Nothing was heard about {{ $labels.kind }} objects for {{ $value | humanizeDuration }}; rules that need them let everything through.",
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
        name: "NetdoctorFailsOpen",
        expression: "sum by (reason) (rate(netdoctor_admission_fail_open_total[5m])) > 0",
        holds: "10m",
        severity: "warning",
        summary: "The netdoctor webhook lets requests through unjudged",
        description: "Reason {{ $labels.reason }}, {{ $value | humanize }} requests per second for 10 minutes.",
    },
    Alert {
        name: "NetdoctorUnreachable",
        expression: "sum by (name) (rate(apiserver_admission_webhook_fail_open_count{name=~\"(validate|mutate)[.]netdoctor[.]io\"}[5m])) > 0",
        holds: "10m",
        severity: "warning",
        summary: "The API server cannot reach the netdoctor webhook",
        description: "Calls of {{ $labels.name }} fail and requests pass unjudged. See kubectl netdoctor webhook status.",
    },
    Alert {
        name: "NetdoctorHandshakesFail",
        expression: "sum by (reason) (rate(netdoctor_tls_handshake_failures_total[5m])) > 0.1",
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
        name: "NetdoctorConfigurationRefused",
        expression: "min(netdoctor_config_valid) == 0",
        holds: "5m",
        severity: "warning",
        summary: "The netdoctor webhook refuses its configuration",
        description: "The last good configuration stays in use. The log and kubectl netdoctor webhook status name the line.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The metrics of webhook.md 15, and the one of the API server.
    const METRICS: [&str; 17] = [
        "apiserver_admission_webhook_fail_open_count",
        "netdoctor_admission_duration_seconds_bucket",
        "netdoctor_admission_fail_open_total",
        "netdoctor_admission_in_flight",
        "netdoctor_admission_requests_total",
        "netdoctor_admission_rule_verdicts_total",
        "netdoctor_admission_shed_total",
        "netdoctor_cabundle_patch_failures_total",
        "netdoctor_cache_age_seconds",
        "netdoctor_cache_objects",
        "netdoctor_cache_synced",
        "netdoctor_cert_expiry_timestamp_seconds",
        "netdoctor_config_reload_failures_total",
        "netdoctor_config_valid",
        "netdoctor_panics_total",
        "netdoctor_tls_handshake_failures_total",
        "netdoctor_tls_reload_failures_total",
    ];

    fn expressions() -> Vec<String> {
        let mut all: Vec<String> = ALERTS
            .iter()
            .map(|alert| alert.expression.to_owned())
            .collect();
        let board = dashboard();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                all.push(target["expr"].as_str().unwrap().to_owned());
            }
        }
        all
    }

    #[test]
    fn expressions_ask_for_metrics_that_exist() {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        for expression in expressions() {
            let named: Vec<&str> = expression
                .split(|c| !word(c))
                .filter(|name| name.starts_with("netdoctor_") || name.starts_with("apiserver_"))
                .collect();
            assert!(!named.is_empty(), "{expression} asks for nothing");
            for name in named {
                assert!(METRICS.contains(&name), "{expression}: {name}");
            }
        }
    }

    #[test]
    fn brackets_close() {
        for expression in expressions() {
            let mut open = Vec::new();
            for character in expression.chars() {
                match character {
                    '(' | '[' | '{' => open.push(character),
                    ')' => assert_eq!(open.pop(), Some('('), "{expression}"),
                    ']' => assert_eq!(open.pop(), Some('['), "{expression}"),
                    '}' => assert_eq!(open.pop(), Some('{'), "{expression}"),
                    _ => {}
                }
            }
            assert!(open.is_empty(), "{expression}");
        }
    }
}
