//! Why there is no connection, found in what the HTTP and TLS libraries report.

use std::error::Error;
use std::fmt;
use std::io;

use rustls::CertificateError;

use crate::terminal::sanitize_line;

/// No connection to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConnectFailure {
    /// `HOST:PORT` of the server.
    pub(crate) server: String,
    /// The proxy in between, without credentials.
    pub(crate) proxy: Option<String>,
    /// What went wrong.
    pub(crate) cause: Cause,
}

/// What prevents a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Nothing listens there.
    Refused,
    /// The name has no address.
    UnknownHost,
    /// No answer while connecting.
    Timeout,
    /// There is no way to the network.
    Unreachable(String),
    /// The other side closed the connection at once.
    Closed,
    /// The proxy did not open the way.
    Proxy(String),
    /// The certificate is signed by nobody we trust.
    UnknownAuthority,
    /// The certificate is for another name.
    WrongName,
    /// The certificate is too old or too new.
    Expired,
    /// The trusted certificate is the server's own and an authority at once, which the TLS library refuses.
    AuthorityAsServer,
    /// The server refused our certificate, or wants one.
    ClientCertificate(String),
    /// The server does not speak TLS.
    NotTls,
    /// Any other TLS problem.
    Tls(String),
    /// The credentials could not be turned into a request.
    Credentials(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = &self.server;
        if self.cause == Cause::Refused && self.proxy.is_none() {
            return write!(
                f,
                "The connection to the server {server} was refused - did you specify the right host or port?"
            );
        }
        f.write_str("Unable to connect to the server: ")?;
        let host = server
            .rsplit_once(':')
            .map_or(server.as_str(), |(host, _)| host);
        match &self.cause {
            Cause::Refused => write!(f, "connection refused; check the address of the proxy")?,
            Cause::UnknownHost => {
                let host = self.proxy.as_deref().unwrap_or(host);
                write!(
                    f,
                    "dial tcp: lookup {host}: no such host; check the server address, DNS and VPN"
                )?;
            }
            Cause::Timeout => write!(
                f,
                "dial tcp {server}: i/o timeout; check the server address, VPN and firewall"
            )?,
            Cause::Unreachable(reason) => {
                write!(f, "dial tcp {server}: {reason}; check the network and VPN")?;
            }
            Cause::Closed => {
                write!(
                    f,
                    "{server} closed the connection without an answer; check that an API server listens there"
                )?;
            }
            Cause::Proxy(reason) => {
                write!(f, "{}; check the proxy and NO_PROXY", sanitize_line(reason))?;
            }
            Cause::UnknownAuthority => write!(
                f,
                "tls: failed to verify certificate: x509: certificate signed by unknown authority; give the \
                 authority of {server} with --certificate-authority, or fetch a new kubeconfig"
            )?,
            Cause::WrongName => write!(
                f,
                "tls: failed to verify certificate: x509: certificate is not valid for {host}; use a name it is \
                 valid for, or give that name with --tls-server-name"
            )?,
            Cause::Expired => write!(
                f,
                "tls: failed to verify certificate: x509: certificate has expired or is not yet valid; renew the \
                 certificate of {server}, or set the clock of this machine"
            )?,
            Cause::AuthorityAsServer => write!(
                f,
                "tls: failed to verify certificate: {server} serves with the certificate of its authority itself; \
                 give it a certificate signed by the authority"
            )?,
            Cause::ClientCertificate(reason) => write!(
                f,
                "remote error: tls: {reason}; {server} wants another client certificate than this \
                     context has, renew it or choose another context"
            )?,
            Cause::NotTls => {
                write!(
                    f,
                    "http: server gave HTTP response to HTTPS client; use http:// for {server} or check the port"
                )?;
            }
            Cause::Tls(reason) => write!(f, "tls: {}", sanitize_line(reason))?,
            Cause::Credentials(reason) => {
                write!(f, "getting credentials: {}", sanitize_line(reason))?;
            }
            Cause::Other(reason) => write!(f, "{}", sanitize_line(reason))?,
        }
        match &self.proxy {
            Some(proxy) => write!(f, " (through the proxy {proxy})"),
            None => Ok(()),
        }
    }
}

impl Cause {
    /// Finds the cause in the chain of errors of an HTTP client.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut deepest = error;
        let mut next = Some(error);
        while let Some(current) = next {
            if let Some(cause) = Self::of_one(current) {
                return cause;
            }
            deepest = current;
            // An I/O error that wraps another error gives that error's source, not the error itself.
            next = match current
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
            {
                Some(inner) => Some(inner),
                None => current.source(),
            };
        }
        Self::Other(deepest.to_string())
    }

    fn of_one(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(Self::of_tls(error));
        }
        if let Some(error) = error.downcast_ref::<kube::client::AuthError>() {
            return Some(Self::Credentials(error.to_string()));
        }
        let text = error.to_string();
        // Types that hyper-util does not export; it has no other way to tell.
        if text.starts_with("dns error") {
            return Some(Self::UnknownHost);
        }
        if let Some(reason) = text
            .strip_prefix("tunnel error: ")
            .or_else(|| text.strip_prefix("SOCKS error: "))
        {
            // Not being able to reach the proxy has a cause of its own further down.
            let own_cause = error
                .source()
                .map(Self::of)
                .filter(|cause| !matches!(cause, Self::Other(_)));
            return Some(own_cause.unwrap_or_else(|| Self::Proxy(reason.to_owned())));
        }
        let error = error.downcast_ref::<io::Error>()?;
        if error
            .get_ref()
            .is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>)
        {
            return None;
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Some(Self::Refused),
            io::ErrorKind::TimedOut => Some(Self::Timeout),
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                Some(Self::Unreachable("no route to host".to_owned()))
            }
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof => Some(Self::Closed),
            _ => None,
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        use rustls::AlertDescription as Alert;
        match error {
            rustls::Error::InvalidCertificate(problem) => Self::of_certificate(problem),
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            rustls::Error::AlertReceived(
                alert @ (Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::CertificateRevoked
                | Alert::CertificateExpired
                | Alert::CertificateUnknown
                | Alert::UnknownCA
                | Alert::CertificateRequired
                | Alert::AccessDenied),
            ) => Self::ClientCertificate(words(&format!("{alert:?}"))),
            rustls::Error::AlertReceived(alert) => Self::Tls(format!(
                "the server refused the handshake: {}",
                words(&format!("{alert:?}"))
            )),
            other => Self::Tls(other.to_string()),
        }
    }

    fn of_certificate(problem: &CertificateError) -> Self {
        match problem {
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::Expired,
            other => {
                let text = format!("{other:?}");
                // The verifier's own type arrives as text only.
                if text.contains("CaUsedAsEndEntity") {
                    Self::AuthorityAsServer
                } else if text.contains("UnknownIssuer") {
                    Self::UnknownAuthority
                } else {
                    Self::Tls(format!("failed to verify certificate: {other}"))
                }
            }
        }
    }
}

/// `BadCertificate` → `bad certificate`.
fn words(name: &str) -> String {
    if name == "UnknownCA" {
        return "unknown certificate authority".to_owned();
    }
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}
