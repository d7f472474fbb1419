//! `cargo xtask load`: calls to a real API server at a given rate, and what became of each of them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use netdoctor_tests::load::{self, Comparison, Load, Plan};

/// Put load on an API server, and account for every call
#[derive(Debug, Args)]
#[command(after_help = "\
Calls fall due by the clock, and their time begins when they are due: a server that stalls for a second is late for every
call of that second. Each carries a flaw that the webhook warns of; a call without the warning counts as unanswered.

  cargo xtask load --kubeconfig F --rate 500 --clients 200 --duration 30s --dry-run
  cargo xtask load --kubeconfig F --closed --clients 200 --dry-run --compare 5

Ends with 1 when a call failed, or was not answered although --expect says what the answer is.")]
pub(crate) struct LoadArgs {
    /// The cluster, and the credentials for it
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    kubeconfig: PathBuf,
    /// Calls per second
    #[arg(long, default_value_t = 100, conflicts_with = "closed")]
    rate: u32,
    /// Every client asks again as soon as it has its answer, in the place of a rate
    #[arg(long)]
    closed: bool,
    /// Connections, each with one call at a time
    #[arg(long, default_value_t = 50)]
    clients: usize,
    /// For how long: 30s, 5m
    #[arg(long, default_value = "30s", value_parser = duration)]
    duration: Duration,
    /// What is written
    #[arg(long, value_enum, default_value_t = Kind::Pods)]
    kind: Kind,
    /// How it is written
    #[arg(long, value_enum, default_value_t = Operation::Create)]
    operation: Operation,
    /// Only ask what would happen. Otherwise objects pile up until the end
    #[arg(long)]
    dry_run: bool,
    /// A namespace that is there, in the place of one that is made and deleted
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// The rule that must be among the warnings of every answer; without a code: the one that warns of what is written
    #[arg(long, value_name = "CODE", num_args = 0..=1, default_missing_value = "")]
    expect: Option<String>,
    /// Alternate so often between a namespace that is exempt from admission and one that is not
    #[arg(long, value_name = "ROUNDS", conflicts_with = "namespace")]
    compare: Option<usize>,
    /// How the account is printed
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Pods,
    Services,
    Deployments,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Operation {
    Create,
    Update,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Loads, prints, and fails when a call did.
pub(crate) fn run(arguments: &LoadArgs) -> Result<()> {
    let plan = arguments.plan();
    if let Some(rounds) = arguments.compare {
        ensure!(rounds > 0, "no round says nothing");
        let comparison = Comparison::run(&arguments.kubeconfig, &plan, rounds)?;
        arguments.print(&comparison.to_string(), &comparison.json());
        return Ok(comparison.check()?);
    }
    let report = Load::try_start(&arguments.kubeconfig, plan)?.wait();
    arguments.print(&report.to_string(), &report.json());
    Ok(report.check()?)
}

impl LoadArgs {
    fn plan(&self) -> Plan {
        let resource = match self.kind {
            Kind::Pods => load::Resource::Pods,
            Kind::Services => load::Resource::Services,
            Kind::Deployments => load::Resource::Deployments,
        };
        let expect = match self.expect.as_deref() {
            Some("") => Some(resource.code()),
            code => code,
        };
        Plan {
            rate: (!self.closed).then_some(self.rate),
            clients: self.clients,
            duration: Some(self.duration),
            expect: expect.map(str::to_owned),
            resource,
            action: match self.operation {
                Operation::Create => load::Action::Create,
                Operation::Update => load::Action::Update,
            },
            dry_run: self.dry_run,
            namespace: self.namespace.clone(),
            ..Plan::default()
        }
    }

    fn print(&self, text: &str, json: &serde_json::Value) {
        match self.output {
            Output::Text => println!("{text}"),
            Output::Json => println!("{json:#}"),
        }
    }
}

/// `30s`, `5m`, `1500ms`.
fn duration(text: &str) -> Result<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit());
    let (number, unit) = text.split_at(digits.context("a unit is missing: s, m or ms")?);
    let number: u64 = number.parse().context("a number is missing")?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        _ => anyhow::bail!("unit `{unit}` is none of s, m and ms"),
    };
    ensure!(!duration.is_zero(), "nothing happens in no time");
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        load: LoadArgs,
    }

    fn plan(arguments: &str) -> Plan {
        let words = ["load", "--kubeconfig", "f"].into_iter();
        Cli::parse_from(words.chain(arguments.split_whitespace()))
            .load
            .plan()
    }

    #[test]
    fn what_is_typed_is_what_is_planned() {
        let typed = plan(
            "--rate 500 --clients 200 --duration 30s --kind services --operation update --dry-run --expect",
        );
        assert_eq!((typed.rate, typed.clients), (Some(500), 200));
        assert_eq!(typed.duration, Some(Duration::from_secs(30)));
        assert_eq!(typed.expect.as_deref(), Some("SVC019"));
        assert_eq!(typed.action, load::Action::Update);
        assert!(typed.dry_run);
        let closed = plan("--closed --expect SVC004");
        assert_eq!(
            (closed.rate, closed.expect.as_deref()),
            (None, Some("SVC004"))
        );
        assert_eq!(plan("").expect, None);
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("5m").unwrap(), Duration::from_mins(5));
        assert_eq!(duration("1500ms").unwrap(), Duration::from_millis(1500));
        for wrong in ["", "5", "s", "5h", "0s", "-5s", "5 s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
