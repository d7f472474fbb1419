//! A certificate with its chain and the key that belongs to it.

use super::{facts::CertificateFacts, provider};
use jiff::Timestamp;
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use std::{fmt, sync::Arc};

/// Why a pair cannot be used. No text of the key or the certificate is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// The certificate file.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
    /// The key file.
    #[error(
        "the private key cannot be read: it is no unencrypted PKCS#8, PKCS#1 or SEC1 key in PEM"
    )]
    Key,
    /// The key is of a kind that is not supported, or not the certificate's.
    #[error("the private key does not belong to the certificate")]
    Mismatch,
}

/// A certificate chain with its key.
#[derive(Clone)]
pub struct Pair {
    key: Arc<CertifiedKey>,
    facts: CertificateFacts,
}

impl Pair {
    /// Reads a chain (leaf first) and a key, and checks that they belong together.
    ///
    /// # Errors
    /// When they do not, or cannot be read.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, PairError> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| PairError::Certificate("the PEM text is damaged".to_owned()))?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| PairError::Key)?;
        Self::new(chain, key)
    }

    /// As [`Pair::from_pem`], from DER.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, PairError> {
        let leaf = chain
            .first()
            .ok_or_else(|| PairError::Certificate("it holds no certificate".to_owned()))?;
        let facts = CertificateFacts::of(leaf).map_err(PairError::Certificate)?;
        let key =
            CertifiedKey::from_der(chain, key, &provider()).map_err(|_| PairError::Mismatch)?;
        Ok(Self {
            key: Arc::new(key),
            facts,
        })
    }

    /// For rustls.
    pub(super) fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// When the leaf is valid.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// The leaf's last moment.
    pub fn not_after(&self) -> Timestamp {
        self.facts.not_after
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
