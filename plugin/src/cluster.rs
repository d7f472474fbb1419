//! The way to the API server, as kubectl would go it.
//!
//! ```text
//! kubeconfig files --load, merge--> select context, cluster, user --flags--> config (TLS, credentials, proxy)
//!                                                                                `--> Cluster: GET with limits
//! ```
//!
//! The crate underneath differs from kubectl in ways that its users would take for a broken cluster; the
//! modules below close those gaps. Only `write` changes anything, and only the commands that ask first use it.

mod config;
mod error;
mod exec;
mod kubeconfig;
mod log;
mod proxy;
mod request;
mod write;

use std::time::Duration;

use serde::Deserialize;

use crate::settings::Connection;

pub(crate) use error::{ApiError, COULD_NOT_COMPLETE, ConnectError};
pub(crate) use request::Answer;
pub(crate) use write::{Outcome, Persist};

/// Longest time for connecting, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Longest time for one page of a list, retries included.
const PAGE_LIMIT: Duration = Duration::from_mins(1);

/// An API server that can be asked.
pub(crate) struct Cluster {
    /// The client underneath. Requests of ours go through
    /// [`Cluster::get_bytes`] and its siblings, which know limits and retries.
    pub(crate) client: kube::Client,
    /// Name of the kubeconfig context; empty without one.
    pub(crate) context: String,
    /// The namespace to work in: flag, context, the container's own, or `default`.
    pub(crate) namespace: String,
    /// URL of the API server.
    pub(crate) server: String,
    /// Its host and port, for messages.
    authority: String,
    /// The proxy in between, without credentials.
    proxy: Option<String>,
    request_timeout: Option<Duration>,
    log: log::Log,
}

/// What `/version` says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerVersion {
    /// `v1.35.4`.
    pub(crate) git_version: String,
    /// `linux/amd64`.
    #[serde(default)]
    pub(crate) platform: String,
}

/// Chooses the one implementation of cryptography. To be called before anything speaks TLS: with none
/// chosen, rustls panics at the first connection.
pub(crate) fn install_crypto_provider() {
    // The error means that one is chosen already, which tests do.
    _ = rustls::crypto::ring::default_provider().install_default();
}

/// Finds out where the API server is and how to log in. No request is sent; a credential plugin is run.
pub(crate) async fn connect(connection: &Connection) -> Result<Cluster, ConnectError> {
    let log = log::Log::new(connection.verbosity);
    for path in &connection.kubeconfig {
        log.line(log::DECISIONS, || format!("kubeconfig {}", path.display()));
    }
    let merged = kubeconfig::load(connection)?;
    let args = &connection.args;
    let (config, context) = if kubeconfig::is_empty(&merged) && args.server.is_none() {
        if !connection.in_cluster {
            return Err(ConnectError::NoConfiguration(connection.kubeconfig.clone()));
        }
        log.line(log::DECISIONS, || {
            "no kubeconfig: using the service account of this container".to_owned()
        });
        (in_cluster(connection, &log)?, String::new())
    } else {
        let selected = kubeconfig::select(&merged, args)?;
        let context = selected.context.clone();
        (config::build(selected, connection, &log).await?, context)
    };
    open(config, context, connection, log)
}

fn in_cluster(connection: &Connection, log: &log::Log) -> Result<kube::Config, ConnectError> {
    let mut config = kube::Config::incluster_env().map_err(|error| {
        ConnectError::Invalid(format!(
            "the service account of this container cannot be used: {error}"
        ))
    })?;
    if let Some(namespace) = &connection.args.namespace {
        config.default_namespace.clone_from(namespace);
    }
    config::finish(&mut config, None, connection, log)?;
    Ok(config)
}

fn open(
    config: kube::Config,
    context: String,
    connection: &Connection,
    log: log::Log,
) -> Result<Cluster, ConnectError> {
    let server = config.cluster_url.to_string();
    let namespace = config.default_namespace.clone();
    let proxy = config
        .proxy_url
        .as_ref()
        .map(|proxy| proxy::hide(&proxy.to_string()));
    let authority = authority(&config.cluster_url);
    let client = kube::Client::try_from(config).map_err(|error| config::client_error(&error))?;
    Ok(Cluster {
        client,
        context,
        namespace,
        server,
        authority,
        proxy,
        request_timeout: connection.request_timeout,
        log,
    })
}

/// `HOST:PORT` as kubectl's messages show it: the port only where the URL has one.
fn authority(server: &http::Uri) -> String {
    let host = server.host().unwrap_or_default();
    server
        .port_u16()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl Cluster {
    /// Asks the server for its version: readable for everybody who is logged in.
    pub(crate) async fn version(&self) -> Result<ServerVersion, ApiError> {
        let answer = self.get_bytes("/version").await?;
        serde_json::from_slice(&answer.body).map_err(|_| ApiError::NotJson {
            server: self.authority.clone(),
            status: 200,
            content_type: "something that is not a version".into(),
        })
    }

    /// Warnings that came since the last call, each once, made safe for a terminal. To be shown as `Warning: …`.
    pub(crate) fn take_warnings(&self) -> Vec<String> {
        self.log.take_warnings()
    }
}

/// `kubectl-netdoctor/v0.1.0 (linux/amd64)`, with the names Go has for platforms.
fn user_agent() -> String {
    let os = match std::env::consts::OS {
        "macos" => "darwin",
        os => os,
    };
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        arch => arch,
    };
    format!(
        "kubectl-netdoctor/v{} ({os}/{arch})",
        env!("CARGO_PKG_VERSION")
    )
}
