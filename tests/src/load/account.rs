//! What became of every call.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::LoadError;

/// Longest time that is told apart from longer ones.
const LONGEST: Duration = Duration::from_mins(10);
/// How many failures are shown with their words.
const SHOWN: usize = 5;

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// No connection to the server.
    Connect,
    /// The connection ended before the answer did.
    Broken,
    /// No answer in time.
    Timeout,
    /// A status of 500 or more.
    Server,
    /// Another status that is no success.
    Client,
    /// A webhook or a policy denied it.
    Denied,
    /// It fell due, but was not sent before the load ended.
    Unsent,
}

impl Reason {
    /// The word in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Broken => "broken",
            Self::Timeout => "timeout",
            Self::Server => "5xx",
            Self::Client => "4xx",
            Self::Denied => "denied",
            Self::Unsent => "unsent",
        }
    }
}

/// How long calls took, from when they were due to the end of the answer, failed calls included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latency {
    /// Half of all calls took no longer.
    pub p50: Duration,
    /// Nine in ten.
    pub p90: Duration,
    /// 99 in a hundred.
    pub p99: Duration,
    /// 999 in a thousand.
    pub p999: Duration,
    /// All.
    pub max: Duration,
}

/// The account of a load. `sent` is the sum of `answered`, `unanswered` and all of `failed`.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Calls that have fallen due and ended.
    pub sent: u64,
    /// Calls that succeeded with the warning that was expected, if one was.
    pub answered: u64,
    /// Calls that succeeded without it: the webhook was not asked, or had nothing to say.
    pub unanswered: u64,
    /// Calls that failed, by reason.
    pub failed: BTreeMap<Reason, u64>,
    /// Calls that found no server and were sent again.
    pub retried: u64,
    /// Calls whose answer held a warning of a rule, by its code; those with other warnings under `other`.
    pub warnings: BTreeMap<String, u64>,
    /// What the first failures said, and when they happened.
    pub shown: Vec<String>,
    /// From the first call to the end of the last.
    pub took: Duration,
    /// Calls per second that have ended, whatever became of them.
    pub rate: f64,
    /// How long they took.
    pub latency: Latency,
}

impl Report {
    /// All calls that failed.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Whether every call succeeded and was answered.
    ///
    /// # Errors
    /// When one was not.
    pub fn check(&self) -> Result<(), LoadError> {
        let (failed, unanswered) = (self.failures(), self.unanswered);
        if failed == 0 && unanswered == 0 {
            return Ok(());
        }
        Err(LoadError::new(format!(
            "{failed} calls failed, {unanswered} were not answered"
        )))
    }

    /// The report as data, times in milliseconds.
    pub fn json(&self) -> Value {
        let failed = self.failed.iter();
        let failed = failed.map(|(reason, count)| (reason.as_str().to_owned(), (*count).into()));
        let Latency {
            p50,
            p90,
            p99,
            p999,
            max,
        } = self.latency;
        json!({
            "sent": self.sent,
            "answered": self.answered,
            "unanswered": self.unanswered,
            "failed": failed.collect::<serde_json::Map<String, Value>>(),
            "retried": self.retried,
            "warnings": self.warnings,
            "failures": self.shown,
            "seconds": self.took.as_secs_f64(),
            "rate": self.rate,
            "latency": {
                "p50": millis(p50), "p90": millis(p90), "p99": millis(p99), "p99.9": millis(p999), "max": millis(max),
            },
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{} calls in {:.1} s ({:.0}/s): {} answered, {} unanswered, {} failed, {} sent again",
            self.sent,
            self.took.as_secs_f64(),
            self.rate,
            self.answered,
            self.unanswered,
            self.failures(),
            self.retried
        )?;
        for (reason, count) in &self.failed {
            writeln!(formatter, "  failed, {}: {count}", reason.as_str())?;
        }
        for text in &self.shown {
            writeln!(formatter, "    {text}")?;
        }
        for (code, count) in &self.warnings {
            writeln!(formatter, "  warned, {code}: {count}")?;
        }
        let Latency {
            p50,
            p90,
            p99,
            p999,
            max,
        } = self.latency;
        let [p50, p90, p99, p999, max] = [p50, p90, p99, p999, max].map(millis);
        write!(
            formatter,
            "  p50 {p50:.2} ms, p90 {p90:.2} ms, p99 {p99:.2} ms, p99.9 {p999:.2} ms, max {max:.2} ms"
        )
    }
}

/// Milliseconds, for people.
pub(super) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// What became of one call.
pub(super) enum Outcome {
    /// It succeeded; whether the expected warning was there.
    Success { answered: bool },
    /// It did not, in words.
    Failure(Reason, String),
}

/// Collects outcomes from many clients.
pub(super) struct Account(Mutex<Books>);

struct Books {
    report: Report,
    times: Histogram<u64>,
    begun: Instant,
    ended: Option<Instant>,
}

impl Account {
    pub(super) fn new() -> Self {
        let times = Histogram::new_with_max(micros(LONGEST), 3);
        Self(Mutex::new(Books {
            report: Report::default(),
            times: times.expect("three digits up to minutes are within what a histogram holds"),
            begun: Instant::now(),
            ended: None,
        }))
    }

