//! The lab: a healthy cluster of every kind, and every fault of `tests/lab/faults`.
//!
//! ```text
//! healthy ──inject──► table as expected ──► probes of the scenario ──► what `check` says ──heal──► healthy
//! ```
//!
//! Trials run one after the other, and those of one kind of lab share one: the healthy table at the end of a trial is the
//! one at the beginning of the next. With `NETDOCTOR_LAB=NAME` the lab is kept for the next run, which saves its start
//! while a fault is being written. `docs/lab.md` says how to write one.

#[path = "lab/engine.rs"]
mod engine;
#[path = "lab/healthy.rs"]
mod healthy;
#[path = "lab/stage.rs"]
mod stage;
#[path = "lab/trial.rs"]
mod trial;

use std::env;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use netdoctor_lab::fault::{self, Fault};
use netdoctor_lab::{Lab, Spec};

use stage::Stage;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share a lab, and each breaks it.
    arguments.test_threads = Some(1);
    let runs = arguments.list || able();
    let stage = Arc::new(Stage::default());
    let trials = match trials(&stage) {
        Ok(trials) => trials,
        Err(error) => {
            say(&format!("error: {error:#}"));
            return ExitCode::FAILURE;
        }
    };
    let trials = trials
        .into_iter()
        .map(|trial| trial.with_ignored_flag(!runs));
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    stage.clear();
    conclusion.exit_code()
}

/// Whether a lab can run here. If not, says why; CI has no excuse.
fn able() -> bool {
    // In CI every trial then fails with the same sentence.
    env::var_os("CI").is_some() || netdoctor_tests::lab_runs_here(&Spec::default())
}

fn say(text: &str) {
    // Where standard error is closed, nobody wants to know.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// All trials, in an order in which every lab is started once.
fn trials(stage: &Arc<Stage>) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    let mut faults = Vec::new();
    for (id, fault) in fault::each()? {
        match fault {
            Ok(fault) => faults.push(fault),
            Err(error) => trials.push(unreadable(&id, &error)),
        }
    }
    let (own, mut rest): (Vec<Fault>, Vec<Fault>) =
        faults.into_iter().partition(|fault| fault.labs.own);
    for kind in fault::kinds() {
        let name = |what: &str| format!("healthy::{}::{what}", called(&kind));
        trials.push(on(stage, name("table"), &kind, healthy::table));
        trials.push(on(stage, name("check"), &kind, healthy::check));
        if kind == Spec::default() {
            for (name, run) in engine::TRIALS {
                trials.push(on(stage, format!("engine::{name}"), &kind, run));
            }
        }
        let here: Vec<Fault>;
        (here, rest) = rest.into_iter().partition(|fault| fault.labs.fit(&kind));
        trials.extend(here.into_iter().map(|fault| of(stage, fault, &kind)));
    }
    ensure!(
        rest.is_empty(),
        "no kind of lab in tests/lab/src/fault/file.rs fits {}",
        rest[0].id()
    );
    for fault in own {
        let kind = fault.labs.tried_in();
        trials.push(of(stage, fault, &kind.unwrap_or_default()));
    }
    Ok(trials)
}

/// The trial of a file that cannot be read: that is all it finds out. The others run.
fn unreadable(id: &str, error: &anyhow::Error) -> Trial {
    let message = format!("{error:#}");
    Trial::test(format!("fault::{id}"), move || Err(message.into()))
}

/// A kind of lab in the name of a trial.
fn called(kind: &Spec) -> String {
    let families = if kind.dual_stack { "-dual-stack" } else { "" };
    format!("{}-{}{families}", kind.overlay, kind.proxy)
}

fn of(stage: &Arc<Stage>, fault: Fault, kind: &Spec) -> Trial {
    let name = format!("fault::{}", fault.id());
    let own = fault.labs.own;
    let (stage, kind) = (Arc::clone(stage), kind.clone());
    Trial::test(name, move || {
        let outcome = if own {
            stage.with_own(&kind, |lab| trial::fault(lab, &fault))
        } else {
            stage.with(&kind, |lab| trial::fault(lab, &fault))
        };
        outcome.map_err(|error| failed(&error))
    })
}

fn on(stage: &Arc<Stage>, name: String, kind: &Spec, run: fn(&Lab) -> Result<()>) -> Trial {
    let (stage, kind) = (Arc::clone(stage), kind.clone());
    Trial::test(name, move || {
        stage.with(&kind, run).map_err(|error| failed(&error))
    })
}

fn failed(error: &anyhow::Error) -> Failed {
    format!("{error:#}").into()
}
