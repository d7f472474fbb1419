//! Quoted text whose further lines are indented less than YAML 1.2 demands.
//!
//! kubectl's parser does not look at the indentation inside quotes, and JSON in an annotation is often written that way. Spaces at the beginning of
//! such a line are not part of the text, so the lines are moved to the right of the opening quote before parsing, and positions moved back after it.

use std::borrow::Cow;
use std::ops::Range;

use granit_parser::{ErrorKind, Marker, ScanError};

use super::Position;

/// How many texts per document are repaired. Each one costs another pass over the document.
const MAX_REPAIRS: usize = 32;

/// How many bytes of spaces that may add. The first lines of such texts stand a few dozen columns in.
const MAX_ADDED: usize = 1 << 20;

/// A document's text as the parser gets it.
#[derive(Debug)]
pub(super) struct Source<'t> {
    text: Cow<'t, str>,
    base: Position,
    /// Lines (1-based, in the document, ascending) with spaces added at their beginning, and how many were added up to there.
    moved: Vec<(usize, usize)>,
    repairs: usize,
}

impl<'t> Source<'t> {
    /// The text as it stands in the file, which begins at `base`.
    pub(super) fn new(text: &'t str, base: Position) -> Self {
        Self {
            text: Cow::Borrowed(text),
            base,
            moved: Vec::new(),
            repairs: 0,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The place in the file that the parser calls `marker`.
    pub(super) fn position(&self, marker: &Marker) -> Position {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let mut position = Position {
            line: self
                .base
                .line
                .saturating_add(number(marker.line().saturating_sub(1))),
            column: number(marker.col().saturating_add(1)),
            offset: self.base.offset + marker.byte_offset().unwrap_or_default(),
        };
        let behind = self
            .moved
            .partition_point(|(line, _)| *line <= marker.line());
        if let Some((line, total)) = self.moved[..behind].last() {
            position.offset = position.offset.saturating_sub(*total);
            if *line == marker.line() {
                let before = behind.checked_sub(2).map_or(0, |index| self.moved[index].1);
                position.column = position
                    .column
                    .saturating_sub(number(total - before))
                    .max(1);
            }
        }
        position
    }

    /// What to do about `error`, where that is about indentation inside quotes; `behind` is where the value before the quotes ends.
    pub(super) fn repair(&self, error: &ScanError, behind: usize) -> Repair<'t> {
        if !matches!(
            error.kind(),
            ErrorKind::InvalidQuotedScalarIndent | ErrorKind::TabInIndentation
        ) {
            return Repair::Impossible;
        }
        let failed = error.marker().byte_offset().unwrap_or_default();
        let between = self.text.get(behind..failed).unwrap_or_default();
        let Some(open) = between.find(['\'', '"']).map(|quote| behind + quote) else {
            return Repair::Impossible;
        };
        let line_start = self.text[..open].rfind('\n').map_or(0, |at| at + 1);
        let first_line = 1 + self.text[..open].matches('\n').count();
        // The parser counts lone carriage returns as lines, which nothing else here does.
        if self
            .text
            .split('\r')
            .skip(1)
            .any(|rest| !rest.starts_with('\n'))
        {
            return Repair::Impossible;
        }
        match closing(&self.text[open..]) {
            Some(length) if self.repairs < MAX_REPAIRS => self
                .move_right(open..open + length, first_line, open - line_start)
                .map_or(Repair::Impossible, Repair::Text),
            Some(_) => Repair::Impossible,
            None => {
                let column = self.text[line_start..open].chars().count();
                let quote = Marker::new(0, first_line, column).with_byte_offset(Some(open));
                Repair::Unclosed(self.position(&quote))
            }
        }
    }

    /// The text with `width` spaces before each further line of the quoted text. Absent if they would be too many.
    fn move_right(&self, quoted: Range<usize>, first_line: usize, width: usize) -> Option<Self> {
        let Range { start: open, end } = quoted;
        let mut moved = self.moved.clone();
        let mut total = moved.last().map_or(0, |(_, total)| *total);
        let mut text = self.text[..open].to_owned();
        for (count, line) in self.text[open..end].split_inclusive('\n').enumerate() {
            if count > 0 {
                text.extend(std::iter::repeat_n(' ', width));
                total += width;
                moved.push((first_line + count, total));
            }
            if total > MAX_ADDED {
                return None;
            }
            text.push_str(line);
        }
        text.push_str(&self.text[end..]);
        Some(Self {
            text: Cow::Owned(text),
            base: self.base,
            moved,
            repairs: self.repairs + 1,
        })
    }
}

/// What can be done about an error inside quotes.
#[derive(Debug)]
pub(super) enum Repair<'t> {
    /// To be parsed instead.
    Text(Source<'t>),
    /// The quote at this place is never closed, which is the real error.
    Unclosed(Position),
    /// Nothing: the error stands.
    Impossible,
}

/// Length of the quoted text that `text` begins with.
fn closing(text: &str) -> Option<usize> {
    let quote = *text.as_bytes().first()?;
    let mut bytes = text.bytes().enumerate().skip(1).peekable();
    while let Some((at, byte)) = bytes.next() {
        let escapes = match byte {
            b'\\' => quote == b'"',
            // Twice, it is one in the text.
            _ if byte == quote => bytes
                .peek()
                .is_some_and(|(_, next)| quote == b'\'' && *next == quote),
            _ => continue,
        };
        if escapes {
            bytes.next();
        } else if byte == quote {
            return Some(at + 1);
        }
    }
    None
}
