//! Everything that was read, and everything that could not be.
//!
//! ```text
//!  Builder --insert(Any)--> Objects (one Store per view, interned)   --seal--> Snapshot
//!          --cover(kind)--> Coverage (listed where, gaps with their verb)        | indexes, once
//!                                                                                v
//!                                                                            Context (read by rules)
//! ```

mod coverage;
mod host_ports;
mod index;
mod intern;
mod objects;
mod store;

pub use coverage::{Absence, Coverage, Gap, GapCause};
pub(crate) use host_ports::claims_now;
pub use host_ports::{Claimant, HostPorts};
pub use index::{Group, Index};
pub use objects::{Difference, Objects};
pub use store::{Iter, Slice, Store, Stored};

use crate::{
    facts::Facts,
    model::{ContainerState, Kind, Maker, Meta, Object as _, ObjectRef, Pod, Text, decode::Any},
};
use std::collections::BTreeMap;

/// Where the objects come from. It decides what absence means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// An API server, or a saved state of one: lists are complete where [`Coverage`] says so.
    #[default]
    Cluster,
    /// Manifests: only what somebody chose to hand in.
    Files,
}

/// What rules read. Built once, never changed; a changed object is laid over it (see `run_for`).
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Objects.
    pub objects: Objects,
    /// What was listed, and what could not be.
    pub coverage: BTreeMap<Kind, Coverage>,
    /// Cluster or files.
    pub source: Source,
    /// Names of the files that objects come from; `Origin::File::file` is an index into it.
    pub files: Vec<Text>,
    /// Manifests that stand for objects which are not in the input.
    pub makers: Vec<Maker>,
    /// What is known about the cluster as a whole.
    pub facts: Facts,
    /// Indexes.
    pub index: Index,
    /// The one namespace that was asked for; `None` for all.
    pub scope: Option<Text>,
    stated: crate::facts::StatedFacts,
}

/// Collects objects and coverage; [`Builder::seal`] makes the snapshot.
#[derive(Debug, Default)]
pub struct Builder {
    objects: Objects,
    coverage: BTreeMap<Kind, Coverage>,
    source: Source,
    files: Vec<Text>,
    makers: Vec<Maker>,
    interner: intern::Interner,
    stated: crate::facts::StatedFacts,
    scope: Option<Text>,
}

impl Builder {
    /// An empty builder.
    pub fn new(source: Source) -> Self {
        Self {
            source,
            ..Self::default()
        }
    }

    /// Adds an object. The order of insertion does not matter.
    pub fn insert(&mut self, mut any: Any) {
        if let Any::Maker(maker) = any {
            return self.makers.push(maker);
        }
        self.interner.share(&mut any);
        self.objects.insert(any);
    }

    /// Registers a file and returns its number for `Origin::File`.
    pub fn file(&mut self, name: &str) -> u32 {
        let number = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        self.files.push(name.into());
        number
    }

    /// What was listed of a kind.
    pub fn coverage(&mut self, kind: Kind) -> &mut Coverage {
        self.coverage.entry(kind).or_default()
    }

    /// The one namespace that was asked for; others are there only to explain it.
    pub fn scope(&mut self, namespace: Option<&str>) {
        self.scope = namespace.map(Into::into);
    }

    /// Puts an object in the place of the one of its kind, namespace and name, and says what is different. Its time of
    /// change counts where its declaration is different, and stays as it was otherwise.
    pub fn replace(&mut self, mut any: Any) -> Difference {
        self.interner.share(&mut any);
        self.objects.replace(any.fitted())
    }

    /// Takes one object out again. Whether it was there.
    pub fn remove(&mut self, kind: Kind, namespace: &str, name: &str) -> bool {
        self.objects.remove(kind, namespace, name)
    }

    /// Takes objects of a kind out again unless they are to be kept. How many went.
    pub fn retain(&mut self, kind: Kind, keep: impl FnMut(&Meta) -> bool) -> usize {
        self.objects.retain(kind, keep)
    }

    /// Takes objects out again: one name, or a kind in one namespace, or everywhere where the namespace is empty.
    pub fn forget(&mut self, kind: Kind, namespace: &str, name: Option<&str>) {
        let everywhere = namespace.is_empty() && name.is_none();
        self.objects.retain(kind, |meta| {
            (!everywhere && *meta.namespace != *namespace)
                || name.is_some_and(|name| *meta.name != *name)
        });
    }

    /// Number of objects of each kind that there is an object of.
    pub fn counts(&self) -> BTreeMap<Kind, usize> {
        self.objects.counts()
    }

