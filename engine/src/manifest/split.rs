//! A file cut into pieces at its `---` lines, as kubectl cuts it before any YAML is parsed.

use std::str;

use super::{Failure, Position, ProblemKind, encoding};

/// The text between two separator lines.
#[derive(Debug)]
pub(super) struct Chunk<'t> {
    bytes: &'t [u8],
    /// Where the text begins, always at the beginning of a line but for a document that wrongly shares the separator's line.
    pub(super) start: Position,
    /// The separator above carries more than a comment, which kubectl refuses.
    crowded: bool,
}

/// The pieces of a file, in order.
#[derive(Debug)]
pub(super) struct Chunks<'t> {
    text: &'t [u8],
    next: Option<Position>,
    crowded: bool,
}

impl<'t> Chunks<'t> {
    /// The pieces of `text` from byte `start` on, which is the beginning of line 1.
    pub(super) fn new(text: &'t [u8], start: usize) -> Self {
        let first = Position {
            line: 1,
            column: 1,
            offset: start,
        };
        Self {
            text,
            next: Some(first),
            crowded: false,
        }
    }

    /// The piece that `at` lies in, from there on.
    pub(super) fn rest(text: &'t [u8], at: Position) -> Chunk<'t> {
        let mut end = at.offset;
        loop {
            let Some(length) = find_newline(&text[end..]) else {
                end = text.len();
                break;
            };
            end += length + 1;
            if separator(&text[end..]).is_some() {
                break;
            }
        }
        Chunk {
            bytes: &text[at.offset..end],
            start: at,
            crowded: false,
        }
    }

    /// Continues behind the separator line that begins at `at`.
    fn step_over(&mut self, at: Position, line: Separator) {
        self.crowded = line.crowded;
        self.next = Some(if line.crowded {
            Position {
                column: at.column + 3,
                offset: at.offset + 3,
                ..at
            }
        } else {
            Position {
                line: at.line + 1,
                column: 1,
                offset: at.offset + line.length,
            }
        });
    }
}

impl<'t> Iterator for Chunks<'t> {
    type Item = Chunk<'t>;

    fn next(&mut self) -> Option<Chunk<'t>> {
        let start = self.next.take()?;
        let crowded = self.crowded;
        let mut at = start;
        loop {
            let rest = &self.text[at.offset..];
            if at.column == 1
                && let Some(line) = separator(rest)
            {
                self.step_over(at, line);
                break;
            }
            let Some(length) = find_newline(rest) else {
                at.offset = self.text.len();
                break;
            };
            at = Position {
                line: at.line + 1,
                column: 1,
                offset: at.offset + length + 1,
            };
        }
        Some(Chunk {
            bytes: &self.text[start.offset..at.offset],
            start,
            crowded,
        })
    }
}

impl<'t> Chunk<'t> {
    pub(super) fn bytes(&self) -> &'t [u8] {
        self.bytes
    }

    /// Whether the place lies in this piece or at its end.
    pub(super) fn holds(&self, at: Position) -> bool {
        (self.start.offset..=self.start.offset + self.bytes.len()).contains(&at.offset)
    }

    /// The first character that is neither blank nor part of a comment or a `...` line.
    pub(super) fn first_content(&self) -> Option<Position> {
        let mut at = self.start;
        let mut rest = self.bytes;
        loop {
            let blank = rest
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b'\t'))
                .count();
            let here = &rest[blank..];
            let first = *here.first()?;
            let skipped = match first {
                b'\n' | b'\r' | b'#' => true,
                b'.' => {
                    blank == 0
                        && here.starts_with(b"...")
                        && here.get(3).is_none_or(u8::is_ascii_whitespace)
                }
                _ => false,
            };
            if !skipped {
                at.column += u32::try_from(blank).unwrap_or(u32::MAX);
                at.offset += blank;
                return Some(at);
            }
            // A lone carriage return ends a comment to YAML, though it separates no documents to kubectl.
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
            let line = if rest[end..].starts_with(b"\r\n") {
                end + 2
            } else {
                end + 1
            };
            at.line += 1;
            at.column = 1;
            at.offset += line;
            rest = &rest[line..];
        }
    }

    /// The piece as text.
    ///
    /// # Errors
    /// It is not UTF-8, or kubectl would not get as far as reading it.
    pub(super) fn text(&self) -> Result<&'t str, Failure> {
        let text = str::from_utf8(self.bytes).map_err(|error| {
            let (valid, rest) = self.bytes.split_at(error.valid_up_to());
            let at = advance(self.start, str::from_utf8(valid).unwrap_or_default());
            let byte = rest.first().copied().unwrap_or_default();
            Failure::new(ProblemKind::Encoding, encoding::invalid(byte), at)
        })?;
        if self.crowded {
            let message =
                "only a comment may follow `---` on its line; begin the document on the next line";
            return Err(Failure::new(ProblemKind::Syntax, message, self.start));
        }
        Ok(text)
    }
}

#[derive(Clone, Copy)]
struct Separator {
    /// With its line end.
    length: usize,
    crowded: bool,
}

/// The separator line that `rest` begins with. Whatever begins with `---` is one to kubectl.
fn separator(rest: &[u8]) -> Option<Separator> {
    let behind = rest.strip_prefix(b"---")?;
    let length = find_newline(behind).map_or(behind.len(), |end| end + 1);
    let first = behind[..length]
        .iter()
        .find(|byte| !byte.is_ascii_whitespace());
    Some(Separator {
        length: length + 3,
        crowded: first.is_some_and(|byte| *byte != b'#'),
    })
}

fn find_newline(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == b'\n')
}

/// The position behind `text`, which begins at `from`.
pub(super) fn advance(from: Position, text: &str) -> Position {
    let width = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    let offset = from.offset + text.len();
    match text.rfind('\n') {
        None => Position {
            column: from.column.saturating_add(width(text)),
            offset,
            ..from
        },
        Some(last) => {
            let lines = text.bytes().filter(|byte| *byte == b'\n').count();
            Position {
                line: from
                    .line
                    .saturating_add(u32::try_from(lines).unwrap_or(u32::MAX)),
                column: width(&text[last + 1..]) + 1,
                offset,
            }
        }
    }
}
