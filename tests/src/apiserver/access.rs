//! Users with few rights.

use std::path::PathBuf;

use netdoctor_lab::kubeconfig::{Credentials, Kubeconfig};
use serde_json::{Value, json};

use super::ApiServer;
use crate::rest;

/// What a user may do, as the `rules` of a role: a YAML list of `{apiGroups, resources, verbs}`. Empty means nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules<'a> {
    /// In the whole cluster, through a `ClusterRole`.
    pub cluster: &'a str,
    /// In the namespace of the service account, through a Role.
    pub namespace: &'a str,
}

impl ApiServer {
    /// The kubeconfig of a service account that may do exactly this (and what every account may: discovery, reviews of
    /// itself). Returns when the server has taken the rules in.
    pub fn kubeconfig_for_service_account(
        &self,
        namespace: &str,
        name: &str,
        rules: &Rules<'_>,
    ) -> PathBuf {
        let token = self.token_for_service_account(namespace, name, rules);
        self.kubeconfig_for_token(namespace, &token)
    }

    /// The same, only the token: for a kubeconfig that leads through a proxy.
    pub fn token_for_service_account(
        &self,
        namespace: &str,
        name: &str,
        rules: &Rules<'_>,
    ) -> String {
        let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        self.create(
            &account,
            &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
        );
        let request =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let answer = self
            .must(self.rest.post(&format!("{account}/{name}/token"), &request))
            .ok()
            .json();
        let token = answer["status"]["token"]
            .as_str()
            .unwrap_or_else(|| panic!("no token in {answer}"))
            .to_owned();

        let cluster_role = format!("{namespace}:{name}");
        self.bind(
            &Bind {
                role: &cluster_role,
                rules: rules.cluster,
                namespace,
                name,
                everywhere: true,
            },
            &token,
        );
        self.bind(
            &Bind {
                role: name,
                rules: rules.namespace,
                namespace,
                name,
                everywhere: false,
            },
            &token,
        );
        token
    }

    /// A kubeconfig with a bearer token, straight to the server.
    pub fn kubeconfig_for_token(&self, namespace: &str, token: &str) -> PathBuf {
        let server = format!("https://{}", self.rest.endpoint().authority());
        let authority = self.server_authority_file();
        let credentials = Credentials::Token(token);
        Kubeconfig {
            server: &server,
            authority: &authority,
            credentials,
            namespace,
        }
        .write(self.new_file("user"))
    }

    fn bind(&self, bind: &Bind<'_>, token: &str) {
        let Bind {
            role,
            rules,
            namespace,
            name,
            everywhere,
        } = *bind;
        if rules.trim().is_empty() {
            return;
        }
        let rules: Value = serde_saphyr::from_str(rules)
            .unwrap_or_else(|error| panic!("the rules of {role} are no YAML: {error}"));
        let group = "rbac.authorization.k8s.io";
        let (prefix, kind, path) = if everywhere {
            ("cluster", "ClusterRole", format!("/apis/{group}/v1"))
        } else {
            (
                "",
                "Role",
                format!("/apis/{group}/v1/namespaces/{namespace}"),
            )
        };
        let metadata = json!({"name": role});
        self.create(
            &format!("{path}/{prefix}roles"),
            &json!({"apiVersion": format!("{group}/v1"), "kind": kind, "metadata": metadata, "rules": rules}),
        );
        self.create(
            &format!("{path}/{prefix}rolebindings"),
            &json!({
                "apiVersion": format!("{group}/v1"),
                "kind": format!("{kind}Binding"),
                "metadata": metadata,
                "roleRef": {"apiGroup": group, "kind": kind, "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            }),
        );

        let Some(attributes) = attributes(&rules, (!everywhere).then_some(namespace)) else {
            return;
        };
        let user = self.rest.with_token(token);
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        });
        self.wait_until(&format!("the rules of {role}"), || {
            user.post(
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                &review,
            )
            .is_ok_and(|answer| answer.status == 201 && answer.json()["status"]["allowed"] == true)
        });
    }

    /// Creates an object that may be there from an earlier run against the same cluster.
    fn create(&self, path: &str, object: &Value) {
        let answer = self.must(self.rest.post(path, object));
        if !rest::is_conflict(&answer) {
            answer.ok();
        }
    }
}

struct Bind<'a> {
    role: &'a str,
    rules: &'a str,
    namespace: &'a str,
    name: &'a str,
    everywhere: bool,
}

/// The question whether the last rule is in force: roles are taken in as a whole.
fn attributes(rules: &Value, namespace: Option<&str>) -> Option<Value> {
    let rule = rules.as_array()?.last()?;
    let first = |field: &str| rule[field][0].as_str();
    let (resource, subresource) = match first("resources")?.split_once('/') {
        Some((resource, subresource)) => (resource, subresource),
        None => (first("resources")?, ""),
    };
    Some(json!({
        "group": first("apiGroups")?,
        "resource": resource,
        "subresource": subresource,
        "verb": first("verbs")?,
        "namespace": namespace.unwrap_or_default(),
    }))
}
