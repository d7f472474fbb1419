//! `webhook install`: nothing is sent to the webhook before it is known to answer, and nothing is widened before it did.

mod changes;
mod fit;
mod present;
mod steps;

use netdoctor_manifests::{FailurePolicy, Options, Profile, names, render};
use serde_json::Value;

use super::inventory::{self, Found};
use super::object::{enforces, place, text};
use super::{home, layout, manifests_text, tell, twice, with_cluster};
use crate::cli::values::DryRun;
use crate::cli::webhook::{InstallArgs, Mode};
use crate::cluster::Cluster;
use crate::commands::judge::talk;
use crate::prompt::consent;
use crate::settings::Settings;
use crate::terminal::sanitize_line;

use present::{Present, Reach};

/// Prints, or installs.
pub(super) fn run(args: &InstallArgs, settings: &Settings) -> anyhow::Result<u8> {
    let options = layout::options(&args.layout, &args.global)?;
    if !args.apply && args.write.dry_run == DryRun::None {
        return manifests_text(&options, None, settings);
    }
    if args.write.dry_run == DryRun::Client {
        for object in &render(&options) {
            let configures = text(object, "/metadata/name") == names::CONFIG_MAP;
            let verb = if configures && args.layout.profile.is_none() {
                "would be created, unless it is there"
            } else {
                "would be applied"
            };
            tell(&place(object).name, verb, DryRun::Client)?;
        }
        return Ok(0);
    }
    with_cluster(settings, async |cluster| {
        let run = steps::Run {
            cluster,
            options: &options,
            limit: args.wait.timeout,
            settings,
            profile_named: args.layout.profile.is_some(),
        };
        if args.write.dry_run == DryRun::Server {
            let (present, objects) = run.prepare().await?;
            for note in notes(&run, &objects, &present).await? {
                talk(settings, &note);
            }
            steps::try_all(cluster, &options, &objects, &present).await?;
            return Ok(0);
        }
        let (present, objects, _) = run.fitted().await?;
        let left = inventory::left_over(cluster, &options, &objects).await?;
        let mut plan = plan(cluster, args, &options, &objects, &left);
        for note in notes(&run, &objects, &present).await? {
            if args.write.yes {
                talk(settings, &note);
            }
            plan.push_str(&format!("\n{note}"));
        }
        if !consent(&plan, args.write.yes, settings)? {
            talk(settings, "Nothing was changed.");
            return Ok(0);
        }
        apply(&run, &args.test_namespace).await
    })
}

/// What whoever installs must know about what is there already.
async fn notes(
    run: &steps::Run<'_>,
    objects: &[Value],
    present: &Present,
) -> anyhow::Result<Vec<String>> {
    let step = |error| steps::explain(&error, "compare with what is there");
    let changes = run.changes(objects, present).await.map_err(step)?;
    let mut notes = Vec::new();
    if !changes.is_empty() {
        notes.push(
            "What is installed changes, since it was not asked for again or is new:".to_owned(),
        );
        let lines = changes.iter();
        notes.extend(lines.map(|change| format!("  {}", sanitize_line(change))));
    }
    let (namespace, mode) = (&run.options.namespace, run.options.mode);
    let advice = twice::advice(run.cluster, namespace, Some(mode)).await;
    notes.extend(advice.map_err(step)?.into_iter().flatten());
    Ok(notes)
}

/// What will be done, for the question.
fn plan(
    cluster: &Cluster,
    args: &InstallArgs,
    options: &Options,
    objects: &[Value],
    left: &[Found],
) -> String {
    let mut plan = home::whereabouts(&cluster.context, &cluster.server);
    plan.push_str(&match args.layout.mode {
        Mode::Webhook => format!(
            "\nThis will install the netdoctor webhook in namespace {}:\n",
            options.namespace
        ),
        Mode::Policy => "\nThis will install the policies of netdoctor:\n".to_owned(),
    });
    for object in objects {
        plan.push_str(&format!("  {}\n", place(object).name));
    }
    let (unwanted, idle): (Vec<&Found>, Vec<&Found>) =
        left.iter().partition(|found| is_unwanted(found));
    for (heading, found) in [
        ("It will delete, since it was not asked for:\n", unwanted),
        ("It will leave from an earlier installation:\n", idle),
    ] {
        if !found.is_empty() {
            plan.push_str(heading);
        }
        for found in found {
            plan.push_str(&format!("  {}\n", found.place.name));
        }
    }
    plan.push_str(match (options.profile, args.layout.profile) {
        (Profile::Advisory, None) => {
            "It will warn and refuse nothing, unless a configuration that is there says otherwise."
        }
        (Profile::Advisory, Some(_)) => "It will warn and refuse nothing.",
        (Profile::Guarded | Profile::Strict, _) => {
            "It will refuse changes that are certain to fail."
        }
    });
    if options.failure_policy == FailurePolicy::Fail {
        plan.push_str(
            " While it cannot be reached, every change of what it matches will be refused.",
        );
    }
    plan
}

/// The configuration that changes objects goes when nobody asks for it any more. The rest changes nothing that anybody
/// writes, and somebody may want to keep it.
fn is_unwanted(found: &Found) -> bool {
    found.place.name.starts_with("mutatingwebhookconfiguration")
}

/// Whether the plugin or its manifests made an object.
pub(super) fn is_ours(object: &Value) -> bool {
    let label = "/metadata/labels/app.kubernetes.io~1managed-by";
    text(object, label) == names::MANAGER
}

async fn apply(run: &steps::Run<'_>, test_namespace: &str) -> anyhow::Result<u8> {
    run.await_end_of_namespace().await?;
    let (mut present, objects) = run.prepare().await?;
    run.try_on_server(&objects, &present).await?;
    let (last, first): (Vec<Value>, Vec<Value>) = objects.into_iter().partition(enforces);
    // One namespace, failing open, until it has been seen to answer.
    let beginning = Options {
        only_namespace: Some(test_namespace.to_owned()),
        failure_policy: FailurePolicy::Ignore,
        ..run.options.clone()
    };
    let narrow: Vec<Value> = render(&beginning)
        .into_iter()
        .filter(|object| enforces(object) && text(object, "/metadata/name") != names::LABEL_GUARD)
        .collect();
    let enforcing = present.is_enforcing();
    if present.reach.refuses_unanswered() && !enforcing {
        // Nobody can answer, and all that is matched is refused: that ends first, whatever becomes of the rest.
        run.apply_all(&narrow, &present).await?;
        present.reach = Reach::of(&beginning);
    } else if present.reach.refuses_unanswered()
        && run.options.failure_policy == FailurePolicy::Ignore
    {
        run.apply_all(&last, &present).await?;
        present.reach = Reach::of(run.options);
    }
    run.apply_all(&first, &present).await?;
    run.await_deployments(&first, &present.reach).await?;
    if enforcing {
        // It becomes no stricter unless it answers as it is.
        run.self_test(test_namespace, &present.reach).await?;
    } else {
        run.apply_all(&narrow, &present).await?;
        present.reach = Reach::of(&beginning);
        run.await_bundle(&present.reach).await?;
        run.self_test(test_namespace, &present.reach).await?;
    }
    run.apply_all(&last, &present).await?;
    if enforcing {
        run.self_test(test_namespace, &Reach::of(run.options))
            .await?;
    }
    run.clear_up().await?;
    talk(
        run.settings,
        "Installed. Look at it again with: kubectl netdoctor webhook status",
    );
    Ok(0)
}
