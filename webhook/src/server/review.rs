//! `/validate` and `/mutate`: one review in, one answer out, in time (webhook.md 3).
//!
//! | what happens | answer |
//! |---|---|
//! | judged | 200 with the decision; refusals, and warnings about other objects, only after a second look at what had just arrived |
//! | deadline, too many at once, no memory left, panic | 200, allowed, with a warning; counted as fail-open |
//! | no review, too long | 400: `failurePolicy` decides |
//! | let through, but its uid never arrived | 503: `failurePolicy` decides |

use super::{
    body::{Held, Memory, Read, read},
    deadline::time_for_review,
    gate::{Gate, Ran},
    head::Head,
    weight,
};
use crate::{
    admit::{self, BadReview, Decision, FailOpen, Outcome, Verdict},
    budget::Budget,
    logging::TraceContext,
    metrics::{Metrics, Webhook},
};
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use netdoctor_engine::{rule::Evidence, rules};
use std::{
    future::ready,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// Judges reviews. Called on a thread that may be kept busy.
pub trait Judge: Send + Sync + 'static {
    /// The answer to one review.
    ///
    /// # Errors
    /// When the bytes are no review.
    fn judge(&self, webhook: Webhook, review: &[u8]) -> Result<Decision, BadReview>;

    /// Waits until judging knows all that had happened when this was called: refusals, and warnings about other objects,
    /// are given only after that. Whoever knows nothing but the review has nothing to wait for.
    fn catch_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}

/// What judging gives.
type Judged = Result<Decision, BadReview>;

/// Whether it may be wrong because the view is behind: whoever applies several objects at once is milliseconds away from
/// having put right what a refusal, or a warning about other objects, would be about.
fn hasty(ran: &Ran<Option<Judged>>) -> bool {
    let Ran::Done(Some(Ok(decision))) = ran else {
        return false;
    };
    decision.verdict == Verdict::Deny
        || decision
            .rules
            .iter()
            .any(|(code, outcome)| *outcome == Outcome::Warn && looks_at_others(code))
}

fn looks_at_others(code: &str) -> bool {
    rules::find(code).is_some_and(|rule| match rule.evidence {
        Evidence::Miss | Evidence::Contra | Evidence::Status => true,
        Evidence::Own | Evidence::Fact => false,
    })
}

/// How much a review may be and take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest body. The API server sends at most the old and the new object, each of up to 3 MiB.
    pub body: usize,
    /// Memory for all bodies together.
    pub memory: usize,
    /// How long a body may take to arrive, whatever time the review has: until then it is the client that is slow.
    pub arrival: Duration,
    /// What the API server waits for `/validate` when it does not say so itself.
    pub validate: Duration,
    /// What the API server waits for `/mutate` when it does not say so itself.
    pub mutate: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 8 << 20,
            memory: 64 << 20,
            arrival: Duration::from_secs(2),
            validate: Duration::from_secs(2),
            mutate: Duration::from_secs(1),
        }
    }
}

/// Anybody who reaches the port can be refused: as many lines at once, then one per second, each with how many were not
/// written. The metrics count them all.
const LINES: u32 = 10;

/// Lines about refusals.
struct Refusals {
    budget: Budget,
    unsaid: u64,
}

impl Refusals {
    fn new(now: Timestamp) -> Self {
        Self {
            budget: Budget::new(LINES, SignedDuration::from_secs(1), now),
            unsaid: 0,
        }
    }

    /// Whether there is to be a line about one more, and how many there were without.
    fn say(&mut self, now: Timestamp) -> Option<u64> {
        if self.budget.left(now) == 0 {
            self.unsaid += 1;
            return None;
        }
        self.budget.spend();
        Some(std::mem::take(&mut self.unsaid))
    }
}

/// Memory for what is made of all bodies that are being judged.
pub(super) const JUDGING: usize = 64 << 20;

