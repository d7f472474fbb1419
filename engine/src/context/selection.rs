//! What selectors select, and who selects a set of labels.

use super::Context;
use crate::{
    model::{
        Controller, Kind, Labels, Object, ObjectRef, Owner, Pod, Service, Workload, decode::Any,
    },
    rule::Surface,
    selector::{self, LabelSelector},
};
use std::collections::BTreeSet;

impl<'a> Context<'a> {
    /// Pods (not finished, not being deleted) that carry every pair.
    pub fn selected_pods(&self, namespace: &str, pairs: &Labels) -> Vec<&'a Pod> {
        let mut pods = self.pods_labelled(namespace, pairs);
        pods.retain(|pod| pod.alive());
        pods
    }

    /// Workload templates that carry every pair, top-level ones only (no `ReplicaSet` of a Deployment that is here).
    pub fn selected_controllers(&self, namespace: &str, pairs: &Labels) -> Vec<&'a Controller> {
        let mut found = self.controllers_labelled(namespace, pairs);
        found.retain(|controller| self.is_top_level(controller));
        found.sort_by(|a, b| (a.kind(), &a.meta.name).cmp(&(b.kind(), &b.meta.name)));
        found
    }

    /// What a Service selects. On a cluster its pods, and the templates of workloads that have no pod; in files and at
    /// admission all templates, and the pods that nothing here makes. `runtime` labels of the selector (set by controllers while pods run) are ignored when
    /// templates are compared.
    pub fn backends(&self, service: &Service) -> Vec<Workload<'a>> {
        if !service.selects_pods() {
            return Vec::new();
        }
        let address = std::ptr::from_ref(service).addr();
        let mut last = self.last_backends.borrow_mut();
        if last.0 != address {
            *last = (
                address,
                self.workloads_with(&service.meta.namespace, &service.selector),
            );
        }
        let backends = last.1.clone();
        for backend in &backends {
            self.consult(backend.meta(), backend.kind());
        }
        backends
    }

    /// As [`Context::backends`], for any map of labels.
    pub fn workloads_with(&self, namespace: &str, pairs: &Labels) -> Vec<Workload<'a>> {
        let pods = self.selected_pods(namespace, pairs);
        let stable = pairs.without_runtime();
        let controllers = self.selected_controllers(namespace, &stable);
        let without_pods = controllers.into_iter().filter(|controller| {
            // Completed Jobs never serve again, and a template counts only while no pod of it does.
            !matches!(controller.kind(), Kind::Job | Kind::CronJob) || !self.on_cluster()
        });
        let mut found: Vec<Workload<'a>> = Vec::new();
        let mut owners: BTreeSet<(&str, &str)> = BTreeSet::new();
        let mut covered: Vec<ObjectRef> = Vec::new();
        for pod in &pods {
            // The pods of a ReplicaSet share their owner.
            let Some(owner) = pod.meta.controller() else {
                continue;
            };
            if owners.insert((&owner.kind, &owner.name)) {
                covered.extend(self.top_owner(&pod.meta).map(Object::reference));
            }
        }
        found.extend(
            without_pods
                .filter(|controller| !covered.contains(&controller.reference()))
                .map(Workload::Controller),
        );
        found.extend(pods.into_iter().map(Workload::Pod));
        found
    }

    /// Workloads (pods by themselves, templates where no pod exists) that a full selector matches in a namespace.
    /// `None` when an operator is unknown.
    pub fn matched_workloads(
        &self,
        namespace: &str,
        wanted: &LabelSelector,
    ) -> Option<Vec<Workload<'a>>> {
        let mut found = Vec::new();
        // Pairs narrow the search; without any, every label set of the namespace is a candidate.
        let index = &self.snapshot.index;
        let (all, some) = if wanted.match_labels.is_empty() {
            (Some(index.groups_in(namespace)), None)
        } else {
            (
                None,
                Some(index.groups_with(namespace, &wanted.match_labels)),
            )
        };
        for group in all.into_iter().flatten().chain(some.into_iter().flatten()) {
            if !wanted.matches(&group.labels)? {
                continue;
            }
            let pods = group
                .pods
                .iter()
                .filter_map(|at| self.snapshot.objects.pods.at(*at));
            let pods = pods.filter(|pod| pod.alive() && !self.hidden(*pod));
            found.extend(self.standing(pods).map(Workload::Pod));
            let controllers = group
                .controllers
                .iter()
                .filter_map(|at| self.snapshot.objects.controllers.at(*at));
            found.extend(
                controllers
                    .filter(|controller| !self.hidden(*controller) && self.is_top_level(controller))
                    .map(Workload::Controller),
            );
        }
        if let Some(workload) = self
            .changed_workload()
            .filter(|workload| &*workload.meta().namespace == namespace)
        {
            for labels in workload.label_sets() {
                if wanted.matches(labels)? {
                    found.push(workload);
                    break;
                }
            }
        }
        found.sort_by(|a, b| (&a.meta().name, a.kind()).cmp(&(&b.meta().name, b.kind())));
        Some(found)
    }

    /// The pods that count. At admission the template of a workload stands for its pods: they still look as the
    /// workload did before.
    fn standing<'s, P: Iterator<Item = &'a Pod>>(
        &'s self,
        pods: P,
    ) -> impl Iterator<Item = &'a Pod> + use<'a, 's, P> {
        // The pods of one owner mostly stand beside each other.
        let mut last: Option<(&'a Owner, bool)> = None;
        pods.filter(move |pod| {
            let owner = match pod.meta.controller() {
                Some(owner) if self.surface == Surface::Admit => owner,
                _ => return true,
            };
            let known = last.filter(|(other, _)| *other == owner);
            let (_, stands) = known.unwrap_or_else(|| (owner, self.top_owner(&pod.meta).is_none()));
            last = Some((owner, stands));
            stands
        })
    }

    /// At admission, the running pods that carry every pair and for which the template of their workload stands, each
    /// with that workload. [`Context::backends`] leaves them out.
    pub fn stood_for(&self, namespace: &str, pairs: &Labels) -> Vec<(&'a Pod, &'a Controller)> {
        if self.surface != Surface::Admit {
            return Vec::new();
        }
        let groups = self.snapshot.index.groups_with(namespace, pairs);
        let pods = groups
            .flat_map(|group| &group.pods)
            .filter_map(|at| self.snapshot.objects.pods.at(*at));
        pods.filter(|pod| pod.alive() && !self.hidden(*pod))
            .filter_map(|pod| Some((pod, self.top_owner(&pod.meta)?)))
            .collect()
    }

    /// Every label set that pods or templates carry, finished pods included, each with one workload that has it,
    /// templates first.
    pub fn carried<'s>(
        &'s self,
        namespace: Option<&'s str>,
    ) -> impl Iterator<Item = (&'a Labels, Workload<'a>)> + use<'a, 's> {
        let (objects, index) = (&self.snapshot.objects, &self.snapshot.index);
        let (some, all) = match namespace {
            Some(namespace) => (Some(index.groups_in(namespace)), None),
            None => (None, Some(index.groups().iter())),
        };
        let groups = some.into_iter().flatten().chain(all.into_iter().flatten());
        let stored = groups.filter_map(move |group| {
            let at = |at: &u32| objects.controllers.at(*at);
            let mut controllers = group.controllers.iter().filter_map(at);
            let controller = controllers.find(|controller| {
                let stands = || self.top_owner(&controller.meta).is_none();
                !self.hidden(*controller) && (self.surface != Surface::Admit || stands())
            });
            let pods = group.pods.iter().filter_map(|at| objects.pods.at(*at));
            let pods = pods.filter(|pod| !self.hidden(*pod));
            let workload = controller
                .map(Workload::Controller)
                .or_else(|| self.standing(pods).next().map(Workload::Pod))?;
            Some((&group.labels, workload))
        });
        let changed = self.changed_workload().filter(move |workload| {
            namespace.is_none_or(|namespace| *workload.meta().namespace == *namespace)
        });
        let changed = changed
            .into_iter()
            .flat_map(|workload| workload.label_sets().map(move |labels| (labels, workload)));
        stored.chain(changed)
    }

    /// The workload that is being written, which is in no index. What something here makes counts by its template.
    fn changed_workload(&self) -> Option<Workload<'a>> {
        let workload = match self.change.new? {
            Any::Pod(pod) if pod.alive() => Workload::Pod(pod),
            Any::Controller(controller) => Workload::Controller(controller),
            _ => return None,
        };
        self.top_owner(workload.meta())
            .is_none()
            .then_some(workload)
    }

    /// Pods that carry every pair, finished and terminating ones included.
    pub fn pods_labelled(&self, namespace: &str, pairs: &Labels) -> Vec<&'a Pod> {
        let groups = self.snapshot.index.groups_with(namespace, pairs);
        let stored = groups
            .flat_map(|group| &group.pods)
            .filter_map(|at| self.snapshot.objects.pods.at(*at));
        let extra = self.extra::<Pod>().filter(|pod| {
            &*pod.meta.namespace == namespace
                && !pairs.is_empty()
                && selector::contains_all(&pod.meta.labels, pairs)
        });
        let stored = stored.filter(|pod| !self.hidden(*pod));
        let mut pods: Vec<&'a Pod> = self.standing(stored.chain(extra)).collect();
        pods.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        pods
    }

    /// Controllers of every level whose template carries every pair: `ReplicaSets` and Jobs of an owner included.
    pub fn controllers_labelled(&self, namespace: &str, pairs: &Labels) -> Vec<&'a Controller> {
        let groups = self.snapshot.index.groups_with(namespace, pairs);
        let stored = groups
            .flat_map(|group| &group.controllers)
            .filter_map(|at| self.snapshot.objects.controllers.at(*at));
        let extra = self.extra::<Controller>().filter(|controller| {
            &*controller.meta.namespace == namespace
                && !pairs.is_empty()
                && controller
                    .label_sets()
                    .any(|labels| selector::contains_all(labels, pairs))
        });
        stored
            .filter(|controller| !self.hidden(*controller))
            .chain(extra)
            .collect()
    }

    /// The label sets that pods of a namespace are made with, each with one workload that has it: templates of
    /// top-level controllers, and pods whose controller is not here.
    pub fn label_sets(&self, namespace: &str) -> Vec<(&'a Labels, Workload<'a>)> {
        let objects = &self.snapshot.objects;
        let mut sets: Vec<(&'a Labels, Workload<'a>)> = Vec::new();
        for group in self.snapshot.index.groups_in(namespace) {
            let mut controllers = group
                .controllers
                .iter()
                .filter_map(|at| objects.controllers.at(*at));
            let controller = controllers
                .find(|controller| !self.hidden(*controller) && self.is_top_level(controller));
            let mut pods = group.pods.iter().filter_map(|at| objects.pods.at(*at));
            let workload = controller.map(Workload::Controller).or_else(|| {
                let pod = pods.find(|pod| pod.alive() && !self.hidden(*pod))?;
                self.top_owner(&pod.meta)
                    .is_none()
                    .then_some(Workload::Pod(pod))
            });
            sets.extend(workload.map(|workload| (&group.labels, workload)));
        }
        if let Some(workload) = self.changed_workload()
            && *workload.meta().namespace == *namespace
        {
            sets.extend(workload.label_sets().map(|labels| (labels, workload)));
        }
        sets.sort_by(|a, b| {
            let key = |workload: Workload<'a>| (&workload.meta().name, workload.kind());
            (key(a.1), a.0).cmp(&(key(b.1), b.0))
        });
        sets
    }

    /// Services of the namespace whose selector matches these pod labels.
    pub fn services_selecting(&self, namespace: &str, labels: &Labels) -> Vec<&'a Service> {
        let anchored = labels
            .iter()
            .flat_map(|(key, value)| self.snapshot.index.services_anchored(namespace, key, value));
        let stored = anchored.filter_map(|at| self.snapshot.objects.services.at(*at));
        let mut found: Vec<&'a Service> = stored
            .filter(|service| !self.hidden(*service))
            .chain(
                self.extra::<Service>()
                    .filter(|service| &*service.meta.namespace == namespace),
            )
            .filter(|service| {
                service.selects_pods() && selector::contains_all(labels, &service.selector)
            })
            .collect();
        found.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        found
    }

    /// Services that ask for a port on the nodes, in every namespace: the pool of numbers is the cluster's.
    pub fn services_on_node_port(&self, port: i32) -> Vec<&'a Service> {
        let positions = self.snapshot.index.services_on_node_port(port);
        let stored = positions
            .iter()
            .filter_map(|at| self.snapshot.objects.services.at(*at));
        let extra = self
            .extra::<Service>()
            .filter(|service| service.node_ports().any(|other| other == port));
        stored
            .filter(|service| !self.hidden(*service))
            .chain(extra)
            .collect()
    }
}
