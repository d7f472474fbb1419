//! Indexes, built when the snapshot is sealed.
//!
//! Each part belongs to the stores that it is built from, and is shared with the snapshot before where none of them
//! changed: most changes in a cluster are of few kinds.

mod lookup;
mod references;
mod workloads;

use super::{HostPorts, Objects, Snapshot};
use crate::{ingress::KnownController, model::Labels};
use lookup::Lookup;
use references::{Ingresses, Services};
use std::sync::Arc;
pub use workloads::Group;
use workloads::Workloads;

/// The indexes.
#[derive(Debug, Default)]
pub struct Index {
    workloads: Arc<Workloads>,
    services: Arc<Services>,
    /// (namespace, Service name) -> slices.
    slices: Arc<Lookup>,
    ingresses: Arc<Ingresses>,
    /// (namespace, kind, name) -> autoscalers of it.
    autoscalers: Arc<Lookup>,
    /// (kind, uid) -> events about it.
    events: Arc<Lookup>,
    /// Policies that look at pods of other namespaces.
    outward_policies: Arc<Vec<u32>>,
    /// Who asks for which port on a node.
    pub host_ports: Arc<HostPorts>,
}

fn positions<T>(items: impl Iterator<Item = T>) -> impl Iterator<Item = (u32, T)> {
    items
        .enumerate()
        .map(|(position, item)| (u32::try_from(position).unwrap_or(u32::MAX), item))
}

/// The earlier part where its objects are the same, or a new one.
fn shared<P>(same: bool, earlier: &Arc<P>, build: impl FnOnce() -> P) -> Arc<P> {
    if same {
        Arc::clone(earlier)
    } else {
        Arc::new(build())
    }
}

impl Index {
    /// The index of these objects, after an earlier snapshot.
    pub(super) fn after(objects: &Objects, earlier: &Snapshot) -> Self {
        let (before, was) = (&earlier.objects, &earlier.index);
        let workloads =
            objects.pods.is(&before.pods) && objects.controllers.is(&before.controllers);
        let nodes = objects.nodes.is(&before.nodes);
        Self {
            workloads: shared(workloads, &was.workloads, || Workloads::new(objects)),
            host_ports: shared(workloads && nodes, &was.host_ports, || {
                HostPorts::new(objects)
            }),
            services: shared(objects.services.is(&before.services), &was.services, || {
                Services::new(&objects.services)
            }),
            slices: shared(
                objects.endpoint_slices.is(&before.endpoint_slices),
                &was.slices,
                || references::slices(&objects.endpoint_slices),
            ),
            ingresses: shared(
                objects.ingresses.is(&before.ingresses),
                &was.ingresses,
                || Ingresses::new(&objects.ingresses),
            ),
            autoscalers: shared(
                objects.autoscalers.is(&before.autoscalers),
                &was.autoscalers,
                || references::autoscalers(&objects.autoscalers),
            ),
            outward_policies: shared(
                objects.network_policies.is(&before.network_policies),
                &was.outward_policies,
                || references::outward_policies(&objects.network_policies),
            ),
            events: shared(objects.events.is(&before.events), &was.events, || {
                references::events(&objects.events)
            }),
        }
    }

    /// Groups of a namespace.
    pub fn groups_in(&self, namespace: &str) -> impl Iterator<Item = &Group> {
        self.workloads.groups_in(namespace)
    }

    /// Namespaces that hold pods or templates, sorted.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> + Clone {
        self.workloads.namespaces()
    }

    /// Groups that run an ingress controller we know, with what is known about it.
    pub fn ingress_controllers(&self) -> impl Iterator<Item = (&'static KnownController, &Group)> {
        self.workloads.ingress_controllers()
    }

    /// All groups.
    pub fn groups(&self) -> &[Group] {
        self.workloads.groups()
    }

    /// Groups of a namespace that carry every pair. No pair at all gives no group: that is what an empty Service
    /// selector means; use [`Index::groups_in`] for an empty `LabelSelector`.
    pub fn groups_with<'a>(
        &'a self,
        namespace: &str,
        pairs: &'a Labels,
    ) -> impl Iterator<Item = &'a Group> {
        self.workloads.groups_with(namespace, pairs)
    }

    pub(crate) fn services_anchored(&self, namespace: &str, key: &str, value: &str) -> &[u32] {
        self.services.by_pair.get(&[namespace, key, value])
    }

    pub(crate) fn services_on_node_port(&self, port: i32) -> &[u32] {
        self.services.by_node_port.of(lookup::number(port))
    }

    pub(crate) fn slices_of(&self, namespace: &str, service: &str) -> &[u32] {
        self.slices.get(&[namespace, service])
    }

    pub(crate) fn pods_owned(&self, namespace: &str, kind: &str, name: &str) -> &[u32] {
        self.workloads.pods_by_owner.get(&[namespace, kind, name])
    }

    pub(crate) fn controllers_owned(&self, namespace: &str, kind: &str, name: &str) -> &[u32] {
        self.workloads
            .controllers_by_owner
            .get(&[namespace, kind, name])
    }

    pub(crate) fn pods_on(&self, node: &str) -> &[u32] {
        self.workloads.pods_by_node.get(&[node])
    }

    pub(crate) fn ingresses_naming(&self, namespace: &str, service: &str) -> &[u32] {
        self.ingresses.by_service.get(&[namespace, service])
    }

    pub(crate) fn ingresses_of_class(&self, class: &str) -> &[u32] {
        self.ingresses.of_class(class)
    }

    pub(crate) fn autoscalers_of(&self, namespace: &str, kind: &str, name: &str) -> &[u32] {
        self.autoscalers.get(&[namespace, kind, name])
    }

    pub(crate) fn outward_policies(&self) -> &[u32] {
        &self.outward_policies
    }

    pub(crate) fn events_about(&self, kind: &str, uid: &str) -> &[u32] {
        self.events.get(&[kind, uid])
    }
}
