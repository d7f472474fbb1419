//! The background auditor: what passed while the webhook was down, what it could only warn about because the other half
//! was on its way, and what was there before.
//!
//! ```text
//!  Cache --View--> judge --findings--> Ledger --due--> post --> Event on the object
//!                    |                  since when,     at most so many per time
//!                    v                  said when
//!                 metrics
//! ```
//!
//! A process of its own with an account of its own: the server's may write nothing. It derives everything from what the
//! cluster holds; no request starts work here and nothing is sent from there. A finding that may go away by itself is
//! said only if it is still there after the grace period. Every finding has one Event, named after its fingerprint, so
//! that a restart finds what it said before; nothing is written for what is fine.

mod event;
mod judge;
mod ledger;
mod post;

pub use event::CONTROLLER;

use crate::{
    budget::Budget,
    cache::Cache,
    configmap::{Configuration, Place, State},
    metrics::{Metrics, audit::Outcome},
};
use event::Remark;
use jiff::{SignedDuration, Timestamp};
use judge::Pass;
use ledger::{Agenda, Found, Ledger, REPEAT};
use netdoctor_engine::rule::Action;
use post::{Posted, post};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

/// How to audit.
#[derive(Debug, Clone)]
pub struct Options {
    /// What this process calls itself in Events: the name of its Pod.
    pub instance: String,
    /// The configuration, whose namespace is the auditor's own.
    pub place: Place,
    /// The least time between two passes.
    pub every: Duration,
    /// Events that may be written at once.
    pub burst: u32,
    /// After that, one Event per so much time.
    pub one_per: SignedDuration,
}

impl Options {
    /// What is right in the Pod of the manifests.
    pub fn new(instance: String, place: Place) -> Self {
        Self {
            instance,
            place,
            every: Duration::from_secs(10),
            burst: 50,
            one_per: SignedDuration::from_secs(1),
        }
    }
}

/// Judging takes at most one part in so many of the time. Waiting for answers of the API server does not count.
const SHARE: u32 = 10;

/// How long the first lists may take. A kind that cannot be listed must not keep everything else waiting.
const SETTLING: Duration = Duration::from_mins(1);

/// Without any news there is a pass after this time all the same: some findings depend on the clock.
const LONGEST_REST: Duration = Duration::from_mins(10);

/// Audits for as long as the future is polled.
pub async fn run(
    client: kube::Client,
    cache: Arc<Cache>,
    configuration: Arc<Configuration>,
    metrics: Arc<Metrics>,
    options: Options,
) {
    let now = Timestamp::now();
    let mut auditor = Auditor {
        ledger: Ledger::default(),
        budget: Budget::new(options.burst, options.one_per, now),
        client,
        metrics,
        options,
        unasked: BTreeSet::new(),
        counts: BTreeMap::new(),
    };
    configuration.read_once().await;
    _ = tokio::time::timeout(SETTLING, cache.settled()).await;
    let mut views = cache.views();
    let mut changes = configuration.changes();
    loop {
        views.mark_unchanged();
        changes.mark_unchanged();
        let looked = auditor.pass(&cache, &configuration).await;
        let pause = auditor.options.every.max(looked.judging * SHARE);
        tokio::time::sleep(pause).await;
        tokio::select! {
            // Both senders live as long as what they belong to, which this function holds.
            _ = views.changed() => {}
            _ = changes.changed() => {}
            () = tokio::time::sleep(looked.rest.saturating_sub(pause)) => {}
        }
    }
}

/// What a pass took, and when there is reason for another.
struct Looked {
    judging: Duration,
    /// If nothing changes.
    rest: Duration,
}

