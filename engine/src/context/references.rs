//! What refers to an object, and what it belongs to.

use super::Context;
use crate::{
    ingress::KnownController,
    model::{
        Autoscaler, Controller, EndpointSlice, Event, Ingress, Kind, Meta, NetworkPolicy, Object,
        ObjectRef, Pod, Service, Text, Workload,
    },
    policy::concern,
    snapshot::Group,
};

impl<'a> Context<'a> {
    /// Slices of a Service, of every address family and manager.
    pub fn slices_of(&self, service: &Service) -> Vec<&'a EndpointSlice> {
        let (namespace, name) = (&service.meta.namespace, &*service.meta.name);
        let positions = self.snapshot.index.slices_of(namespace, name);
        let stored = positions
            .iter()
            .filter_map(|at| self.snapshot.objects.endpoint_slices.at(*at));
        let extra = self.extra::<EndpointSlice>().filter(|slice| {
            slice.meta.namespace == *namespace && slice.service_name() == Some(name)
        });
        stored
            .filter(|slice| !self.hidden(*slice))
            .chain(extra)
            .collect()
    }

    /// Ingresses that name a Service of their namespace.
    pub fn ingresses_naming(&self, namespace: &str, service: &str) -> Vec<&'a Ingress> {
        let positions = self.snapshot.index.ingresses_naming(namespace, service);
        let stored = positions
            .iter()
            .filter_map(|at| self.snapshot.objects.ingresses.at(*at));
        stored.filter(|ingress| !self.hidden(*ingress)).collect()
    }

    /// Ingresses that name a class by field or annotation.
    pub fn ingresses_of_class(&self, class: &str) -> Vec<&'a Ingress> {
        let positions = self.snapshot.index.ingresses_of_class(class);
        let stored = positions
            .iter()
            .filter_map(|at| self.snapshot.objects.ingresses.at(*at));
        stored.filter(|ingress| !self.hidden(*ingress)).collect()
    }

    /// Policies that look at pods of other namespaces.
    pub(crate) fn outward_policies(&self) -> impl Iterator<Item = &'a NetworkPolicy> + use<'a, '_> {
        let positions = self.snapshot.index.outward_policies();
        let stored = positions
            .iter()
            .filter_map(|at| self.snapshot.objects.network_policies.at(*at));
        let extra = self
            .extra::<NetworkPolicy>()
            .filter(|policy| concern::looks_outward(policy));
        stored.filter(|policy| !self.hidden(*policy)).chain(extra)
    }

    /// The ingress controllers we know that are here, one pod (or a template without pods) for each label set.
    pub fn ingress_controllers(&self) -> Vec<(&'static KnownController, Workload<'a>)> {
        let groups = self.snapshot.index.ingress_controllers();
        groups
            .filter_map(|(known, group)| {
                let pod = self
                    .group_pods(group)
                    .find(|pod| known.runs_in(&pod.meta.labels, &pod.spec))
                    .map(Workload::Pod);
                let found = pod.or_else(|| {
                    self.group_controllers(group)
                        .find(|c| known.runs_in(&c.template.labels, &c.template.spec))
                        .map(Workload::Controller)
                });
                found.map(|workload| (known, workload))
            })
            .collect()
    }

    /// All pods of an ingress controller, and its top-level workloads.
    pub fn ingress_controller_workloads(
        &self,
        wanted: &KnownController,
    ) -> (Vec<&'a Pod>, Vec<&'a Controller>) {
        let (mut pods, mut controllers) = (Vec::new(), Vec::new());
        for (known, group) in self.snapshot.index.ingress_controllers() {
            if known.name == wanted.name {
                pods.extend(
                    self.group_pods(group)
                        .filter(|pod| known.runs_in(&pod.meta.labels, &pod.spec)),
                );
                controllers.extend(
                    self.group_controllers(group)
                        .filter(|c| known.runs_in(&c.template.labels, &c.template.spec)),
                );
            }
        }
        (pods, controllers)
    }

    pub(super) fn group_pods<'g>(
        &self,
        group: &'g Group,
    ) -> impl Iterator<Item = &'a Pod> + use<'a, 'g, '_> {
        let pods = group
            .pods
            .iter()
            .filter_map(|at| self.snapshot.objects.pods.at(*at));
        pods.filter(|pod| pod.alive() && !self.hidden(*pod))
    }

    pub(super) fn group_controllers<'g>(
        &self,
        group: &'g Group,
    ) -> impl Iterator<Item = &'a Controller> + use<'a, 'g, '_> {
        let controllers = group
            .controllers
            .iter()
            .filter_map(|at| self.snapshot.objects.controllers.at(*at));
        controllers.filter(|controller| !self.hidden(*controller) && self.is_top_level(controller))
    }

    /// Autoscalers that target a workload.
    pub fn autoscalers_of(&self, controller: &Controller) -> Vec<&'a Autoscaler> {
        let reference = controller.reference();
        let positions = self.snapshot.index.autoscalers_of(
            &reference.namespace,
            &reference.kind,
            &reference.name,
        );
        let stored = positions
            .iter()
            .filter_map(|at| self.snapshot.objects.autoscalers.at(*at));
        let extra = self.extra::<Autoscaler>().filter(|autoscaler| {
            let target = &autoscaler.spec.scale_target_ref;
            autoscaler.meta.namespace == reference.namespace
                && target.kind == reference.kind
                && target.name == reference.name
        });
        stored
            .filter(|autoscaler| !self.hidden(*autoscaler))
            .chain(extra)
            .collect()
    }

    /// Events about an object, matched by kind and UID.
    pub fn events_about(&self, kind: Kind, meta: &Meta) -> Vec<&'a Event> {
        if meta.uid.is_empty() {
            return Vec::new();
        }
        let positions = self.snapshot.index.events_about(kind.name(), &meta.uid);
        positions
            .iter()
            .filter_map(|at| self.snapshot.objects.events.at(*at))
            .collect()
    }

    /// Pods on a node, finished ones included.
    pub fn pods_on(&self, node: &str) -> Vec<&'a Pod> {
        self.snapshot
            .index
            .pods_on(node)
            .iter()
            .filter_map(|at| self.snapshot.objects.pods.at(*at))
            .collect()
    }

    /// Pods that belong to a controller, through its `ReplicaSets` or Jobs, finished ones included.
    pub fn pods_of(&self, controller: &Controller) -> Vec<&'a Pod> {
        let reference = controller.reference();
        let namespace = &*reference.namespace;
        let index = &self.snapshot.index;
        let mut owners: Vec<(Text, Text)> = vec![(reference.kind.clone(), reference.name.clone())];
        for at in index.controllers_owned(namespace, &reference.kind, &reference.name) {
            let Some(owned) = self.snapshot.objects.controllers.at(*at) else {
                continue;
            };
            owners.push((owned.reference().kind, owned.meta.name.clone()));
        }
        let positions = owners
            .iter()
            .flat_map(|(kind, name)| index.pods_owned(namespace, kind, name));
        let mut pods: Vec<&'a Pod> = positions
            .filter_map(|at| self.snapshot.objects.pods.at(*at))
            .collect();
        pods.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        pods
    }

    /// Live pods with the same controller, the pod itself included.
    pub fn siblings(&self, pod: &Pod) -> impl Iterator<Item = &'a Pod> + use<'a> {
        let objects = &self.snapshot.objects;
        let owner = pod.meta.controller();
        let positions = owner.map_or(&[][..], |owner| {
            self.snapshot
                .index
                .pods_owned(&pod.meta.namespace, &owner.kind, &owner.name)
        });
        positions
            .iter()
            .filter_map(|at| objects.pods.at(*at))
            .filter(|pod| pod.alive())
    }

    /// The controller objects that a controller owns (the `ReplicaSets` of a Deployment).
    pub fn owned_controllers(&self, controller: &Controller) -> Vec<&'a Controller> {
        let reference = controller.reference();
        let positions = self.snapshot.index.controllers_owned(
            &reference.namespace,
            &reference.kind,
            &reference.name,
        );
        positions
            .iter()
            .filter_map(|at| self.snapshot.objects.controllers.at(*at))
            .collect()
    }

    /// The topmost controller that is here: the Deployment of a pod.
    pub fn top_owner(&self, meta: &Meta) -> Option<&'a Controller> {
        let mut top = None;
        let mut owner = meta.controller()?;
        // Owners form a chain of two or three; the bound keeps a hostile cycle from looping.
        for _ in 0..8 {
            let Some(found) = self.controller(&meta.namespace, &owner.kind, &owner.name) else {
                break;
            };
            top = Some(found);
            match found.meta.controller() {
                Some(next) => owner = next,
                None => break,
            }
        }
        top
    }

    /// The topmost controller of the pod or controller that a reference names.
    pub(crate) fn owner_of(&self, reference: &ObjectRef) -> Option<ObjectRef> {
        self.top_owner(self.meta_of(reference)?)
            .map(Object::reference)
    }

    /// No controller that is here owns it.
    pub fn is_top_level(&self, controller: &Controller) -> bool {
        controller.meta.controller().is_none()
            || self.top_owner(&controller.meta).is_none() && controller.wanted_replicas() != Some(0)
    }

    /// Where a fix belongs: the topmost controller of a pod, else the pod.
    pub fn place_to_fix<'w>(&self, workload: Workload<'w>) -> Workload<'w>
    where
        'a: 'w,
    {
        match workload {
            Workload::Pod(pod) => self
                .top_owner(&pod.meta)
                .map_or(workload, Workload::Controller),
            Workload::Controller(_) => workload,
        }
    }
}
