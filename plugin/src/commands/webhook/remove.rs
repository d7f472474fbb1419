//! `webhook disable` and `webhook uninstall`. What sends requests to the webhook goes first, whatever state it is in.

mod strangers;

use std::time::Duration;

use anyhow::anyhow;
use netdoctor_manifests::names;

use super::install::is_ours;
use super::inventory::{Found, enforcement, is_at_work, rest};
use super::object::{self, OURS, Place};
use super::{home, layout, persist, tell, wait, with_cluster};
use crate::cli::values::DryRun;
use crate::cli::webhook::{DisableArgs, UninstallArgs};
use crate::cluster::{ApiError, Cluster, Outcome};
use crate::commands::Usage;
use crate::commands::judge::talk;
use crate::prompt::consent;
use crate::settings::Settings;

/// An API server looks once a second which policies are bound.
const NOTICED: Duration = Duration::from_secs(2);

/// Takes the webhook out of the way.
pub(super) fn disable(args: &DisableArgs, settings: &Settings) -> anyhow::Result<u8> {
    with_cluster(settings, async |cluster| {
        let mut found = enforced(cluster, settings).await?;
        // What can refuse goes first.
        found.sort_by_key(|found| !found.place.name.starts_with("validatingwebhook"));
        if found.is_empty() {
            talk(
                settings,
                "Nothing to disable: no configuration and no binding of netdoctor was found.",
            );
            return Ok(0);
        }
        let heading = "This will delete, so that no request is judged any more:";
        let plan = plan(cluster, heading, &found);
        if args.write.dry_run == DryRun::None && !consent(&plan, args.write.yes, settings)? {
            talk(settings, "Nothing was changed.");
            return Ok(0);
        }
        delete_each(cluster, &found, args.write.dry_run).await?;
        if args.write.dry_run == DryRun::None {
            await_noticed(cluster, &found).await;
            talk(
                settings,
                "Disabled: nothing is judged by netdoctor any more, as soon as every API server has noticed, which takes one \
                 or two seconds. The server itself still runs; \
                 `kubectl netdoctor webhook install --apply` brings the rest back.",
            );
        }
        Ok(0)
    })
}

/// Waits for the API server to forget policies whose bindings are gone. It can only be asked for the bindings: whoever may
/// not read them has waited for long enough.
async fn await_noticed(cluster: &Cluster, found: &[Found]) {
    let is_binding = |found: &&Found| found.place.name.contains("policybinding");
    let bindings: Vec<Found> = found.iter().filter(is_binding).cloned().collect();
    if bindings.is_empty() {
        return;
    }
    _ = await_gone(cluster, &bindings, NOTICED).await;
    tokio::time::sleep(NOTICED).await;
}

/// What judges requests; that policies may be bound as well is said where it cannot be found out.
async fn enforced(cluster: &Cluster, settings: &Settings) -> anyhow::Result<Vec<Found>> {
    let (found, gap) = enforcement(cluster).await?;
    if let Some(error) = gap {
        talk(
            settings,
            &format!(
                "Warning: policies, if they are bound, stay: their bindings could not be read: {error}"
            ),
        );
    }
    Ok(found)
}

/// Removes everything, in the order in which nobody ever waits for something that is gone (webhook.md 12).
pub(super) fn uninstall(args: &UninstallArgs, settings: &Settings) -> anyhow::Result<u8> {
    let namespace = layout::namespace(&args.global);
    with_cluster(settings, async |cluster| {
        lives_here(cluster, &namespace).await?;
        let first = enforced(cluster, settings).await?;
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
        let mut plan = plan(cluster, "This will delete, in this order:", &all);
        if last.is_some() {
            plan.push_str(&format!(
                "\n  namespace/{namespace}, if nothing of somebody else is in it"
            ));
        }
        if dry_run == DryRun::None && !consent(&plan, args.write.yes, settings)? {
            talk(settings, "Nothing was changed.");
            return Ok(0);
        }
        let removal = Removal {
            cluster,
            namespace: &namespace,
            limit: args.wait.timeout,
            dry_run,
            settings,
        };
        removal.perform(&first, &then, last).await?;
        Ok(0)
    })
}

/// Cluster roles and configurations have fixed names: those of another namespace's installation would be taken from it.
async fn lives_here(cluster: &Cluster, namespace: &str) -> anyhow::Result<()> {
    match home::home(cluster).await? {
        Some(home) if home != namespace => Err(Usage(format!(
            "error: the webhook of this cluster lives in namespace {home}, not in {namespace}: say -n {home}. Nothing was \
             changed"
        ))
        .into()),
        _ => Ok(()),
    }
}

/// One removal.
struct Removal<'a> {
    cluster: &'a Cluster,
    namespace: &'a str,
    /// The longest wait.
    limit: Duration,
    dry_run: DryRun,
    settings: &'a Settings,
}

