//! Whether anything answers behind one port of a Service, as kube-proxy and ingress controllers read `EndpointSlices`.

use crate::{
    context::Context,
    model::{EndpointSlice, Kind, Service, ServicePort},
};

/// What the slices of a Service say about one of its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// At least one endpoint is ready.
    Ready,
    /// None is ready, but some serve while they are being deleted: kube-proxy uses those (KEP-1669).
    Terminating,
    /// This many endpoints, none of them usable.
    NotReady(usize),
    /// No slice lists the port: no Pod is selected, or none declares the name.
    Nothing,
}

/// What is behind a port. Slices of every address family and of every manager count.
///
/// Slices that could not be listed look like none: ask [`Context::known`] first.
pub fn behind(cx: &Context<'_>, service: &Service, port: &ServicePort) -> Behind {
    let slices = cx.slices_of(service);
    let mut not_ready = 0;
    let mut terminating = false;
    let serving = slices.iter().filter(|slice| carries(slice, port));
    for endpoint in serving.flat_map(|slice| &slice.endpoints) {
        if endpoint.addresses.is_empty() {
            continue;
        }
        if endpoint.ready() {
            return Behind::Ready;
        }
        terminating |= endpoint.serving_terminating();
        not_ready += 1;
    }
    match (terminating, not_ready) {
        (true, _) => Behind::Terminating,
        (false, 0) => Behind::Nothing,
        (false, not_ready) => Behind::NotReady(not_ready),
    }
}

/// Ports of a slice and of its Service are matched by name; an absent name equals an empty one.
fn carries(slice: &EndpointSlice, port: &ServicePort) -> bool {
    let name = port.name.as_deref().unwrap_or_default();
    slice
        .ports
        .iter()
        .any(|own| own.name.as_deref().unwrap_or_default() == name && own.protocol == port.protocol)
}

/// Whether the Service, or a Pod that it selects, is so young that missing endpoints mean nothing yet.
pub fn settling(cx: &Context<'_>, service: &Service) -> bool {
    let young = |age: Option<i64>| age.is_some_and(|age| age < cx.grace_seconds());
    young(service.meta.age_seconds(cx.now))
        || service.selects_pods()
            && cx
                .selected_pods(&service.meta.namespace, &service.selector)
                .iter()
                .any(|pod| young(pod.meta.age_seconds(cx.now)))
}

/// Findings about a Service that explain why nothing is ready behind it, most telling first.
pub const CAUSES: &[&str] = &[
    "SVC002", "SVC001", "SVC004", "SVC008", "SVC003", "SVC005", "SVC006", "SVC011",
];

/// Kinds that [`behind`] and [`settling`] read.
pub const KINDS: [Kind; 3] = [Kind::Service, Kind::EndpointSlice, Kind::Pod];