    /// The pods so far.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.objects.pods.iter()
    }

    /// Records what a container said before it last ended, where its status does not hold it.
    pub fn last_words(&mut self, namespace: &str, pod: &str, container: &str, text: &str) {
        let wanted = |p: &Pod| *p.meta.namespace == *namespace && *p.meta.name == *pod;
        self.objects.pods.edit(wanted, |pod| {
            let statuses = pod
                .status
                .containers
                .iter_mut()
                .chain(&mut pod.status.init_containers);
            for status in statuses.filter(|status| *status.name == *container) {
                let ended = match &mut status.state {
                    ContainerState::Terminated(ended) => Some(ended),
                    _ => status.last_state.as_mut(),
                };
                if let Some(ended) = ended {
                    ended.message.get_or_insert_with(|| text.into());
                }
            }
        });
    }

    /// Facts that the user states (`--facts`, configuration); they outrank detected ones.
    pub fn state(&mut self, stated: crate::facts::StatedFacts) {
        self.stated = stated;
    }

    /// A second builder with the same contents, which costs next to nothing: what one of them changes from now on the
    /// other does not see. To seal one while the other goes on.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        // Sorted here, so that the next fork finds it done.
        self.objects.seal();
        self.interner.purge();
        Self {
            objects: self.objects.clone(),
            coverage: self.coverage.clone(),
            source: self.source,
            files: self.files.clone(),
            makers: self.makers.clone(),
            interner: intern::Interner::default(),
            stated: self.stated.clone(),
            scope: self.scope.clone(),
        }
    }

    /// Sorts, indexes and detects facts.
    pub fn seal(self) -> Snapshot {
        self.seal_after(&Snapshot::default())
    }

    /// As [`Builder::seal`], sharing the indexes of an earlier snapshot whose objects are the same.
    pub fn seal_after(mut self, earlier: &Snapshot) -> Snapshot {
        self.objects.seal();
        self.makers.sort_by_cached_key(Maker::reference);
        let index = Index::after(&self.objects, earlier);
        let mut snapshot = Snapshot {
            objects: self.objects,
            coverage: self.coverage,
            source: self.source,
            files: self.files,
            makers: self.makers,
            facts: Facts::default(),
            index,
            scope: self.scope,
            stated: self.stated.clone(),
        };
        snapshot.facts = Facts::detect(&snapshot, self.stated);
        snapshot
    }
}

impl Snapshot {
    /// Visits the metadata of every object; the reference is built only when asked for.
    pub fn each_meta<'a>(&'a self, visit: &mut dyn FnMut(&dyn Fn() -> ObjectRef, &'a Meta)) {
        self.objects.each_meta(visit);
    }

    /// Opens the snapshot again, to replace objects that were read once more.
    pub fn reopen(self) -> Builder {
        Builder {
            objects: self.objects,
            coverage: self.coverage,
            source: self.source,
            files: self.files,
            makers: self.makers,
            interner: intern::Interner::default(),
            stated: self.stated,
            scope: self.scope,
        }
    }

    /// The metadata of an object.
    pub fn meta(&self, object: &ObjectRef) -> Option<&Meta> {
        self.objects.meta(object)
    }

    /// The store of a view.
    pub fn store<T: Stored>(&self) -> &Store<T> {
        T::store(&self.objects)
    }

    /// Whether every object of the kind that the namespace holds is here. Cluster-scoped kinds: `""`.
    ///
    /// # Errors
    /// The gap, when it is not known.
    pub fn known(&self, kind: Kind, namespace: &str) -> Result<(), Absence> {
        match self.source {
            Source::Files => Ok(()),
            Source::Cluster => match self.coverage.get(&kind) {
                None => Err(Absence::Unknown(Gap::not_read(kind).reason())),
                Some(coverage) => coverage.known(kind, namespace),
            },
        }
    }

    /// What it means that an object of the kind is not here (catalogue §1.4).
    pub fn absence(&self, kind: Kind, namespace: &str) -> Absence {
        match self.source {
            Source::Cluster => self.known(kind, namespace).err().unwrap_or(Absence::Proven),
            Source::Files if self.holds(kind, namespace) => Absence::Proven,
            Source::Files => Absence::NotInInput,
        }
    }

