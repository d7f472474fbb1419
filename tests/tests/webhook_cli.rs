//! `kubectl netdoctor webhook` as its user meets it, on a real API server.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "webhook_cli/certificates.rs"]
mod certificates;
#[path = "webhook_cli/install.rs"]
mod install;
#[path = "webhook_cli/policies.rs"]
mod policies;
#[path = "webhook_cli/printed.rs"]
mod printed;
#[path = "webhook_cli/removal.rs"]
mod removal;
#[path = "webhook_cli/unanswered.rs"]
mod unanswered;

use std::path::Path;

use netdoctor_manifests::{Options, names, render, yaml};
use netdoctor_tests::ApiServer;
use netdoctor_tests::cmd::{self, netdoctor};
use serde_json::Value;

fn webhook(kubeconfig: &Path, arguments: &[&str]) -> cmd::Output {
    netdoctor()
        .kubeconfig(kubeconfig)
        .args([&["webhook"], arguments].concat())
        .run()
}

/// Objects of ours that are in the cluster, as kubectl names them.
fn ours(server: &ApiServer) -> Vec<String> {
    let kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations,validatingadmissionpolicies,\
                 validatingadmissionpolicybindings,clusterroles,clusterrolebindings,deployments,services,configmaps,\
                 serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,resourcequotas,namespaces";
    let selector = format!("app.kubernetes.io/name={}", names::APP);
    let list = server.kubectl(&["get", kinds, "-A", "-l", &selector, "-o", "name"]);
    list.ok().stdout.lines().map(str::to_owned).collect()
}

/// Everything of an installation with these options, as somebody has applied it who does without the plugin.
fn applied(server: &ApiServer, options: &Options) {
    server.apply(&yaml::stream(&render(options)));
}

/// The one entry of the validating configuration.
fn validating(server: &ApiServer) -> Value {
    let kind = "validatingwebhookconfiguration";
    let found = server.kubectl(&["get", kind, names::VALIDATING, "-o", "json"]);
    found.ok().json()["webhooks"][0].clone()
}

/// The namespaces that a webhook or a binding is limited to by name.
fn only(holder: &Value) -> Value {
    let expressions = holder["namespaceSelector"]["matchExpressions"].as_array();
    let mut expressions = expressions.into_iter().flatten();
    let only = expressions.find(|expression| {
        expression["key"] == "kubernetes.io/metadata.name" && expression["operator"] == "In"
    });
    only.map_or(Value::Null, |only| only["values"].clone())
}

/// A text must be in what was said.
#[track_caller]
fn said(text: &str, words: &str) {
    assert!(text.contains(words), "`{words}` is not in\n{text}");
}
