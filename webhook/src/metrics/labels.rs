//! What samples are told apart by: a few values each, all of them known beforehand.

use netdoctor_engine::model::Kind;
use prometheus_client::encoding::EncodeLabelSet;

/// Which of the two webhooks is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Webhook {
    /// `/validate`
    Validate,
    /// `/mutate`
    Mutate,
}

impl Webhook {
    /// Value of the `webhook` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Mutate => "mutate",
        }
    }
}

/// Which certificate of a self-managed or mounted pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Certificate {
    /// The authority that signs.
    Ca,
    /// What connections are answered with.
    Leaf,
}

/// Why a connection never carried a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HandshakeFailure {
    /// It took too long.
    Timeout,
    /// The other side went away.
    Closed,
    /// The other side does not trust our certificate: the caBundle is wrong, old or absent.
    CertificateRefused,
    /// The other side named another failure.
    Alert,
    /// No common version, cipher suite or protocol.
    Incompatible,
    /// What arrived is not TLS.
    NotTls,
    /// The client certificate is missing, not trusted, or names somebody else.
    ClientCertificate,
    /// There is no certificate to answer with yet.
    NoCertificate,
    /// Too many connections, all of them busy.
    ConnectionLimit,
    /// Anything else.
    Other,
}

impl HandshakeFailure {
    pub(super) const ALL: [Self; 10] = [
        Self::Timeout,
        Self::Closed,
        Self::CertificateRefused,
        Self::Alert,
        Self::Incompatible,
        Self::NotTls,
        Self::ClientCertificate,
        Self::NoCertificate,
        Self::ConnectionLimit,
        Self::Other,
    ];

    /// Value of the `reason` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::CertificateRefused => "certificate-refused",
            Self::Alert => "alert",
            Self::Incompatible => "incompatible",
            Self::NotTls => "not-tls",
            Self::ClientCertificate => "client-certificate",
            Self::NoCertificate => "no-certificate",
            Self::ConnectionLimit => "connection-limit",
            Self::Other => "other",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RequestLabels {
    pub(super) webhook: &'static str,
    pub(super) operation: &'static str,
    pub(super) kind: &'static str,
    pub(super) decision: &'static str,
    pub(super) code: u16,
    pub(super) dry_run: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RuleLabels {
    pub(super) rule: &'static str,
    pub(super) verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct WebhookLabel {
    pub(super) webhook: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabel {
    pub(super) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct KindLabel {
    pub(super) kind: &'static str,
}

impl KindLabel {
    /// The name of a kind, with its group where the plain name is that of a kind of Kubernetes itself.
    pub(super) fn of(kind: Kind) -> Self {
        let kind = match kind {
            Kind::CalicoNetworkPolicy => "NetworkPolicy.crd.projectcalico.org",
            other => other.name(),
        };
        Self { kind }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CertificateLabel {
    pub(super) certificate: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_kinds_share_a_label() {
        let labels: BTreeSet<&str> = Kind::all().map(|kind| KindLabel::of(kind).kind).collect();
        assert_eq!(labels.len(), Kind::all().count());
    }
}