struct Auditor {
    ledger: Ledger,
    budget: Budget,
    client: kube::Client,
    metrics: Arc<Metrics>,
    options: Options,
    /// Rules that were not asked the last time.
    unasked: BTreeSet<&'static str>,
    /// What was counted then.
    counts: BTreeMap<(&'static str, Action), usize>,
}

impl Auditor {
    /// One look at everything.
    async fn pass(&mut self, cache: &Cache, configuration: &Configuration) -> Looked {
        let view = cache.current();
        let (policy, own) = (configuration.policy(), self.options.place.namespace.clone());
        let began = Instant::now();
        let judged = tokio::task::spawn_blocking(move || {
            judge::judge(&view, &policy, &own, Timestamp::now())
        });
        let judged = judged.await;
        let judging = began.elapsed();
        let mut pass = match judged {
            Ok(Some(pass)) => pass,
            Ok(None) => {
                return Looked {
                    judging,
                    rest: self.options.every,
                };
            }
            Err(_) => {
                self.metrics.panicked();
                return Looked {
                    judging,
                    rest: LONGEST_REST,
                };
            }
        };
        self.metrics.audit.passed(judging, Timestamp::now());
        self.count(&mut pass);
        self.broken(&configuration.state(), &mut pass);
        let agenda = self
            .ledger
            .pass(&pass.found, &pass.unasked, Timestamp::now());
        let waiting = self.say(&pass, &agenda).await;
        self.metrics.audit.waiting(waiting);
        Looked {
            judging,
            rest: self.rest(&pass.found, waiting),
        }
    }

    /// Counts what was found. What cannot be seen is not gone: it counts as it did.
    fn count(&mut self, pass: &mut Pass) {
        let unseen = std::mem::take(&mut self.counts).into_iter();
        let unseen = unseen.filter(|((code, _), _)| pass.unasked.contains(code));
        pass.counts.extend(unseen);
        self.metrics.audit.found(&pass.counts);
        self.counts.clone_from(&pass.counts);
        if self.unasked != pass.unasked {
            let rules = pass.unasked.iter().copied().collect::<Vec<_>>().join(" ");
            tracing::warn!(
                rules,
                "rules that are not asked: what they look at cannot be seen"
            );
            self.unasked.clone_from(&pass.unasked);
        }
    }

    /// A configuration that cannot be used is said on its object like a finding: the server, which uses it, may not.
    fn broken(&self, state: &State, pass: &mut Pass) {
        let State::Broken { message, uid } = state else {
            return;
        };
        let remark = Remark::of_configuration(&self.options.place, uid, message);
        pass.found.push(Found::of_configuration(&remark));
        pass.remarks.push(remark);
    }

    /// Says what is due as far as the budget allows; returns how much is left unsaid.
    async fn say(&mut self, pass: &Pass, agenda: &Agenda) -> usize {
        for (number, position) in agenda.say.iter().enumerate() {
            let now = Timestamp::now();
            if self.budget.left(now) == 0 {
                return agenda.say.len() - number;
            }
            let (found, remark) = (&pass.found[*position], &pass.remarks[*position]);
            let since = now.saturating_sub(REPEAT).unwrap_or(Timestamp::MIN);
            let instance = &self.options.instance;
            let posted = post(&self.client, remark, instance, now, since).await;
            self.budget.spend();
            let outcome = match posted {
                Posted::Created => Outcome::Created,
                Posted::Repeated => Outcome::Repeated,
                Posted::Fresh(at) => {
                    self.ledger.said(found, at);
                    continue;
                }
                Posted::Refused => Outcome::Refused,
                // Whoever does not answer now is not asked for all the others.
                Posted::Failed => {
                    self.metrics.audit.event(Outcome::Failed);
                    return agenda.say.len() - number;
                }
            };
            self.metrics.audit.event(outcome);
            self.ledger.said(found, now);
        }
        0
    }

    fn rest(&self, found: &[Found], waiting: usize) -> Duration {
        if waiting > 0 {
            return self.options.every;
        }
        let now = Timestamp::now();
        let next = self.ledger.agenda(found, now).next;
        let next = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
        next.unwrap_or(LONGEST_REST).min(LONGEST_REST)
    }
}
