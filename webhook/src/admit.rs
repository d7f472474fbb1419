//! One review in, one decision out. Pure: no clock, no I/O, no state between two requests.
//!
//! ```text
//!  bytes --review--> Review --judge--> findings --policy--> outcomes --answer--> Decision
//!                      |                   ^                    ^
//!                      +-- never judged    World: snapshot, how fresh it is, policy, clock
//! ```

mod diff;
pub(crate) mod judge;
pub(crate) mod never;
pub(crate) mod object;
pub(crate) mod review;
mod scale;
#[cfg(test)]
pub(crate) mod tests;
mod weigh;

pub use review::LONGEST;

use crate::{answer, policy::Policy};
use jiff::Timestamp;
use netdoctor_engine::{
    config::Config,
    model::{Kind, ObjectRef},
    snapshot::Snapshot,
};
use review::Review;
use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What a decision is made from, besides the review itself.
pub struct World<'a> {
    /// What the cluster holds, as far as it is cached.
    pub snapshot: &'a Snapshot,
    /// How fresh the cache of each kind is.
    pub synced: &'a Synced,
    /// Profiles, overrides and exemptions.
    pub policy: &'a Policy,
    /// Which rules run and what is allowed: the engine's part of the policy ([`Policy::config`]).
    pub config: &'a Config,
    /// The clock.
    pub now: Timestamp,
    /// When the cache last saw an object change; `None` when it has not changed since the cache was filled.
    pub changed: &'a dyn Fn(&ObjectRef) -> Option<Timestamp>,
}

/// How fresh the cached objects of each watched kind are. Kinds that are not watched are absent: what they mean is the
/// snapshot's coverage to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Synced(pub BTreeMap<Kind, Freshness>);

/// How fresh the cached objects of a kind are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Freshness {
    /// The watch is alive.
    Fresh,
    /// The watch broke too long ago: what the cache holds may be wrong.
    Stale,
    /// The first list has not arrived yet.
    Never,
}

impl Synced {
    /// Why nothing may be built on this kind, if so.
    pub fn trouble(&self, kind: Kind) -> Option<FailOpen> {
        match self.0.get(&kind)? {
            Freshness::Fresh => None,
            Freshness::Stale => Some(FailOpen::StaleCache),
            Freshness::Never => Some(FailOpen::UnsyncedCache),
        }
    }
}

/// Why a request was let through without having been judged completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailOpen {
    /// A rule, or the code around the rules, panicked.
    Panic,
    /// A kind that a rule needs has not been listed yet.
    UnsyncedCache,
    /// The watch of a kind that a rule needs has been broken for too long.
    StaleCache,
    /// The webhook is asked about a kind, or in a form, that it does not know.
    UnknownKind,
    /// The time for one request was over.
    Deadline,
    /// Too many requests at once.
    Shed,
}

impl FailOpen {
    /// Value of the metric's `reason` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Panic => "panic",
            Self::UnsyncedCache => "unsynced-cache",
            Self::StaleCache => "stale-cache",
            Self::UnknownKind => "unknown-kind",
            Self::Deadline => "deadline",
            Self::Shed => "shed",
        }
    }
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[allow(missing_docs)]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
    /// Anything that a later API server may send.
    #[default]
    Other,
}

impl Operation {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Other => "OTHER",
        }
    }
}

/// The answer to one review, and what to count and remember about it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decision {
    /// The answer: an `AdmissionReview` as JSON.
    pub body: Vec<u8>,
    /// In one word.
    pub verdict: Verdict,
    /// What the request does.
    pub operation: Operation,
    /// The kind, when it is one that rules know.
    pub kind: Option<Kind>,
    /// Nothing will be persisted.
    pub dry_run: bool,
    /// What became of each rule that was asked, once per rule and outcome.
    pub rules: Vec<(&'static str, Outcome)>,
    /// Everything that was let through unjudged, whatever else was said: each counts in `fail_open_total`.
    pub fail_open: BTreeSet<FailOpen>,
    /// What only time can tell: the auditor looks again.
    pub deferred: Vec<Deferred>,
}

/// A decision in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Verdict {
    /// Nothing to say.
    #[default]
    Allow,
    /// Allowed, with warnings.
    Warn,
    /// Refused.
    Deny,
    /// Allowed with a change.
    Patch,
    /// Allowed without having been judged completely, and nothing else to say.
    FailOpen(FailOpen),
}

impl Verdict {
    /// Value of the metric's `decision` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
            Self::Patch => "patch",
            Self::FailOpen(_) => "fail-open",
        }
    }
}

/// What became of a rule in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Evidence was complete, and nothing is wrong (or nothing that was not wrong before).
    Ok,
    /// A guard applies, or it is about something else.
    Skipped,
    /// Evidence could not be obtained.
    Unknown,
    /// Violated, and somebody allowed that.
    Allowed,
    /// Violated: recorded only.
    Audit,
    /// Violated: answered with a warning.
    Warn,
    /// Violated: refused.
    Deny,
    /// Violated, and repaired.
    Patch,
}

impl Outcome {
    /// Value of the metric's `verdict` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
            Self::Allowed => "allowed",
            Self::Audit => "audit",
            Self::Warn => "warn",
            Self::Deny => "deny",
            Self::Patch => "patch",
        }
    }
}

/// A finding that may go away by itself: the other object is on its way, or the other half of an edit is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferred {
    /// The rule.
    pub code: &'static str,
    /// What it is about.
    pub object: ObjectRef,
    /// The finding.
    pub fingerprint: String,
    /// When to look again.
    pub due: Timestamp,
}

/// Bytes that are no review: answered with 400, so that `failurePolicy` decides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadReview {
    /// Longer than any review can be.
    #[error("the body has more than {0} bytes")]
    TooLong(usize),
    /// No JSON, or JSON of another form.
    #[error("the body is no AdmissionReview: {0}")]
    NotAReview(String),
    /// A version that this server does not speak.
    #[error("`{0}` is not admission.k8s.io/v1 AdmissionReview")]
    Version(String),
    /// `request` is absent or null.
    #[error("the AdmissionReview holds no request")]
    NoRequest,
    /// The answer could not be matched to the question.
    #[error("the request has no uid")]
    NoUid,
}

/// Judges a review.
///
/// # Errors
/// When it is none that could be answered.
pub fn validate(review: &[u8], world: &World<'_>) -> Result<Decision, BadReview> {
    let review = Review::read(review)?;
    // Rules are caught one by one; this is for everything around them.
    let judged = catch_unwind(AssertUnwindSafe(|| {
        answer::decision(&review, &judge::judge(&review, world))
    }));
    Ok(judged.unwrap_or_else(|_| fail_open(&review.uid, FailOpen::Panic)))
}

/// Repairs the object of a review.
///
/// # Errors
/// When it is none that could be answered.
pub fn mutate(review: &[u8], world: &World<'_>) -> Result<Decision, BadReview> {
    let review = Review::read(review)?;
    let repaired = catch_unwind(AssertUnwindSafe(|| {
        let (ruling, patch) = crate::mutate::repair(&review, world);
        answer::patched(&review, &ruling, &patch)
    }));
    Ok(repaired.unwrap_or_else(|_| fail_open(&review.uid, FailOpen::Panic)))
}

/// Lets a request through that was not judged.
pub fn fail_open(uid: &str, reason: FailOpen) -> Decision {
    answer::let_through(uid, reason)
}
