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
    let scenario = match &args.scenario {
        Some(name) => SCENARIOS
            .iter()
            .find(|scenario| scenario.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
                super::Usage(format!(
                    "error: there is no scenario {name:?}; there are {}",
                    names.join(", ")
                ))
            })?,
        None => {
            if args.output.iter().all(|output| output.file.is_some()) {
                std::io::stdout().lock().write_all(list().as_bytes())?;
            }
            &SCENARIOS[0]
        }
    };
    play(scenario, args, settings)?;
    Ok(0)
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
            builder.insert(any)
        });
    }
    Ok(builder.seal())
}