/// What the handlers need.
#[derive(Clone)]
pub struct Admission {
    judge: Arc<dyn Judge>,
    gate: Gate,
    memory: Memory,
    judging: Memory,
    limits: Limits,
    metrics: Arc<Metrics>,
    refusals: Arc<Mutex<Refusals>>,
}

impl Admission {
    /// Reviews go through `gate` to `judge`.
    pub fn new(judge: Arc<dyn Judge>, gate: Gate, limits: Limits, metrics: Arc<Metrics>) -> Self {
        Self {
            judge,
            gate,
            memory: Memory::new(limits.memory),
            judging: Memory::new(JUDGING),
            limits,
            metrics,
            refusals: Arc::new(Mutex::new(Refusals::new(Timestamp::now()))),
        }
    }
}

/// Handles `/validate`.
pub(super) async fn validate(State(admission): State<Admission>, request: Request) -> Response {
    admission.handle(Webhook::Validate, request).await
}

/// Handles `/mutate`.
pub(super) async fn mutate(State(admission): State<Admission>, request: Request) -> Response {
    admission.handle(Webhook::Mutate, request).await
}

/// A review while it is handled.
struct Review {
    webhook: Webhook,
    started: Instant,
    head: Head,
    trace: Option<TraceContext>,
}

/// What is answered.
enum Answer {
    Decision(Decision),
    Bad(BadReview),
    /// Let through, but nobody knows whom.
    Nameless(FailOpen),
    Broken,
}

impl Admission {
    async fn handle(&self, webhook: Webhook, request: Request) -> Response {
        let started = Instant::now();
        let _in_flight = self.metrics.in_flight();
        let configured = match webhook {
            Webhook::Validate => self.limits.validate,
            Webhook::Mutate => self.limits.mutate,
        };
        let deadline = started + time_for_review(request.uri().query(), configured);
        let trace = TraceContext::of(request.headers());
        let body = read(
            request.into_body(),
            self.limits.body,
            &self.memory,
            deadline.min(started + self.limits.arrival),
        )
        .await;
        let (head, answer) = self.answer(webhook, body, deadline).await;
        let review = Review {
            webhook,
            started,
            head,
            trace,
        };
        self.finish(&review, answer)
    }

    async fn answer(&self, webhook: Webhook, body: Read, deadline: Instant) -> (Head, Answer) {
        let (bytes, memory) = match body {
            Read::Whole(bytes, memory) => (bytes, memory),
            Read::Crowded(prefix) => return let_through(Head::read(&prefix), FailOpen::Shed),
            Read::Late(prefix) => return let_through(Head::read(&prefix), FailOpen::Deadline),
            Read::TooLong => {
                let error = BadReview::TooLong(self.limits.body);
                return (Head::default(), Answer::Bad(error));
            }
            Read::Broken => return (Head::default(), Answer::Broken),
        };
        let head = Head::read(&bytes);
        let body = Arc::new((bytes, memory));
        let mut ran = self.judged(webhook, &body, deadline).await;
        if hasty(&ran) {
            ran = match timeout_at(deadline, self.judge.catch_up()).await {
                Ok(()) => self.judged(webhook, &body, deadline).await,
                Err(_) => Ran::Late,
            };
        }
        match ran {
            Ran::Done(Some(Ok(decision))) => (head, Answer::Decision(decision)),
            Ran::Done(Some(Err(error))) => (head, Answer::Bad(error)),
            Ran::Panicked => let_through(head, FailOpen::Panic),
            // The API server writes the uid first: what has none there is no review of its.
            Ran::Done(None) if head.uid.is_empty() => (head, Answer::Bad(BadReview::NoUid)),
            Ran::Done(None) | Ran::Shed => let_through(head, FailOpen::Shed),
            Ran::Late => let_through(head, FailOpen::Deadline),
        }
    }

