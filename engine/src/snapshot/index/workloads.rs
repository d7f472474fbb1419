//! Pods and what makes them.
//!
//! Pods and templates with the same labels in the same namespace form one *group*: selectors are matched against
//! groups, so the cost of a selector does not depend on the number of replicas.

use super::{
    lookup::{Lookup, hash},
    positions,
};
use crate::{
    ingress::{self, KnownController},
    model::{Labels, Meta, PodSpec, Text},
    snapshot::Objects,
};
use std::collections::HashMap;

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

#[derive(Debug, Default)]
pub(super) struct Workloads {
    groups: Vec<Group>,
    /// Where in `groups` those of a namespace are.
    by_namespace: HashMap<Text, Vec<u32>>,
    /// Its keys, sorted.
    namespaces: Vec<Text>,
    /// (namespace, key, value) -> groups that carry the pair. Hits are verified.
    by_pair: Lookup,
    /// (namespace, owner kind, owner name) -> pods and controllers with that controller.
    pub(super) pods_by_owner: Lookup,
    pub(super) controllers_by_owner: Lookup,
    /// (node) -> pods.
    pub(super) pods_by_node: Lookup,
    /// Groups that run an ingress controller we know.
    ingress_controllers: Vec<(&'static KnownController, u32)>,
}

impl Workloads {
    pub(super) fn new(objects: &Objects) -> Self {
        let groups = groups(objects);
        let mut by_namespace: HashMap<Text, Vec<u32>> = HashMap::new();
        for (at, group) in positions(groups.iter()) {
            if let Some(list) = by_namespace.get_mut(&group.namespace) {
                list.push(at);
            } else {
                by_namespace.insert(group.namespace.clone(), vec![at]);
            }
        }
        let mut namespaces: Vec<Text> = by_namespace.keys().cloned().collect();
        namespaces.sort_unstable();
        let pairs = positions(groups.iter()).flat_map(|(at, group)| {
            let pairs = group.labels.iter();
            pairs.map(move |(key, value)| (hash(&[&group.namespace, key, value]), at))
        });
        let nodes = positions(objects.pods.iter())
            .filter_map(|(at, pod)| Some((hash(&[pod.node_name.as_deref()?]), at)));
        Self {
            by_pair: pairs.collect(),
            pods_by_owner: owned(objects.pods.iter().map(|pod| &pod.meta)),
            controllers_by_owner: owned(objects.controllers.iter().map(|object| &object.meta)),
            pods_by_node: nodes.collect(),
            ingress_controllers: ingress_controllers(objects, &groups),
            groups,
            by_namespace,
            namespaces,
        }
    }

    pub(super) fn groups_in(&self, namespace: &str) -> impl Iterator<Item = &Group> {
        let positions = self
            .by_namespace
            .get(namespace)
            .map_or(&[][..], Vec::as_slice);
        positions.iter().map(|at| &self.groups[*at as usize])
    }

    pub(super) fn namespaces(&self) -> impl Iterator<Item = &str> + Clone {
        self.namespaces.iter().map(|name| &**name)
    }

    pub(super) fn ingress_controllers(
        &self,
    ) -> impl Iterator<Item = (&'static KnownController, &Group)> {
        self.ingress_controllers
            .iter()
            .map(|(known, at)| (*known, &self.groups[*at as usize]))
    }

    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub(super) fn groups_with<'a>(
        &'a self,
        namespace: &str,
        pairs: &'a Labels,
    ) -> impl Iterator<Item = &'a Group> {
        // The rarest pair leaves the fewest groups to verify.
        let candidates = pairs
            .iter()
            .map(|(key, value)| self.by_pair.get(&[namespace, key, value]))
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
}

/// Groups in the order in which their first member stands in its store, pods before controllers.
fn groups(objects: &Objects) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut seen: HashMap<(&str, &Labels), u32> = HashMap::new();
    for (at, pod) in positions(objects.pods.iter()) {
        let group = *seen
            .entry((&*pod.meta.namespace, &pod.meta.labels))
            .or_insert_with(|| begin(&mut groups, &pod.meta.namespace, &pod.meta.labels));
        groups[group as usize].pods.push(at);
    }
    for (at, controller) in positions(objects.controllers.iter()) {
        let namespace = &controller.meta.namespace;
        let mut of_template = None;
        for labels in controller.label_sets() {
            let group = *seen
                .entry((&**namespace, labels))
                .or_insert_with(|| begin(&mut groups, namespace, labels));
            // Other pods of the same controller may carry the labels of its template again.
            if of_template != Some(group) {
                groups[group as usize].controllers.push(at);
            }
            of_template.get_or_insert(group);
        }
    }
    for group in &mut groups {
        group.pods.shrink_to_fit();
        group.controllers.shrink_to_fit();
    }
    groups
}

fn begin(groups: &mut Vec<Group>, namespace: &Text, labels: &Labels) -> u32 {
    groups.push(Group {
        namespace: namespace.clone(),
        labels: labels.clone(),
        ..Group::default()
    });
    u32::try_from(groups.len() - 1).unwrap_or(u32::MAX)
}

fn owned<'a>(metas: impl Iterator<Item = &'a Meta>) -> Lookup {
    let owned = positions(metas).filter_map(|(at, meta)| {
        let owner = meta.controller()?;
        Some((hash(&[&meta.namespace, &owner.kind, &owner.name]), at))
    });
    owned.collect()
}

fn ingress_controllers(
    objects: &Objects,
    groups: &[Group],
) -> Vec<(&'static KnownController, u32)> {
    // Replicas share one specification, also where a label of their own puts each into a group by itself.
    let mut by_image: HashMap<*const PodSpec, Option<&'static KnownController>> = HashMap::new();
    let mut found = Vec::new();
    for (at, group) in positions(groups.iter()) {
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
    found
}
