//! The webhook's own certificate authority, and the leaves that it signs.

use super::{CertificateFacts, Pair, PairError};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use std::{fmt, time::Duration};

/// How far back certificates begin, for callers whose clock is late.
const SKEW: SignedDuration = SignedDuration::from_hours(1);

/// Why an authority cannot be made or used. No text of the key or the certificate is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// The certificate.
    #[error("the authority's certificate cannot be used: {0}")]
    Certificate(String),
    /// The key.
    #[error("the authority's key cannot be read, or is not its certificate's")]
    Key,
    /// Making a certificate.
    #[error("no certificate could be made: {0}")]
    Make(String),
    /// A leaf that was just made.
    #[error(transparent)]
    Pair(#[from] PairError),
}

/// The certificate of an authority: what callers trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trusted {
    pem: String,
    facts: CertificateFacts,
}

impl Trusted {
    /// Reads a certificate that may sign others.
    ///
    /// # Errors
    /// When it is none.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AuthorityError> {
        let damaged = |_| AuthorityError::Certificate("the PEM text is damaged".to_owned());
        let der = CertificateDer::from_pem_slice(pem).map_err(damaged)?;
        Self::from_der(&der)
    }

    /// Reads as many as there are, and leaves out what cannot be read.
    pub fn all_from_pem(pem: &[u8]) -> Vec<Self> {
        CertificateDer::pem_slice_iter(pem)
            .filter_map(|der| Self::from_der(&der.ok()?).ok())
            .collect()
    }

    fn from_der(der: &CertificateDer<'_>) -> Result<Self, AuthorityError> {
        let facts = CertificateFacts::of(der).map_err(AuthorityError::Certificate)?;
        if !facts.is_ca {
            let error = "it is not allowed to sign others".to_owned();
            return Err(AuthorityError::Certificate(error));
        }
        Ok(Self {
            pem: pem_of(der),
            facts,
        })
    }

    /// As PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// When it is valid.
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }
}

/// The certificate again in our own layout, so that equal certificates are equal texts.
fn pem_of(der: &CertificateDer<'_>) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    pem
}

/// An authority with its key.
#[derive(Clone)]
pub struct Authority {
    certificate: Trusted,
    key: String,
}

impl Authority {
    /// Makes one that is valid for `life` from now.
    ///
    /// # Errors
    /// When the system has no randomness, or `life` reaches beyond what a certificate can say.
    pub fn generate(now: Timestamp, life: SignedDuration) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate().map_err(make)?;
        let mut params = CertificateParams::default();
        // A name of its own: whoever checks a chain finds issuers by name, and two may be valid at once.
        let name = format!("netdoctor-webhook-ca {now:.0}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, now, life, now.saturating_add(life))?;
        let certificate = params.self_signed(&key).map_err(make)?;
        Ok(Self {
            certificate: Trusted::from_der(certificate.der())?,
            key: key.serialize_pem(),
        })
    }

    /// Reads an authority, and checks that certificate and key belong together.
    ///
    /// # Errors
    /// When they do not, cannot be read, or are no authority.
    pub fn from_pem(certificate: &[u8], key: &[u8]) -> Result<Self, AuthorityError> {
        let certificate = Trusted::from_pem(certificate)?;
        let key = std::str::from_utf8(key).map_err(|_| AuthorityError::Key)?;
        let pair = KeyPair::from_pem(key).map_err(|_| AuthorityError::Key)?;
        if rcgen::PublicKeyData::subject_public_key_info(&pair) != certificate.facts.public_key {
            return Err(AuthorityError::Key);
        }
        Ok(Self {
            certificate,
            key: key.to_owned(),
        })
    }

    /// What callers trust.
    pub fn certificate(&self) -> &Trusted {
        &self.certificate
    }

    /// When it is valid.
    pub fn facts(&self) -> &CertificateFacts {
        &self.certificate.facts
    }

    /// The private key as PEM, for the Secret and nothing else.
    pub(super) fn key_pem(&self) -> &str {
        &self.key
    }

    /// Signs a new key for a server under these names, for `life` from now, but not beyond its own end.
    ///
    /// # Errors
    /// When the system has no randomness, or a name is none.
    pub fn sign(
        &self,
        names: &[String],
        now: Timestamp,
        life: SignedDuration,
    ) -> Result<Pair, AuthorityError> {
        let mut params = CertificateParams::new(names).map_err(make)?;
        if let Some(name) = names.first() {
            // A common name is at most 64 characters long; nobody reads it any more.
            let name: String = name.chars().take(64).collect();
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let end = leaf_end(self.facts(), now, life);
        set_validity(&mut params, now, life, Ok(end))?;

        let own = KeyPair::from_pem(&self.key).map_err(|_| AuthorityError::Key)?;
        let issuer = Issuer::from_ca_cert_pem(&self.certificate.pem, own).map_err(make)?;
        let key = KeyPair::generate().map_err(make)?;
        let leaf = params.signed_by(&key, &issuer).map_err(make)?;
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())
            .map_err(|_| AuthorityError::Key)?;
        Ok(Pair::new(vec![leaf.der().clone()], key)?)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("facts", self.facts())
            .finish_non_exhaustive()
    }
}

