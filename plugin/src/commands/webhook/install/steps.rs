//! The steps of an installation. Each says what it waits for, and ends the installation with what to do when it fails.

use std::time::Duration;

use anyhow::anyhow;
use netdoctor_manifests::{Certificates, Component, Mode, Options, names, render};
use serde_json::Value;

use super::super::object::{self, place, text};
use super::super::self_test::{self, Verdict};
use super::super::{tell, wait};
use super::Present;
use crate::cli::values::DryRun;
use crate::cluster::{ApiError, Cluster, Persist};
use crate::commands::judge::talk;
use crate::settings::Settings;

/// How long an API server may take to learn of a configuration.
const PROPAGATION: Duration = Duration::from_secs(30);

/// One installation.
pub(super) struct Run<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) options: &'a Options,
    /// The longest wait.
    pub(super) limit: Duration,
    pub(super) settings: &'a Settings,
    /// `--profile` was given: the configuration is written although there is one.
    pub(super) profile_named: bool,
}

/// Tries every object on the server and says what would become of it.
pub(super) async fn try_all(
    cluster: &Cluster,
    options: &Options,
    objects: &[Value],
    present: &Present,
) -> anyhow::Result<()> {
    for object in objects {
        let place = place(object);
        let inside = text(object, "/metadata/namespace") == options.namespace;
        if inside && present.namespace.is_none() {
            // The server cannot judge what is in a namespace that is not there.
            tell(
                &place.name,
                "not tried: its namespace does not exist yet",
                DryRun::Server,
            )?;
            continue;
        }
        let outcome = cluster
            .apply(&place.path, object, Persist::DryRun)
            .await
            .map_err(|error| explain(&error, &format!("try {}", place.name)))?;
        tell(&place.name, outcome.verb(), DryRun::Server)?;
    }
    Ok(())
}

