//! What is read from a certificate.

use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// When a certificate is valid, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// First moment.
    pub not_before: Timestamp,
    /// Last moment.
    pub not_after: Timestamp,
    /// Whether it may sign others.
    pub is_ca: bool,
    /// Serial number in hexadecimal, to tell certificates apart.
    pub serial: String,
    /// The public key with its algorithm, as DER.
    pub(super) public_key: Vec<u8>,
}

impl CertificateFacts {
    /// Reads a certificate.
    ///
    /// # Errors
    /// When it is none, in one sentence.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, parsed) =
            X509Certificate::from_der(certificate).map_err(|_| "it cannot be parsed".to_owned())?;
        let validity = parsed.validity();
        let moment = |seconds| {
            Timestamp::from_second(seconds).map_err(|_| "its dates are out of range".to_owned())
        };
        Ok(Self {
            not_before: moment(validity.not_before.timestamp())?,
            not_after: moment(validity.not_after.timestamp())?,
            is_ca: parsed.is_ca(),
            serial: parsed.raw_serial_as_string(),
            public_key: parsed.public_key().raw.to_vec(),
        })
    }

    /// Whether it is valid at a moment.
    pub fn is_valid(&self, at: Timestamp) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    /// The moment at which two thirds of its life are over: when it is to be renewed.
    pub fn renewal(&self) -> Timestamp {
        let life = self.not_after.duration_since(self.not_before);
        self.not_before
            .saturating_add(life / 3 * 2)
            .unwrap_or(self.not_after)
    }
}
