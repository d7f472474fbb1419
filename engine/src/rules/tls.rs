//! Certificates (TLS).

use crate::{
    context::Context,
    model::{Gateway, Ingress, IngressRoute, Object as _, ObjectRef},
    rule::Rule,
};

mod certificate_expired_or_expiring;
mod certificate_not_issued;
mod tls_secret_missing;

pub(super) static RULES: &[&Rule] = &[
    &tls_secret_missing::RULE,
    &certificate_expired_or_expiring::RULE,
    &certificate_not_issued::RULE,
];

/// A place that names a TLS Secret.
struct SecretReference<'a> {
    pointer: String,
    namespace: &'a str,
    name: &'a str,
}

/// Entries without a name ask for the controller's default certificate. A name with a slash is Contour's way to name a
/// Secret of another namespace.
fn of_ingress(ingress: &Ingress) -> Vec<SecretReference<'_>> {
    let entries = ingress.tls.iter().enumerate();
    entries
        .filter_map(|(index, entry)| {
            let name = entry.secret_name.as_deref()?;
            (!name.is_empty() && !name.contains('/')).then(|| SecretReference {
                pointer: format!("/spec/tls/{index}/secretName"),
                namespace: &ingress.meta.namespace,
                name,
            })
        })
        .collect()
}

/// Only listeners that end TLS here; references to other kinds are not judged.
fn of_gateway(gateway: &Gateway) -> Vec<SecretReference<'_>> {
    let mut found = Vec::new();
    for (index, listener) in gateway.spec.listeners.iter().enumerate() {
        let Some(tls) = &listener.tls else { continue };
        if tls.mode.as_deref().is_some_and(|mode| mode != "Terminate") {
            continue;
        }
        for (at, reference) in tls.certificate_refs.iter().enumerate() {
            let group = reference.group.as_deref().unwrap_or_default();
            let kind = reference.kind.as_deref().unwrap_or("Secret");
            if !group.is_empty() || kind != "Secret" || reference.name.is_empty() {
                continue;
            }
            let namespace = reference
                .namespace
                .as_deref()
                .filter(|name| !name.is_empty());
            found.push(SecretReference {
                pointer: format!("/spec/listeners/{index}/tls/certificateRefs/{at}/name"),
                namespace: namespace.unwrap_or(&gateway.meta.namespace),
                name: &reference.name,
            });
        }
    }
    found
}

fn of_route(route: &IngressRoute) -> Vec<SecretReference<'_>> {
    let name = route
        .spec
        .tls
        .as_ref()
        .and_then(|tls| tls.secret_name.as_deref());
    name.filter(|name| !name.is_empty())
        .map(|name| SecretReference {
            pointer: "/spec/tls/secretName".to_owned(),
            namespace: &route.meta.namespace,
            name,
        })
        .into_iter()
        .collect()
}

/// The first Ingress, Gateway or route that serves with a Secret. Asked only for Secrets that are in trouble.
fn user_of(cx: &Context<'_>, namespace: &str, name: &str) -> Option<(ObjectRef, String)> {
    let names = |references: Vec<SecretReference<'_>>| {
        references
            .into_iter()
            .find(|reference| reference.namespace == namespace && reference.name == name)
            .map(|reference| reference.pointer)
    };
    let mut ingresses = cx.in_namespace::<Ingress>(namespace);
    let by_ingress =
        ingresses.find_map(|object| Some((object.reference(), names(of_ingress(object))?)));
    let by_route = || {
        let mut routes = cx.in_namespace::<IngressRoute>(namespace);
        routes.find_map(|object| Some((object.reference(), names(of_route(object))?)))
    };
    let by_gateway = || {
        let mut gateways = cx.all::<Gateway>();
        gateways.find_map(|object| Some((object.reference(), names(of_gateway(object))?)))
    };
    by_ingress.or_else(by_route).or_else(by_gateway)
}
