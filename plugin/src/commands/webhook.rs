//! `webhook`: prints, installs, watches over and removes the admission webhook.
//!
//! ```text
//!  flags --layout--> Options --netdoctor_manifests::render--> objects --manifests--> text
//!                                                                `-----install----> dry run, apply, wait, test, widen
//! ```

mod home;
mod install;
mod inventory;
mod layout;
mod object;
mod remove;
mod rotate;
mod route;
mod self_test;
mod status;
mod twice;
mod wait;

use std::io::Write as _;

use netdoctor_manifests::{FailurePolicy, Options, render, yaml};
use serde_json::json;

use crate::cli::values::{DocumentFormat, DryRun};
use crate::cli::webhook::{CertsCommand, ManifestsArgs, WebhookArgs, WebhookCommand};
use crate::cluster::{self, Cluster, Persist};
use crate::settings::Settings;

use layout::options;

/// Runs one of the subcommands.
pub(crate) fn run(args: &WebhookArgs, settings: &Settings) -> anyhow::Result<u8> {
    match &args.command {
        WebhookCommand::Manifests(args) => manifests(args, settings),
        WebhookCommand::Install(args) => install::run(args, settings),
        WebhookCommand::Status(args) => status::run(args, settings),
        WebhookCommand::Disable(args) => remove::disable(args, settings),
        WebhookCommand::Uninstall(args) => remove::uninstall(args, settings),
        WebhookCommand::Certs(args) => match &args.command {
            CertsCommand::Rotate(args) => rotate::run(args, settings),
        },
    }
}

fn manifests(args: &ManifestsArgs, settings: &Settings) -> anyhow::Result<u8> {
    let options = options(&args.layout, &args.global)?;
    manifests_text(&options, args.output, settings)
}

fn manifests_text(
    options: &Options,
    format: Option<DocumentFormat>,
    settings: &Settings,
) -> anyhow::Result<u8> {
    let objects = render(options);
    if options.failure_policy == FailurePolicy::Fail {
        super::judge::talk(
            settings,
            "Warning: whoever applies these at once has every change of what they match refused until the webhook runs \
             and its caBundle is written. install --apply --failure-policy=Fail waits for both, and for an answer.",
        );
    }
    let text = match format {
        None | Some(DocumentFormat::Yaml) => yaml::stream(&objects),
        Some(DocumentFormat::Json) => {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
            serde_json::to_string_pretty(&list)? + "\n"
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(0)
}

/// Connects and does something that takes requests.
fn with_cluster<T>(
    settings: &Settings,
    work: impl AsyncFnOnce(&Cluster) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let cluster = cluster::connect(&settings.connection).await?;
            let done = work(&cluster).await;
            for warning in cluster.take_warnings() {
                super::judge::talk(settings, &format!("Warning: {warning}"));
            }
            done
        })
}

/// `TYPE/name verbed`, with kubectl's words for what did not really happen.
fn tell(name: &str, verb: &str, dry_run: DryRun) -> anyhow::Result<()> {
    let suffix = match dry_run {
        DryRun::None => "",
        DryRun::Client => " (dry run)",
        DryRun::Server => " (server dry run)",
    };
    writeln!(std::io::stdout(), "{name} {verb}{suffix}")?;
    Ok(())
}

/// How a request that writes is sent.
fn persist(dry_run: DryRun) -> Persist {
    match dry_run {
        DryRun::None => Persist::Yes,
        DryRun::Client | DryRun::Server => Persist::DryRun,
    }
}
