//! The flags of every command.

use std::path::PathBuf;

use clap::Args;

use super::values::ColorMode;
use super::{help, values};

/// Flags of every command. Hidden in the help of each, listed by `options`.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = help::GLOBAL)]
pub(crate) struct GlobalArgs {
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    /// Colour the output: auto, always or never
    #[arg(long, value_name = "WHEN", hide_possible_values = true)]
    pub(crate) color: Option<ColorMode>,
    /// Print the result only: no progress, notes or hints
    #[arg(short = 'q', long)]
    pub(crate) quiet: bool,
    /// Refuse every command that would change something
    #[arg(long)]
    pub(crate) readonly: bool,
    /// Level of detail on standard error: 4 shows decisions, 6 requests, 8 headers
    #[arg(short = 'v', long = "v", value_name = "LEVEL", value_parser = values::level)]
    pub(crate) verbosity: Option<u8>,
}

/// How to reach the API server: kubectl's flags, with kubectl's meaning.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = help::GLOBAL)]
pub(crate) struct ConnectionArgs {
    /// Path to the kubeconfig file to use
    #[arg(long, value_name = "FILENAME")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The kubeconfig context to use
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The kubeconfig cluster to use
    #[arg(long, value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// The kubeconfig user to use
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// The namespace to work in
    #[arg(short = 'n', long, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// The address and port of the API server
    #[arg(short = 's', long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Bearer token for authentication to the API server
    #[arg(long, value_name = "TOKEN")]
    pub(crate) token: Option<String>,
    /// User name for basic authentication to the API server
    #[arg(long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Password for basic authentication to the API server
    #[arg(long, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,
    /// User to impersonate
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) impersonate: Option<String>,
    /// Group to impersonate. Repeatable
    #[arg(long, value_name = "NAME")]
    pub(crate) as_group: Vec<String>,
    /// UID to impersonate
    #[arg(long, value_name = "UID")]
    pub(crate) as_uid: Option<String>,
    /// Extra value to impersonate, as KEY=VALUE. Repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::key_value)]
    pub(crate) as_user_extra: Vec<(String, String)>,
    /// Path to a certificate file of the authority that signed the server's certificate
    #[arg(long, value_name = "FILENAME")]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// Path to a client certificate file for TLS
    #[arg(long, value_name = "FILENAME")]
    pub(crate) client_certificate: Option<PathBuf>,
    /// Path to a client key file for TLS
    #[arg(long, value_name = "FILENAME")]
    pub(crate) client_key: Option<PathBuf>,
    /// Do not check the server's certificate: the connection is not safe then
    #[arg(long)]
    pub(crate) insecure_skip_tls_verify: bool,
    /// Name expected in the server's certificate, when it is not the host of the address
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_server_name: Option<String>,
    /// Time to wait for one request (e.g. 30, 30s, 1m30s); 0 means no limit of its own
    #[arg(long, value_name = "DURATION", value_parser = values::timeout)]
    pub(crate) request_timeout: Option<std::time::Duration>,
    /// Directory for cached data
    #[arg(long, value_name = "DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Ask the server for uncompressed answers
    #[arg(long)]
    pub(crate) disable_compression: bool,
}
