//! Who names whom: Services by the labels that they look for, and the rest by name.

use super::{
    lookup::{self, Lookup, hash},
    positions,
};
use crate::{
    model::{Autoscaler, EndpointSlice, Event, Ingress, NetworkPolicy, Service, Text},
    policy::concern,
    snapshot::Store,
};
use std::collections::HashMap;

/// Services.
#[derive(Debug, Default)]
pub(super) struct Services {
    /// (namespace, first selector pair).
    pub(super) by_pair: Lookup,
    /// Port on the nodes, asked for by a port or for the health check.
    pub(super) by_node_port: Lookup,
}

impl Services {
    pub(super) fn new(services: &Store<Service>) -> Self {
        let pairs = positions(services.iter()).filter_map(|(at, service)| {
            let (key, value) = service.selector.iter().next()?;
            let key = hash(&[&service.meta.namespace, key, value]);
            service.selects_pods().then_some((key, at))
        });
        let ports = positions(services.iter()).flat_map(|(at, service)| {
            service
                .node_ports()
                .map(move |port| (lookup::number(port), at))
        });
        Self {
            by_pair: pairs.collect(),
            by_node_port: ports.collect(),
        }
    }
}

/// Ingresses.
#[derive(Debug, Default)]
pub(super) struct Ingresses {
    /// (namespace, Service name).
    pub(super) by_service: Lookup,
    by_class: HashMap<Text, Vec<u32>>,
}

impl Ingresses {
    pub(super) fn new(ingresses: &Store<Ingress>) -> Self {
        let named = positions(ingresses.iter()).flat_map(|(at, ingress)| {
            let services = ingress
                .backends()
                .filter_map(|(_, backend, _, _)| backend.service.as_deref());
            services.map(move |service| (hash(&[&ingress.meta.namespace, service]), at))
        });
        let mut by_class: HashMap<Text, Vec<u32>> = HashMap::new();
        for (at, ingress) in positions(ingresses.iter()) {
            if let Some(class) = ingress.class_name.as_deref().or(ingress.class_annotation()) {
                if let Some(list) = by_class.get_mut(class) {
                    list.push(at);
                } else {
                    by_class.insert(class.into(), vec![at]);
                }
            }
        }
        Self {
            by_service: named.collect(),
            by_class,
        }
    }

    pub(super) fn of_class(&self, class: &str) -> &[u32] {
        self.by_class.get(class).map_or(&[], Vec::as_slice)
    }
}

pub(super) fn slices(slices: &Store<EndpointSlice>) -> Lookup {
    let named = positions(slices.iter()).filter_map(|(at, slice)| {
        let service = slice.service_name()?;
        Some((hash(&[&slice.meta.namespace, service]), at))
    });
    named.collect()
}

pub(super) fn autoscalers(autoscalers: &Store<Autoscaler>) -> Lookup {
    let of_target = positions(autoscalers.iter()).map(|(at, autoscaler)| {
        let target = &autoscaler.spec.scale_target_ref;
        let key = hash(&[&autoscaler.meta.namespace, &target.kind, &target.name]);
        (key, at)
    });
    of_target.collect()
}

pub(super) fn events(events: &Store<Event>) -> Lookup {
    let about = positions(events.iter()).map(|(at, event)| {
        let about = &event.involved_object;
        (hash(&[&about.kind, &about.uid]), at)
    });
    about.collect()
}

/// Policies that look at pods of other namespaces.
pub(super) fn outward_policies(policies: &Store<NetworkPolicy>) -> Vec<u32> {
    positions(policies.iter())
        .filter(|(_, policy)| concern::looks_outward(policy))
        .map(|(at, _)| at)
        .collect()
}
