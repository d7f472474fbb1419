//! The dashboard, as Grafana stores it.

use serde_json::{Value, json};

/// A panel: title, unit, what it draws and how each line is called.
struct Panel {
    title: &'static str,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
}

const PANELS: [Panel; 11] = [
    Panel {
        title: "Reviews by decision",
        unit: "reqps",
        queries: &[(
            "sum by (decision) (rate(netdoctor_admission_requests_total[$__rate_interval]))",
            "{{decision}}",
        )],
    },
    Panel {
        title: "Duration of a review",
        unit: "s",
        queries: &[
            (
                "histogram_quantile(0.5, sum by (le, webhook) (rate(netdoctor_admission_duration_seconds_bucket[$__rate_interval])))",
                "{{webhook}} p50",
            ),
            (
                "histogram_quantile(0.99, sum by (le, webhook) (rate(netdoctor_admission_duration_seconds_bucket[$__rate_interval])))",
                "{{webhook}} p99",
            ),
        ],
    },
    Panel {
        title: "Violated rules",
        unit: "reqps",
        queries: &[(
            "topk(10, sum by (rule, verdict) (rate(netdoctor_admission_rule_verdicts_total{verdict=~\"warn|deny|audit\"}[$__rate_interval])))",
            "{{rule}} {{verdict}}",
        )],
    },
    Panel {
        title: "Let through unjudged",
        unit: "reqps",
        queries: &[
            (
                "sum by (reason) (rate(netdoctor_admission_fail_open_total[$__rate_interval]))",
                "{{reason}}",
            ),
            (
                "sum by (name) (rate(apiserver_admission_webhook_fail_open_count{name=~\"(validate|mutate)[.]netdoctor[.]io\"}[$__rate_interval]))",
                "{{name}} not reached",
            ),
        ],
    },
    Panel {
        title: "In flight",
        unit: "short",
        queries: &[("sum by (pod) (netdoctor_admission_in_flight)", "{{pod}}")],
    },
    Panel {
        title: "Shed and panicked",
        unit: "short",
        queries: &[
            (
                "sum(increase(netdoctor_admission_shed_total[$__rate_interval]))",
                "shed",
            ),
            (
                "sum(increase(netdoctor_panics_total[$__rate_interval]))",
                "panics",
            ),
        ],
    },
    Panel {
        title: "Cached objects",
        unit: "short",
        queries: &[("max by (kind) (netdoctor_cache_objects)", "{{kind}}")],
    },
    Panel {
        title: "Age of the cache",
        unit: "s",
        queries: &[("max by (kind) (netdoctor_cache_age_seconds)", "{{kind}}")],
    },
    Panel {
        title: "Kinds out of sync",
        unit: "short",
        queries: &[(
            "sum by (kind) (netdoctor_cache_synced == bool 0)",
            "{{kind}}",
        )],
    },
    Panel {
        title: "Certificates end in",
        unit: "s",
        queries: &[(
            "min by (certificate) (netdoctor_cert_expiry_timestamp_seconds) - time()",
            "{{certificate}}",
        )],
    },
    Panel {
        title: "Troubles with TLS and configuration",
        unit: "short",
        queries: &[
            (
                "sum by (reason) (increase(netdoctor_tls_handshake_failures_total[$__rate_interval]))",
                "handshake: {{reason}}",
            ),
            (
                "sum(increase(netdoctor_tls_reload_failures_total[$__rate_interval]))",
                "certificate not loaded",
            ),
            (
                "sum(increase(netdoctor_cabundle_patch_failures_total[$__rate_interval]))",
                "caBundle not written",
            ),
            (
                "sum(increase(netdoctor_config_reload_failures_total[$__rate_interval]))",
                "configuration refused",
            ),
        ],
    },
];

/// Columns of the grid, of which a panel takes half.
const WIDTH: usize = 24;
const HEIGHT: usize = 8;

/// The dashboard. The data source is asked for when it is imported.
pub(crate) fn dashboard() -> Value {
    let panels: Vec<Value> = PANELS
        .iter()
        .enumerate()
        .map(|(index, panel)| panel.json(index))
        .collect();
    json!({
        "description": "The admission webhook of kubectl netdoctor",
        "editable": true,
        "panels": panels,
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": ["kubernetes", "netdoctor"],
        "templating": {"list": [{
            "current": {},
            "hide": 0,
            "label": "Data source",
            "name": "datasource",
            "query": "prometheus",
            "refresh": 1,
            "type": "datasource",
        }]},
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "title": "netdoctor webhook",
        "uid": "netdoctor-webhook",
        "version": 1,
    })
}

impl Panel {
    fn json(&self, index: usize) -> Value {
        let source = json!({"type": "prometheus", "uid": "${datasource}"});
        let targets: Vec<Value> = self
            .queries
            .iter()
            .zip('A'..)
            .map(|((query, legend), letter)| {
                json!({
                    "datasource": source,
                    "expr": query,
                    "legendFormat": legend,
                    "refId": letter.to_string(),
                })
            })
            .collect();
        json!({
            "datasource": source,
            "fieldConfig": {"defaults": {"custom": {"fillOpacity": 10}, "unit": self.unit}, "overrides": []},
            "gridPos": {
                "h": HEIGHT,
                "w": WIDTH / 2,
                "x": index % 2 * (WIDTH / 2),
                "y": index / 2 * HEIGHT,
            },
            "id": index + 1,
            "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
            "targets": targets,
            "title": self.title,
            "type": "timeseries",
        })
    }
}
