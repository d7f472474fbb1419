//! From the chosen kubeconfig entries to kube's configuration: trust, credentials, proxy and time limits.

use std::path::PathBuf;

use http::{HeaderValue, Uri};
use k8s_openapi::ByteString;
use kube::Config;
use kube::config::{AuthInfo, AuthProviderConfig, Cluster};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::error::ConnectError;
use super::kubeconfig::{Selected, plain};
use super::log::{DECISIONS, Log};
use super::{CONNECT_LIMIT, exec, proxy, user_agent};
use crate::settings::Connection;

/// The configuration for the chosen entries. Runs a credential plugin when one is named.
pub(crate) async fn build(
    selected: Selected,
    connection: &Connection,
    log: &Log,
) -> Result<Config, ConnectError> {
    let Selected {
        cluster,
        mut user,
        user_name,
        namespace,
        context,
    } = selected;
    let server = server_uri(cluster.server.as_deref().unwrap_or_default())?;
    let is_tls = server.scheme_str() == Some("https");
    log.line(DECISIONS, || {
        format!("context {context:?}, user {user_name:?}, server {server}")
    });

    let mut config = Config::new(server);
    if let Some(namespace) = namespace {
        config.default_namespace = namespace;
    }
    if is_tls {
        config.accept_invalid_certs = cluster.insecure_skip_tls_verify.unwrap_or(false);
        config.root_cert = authorities(&cluster)?;
        config.tls_server_name = cluster
            .tls_server_name
            .clone()
            .filter(|name| !name.is_empty());
        prepare_credentials(&mut user, &cluster, connection, log).await?;
        if config.accept_invalid_certs {
            log.warn("the server's certificate is not checked (insecure-skip-tls-verify)");
        }
    } else {
        // kubectl sends no credentials over plain HTTP (restclient.IsConfigTransportTLS), only impersonation.
        user = AuthInfo {
            impersonate: user.impersonate,
            impersonate_uid: user.impersonate_uid,
            impersonate_groups: user.impersonate_groups,
            impersonate_user_extra: user.impersonate_user_extra,
            ..AuthInfo::default()
        };
    }
    config.auth_info = user;
    config.disable_compression = cluster.disable_compression.unwrap_or(false);
    finish(&mut config, cluster.proxy_url.as_deref(), connection, log)?;
    Ok(config)
}

/// What is the same inside a cluster: proxy, time limits, who we are.
pub(crate) fn finish(
    config: &mut Config,
    proxy_url: Option<&str>,
    connection: &Connection,
    log: &Log,
) -> Result<(), ConnectError> {
    config.proxy_url = proxy::choose(&config.cluster_url, proxy_url, &connection.proxy)
        .map_err(ConnectError::Invalid)?;
    if let Some(proxy) = &config.proxy_url {
        log.line(DECISIONS, || {
            format!("through the proxy {}", proxy::hide(&proxy.to_string()))
        });
    }
    let limit = connection
        .request_timeout
        .map_or(CONNECT_LIMIT, |timeout| timeout.min(CONNECT_LIMIT));
    config.connect_timeout = Some(limit);
    // Requests have a time limit that covers their retries, which kube's own layer could exceed.
    config.default_retry = false;
    if let Ok(value) = HeaderValue::from_str(&user_agent()) {
        config.headers.push((http::header::USER_AGENT, value));
    }
    Ok(())
}

/// The server's URL. Without a scheme it is plain HTTP, as in kubectl (rest.DefaultServerURL).
fn server_uri(server: &str) -> Result<Uri, ConnectError> {
    let with_scheme = if server.contains("://") {
        server.to_owned()
    } else {
        format!("http://{server}")
    };
    let invalid = |reason: &str| {
        ConnectError::Invalid(format!(
            "the server address {server:?} is not a URL such as https://HOST:PORT: {reason}"
        ))
    };
    let uri: Uri = with_scheme
        .parse()
        .map_err(|error: http::uri::InvalidUri| invalid(&error.to_string()))?;
    let authority = uri
        .authority()
        .map(http::uri::Authority::as_str)
        .unwrap_or_default();
    // The parser lets any text stand for a port.
    let names_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.ends_with(']'));
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(_)) if names_port && uri.port_u16().is_none() => {
            Err(invalid("its port is not a number from 0 to 65535"))
        }
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(uri),
        (Some("http" | "https"), _) => Err(invalid("it has no host")),
        _ => Err(invalid("it is neither http nor https")),
    }
}

/// The trusted authorities; `None` means those of the system.
fn authorities(cluster: &Cluster) -> Result<Option<Vec<Vec<u8>>>, ConnectError> {
    let Some((pem, origin)) = pem_of(
        cluster.certificate_authority_data.as_deref(),
        cluster.certificate_authority.as_deref(),
        "certificate-authority",
    )?
    else {
        return Ok(None);
    };
    let certificates: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| {
            ConnectError::Invalid(format!(
                "unable to load root certificates: {origin}: {error}"
            ))
        })?
        .into_iter()
        .map(|certificate| certificate.to_vec())
        .collect();
    if certificates.is_empty() {
        return Err(ConnectError::Invalid(format!(
            "unable to load root certificates: {origin} holds no certificate in PEM form"
        )));
    }
    Ok(Some(certificates))
}

