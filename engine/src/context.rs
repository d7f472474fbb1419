//! What a rule sees: the snapshot, with a changed object laid over it at admission, and the sink for its findings.

mod references;
mod reporter;
mod selection;
mod traits;

pub use reporter::Reporter;

use crate::{
    config::Config,
    facts::Facts,
    model::{Controller, Kind, Meta, Object, ObjectRef, Workload, decode::Any},
    rule::Surface,
    selector::LabelSelector,
    snapshot::{Absence, Slice, Snapshot, Source, Stored},
};
use jiff::Timestamp;
use std::{cell::RefCell, collections::HashMap, rc::Rc};

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

    /// Whether the answer goes to somebody whose rights are not known: who may write into one namespace learns nothing about
    /// others from an admission request.
    pub(crate) fn speaks_to_anybody(&self) -> bool {
        self.surface == Surface::Admit
    }

    /// Whether one change is judged, not everything.
    pub(crate) fn is_change(&self) -> bool {
        self.change.old.is_some() || self.change.new.is_some()
    }

    /// The object that is being written.
    pub(crate) fn incoming(&self) -> Option<&'a Any> {
        self.change.new
    }

    /// The metadata of an object, with the change laid over the snapshot.
    pub(crate) fn meta_of(&self, object: &ObjectRef) -> Option<&'a Meta> {
        let is = |any: &&Any| any.reference().same_object(object);
        if let Some(new) = self.change.new.filter(is) {
            return Some(new.meta());
        }
        if self.change.old.as_ref().is_some_and(is) {
            return None;
        }
        self.snapshot.meta(object)
    }

    /// Whether the snapshot's object of this name is not to be seen, because the change removes or replaces it.
    pub(crate) fn hides(&self, object: &ObjectRef) -> bool {
        let is = |any: &Any| any.reference().same_object(object);
        self.change.old.is_some_and(is) || self.change.new.is_some_and(is)
    }

    fn hidden<T: Object>(&self, object: &T) -> bool {
        let replaces = |any: &Any| {
            any.kind() == object.kind()
                && any.meta().name == object.meta().name
                && any.meta().namespace == object.meta().namespace
                && (any.kind() != Kind::CustomWorkload
                    || any.reference().same_object(&object.reference()))
        };
        self.change.old.is_some_and(replaces)
            || self.change.new.is_some_and(replaces)
            || self.goes_too(object.meta())
    }

    /// Whether the change deletes what made an object: the garbage collector takes it away as well.
    fn goes_too(&self, meta: &Meta) -> bool {
        let (Some(Any::Controller(deleted)), None) = (self.change.old, self.change.new) else {
            return false;
        };
        let mut at = meta;
        // Pod, ReplicaSet, Deployment: the bound keeps a hostile cycle from looping.
        for _ in 0..8 {
            let Some(owner) = at.controller() else {
                return false;
            };
            if at.namespace == deleted.meta.namespace
                && owner.name == deleted.meta.name
                && owner.kind == deleted.reference().kind
            {
                return true;
            }
            let controllers = &self.snapshot.objects.controllers;
            let mut named = controllers.named(&at.namespace, &owner.name).iter();
            let Some(next) = named.find(|c| c.reference().kind == owner.kind) else {
                return false;
            };
            at = &next.meta;
        }
        false
    }

    fn extra<T: Stored>(&self) -> Option<&'a T> {
        self.change.new.and_then(T::of)
    }

    fn overlaid<T: Stored>(
        &self,
        items: Slice<'a, T>,
    ) -> impl Iterator<Item = &'a T> + use<'a, '_, T> {
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

    /// The first object of this name in another namespace. Costs a look-up per namespace.
    pub fn elsewhere<T: Stored>(&self, namespace: &str, name: &str) -> Option<&'a T> {
        let store = self.snapshot.store::<T>();
        let stored = store
            .namespaces()
            .filter(|other| *other != namespace)
            .flat_map(|other| self.overlaid(store.named(other, name)));
        let extra = self.extra::<T>().filter(|object| {
            &*object.meta().namespace != namespace && &*object.meta().name == name
        });
        stored.chain(extra).next()
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
