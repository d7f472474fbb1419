//! What there is to remove.

use netdoctor_manifests::{Component, Options, component, names, render};
use serde_json::Value;

use super::super::object::{self, Place, enforces, place, text};
use crate::cluster::{ApiError, Cluster};

/// Something that exists.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) place: Place,
}

/// The label that every object of ours carries.
const SELECTOR: &str = "labelSelector=app.kubernetes.io%2Fname%3Dnetdoctor";

/// Configurations and bindings of ours: first those that change objects, then those that judge them. Whoever may not list
/// them still may delete them by name.
pub(super) async fn enforcement(cluster: &Cluster) -> anyhow::Result<Vec<Found>> {
    let api = "admissionregistration.k8s.io/v1";
    let kinds = [
        ("MutatingWebhookConfiguration", Some(names::MUTATING)),
        ("ValidatingWebhookConfiguration", Some(names::VALIDATING)),
        ("ValidatingAdmissionPolicyBinding", None),
    ];
    let mut found = Vec::new();
    for (kind, name) in kinds {
        let collection = object::of(api, kind, "", "").collection;
        match cluster.find(&format!("{collection}?{SELECTOR}")).await {
            Ok(list) => {
                let items = list.unwrap_or_default();
                let items = items["items"].as_array().cloned().unwrap_or_default();
                found.extend(items.iter().map(|item| Found {
                    place: object::of(api, kind, "", text(item, "/metadata/name")),
                }));
            }
            Err(ApiError::Forbidden { .. }) if name.is_some() => found.push(Found {
                place: object::of(api, kind, "", name.unwrap_or_default()),
            }),
            // Policies came with a later version, and are not what breaks a glass.
            Err(ApiError::Forbidden { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Everything else that an installation may have made, in the order in which it is taken away: what runs, what it serves
/// through, what it knows, what it may do.
pub(super) async fn rest(cluster: &Cluster, namespace: &str) -> anyhow::Result<Vec<Found>> {
    let mut places: Vec<(usize, Place)> = Vec::new();
    for object in everything(namespace) {
        let kind = text(&object, "/kind");
        if kind == "Namespace" || enforces(&object) {
            continue;
        }
        let place = place(&object);
        if !places.iter().any(|(_, known)| *known == place) {
            places.push((rank(kind), place));
        }
    }
    places.sort_by_key(|(rank, _)| *rank);
    let mut found = Vec::new();
    for (_, place) in places {
        match cluster.find(&place.path).await {
            Ok(None) => {}
            // One that may not be read may still be there: its deletion tells.
            Ok(Some(_)) | Err(ApiError::Forbidden { .. }) => found.push(Found { place }),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Every object of every variant of an installation, and what the server makes by itself.
fn everything(namespace: &str) -> Vec<Value> {
    let options = |components: &[Component]| Options {
        namespace: namespace.to_owned(),
        components: components.iter().copied().collect(),
        ..Options::default()
    };
    let mut objects = render(&options(&[]));
    for component in component::ALL {
        objects.extend(render(&options(&[component])));
    }
    for profile in netdoctor_manifests::policy::PROFILES {
        objects.extend(render(&Options {
            mode: netdoctor_manifests::Mode::Policy,
            profile,
            ..options(&[])
        }));
    }
    for (api_version, kind, name) in [
        ("v1", "Secret", names::CA_SECRET),
        ("coordination.k8s.io/v1", "Lease", names::LEASE),
    ] {
        objects.push(serde_json::json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
        }));
    }
    objects
}

fn rank(kind: &str) -> usize {
    const ORDER: [&str; 21] = [
        "ValidatingAdmissionPolicy",
        "MutatingAdmissionPolicy",
        "Deployment",
        "ServiceMonitor",
        "PrometheusRule",
        "Service",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "Certificate",
        "Issuer",
        "Secret",
        "Lease",
        "ConfigMap",
        "RoleBinding",
        "Role",
        "ClusterRoleBinding",
        "ClusterRole",
        "ServiceAccount",
        "ResourceQuota",
        "Namespace",
        "",
    ];
    ORDER
        .iter()
        .position(|known| *known == kind)
        .unwrap_or(ORDER.len())
}

/// Something in the namespace that is not ours and that somebody would miss.
pub(super) async fn others(
    cluster: &Cluster,
    namespace: &str,
    ours: &[Found],
) -> Result<Option<String>, ApiError> {
    let kinds = [
        ("v1", "Pod"),
        ("v1", "Service"),
        ("v1", "ConfigMap"),
        ("v1", "Secret"),
        ("v1", "PersistentVolumeClaim"),
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("batch/v1", "Job"),
        ("batch/v1", "CronJob"),
    ];
    for (api_version, kind) in kinds {
        let collection = object::of(api_version, kind, namespace, "").collection;
        let list = cluster
            .find(&format!("{collection}?limit=500"))
            .await?
            .unwrap_or_default();
        for item in list["items"].as_array().into_iter().flatten() {
            let name = text(item, "/metadata/name");
            let place = object::of(api_version, kind, namespace, name);
            let known = ours.iter().any(|found| found.place == place);
            if !known && !comes_by_itself(kind, name, item) {
                return Ok(Some(place.name));
            }
        }
    }
    Ok(None)
}

/// What every namespace has, what is owned by something else, and what carries our label.
fn comes_by_itself(kind: &str, name: &str, item: &Value) -> bool {
    let label = "/metadata/labels/app.kubernetes.io~1name";
    let owned = item["metadata"]["ownerReferences"]
        .as_array()
        .is_some_and(|owners| !owners.is_empty());
    let made = kind == "Secret" && text(item, "/type") == "kubernetes.io/service-account-token";
    text(item, label) == names::APP
        || owned
        || made
        || kind == "ConfigMap" && name == "kube-root-ca.crt"
        || kind == "Secret" && matches!(name, names::TLS_SECRET | names::CA_SECRET | "netdoctor-ca")
}
