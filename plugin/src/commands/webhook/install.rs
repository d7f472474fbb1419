//! `webhook install`: nothing is sent to the webhook before it is known to answer, and nothing is widened before it did.

mod steps;

use netdoctor_manifests::{FailurePolicy, Options, Profile, names, render};
use serde_json::Value;

use super::object::{enforces, place, text};
use super::{layout, manifests_text, tell, with_cluster};
use crate::cli::values::DryRun;
use crate::cli::webhook::{InstallArgs, Mode};
use crate::cluster::Cluster;
use crate::commands::judge::talk;
use crate::prompt::consent;
use crate::settings::Settings;

/// Prints, or installs.
pub(super) fn run(args: &InstallArgs, settings: &Settings) -> anyhow::Result<u8> {
    let options = layout::options(&args.layout, &args.global)?;
    if !args.apply && args.write.dry_run == DryRun::None {
        return manifests_text(&options, None);
    }
    let objects = render(&options);
    match args.write.dry_run {
        DryRun::Client => {
            for object in &objects {
                tell(&place(object).name, "created", DryRun::Client)?;
            }
            Ok(0)
        }
        DryRun::Server => with_cluster(settings, async |cluster| {
            let present = Present::look(cluster, &options).await?;
            steps::try_all(cluster, &options, &objects, &present).await?;
            Ok(0)
        }),
        DryRun::None => {
            let plan = plan(args, &options, &objects);
            if !consent(&plan, args.write.yes, settings)? {
                talk(settings, "Nothing was changed.");
                return Ok(0);
            }
            with_cluster(settings, async |cluster| {
                apply(cluster, args, &options, settings).await
            })
        }
    }
}

/// What will be done, for the question.
fn plan(args: &InstallArgs, options: &Options, objects: &[Value]) -> String {
    let mut plan = match args.layout.mode {
        Mode::Webhook => format!(
            "This will install the netdoctor webhook in namespace {}:\n",
            options.namespace
        ),
        Mode::Policy => "This will install the policies of netdoctor:\n".to_owned(),
    };
    for object in objects {
        plan.push_str(&format!("  {}\n", place(object).name));
    }
    let refuses = match options.profile {
        Profile::Advisory => "It will warn and refuse nothing.",
        Profile::Guarded | Profile::Strict => "It will refuse changes that are certain to fail.",
    };
    plan.push_str(refuses);
    if options.failure_policy == FailurePolicy::Fail {
        plan.push_str(
            " While it cannot be reached, every change of what it matches will be refused.",
        );
    }
    plan
}

/// What is there before anything is done.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// The namespace.
    namespace: Option<Value>,
    /// The configuration, which may have been edited.
    configuration: bool,
    /// Requests are sent to an earlier installation already.
    enforcing: bool,
}

impl Present {
    async fn look(cluster: &Cluster, options: &Options) -> anyhow::Result<Self> {
        if options.mode == netdoctor_manifests::Mode::Policy {
            return Ok(Self::default());
        }
        let namespace = super::object::of("v1", "Namespace", "", &options.namespace);
        let map = super::object::of("v1", "ConfigMap", &options.namespace, names::CONFIG_MAP);
        let configuration = super::object::of(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            "",
            names::VALIDATING,
        );
        let refuse = |error| steps::explain(&error, "look at what is there");
        let bundle = "/webhooks/0/clientConfig/caBundle";
        let enforcing = cluster.find(&configuration.path).await.map_err(refuse)?;
        Ok(Self {
            namespace: cluster.find(&namespace.path).await.map_err(refuse)?,
            configuration: cluster.find(&map.path).await.map_err(refuse)?.is_some(),
            enforcing: enforcing.is_some_and(|object| !text(&object, bundle).is_empty()),
        })
    }

    /// Whether an object is left as it is: a namespace that somebody else made, a configuration that somebody may have
    /// edited.
    fn keeps(&self, object: &Value, profile_named: bool) -> bool {
        match text(object, "/kind") {
            "Namespace" => self.namespace.as_ref().is_some_and(|there| !is_ours(there)),
            "ConfigMap" if text(object, "/metadata/name") == names::CONFIG_MAP => {
                self.configuration && !profile_named
            }
            _ => false,
        }
    }
}

/// Whether the plugin or its manifests made an object.
pub(super) fn is_ours(object: &Value) -> bool {
    let label = "/metadata/labels/app.kubernetes.io~1managed-by";
    text(object, label) == names::MANAGER
}

async fn apply(
    cluster: &Cluster,
    args: &InstallArgs,
    options: &Options,
    settings: &Settings,
) -> anyhow::Result<u8> {
    let run = steps::Run {
        cluster,
        options,
        limit: args.wait.timeout,
        settings,
        profile_named: args.layout.profile.is_some(),
    };
    let objects = render(options);
    let present = Present::look(cluster, options).await?;
    run.preflight().await?;
    run.try_on_server(&objects, &present).await?;
    let (last, first): (Vec<Value>, Vec<Value>) = objects.into_iter().partition(enforces);
    run.apply_all(&first, &present).await?;
    run.await_deployments(&first).await?;
    if !present.enforcing {
        // One namespace, failing open, until it has been seen to answer.
        let narrow = Options {
            only_namespace: Some(args.test_namespace.clone()),
            failure_policy: FailurePolicy::Ignore,
            ..options.clone()
        };
        let narrow: Vec<Value> = render(&narrow).into_iter().filter(enforces).collect();
        run.apply_all(&narrow, &present).await?;
        run.await_bundle().await?;
        run.self_test(&args.test_namespace).await?;
    }
    run.apply_all(&last, &present).await?;
    if present.enforcing {
        run.self_test(&args.test_namespace).await?;
    }
    talk(
        settings,
        "Installed. Look at it again with: kubectl netdoctor webhook status",
    );
    Ok(0)
}
