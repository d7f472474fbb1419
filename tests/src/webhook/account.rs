//! The accounts of the manifests, with exactly the rights that an installation gives them.

use std::path::PathBuf;

use netdoctor_manifests::{Options, names, render};
use serde_json::{Value, json};

use crate::ApiServer;

/// Namespace, accounts, roles and bindings of the manifests.
pub fn install(server: &ApiServer) {
    install_with(server, &Options::default());
}

/// The same for an installation that was made with other options.
pub fn install_with(server: &ApiServer, options: &Options) {
    let kinds = [
        "Namespace",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
    ];
    let items: Vec<Value> = render(options)
        .into_iter()
        .filter(|object| kinds.iter().any(|kind| object["kind"] == *kind))
        .collect();
    assert!(items.len() > kinds.len(), "the manifests lack something");
    server.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string());
}

/// The kubeconfig of one of them.
pub fn kubeconfig(server: &ApiServer, account: &str) -> PathBuf {
    let path = format!(
        "/api/v1/namespaces/{}/serviceaccounts/{account}/token",
        names::NAMESPACE
    );
    let request =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let answer = server.rest().post(&path, &request);
    let answer = answer.unwrap_or_else(|error| panic!("asking for a token: {error}"));
    let answer = answer.ok().json();
    let token = answer["status"]["token"].as_str();
    let token = token.unwrap_or_else(|| panic!("no token in {answer}"));
    server.kubeconfig_for_token(names::NAMESPACE, token)
}

/// The configuration as a `ConfigMap`.
pub fn configuration(text: &str) -> String {
    let metadata = json!({"name": names::CONFIG_MAP, "namespace": names::NAMESPACE});
    let data = json!({names::CONFIG_KEY: text});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}).to_string()
}
