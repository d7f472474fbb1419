//! Definitions of the kinds that operators bring: cert-manager's and those of the Prometheus operator.

use netdoctor_tests::ApiServer;
use serde_json::{Value, json};

const KINDS: [(&str, &str, &str, &str); 4] = [
    ("cert-manager.io", "v1", "Issuer", "issuers"),
    ("cert-manager.io", "v1", "Certificate", "certificates"),
    (
        "monitoring.coreos.com",
        "v1",
        "ServiceMonitor",
        "servicemonitors",
    ),
    (
        "monitoring.coreos.com",
        "v1",
        "PrometheusRule",
        "prometheusrules",
    ),
];

/// Installs them and waits until they are served.
pub(crate) fn install(server: &ApiServer) {
    for (group, version, kind, plural) in KINDS {
        server.apply(&definition(group, version, kind, plural).to_string());
        let name = format!("crd/{plural}.{group}");
        server
            .kubectl(&[
                "wait",
                "--for=condition=Established",
                "--timeout=60s",
                &name,
            ])
            .ok();
    }
}

fn definition(group: &str, version: &str, kind: &str, plural: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "names": {"kind": kind, "plural": plural},
            "scope": "Namespaced",
            "versions": [{
                "name": version,
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": true,
                }},
            }],
        },
    })
}
