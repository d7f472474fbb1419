//! The lab that the trials share.

use std::env;
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use netdoctor_lab::witness::Witness;
use netdoctor_lab::{Lab, Spec};

use crate::trial::described;

/// How long a healed cluster may take until everything works again.
const PATIENCE: Duration = Duration::from_secs(40);

/// One lab at most, of the kind that the trial before needed.
#[derive(Default)]
pub(crate) struct Stage(Mutex<Option<Standing>>);

struct Standing {
    lab: Lab,
    /// Nothing has been done to it since everything was seen to work.
    healthy: bool,
}

impl Stage {
    /// Runs something in a healthy lab of this kind, which has to leave it healthy. If it fails, the lab is healed before
    /// the next trial, or replaced if that fails too.
    pub(crate) fn with(&self, kind: &Spec, run: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
        let mut standing = self.lock();
        if standing
            .as_ref()
            .is_some_and(|standing| !same_kind(standing.lab.spec(), kind))
        {
            *standing = None;
        }
        let broken = standing
            .as_mut()
            .is_some_and(|standing| standing.make_healthy().is_err());
        if broken && let Some(beyond_repair) = standing.take() {
            beyond_repair.replace()?;
        }
        let standing = match &mut *standing {
            Some(standing) => standing,
            empty => {
                let lab = start(kind)?;
                let standing = empty.insert(Standing {
                    lab,
                    healthy: false,
                });
                standing.make_healthy()?;
                standing
            }
        };
        standing.healthy = false;
        let outcome = run(&standing.lab);
        standing.healthy = outcome.is_ok();
        outcome.with_context(|| logs(&standing.lab))
    }

    /// Runs something in a lab that only this uses, and that may be beyond repair afterwards.
    pub(crate) fn with_own(&self, kind: &Spec, run: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
        self.clear();
        let mut standing = Standing {
            lab: Lab::owned(&named(kind, process::id()))?,
            healthy: false,
        };
        standing.make_healthy()?;
        run(&standing.lab).with_context(|| logs(&standing.lab))
    }

    /// Ends the lab.
    pub(crate) fn clear(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Standing {
    fn make_healthy(&mut self) -> Result<()> {
        if self.healthy {
            return Ok(());
        }
        self.lab.heal_all()?;
        self.lab.settle()?;
        let witness = Witness::deploy(&self.lab)?;
        witness.remove_fresh_services()?;
        let measured = witness.expect_healthy(PATIENCE)?;
        described("healthy", None, &measured).with_context(|| logs(&self.lab))?;
        self.healthy = true;
        Ok(())
    }

    /// Makes room for a new one.
    fn replace(self) -> Result<()> {
        self.lab.keep_logs();
        let name = self.lab.spec().name.clone();
        drop(self.lab);
        Lab::down(&name)
    }
}

fn logs(lab: &Lab) -> String {
    lab.keep_logs();
    format!("logs in {}", lab.logs().display())
}

/// A lab that dies with this process, or the one that somebody keeps for several runs.
fn start(kind: &Spec) -> Result<Lab> {
    match env::var("NETDOCTOR_LAB") {
        Ok(name) => Lab::up(&kind.clone().named(&format!("{name}{}", suffix(kind)))?),
        Err(_) => Lab::owned(&named(kind, process::id())),
    }
}

fn named(kind: &Spec, id: u32) -> Spec {
    Spec {
        name: format!("test-{id}"),
        ..kind.clone()
    }
}

/// Tells kept labs of different kinds apart.
fn suffix(kind: &Spec) -> String {
    if same_kind(kind, &Spec::default()) {
        return String::new();
    }
    let letter = |text: String| text.chars().next().unwrap_or('-');
    let families = if kind.dual_stack { "d" } else { "s" };
    format!(
        "-{}{}{families}",
        letter(kind.overlay.to_string()),
        letter(kind.proxy.to_string())
    )
}

fn same_kind(one: &Spec, other: &Spec) -> bool {
    Spec {
        name: String::new(),
        ..one.clone()
    } == Spec {
        name: String::new(),
        ..other.clone()
    }
}
