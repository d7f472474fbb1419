//! cert-manager: the chain from a Certificate to the ACME challenge.

use super::{Condition, Kind, Meta, Object, Text};
use jiff::Timestamp;
use serde::Deserialize;

/// A reference to an issuer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct IssuerRef {
    pub name: Text,
    pub kind: Option<Text>,
    pub group: Option<Text>,
}

impl IssuerRef {
    /// `ClusterIssuer`, or the default `Issuer`.
    pub fn is_cluster_issuer(&self) -> bool {
        self.kind.as_deref() == Some("ClusterIssuer")
    }

    /// Issuers of other groups are served by somebody else and cannot be judged.
    pub fn is_cert_manager(&self) -> bool {
        self.group
            .as_deref()
            .is_none_or(|group| group.is_empty() || group == "cert-manager.io")
    }
}

/// A Certificate.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Certificate {
    /// Metadata.
    #[serde(rename = "metadata")]
    pub meta: Meta,
    /// Specification.
    pub spec: CertificateSpec,
    /// Status.
    pub status: CertificateStatus,
}

/// `CertificateSpec`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct CertificateSpec {
    pub secret_name: Text,
    pub dns_names: Vec<Text>,
    pub issuer_ref: IssuerRef,
}

/// `CertificateStatus`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct CertificateStatus {
    pub conditions: Vec<Condition>,
    pub not_after: Option<Timestamp>,
    pub not_before: Option<Timestamp>,
    pub renewal_time: Option<Timestamp>,
    pub last_failure_time: Option<Timestamp>,
    pub next_private_key_secret_name: Option<Text>,
    pub failed_issuance_attempts: Option<i32>,
}

/// A `CertificateRequest`; its owner is the Certificate.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct CertificateRequest {
    /// Metadata.
    #[serde(rename = "metadata")]
    pub meta: Meta,
    /// Specification.
    pub spec: CertificateRequestSpec,
    /// Status.
    pub status: CertificateRequestStatus,
}

/// `CertificateRequestSpec`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct CertificateRequestSpec {
    pub issuer_ref: IssuerRef,
}

/// `CertificateRequestStatus`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct CertificateRequestStatus {
    pub conditions: Vec<Condition>,
    pub failure_time: Option<Timestamp>,
}

/// An ACME Order; its owner is the `CertificateRequest`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Order {
    /// Metadata.
    #[serde(rename = "metadata")]
    pub meta: Meta,
    /// Status.
    pub status: AcmeStatus,
}

/// An ACME Challenge; its owner is the Order.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Challenge {
    /// Metadata.
    #[serde(rename = "metadata")]
    pub meta: Meta,
    /// Specification.
    pub spec: ChallengeSpec,
    /// Status.
    pub status: AcmeStatus,
}

/// `ChallengeSpec`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ChallengeSpec {
    /// Name to be proven.
    pub dns_name: Text,
    /// `HTTP-01` or `DNS-01`.
    #[serde(rename = "type")]
    pub kind: Text,
}

/// Status of an Order or a Challenge.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct AcmeStatus {
    pub state: Text,
    pub reason: Option<Text>,
    pub failure_time: Option<Timestamp>,
}

/// An Issuer or a `ClusterIssuer`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Issuer {
    /// Metadata.
    pub meta: Meta,
    /// Which of the two.
    pub cluster: bool,
    /// `status.conditions`.
    pub conditions: Vec<Condition>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct RawIssuer {
    metadata: Meta,
    status: RawIssuerStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawIssuerStatus {
    conditions: Vec<Condition>,
}

impl RawIssuer {
    pub(super) fn finish(self, kind: Kind) -> Issuer {
        Issuer {
            meta: self.metadata,
            cluster: kind == Kind::ClusterIssuer,
            conditions: self.status.conditions,
        }
    }
}

impl Object for Issuer {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        if self.cluster {
            Kind::ClusterIssuer
        } else {
            Kind::Issuer
        }
    }
    fn forget_status(&mut self) {
        self.conditions.clear();
    }
}

macro_rules! object {
    ($($view:ident: $status:ty),*) => {$(
        impl Object for $view {
            fn meta(&self) -> &Meta {
                &self.meta
            }
            fn meta_mut(&mut self) -> &mut Meta {
                &mut self.meta
            }
            fn kind(&self) -> Kind {
                Kind::$view
            }
            fn forget_status(&mut self) {
                self.status = <$status>::default();
            }
        }
    )*};
}

object!(
    Certificate: CertificateStatus,
    CertificateRequest: CertificateRequestStatus,
    Order: AcmeStatus,
    Challenge: AcmeStatus
);
