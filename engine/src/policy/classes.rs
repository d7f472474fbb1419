//! Pods that no policy can tell apart.
//!
//! A policy looks at a pod's namespace, at the labels that some selector names, at the ports that some rule names, and
//! at the host network. Pods that agree in these are one class, however many there are: labels that no selector asks
//! about (a template's hash, a pod's name) are left out.

use super::Policies;
use crate::model::{Labels, NetworkPolicy, PodSpec, PolicyRule, Protocol, Text, Workload};
use crate::selector::LabelSelector;
use std::collections::{BTreeMap, BTreeSet};

/// Pods that every policy treats alike.
#[derive(Debug, Clone)]
pub struct Class<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// The labels that selectors ask about.
    pub labels: Labels,
    /// On the host network, where policies promise nothing.
    pub host_network: bool,
    /// The pods, and the templates of workloads that have none. Never empty.
    pub members: Vec<Workload<'a>>,
}

/// What policies ask about.
#[derive(Debug, Default)]
struct Asked<'a> {
    keys: BTreeSet<&'a str>,
    names: BTreeSet<&'a str>,
}

impl<'a> Asked<'a> {
    fn policy(&mut self, policy: &'a NetworkPolicy) {
        self.selector(&policy.pod_selector);
        for rule in policy.ingress.iter().chain(&policy.egress).flatten() {
            self.rule(rule);
        }
    }

    fn rule(&mut self, rule: &'a PolicyRule) {
        for selector in rule
            .peers
            .iter()
            .filter_map(|peer| peer.pod_selector.as_ref())
        {
            self.selector(selector);
        }
        self.names.extend(
            rule.ports
                .iter()
                .filter_map(|port| port.port.as_ref()?.text()),
        );
    }

    fn selector(&mut self, selector: &'a LabelSelector) {
        self.keys
            .extend(selector.match_labels.iter().map(|(key, _)| key));
        self.keys.extend(
            selector
                .match_expressions
                .iter()
                .map(|requirement| &*requirement.key),
        );
    }

    fn labels(&self, labels: &Labels) -> Labels {
        labels
            .iter()
            .filter(|(key, _)| self.keys.contains(key))
            .collect()
    }

    fn ports(&self, spec: &'a PodSpec) -> BTreeSet<(&'a str, &'a Protocol, i32)> {
        if self.names.is_empty() {
            return BTreeSet::new();
        }
        let declared = spec
            .serving_containers()
            .flat_map(|(_, container)| &container.ports);
        let named = declared
            .filter_map(|port| Some((port.name.as_deref()?, &port.protocol, port.container_port)));
        named
            .filter(|(name, _, _)| self.names.contains(name))
            .collect()
    }
}

impl<'a> Policies<'_, 'a> {
    /// The classes of all pods and of the templates without pods, in a stable order.
    pub fn classes(self) -> Vec<Class<'a>> {
        let mut asked = Asked::default();
        for policy in self.cx.all::<NetworkPolicy>() {
            asked.policy(policy);
        }
        let pods = self
            .cx
            .all::<crate::model::Pod>()
            .filter(|pod| pod.alive())
            .map(Workload::Pod);
        let controllers = self
            .cx
            .all::<crate::model::Controller>()
            .filter(|controller| {
                self.cx.is_top_level(controller)
                    && !self.cx.pods_of(controller).iter().any(|pod| pod.alive())
            });
        let workloads = pods.chain(controllers.map(Workload::Controller));
        // Replicas share their labels and their specification, so both are looked at once per allocation.
        let mut seen: BTreeMap<(&Text, &Labels), Labels> = BTreeMap::new();
        let mut classes: BTreeMap<_, Vec<Workload<'a>>> = BTreeMap::new();
        for workload in workloads {
            let (namespace, spec) = (&workload.meta().namespace, workload.spec());
            let labels = seen
                .entry((namespace, workload.pod_labels()))
                .or_insert_with(|| asked.labels(workload.pod_labels()))
                .clone();
            let key = (&**namespace, labels, spec.host_network, asked.ports(spec));
            classes.entry(key).or_default().push(workload);
        }
        let classes =
            classes
                .into_iter()
                .map(|((namespace, labels, host_network, _), mut members)| {
                    members.sort_by_cached_key(|member| (member.kind(), member.reference()));
                    Class {
                        namespace,
                        labels,
                        host_network,
                        members,
                    }
                });
        classes.collect()
    }
}
