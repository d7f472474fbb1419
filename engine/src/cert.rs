//! Facts about X.509 certificates: no clock, no trust decision, and never key material.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use x509_parser::{extensions::GeneralName, pem::Pem, prelude::X509Certificate};

/// What rules read from one certificate of a chain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CertificateFacts {
    /// Subject, for people.
    pub subject: String,
    /// Issuer, for people.
    pub issuer: String,
    /// Valid from.
    pub not_before: Option<Timestamp>,
    /// Valid until.
    pub not_after: Option<Timestamp>,
    /// DNS names and addresses of the subject alternative name.
    pub names: Vec<String>,
    /// Marked as a certificate authority.
    pub is_ca: bool,
}

/// Reads every certificate of a PEM text, leaf first as it stands.
///
/// # Errors
/// One sentence when the text holds no certificate that can be read. The text itself is not repeated.
pub fn from_pem(pem: &[u8]) -> Result<Vec<CertificateFacts>, String> {
    let mut chain = Vec::new();
    for block in Pem::iter_from_buffer(pem) {
        let block = block.map_err(|_| "the PEM text is damaged".to_owned())?;
        if block.label != "CERTIFICATE" {
            continue;
        }
        let certificate = block
            .parse_x509()
            .map_err(|_| "a certificate cannot be parsed".to_owned())?;
        chain.push(facts(&certificate));
    }
    if chain.is_empty() {
        Err("it holds no certificate".to_owned())
    } else {
        Ok(chain)
    }
}

/// As [`from_pem`], for the base64 of `data`.
///
/// # Errors
/// As [`from_pem`], and for text that is no base64.
pub fn from_base64(text: &str) -> Result<Vec<CertificateFacts>, String> {
    // The API server accepts line breaks inside the text.
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    from_pem(
        &STANDARD
            .decode(text)
            .map_err(|_| "it is not base64".to_owned())?,
    )
}

fn facts(certificate: &X509Certificate<'_>) -> CertificateFacts {
    let validity = certificate.validity();
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|extension| {
        extension
            .value
            .general_names
            .iter()
            .filter_map(name)
            .collect()
    });
    CertificateFacts {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        not_before: Timestamp::from_second(validity.not_before.timestamp()).ok(),
        not_after: Timestamp::from_second(validity.not_after.timestamp()).ok(),
        names: names.unwrap_or_default(),
        is_ca: certificate.is_ca(),
    }
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes)
                .ok()
                .map(|b| std::net::Ipv4Addr::from(b).to_string()),
            16 => <[u8; 16]>::try_from(*bytes)
                .ok()
                .map(|b| std::net::Ipv6Addr::from(b).to_string()),
            _ => None,
        },
        _ => None,
    }
}