impl Run<'_> {
    fn say(&self, text: &str) {
        talk(self.settings, text);
    }

    /// Match conditions and the policies of the API server are stable since Kubernetes 1.30.
    pub(super) async fn preflight(&self) -> anyhow::Result<()> {
        let path = "/apis/admissionregistration.k8s.io/v1";
        let resources = self
            .cluster
            .find(path)
            .await
            .map_err(|error| explain(&error, "look at what the server knows"))?
            .unwrap_or_default();
        let known = resources["resources"].as_array().into_iter().flatten();
        let policies = known
            .into_iter()
            .any(|resource| text(resource, "/name") == "validatingadmissionpolicies");
        if policies {
            return Ok(());
        }
        Err(anyhow!(
            "error: this API server is older than Kubernetes 1.30 and ignores match conditions: every change in the \
             cluster would go through the webhook. Upgrade it first; `kubectl netdoctor lint` works with any version"
        ))
    }

    /// A dry run of all that can be tried now; the rest follows as soon as its namespace is there.
    pub(super) async fn try_on_server(
        &self,
        objects: &[Value],
        present: &Present,
    ) -> anyhow::Result<()> {
        let missing = present.namespace.is_none();
        let (later, now): (Vec<&Value>, Vec<&Value>) = objects.iter().partition(|object| {
            missing && text(object, "/metadata/namespace") == self.options.namespace
        });
        self.say("Trying the objects on the server, which keeps nothing ...");
        self.try_each(&now).await?;
        if later.is_empty() {
            return Ok(());
        }
        let namespace = objects
            .iter()
            .filter(|object| text(object, "/kind") == "Namespace");
        self.apply_all(namespace, present).await?;
        self.try_each(&later).await
    }

    async fn try_each(&self, objects: &[&Value]) -> anyhow::Result<()> {
        for object in objects {
            let place = place(object);
            let tried = self
                .cluster
                .apply(&place.path, object, Persist::DryRun)
                .await;
            tried.map_err(|error| explain(&error, &format!("try {}", place.name)))?;
        }
        Ok(())
    }

    /// Applies objects one by one, and leaves alone what has to stay.
    pub(super) async fn apply_all<'o>(
        &self,
        objects: impl IntoIterator<Item = &'o Value>,
        present: &Present,
    ) -> anyhow::Result<()> {
        for object in objects {
            let place = place(object);
            if present.keeps(object, self.profile_named) {
                tell(&place.name, "kept", DryRun::None)?;
                continue;
            }
            let outcome = self
                .cluster
                .apply(&place.path, object, Persist::Yes)
                .await
                .map_err(|error| explain(&error, &format!("apply {}", place.name)))?;
            tell(&place.name, outcome.verb(), DryRun::None)?;
        }
        Ok(())
    }

    /// Waits until every Deployment runs what it should.
    pub(super) async fn await_deployments(&self, objects: &[Value]) -> anyhow::Result<()> {
        for object in objects {
            if text(object, "/kind") != "Deployment" {
                continue;
            }
            let place = place(object);
            self.say(&format!("Waiting for {} ...", place.name));
            let mut last = Value::Null;
            let ready = wait::until(self.limit, async || {
                last = self.cluster.find(&place.path).await?.unwrap_or_default();
                Ok(wait::rolled_out(&last).then_some(()))
            })
            .await
            .map_err(|error| explain(&error, &format!("wait for {}", place.name)))?;
            if ready.is_none() {
                let why = wait::why_not(self.cluster, &self.options.namespace, &last).await;
                return Err(anyhow!(
                    "error: {} is not ready: {why}. No request is sent to it: the cluster is as before. Mend it and run \
                     the same command again, or remove it with `kubectl netdoctor webhook uninstall`",
                    place.name
                ));
            }
        }
        Ok(())
    }

    /// Waits until somebody has written the authority into the configuration: without it every call fails.
    pub(super) async fn await_bundle(&self) -> anyhow::Result<()> {
        if self.options.mode == Mode::Policy {
            return Ok(());
        }
        let place = object::of(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            "",
            names::VALIDATING,
        );
        self.say("Waiting for the authority in the configuration (caBundle) ...");
        let written = wait::until(self.limit, async || {
            let configuration = self.cluster.find(&place.path).await?.unwrap_or_default();
            let bundle = text(&configuration, "/webhooks/0/clientConfig/caBundle");
            Ok((!bundle.is_empty()).then_some(()))
        })
        .await
        .map_err(|error| explain(&error, "read the configuration"))?;
        if written.is_some() {
            return Ok(());
        }
        let who = if self.options.certificates == Certificates::CertManager
            || self.options.components.contains(&Component::CertManager)
        {
            "cert-manager has not written it: look at the Certificate netdoctor-webhook-tls and at its cainjector"
        } else if self.options.certificates == Certificates::Files {
            "with --certificates=files it is yours to set: write the authority of the Secret netdoctor-webhook-tls into \
             the configuration and run the same command again"
        } else {
            "the server has not written it: look at its log for a forbidden patch"
        };
        Err(anyhow!(
            "error: {} has no caBundle: {who}. Requests pass unjudged meanwhile",
            place.name
        ))
    }

    /// The server must answer for real before anything is widened.
    pub(super) async fn self_test(&self, namespace: &str) -> anyhow::Result<()> {
        self.say(&format!("Testing the answer in namespace {namespace} ..."));
        let mut last = Verdict::Silent;
        let answered = wait::until(PROPAGATION.min(self.limit), async || {
            last = self_test::run(self.cluster, namespace).await?;
            Ok(matches!(last, Verdict::Answered { .. }).then_some(()))
        })
        .await
        .map_err(|error| explain(&error, "test the answer"))?;
        match (answered, last) {
            (Some(()), Verdict::Answered { code, refused, .. }) => {
                let how = if refused { "refused" } else { "warned about" };
                self.say(&format!("Answered: {code} {how} what it should."));
                Ok(())
            }
            (_, Verdict::Undecided(reason)) => Err(anyhow!(
                "error: the test was not decided: {reason}. {}",
                self.left_behind(namespace)
            )),
            _ => Err(anyhow!(
                "error: nobody answered the test: the API server created, in a dry run, what a rule objects to. Can it \
                 reach the Pods on port {}? `kubectl netdoctor webhook status` looks closer. {}",
                self.options.port,
                self.left_behind(namespace)
            )),
        }
    }

    fn left_behind(&self, namespace: &str) -> String {
        let rendered = render(self.options);
        let what = if rendered
            .iter()
            .any(|object| text(object, "/kind") == "Deployment")
        {
            "requests pass unjudged while the webhook is not reached"
        } else {
            "nothing else is matched"
        };
        format!(
            "Only namespace {namespace} was included, and {what}; `kubectl netdoctor webhook disable` takes it back"
        )
    }
}

/// An error with what to do about it.
pub(super) fn explain(error: &ApiError, step: &str) -> anyhow::Error {
    let advice = match error {
        ApiError::Forbidden { message } if message.contains("denied the request") => {
            "another webhook or policy of the cluster refuses it: ask who runs that one"
        }
        ApiError::Forbidden { .. } => {
            "installing needs the rights of a cluster administrator: kubectl auth can-i create clusterroles"
        }
        ApiError::NotFound { .. } => {
            "the API server does not know that kind: is the operator that brings it (cert-manager, the Prometheus operator) installed?"
        }
        ApiError::Unauthorized { .. } | ApiError::Connect(_) | ApiError::NotJson { .. } => {
            "nothing was done; run the same command again when the server answers"
        }
        _ => "run the same command again: what is done already stays and is not done twice",
    };
    anyhow!("{error}\nStopped: could not {step}; {advice}")
}
