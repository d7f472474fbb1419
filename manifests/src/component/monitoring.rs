//! `ServiceMonitor`, alerts and dashboard (webhook.md 15). Off by default: they need the Prometheus operator.

mod alerts;
mod dashboard;

use serde_json::{Value, json};

use super::Edits;
use crate::object::{Part, namespaced, with};
use crate::{Options, names};

pub(crate) use dashboard::dashboard;

use alerts::{ALERTS, Alert};

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

#[cfg(test)]
mod tests {
    use super::*;

    /// The metrics of webhook.md 15, and those of the API server.
    const METRICS: [&str; 22] = [
        "apiserver_admission_webhook_fail_open_count",
        "apiserver_admission_webhook_rejection_count",
        "netdoctor_admission_duration_seconds_bucket",
        "netdoctor_admission_fail_open_total",
        "netdoctor_admission_in_flight",
        "netdoctor_admission_requests_total",
        "netdoctor_admission_rule_verdicts_total",
        "netdoctor_admission_shed_total",
        "netdoctor_audit_last_pass_timestamp_seconds",
        "netdoctor_cabundle_patch_failures_total",
        "netdoctor_cache_age_seconds",
        "netdoctor_cache_objects",
        "netdoctor_cache_synced",
        "netdoctor_cert_expiry_timestamp_seconds",
        "netdoctor_config_reload_failures_total",
        "netdoctor_config_valid",
        "netdoctor_leader",
        "netdoctor_lease_failures_total",
        "netdoctor_log_lines_dropped_total",
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
