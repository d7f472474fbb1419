//! Faults: ways to break a lab on purpose, each described by a small file.
//!
//! ```text
//! tests/lab/faults/AREA/NAME.toml ──parse──► Fault ──inject──► Broken ──drop or heal──► healthy
//!                                              │                 │
//!                                              │                 └─ recorded in the lab's folder: survives the process
//!                                              └─ expected witness table, extra probes, what `check` has to say
//! ```
//!
//! One fault at a time: what two of them do together is written down nowhere, so a second one is refused until the first
//! is healed. Injecting what is already in, and healing what is not, are no errors and do nothing.

mod broken;
mod certificate;
mod check;
mod file;
mod probe;
mod step;
mod variables;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

pub use broken::{Broken, Record};
pub use check::{Headline, Verdict};
pub use file::{Fault, Labs};
pub use probe::{Outcome, ScenarioProbe};
pub use step::{Action, On, Step};
pub use variables::Targets;

/// The namespace in which faults put their objects. It belongs to the witness and is there before them.
pub const NAMESPACE: &str = "scenario";

/// The folders below `tests/lab/faults`.
pub const AREAS: [&str; 6] = ["overlay", "node", "service", "dns", "egress", "scheduling"];

/// All faults there are, in the order of areas and names.
pub fn catalogue() -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for area in AREAS {
        for file in files(&folder().join(area))? {
            faults.push(Fault::read(area, &file)?);
        }
    }
    Ok(faults)
}

/// The fault of this name, `overlay/tunnel-dropped` or, as names are unique, just `tunnel-dropped`.
pub fn find(name: &str) -> Result<Fault> {
    let faults = catalogue()?;
    let known = |fault: &Fault| fault.name == name || fault.id() == name;
    if let Some(fault) = faults.iter().position(known) {
        return Ok(faults
            .into_iter()
            .nth(fault)
            .unwrap_or_else(|| unreachable!()));
    }
    match near(&faults, name) {
        near if near.is_empty() => {
            bail!("there is no fault `{name}`; `cargo xtask lab faults` lists them")
        }
        near => bail!(
            "there is no fault `{name}`; did you mean {}?",
            near.join(" or ")
        ),
    }
}

/// Names that somebody may have meant: those that contain the word, and those that are spelled much like it.
fn near(faults: &[Fault], word: &str) -> Vec<String> {
    let likeness = |fault: &Fault| {
        if fault.id().contains(word) {
            return 1.0;
        }
        let to = |name: &str| strsim::normalized_damerau_levenshtein(word, name);
        to(&fault.name).max(to(&fault.id()))
    };
    let mut near: Vec<(f64, String)> = faults
        .iter()
        .map(|fault| (likeness(fault), fault.id()))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .collect();
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.into_iter().take(3).map(|(_, id)| id).collect()
}

fn folder() -> PathBuf {
    crate::repository().join("tests/lab/faults")
}

/// The fault files of an area, by name.
fn files(area: &Path) -> Result<Vec<PathBuf>> {
    let context = || format!("reading {}", area.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(area).with_context(context)? {
        let path = entry.with_context(context)?.path();
        ensure!(
            path.extension()
                .is_some_and(|extension| extension == "toml"),
            "{} is no fault file: their names end in .toml",
            path.display()
        );
        files.push(path);
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests;
