//! Keys and certificates, made anew for every API server and never kept.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    ended: bool,
}

/// A certificate and its key, both in PEM.
pub struct Identity {
    /// What to present.
    pub certificate: String,
    /// What proves that it is one's own.
    pub key: String,
}

/// Key pair for service account tokens, in PEM.
pub struct SigningKey {
    /// Signs.
    pub private: String,
    /// Checks signatures.
    pub public: String,
}

impl Authority {
    /// A new one, signed by itself.
    pub fn new(name: &str) -> Result<Self, rcgen::Error> {
        Self::with_key(name, KeyPair::generate()?)
    }

    /// The authority of this name whose [`Self::key`] was kept. Who trusts that one trusts what this one signs.
    pub fn from_key(name: &str, key: &str) -> Result<Self, rcgen::Error> {
        Self::with_key(name, KeyPair::from_pem(key)?)
    }

    fn with_key(name: &str, key: KeyPair) -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, key)?,
            ended: false,
        })
    }

    /// The same authority, whose certificates ended years ago.
    #[must_use]
    pub fn ended(mut self) -> Self {
        self.ended = true;
        self
    }

    /// The private key of the authority, in PEM.
    pub fn key(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// The certificate of the authority, in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for an API server that answers under these names and addresses.
    pub fn server(&self, names: &[&str]) -> Result<Identity, rcgen::Error> {
        self.server_called("kube-apiserver", names)
    }

    /// The same for any server.
    pub fn server_called(
        &self,
        common_name: &str,
        names: &[&str],
    ) -> Result<Identity, rcgen::Error> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params
            .distinguished_name
            .push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A certificate for a user. Kubernetes reads the common name as the user and the organisation as a group.
    pub fn client(&self, user: &str, group: &str) -> Result<Identity, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, user);
        params
            .distinguished_name
            .push(DnType::OrganizationName, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity, rcgen::Error> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if self.ended {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// A key pair as service account tokens are signed with.
pub fn signing_key() -> Result<SigningKey, rcgen::Error> {
    let pair = KeyPair::generate()?;
    Ok(SigningKey {
        private: pair.serialize_pem(),
        public: pair.public_key_pem(),
    })
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Trusts one authority, offers HTTP/1.1 only.
pub fn client_config(authority_pem: &str) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority_pem.as_bytes()) {
        roots.add(certificate?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Presents this identity.
pub fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, Error> {
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(Arc::new(config))
}
