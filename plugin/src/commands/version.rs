//! `version`: which plugin this is, and which server it talks to.

use std::io::Write as _;

use serde::Serialize;

use crate::cli::VersionArgs;
use crate::cli::values::DocumentFormat;
use crate::cluster::{self, ServerVersion};
use crate::settings::Settings;

/// What `-o json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    client_version: Client,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_version: Option<Server>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Client {
    git_version: String,
    git_commit: &'static str,
    report_version: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Server {
    git_version: String,
    platform: String,
}

/// API version of reports and bundles.
const REPORT_VERSION: &str = "netdoctor.io/v1alpha1";

/// Prints the versions. The plugin's own is printed even when the server cannot be asked.
pub(crate) fn run(args: &VersionArgs, settings: &Settings) -> anyhow::Result<()> {
    let server = if args.client {
        Ok(None)
    } else {
        ask(settings).map(Some)
    };
    let (server, error) = match server {
        Ok(server) => (server, None),
        Err(error) => (None, Some(error)),
    };
    let document = Document {
        client_version: Client {
            git_version: format!("v{}", env!("CARGO_PKG_VERSION")),
            git_commit: option_env!("NETDOCTOR_COMMIT").unwrap_or("unknown"),
            report_version: REPORT_VERSION,
        },
        server_version: server.map(|server| Server {
            git_version: server.git_version,
            platform: server.platform,
        }),
    };
    let text = match args.output {
        Some(DocumentFormat::Json) => serde_json::to_string_pretty(&document)? + "\n",
        Some(DocumentFormat::Yaml) => serde_saphyr::to_string(&document)?,
        None => plain(&document),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    error.map_or(Ok(()), Err)
}

fn plain(document: &Document) -> String {
    let client = &document.client_version;
    let mut text = format!(
        "Client Version: {}\nCommit: {}\nReport Version: {}\n",
        client.git_version, client.git_commit, client.report_version
    );
    if let Some(server) = &document.server_version {
        text.push_str("Server Version: ");
        text.push_str(&crate::terminal::sanitize_line(&server.git_version));
        text.push('\n');
    }
    text
}

fn ask(settings: &Settings) -> anyhow::Result<ServerVersion> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let cluster = cluster::connect(&settings.connection).await?;
        let version = cluster.version().await?;
        for warning in cluster.take_warnings() {
            _ = writeln!(std::io::stderr(), "Warning: {warning}");
        }
        Ok(version)
    })
}
