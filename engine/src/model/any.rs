//! One type for the views of all kinds.

use super::{
    Autoscaler, Certificate, CertificateRequest, Challenge, ConfigMap, Controller,
    CustomResourceDefinition, EndpointSlice, Event, Gateway, Ingress, IngressClass, IngressRoute,
    Issuer, Kind, Maker, Meta, Namespace, NetworkPolicy, Node, Object, ObjectRef, OpaquePolicy,
    Order, Pod, Secret, Service, ServiceCidr, WebhookConfiguration,
};

/// Any object that a snapshot can hold.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // one variant per view
pub enum Any {
    Pod(Pod),
    Controller(Controller),
    Service(Service),
    EndpointSlice(EndpointSlice),
    Namespace(Namespace),
    Node(Node),
    ConfigMap(ConfigMap),
    Secret(Secret),
    Event(Event),
    Autoscaler(Autoscaler),
    Ingress(Ingress),
    IngressClass(IngressClass),
    NetworkPolicy(NetworkPolicy),
    ServiceCidr(ServiceCidr),
    Certificate(Certificate),
    CertificateRequest(CertificateRequest),
    Order(Order),
    Challenge(Challenge),
    Issuer(Issuer),
    WebhookConfiguration(WebhookConfiguration),
    CustomResourceDefinition(CustomResourceDefinition),
    Gateway(Gateway),
    IngressRoute(IngressRoute),
    OpaquePolicy(OpaquePolicy),
    /// In manifests only: it stands for objects that are not among them.
    Maker(Maker),
}

macro_rules! each {
    ($any:expr, $object:ident => $body:expr) => {
        match $any {
            Any::Pod($object) => $body,
            Any::Controller($object) => $body,
            Any::Service($object) => $body,
            Any::EndpointSlice($object) => $body,
            Any::Namespace($object) => $body,
            Any::Node($object) => $body,
            Any::ConfigMap($object) => $body,
            Any::Secret($object) => $body,
            Any::Event($object) => $body,
            Any::Autoscaler($object) => $body,
            Any::Ingress($object) => $body,
            Any::IngressClass($object) => $body,
            Any::NetworkPolicy($object) => $body,
            Any::ServiceCidr($object) => $body,
            Any::Certificate($object) => $body,
            Any::CertificateRequest($object) => $body,
            Any::Order($object) => $body,
            Any::Challenge($object) => $body,
            Any::Issuer($object) => $body,
            Any::WebhookConfiguration($object) => $body,
            Any::CustomResourceDefinition($object) => $body,
            Any::Gateway($object) => $body,
            Any::IngressRoute($object) => $body,
            Any::OpaquePolicy($object) => $body,
            Any::Maker($object) => $body,
        }
    };
}

impl Any {
    /// Metadata.
    pub fn meta(&self) -> &Meta {
        each!(self, object => object.meta())
    }

    /// Metadata, to set the origin.
    pub fn meta_mut(&mut self) -> &mut Meta {
        each!(self, object => object.meta_mut())
    }

    /// Kind.
    pub fn kind(&self) -> Kind {
        each!(self, object => object.kind())
    }

    /// Full reference.
    pub fn reference(&self) -> ObjectRef {
        each!(self, object => object.reference())
    }

    /// The same, without the room that decoding left: a list grows by doubling, from four. For what is kept for long.
    #[must_use]
    pub(crate) fn fitted(&self) -> Self {
        // A clone takes as much as it holds.
        self.clone()
    }
}
