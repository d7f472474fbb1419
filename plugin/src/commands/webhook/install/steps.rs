//! The steps of an installation. Each says what it waits for, and ends the installation with what to do when it fails.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::anyhow;
use netdoctor_manifests::{Certificates, Component, Mode, Options, names, render};
use serde_json::Value;

use super::super::inventory::{self, Found};
use super::super::object::{self, ADMISSION, place, text};
use super::super::self_test::{self, Verdict};
use super::super::{home, tell, wait};
use super::fit::fit;
use super::is_unwanted;
use super::present::{Present, Reach};
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

    /// Looks at what is there, and fits the objects to it. The ports are those that were opened for it.
    pub(super) async fn fitted(&self) -> anyhow::Result<(Present, Vec<Value>, BTreeSet<u64>)> {
        let present = Present::look(self.cluster, self.options).await?;
        self.preflight().await?;
        let mut objects = render(self.options);
        let (options, named) = (self.options, self.profile_named);
        let ports = fit(self.cluster, options, &present, named, &mut objects).await?;
        Ok((present, objects, ports))
    }

    /// As [`Run::fitted`], and says what was fitted.
    pub(super) async fn prepare(&self) -> anyhow::Result<(Present, Vec<Value>)> {
        let (present, objects, ports) = self.fitted().await?;
        for port in ports {
            self.say(&format!(
                "The API server listens at port {port}: the NetworkPolicies let the Pods go there as well."
            ));
        }
        Ok((present, objects))
    }

    /// Match conditions and the policies of the API server are stable since Kubernetes 1.30.
    async fn preflight(&self) -> anyhow::Result<()> {
        self.lives_nowhere_else().await?;
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

    /// There is one webhook in a cluster: its configurations and cluster roles would be taken from the one that has them.
    async fn lives_nowhere_else(&self) -> anyhow::Result<()> {
        if self.options.mode == Mode::Policy {
            return Ok(());
        }
        let home = home::home(self.cluster)
            .await
            .map_err(|error| explain(&error, "look at what is there"))?;
        match home {
            Some(home) if home != self.options.namespace => Err(anyhow!(
                "error: the webhook of this cluster lives in namespace {home}. -n {home} brings that one up to date; to \
                 have it in {}, remove that one first: kubectl netdoctor webhook uninstall -n {home}. Nothing was done",
                self.options.namespace
            )),
            _ => Ok(()),
        }
    }

    /// A namespace on its way out takes nothing in: whoever installs right after an uninstallation waits for its end.
    pub(super) async fn await_end_of_namespace(&self) -> anyhow::Result<()> {
        if self.options.mode == Mode::Policy {
            return Ok(());
        }
        let place = object::of("v1", "Namespace", "", &self.options.namespace);
        let mut said = false;
        let usable = wait::until(self.limit, async || {
            let namespace = self.cluster.find(&place.path).await?.unwrap_or_default();
            let leaving = !text(&namespace, "/metadata/deletionTimestamp").is_empty();
            if leaving && !std::mem::replace(&mut said, true) {
                self.say(&format!("Waiting for {} to be gone ...", place.name));
            }
            Ok((!leaving).then_some(()))
        })
        .await
        .map_err(|error| explain(&error, "look at what is there"))?;
        usable.ok_or_else(|| {
            anyhow!(
                "error: {0} is still being removed: something in it is held by a finalizer, which kubectl get {0} -o yaml \
                 names. Nothing was done; run the same command again when it is gone",
                place.name
            )
        })
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
    pub(super) async fn await_deployments(
        &self,
        objects: &[Value],
        reach: &Reach,
    ) -> anyhow::Result<()> {
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
                    "error: {} is not ready: {why}. {}. Mend it and run the same command again, or remove it with \
                     `kubectl netdoctor webhook uninstall`",
                    place.name,
                    reach.words()
                ));
            }
        }
        Ok(())
    }

    /// Waits until somebody has written the authority into the configuration: without it every call fails.
    pub(super) async fn await_bundle(&self, reach: &Reach) -> anyhow::Result<()> {
        if self.options.mode == Mode::Policy {
            return Ok(());
        }
        let kind = "ValidatingWebhookConfiguration";
        let place = object::of(ADMISSION, kind, "", names::VALIDATING);
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
            "error: {} has no caBundle: {who}. {}",
            place.name,
            reach.words()
        ))
    }

    /// The server must answer for real before anything is widened.
    pub(super) async fn self_test(&self, namespace: &str, reach: &Reach) -> anyhow::Result<()> {
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
                reach.words()
            )),
            (_, Verdict::Unreached(cause)) => Err(anyhow!(
                "error: nobody answered the test: port {} of the Pods is not reached: {cause}. {}",
                self.options.port,
                reach.words()
            )),
            _ => Err(anyhow!(
                "error: nobody answered the test: the API server created, in a dry run, what a rule objects to. Can it \
                 reach the Pods on port {}? `kubectl netdoctor webhook status` looks closer. {}",
                self.options.port,
                reach.words()
            )),
        }
    }

    /// Removes what still acts although nobody asked for it, and names the rest of what was there before.
    pub(super) async fn clear_up(&self) -> anyhow::Result<()> {
        let left = inventory::left_over(self.cluster, self.options, &render(self.options)).await?;
        let (unwanted, idle): (Vec<Found>, Vec<Found>) = left.into_iter().partition(is_unwanted);
        for Found { place } in unwanted {
            let outcome = self.cluster.delete(&place.path, Persist::Yes).await;
            let outcome =
                outcome.map_err(|error| explain(&error, &format!("delete {}", place.name)))?;
            tell(&place.name, outcome.verb(), DryRun::None)?;
        }
        if !idle.is_empty() {
            let names: Vec<&str> = idle.iter().map(|found| &*found.place.name).collect();
            self.say(&format!(
                "Left from an earlier installation, and no part of this one: {}. kubectl delete takes it.",
                names.join(", ")
            ));
        }
        Ok(())
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
