//! `webhook certs rotate`: asks the replica that writes the authority to begin.

use anyhow::anyhow;
use jiff::Timestamp;
use netdoctor_manifests::names;
use serde_json::json;

use super::object::{self, reads_files, text};
use super::{home, layout, persist, tell, with_cluster};
use crate::cli::values::DryRun;
use crate::cli::webhook::RotateArgs;
use crate::cluster::{ApiError, Cluster};
use crate::commands::judge::talk;
use crate::prompt::consent;
use crate::settings::Settings;

/// Puts an annotation on the Secret of the authority.
pub(super) fn run(args: &RotateArgs, settings: &Settings) -> anyhow::Result<u8> {
    let namespace = layout::namespace(&args.global);
    let place = object::of("v1", "Secret", &namespace, names::CA_SECRET);
    if args.write.dry_run == DryRun::Client {
        tell(&place.name, "annotated", DryRun::Client)?;
        return Ok(0);
    }
    with_cluster(settings, async |cluster| {
        let plan = format!(
            "{}\nThis will ask the webhook in namespace {namespace} to replace its authority.\nThe old one stays trusted \
             until every replica serves with the new one; no request fails meanwhile.",
            home::whereabouts(&cluster.context, &cluster.server)
        );
        if args.write.dry_run == DryRun::None && !consent(&plan, args.write.yes, settings)? {
            talk(settings, "Nothing was changed.");
            return Ok(0);
        }
        is_ours_to_rotate(cluster, &namespace).await?;
        let now = Timestamp::now().to_string();
        let fields = json!({"metadata": {"annotations": {names::ROTATE_ANNOTATION: now}}});
        let written = cluster
            .merge(&place.path, &fields, persist(args.write.dry_run))
            .await
            .map_err(|error| explain(&error, &namespace))?;
        let pointer = format!(
            "/metadata/annotations/{}",
            names::ROTATE_ANNOTATION.replace('/', "~1")
        );
        anyhow::ensure!(
            text(&written, &pointer) == now,
            "error: {} did not keep the annotation: something in the cluster removes it",
            place.name
        );
        tell(&place.name, "annotated", args.write.dry_run)?;
        if args.write.dry_run == DryRun::None {
            talk(
                settings,
                "The rotation begins within a minute and takes about ten; kubectl netdoctor webhook status shows it.",
            );
        }
        Ok(0)
    })
}

/// An annotation would be taken, and nobody would read it, where the server does not issue its certificate.
async fn is_ours_to_rotate(cluster: &Cluster, namespace: &str) -> anyhow::Result<()> {
    let place = object::of("apps/v1", "Deployment", namespace, names::WEBHOOK);
    match cluster.find(&place.path).await {
        Ok(Some(deployment)) if reads_files(&deployment) => Err(anyhow!(
            "error: the webhook in namespace {namespace} does not issue its certificate: it comes from somebody else, who \
             has to rotate it (cert-manager, or whoever writes Secret {})",
            names::TLS_SECRET
        )),
        // Whoever may not look may still ask.
        Ok(_) | Err(ApiError::Forbidden { .. }) => Ok(()),
        Err(error) => Err(explain(&error, namespace)),
    }
}

fn explain(error: &ApiError, namespace: &str) -> anyhow::Error {
    match error {
        ApiError::NotFound { .. } => anyhow!(
            "error: there is no Secret {} in namespace {namespace}: the webhook is not installed there (-n names another \
             namespace), or its certificate comes from somebody else, who has to rotate it",
            names::CA_SECRET
        ),
        ApiError::Forbidden { .. } => anyhow!(
            "{error}\nIt needs the right to patch that Secret: kubectl auth can-i patch secret/{} -n {namespace}",
            names::CA_SECRET
        ),
        _ => anyhow!("{error}"),
    }
}