    /// Whether the input has any object of the kind in the namespace (anywhere, for cluster-scoped kinds).
    fn holds(&self, kind: Kind, namespace: &str) -> bool {
        let namespace = if kind.namespaced() { namespace } else { "" };
        match kind {
            Kind::Pod => !self.objects.pods.in_namespace(namespace).is_empty(),
            Kind::Service => !self.objects.services.in_namespace(namespace).is_empty(),
            Kind::Namespace => !self.objects.namespaces.is_empty(),
            Kind::Node => !self.objects.nodes.is_empty(),
            Kind::ConfigMap => !self.objects.config_maps.in_namespace(namespace).is_empty(),
            Kind::Secret => !self.objects.secrets.in_namespace(namespace).is_empty(),
            Kind::Ingress => !self.objects.ingresses.in_namespace(namespace).is_empty(),
            Kind::IngressClass => !self.objects.ingress_classes.is_empty(),
            Kind::NetworkPolicy => !self
                .objects
                .network_policies
                .in_namespace(namespace)
                .is_empty(),
            Kind::EndpointSlice => !self
                .objects
                .endpoint_slices
                .in_namespace(namespace)
                .is_empty(),
            Kind::Certificate => !self.objects.certificates.in_namespace(namespace).is_empty(),
            Kind::Issuer => self
                .objects
                .issuers
                .in_namespace(namespace)
                .iter()
                .any(|issuer| !issuer.cluster),
            Kind::ClusterIssuer => self.objects.issuers.iter().any(|issuer| issuer.cluster),
            kind if kind.is_controller() => self
                .objects
                .controllers
                .in_namespace(namespace)
                .iter()
                .any(|object| object.kind() == kind),
            // Status-only kinds are never looked for in files.
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::decode;

    #[test]
    fn a_kind_is_forgotten_in_one_namespace_or_everywhere() {
        let filled = || {
            let mut builder = Builder::new(Source::Cluster);
            for namespace in ["a", "b"] {
                for name in ["web", "api"] {
                    let json = format!(
                        r#"{{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {{"name": "{name}", "namespace": "{namespace}"}}}}"#
                    );
                    builder.insert(decode::from_slice(Kind::Deployment, json.as_bytes()));
                }
            }
            builder
        };
        let left = |namespace: &str, name: Option<&str>| {
            let mut builder = filled();
            builder.forget(Kind::Deployment, namespace, name);
            builder.seal().objects.len()
        };
        assert_eq!(left("a", Some("web")), 3);
        assert_eq!(left("a", None), 2);
        assert_eq!(left("", None), 0);
        assert_eq!(left("", Some("web")), 4);
    }

    fn deployment(name: &str, fields: &str) -> Any {
        let json = format!(
            r#"{{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {{"name": "{name}", "namespace": "shop", "uid": "u"}}, {fields}}}"#
        );
        decode::from_slice(Kind::Deployment, json.as_bytes())
    }

    fn at(second: i64, mut any: Any) -> Any {
        any.meta_mut().changed = jiff::Timestamp::from_second(second).ok();
        any
    }

    #[test]
    fn an_object_takes_the_place_of_its_predecessor_and_says_what_is_different() {
        let mut builder = Builder::new(Source::Cluster);
        let replicas = |n: i32| format!(r#""spec": {{"replicas": {n}}}"#);
        let with_status = r#""spec": {"replicas": 2}, "status": {"readyReplicas": 1}"#;
        let mut put = |second, fields: &str| {
            let difference = builder.replace(at(second, deployment("web", fields)));
            let snapshot = builder.fork().seal();
            let [web] = snapshot.objects.controllers.iter().collect::<Vec<_>>()[..] else {
                panic!("one Deployment, not {}", snapshot.objects.len())
            };
            (
                difference,
                web.replicas,
                web.meta.changed.map(jiff::Timestamp::as_second),
            )
        };
        assert_eq!(put(1, &replicas(1)), (Difference::New, Some(1), Some(1)));
        assert_eq!(put(2, &replicas(1)), (Difference::None, Some(1), Some(1)));
        assert_eq!(
            put(3, &replicas(2)),
            (Difference::Declaration, Some(2), Some(3))
        );
        assert_eq!(put(4, with_status), (Difference::Status, Some(2), Some(3)));
    }

    #[test]
    fn a_snapshot_stays_as_it_is_while_its_builder_goes_on() {
        let mut builder = Builder::new(Source::Cluster);
        for name in ["a", "b", "c"] {
            builder.insert(deployment(name, r#""spec": {}"#));
        }
        let before = builder.fork().seal();
        assert!(builder.remove(Kind::Deployment, "shop", "b"));
        assert!(!builder.remove(Kind::Deployment, "shop", "b"));
        assert!(!builder.remove(Kind::StatefulSet, "shop", "a"));
        builder.replace(deployment("d", r#""spec": {}"#));
        let after = builder.fork().seal();
        let names = |snapshot: &Snapshot| -> String {
            let controllers = snapshot.objects.controllers.in_namespace("shop");
            controllers.iter().map(|c| &*c.meta.name).collect()
        };
        assert_eq!(
            (names(&before), names(&after)),
            ("abc".into(), "acd".into())
        );
        assert!(std::ptr::eq(
            before
                .objects
                .controllers
                .named("shop", "a")
                .first()
                .unwrap(),
            after
                .objects
                .controllers
                .named("shop", "a")
                .first()
                .unwrap(),
        ));
    }

    #[test]
    fn label_sets_that_nobody_carries_any_more_are_let_go() {
        let mut builder = Builder::new(Source::Cluster);
        for round in 0..3_000 {
            let template = format!(
                r#""spec": {{"template": {{"metadata": {{"labels": {{"round": "{round}"}}}}}}}}"#
            );
            builder.replace(deployment("web", &template));
            if round % 100 == 0 {
                builder.fork().seal();
            }
        }
        assert!(builder.interner.len() < 2_500, "{}", builder.interner.len());
    }
}
