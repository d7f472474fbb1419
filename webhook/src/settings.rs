//! Flags and environment: the only place that reads them.
//!
//! Every flag has a variable, so that manifests set variables and people type flags; a flag wins. Everything has a
//! default that is right in the Pods of the manifests.

use crate::{
    configmap, duration, logging,
    server::{Drain, Limits, Times},
    tls::{Hook, HookKind, Place, rotation::Timing},
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use netdoctor_manifests::names;
use std::{
    ffi::OsString,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

mod check;

pub use check::Contradiction;

/// Admission webhook of kubectl netdoctor.
#[derive(Debug, Parser)]
#[command(name = "netdoctor-webhook", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to talk about it.
    #[command(flatten)]
    pub log: Log,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer the API server's reviews (what happens without a command)
    Serve(Box<Serve>),
    /// Look at the whole cluster again and again, and write Events about what is wrong
    Audit(Audit),
    /// Print version and build target
    Version,
}

/// How to log.
#[derive(Debug, Clone, Args)]
pub struct Log {
    /// Level (error, warn, info, debug, trace), or a list of target=level
    #[arg(
        long,
        global = true,
        env = "NETDOCTOR_LOG",
        default_value = "info",
        value_name = "FILTER"
    )]
    pub log: String,
    /// How lines are written
    #[arg(
        long,
        global = true,
        env = "NETDOCTOR_LOG_FORMAT",
        value_enum,
        default_value_t
    )]
    pub log_format: logging::Format,
}

/// Where certificates come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Certificates {
    /// From an authority of the webhook's own, in a Secret that all replicas share
    #[default]
    SelfManaged,
    /// From tls.crt and tls.key in a folder, which somebody else keeps up to date
    #[value(alias = "cert-manager")]
    Files,
}

/// Settings of the server.
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// What every process needs.
    #[command(flatten, next_help_heading = "Process")]
    pub process: Process,
    /// The port for reviews.
    #[command(flatten, next_help_heading = "Reviews")]
    pub network: Network,
    /// Certificates.
    #[command(flatten, next_help_heading = "Certificates")]
    pub tls: TlsSettings,
    /// Bounds.
    #[command(flatten, next_help_heading = "Bounds")]
    pub bounds: Bounds,
    /// The way out.
    #[command(flatten, next_help_heading = "Shutdown")]
    pub shutdown: Shutdown,
}

/// Settings of the background auditor.
#[derive(Debug, Clone, Args)]
pub struct Audit {
    /// What every process needs.
    #[command(flatten, next_help_heading = "Process")]
    pub process: Process,
}

/// What every process needs.
#[derive(Debug, Clone, Args)]
pub struct Process {
    /// Address of all ports; :: is understood as 0.0.0.0 where there is no IPv6
    #[arg(long, env = "NETDOCTOR_ADDRESS", default_value_t = Ipv6Addr::UNSPECIFIED.into(), value_name = "ADDRESS")]
    pub address: IpAddr,
    /// Plain port with /livez and /readyz
    #[arg(long, env = "NETDOCTOR_HEALTH_PORT", default_value_t = names::HEALTH_PORT, value_name = "PORT")]
    pub health_port: u16,
    /// Plain port with /metrics; may be the same as the one for health
    #[arg(long, env = "NETDOCTOR_METRICS_PORT", default_value_t = names::METRICS_PORT, value_name = "PORT")]
    pub metrics_port: u16,
    /// Namespace of everything that is ours
    #[arg(long, env = "POD_NAMESPACE", default_value = names::NAMESPACE, value_name = "NAME")]
    pub namespace: String,
    /// Name of this replica
    #[arg(
        long,
        env = "POD_NAME",
        default_value = "netdoctor-webhook",
        value_name = "NAME"
    )]
    pub pod_name: String,
    #[arg(long, env = "NETDOCTOR_CONFIG_MAP", default_value = names::CONFIG_MAP, value_name = "NAME",
        help = "ConfigMap with the configuration")]
    #[allow(missing_docs)]
    pub config_map: String,
}

/// The port for reviews.
#[derive(Debug, Clone, Args)]
pub struct Network {
    /// Port for reviews, with TLS
    #[arg(
        long,
        env = "NETDOCTOR_PORT",
        default_value_t = 10_250,
        value_name = "PORT"
    )]
    pub port: u16,
    /// Service through which the API server calls
    #[arg(long, env = "NETDOCTOR_SERVICE", default_value = names::WEBHOOK, value_name = "NAME")]
    pub service: String,
}

