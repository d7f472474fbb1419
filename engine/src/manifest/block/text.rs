//! Characters, and scalars that are not plain.

use std::borrow::Cow;

use serde_json::Value;

use super::Reader;

/// Whether the text holds nothing but printable characters, line feeds and tabs.
///
/// Written so that the compiler turns the first loop, which settles nearly all documents, into vector code.
pub(super) fn is_ordinary(bytes: &[u8]) -> bool {
    let mut control = false;
    let mut wide = false;
    for byte in bytes {
        control |= *byte < b' ' && *byte != b'\n' && *byte != b'\t';
        control |= *byte == 0x7F;
        wide |= *byte >= 0x80;
    }
    if control {
        return false;
    }
    // U+0080 to U+009F, and the blocks that the byte order mark and the last two code points of the first plane are in.
    !wide
        || !bytes
            .windows(2)
            .any(|pair| matches!(pair, [0xC2, 0x80..=0x9F] | [0xEF, 0xBB | 0xBF]))
}

/// Whether a plain scalar can begin with these two characters outside of flow collections.
pub(super) fn begins_plain(first: u8, second: Option<u8>) -> bool {
    match first {
        b'-' | b'?' | b':' => !matches!(second, None | Some(b' ' | b'\t' | b'\n')),
        b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\''
        | b'"' | b'%' | b'@' | b'`' | b'\t' | b'\n' => false,
        _ => true,
    }
}

/// What becomes of the line ends at the end of a literal.
enum Chomp {
    /// One stays.
    Clip,
    /// None stays.
    Strip,
    /// All stay.
    Keep,
}

/// The escapes that occur in manifests; rarer ones are left to the complete parser.
fn escaped(letter: u8) -> Option<char> {
    match letter {
        b'"' => Some('"'),
        b'\\' => Some('\\'),
        b'/' => Some('/'),
        b'n' => Some('\n'),
        b't' => Some('\t'),
        _ => None,
    }
}

impl<'t> Reader<'t> {
    /// A quoted scalar. `parent` is the column that further lines must be indented more than; without it, there may be none.
    pub(super) fn quoted(&mut self, quote: u8, parent: Option<usize>) -> Option<Cow<'t, str>> {
        let start = self.at + 1;
        let special =
            |byte: &u8| *byte == quote || *byte == b'\n' || (*byte == b'\\' && quote == b'"');
        let end = start + self.bytes[start..].iter().position(special)?;
        let doubled = quote == b'\'' && self.bytes.get(end + 1) == Some(&quote);
        if self.bytes[end] != quote || doubled {
            return self.decoded(start, end, quote, parent).map(Cow::Owned);
        }
        self.at = end + 1;
        Some(Cow::Borrowed(&self.text[start..end]))
    }

    /// A quoted scalar that does not stand in the text as it is, from `start`; the first special character is at `at`.
    fn decoded(
        &mut self,
        start: usize,
        mut at: usize,
        quote: u8,
        parent: Option<usize>,
    ) -> Option<String> {
        let mut text = self.text[start..at].to_owned();
        // Blanks before a line end are not part of the text, unless they are written as escapes.
        let mut kept = 0;
        let mut copied = at;
        loop {
            let byte = *self.bytes.get(at)?;
            let escape = byte == b'\\' && quote == b'"';
            if byte != b'\n' && byte != quote && !escape {
                at += 1;
                continue;
            }
            text.push_str(&self.text[copied..at]);
            if escape {
                text.push(escaped(*self.bytes.get(at + 1)?)?);
                kept = text.len();
                at += 2;
            } else if byte == b'\n' {
                let blanks = text.len() - text[kept..].trim_end_matches(' ').len() - kept;
                text.truncate(text.len() - blanks);
                if text[kept..].ends_with('\t') {
                    return None;
                }
                at = self.fold(at, parent?, &mut text)?;
                kept = text.len();
            } else if quote == b'\'' && self.bytes.get(at + 1) == Some(&quote) {
                text.push('\'');
                at += 2;
            } else {
                self.at = at + 1;
                return Some(text);
            }
            copied = at;
        }
    }

    /// From a line end to the text in the next line that has some: one line end is a space, more are one less.
    pub(super) fn fold(&self, line_end: usize, parent: usize, text: &mut String) -> Option<usize> {
        let mut at = line_end;
        let mut empty = 0;
        loop {
            at += 1;
            let spaces = self
                .bytes
                .get(at..)?
                .iter()
                .take_while(|byte| **byte == b' ')
                .count();
            at += spaces;
            match *self.bytes.get(at)? {
                b'\n' => empty += 1,
                b'\t' => return None,
                _ if spaces <= parent => return None,
                _ => break,
            }
        }
        if empty == 0 {
            text.push(' ');
        }
        text.extend(std::iter::repeat_n('\n', empty));
        Some(at)
    }

    /// A literal block; `parent` is the column that its text must be indented more than.
    pub(super) fn literal(&mut self, parent: usize) -> Option<Value> {
        let header = self.line_end(self.at);
        let chomp = match &self.bytes[self.at..header] {
            b"|" => Chomp::Clip,
            b"|-" => Chomp::Strip,
            b"|+" => Chomp::Keep,
            _ => return None,
        };
        let start = header + 1;
        let indent = self
            .literal_indent(start)
            .filter(|indent| *indent > parent)?;
        let mut text = String::new();
        let mut at = start;
        while at < self.bytes.len() {
            let line = &self.bytes[at..];
            let spaces = line
                .iter()
                .take(indent)
                .take_while(|byte| **byte == b' ')
                .count();
            if spaces < indent && line.get(spaces) != Some(&b'\n') {
                break;
            }
            let end = self.line_end(at + spaces);
            if end == self.bytes.len() {
                return None;
            }
            text.push_str(&self.text[at + spaces..=end]);
            at = end + 1;
        }
        match chomp {
            Chomp::Keep => {}
            Chomp::Strip => text.truncate(text.trim_end_matches('\n').len()),
            Chomp::Clip => text.truncate(text.trim_end_matches('\n').len() + 1),
        }
        self.at = at;
        self.next_line()?;
        self.column
            .is_none_or(|column| column <= parent)
            .then_some(Value::String(text))
    }

    /// The indentation of the first line that is not blank.
    fn literal_indent(&self, start: usize) -> Option<usize> {
        let mut at = start;
        let mut blank = 0;
        loop {
            let spaces = self
                .bytes
                .get(at..)?
                .iter()
                .take_while(|byte| **byte == b' ')
                .count();
            match self.bytes.get(at + spaces)? {
                b'\n' => {
                    blank = blank.max(spaces);
                    at += spaces + 1;
                }
                b'\t' => return None,
                // Blank lines before the text may not be longer than its indentation.
                _ => return (blank <= spaces).then_some(spaces),
            }
        }
    }
}
