//! Self-management: keeps the replica's leaf, and, for whoever leads, the authority and the bundles.
//!
//! One look every few seconds does everything, from what is written down: nothing is remembered that a restart would
//! lose, and no timer has to survive a machine that sleeps.

use super::{
    Serving,
    authority::{Authority, AuthorityError, Trusted},
    cluster::{Cluster, ClusterError, Found, Place},
    rotation::{Bundle, Leaf, Seen, Step, Surprise, Timing, leaf_is_due, next_step},
    secret::Contents,
};
use crate::{
    clock::Clock,
    lease::{LeaseError, Leases},
    metrics::{Certificate, Metrics},
    server::Phase,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Client;
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// More steps than one look can need: begin, publish, confirm, promote, publish, forget, publish.
const MOST_STEPS: usize = 10;
/// The first pause after a failure.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Why a look failed. Everything is tried again.
#[derive(Debug, thiserror::Error)]
pub enum ManagedError {
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Making or reading certificates.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
}

/// Keeps a [`Serving`] supplied with leaves of an authority that all replicas share.
pub struct SelfManaged {
    cluster: Cluster,
    leases: Leases,
    clock: Arc<Clock>,
    timing: Timing,
    names: Vec<String>,
    serving: Arc<Serving>,
    leaf: Option<Leaf>,
    /// The authority that signed it.
    signer: Option<Trusted>,
    surprise: Surprise,
    election: Election,
    metrics: Arc<Metrics>,
}

/// Why this replica knows nothing about the Lease, as it was said last.
#[derive(Default)]
struct Election {
    said: String,
}

impl Election {
    /// Every failure is counted, and every reason said once.
    fn news(&mut self, stood: Result<(), LeaseError>, metrics: &Metrics) {
        let Err(error) = stood else {
            self.said.clear();
            return;
        };
        metrics.election_failed();
        let text = chain(&error);
        if text != self.said {
            tracing::warn!(error = text, "no news about who leads");
            self.said = text;
        }
    }
}

/// An error with its sources: the outermost does not repeat them.
fn chain(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<String> = sources.map(ToString::to_string).collect();
    texts.join(": ")
}

impl SelfManaged {
    /// Nothing is read or written before the first [`SelfManaged::look`].
    pub fn new(
        client: Client,
        place: Place,
        leases: Leases,
        (clock, timing): (Arc<Clock>, Timing),
        serving: Arc<Serving>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            names: names(&place),
            cluster: Cluster::new(client, place),
            leases,
            clock,
            timing,
            serving,
            leaf: None,
            signer: None,
            surprise: Surprise::default(),
            election: Election::default(),
            metrics,
        }
    }

    /// Looks every `poll`, sooner after failures, until the process is on its way out; then gives the Lease up.
    pub async fn run(mut self, poll: Duration, mut phase: watch::Receiver<Phase>) {
        let mut failures = 0_u32;
        let mut said = String::new();
        loop {
            let pause = match self.look().await {
                Ok(()) => {
                    (failures, said) = (0, String::new());
                    poll
                }
                Err(error) => {
                    let text = error.to_string();
                    if text != said {
                        tracing::warn!(error = text, "certificates are not kept up to date");
                        said = text;
                    }
                    failures = failures.saturating_add(1);
                    let pause = FIRST_PAUSE.saturating_mul(1 << failures.min(10));
                    pause.min(poll)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = phase.wait_for(|phase| *phase > Phase::Serving) => break,
            }
        }
        if let Err(error) = self.leases.release(&self.clock).await {
            tracing::info!(%error, "the Lease is left to end by itself");
        }
        self.metrics.leads(self.leads());
    }

    /// Brings everything up to date, as far as that is this replica's to do.
    ///
    /// # Errors
    /// When the cluster cannot be read or written. What was served before still is.
    pub async fn look(&mut self) -> Result<(), ManagedError> {
        let stood = self.leases.stand(&self.clock).await;
        self.election.news(stood, &self.metrics);
        self.metrics.leads(self.leads());
        self.surprise.look();
        for _ in 0..MOST_STEPS {
            if self.once().await? {
                break;
            }
        }
        Ok(())
    }

    /// Takes one step. Says whether there is nothing more to do.
    async fn once(&mut self) -> Result<bool, ManagedError> {
        // Configurations before the Secret: a bundle that was made from an older Secret than somebody else's then
        // fails on the version of the configuration.
        let found = if self.leads() {
            Some(self.cluster.configurations().await)
        } else {
            None
        };
        let Some(secret) = self.cluster.secret().await? else {
            self.create().await?;
            return Ok(false);
        };
        let mut contents = Contents::of(&secret);
        self.serve(&contents)?;
        let Some(found) = found else {
            return Ok(true);
        };
        let found = found.inspect_err(|_| self.metrics.bundle_failed())?;
        let now = self.clock.now();
        if self.leads() && contents.keep(self.trusted(now)) {
            tracing::warn!("the Secret was lost or replaced: the authority before stays trusted");
            return self.write(secret, &contents).await.map(|()| false);
        }
        let bundle = contents.bundle();
        let step = next_step(&seen(&contents, &found, &bundle), now, &self.timing);
        if matches!(step, Step::Wait(_)) || !self.leads() {
            return Ok(true);
        }
        self.take(step, secret, contents, (&found, &bundle), now)
            .await?;
        Ok(false)
    }

    fn leads(&self) -> bool {
        self.leases.leads(self.clock.reading())
    }

    /// The authority of the leaf that this replica answers with, as long as that is worth something. Whoever lost the
    /// Secret, or restored an old one, has not taken it from the callers.
    fn trusted(&self, now: Timestamp) -> Option<&Trusted> {
        let leaf = self.leaf.as_ref()?;
        self.signer.as_ref().filter(|_| leaf.facts.is_valid(now))
    }

    /// The first Secret is made by whoever comes first.
    async fn create(&self) -> Result<(), ManagedError> {
        let now = self.clock.now();
        let made = Authority::generate(now, self.timing.authority)?;
        let mut secret = self.cluster.blank();
        Contents::default()
            .after(Step::Replace, Some(made), now)
            .write(&mut secret);
        match self.cluster.create(&secret).await {
            Ok(_) => tracing::info!("certificate authority created"),
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn take(
        &self,
        step: Step,
        secret: Secret,
        contents: Contents,
        (found, bundle): (&[Found], &str),
        now: Timestamp,
    ) -> Result<(), ManagedError> {
        if let Some(trouble) = &contents.trouble {
            tracing::error!(%trouble, "the Secret holds no usable authority");
        }
        tracing::info!(?step, "certificate authority");
        if step == Step::Publish {
            return self.publish(found, bundle).await;
        }
        let made = match step {
            Step::Replace | Step::Begin(_) => {
                Some(Authority::generate(now, self.timing.authority)?)
            }
            Step::Publish | Step::Confirm | Step::Promote | Step::Forget | Step::Wait(_) => None,
        };
        self.write(secret, &contents.after(step, made, now)).await
    }

    async fn write(&self, mut secret: Secret, contents: &Contents) -> Result<(), ManagedError> {
        contents.write(&mut secret);
        match self.cluster.replace(&secret).await {
            Ok(_) => Ok(()),
            // Somebody wrote first: the next look sees what.
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn publish(&self, found: &[Found], bundle: &str) -> Result<(), ManagedError> {
        let mut outcome = Ok(());
        // One configuration that cannot be written does not keep the other from being right.
        for found in found.iter().filter(|found| found.differs(bundle)) {
            match self.cluster.publish(found, bundle).await {
                Ok(()) => {}
                Err(error) if error.is_conflict() => {}
                Err(error) => {
                    self.metrics.bundle_failed();
                    outcome = Err(error.into());
                }
            }
        }
        outcome
    }

    fn serve(&mut self, contents: &Contents) -> Result<(), AuthorityError> {
        let Some(authority) = &contents.current else {
            return Ok(());
        };
        let facts = authority.facts();
        self.metrics
            .certificate_expires(Certificate::Ca, facts.not_after);
        let now = self.clock.now();
        let next = contents.next.as_ref().map(Authority::facts);
        if self.surprise.waits(self.leaf.as_ref(), facts, next, now) {
            return Ok(());
        }
        if !leaf_is_due(self.leaf.as_ref(), facts, now, &self.timing) {
            return Ok(());
        }
        let pair = authority.sign(&self.names, now, self.timing.leaf)?;
        tracing::info!(until = %pair.not_after(), authority = facts.serial, "serving certificate signed");
        self.leaf = Some(Leaf {
            facts: pair.facts().clone(),
            authority: facts.clone(),
        });
        self.signer = Some(authority.certificate().clone());
        self.serving.replace(pair);
        Ok(())
    }
}

fn seen<'a>(contents: &'a Contents, found: &[Found], bundle: &str) -> Seen<'a> {
    let previous = contents.previous.iter();
    Seen {
        current: contents.current.as_ref().map(Authority::facts),
        next: contents.next.as_ref().map(Authority::facts),
        previous_end: previous.map(|old| old.facts().not_after).min(),
        published: contents.published,
        requested: contents.rotation_requested(),
        bundle: if found.iter().any(|found| found.differs(bundle)) {
            Bundle::Wrong
        } else {
            Bundle::Right
        },
    }
}

/// The names under which the Service is called. The API server uses the first one.
fn names(place: &Place) -> Vec<String> {
    let (service, namespace) = (&place.service, &place.namespace);
    let full = format!("{service}.{namespace}.svc");
    vec![
        full.clone(),
        format!("{full}.cluster.local"),
        format!("{service}.{namespace}"),
        service.clone(),
    ]
}
