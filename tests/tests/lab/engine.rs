//! Injecting and healing as such, on faults that are quick.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use anyhow::{Context, Result, ensure};
use netdoctor_lab::Lab;
use netdoctor_lab::fault::{self, Targets};
use netdoctor_lab::witness::Witness;

/// One of them.
type Try = fn(&Lab) -> Result<()>;

/// What is tried, with a name for each.
pub(crate) const TRIALS: [(&str, Try); 3] = [
    ("one-at-a-time", one_at_a_time),
    ("guard", guard),
    ("records", records),
];

/// Drops packets on a node, takes a target, and is over in a moment.
const ONE: &str = "overlay/tunnel-dropped-inbound";
const OTHER: &str = "node/forward-drop";

/// Whether node-2 has rules, as [`ONE`] lays them.
fn is_in(lab: &Lab) -> Result<bool> {
    let node = lab.host("node-2".parse()?);
    Ok(node.run("nft list tables")?.stdout.contains("fault"))
}

/// The same fault twice does nothing, another one is refused, and healing twice does nothing either.
fn one_at_a_time(lab: &Lab) -> Result<()> {
    let fault = fault::find(ONE)?;
    lab.inject(&fault, Targets::default())?;
    lab.inject(&fault, Targets::default())?;
    let refusal = lab.inject(&fault::find(OTHER)?, Targets::default());
    let refusal = refusal
        .err()
        .context("a second fault was injected")?
        .to_string();
    ensure!(refusal.contains(ONE), "{refusal}");
    let elsewhere = Targets {
        node: Some(1),
        peer: None,
    };
    ensure!(
        lab.inject(&fault, elsewhere).is_err(),
        "it went to a second node"
    );
    ensure!(is_in(lab)?, "it is not in");
    ensure!(!lab.heal(OTHER)?, "what was not in was healed");
    ensure!(lab.heal(ONE)?, "it was not in");
    ensure!(!lab.heal(ONE)?, "it was healed twice");
    ensure!(!is_in(lab)?, "it is still in");
    Ok(())
}

/// A guard heals when it goes, also because of a panic.
fn guard(lab: &Lab) -> Result<()> {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _broken = lab.fault(ONE);
        if is_in(lab).unwrap_or(false) {
            // As a panic does, but without its message among the results.
            resume_unwind(Box::new("on purpose"));
        }
    }));
    ensure!(panicked.is_err(), "it was not in");
    ensure!(
        !is_in(lab)? && lab.broken()?.is_none(),
        "a panic left it in"
    );
    Ok(())
}

/// What is broken is known to who attaches later, and can be healed from there, on the node it went to.
fn records(lab: &Lab) -> Result<()> {
    let fault = fault::find(ONE)?;
    lab.inject(
        &fault,
        Targets {
            node: Some(3),
            peer: None,
        },
    )?;
    let later = Lab::attach(&lab.spec().name)?.context("the lab cannot be attached to")?;
    let record = later.broken()?.context("nothing is recorded")?;
    ensure!(record.fault == ONE, "{record:?}");
    let table = Witness::deploy(&later)?.measure()?.v4;
    let cell = table
        .cell("node-1", "X")
        .context("no such cell")?
        .to_string();
    ensure!(
        cell == "+x",
        "node-3 is cut off from pods, and the table shows {cell}"
    );
    ensure!(later.heal_all()?.as_deref() == Some(ONE), "it was not in");
    ensure!(
        later.heal_all()?.is_none() && lab.broken()?.is_none(),
        "it is still in"
    );
    Ok(())
}
