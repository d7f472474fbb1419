//! The accounts of the manifests, with exactly the rights that an installation gives them.

use netdoctor_manifests::{Options, names, render};
use netdoctor_tests::ApiServer;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Namespace, accounts, roles and bindings of the manifests.
pub(crate) fn install(server: &ApiServer) {
    let kinds = [
        "Namespace",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
    ];
    let items: Vec<Value> = render(&Options::default())
        .into_iter()
        .filter(|object| kinds.iter().any(|kind| object["kind"] == *kind))
        .collect();
    assert!(items.len() > kinds.len(), "the manifests lack something");
    server.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string());
}

/// The kubeconfig of one of them.
pub(crate) fn kubeconfig(server: &ApiServer, account: &str) -> PathBuf {
    let path = format!(
        "/api/v1/namespaces/{}/serviceaccounts/{account}/token",
        names::NAMESPACE
    );
    let request =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    let answer = server.rest().post(&path, &request).expect("an answer").ok();
    let answer = answer.json();
    let token = answer["status"]["token"].as_str().expect("a token");
    server.kubeconfig_for_token(names::NAMESPACE, token)
}

/// The configuration as a `ConfigMap`.
pub(crate) fn configuration(text: &str) -> String {
    let metadata = json!({"name": names::CONFIG_MAP, "namespace": names::NAMESPACE});
    let data = json!({names::CONFIG_KEY: text});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}).to_string()
}