/// Certificates.
#[derive(Debug, Clone, Args)]
pub struct TlsSettings {
    /// Where certificates come from
    #[arg(long, env = "NETDOCTOR_CERTIFICATES", value_enum, default_value_t)]
    pub certificates: Certificates,
    /// Folder with tls.crt and tls.key, for certificates from files
    #[arg(
        long,
        env = "NETDOCTOR_TLS_DIR",
        required_if_eq("certificates", "files"),
        value_name = "FOLDER"
    )]
    pub tls_dir: Option<PathBuf>,
    /// How often to look for new certificates
    #[arg(long, env = "NETDOCTOR_CERTIFICATE_POLL", value_parser = duration::parse, default_value = "10s", value_name = "TIME")]
    pub certificate_poll: Duration,
    /// Secret with the authority
    #[arg(long, env = "NETDOCTOR_CA_SECRET", default_value = names::CA_SECRET, value_name = "NAME")]
    pub ca_secret: String,
    /// Lease of the replica that writes the Secret and caBundle
    #[arg(long, env = "NETDOCTOR_LEASE", default_value = names::LEASE, value_name = "NAME")]
    pub lease: String,
    /// Life of the authority; it is renewed after two thirds of it
    #[arg(long, env = "NETDOCTOR_CA_LIFE", value_parser = duration::parse, default_value = "365d", value_name = "TIME")]
    pub ca_life: Duration,
    /// Life of a serving certificate; it is renewed after two thirds of it
    #[arg(long, env = "NETDOCTOR_LEAF_LIFE", value_parser = duration::parse, default_value = "90d", value_name = "TIME")]
    pub leaf_life: Duration,
    /// How long API servers may take to learn of a new caBundle before the new authority is used
    #[arg(long, env = "NETDOCTOR_PROPAGATION_TIME", value_parser = duration::parse, default_value = "5m", value_name = "TIME")]
    pub propagation_time: Duration,
    /// Accept only callers with a certificate of this authority (PEM)
    #[arg(
        long,
        env = "NETDOCTOR_CLIENT_CA_FILE",
        requires = "client_name",
        value_name = "FILE"
    )]
    pub client_ca_file: Option<PathBuf>,
    /// Common name that such a certificate may have; may be repeated or separated by commas
    #[arg(
        long,
        env = "NETDOCTOR_CLIENT_NAMES",
        value_delimiter = ',',
        value_name = "NAME"
    )]
    pub client_name: Vec<String>,
}

/// Bounds.
#[derive(Debug, Clone, Args)]
pub struct Bounds {
    /// How long the API server waits for /validate, where it does not say so
    #[arg(long, env = "NETDOCTOR_VALIDATE_TIMEOUT", value_parser = duration::parse, default_value = "2s", value_name = "TIME")]
    pub validate_timeout: Duration,
    /// How long the API server waits for /mutate, where it does not say so
    #[arg(long, env = "NETDOCTOR_MUTATE_TIMEOUT", value_parser = duration::parse, default_value = "1s", value_name = "TIME")]
    pub mutate_timeout: Duration,
    /// Longest body in bytes
    #[arg(long, env = "NETDOCTOR_MAX_BODY", default_value_t = Limits::default().body, value_name = "BYTES")]
    pub max_body: usize,
    /// Memory in bytes for all bodies together
    #[arg(long, env = "NETDOCTOR_MAX_BODY_MEMORY", default_value_t = Limits::default().memory, value_name = "BYTES")]
    pub max_body_memory: usize,
    /// Reviews that are judged at once; 0 means one per CPU
    #[arg(
        long,
        env = "NETDOCTOR_WORKERS",
        default_value_t = 0,
        value_name = "NUMBER"
    )]
    pub workers: usize,
    /// Reviews that wait for that
    #[arg(
        long,
        env = "NETDOCTOR_MAX_QUEUE",
        default_value_t = 1_000,
        value_name = "NUMBER"
    )]
    pub max_queue: usize,
    /// Connections of the port for reviews
    #[arg(
        long,
        env = "NETDOCTOR_MAX_CONNECTIONS",
        default_value_t = 1_000,
        value_name = "NUMBER"
    )]
    pub max_connections: usize,
    /// Time for a TLS handshake
    #[arg(long, env = "NETDOCTOR_HANDSHAKE_TIMEOUT", value_parser = duration::parse, default_value = "5s", value_name = "TIME")]
    pub handshake_timeout: Duration,
    /// Time from the first byte of a request to the end of its headers
    #[arg(long, env = "NETDOCTOR_HEADER_TIMEOUT", value_parser = duration::parse, default_value = "2s", value_name = "TIME")]
    pub header_timeout: Duration,
    /// How long a connection may be idle
    #[arg(long, env = "NETDOCTOR_IDLE_TIMEOUT", value_parser = duration::parse, default_value = "2m", value_name = "TIME")]
    pub idle_timeout: Duration,
}

