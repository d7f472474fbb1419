//! One store per view.

use super::{Store, Stored};
use crate::model::{
    Autoscaler, Certificate, CertificateRequest, Challenge, ConfigMap, Controller,
    CustomResourceDefinition, EndpointSlice, Event, Gateway, Ingress, IngressClass, IngressRoute,
    Issuer, Kind, Meta, Namespace, NetworkPolicy, Node, Object, ObjectRef, OpaquePolicy, Order,
    Pod, Secret, Service, ServiceCidr, WebhookConfiguration, decode::Any,
};
use std::collections::BTreeMap;

/// How an object differs from the one in whose place it was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Difference {
    /// In nothing that rules read.
    None,
    /// In its status.
    Status,
    /// In what it declares.
    Declaration,
    /// There was none.
    New,
}

macro_rules! objects {
    ($($field:ident: $view:ident),* $(,)?) => {
        /// One store per view.
        #[derive(Debug, Clone, Default)]
        #[allow(missing_docs)]
        pub struct Objects {
            $(pub $field: Store<$view>,)*
        }

        impl Objects {
            pub(super) fn insert(&mut self, any: Any) {
                match any {
                    $(Any::$view(object) => self.$field.push(object),)*
                    // No rule judges makers: they are kept beside the objects.
                    Any::Maker(_) => {}
                }
            }

            pub(super) fn replace(&mut self, any: Any) -> Difference {
                match any {
                    $(Any::$view(object) => replace(&mut self.$field, object),)*
                    Any::Maker(_) => Difference::None,
                }
            }

            pub(super) fn remove(&mut self, kind: Kind, namespace: &str, name: &str) -> bool {
                let mut removed = false;
                $(removed |= self.$field.remove(kind, namespace, name);)*
                removed
            }

            pub(super) fn seal(&mut self) {
                $(self.$field.seal();)*
            }

            pub(super) fn retain(&mut self, kind: Kind, mut keep: impl FnMut(&Meta) -> bool) -> usize {
                let before = self.len();
                $(self.$field.retain(|object| object.kind() != kind || keep(object.meta()));)*
                before - self.len()
            }

            /// Number of objects of each kind.
            pub(super) fn counts(&self) -> BTreeMap<Kind, usize> {
                let mut counts = BTreeMap::new();
                $(for object in &self.$field {
                    *counts.entry(object.kind()).or_default() += 1;
                })*
                counts
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
            pub(super) fn each_meta<'a>(&'a self, visit: &mut dyn FnMut(&dyn Fn() -> ObjectRef, &'a Meta)) {
                $(for object in &self.$field {
                    visit(&|| object.reference(), object.meta());
                })*
            }

            /// The metadata of the object that a reference names.
            pub(super) fn meta(&self, wanted: &ObjectRef) -> Option<&Meta> {
                $(for object in self.$field.named(&wanted.namespace, &wanted.name) {
                    if object.reference().same_object(wanted) {
                        return Some(object.meta());
                    }
                })*
                None
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

fn replace<T: Object + Clone + PartialEq>(store: &mut Store<T>, mut object: T) -> Difference {
    let Some(old) = store.like(&object) else {
        store.put(object);
        return Difference::New;
    };
    let changed = std::mem::replace(&mut object.meta_mut().changed, old.meta().changed);
    if *old == object {
        return Difference::None;
    }
    let declared = |object: &T| {
        let mut object = object.clone();
        object.forget_status();
        // Counts changes of fields that no rule reads as well.
        object.meta_mut().generation = 0;
        object
    };
    let difference = if declared(old) == declared(&object) {
        Difference::Status
    } else {
        object.meta_mut().changed = changed;
        Difference::Declaration
    };
    store.put(object);
    difference
}
