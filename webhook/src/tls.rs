//! TLS: which certificate answers, where it comes from, and who may call.
//!
//! ```text
//!  files (cert-manager, a Secret) --poll--+
//!                                         +--> Serving --ResolvesServerCert--> every new connection
//!  own CA (Secret) --sign--> leaf --------+
//! ```
//!
//! A new certificate is for new connections; open ones finish with what they have. What cannot be used never replaces
//! what can.

pub mod authority;
mod callers;
mod cluster;
mod facts;
mod files;
mod managed;
mod pair;
pub mod rotation;
pub mod secret;
mod serving;

pub use callers::{Callers, CallersError};
pub use cluster::{ClusterError, FIELD_MANAGER, Hook, HookKind, Place};
pub use facts::CertificateFacts;
pub use files::{AuthorityFile, FileError, PairFiles, Polled};
pub use managed::{ManagedError, SelfManaged};
pub use pair::{Pair, PairError};
pub use serving::Serving;

use crate::metrics::HandshakeFailure;
use rustls::{
    AlertDescription, ServerConfig,
    crypto::{CryptoProvider, ring},
    version::{TLS12, TLS13},
};
use std::{io, sync::Arc};
use tokio_rustls::TlsAcceptor;

/// The one protocol that is offered.
const HTTP_1_1: &[u8] = b"http/1.1";

/// The provider of all cryptography here.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The TLS side of a listener.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    serving: Arc<Serving>,
}

impl Tls {
    /// Answers with what `serving` holds. With `callers`, only to clients that show a certificate it accepts.
    ///
    /// # Errors
    /// When the provider has no cipher suites for TLS 1.2 and 1.3, which is a mistake in how it was built.
    pub fn new(
        serving: Arc<Serving>,
        callers: Option<Arc<Callers>>,
    ) -> Result<Self, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13, &TLS12])?;
        let builder = match callers {
            Some(callers) => builder.with_client_cert_verifier(callers),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(serving.clone());
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            serving,
        })
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Why a handshake failed.
    pub(crate) fn failure(&self, error: &io::Error) -> HandshakeFailure {
        if self.serving.is_ready() {
            failure(error)
        } else {
            HandshakeFailure::NoCertificate
        }
    }
}

fn failure(error: &io::Error) -> HandshakeFailure {
    use HandshakeFailure as F;
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::AlertReceived(alert)) => match alert {
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown => F::CertificateRefused,
            _ => F::Alert,
        },
        Some(rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol) => {
            F::Incompatible
        }
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            F::ClientCertificate
        }
        Some(
            rustls::Error::InvalidMessage(_)
            | rustls::Error::InappropriateMessage { .. }
            | rustls::Error::InappropriateHandshakeMessage { .. }
            | rustls::Error::PeerMisbehaved(_)
            | rustls::Error::PeerSentOversizedRecord
            | rustls::Error::DecryptError,
        ) => F::NotTls,
        Some(_) => F::Other,
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => F::Closed,
            io::ErrorKind::InvalidData => F::NotTls,
            _ => F::Other,
        },
    }
}
