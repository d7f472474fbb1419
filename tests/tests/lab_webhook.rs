//! The webhook as people run it: its image in a real cluster of three nodes, installed by the plugin, two replicas behind a
//! real Service, and the API server between them and everybody who writes.
//!
//! ```text
//!  life ── install ─► advise, refuse ─► repair ─► rotate ─► (dead: status, disable) ─► uninstall
//!  drills ── load through the API server ──► rotations, restarts, crashes, hostile clients: no call fails
//! ```
//!
//! Trials run one after the other in one lab. Each finds the webhook installed and leaves it so, except the last. With
//! `NETDOCTOR_LAB=NAME` the lab is kept for the next run.

#[path = "lab_webhook/drills.rs"]
mod drills;
#[path = "lab_webhook/hostile.rs"]
mod hostile;
#[path = "lab_webhook/inside.rs"]
mod inside;
#[path = "lab_webhook/judged.rs"]
mod judged;
#[path = "lab_webhook/life.rs"]
mod life;
#[path = "lab_webhook/outage.rs"]
mod outage;
#[path = "lab_webhook/stage.rs"]
mod stage;

use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use netdoctor_lab::Spec;
use netdoctor_tests::lab_runs_here;

use stage::Stage;

/// What a trial does with the installed webhook.
type Run = fn(&Stage) -> Result<()>;

/// In this order.
const TRIALS: [(&str, Run); 20] = [
    ("image::is_small_and_runs_as_nobody", life::image),
    ("life::install_ends_with_a_live_answer", life::install),
    ("life::installing_again_changes_nothing", life::again),
    ("life::what_was_rendered_is_what_runs", life::runs),
    ("judged::advisory_warns_of_what_will_fail", judged::advisory),
    ("judged::guarded_refuses_it", judged::guarded),
    ("judged::repairs_where_a_namespace_asks", judged::repaired),
    (
        "judged::deletions_and_scaling_where_somebody_wants_it",
        judged::asked_more,
    ),
    ("drill::ten_rotations_of_the_authority", drills::rotations),
    ("drill::ten_rolling_restarts", drills::restarts),
    ("drill::the_api_server_restarts", outage::api_server),
    ("drill::both_replicas_are_killed", outage::killed),
    (
        "drill::packets_to_both_replicas_are_dropped",
        outage::dropped,
    ),
    ("drill::clients_that_say_nothing", hostile::silent),
    ("drill::bodies_that_are_too_large", hostile::large_bodies),
    ("drill::handshakes_that_never_end", hostile::slow_handshakes),
    (
        "life::status_says_why_a_configuration_is_refused",
        life::refused_configuration,
    ),
    ("life::status_says_what_is_broken", life::broken),
    ("life::disable_works_with_every_replica_dead", life::disable),
    ("life::uninstall_leaves_nothing", life::uninstall),
];

fn main() -> ExitCode {
    if let Some(code) = inside::main() {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // They share a lab.
    arguments.test_threads = Some(1);
    // Without an excuse in CI, so that a machine that cannot run it fails there.
    let runs = arguments.list || lab_runs_here(&Spec::default());
    let stage = Arc::new(Mutex::new(None));
    let trials = TRIALS.map(|(name, run)| {
        let stage = Arc::clone(&stage);
        let trial =
            move || perform(&stage, run).map_err(|error| Failed::from(format!("{error:#}")));
        Trial::test(name, trial).with_ignored_flag(!runs)
    });
    let conclusion = libtest_mimic::run(&arguments, trials.into());
    // Here and not with the process: a lab that nothing failed in takes its logs with it.
    *stage.lock().unwrap_or_else(PoisonError::into_inner) = None;
    conclusion.exit_code()
}

fn perform(stage: &Mutex<Option<Stage>>, run: Run) -> Result<()> {
    let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
    let stage = match &mut *stage {
        Some(stage) => stage,
        empty => empty.insert(Stage::start()?),
    };
    let outcome = run(stage);
    if outcome.is_err() {
        stage.keep_evidence();
    }
    outcome
}

/// What was measured, whatever becomes of the test: libtest-mimic captures nothing.
fn say(text: &str) {
    // Where standard error is closed, nobody wants to know.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A text that has to be in another one.
fn contains(text: &str, wanted: &str) -> Result<()> {
    ensure!(text.contains(wanted), "`{wanted}` is not in\n{text}");
    Ok(())
}
