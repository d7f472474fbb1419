//! What a rule sees: the snapshot, with a changed object laid over it at admission, and the sink for its findings.

use crate::{
    config::Config,
    facts::Facts,
    finding::Finding,
    ingress::KnownController,
    model::{
        Autoscaler, Controller, EndpointSlice, Event, Ingress, Kind, Labels, Meta, Object,
        ObjectRef, Pod, Service, Text, Workload, decode::Any,
    },
    rule::{Rule, Severity, Surface},
    selector::{self, LabelSelector},
    snapshot::{Absence, Group, Snapshot, Source, Stored},
};
use jiff::Timestamp;
use std::{
    cell::RefCell,
    collections::{BTreeSet, HashMap},
    rc::Rc,
};

/// A change that is being judged: what an admission request carries.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// The object before; `None` for CREATE.
    pub old: Option<&'a Any>,
    /// The object after; `None` for DELETE.
    pub new: Option<&'a Any>,
}

/// What a rule reads. Accessors answer from the snapshot with the change laid over it.
pub struct Context<'a> {
    /// The snapshot; use the accessors, which know about the change.
    pub snapshot: &'a Snapshot,
    /// The configuration.
    pub config: &'a Config,
    /// The clock.
    pub now: Timestamp,
    /// Where the rule runs.
    pub surface: Surface,
    change: Change<'a>,
    tainted: RefCell<Option<String>>,
    /// The backends of the Service that was asked about last: all rules about a Service run one after the other.
    last_backends: RefCell<(usize, Vec<Workload<'a>>)>,
    /// Namespaces by selector: policies repeat the same few selectors.
    pub(crate) namespaces:
        RefCell<HashMap<LabelSelector, Rc<crate::policy::namespaces::Namespaces<'a>>>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        config: &'a Config,
        now: Timestamp,
        surface: Surface,
        change: Change<'a>,
    ) -> Self {
        Self {
            snapshot,
            config,
            now,
            surface,
            change,
            tainted: RefCell::new(None),
            last_backends: RefCell::default(),
            namespaces: RefCell::default(),
        }
    }

    /// What rules see when nothing changes: for those who ask the policy engine without running rules.
    pub fn still(
        snapshot: &'a Snapshot,
        config: &'a Config,
        now: Timestamp,
        surface: Surface,
    ) -> Self {
        Self::new(snapshot, config, now, surface, Change::default())
    }

    /// Facts about the cluster.
    pub fn facts(&self) -> &'a Facts {
        &self.snapshot.facts
    }

    /// Objects come from a cluster (or a saved state of one), not from manifests.
    pub fn on_cluster(&self) -> bool {
        self.snapshot.source == Source::Cluster
    }

    /// Seconds that objects get before an incomplete state counts.
    pub fn grace_seconds(&self) -> i64 {
        60
    }

    fn hidden<T: Object>(&self, object: &T) -> bool {
        let replaces = |any: &Any| {
            any.kind() == object.kind()
                && any.meta().name == object.meta().name
                && any.meta().namespace == object.meta().namespace
        };
        self.change.old.is_some_and(replaces) || self.change.new.is_some_and(replaces)
    }

    fn extra<T: Stored>(&self) -> Option<&'a T> {
        self.change.new.and_then(T::of)
    }

    fn overlaid<T: Stored>(&self, items: &'a [T]) -> impl Iterator<Item = &'a T> + use<'a, '_, T> {
        let any = self.change.old.is_some() || self.change.new.is_some();
        items
            .iter()
            .filter(move |object| !any || !self.hidden(*object))
    }

    /// All objects of a view.
    pub fn all<T: Stored>(&self) -> impl Iterator<Item = &'a T> + use<'a, '_, T> {
        let any = self.change.old.is_some() || self.change.new.is_some();
        let stored = self
            .snapshot
            .store::<T>()
            .iter()
            .filter(move |object| !any || !self.hidden(*object));
        stored.chain(self.extra::<T>())
    }

    /// Objects of a view in one namespace.
    pub fn in_namespace<T: Stored>(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = &'a T> + use<'a, '_, T> {
        let extra = self
            .extra::<T>()
            .filter(|object| &*object.meta().namespace == namespace);
        self.overlaid(self.snapshot.store::<T>().in_namespace(namespace))
            .chain(extra)
    }

    /// Objects of one name; several where files hold variants. Reading one marks it as consulted: if parts of it could
    /// not be decoded, a finding built on it becomes unknown.
    pub fn named<T: Stored>(&self, namespace: &str, name: &str) -> Vec<&'a T> {
        let extra = self.extra::<T>().filter(|object| {
            &*object.meta().namespace == namespace && &*object.meta().name == name
        });
        let found: Vec<&'a T> = self
            .overlaid(self.snapshot.store::<T>().named(namespace, name))
            .chain(extra)
            .collect();
        for object in &found {
            self.consult(object.meta(), object.kind());
        }
        found
    }

    /// The first object of one name.
    pub fn get<T: Stored>(&self, namespace: &str, name: &str) -> Option<&'a T> {
        self.named::<T>(namespace, name).into_iter().next()
    }

    /// A controller by kind and name. Variants: the first.
    pub fn controller(&self, namespace: &str, kind: &str, name: &str) -> Option<&'a Controller> {
        self.named::<Controller>(namespace, name)
            .into_iter()
            .find(|c| *c.reference().kind == *kind)
    }

    /// What it means that an object is not here (catalogue §1.4): proven, not in the input, unknown, not installed.
    pub fn absence(&self, kind: Kind, namespace: &str) -> Absence {
        self.snapshot.absence(kind, namespace)
    }

    /// Whether every object of the kind that the namespace holds is here.
    ///
    /// # Errors
    /// What absence means when it is not.
    pub fn known(&self, kind: Kind, namespace: &str) -> Result<(), Absence> {
        self.snapshot.known(kind, namespace)
    }

    /// Files only: an object of the view whose manifest states no namespace may belong to any, so it can satisfy a
    /// reference from an object that states one (and the other way round).
    pub fn may_be_here<T: Stored>(&self, subject: &Meta, satisfies: impl Fn(&T) -> bool) -> bool {
        !self.on_cluster()
            && self.all::<T>().any(|object| {
                object.meta().namespace_implied != subject.namespace_implied && satisfies(object)
            })
    }

    /// Files only: what may make pods and Services in the namespace of this object, without being among them: a chart, a
    /// custom resource of an operator.
    pub fn maker_for(&self, subject: &Meta) -> Option<&'a crate::model::Maker> {
        self.maker_in(&subject.namespace, subject.namespace_implied)
    }

    /// [`Context::maker_for`] for a namespace that an object names. `implied`: nobody stated it.
    pub fn maker_in(&self, namespace: &str, implied: bool) -> Option<&'a crate::model::Maker> {
        let makers = &self.snapshot.makers;
        makers
            .iter()
            .find(|maker| maker.may_reach(namespace, implied))
    }

    /// Files only: a container without an image is no object for the API server, but a patch of one: what it leaves out
    /// (ports, labels, strategy) stands elsewhere. The name of that container.
    pub fn patched_container(&self, workload: Workload<'a>) -> Option<&'a str> {
        let in_file = matches!(workload.meta().origin, crate::model::Origin::File { .. });
        let mut containers = workload.spec().containers.iter();
        let container = containers.find(|container| in_file && container.image.is_empty())?;
        Some(&container.name)
    }

    /// Files only: something of the input installs an application from elsewhere, cluster-wide objects included.
    pub fn installer(&self) -> Option<&'a crate::model::Maker> {
        let makers = &self.snapshot.makers;
        makers.iter().find(|maker| maker.installs)
    }

    /// Pods (not finished, not being deleted) that carry every pair.
    pub fn selected_pods(&self, namespace: &str, pairs: &Labels) -> Vec<&'a Pod> {
        let groups = self.snapshot.index.groups_with(namespace, pairs);
        let stored = groups
            .flat_map(|group| &group.pods)
            .filter_map(|at| self.snapshot.objects.pods.at(*at));
        let extra = self.extra::<Pod>().filter(|pod| {
            &*pod.meta.namespace == namespace
                && !pairs.is_empty()
                && selector::contains_all(&pod.meta.labels, pairs)
        });
        let mut pods: Vec<&'a Pod> = stored
            .filter(|pod| !self.hidden(*pod))
            .chain(extra)
            .filter(|pod| pod.alive())
            .collect();
        pods.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        pods
    }

    /// Workload templates that carry every pair, top-level ones only (no `ReplicaSet` of a Deployment that is here).
    pub fn selected_controllers(&self, namespace: &str, pairs: &Labels) -> Vec<&'a Controller> {
        let groups = self.snapshot.index.groups_with(namespace, pairs);
        let stored = groups
            .flat_map(|group| &group.controllers)
            .filter_map(|at| self.snapshot.objects.controllers.at(*at));
        let extra = self.extra::<Controller>().filter(|controller| {
            &*controller.meta.namespace == namespace
                && !pairs.is_empty()
                && selector::contains_all(&controller.template.labels, pairs)
        });
        let mut found: Vec<&'a Controller> = stored
            .filter(|controller| !self.hidden(*controller))
            .chain(extra)
            .filter(|controller| self.is_top_level(controller))
            .collect();
        found.sort_by(|a, b| (a.kind(), &a.meta.name).cmp(&(b.kind(), &b.meta.name)));
        found
    }

    /// What a Service selects. On a cluster its pods, and the templates of workloads that have no pod; in files all
    /// templates and bare pods. `runtime` labels of the selector (set by controllers while pods run) are ignored when
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
            found.extend(
                pods.filter(|pod| pod.alive() && !self.hidden(*pod))
                    .map(Workload::Pod),
            );
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
        let changed = match self.change.new {
            Some(Any::Pod(pod)) if pod.alive() => Some(Workload::Pod(pod)),
            Some(Any::Controller(controller)) => Some(Workload::Controller(controller)),
            _ => None,
        };
        if let Some(workload) = changed.filter(|workload| &*workload.meta().namespace == namespace)
            && wanted.matches(workload.pod_labels())?
        {
            found.push(workload);
        }
        found.sort_by(|a, b| (&a.meta().name, a.kind()).cmp(&(&b.meta().name, b.kind())));
        Some(found)
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
        let mut pods: Vec<&'a Pod> = stored
            .filter(|pod| !self.hidden(*pod))
            .chain(extra)
            .collect();
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
                && selector::contains_all(&controller.template.labels, pairs)
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
        let changed = match self.change.new {
            Some(Any::Pod(pod)) if pod.alive() => Some(Workload::Pod(pod)),
            Some(Any::Controller(controller)) => Some(Workload::Controller(controller)),
            _ => None,
        };
        sets.extend(
            changed
                .filter(|workload| &*workload.meta().namespace == namespace)
                .map(|workload| (workload.pod_labels(), workload)),
        );
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

    /// Slices of a Service, of every address family and manager.
    pub fn slices_of(&self, service: &Service) -> Vec<&'a EndpointSlice> {
        let positions = self
            .snapshot
            .index
            .slices_of(&service.meta.namespace, &service.meta.name);
        positions
            .iter()
            .filter_map(|at| self.snapshot.objects.endpoint_slices.at(*at))
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

    fn group_pods<'g>(&self, group: &'g Group) -> impl Iterator<Item = &'a Pod> + use<'a, 'g, '_> {
        let pods = group
            .pods
            .iter()
            .filter_map(|at| self.snapshot.objects.pods.at(*at));
        pods.filter(|pod| pod.alive() && !self.hidden(*pod))
    }

    fn group_controllers<'g>(
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
        let meta = if &*reference.kind == Kind::Pod.name() {
            self.snapshot
                .objects
                .pods
                .named(&reference.namespace, &reference.name)
                .first()
                .map(|pod| &pod.meta)
        } else {
            let named = self
                .snapshot
                .objects
                .controllers
                .named(&reference.namespace, &reference.name);
            named
                .iter()
                .find(|c| c.reference().same_object(reference))
                .map(|c| &c.meta)
        };
        self.top_owner(meta?).map(Object::reference)
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

    /// A mesh injects a sidecar into these pods, which may add ports: labels and annotations of the pods, labels and
    /// annotations of their namespace (Istio, Linkerd, Kuma, Consul, Dapr).
    pub fn mesh_injects(&self, workload: Workload<'_>) -> bool {
        let (labels, annotations) = (workload.pod_labels(), workload.pod_annotations());
        let pod = labels
            .get("sidecar.istio.io/inject")
            .or_else(|| annotations.get("sidecar.istio.io/inject"));
        let linkerd = annotations.get("linkerd.io/inject");
        if pod == Some("false") && linkerd.is_none() {
            return false;
        }
        if pod == Some("true")
            || matches!(linkerd, Some("enabled" | "ingress"))
            || annotations.get("consul.hashicorp.com/connect-inject") == Some("true")
            || annotations.get("dapr.io/enabled") == Some("true")
            || labels.get("kuma.io/sidecar-injection") == Some("enabled")
            || workload
                .spec()
                .containers
                .iter()
                .any(|container| &*container.image == "auto")
        {
            return true;
        }
        self.named::<crate::model::Namespace>("", &workload.meta().namespace)
            .iter()
            .any(|namespace| {
                let (labels, annotations) = (&namespace.meta.labels, &namespace.meta.annotations);
                labels.get("istio-injection") == Some("enabled")
                    || labels.get("istio.io/rev").is_some()
                    || labels.get("kuma.io/sidecar-injection") == Some("enabled")
                    || annotations.get("linkerd.io/inject") == Some("enabled")
            })
    }

    /// Tokens that the workload's arguments, environment and mounted `ConfigMaps` mention. The second value tells
    /// whether a `ConfigMap` could not be read, so that silence proves nothing.
    pub fn mentions_port(&self, workload: Workload<'_>, port: i32) -> bool {
        let spec = workload.spec();
        spec.all_containers()
            .any(|(_, container)| container.mentions.port(port))
            || self
                .config_maps_of(workload)
                .iter()
                .any(|map| map.mentions.port(port))
    }

    /// The `ConfigMaps` that a workload mounts or takes variables from, as far as they are here.
    pub fn config_maps_of(&self, workload: Workload<'_>) -> Vec<&'a crate::model::ConfigMap> {
        let spec = workload.spec();
        let from_containers = spec
            .all_containers()
            .flat_map(|(_, container)| &container.config_maps);
        let mut names: Vec<&Text> = spec.config_maps.iter().chain(from_containers).collect();
        names.sort();
        names.dedup();
        names
            .iter()
            .flat_map(|name| self.named(&workload.meta().namespace, name))
            .collect()
    }

    /// `kube-system` and the like, where rules about host networking are silent (catalogue §1.8).
    pub fn is_system_namespace(&self, namespace: &str) -> bool {
        matches!(namespace, "kube-system" | "kube-public" | "kube-node-lease")
            || self
                .facts()
                .dataplane_namespaces
                .iter()
                .any(|system| &**system == namespace)
    }

    fn consult(&self, meta: &Meta, kind: Kind) {
        if let Some(problem) = meta.problems.first() {
            let mut tainted = self.tainted.borrow_mut();
            if tainted.is_none() {
                *tainted = Some(unreadable(kind, meta, &problem.pointer, &problem.message));
            }
        }
    }

    pub(crate) fn take_taint(&self) -> Option<String> {
        self.tainted.borrow_mut().take()
    }
}

