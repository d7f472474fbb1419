//! What the webhook costs: the same calls in a namespace that is exempt from admission and in one that is not, in turn, so
//! that whatever else happens on the machine happens to both.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::account::millis;
use super::{Load, LoadError, Plan, Report};

/// Both sides, round by round.
#[derive(Debug)]
pub struct Comparison {
    rounds: Vec<Round>,
}

#[derive(Debug)]
struct Round {
    without: Report,
    with: Report,
}

impl Comparison {
    /// Runs both sides of a plan that has a duration so often. The side that goes first changes from round to round.
    ///
    /// # Errors
    /// As [`Load::try_start`].
    pub fn run(kubeconfig: &Path, plan: &Plan, rounds: usize) -> Result<Self, LoadError> {
        let side = |exempt: bool| {
            let expect = plan.expect.clone().filter(|_| !exempt);
            let plan = Plan {
                expect,
                exempt,
                ..plan.clone()
            };
            Load::try_start(kubeconfig, plan).map(Load::wait)
        };
        let round = |number: usize| {
            if number.is_multiple_of(2) {
                let without = side(true)?;
                let with = side(false)?;
                Ok(Round { without, with })
            } else {
                let with = side(false)?;
                let without = side(true)?;
                Ok(Round { without, with })
            }
        };
        let rounds = (0..rounds).map(round).collect::<Result<_, LoadError>>()?;
        Ok(Self { rounds })
    }

    /// Whether the comparison says something.
    ///
    /// # Errors
    /// When a call failed or was not answered, or somebody warned where nobody was to be asked.
    pub fn check(&self) -> Result<(), LoadError> {
        for Round { without, with } in &self.rounds {
            with.check()?;
            without.check()?;
            if !without.warnings.is_empty() {
                let warnings = &without.warnings;
                return Err(LoadError::new(format!(
                    "there were warnings in the namespace that is exempt: {warnings:?}"
                )));
            }
        }
        Ok(())
    }

    /// The comparison as data, times in milliseconds.
    pub fn json(&self) -> Value {
        let rounds = self.rounds.iter();
        let rounds =
            rounds.map(|round| json!({"without": round.without.json(), "with": round.with.json()}));
        json!({
            "rounds": rounds.collect::<Vec<_>>(),
            "added": {"p50": self.added(p50), "p99": self.added(p99)},
        })
    }

    /// The median over all rounds of how much longer a percentile took, in milliseconds.
    fn added(&self, percentile: fn(&Report) -> Duration) -> f64 {
        let rounds = self.rounds.iter();
        let mut added: Vec<f64> = rounds
            .map(|round| millis(percentile(&round.with)) - millis(percentile(&round.without)))
            .collect();
        added.sort_by(f64::total_cmp);
        median(&added)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{:<7} {:>22} {:>22} {:>22}",
            "round", "without: p50 / p99", "with: p50 / p99", "rate without / with"
        )?;
        for (number, Round { without, with }) in self.rounds.iter().enumerate() {
            let times = |report: &Report| {
                format!("{:.2} / {:.2} ms", millis(p50(report)), millis(p99(report)))
            };
            let rates = format!("{:.0} / {:.0} /s", without.rate, with.rate);
            writeln!(
                formatter,
                "{:<7} {:>22} {:>22} {rates:>22}",
                number + 1,
                times(without),
                times(with)
            )?;
        }
        let [half, most] = [self.added(p50), self.added(p99)];
        write!(
            formatter,
            "added, median of the rounds: p50 {half:.2} ms, p99 {most:.2} ms"
        )
    }
}

fn p50(report: &Report) -> Duration {
    report.latency.p50
}

fn p99(report: &Report) -> Duration {
    report.latency.p99
}

/// Of sorted numbers.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted {
        [] => 0.0,
        _ if sorted.len().is_multiple_of(2) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::super::Latency;
    use super::*;

    fn report(p99: u64) -> Report {
        let latency = Latency {
            p99: Duration::from_millis(p99),
            ..Latency::default()
        };
        Report {
            latency,
            ..Report::default()
        }
    }

    #[test]
    fn what_is_added_is_the_median_of_the_rounds() {
        let pairs = [(10, 13), (10, 12), (40, 90)];
        let rounds = pairs.map(|(without, with)| Round {
            without: report(without),
            with: report(with),
        });
        let comparison = Comparison {
            rounds: rounds.into(),
        };
        assert!((comparison.added(p99) - 3.0).abs() < 0.001);
        assert!(
            comparison.to_string().ends_with("p99 3.00 ms"),
            "{comparison}"
        );
        assert!((median(&[1.0, 2.0]) - 1.5).abs() < 0.001);
    }

    #[test]
    fn a_warning_where_nobody_is_asked_spoils_the_comparison() {
        let mut without = report(1);
        without.warnings.insert("HST004".to_owned(), 1);
        let spoilt = Comparison {
            rounds: vec![Round {
                without,
                with: report(1),
            }],
        };
        assert!(spoilt.check().is_err());
        let unanswered = Report {
            unanswered: 1,
            ..report(1)
        };
        let round = Round {
            without: report(1),
            with: unanswered,
        };
        assert!(
            Comparison {
                rounds: vec![round]
            }
            .check()
            .is_err()
        );
        let fine = Round {
            without: report(1),
            with: report(2),
        };
        assert!(Comparison { rounds: vec![fine] }.check().is_ok());
    }
}
