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
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

pub use broken::{Broken, Record};
pub use check::{Headline, Verdict};
pub use file::{Fault, Labs, kinds};
pub use probe::{Outcome, ScenarioProbe};
pub use step::{Action, On, Step};
pub use variables::Targets;

/// The namespace in which faults put their objects. It belongs to the witness and is there before them.
pub const NAMESPACE: &str = "scenario";

/// The folders below `tests/lab/faults`.
pub const AREAS: [&str; 6] = ["overlay", "node", "service", "dns", "egress", "scheduling"];

/// All faults there are, in the order of areas and names.
pub fn catalogue() -> Result<Vec<Fault>> {
    each()?.into_iter().map(|(_, fault)| fault).collect()
}

/// The same, with what is wrong in a file beside its `AREA/NAME` instead of the fault.
pub fn each() -> Result<Vec<(String, Result<Fault>)>> {
    let read = |file: File| (file.id(), file.read());
    Ok(files()?.into_iter().map(read).collect())
}

/// The fault of this name, `overlay/tunnel-dropped` or, as names are unique, just `tunnel-dropped`. Other files are not
/// read: that one of them is wrong keeps nobody from healing.
pub fn find(name: &str) -> Result<Fault> {
    let files = files()?;
    let known = |file: &&File| file.name == name || file.id() == name;
    if let Some(file) = files.iter().find(known) {
        return file.read();
    }
    match near(&files, name) {
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
fn near(files: &[File], word: &str) -> Vec<String> {
    let likeness = |file: &File| {
        if file.id().contains(word) {
            return 1.0;
        }
        let to = |name: &str| strsim::normalized_damerau_levenshtein(word, name);
        to(&file.name).max(to(&file.id()))
    };
    let mut near: Vec<(f64, String)> = files
        .iter()
        .map(|file| (likeness(file), file.id()))
        .filter(|(likeness, _)| *likeness >= 0.5)
        .collect();
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.into_iter().take(3).map(|(_, id)| id).collect()
}

/// A fault file that was not read yet.
struct File {
    area: &'static str,
    name: String,
    path: PathBuf,
}

impl File {
    fn id(&self) -> String {
        format!("{}/{}", self.area, self.name)
    }

    fn read(&self) -> Result<Fault> {
        Fault::read(self.area, self.name.clone(), &self.path)
    }
}

/// All fault files, in the order of areas and names.
fn files() -> Result<Vec<File>> {
    let mut files = Vec::new();
    for area in AREAS {
        let folder = crate::repository().join("tests/lab/faults").join(area);
        let first = files.len();
        let context = || format!("reading {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(context)? {
            let path = entry.with_context(context)?.path();
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            ensure!(
                path.extension()
                    .is_some_and(|extension| extension == "toml"),
                "{} is no fault file: their names end in .toml",
                path.display()
            );
            files.push(File {
                area,
                name: name.into_owned(),
                path,
            });
        }
        files[first..].sort_by(|one, other| one.name.cmp(&other.name));
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