impl Removal<'_> {
    /// What judges requests, what runs, what that lived on, and the namespace.
    async fn perform(
        &self,
        first: &[Found],
        then: &[Found],
        last: Option<Place>,
    ) -> anyhow::Result<()> {
        let real = self.dry_run == DryRun::None;
        delete_each(self.cluster, first, self.dry_run).await?;
        if real {
            await_gone(self.cluster, first, self.limit).await?;
        }
        let (work, rest): (Vec<Found>, Vec<Found>) = then.iter().cloned().partition(is_at_work);
        self.delete_all(&work).await?;
        if real && !work.is_empty() {
            self.await_end_of_pods().await?;
        }
        self.delete_all(&rest).await?;
        let gone = match last {
            Some(place) => {
                if real {
                    await_gone(self.cluster, then, self.limit).await?;
                }
                self.remove_namespace(&place, then).await?
            }
            None => false,
        };
        if !gone {
            self.name_keys().await?;
        }
        Ok(())
    }

    /// Stops at the first that stays: what comes after it is what it lives on.
    async fn delete_all(&self, found: &[Found]) -> anyhow::Result<()> {
        for Found { place } in found {
            let outcome = delete(self.cluster, place, self.dry_run).await;
            let outcome = outcome.map_err(|error| explain(&error, place))?;
            tell(&place.name, outcome.verb(), self.dry_run)?;
        }
        Ok(())
    }

    /// A replica that still runs would make the Secret anew. One on a node that is lost never ends: that is waited for, and
    /// no longer.
    async fn await_end_of_pods(&self) -> anyhow::Result<()> {
        let path = format!("/api/v1/namespaces/{}/pods?{OURS}", self.namespace);
        let ended = wait::until(self.limit, async || match self.cluster.find(&path).await {
            Ok(list) => {
                let list = list.unwrap_or_default();
                let left = list["items"]
                    .as_array()
                    .is_some_and(|items| !items.is_empty());
                Ok((!left).then_some(true))
            }
            Err(ApiError::Forbidden { .. }) => Ok(Some(false)),
            Err(error) => Err(error),
        })
        .await?;
        if ended != Some(true) {
            talk(
                self.settings,
                "Warning: Pods of the webhook may still run, and write their Secret once more. Run the same command again \
                 when they are gone.",
            );
        }
        Ok(())
    }

    /// Removes the namespace unless something else lives in it. Whether it goes is the result.
    async fn remove_namespace(&self, place: &Place, ours: &[Found]) -> anyhow::Result<bool> {
        let stays = match strangers::stranger(self.cluster, self.namespace, ours).await {
            Ok(None) => {
                self.delete_all(&[Found {
                    place: place.clone(),
                }])
                .await?;
                return Ok(true);
            }
            Ok(Some(other)) => format!("it also holds {other}."),
            Err(error) => format!("what it holds could not be read: {error}"),
        };
        talk(
            self.settings,
            &format!("namespace/{} stays: {stays}", self.namespace),
        );
        Ok(false)
    }

    /// A private key that stays is worth a word.
    async fn name_keys(&self) -> anyhow::Result<()> {
        for key in strangers::keys(self.cluster, self.namespace).await? {
            talk(
                self.settings,
                &format!(
                    "{key} stays, with the private key that somebody else put there: kubectl delete {key} -n {}",
                    self.namespace
                ),
            );
        }
        Ok(())
    }
}

fn plan(cluster: &Cluster, heading: &str, found: &[Found]) -> String {
    let start = format!(
        "{}\n{heading}",
        home::whereabouts(&cluster.context, &cluster.server)
    );
    let lines = found
        .iter()
        .map(|found| format!("\n  {}", found.place.name));
    lines.fold(start, |plan, line| plan + &line)
}

async fn delete(cluster: &Cluster, place: &Place, dry_run: DryRun) -> Result<Outcome, ApiError> {
    if dry_run == DryRun::Client {
        return Ok(Outcome::Deleted);
    }
    cluster.delete(&place.path, persist(dry_run)).await
}

/// Tries each of them, whatever becomes of the others: whoever breaks the glass may have the right to break one pane.
async fn delete_each(cluster: &Cluster, found: &[Found], dry_run: DryRun) -> anyhow::Result<()> {
    let mut failures: Vec<(ApiError, &Place)> = Vec::new();
    for Found { place } in found {
        match delete(cluster, place, dry_run).await {
            Ok(outcome) => tell(&place.name, outcome.verb(), dry_run)?,
            Err(error) if error.ends_the_run() => return Err(explain(&error, place)),
            Err(error) => failures.push((error, place)),
        }
    }
    let Some((first, place)) = failures.first() else {
        return Ok(());
    };
    let errors: Vec<String> = failures
        .iter()
        .map(|(error, _)| error.to_string())
        .collect();
    let names: Vec<&str> = failures.iter().map(|(_, place)| &*place.name).collect();
    Err(anyhow!(
        "{}\nNot deleted, if it is there: {}; {}",
        errors.join("\n"),
        names.join(", "),
        advice(first, place)
    ))
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

/// An error with what to do about it.
fn explain(error: &ApiError, place: &Place) -> anyhow::Error {
    anyhow!(
        "{error}\nStopped at {}; {}",
        place.name,
        advice(error, place)
    )
}

fn advice(error: &ApiError, place: &Place) -> String {
    match error {
        ApiError::Forbidden { .. } => format!(
            "it needs the right to delete {}; without the plugin: kubectl delete \
             validatingwebhookconfiguration,mutatingwebhookconfiguration -l app.kubernetes.io/name={}",
            place.name,
            names::APP
        ),
        _ => "run the same command again: what is gone already is not missed".to_owned(),
    }
}