/// The way out, after SIGTERM.
#[derive(Debug, Clone, Args)]
pub struct Shutdown {
    /// How long to serve on as usual, while endpoints are dropped
    #[arg(long, env = "NETDOCTOR_DRAIN_WAIT", value_parser = duration::parse, default_value = "8s", value_name = "TIME")]
    pub drain_wait: Duration,
    /// How long to serve on while answers ask callers to go elsewhere
    #[arg(long, env = "NETDOCTOR_DRAIN_CLOSE", value_parser = duration::parse, default_value = "5s", value_name = "TIME")]
    pub drain_close: Duration,
    /// How long to wait for the last answers
    #[arg(long, env = "NETDOCTOR_DRAIN_TIMEOUT", value_parser = duration::parse, default_value = "10s", value_name = "TIME")]
    pub drain_timeout: Duration,
}

impl Cli {
    /// Reads the command line. Without a command it is `serve`.
    ///
    /// # Errors
    /// clap's, help and version included.
    pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut arguments: Vec<OsString> = arguments.into_iter().collect();
        let about = ["-h", "--help", "-V", "--version"];
        let serves = arguments.get(1).is_none_or(|first| {
            first.to_string_lossy().starts_with('-') && !about.iter().any(|flag| first == flag)
        });
        if serves {
            arguments.insert(1.min(arguments.len()), "serve".into());
        }
        let cli = Self::try_parse_from(arguments)?;
        match &cli.command {
            Command::Serve(serve) => serve.check().map_err(Contradiction::into_clap)?,
            Command::Audit(_) | Command::Version => {}
        }
        Ok(cli)
    }
}

impl Process {
    /// One of our ports on our address.
    pub fn socket(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address, port)
    }

    /// Where the configuration is.
    pub fn place(&self) -> configmap::Place {
        configmap::Place {
            namespace: self.namespace.clone(),
            name: self.config_map.clone(),
        }
    }
}

impl Serve {
    /// What self-management works on.
    pub fn place(&self) -> Place {
        let hook = |kind, configuration: &str, webhook: &str| Hook {
            kind,
            configuration: configuration.to_owned(),
            webhook: webhook.to_owned(),
        };
        Place {
            namespace: self.process.namespace.clone(),
            service: self.network.service.clone(),
            secret: self.tls.ca_secret.clone(),
            hooks: vec![
                hook(
                    HookKind::Validating,
                    names::VALIDATING,
                    names::VALIDATING_WEBHOOK,
                ),
                hook(HookKind::Mutating, names::MUTATING, names::MUTATING_WEBHOOK),
            ],
        }
    }
}

impl TlsSettings {
    /// How long certificates last. Checked to fit.
    pub fn timing(&self) -> Timing {
        let signed = |time: Duration| SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        Timing {
            authority: signed(self.ca_life),
            leaf: signed(self.leaf_life),
            propagation: signed(self.propagation_time),
        }
    }
}

impl Bounds {
    /// Bounds of a review.
    pub fn limits(&self) -> Limits {
        Limits {
            body: self.max_body,
            memory: self.max_body_memory,
            validate: self.validate_timeout,
            mutate: self.mutate_timeout,
            ..Limits::default()
        }
    }

    /// Bounds of a connection.
    pub fn times(&self) -> Times {
        Times {
            handshake: self.handshake_timeout,
            head: self.header_timeout,
            idle: self.idle_timeout,
            ..Times::default()
        }
    }

    /// How many reviews are judged at once.
    pub fn worker_count(&self) -> usize {
        match self.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers => workers,
        }
    }
}

impl Shutdown {
    /// The steps out.
    pub fn drain(&self) -> Drain {
        Drain {
            leaving: self.drain_wait,
            closing: self.drain_close,
            stopping: self.drain_timeout,
        }
    }
}

#[cfg(test)]
mod tests;
