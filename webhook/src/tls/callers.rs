//! Who may call: clients with a certificate of the API server's authority, in one of the expected names.

use super::{CertificateFacts, provider};
use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use std::{collections::BTreeSet, sync::Arc};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Why an authority cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the client authority cannot be used: {0}")]
pub struct CallersError(String);

/// Accepts the holders of certain certificates. The authority can be replaced while connections come in.
#[derive(Debug)]
pub struct Callers {
    trust: ArcSwap<Trust>,
    names: BTreeSet<String>,
}

#[derive(Debug)]
struct Trust {
    verifier: Arc<dyn ClientCertVerifier>,
    /// When the last of the authorities ends.
    until: Timestamp,
}

impl Callers {
    /// Trusts the certificates of `authority` (PEM, one or more) whose common name is among `names`.
    ///
    /// # Errors
    /// When there is no usable certificate in `authority`.
    pub fn new(
        authority: &[u8],
        names: impl IntoIterator<Item = String>,
    ) -> Result<Self, CallersError> {
        Ok(Self {
            trust: ArcSwap::from_pointee(trust(authority)?),
            names: names.into_iter().collect(),
        })
    }

    /// Trusts another authority from now on, and says until when.
    ///
    /// # Errors
    /// When it cannot be used. The one before stays.
    pub fn replace(&self, authority: &[u8]) -> Result<Timestamp, CallersError> {
        let trust = trust(authority)?;
        let until = trust.until;
        self.trust.store(Arc::new(trust));
        Ok(until)
    }

    fn knows(&self, certificate: &CertificateDer<'_>) -> bool {
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
            return false;
        };
        // Kubernetes takes the common name as the user. With several of them it is unclear who calls.
        let mut names = certificate.subject().iter_common_name();
        let (Some(name), None) = (names.next(), names.next()) else {
            return false;
        };
        name.as_str().is_ok_and(|name| self.names.contains(name))
    }
}

fn trust(authority: &[u8]) -> Result<Trust, CallersError> {
    let error = |text: &dyn ToString| CallersError(text.to_string());
    let mut roots = RootCertStore::empty();
    let mut until = Timestamp::MIN;
    for certificate in CertificateDer::pem_slice_iter(authority) {
        let certificate = certificate.map_err(|_| error(&"the PEM text is damaged"))?;
        let facts = CertificateFacts::of(&certificate).map_err(|why| error(&why))?;
        until = until.max(facts.not_after);
        roots.add(certificate).map_err(|why| error(&why))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|why| error(&why))?;
    Ok(Trust { verifier, until })
}

impl ClientCertVerifier for Callers {
    /// None: a client then shows whatever certificate it has, and the list may change under us.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let trust = self.trust.load();
        let verified = trust
            .verifier
            .verify_client_cert(end_entity, intermediates, now)?;
        if self.knows(end_entity) {
            Ok(verified)
        } else {
            let failure = CertificateError::ApplicationVerificationFailure;
            Err(Error::InvalidCertificate(failure))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let trust = self.trust.load();
        trust
            .verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let trust = self.trust.load();
        trust
            .verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.load().verifier.supported_verify_schemes()
    }
}
