//! Writing kubeconfig files.

use std::fs;
use std::path::{Path, PathBuf};

/// How the user of a kubeconfig proves who it is.
pub enum Credentials<'a> {
    /// A bearer token. The only kind that survives a proxy which ends TLS.
    Token(&'a str),
    /// A client certificate, as kubeadm and kind give to administrators.
    Certificate {
        /// PEM file.
        certificate: &'a Path,
        /// PEM file.
        key: &'a Path,
    },
}

/// One cluster, one user, one context.
pub struct Kubeconfig<'a> {
    /// `https://host:port`
    pub server: &'a str,
    /// File with the certificate authority.
    pub authority: &'a Path,
    /// Its only user.
    pub credentials: Credentials<'a>,
    /// The namespace of the context.
    pub namespace: &'a str,
}

impl Kubeconfig<'_> {
    /// Writes it to this file and returns the path.
    pub fn write(&self, file: PathBuf) -> PathBuf {
        fs::write(&file, self.text())
            .unwrap_or_else(|error| panic!("writing {}: {error}", file.display()));
        file
    }

    /// What stands in the file.
    pub fn text(&self) -> String {
        let user = match self.credentials {
            Credentials::Token(token) => format!("token: {token}"),
            Credentials::Certificate { certificate, key } => {
                format!(
                    "client-certificate: {}\n    client-key: {}",
                    certificate.display(),
                    key.display()
                )
            }
        };
        format!(
            "apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: {server}
    certificate-authority: {authority}
users:
- name: test
  user:
    {user}
contexts:
- name: test
  context:
    cluster: test
    user: test
    namespace: {namespace}
current-context: test
",
            server = self.server,
            authority = self.authority.display(),
            namespace = self.namespace,
        )
    }
}