pub(crate) fn unreadable(kind: Kind, meta: &Meta, pointer: &str, message: &str) -> String {
    let field = if pointer.is_empty() {
        "the object"
    } else {
        pointer
    };
    format!("{field} of {kind} {meta} could not be read: {message}")
}

/// Collects what a rule has to say about one subject.
pub struct Reporter {
    rule: &'static Rule,
    subject: Rc<ObjectRef>,
    severity: Severity,
    pub(crate) findings: Vec<Finding>,
    pub(crate) unknown: Vec<String>,
    pub(crate) skipped: Vec<String>,
    pub(crate) applicable: bool,
}

impl Reporter {
    pub(crate) fn new(rule: &'static Rule, subject: Rc<ObjectRef>, severity: Severity) -> Self {
        Self {
            rule,
            subject,
            severity,
            findings: Vec::new(),
            unknown: Vec::new(),
            skipped: Vec::new(),
            applicable: true,
        }
    }

    /// A violation, with the rule's default severity and confidence. `message`: one fact, lower case, no period,
    /// names in backticks, stands alone, without the remedy.
    pub fn find(&mut self, message: impl Into<String>) -> &mut Finding {
        let index = self.findings.len();
        self.findings.push(Finding {
            rule: self.rule,
            case: None,
            severity: self.severity,
            confidence: self.rule.confidence,
            subject: ObjectRef::clone(&self.subject),
            key: String::new(),
            message: message.into(),
            notes: Vec::new(),
            labels: Vec::new(),
            fixes: Vec::new(),
            because: Vec::new(),
            lookups: Vec::new(),
            shared: None,
            explained_by: None,
            explains: Vec::new(),
            fingerprint: String::new(),
        });
        &mut self.findings[index]
    }

    /// Evidence could not be obtained; the reason names what is missing.
    pub fn unknown(&mut self, reason: impl Into<String>) {
        self.unknown.push(reason.into());
    }

    /// A guard applies: the rule has no opinion here.
    pub fn skip(&mut self, reason: impl Into<String>) {
        self.skipped.push(reason.into());
    }

    /// The rule is not about this subject: not counted at all.
    pub fn not_applicable(&mut self) {
        self.applicable = false;
    }

    /// Turns an [`Absence`] that proves nothing into the outcome it stands for. `wanted` names what was looked for.
    /// Returns whether the absence is proven.
    pub fn proven(&mut self, absence: Absence, wanted: &str) -> bool {
        match absence {
            Absence::Proven => return true,
            Absence::NotInInput => self.skip(format!("not in this input: {wanted}")),
            Absence::Unknown(reason) => self.unknown(reason),
            Absence::NotInstalled => self.skip(format!("not installed: {wanted}")),
        }
        false
    }
}
