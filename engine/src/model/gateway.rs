//! Gateways and Traefik routes, as far as their TLS references go, and policy kinds that only their own engine reads.

use super::{Kind, Meta, Object, Text};
use serde::Deserialize;

/// A Gateway (gateway.networking.k8s.io).
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Gateway {
    /// Metadata.
    #[serde(rename = "metadata")]
    pub meta: Meta,
    /// Specification.
    pub spec: GatewaySpec,
}

/// The specification.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct GatewaySpec {
    pub gateway_class_name: Text,
    pub listeners: Vec<Listener>,
}

/// A listener.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Listener {
    pub name: Text,
    pub hostname: Option<Text>,
    pub port: i32,
    pub protocol: Text,
    pub tls: Option<ListenerTls>,
}

/// TLS settings of a listener.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct ListenerTls {
    pub mode: Option<Text>,
    pub certificate_refs: Vec<CertificateReference>,
}

/// A reference to a Secret; other kinds are not judged.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct CertificateReference {
    pub group: Option<Text>,
    pub kind: Option<Text>,
    pub name: Text,
    pub namespace: Option<Text>,
}

impl Object for Gateway {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::Gateway
    }
}

/// A Traefik `IngressRoute`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct IngressRoute {
    /// Metadata.
    #[serde(rename = "metadata")]
    pub meta: Meta,
    /// Specification.
    pub spec: IngressRouteSpec,
}

/// The specification.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct IngressRouteSpec {
    pub tls: Option<RouteTls>,
}

/// TLS settings of a route.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct RouteTls {
    pub secret_name: Option<Text>,
}

impl Object for IngressRoute {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::IngressRoute
    }
}

/// A policy object that we cannot evaluate. That it exists makes verdicts unknown.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OpaquePolicy {
    /// Metadata.
    pub meta: Meta,
    /// Which kind.
    pub kind: Option<Kind>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct RawOpaque {
    metadata: Meta,
}

impl RawOpaque {
    pub(super) fn finish(self, kind: Kind) -> OpaquePolicy {
        OpaquePolicy {
            meta: self.metadata,
            kind: Some(kind),
        }
    }
}

impl Object for OpaquePolicy {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::CiliumNetworkPolicy)
    }
}
