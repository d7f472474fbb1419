//! Lines of a file, made harmless, with places in them.

use std::borrow::Cow;
use std::ops::Range;

use netdoctor_engine::manifest::Span;

use crate::terminal::sanitize;

/// Some whole lines of a file.
pub(super) struct Excerpt<'a> {
    /// Bytes of the file.
    bytes: &'a [u8],
    /// Where the lines begin.
    from: usize,
    /// Number of the first line.
    pub(super) line: usize,
    /// The lines as they may be printed.
    pub(super) text: String,
}

impl<'a> Excerpt<'a> {
    /// The lines from the first to the last of some places.
    pub(super) fn around(bytes: &'a [u8], spans: &[Span]) -> Option<Self> {
        let first = spans.iter().min_by_key(|span| span.start.offset)?;
        let last = spans.iter().map(|span| span.start.offset).max()?;
        Self::lines(bytes, first.start.offset, last, first.start.line as usize)
    }

    /// The lines that a range of bytes touches.
    pub(super) fn of_bytes(bytes: &'a [u8], start: usize, end: usize) -> Option<Self> {
        let before = bytes.get(..start)?;
        let line = before.split(|byte| *byte == b'\n').count();
        Self::lines(bytes, start, end, line)
    }

    fn lines(bytes: &'a [u8], start: usize, end: usize, line: usize) -> Option<Self> {
        let before = bytes.get(..start)?;
        let mut from = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        if from == 0 && bytes.starts_with(BYTE_ORDER_MARK) {
            from = BYTE_ORDER_MARK.len();
        }
        let behind = bytes.get(end..)?;
        let to = end
            + behind
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(behind.len());
        let text = clean(bytes.get(from..to)?);
        Some(Self {
            bytes,
            from,
            line,
            text,
        })
    }

    /// A place in the file as a place in the text.
    pub(super) fn at(&self, offset: usize) -> usize {
        let before = self
            .bytes
            .get(self.from..offset.max(self.from))
            .unwrap_or_default();
        // Each character is cleaned by itself, so what stands before a place is as long alone as in the whole.
        clean(before).len().min(self.text.len())
    }

    /// A span as a range of the text; of several lines only the first, because a whole block would hide what is meant.
    pub(super) fn underline(&self, span: &Span) -> Range<usize> {
        let bytes = self
            .bytes
            .get(span.start.offset..span.end.offset)
            .unwrap_or_default();
        let first_line = bytes
            .split(|byte| matches!(byte, b'\n' | b'\r'))
            .next()
            .unwrap_or_default();
        self.at(span.start.offset)..self.at(span.start.offset + first_line.len())
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Makes source text harmless: line ends become line feeds, what acts on a terminal becomes visible.
fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = if text.contains('\r') {
        let unix = text.replace("\r\n", "\n");
        Cow::Owned(unix.strip_suffix('\r').unwrap_or(&unix).to_owned())
    } else {
        text
    };
    sanitize(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_what_is_cleaned_before_them() {
        let bytes = "\u{feff}a: \u{1b}x # é\r\nb: y\r\n".as_bytes();
        let y = bytes.iter().rposition(|byte| *byte == b'y').unwrap();
        let excerpt = Excerpt::of_bytes(bytes, 3, y).unwrap();
        assert_eq!(excerpt.text, "a: ^[x # é\nb: y");
        assert_eq!(excerpt.line, 1);
        assert_eq!(&excerpt.text[excerpt.at(y)..], "y");
        let x = bytes.iter().position(|byte| *byte == b'x').unwrap();
        assert_eq!(&excerpt.text[excerpt.at(x)..excerpt.at(x + 1)], "x");
    }
}