/// When a leaf that is signed now ends: it never outlives its authority.
pub(super) fn leaf_end(
    authority: &CertificateFacts,
    now: Timestamp,
    life: SignedDuration,
) -> Timestamp {
    now.saturating_add(life)
        .map_or(authority.not_after, |end| end.min(authority.not_after))
}

/// Always both ends: what the library would choose by itself is 1975 to 4096.
fn set_validity(
    params: &mut CertificateParams,
    now: Timestamp,
    life: SignedDuration,
    end: Result<Timestamp, jiff::Error>,
) -> Result<(), AuthorityError> {
    // A short life, as in drills, must not lie mostly in the past.
    let skew = SKEW.min(life / 10);
    let begin = now.saturating_sub(skew).map_err(make)?;
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let date = |moment: Timestamp| {
        u64::try_from(moment.as_second())
            .map(|seconds| epoch + Duration::from_secs(seconds))
            .map_err(make)
    };
    params.not_before = date(begin)?;
    params.not_after = date(end.map_err(make)?)?;
    Ok(())
}

fn make(error: impl fmt::Display) -> AuthorityError {
    AuthorityError::Make(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: SignedDuration = SignedDuration::from_hours(24);

    fn now() -> Timestamp {
        "2026-11-28T08:00:00.5Z".parse().unwrap()
    }

    fn names() -> [String; 1] {
        ["netdoctor-webhook.netdoctor-system.svc".to_owned()]
    }

    #[test]
    fn both_ends_are_set() {
        let authority = Authority::generate(now(), DAY * 365).unwrap();
        let facts = authority.facts();
        assert_eq!(facts.not_before, "2026-11-28T07:00:00Z".parse().unwrap());
        assert_eq!(facts.not_after, "2027-11-28T08:00:00Z".parse().unwrap());
        assert!(facts.is_ca);
        let leaf = authority.sign(&names(), now(), DAY * 90).unwrap();
        assert_eq!(
            leaf.facts().not_before,
            "2026-11-28T07:00:00Z".parse().unwrap()
        );
        assert_eq!(leaf.not_after(), "2027-02-26T08:00:00Z".parse().unwrap());
        assert!(!leaf.facts().is_ca);
    }

    #[test]
    fn a_leaf_never_outlives_its_authority_and_short_lives_are_not_in_the_past() {
        let authority = Authority::generate(now(), SignedDuration::from_mins(10)).unwrap();
        assert_eq!(
            authority.facts().not_before,
            "2026-11-28T07:59:00Z".parse().unwrap()
        );
        assert!(authority.facts().renewal() > now());
        let leaf = authority.sign(&names(), now(), DAY).unwrap();
        assert_eq!(leaf.not_after(), authority.facts().not_after);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let made = Authority::generate(now(), DAY).unwrap();
        let pem = made.certificate().pem();
        let read = Authority::from_pem(pem.as_bytes(), made.key_pem().as_bytes()).unwrap();
        assert_eq!(read.certificate(), made.certificate());
        let other = Authority::generate(now(), DAY).unwrap();
        let bundle = format!("{pem}garbage\n{}", other.certificate().pem());
        assert_eq!(
            Trusted::all_from_pem(bundle.as_bytes()),
            [made.certificate().clone(), other.certificate().clone()]
        );
    }

    #[test]
    fn what_is_no_authority_is_refused() {
        let made = Authority::generate(now(), DAY).unwrap();
        let other = Authority::generate(now(), DAY).unwrap();
        let (pem, key) = (made.certificate().pem(), made.key_pem());
        let read = |certificate: &str, key: &str| {
            Authority::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap_err()
        };
        assert_eq!(read(pem, other.key_pem()), AuthorityError::Key);
        assert_eq!(read(pem, "no key"), AuthorityError::Key);
        assert!(matches!(read("", key), AuthorityError::Certificate(_)));
        assert!(matches!(
            read("no certificate", key),
            AuthorityError::Certificate(_)
        ));
        let self_signed = rcgen::generate_simple_self_signed(names()).unwrap();
        let leaf = self_signed.cert.pem();
        let error = read(&leaf, &self_signed.signing_key.serialize_pem());
        assert!(error.to_string().contains("not allowed to sign"), "{error}");
    }

    #[test]
    fn nothing_shows_the_key() {
        let authority = Authority::generate(now(), DAY).unwrap();
        let leaf = authority.sign(&names(), now(), DAY).unwrap();
        let shown = format!("{authority:?} {leaf:?}");
        assert!(!shown.contains("PRIVATE"), "{shown}");
    }
}
