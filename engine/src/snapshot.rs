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
mod store;

pub use coverage::{Absence, Coverage, Gap, GapCause};
pub(crate) use host_ports::claims_now;
pub use host_ports::{Claimant, HostPorts};
pub use index::{Group, Index};
pub use store::{Store, Stored};

use crate::{
    facts::Facts,
    model::{
        Autoscaler, Certificate, CertificateRequest, Challenge, ConfigMap, ContainerState,
        Controller, CustomResourceDefinition, EndpointSlice, Event, Gateway, Ingress, IngressClass,
        IngressRoute, Issuer, Kind, Maker, Meta, Namespace, NetworkPolicy, Node, Object as _,
        ObjectRef, OpaquePolicy, Order, Pod, Secret, Service, ServiceCidr, Text,
        WebhookConfiguration, decode::Any,
    },
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

macro_rules! objects {
    ($($field:ident: $view:ident),* $(,)?) => {
        /// One store per view.
        #[derive(Debug, Default)]
        #[allow(missing_docs)]
        pub struct Objects {
            $(pub $field: Store<$view>,)*
        }

        impl Objects {
            fn insert(&mut self, any: Any) {
                match any {
                    $(Any::$view(object) => self.$field.push(object),)*
                    // No rule judges makers: they are kept beside the objects.
                    Any::Maker(_) => {}
                }
            }

            fn seal(&mut self) {
                $(self.$field.seal();)*
            }

            fn forget(&mut self, kind: Kind, namespace: &str, name: Option<&str>) {
                let everywhere = namespace.is_empty() && name.is_none();
                $(self.$field.retain(|object| {
                    object.kind() != kind
                        || (!everywhere && *object.meta().namespace != *namespace)
                        || name.is_some_and(|name| *object.meta().name != *name)
                });)*
            }

            /// Number of objects.
            pub fn len(&self) -> usize {
                0 $(+ self.$field.len())*
            }

            /// Whether there is none.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Visits the metadata of every object; the reference is built only when asked for.
            fn each_meta<'a>(&'a self, visit: &mut dyn FnMut(&dyn Fn() -> ObjectRef, &'a Meta)) {
                $(for object in &self.$field {
                    visit(&|| object.reference(), object.meta());
                })*
            }
        }

        $(impl Stored for $view {
            fn store(objects: &Objects) -> &Store<Self> {
                &objects.$field
            }
            fn of(any: &Any) -> Option<&Self> {
                match any {
                    Any::$view(object) => Some(object),
                    _ => None,
                }
            }
        })*
    };
}

objects! {
    pods: Pod, controllers: Controller, services: Service, endpoint_slices: EndpointSlice, namespaces: Namespace,
    nodes: Node, config_maps: ConfigMap, secrets: Secret, events: Event, autoscalers: Autoscaler, ingresses: Ingress,
    ingress_classes: IngressClass, network_policies: NetworkPolicy, service_cidrs: ServiceCidr,
    certificates: Certificate, certificate_requests: CertificateRequest, orders: Order, challenges: Challenge,
    issuers: Issuer, webhook_configurations: WebhookConfiguration, definitions: CustomResourceDefinition,
    gateways: Gateway, ingress_routes: IngressRoute, opaque_policies: OpaquePolicy,
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

    /// Takes objects out again: one name, or a kind in one namespace, or everywhere where the namespace is empty.
    pub fn forget(&mut self, kind: Kind, namespace: &str, name: Option<&str>) {
        self.objects.forget(kind, namespace, name);
    }

    /// The pods so far.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.objects.pods.iter()
    }

    /// Records what a container said before it last ended, where its status does not hold it.
    pub fn last_words(&mut self, namespace: &str, pod: &str, container: &str, text: &str) {
        let pods = self.objects.pods.as_mut_slice().iter_mut();
        for pod in pods.filter(|p| *p.meta.namespace == *namespace && *p.meta.name == *pod) {
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
        }
    }

    /// Facts that the user states (`--facts`, configuration); they outrank detected ones.
    pub fn state(&mut self, stated: crate::facts::StatedFacts) {
        self.stated = stated;
    }

    /// Sorts, indexes and detects facts.
    pub fn seal(self) -> Snapshot {
        let Self {
            mut objects,
            coverage,
            source,
            files,
            mut makers,
            stated,
            scope,
            ..
        } = self;
        objects.seal();
        makers.sort_by_cached_key(crate::model::Object::reference);
        let index = Index::new(&objects);
        let mut snapshot = Snapshot {
            objects,
            coverage,
            source,
            files,
            makers,
            facts: Facts::default(),
            index,
            scope,
            stated: stated.clone(),
        };
        snapshot.facts = Facts::detect(&snapshot, stated);
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
}
