//! Renderers: each prints an [`Outcome`] and decides nothing.

use std::io::Write;

use crate::cli::values::Format;
use crate::outcome::Outcome;

/// How text for people looks.
#[derive(Debug, Clone, Copy)]
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
pub(crate) fn render(
    format: Format,
    outcome: &Outcome<'_>,
    style: Style,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    match format {
        Format::Human | Format::Short | Format::Json | Format::Yaml => {}
        Format::Name | Format::Sarif | Format::Junit | Format::Github => {}
    }
    for finding in outcome.shown() {
        writeln!(
            out,
            "{}[{}]: {}",
            finding.severity, finding.rule.code, finding.message
        )?;
    }
    let _ = style;
    Ok(())
}
