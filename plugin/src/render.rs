//! Renderers: each prints an [`Outcome`] and decides nothing.
//!
//! `human` is for people and is built from the parts in `human/`; `short` and `name` are lines for shell pipes; `report` holds the document
//! that `json` and `yaml` print and that `docs/schema/` describes; `sarif`, `junit` and `github` follow the formats of others. None of them
//! prints a time that changes from run to run unless a person reads along, so equal input gives equal bytes.

mod edit;
mod github;
mod human;
mod junit;
mod lines;
mod report;
mod sarif;
pub(crate) mod status;
mod text;
mod view;

#[cfg(test)]
mod tests;

use std::fs::OpenOptions;
use std::io::Write;

use crate::cli::values::Format;
use crate::outcome::{Mode, Outcome};

/// How text for people looks.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "they vary independently")]
pub(crate) struct Style {
    /// Colour.
    pub(crate) color: bool,
    /// Symbols beyond ASCII.
    pub(crate) unicode: bool,
    /// Columns.
    pub(crate) width: usize,
    /// A person reads along: the duration may be shown.
    pub(crate) is_terminal: bool,
    /// Passed checks are listed too (`-v`).
    pub(crate) verbose: bool,
}

/// Prints an outcome in a format.
///
/// # Errors
/// Those of `out`; [`refusal`] as an error of kind `Unsupported` where the format cannot hold such a report.
pub(crate) fn render(
    format: Format,
    outcome: &Outcome<'_>,
    style: Style,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    if let Some(sentence) = refusal(format, outcome.spec.mode) {
        return Err(std::io::Error::new(
            std::io::ErrorKind::Unsupported,
            sentence,
        ));
    }
    let text = match format {
        Format::Human => human::render(outcome, style),
        Format::Short => lines::short(outcome),
        Format::Name => lines::names(outcome),
        Format::Json => report::json(outcome)?,
        Format::Yaml => report::yaml(outcome)?,
        Format::Sarif => sarif::render(outcome)?,
        Format::Junit => junit::render(outcome),
        Format::Github => {
            if let Some(path) = &outcome.step_summary {
                let mut file = OpenOptions::new().append(true).create(true).open(path)?;
                file.write_all(github::step_summary(outcome).as_bytes())?;
            }
            github::annotations(outcome)
        }
    };
    out.write_all(text.as_bytes())
}

/// Why a format cannot be had from a command, as an error text; to be asked before anything is read.
pub(crate) fn refusal(format: Format, mode: Mode) -> Option<&'static str> {
    (format == Format::Sarif && mode == Mode::Check).then_some(
        "error: -o sarif needs files: code scanning shows results on source lines, and objects of a cluster have none. \
         Use -o sarif with kubectl netdoctor lint, or -o json here.",
    )
}
