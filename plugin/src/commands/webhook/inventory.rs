//! What of ours there is in a cluster.

use netdoctor_manifests::{Certificates, Component, Mode, Options, component, names, render};
use serde_json::Value;

use super::object::{self, ADMISSION, OURS, Place, enforces, place, text};
use crate::cluster::{ApiError, Cluster};

/// Something that exists.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) place: Place,
}

/// Configurations and bindings of ours: first those that change objects, then those that judge them. Whoever may not list
/// configurations, and whoever is not answered, still may delete them by name. Bindings came with a later version and are
/// not what breaks a glass: why they could not be listed is only said.
pub(super) async fn enforcement(
    cluster: &Cluster,
) -> Result<(Vec<Found>, Option<ApiError>), ApiError> {
    let configurations = [
        ("MutatingWebhookConfiguration", names::MUTATING),
        ("ValidatingWebhookConfiguration", names::VALIDATING),
    ];
    let mut found = Vec::new();
    for (kind, name) in configurations {
        match listed(cluster, kind).await {
            Ok(listed) => found.extend(listed),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(_) => found.push(Found {
                place: object::of(ADMISSION, kind, "", name),
            }),
        }
    }
    match listed(cluster, "ValidatingAdmissionPolicyBinding").await {
        Ok(listed) => {
            found.extend(listed);
            Ok((found, None))
        }
        Err(error) if error.ends_the_run() => Err(error),
        Err(error) => Ok((found, Some(error))),
    }
}

async fn listed(cluster: &Cluster, kind: &str) -> Result<Vec<Found>, ApiError> {
    let collection = object::of(ADMISSION, kind, "", "").collection;
    let list = cluster.find(&format!("{collection}?{OURS}")).await?;
    let list = list.unwrap_or_default();
    let items = list["items"].as_array().into_iter().flatten();
    let places = items.map(|item| object::of(ADMISSION, kind, "", text(item, "/metadata/name")));
    Ok(places.map(|place| Found { place }).collect())
}

/// What an installation of the same mode may have left that this one does not consist of.
pub(super) async fn left_over(
    cluster: &Cluster,
    options: &Options,
    rendered: &[Value],
) -> anyhow::Result<Vec<Found>> {
    let wanted: Vec<Place> = rendered.iter().map(place).collect();
    let belongs = |object: &Value| {
        let label = "/metadata/labels/app.kubernetes.io~1component";
        let of_policies = text(object, label) == "policy";
        let guards = text(object, "/metadata/name") == names::LABEL_GUARD;
        match options.mode {
            Mode::Policy => of_policies,
            Mode::Webhook if made_by_server(object) => {
                options.components().contains(&Component::CertManager)
                    || options.certificates == Certificates::Files
            }
            Mode::Webhook => !of_policies || guards,
        }
    };
    let places = everything(&options.namespace);
    let places = places
        .iter()
        .filter(|object| text(object, "/kind") != "Namespace" && belongs(object))
        .map(place)
        .filter(|place| !wanted.contains(place));
    let mut candidates: Vec<Place> = Vec::new();
    for place in places {
        if !candidates.contains(&place) {
            candidates.push(place);
        }
    }
    let mut left = Vec::new();
    for place in candidates {
        match cluster.find(&place.path).await {
            Ok(Some(_)) => left.push(Found { place }),
            Ok(None) | Err(ApiError::Forbidden { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(left)
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
            mode: Mode::Policy,
            profile,
            ..options(&[])
        }));
    }
    for (api_version, kind, name) in MADE_BY_SERVER {
        objects.push(serde_json::json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
        }));
    }
    objects
}

/// API version, kind and name of what a server that issues its own certificate makes by itself.
const MADE_BY_SERVER: [(&str, &str, &str); 2] = [
    ("v1", "Secret", names::CA_SECRET),
    ("coordination.k8s.io/v1", "Lease", names::LEASE),
];

fn made_by_server(object: &Value) -> bool {
    MADE_BY_SERVER.iter().any(|(_, kind, name)| {
        text(object, "/kind") == *kind && text(object, "/metadata/name") == *name
    })
}

/// Whether what is found runs, or only tells others what to do: it goes before everything that it lives on.
pub(super) fn is_at_work(found: &Found) -> bool {
    let work = [
        "validatingadmissionpolicy.",
        "mutatingadmissionpolicy.",
        "deployment.",
    ];
    work.iter().any(|kind| found.place.name.starts_with(kind))
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