/// The content of `NAME-data` (base64) or of the file `NAME`, with where it came from.
fn pem_of(
    data: Option<&str>,
    path: Option<&str>,
    name: &str,
) -> Result<Option<(Vec<u8>, String)>, ConnectError> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        let origin = format!("{name}-data");
        let decoded = serde_json::from_value::<ByteString>(data.into())
            .map_err(|_| ConnectError::Invalid(format!("{origin} is not valid base64")))?;
        return Ok(Some((decoded.0, origin)));
    }
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some((bytes, path.to_owned()))),
        Err(error) => Err(ConnectError::Invalid(format!(
            "unable to read {name} {path}: {}",
            plain(&error)
        ))),
    }
}

async fn prepare_credentials(
    user: &mut AuthInfo,
    cluster: &Cluster,
    connection: &Connection,
    log: &Log,
) -> Result<(), ConnectError> {
    if let Some(provider) = &user.auth_provider {
        refuse_removed_provider(provider)?;
    }
    if user.token.is_some() {
        user.token_file = None;
    }
    if let Some(path) = user.token_file.clone().map(PathBuf::from) {
        let content = std::fs::read_to_string(&path).map_err(|error| {
            ConnectError::Invalid(format!("open {}: {}", path.display(), plain(&error)))
        })?;
        // kube reads the file again each minute, but takes white space around the token for a part of it.
        if content.trim() != content {
            user.token = Some(content.trim().to_owned().into());
            user.token_file = None;
        }
    }
    if let Some(exec) = user.exec.take() {
        let credentials = exec::run(&exec, cluster, connection.stdin_is_terminal, log).await?;
        user.token = credentials.token.map(Into::into);
        if let Some((certificate, key)) = credentials.certificate {
            user.client_certificate_data = Some(base64(certificate)?);
            user.client_key_data = Some(base64(key)?.into());
        }
    }
    refuse_encrypted_key(user)
}

fn base64(text: String) -> Result<String, ConnectError> {
    match serde_json::to_value(ByteString(text.into_bytes())) {
        Ok(serde_json::Value::String(encoded)) => Ok(encoded),
        _ => Err(ConnectError::Credentials(
            "the client certificate cannot be encoded".into(),
        )),
    }
}

/// Providers that kubectl removed, with what replaced them.
fn refuse_removed_provider(provider: &AuthProviderConfig) -> Result<(), ConnectError> {
    let replacement = match provider.name.as_str() {
        "oidc" => return Ok(()),
        "azure" => "https://github.com/Azure/kubelogin",
        "gcp" => "\"gke-gcloud-auth-plugin\"",
        "openstack" => "\"client-keystone-auth\"",
        name => {
            return Err(ConnectError::Invalid(format!(
                "no Auth Provider found for name {name:?}"
            )));
        }
    };
    Err(ConnectError::Invalid(format!(
        "The {} auth plugin has been removed; use the {replacement} credential plugin instead",
        provider.name
    )))
}

/// TLS libraries report an encrypted key as an unknown format.
fn refuse_encrypted_key(user: &AuthInfo) -> Result<(), ConnectError> {
    // The secret's text is reachable through serialisation only.
    let data = serde_json::to_value(user).ok();
    let data = data
        .as_ref()
        .and_then(|user| user["client-key-data"].as_str());
    let Some((pem, origin)) = pem_of(data, user.client_key.as_deref(), "client-key")? else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(&pem);
    if text.contains("ENCRYPTED") {
        return Err(ConnectError::Invalid(format!(
            "the private key in {origin} is encrypted; write an unencrypted copy (openssl pkey -in KEY -out NEW) and \
             name that in the kubeconfig"
        )));
    }
    Ok(())
}

/// Why kube could not make a client of the configuration.
pub(crate) fn client_error(error: &kube::Error) -> ConnectError {
    let text = error.to_string();
    if text.contains("UnsupportedCertVersion") {
        return ConnectError::Invalid(
            "the client certificate of this context is X.509 version 1, which the TLS library does not accept; have \
             a version 3 certificate issued, or use a token"
                .into(),
        );
    }
    if text.contains("KeyMismatch") {
        return ConnectError::Invalid(
            "the client key of this context does not belong to its client certificate; fetch both again".into(),
        );
    }
    let reason = match error {
        kube::Error::RustlsTls(error) => error.to_string(),
        kube::Error::Auth(error) => error.to_string(),
        kube::Error::InferKubeconfig(error) => error.to_string(),
        _ => text,
    };
    ConnectError::Invalid(format!(
        "the credentials or certificates of this context cannot be used: {reason}"
    ))
}

#[cfg(test)]
mod tests;