    /// What one look at a review gives; nothing where there is no memory to look.
    async fn judged(
        &self,
        webhook: Webhook,
        body: &Arc<(Bytes, Held)>,
        deadline: Instant,
    ) -> Ran<Option<Judged>> {
        let (judge, judging) = (self.judge.clone(), self.judging.clone());
        let body = Arc::clone(body);
        let work = move || {
            let mut room = Held::default();
            let fits = judging.take(weight::of(&body.0), &mut room);
            fits.then(|| judge.judge(webhook, &body.0))
        };
        self.gate.run(deadline, work).await
    }

    fn finish(&self, review: &Review, answer: Answer) -> Response {
        let took = review.started.elapsed();
        match answer {
            Answer::Decision(decision) => {
                self.metrics.decided(review.webhook, &decision, took);
                review.log(&decision, took);
                let json = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, json)], Body::from(decision.body)).into_response()
            }
            Answer::Bad(error) => self.refuse(review, StatusCode::BAD_REQUEST, &error.to_string()),
            Answer::Nameless(reason) => {
                let text = format!("let through ({}), but without a uid", reason.as_str());
                self.refuse(review, StatusCode::SERVICE_UNAVAILABLE, &text)
            }
            Answer::Broken => {
                self.refuse(review, StatusCode::BAD_REQUEST, "the body did not arrive")
            }
        }
    }

    fn refuse(&self, review: &Review, status: StatusCode, text: &str) -> Response {
        let took = review.started.elapsed();
        self.metrics.refused(review.webhook, status.as_u16(), took);
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let said = refusals.say(Timestamp::now());
        drop(refusals);
        if let Some(unsaid) = said {
            tracing::warn!(
                webhook = review.webhook.as_str(),
                uid = review.head.uid,
                status = status.as_u16(),
                trace_id = review.trace.as_ref().map(TraceContext::trace_id),
                unsaid,
                "a request could not be answered with a decision",
            );
        }
        (status, format!("{text}\n")).into_response()
    }
}

/// The answer to a review that is let through unjudged.
fn let_through(head: Head, reason: FailOpen) -> (Head, Answer) {
    if head.uid.is_empty() {
        return (head, Answer::Nameless(reason));
    }
    let mut decision = admit::fail_open(&head.uid, reason);
    decision.operation = head.operation();
    decision.kind = head.known_kind();
    (head, Answer::Decision(decision))
}

impl Review {
    /// One line per review: what was decided about which object, nothing of what is in it.
    fn log(&self, decision: &Decision, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let rules = reported(decision);
        let fail_open: Vec<&str> = decision.fail_open.iter().map(|why| why.as_str()).collect();
        macro_rules! line {
            ($level:ident, $text:literal) => {
                tracing::$level!(
                    webhook = self.webhook.as_str(),
                    uid = self.head.uid,
                    operation = self.head.operation,
                    kind = self.head.kind,
                    namespace = self.head.namespace,
                    name = self.head.name,
                    dry_run = decision.dry_run,
                    decision = decision.verdict.as_str(),
                    rules,
                    fail_open = fail_open.join(" "),
                    took_us = micros,
                    trace_id = self.trace.as_ref().map(TraceContext::trace_id),
                    parent_id = self.trace.as_ref().map(TraceContext::parent_id),
                    $text
                )
            };
        }
        match decision.verdict {
            Verdict::Allow => line!(debug, "allowed"),
            Verdict::Warn => line!(info, "allowed with warnings"),
            Verdict::Deny => line!(info, "denied"),
            Verdict::Patch => line!(info, "patched"),
            Verdict::FailOpen(_) => line!(warn, "let through unjudged"),
        }
    }
}

/// Codes of the rules that had something to say.
fn reported(decision: &Decision) -> String {
    use admit::Outcome::{Allowed, Audit, Deny, Ok, Patch, Skipped, Unknown, Warn};
    let mut codes: Vec<&str> = decision
        .rules
        .iter()
        .filter(|(_, outcome)| match outcome {
            Audit | Warn | Deny | Patch => true,
            Ok | Skipped | Unknown | Allowed => false,
        })
        .map(|(code, _)| *code)
        .collect();
    codes.dedup();
    codes.join(" ")
}
