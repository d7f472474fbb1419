//! Indexes, built once when the snapshot is sealed.
//!
//! Pods and templates with the same labels in the same namespace form one *group*: selectors are matched against
//! groups, so the cost of a selector does not depend on the number of replicas.

use super::Objects;
use crate::{
    ingress::{self, KnownController},
    model::{Labels, PodSpec, Text},
};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

/// Pods and controllers of one namespace with equal labels.
#[derive(Debug, Default)]
pub struct Group {
    /// Namespace.
    pub namespace: Text,
    /// Labels of the pods, or of the templates.
    pub labels: Labels,
    /// Positions in the pod store.
    pub pods: Vec<u32>,
    /// Positions in the controller store.
    pub controllers: Vec<u32>,
}

/// The indexes.
#[derive(Debug, Default)]
pub struct Index {
    groups: Vec<Group>,
    groups_by_namespace: HashMap<Text, Vec<u32>>,
    /// Its keys, sorted.
    namespaces: Vec<Text>,
    /// Hash of (namespace, key, value) -> groups that carry the pair. Hits are verified, so collisions are harmless.
    groups_by_pair: HashMap<u64, Vec<u32>>,
    /// Hash of (namespace, first selector pair) -> Services.
    services_by_pair: HashMap<u64, Vec<u32>>,
    /// Hash of (namespace, Service name) -> slices.
    slices_by_service: HashMap<u64, Vec<u32>>,
    /// Hash of (namespace, owner kind, owner name) -> pods and controllers with that controller.
    pods_by_owner: HashMap<u64, Vec<u32>>,
    controllers_by_owner: HashMap<u64, Vec<u32>>,
    /// Hash of (namespace, Service name) -> Ingresses that name it.
    ingresses_by_service: HashMap<u64, Vec<u32>>,
    /// Class name -> Ingresses that name it.
    ingresses_by_class: HashMap<Text, Vec<u32>>,
    /// Hash of (namespace, kind, name) -> autoscalers of it.
    autoscalers_by_target: HashMap<u64, Vec<u32>>,
    /// Hash of (kind, uid) -> events about it.
    events_by_object: HashMap<u64, Vec<u32>>,
    /// Hash of (node) -> pods.
    pods_by_node: HashMap<u64, Vec<u32>>,
    /// Port on the nodes -> Services that ask for it, for a port or for the health check.
    services_by_node_port: HashMap<i32, Vec<u32>>,
    /// Groups that run an ingress controller we know.
    ingress_controllers: Vec<(&'static KnownController, u32)>,
    /// Who asks for which port on a node.
    pub host_ports: super::HostPorts,
}

fn hash(parts: &[&str]) -> u64 {
    // DefaultHasher::new() has fixed keys. The value never leaves the process.
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

fn positions<T>(items: impl Iterator<Item = T>) -> impl Iterator<Item = (u32, T)> {
    items
        .enumerate()
        .map(|(position, item)| (u32::try_from(position).unwrap_or(u32::MAX), item))
}

impl Index {
    pub(super) fn new(objects: &Objects) -> Self {
        let mut index = Self::default();
        index.group(objects);
        index.owners(objects);
        index.find_ingress_controllers(objects);
        index.host_ports = super::HostPorts::new(objects);
        for (at, service) in positions(objects.services.iter()) {
            let first = service.selector.iter().next();
            if let Some((key, value)) = first.filter(|_| service.selects_pods()) {
                index
                    .services_by_pair
                    .entry(hash(&[&service.meta.namespace, key, value]))
                    .or_default()
                    .push(at);
            }
        }
        for (at, service) in positions(objects.services.iter()) {
            for port in service.node_ports() {
                let list = index.services_by_node_port.entry(port).or_default();
                if list.last() != Some(&at) {
                    list.push(at);
                }
            }
        }
        for (at, slice) in positions(objects.endpoint_slices.iter()) {
            if let Some(service) = slice.service_name() {
                index
                    .slices_by_service
                    .entry(hash(&[&slice.meta.namespace, service]))
                    .or_default()
                    .push(at);
            }
        }
        for (at, ingress) in positions(objects.ingresses.iter()) {
            if let Some(class) = ingress.class_name.as_deref().or(ingress.class_annotation()) {
                index
                    .ingresses_by_class
                    .entry(class.into())
                    .or_default()
                    .push(at);
            }
            for (_, backend, _, _) in ingress.backends() {
                let Some(service) = &backend.service else {
                    continue;
                };
                let list = index
                    .ingresses_by_service
                    .entry(hash(&[&ingress.meta.namespace, service]))
                    .or_default();
                if list.last() != Some(&at) {
                    list.push(at);
                }
            }
        }
        for (at, autoscaler) in positions(objects.autoscalers.iter()) {
            let target = &autoscaler.spec.scale_target_ref;
            let key = hash(&[&autoscaler.meta.namespace, &target.kind, &target.name]);
            index.autoscalers_by_target.entry(key).or_default().push(at);
        }
        for (at, event) in positions(objects.events.iter()) {
            let about = &event.involved_object;
            index
                .events_by_object
                .entry(hash(&[&about.kind, &about.uid]))
                .or_default()
                .push(at);
        }
        index
    }

    fn group(&mut self, objects: &Objects) {
        let mut seen: HashMap<(&str, &Labels), u32> = HashMap::new();
        for (at, pod) in positions(objects.pods.iter()) {
            let group = *seen
                .entry((&*pod.meta.namespace, &pod.meta.labels))
                .or_insert_with(|| {
                    self.groups.push(Group {
                        namespace: pod.meta.namespace.clone(),
                        labels: pod.meta.labels.clone(),
                        ..Group::default()
                    });
                    u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX)
                });
            self.groups[group as usize].pods.push(at);
            if let Some(node) = &pod.node_name {
                self.pods_by_node.entry(hash(&[node])).or_default().push(at);
            }
        }
        for (at, controller) in positions(objects.controllers.iter()) {
            let group = *seen
                .entry((&*controller.meta.namespace, &controller.template.labels))
                .or_insert_with(|| {
                    self.groups.push(Group {
                        namespace: controller.meta.namespace.clone(),
                        labels: controller.template.labels.clone(),
                        ..Group::default()
                    });
                    u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX)
                });
            self.groups[group as usize].controllers.push(at);
            for labels in &controller.further_labels {
                let further = *seen
                    .entry((&*controller.meta.namespace, labels))
                    .or_insert_with(|| {
                        self.groups.push(Group {
                            namespace: controller.meta.namespace.clone(),
                            labels: labels.clone(),
                            ..Group::default()
                        });
                        u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX)
                    });
                if further != group {
                    self.groups[further as usize].controllers.push(at);
                }
            }
        }
        for (at, group) in positions(self.groups.iter()) {
            self.groups_by_namespace
                .entry(group.namespace.clone())
                .or_default()
                .push(at);
            for (key, value) in group.labels.iter() {
                self.groups_by_pair
                    .entry(hash(&[&group.namespace, key, value]))
                    .or_default()
                    .push(at);
            }
        }
        self.namespaces = self.groups_by_namespace.keys().cloned().collect();
        self.namespaces.sort_unstable();
    }

    fn find_ingress_controllers(&mut self, objects: &Objects) {
        // Replicas share one specification, also where a label of their own puts each into a group by itself.
        let mut by_image: HashMap<*const PodSpec, Option<&'static KnownController>> =
            HashMap::new();
        let mut found = Vec::new();
        for (at, group) in positions(self.groups.iter()) {
            let pods = group.pods.iter().filter_map(|at| objects.pods.at(*at));
            let templates = group
                .controllers
                .iter()
                .filter_map(|at| objects.controllers.at(*at));
            let mut specs = pods
                .map(|pod| &*pod.spec)
                .chain(templates.map(|controller| &*controller.template.spec));
            let known = ingress::by_labels(&group.labels).or_else(|| {
                specs.find_map(|spec| {
                    *by_image
                        .entry(std::ptr::from_ref(spec))
                        .or_insert_with(|| ingress::by_image(spec))
                })
            });
            found.extend(known.map(|known| (known, at)));
        }
        self.ingress_controllers = found;
    }

    fn owners(&mut self, objects: &Objects) {
        for (at, pod) in positions(objects.pods.iter()) {
            if let Some(owner) = pod.meta.controller() {
                let key = hash(&[&pod.meta.namespace, &owner.kind, &owner.name]);
                self.pods_by_owner.entry(key).or_default().push(at);
            }
        }
        for (at, controller) in positions(objects.controllers.iter()) {
            if let Some(owner) = controller.meta.controller() {
                let key = hash(&[&controller.meta.namespace, &owner.kind, &owner.name]);
                self.controllers_by_owner.entry(key).or_default().push(at);
            }
        }
    }

    /// Groups of a namespace.
    pub fn groups_in(&self, namespace: &str) -> impl Iterator<Item = &Group> {
        list(self.groups_by_namespace.get(namespace))
            .iter()
            .map(|at| &self.groups[*at as usize])
    }

    /// Namespaces that hold pods or templates, sorted.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> + Clone {
        self.namespaces.iter().map(|name| &**name)
    }

    /// Groups that run an ingress controller we know, with what is known about it.
    pub fn ingress_controllers(&self) -> impl Iterator<Item = (&'static KnownController, &Group)> {
        self.ingress_controllers
            .iter()
            .map(|(known, at)| (*known, &self.groups[*at as usize]))
    }

    /// All groups.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Groups of a namespace that carry every pair. No pair at all gives no group: that is what an empty Service
    /// selector means; use [`Index::groups_in`] for an empty `LabelSelector`.
    pub fn groups_with<'a>(
        &'a self,
        namespace: &str,
        pairs: &'a Labels,
    ) -> impl Iterator<Item = &'a Group> {
        // The rarest pair leaves the fewest groups to verify.
        let candidates = pairs
            .iter()
            .map(|(key, value)| list(self.groups_by_pair.get(&hash(&[namespace, key, value]))))
            .min_by_key(|list| list.len())
            .unwrap_or_default();
        let namespace: Text = namespace.into();
        candidates
            .iter()
            .map(|at| &self.groups[*at as usize])
            .filter(move |group| {
                group.namespace == namespace && crate::selector::contains_all(&group.labels, pairs)
            })
    }

    pub(crate) fn services_anchored(&self, namespace: &str, key: &str, value: &str) -> &[u32] {
        list(self.services_by_pair.get(&hash(&[namespace, key, value])))
    }

    pub(crate) fn slices_of(&self, namespace: &str, service: &str) -> &[u32] {
        list(self.slices_by_service.get(&hash(&[namespace, service])))
    }

    pub(crate) fn pods_owned(&self, namespace: &str, kind: &str, name: &str) -> &[u32] {
        list(self.pods_by_owner.get(&hash(&[namespace, kind, name])))
    }

    pub(crate) fn controllers_owned(&self, namespace: &str, kind: &str, name: &str) -> &[u32] {
        list(
            self.controllers_by_owner
                .get(&hash(&[namespace, kind, name])),
        )
    }

    pub(crate) fn ingresses_naming(&self, namespace: &str, service: &str) -> &[u32] {
        list(self.ingresses_by_service.get(&hash(&[namespace, service])))
    }

    pub(crate) fn ingresses_of_class(&self, class: &str) -> &[u32] {
        list(self.ingresses_by_class.get(class))
    }

    pub(crate) fn autoscalers_of(&self, namespace: &str, kind: &str, name: &str) -> &[u32] {
        list(
            self.autoscalers_by_target
                .get(&hash(&[namespace, kind, name])),
        )
    }

    pub(crate) fn events_about(&self, kind: &str, uid: &str) -> &[u32] {
        list(self.events_by_object.get(&hash(&[kind, uid])))
    }

    pub(crate) fn services_on_node_port(&self, port: i32) -> &[u32] {
        list(self.services_by_node_port.get(&port))
    }

    pub(crate) fn pods_on(&self, node: &str) -> &[u32] {
        list(self.pods_by_node.get(&hash(&[node])))
    }
}

fn list(entry: Option<&Vec<u32>>) -> &[u32] {
    entry.map_or(&[], Vec::as_slice)
}
