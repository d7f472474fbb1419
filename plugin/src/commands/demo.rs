//! `demo`: broken clusters that are built in, judged by the same rules. No API server is needed.

use std::io::Write as _;
use std::time::Instant;

use jiff::Timestamp;
use netdoctor_engine::config::Config;
use netdoctor_engine::load::{self, Place};
use netdoctor_engine::manifest;
use netdoctor_engine::model::Kind;
use netdoctor_engine::rule::{Severity, Surface};
use netdoctor_engine::rules::RULES;
use netdoctor_engine::run::run as run_rules;
use netdoctor_engine::snapshot::{Builder, Snapshot, Source};

use super::judge::deliver;
use crate::cli::DemoArgs;
use crate::demo::{SCENARIOS, Scenario};
use crate::outcome::{Mode, Outcome, Sources, Spec};
use crate::settings::Settings;

/// Lists the scenarios and plays one. Always exit code 0: nothing of the user's is broken.
pub(crate) fn run(args: &DemoArgs, settings: &Settings) -> anyhow::Result<u8> {
    if let Some(name) = &args.scenario {
        play(find(name)?, args, settings)?;
        return Ok(0);
    }
    if args.output.iter().all(|output| output.file.is_some()) {
        std::io::stdout().lock().write_all(list().as_bytes())?;
    }
    play(&SCENARIOS[0], args, settings)?;
    Ok(0)
}

fn find(name: &str) -> Result<&'static Scenario, super::Usage> {
    let named = SCENARIOS.iter().find(|scenario| scenario.name == name);
    named.ok_or_else(|| {
        let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        super::Usage(format!(
            "error: there is no scenario {name:?}; there are {}",
            names.join(", ")
        ))
    })
}

fn list() -> String {
    let width = SCENARIOS
        .iter()
        .map(|scenario| scenario.name.len())
        .max()
        .unwrap_or(0);
    let mut text = "Built-in clusters (kubectl netdoctor demo SCENARIO):\n\n".to_owned();
    for scenario in SCENARIOS {
        text.push_str(&format!(
            "  {:width$}   {}\n",
            scenario.name, scenario.story
        ));
    }
    text.push_str(&format!(
        "\nPlaying {}: {}\n\n",
        SCENARIOS[0].name, SCENARIOS[0].story
    ));
    text
}

fn play(scenario: &Scenario, args: &DemoArgs, settings: &Settings) -> anyhow::Result<()> {
    let started = Instant::now();
    let snapshot = snapshot(scenario)?;
    let now: Timestamp = scenario.now.parse()?;
    let report = run_rules(&RULES, &snapshot, &Config::default(), now, Surface::Check);
    let spec = Spec {
        mode: Mode::Check,
        context: None,
        namespace: None,
        selector: None,
        targets: Vec::new(),
        inputs: Vec::new(),
        fail_on: Some(Severity::Error),
        min_severity: Severity::Info,
        strict: false,
        demo: Some(scenario.name.to_owned()),
    };
    let sources = Sources::default();
    let seconds = started.elapsed().as_secs_f64();
    let outcome = Outcome::new(&report, spec, &sources, Vec::new(), Vec::new(), seconds);
    deliver(&outcome, &args.output, &[], settings)?;
    Ok(())
}

/// A scenario is the complete state of a cluster: every kind was listed everywhere.
fn snapshot(scenario: &Scenario) -> anyhow::Result<Snapshot> {
    let mut builder = Builder::new(Source::Cluster);
    for kind in Kind::all() {
        builder.coverage(kind).everywhere = true;
    }
    let parsed = manifest::parse(scenario.yaml.as_bytes());
    anyhow::ensure!(
        parsed.problems.is_empty(),
        "error: the built-in scenario {} is damaged",
        scenario.name
    );
    for document in parsed.documents {
        let place = Place {
            file: None,
            namespace: "default",
        };
        load::document(place, document.index, document.value, &mut |any| {
            builder.insert(any);
        });
    }
    Ok(builder.seal())
}

#[cfg(test)]
mod tests {
    use super::*;
    use netdoctor_engine::report::Report;

    fn judged(name: &str) -> Report {
        let scenario = SCENARIOS
            .iter()
            .find(|scenario| scenario.name == name)
            .unwrap();
        let now = scenario.now.parse().unwrap();
        run_rules(
            &RULES,
            &snapshot(scenario).unwrap(),
            &Config::default(),
            now,
            Surface::Check,
        )
    }

    /// Every scenario names its one cause: the only headline above info, unless the story is about several.
    #[test]
    fn every_scenario_names_its_cause() {
        let expected: &[(&str, &[&str])] = &[
            ("wrong-target-port", &["SVC004"]),
            ("host-network-rollout", &["HST003"]),
            ("egress-policy-cuts-dns", &["DNS008"]),
            ("selector-near-miss", &["SVC002"]),
            ("ingress-class-missing", &["ING004"]),
            ("load-balancer-pending", &["LBA001"]),
            ("coredns-loop", &["DNS003"]),
            ("node-not-ready", &["NOD001"]),
            ("host-network-traps", &["HST004", "SVC006"]),
            ("healthy", &[]),
        ];
        assert_eq!(expected.len(), SCENARIOS.len());
        for (name, codes) in expected {
            let report = judged(name);
            let loud = report
                .headlines()
                .filter(|finding| finding.severity > Severity::Info);
            let mut found: Vec<&str> = loud.map(|finding| finding.rule.code).collect();
            found.sort_unstable();
            let all: Vec<String> = report
                .findings
                .iter()
                .map(|f| {
                    format!(
                        "{} {} {}: {}",
                        f.severity, f.rule.code, f.subject, f.message
                    )
                })
                .collect();
            assert_eq!(found, *codes, "{name}:\n{}", all.join("\n"));
        }
    }

    #[test]
    fn a_node_that_is_gone_takes_its_services_down_in_one_finding() {
        let report = judged("node-not-ready");
        let headline = report
            .headlines()
            .find(|finding| finding.rule.code == "NOD001")
            .unwrap();
        assert!(headline.explains.len() >= 2, "{:?}", headline.explains);
    }
}
