//! What else lives in the namespace of the webhook: whoever put it there would miss it.

use std::collections::BTreeSet;

use netdoctor_manifests::names;
use serde_json::Value;

use super::super::inventory::Found;
use super::super::object::{self, text};
use crate::cluster::{ApiError, Cluster};

/// Kinds that others write about what is there, and that nobody keeps anything in.
const INCIDENTAL: [&str; 4] = ["Endpoints", "EndpointSlice", "Event", "Lease"];

/// A group whose objects are measured and not stored.
const MEASURED: &str = "metrics.k8s.io/";

/// A kind that can be listed in a namespace.
struct Listed {
    api_version: String,
    kind: String,
    resource: String,
}

/// The first object in the namespace that is not ours, of whatever kind the API server knows.
pub(super) async fn stranger(
    cluster: &Cluster,
    namespace: &str,
    ours: &[Found],
) -> Result<Option<String>, ApiError> {
    for listed in kinds(cluster).await? {
        let Listed {
            api_version,
            kind,
            resource,
        } = &listed;
        let path = format!(
            "{}/namespaces/{namespace}/{resource}?limit=500",
            root(api_version)
        );
        let list = cluster.find(&path).await?.unwrap_or_default();
        for item in list["items"].as_array().into_iter().flatten() {
            let name = text(item, "/metadata/name");
            let found = object::of(api_version, kind, namespace, name).name;
            let known = ours.iter().any(|one| one.place.name == found);
            if !known && !comes_by_itself(kind, name, item, ours) {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

fn root(api_version: &str) -> String {
    if api_version.contains('/') {
        format!("/apis/{api_version}")
    } else {
        format!("/api/{api_version}")
    }
}

/// Every kind that can be listed in namespaces, in one of its versions.
async fn kinds(cluster: &Cluster) -> Result<Vec<Listed>, ApiError> {
    let groups = cluster.find("/apis").await?.unwrap_or_default();
    let groups = groups["groups"].as_array().into_iter().flatten();
    let versions = groups
        .flat_map(|group| group["versions"].as_array().into_iter().flatten())
        .map(|version| text(version, "/groupVersion").to_owned());
    let mut seen = BTreeSet::new();
    let mut kinds = Vec::new();
    for api_version in std::iter::once("v1".to_owned()).chain(versions) {
        if api_version.starts_with(MEASURED) {
            continue;
        }
        let resources = cluster.find(&root(&api_version)).await?.unwrap_or_default();
        for resource in resources["resources"].as_array().into_iter().flatten() {
            let name = text(resource, "/name");
            let group = api_version
                .rsplit_once('/')
                .map(|(group, _)| group.to_owned());
            if is_kept(resource) && seen.insert((group, name.to_owned())) {
                kinds.push(Listed {
                    api_version: api_version.clone(),
                    kind: text(resource, "/kind").to_owned(),
                    resource: name.to_owned(),
                });
            }
        }
    }
    Ok(kinds)
}

fn is_kept(resource: &Value) -> bool {
    let verbs = resource["verbs"].as_array();
    resource["namespaced"] == true
        && verbs.into_iter().flatten().any(|verb| verb == "list")
        && !text(resource, "/name").contains('/')
        && !INCIDENTAL.contains(&text(resource, "/kind"))
}

/// What every namespace has, what carries our label, and what one of our objects owns.
fn comes_by_itself(kind: &str, name: &str, item: &Value, ours: &[Found]) -> bool {
    let label = "/metadata/labels/app.kubernetes.io~1name";
    let mut owners = item["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten();
    let owned = owners.any(|owner| {
        let (api_version, kind) = (text(owner, "/apiVersion"), text(owner, "/kind"));
        let owner = object::of(api_version, kind, "", text(owner, "/name")).name;
        ours.iter().any(|one| one.place.name == owner)
    });
    let made = kind == "Secret" && text(item, "/type") == "kubernetes.io/service-account-token";
    text(item, label) == names::APP
        || owned
        || made
        || kind == "ServiceAccount" && name == "default"
        || kind == "ConfigMap" && name == "kube-root-ca.crt"
        || kind == "Secret" && (KEYS.contains(&name) || name == names::CA_SECRET)
}

/// Secrets with the private keys of certificates that cert-manager or the user issues.
const KEYS: [&str; 2] = [names::TLS_SECRET, "netdoctor-ca"];

/// Those of them that are there. They go with the namespace; where that stays, they have to be named.
pub(super) async fn keys(cluster: &Cluster, namespace: &str) -> Result<Vec<String>, ApiError> {
    let mut found = Vec::new();
    for name in KEYS {
        let place = object::of("v1", "Secret", namespace, name);
        match cluster.find(&place.path).await {
            Ok(Some(_)) => found.push(place.name),
            Ok(None) | Err(ApiError::Forbidden { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_owner_must_be_ours() {
        let owned_by = |name: &str| {
            let owner =
                json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate", "name": name});
            json!({"metadata": {"ownerReferences": [owner]}})
        };
        let place = object::of("cert-manager.io/v1", "Certificate", "a", names::TLS_SECRET);
        let ours = [Found { place }];
        let request = "CertificateRequest";
        let by_us = owned_by(names::TLS_SECRET);
        assert!(comes_by_itself(request, "one", &by_us, &ours));
        assert!(!comes_by_itself(request, "one", &owned_by("shop"), &ours));
        assert!(!comes_by_itself("Secret", "one", &json!({}), &ours));
        assert!(comes_by_itself(
            "ServiceAccount",
            "default",
            &json!({}),
            &ours
        ));
    }

    #[test]
    fn what_is_listed_has_contents() {
        let resource = |name: &str, kind: &str| json!({"name": name, "kind": kind, "namespaced": true, "verbs": ["get", "list"]});
        assert!(is_kept(&resource("ingresses", "Ingress")));
        assert!(!is_kept(&resource("pods/log", "Pod")));
        assert!(!is_kept(&resource("events", "Event")));
        let review = json!({"name": "r", "kind": "R", "namespaced": true, "verbs": ["create"]});
        assert!(!is_kept(&review));
    }
}
