//! `webhook disable` and `webhook uninstall`. What sends requests to the webhook goes first, whatever state it is in.

use std::time::Duration;

use anyhow::anyhow;
use netdoctor_manifests::names;

use super::install::is_ours;
use super::object::{self, Place};
use super::{layout, persist, tell, wait, with_cluster};
use crate::cli::values::DryRun;
use crate::cli::webhook::{DisableArgs, UninstallArgs};
use crate::cluster::{ApiError, Cluster, Outcome};
use crate::commands::judge::talk;
use crate::prompt::consent;
use crate::settings::Settings;

mod inventory;

use inventory::{Found, enforcement, rest};

/// Takes the webhook out of the way.
pub(super) fn disable(args: &DisableArgs, settings: &Settings) -> anyhow::Result<u8> {
    with_cluster(settings, async |cluster| {
        let found = enforcement(cluster).await?;
        if found.is_empty() {
            talk(
                settings,
                "Nothing to disable: no configuration and no binding of netdoctor was found.",
            );
            return Ok(0);
        }
        let plan = plan(
            "This will delete, so that no request is judged any more:",
            &found,
        );
        if args.write.dry_run == DryRun::None && !consent(&plan, args.write.yes, settings)? {
            talk(settings, "Nothing was changed.");
            return Ok(0);
        }
        delete_all(cluster, &found, args.write.dry_run).await?;
        if args.write.dry_run == DryRun::None {
            talk(
                settings,
                "Disabled: the API server judges nothing by netdoctor any more. The server itself still runs; \
                 `kubectl netdoctor webhook install --apply` brings the rest back.",
            );
        }
        Ok(0)
    })
}

/// Removes everything, in the order in which nobody ever waits for something that is gone (webhook.md 12).
pub(super) fn uninstall(args: &UninstallArgs, settings: &Settings) -> anyhow::Result<u8> {
    let namespace = layout::namespace(&args.global);
    with_cluster(settings, async |cluster| {
        let first = enforcement(cluster).await?;
        let then = rest(cluster, &namespace).await?;
        let last = own_namespace(cluster, &namespace).await?;
        let all: Vec<Found> = first.iter().chain(&then).cloned().collect();
        if all.is_empty() && last.is_none() {
            talk(
                settings,
                "Nothing to remove: nothing of netdoctor was found.",
            );
            return Ok(0);
        }
        let dry_run = args.write.dry_run;
        let mut plan = plan("This will delete, in this order:", &all);
        if last.is_some() {
            plan.push_str(&format!(
                "\n  namespace/{namespace}, if nothing of somebody else is in it"
            ));
        }
        if dry_run == DryRun::None && !consent(&plan, args.write.yes, settings)? {
            talk(settings, "Nothing was changed.");
            return Ok(0);
        }
        delete_all(cluster, &first, dry_run).await?;
        if dry_run == DryRun::None {
            await_gone(cluster, &first, args.wait.timeout).await?;
        }
        delete_all(cluster, &then, dry_run).await?;
        if let Some(place) = last {
            if dry_run == DryRun::None {
                await_gone(cluster, &then, args.wait.timeout).await?;
            }
            remove_namespace(cluster, &namespace, &place, &then, dry_run, settings).await?;
        }
        Ok(0)
    })
}

fn plan(heading: &str, found: &[Found]) -> String {
    let lines = found
        .iter()
        .map(|found| format!("\n  {}", found.place.name));
    lines.fold(heading.to_owned(), |plan, line| plan + &line)
}

async fn delete_all(cluster: &Cluster, found: &[Found], dry_run: DryRun) -> anyhow::Result<()> {
    for found in found {
        let place = &found.place;
        let outcome = if dry_run == DryRun::Client {
            Outcome::Deleted
        } else {
            let deleted = cluster.delete(&place.path, persist(dry_run)).await;
            deleted.map_err(|error| explain(&error, place))?
        };
        tell(&place.name, outcome.verb(), dry_run)?;
    }
    Ok(())
}

/// What was deleted must be seen to be gone before the server behind it goes.
async fn await_gone(cluster: &Cluster, found: &[Found], limit: Duration) -> anyhow::Result<()> {
    for found in found {
        let place = &found.place;
        let gone = wait::until(limit, async || {
            Ok(cluster.find(&place.path).await?.is_none().then_some(()))
        })
        .await
        .map_err(|error| explain(&error, place))?;
        if gone.is_none() {
            return Err(anyhow!(
                "error: {} is still there: something holds it by a finalizer. Nothing behind it was removed; run the \
                 same command again when it is gone",
                place.name
            ));
        }
    }
    Ok(())
}

/// The namespace, when the plugin or its manifests made it.
async fn own_namespace(cluster: &Cluster, namespace: &str) -> anyhow::Result<Option<Place>> {
    let place = object::of("v1", "Namespace", "", namespace);
    match cluster.find(&place.path).await {
        Ok(Some(found)) if is_ours(&found) => Ok(Some(place)),
        Ok(_) => Ok(None),
        Err(error) => Err(explain(&error, &place)),
    }
}

/// Removes the namespace unless something else lives in it.
async fn remove_namespace(
    cluster: &Cluster,
    namespace: &str,
    place: &Place,
    ours: &[Found],
    dry_run: DryRun,
    settings: &Settings,
) -> anyhow::Result<()> {
    match inventory::others(cluster, namespace, ours).await {
        Ok(None) => {}
        Ok(Some(other)) => {
            talk(
                settings,
                &format!("namespace/{namespace} stays: it also holds {other}."),
            );
            return Ok(());
        }
        Err(error) => {
            talk(
                settings,
                &format!("namespace/{namespace} stays: what it holds could not be read: {error}"),
            );
            return Ok(());
        }
    }
    let outcome = if dry_run == DryRun::Client {
        Outcome::Deleted
    } else {
        let deleted = cluster.delete(&place.path, persist(dry_run)).await;
        deleted.map_err(|error| explain(&error, place))?
    };
    tell(&place.name, outcome.verb(), dry_run)
}

/// An error with what to do about it.
fn explain(error: &ApiError, place: &Place) -> anyhow::Error {
    let advice = match error {
        ApiError::Forbidden { .. } => format!(
            "it needs the right to delete {}; without the plugin: kubectl delete \
             validatingwebhookconfiguration,mutatingwebhookconfiguration -l app.kubernetes.io/name={}",
            place.name,
            names::APP
        ),
        _ => "run the same command again: what is gone already is not missed".to_owned(),
    };
    anyhow!("{error}\nStopped at {}; {advice}", place.name)
}
