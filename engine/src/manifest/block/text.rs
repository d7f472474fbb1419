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

impl<'t> Reader<'t> {
    /// A quoted scalar on one line.
    pub(super) fn quoted(&mut self, quote: u8) -> Option<Cow<'t, str>> {
        let start = self.at + 1;
        let length = self.bytes[start..]
            .iter()
            .position(|byte| matches!(byte, b'\\' | b'\n') || *byte == quote)?;
        let end = start + length;
        let text = self.text;
        match self.bytes[end] {
            b'\\' if quote == b'"' => self.escaped(start, end).map(Cow::Owned),
            found
                if found == quote && (quote == b'"' || self.bytes.get(end + 1) != Some(&b'\'')) =>
            {
                self.at = end + 1;
                Some(Cow::Borrowed(&text[start..end]))
            }
            _ => None,
        }
    }

    /// A double-quoted scalar from `start`, with its first escape at `escape`.
    fn escaped(&mut self, start: usize, escape: usize) -> Option<String> {
        let mut decoded = self.text[start..escape].to_owned();
        let mut copied = escape;
        let mut at = escape;
        loop {
            match *self.bytes.get(at)? {
                b'\\' => {
                    decoded.push_str(&self.text[copied..at]);
                    decoded.push(match *self.bytes.get(at + 1)? {
                        b'"' => '"',
                        b'\\' => '\\',
                        b'/' => '/',
                        b'n' => '\n',
                        b't' => '\t',
                        _ => return None,
                    });
                    at += 2;
                    copied = at;
                }
                b'"' => {
                    decoded.push_str(&self.text[copied..at]);
                    self.at = at + 1;
                    return Some(decoded);
                }
                b'\n' => return None,
                _ => at += 1,
            }
        }
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