    pub(super) fn begin(&self, at: Instant) {
        self.lock().begun = at;
    }

    pub(super) fn end(&self, at: Instant) {
        self.lock().ended = Some(at);
    }

    /// One call has ended.
    pub(super) fn enter(&self, due: Instant, outcome: Outcome) {
        let now = Instant::now();
        let mut books = self.lock();
        books
            .times
            .saturating_record(micros(now.saturating_duration_since(due)));
        let at = due.saturating_duration_since(books.begun).as_secs_f64();
        let report = &mut books.report;
        report.sent += 1;
        match outcome {
            Outcome::Success { answered: true } => report.answered += 1,
            Outcome::Success { answered: false } => report.unanswered += 1,
            Outcome::Failure(reason, text) => {
                *report.failed.entry(reason).or_default() += 1;
                if report.shown.len() < SHOWN {
                    report.shown.push(format!("due at {at:.3} s: {text}"));
                }
            }
        }
    }

    /// An answer held warnings of these rules.
    pub(super) fn warned<'w>(&self, codes: impl IntoIterator<Item = &'w str>) {
        let mut books = self.lock();
        for code in codes {
            *books.report.warnings.entry(code.to_owned()).or_default() += 1;
        }
    }

    /// A call found no server and is sent again.
    pub(super) fn retried(&self) {
        self.lock().report.retried += 1;
    }

    pub(super) fn report(&self) -> Report {
        let books = self.lock();
        let mut report = books.report.clone();
        report.took = books
            .ended
            .unwrap_or_else(Instant::now)
            .saturating_duration_since(books.begun);
        let calls = u32::try_from(report.sent).map_or(f64::INFINITY, f64::from);
        report.rate = calls / report.took.as_secs_f64().max(f64::EPSILON);
        let at = |part: f64| Duration::from_micros(books.times.value_at_quantile(part));
        report.latency = Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: Duration::from_micros(books.times.max()),
        };
        report
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_times_that_were_entered() {
        let account = Account::new();
        let begin = Instant::now();
        account.begin(begin);
        // 10 ms, 20 ms, ... 10 s, in no order.
        for number in (1..=1_000).map(|number| number * 5 % 1_001) {
            let took = Duration::from_millis(10 * number);
            account.enter(
                Instant::now().checked_sub(took).unwrap(),
                Outcome::Success { answered: true },
            );
        }
        account.end(begin + Duration::from_secs(4));
        let report = account.report();
        assert_eq!(
            (report.sent, report.answered, report.failures()),
            (1_000, 1_000, 0)
        );
        assert!((report.rate - 250.0).abs() < 0.001, "{}", report.rate);
        let near = |time: Duration, wanted: u64| {
            let wanted = Duration::from_millis(wanted);
            // The three digits of the histogram, and the moment between two clock readings.
            assert!(
                time >= wanted && time < wanted.mul_f64(1.01),
                "{time:?} {wanted:?}"
            );
        };
        let latency = report.latency;
        near(latency.p50, 5_000);
        near(latency.p90, 9_000);
        near(latency.p99, 9_900);
        near(latency.p999, 9_990);
        near(latency.max, 10_000);
    }

    #[test]
    fn every_call_is_in_exactly_one_place() {
        let account = Account::new();
        let due = Instant::now();
        account.enter(due, Outcome::Success { answered: true });
        account.enter(due, Outcome::Success { answered: false });
        for reason in [Reason::Timeout, Reason::Denied, Reason::Timeout] {
            account.enter(due, Outcome::Failure(reason, "no".to_owned()));
        }
        account.warned(["HST004", "SVC019"]);
        let report = account.report();
        assert_eq!(
            report.sent,
            report.answered + report.unanswered + report.failures()
        );
        assert_eq!(report.failed[&Reason::Timeout], 2);
        let json = report.json();
        assert_eq!(json["failed"], json!({"timeout": 2, "denied": 1}));
        assert_eq!(json["warnings"]["HST004"], 1);
        assert_eq!(json["failures"].as_array().map(Vec::len), Some(3));
        let text = report.to_string();
        assert!(
            text.contains("1 answered, 1 unanswered, 3 failed"),
            "{text}"
        );
    }
}
