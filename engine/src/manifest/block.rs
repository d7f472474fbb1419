//! The plain block style that nearly all manifests are written in, in one pass from bytes to values.
//!
//! Taken: block mappings and lists, plain and quoted scalars, literal blocks (`|`), flow collections on one line, comments. Everything else,
//! and everything that is wrong or odd in any way, is left to [`super::yaml`], which is several times slower but knows all of YAML. A document that
//! is taken means exactly what it means there; the tests hold one against the other.

mod flow;
mod text;

use std::borrow::Cow;
use std::mem;

use serde_json::{Map, Value};

use super::scalar::{self, Scalar};
use super::{Content, MAX_DEPTH};

/// Keys longer than that are no keys to YAML, or not in one line with their value.
const MAX_KEY: usize = 1000;

/// Reads the document that `text` consists of. Absent if it needs the whole of YAML.
pub(super) fn read(text: &str) -> Option<Content> {
    if !text::is_ordinary(text.as_bytes()) {
        return None;
    }
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
        column: None,
        depth: 0,
        duplicates: false,
    };
    reader.next_line()?;
    let value = reader.block(reader.column?)?;
    reader.column.is_none().then_some(Content {
        value,
        duplicates: reader.duplicates,
        ignored: None,
    })
}

/// Stands at the next character that is to be read. All methods return nothing for what is left to [`super::yaml`].
struct Reader<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    /// Column (0-based) of the token at `at`, where that is the first of its line or follows a `-`; none at the end of the text.
    column: Option<usize>,
    depth: usize,
    duplicates: bool,
}

/// What stands in one line.
enum Line<'t> {
    /// A key; its colon is behind us.
    Key(Cow<'t, str>, Scalar),
    /// Something else; nothing has been read.
    Other,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Whether a blank or the end of the line follows the character at `at`.
    fn blank_follows(&self) -> bool {
        matches!(self.bytes.get(self.at + 1), None | Some(b' ' | b'\n'))
    }

    /// From the beginning of a line to the next character that is neither blank nor comment.
    fn next_line(&mut self) -> Option<()> {
        loop {
            let line = self.at;
            while self.peek() == Some(b' ') {
                self.at += 1;
            }
            match self.peek() {
                None => {
                    self.column = None;
                    return Some(());
                }
                Some(b'\n') => self.at += 1,
                Some(b'#') => self.at = self.line_end(self.at) + 1,
                Some(b'.') if self.at == line && self.bytes[line..].starts_with(b"...") => {
                    return None;
                }
                Some(_) => {
                    self.column = Some(self.at - line);
                    return Some(());
                }
            }
        }
    }

    /// Where the line that holds `from` ends: its line feed, or the end of the text.
    fn line_end(&self, from: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        from + rest
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(rest.len())
    }

    fn skip_spaces(&mut self) {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
    }

    /// Behind a value: nothing but blanks and a comment may follow, and no line that belongs to it.
    fn finish_line(&mut self, parent: usize) -> Option<()> {
        let value = self.at;
        self.skip_spaces();
        match self.peek() {
            None => {}
            Some(b'\n') => self.at += 1,
            Some(b'#') if self.at > value => self.at = self.line_end(self.at) + 1,
            Some(_) => return None,
        }
        self.next_line()?;
        self.column
            .is_none_or(|column| column <= parent)
            .then_some(())
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth >= MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Some(value)
    }

    /// The collection whose first token stands in `column`.
    fn block(&mut self, column: usize) -> Option<Value> {
        if self.peek() == Some(b'-') && self.blank_follows() {
            return self.deeper(|reader| reader.list(column));
        }
        match self.line()? {
            Line::Key(name, scalar) => self.deeper(|reader| reader.mapping(column, name, scalar)),
            Line::Other => None,
        }
    }

    /// A mapping of which the first key has been read.
    fn mapping(&mut self, column: usize, name: Cow<'t, str>, scalar: Scalar) -> Option<Value> {
        let mut fields = Map::new();
        let mut key = scalar.key(name).ok()?;
        loop {
            let value = self.field(column)?;
            self.duplicates |= fields.insert(key, value).is_some();
            if self.column != Some(column) {
                return Some(Value::Object(fields));
            }
            let Line::Key(name, scalar) = self.line()? else {
                return None;
            };
            key = scalar.key(name).ok()?;
        }
    }

    /// The value behind a colon; `column` is that of its key.
    fn field(&mut self, column: usize) -> Option<Value> {
        self.skip_spaces();
        match self.peek() {
            None | Some(b'\n' | b'#') => {}
            Some(first) => return self.value(first, column),
        }
        self.at = self.line_end(self.at) + 1;
        self.next_line()?;
        match self.column {
            Some(deeper) if deeper > column => self.block(deeper),
            // Lists may stand as far left as their key.
            Some(same) if same == column && self.peek() == Some(b'-') && self.blank_follows() => {
                self.deeper(|reader| reader.list(column))
            }
            _ => Some(Value::Null),
        }
    }

    fn list(&mut self, column: usize) -> Option<Value> {
        let mut items = Vec::new();
        while self.column == Some(column) && self.peek() == Some(b'-') && self.blank_follows() {
            let dash = self.at;
            self.at += 1;
            self.skip_spaces();
            let first = match self.peek() {
                None | Some(b'\n' | b'#') => {
                    self.at = self.line_end(self.at) + 1;
                    self.next_line()?;
                    items.push(match self.column {
                        Some(deeper) if deeper > column => self.block(deeper)?,
                        _ => Value::Null,
                    });
                    continue;
                }
                Some(first) => first,
            };
            let inner = column + (self.at - dash);
            let item = if first == b'-' && self.blank_follows() {
                self.column = Some(inner);
                self.deeper(|reader| reader.list(inner))?
            } else {
                match self.line()? {
                    Line::Key(name, scalar) => {
                        self.deeper(|reader| reader.mapping(inner, name, scalar))?
                    }
                    Line::Other => self.value(first, column)?,
                }
            };
            items.push(item);
        }
        Some(Value::Array(items))
    }

    /// A value that begins in this line with `first`; `parent` is the column of the collection it belongs to.
    fn value(&mut self, first: u8, parent: usize) -> Option<Value> {
        let value = match first {
            b'"' | b'\'' => Value::String(self.quoted(first, Some(parent))?.into_owned()),
            b'[' | b'{' => self.flow(first)?,
            b'|' => return self.literal(parent),
            _ => {
                if !self.plain_may_begin(first) {
                    return None;
                }
                let text = self.plain()?;
                let text = self.continued(text, parent)?;
                scalar::resolve(&text).value(text).ok()?
            }
        };
        self.finish_line(parent)?;
        Some(value)
    }

    /// Whether a key begins here, which is read in that case.
    fn line(&mut self) -> Option<Line<'t>> {
        let start = self.at;
        let (name, scalar) = match self.peek()? {
            quote @ (b'"' | b'\'') => match self.quoted(quote, None) {
                Some(name) if self.peek() == Some(b':') => (name, Scalar::Text),
                _ => {
                    self.at = start;
                    return Some(Line::Other);
                }
            },
            b'[' | b'{' | b'|' => return Some(Line::Other),
            first => {
                if !self.plain_may_begin(first) {
                    return None;
                }
                let Some(end) = self.key_end() else {
                    return Some(Line::Other);
                };
                let name = self.text[start..end].trim_end_matches(' ');
                self.at = end;
                (Cow::Borrowed(name), scalar::resolve(name))
            }
        };
        if self.at - start > MAX_KEY || !self.blank_follows() || name == "<<" {
            return None;
        }
        self.at += 1;
        Some(Line::Key(name, scalar))
    }

    /// Where the key that begins here ends: at the first colon with a blank behind it, unless the line ends or a comment begins before.
    fn key_end(&self) -> Option<usize> {
        let mut before = b' ';
        for (offset, byte) in self.bytes[self.at..].iter().enumerate() {
            match byte {
                b':' if matches!(
                    self.bytes.get(self.at + offset + 1),
                    None | Some(b' ' | b'\n')
                ) =>
                {
                    return Some(self.at + offset);
                }
                // A tab behind a colon ends a key as well.
                b'\n' | b'\t' => return None,
                b'#' if before == b' ' => return None,
                _ => before = *byte,
            }
        }
        None
    }

    /// The rest of the line, up to a comment, as a plain scalar.
    fn plain(&mut self) -> Option<&'t str> {
        let start = self.at;
        let mut end = self.bytes.len();
        let mut tab = false;
        for (offset, byte) in self.bytes[start..].iter().enumerate() {
            let at = start + offset;
            match byte {
                b'\n' => {
                    end = at;
                    break;
                }
                b'#' if self.bytes[at - 1] == b' ' => {
                    end = at;
                    break;
                }
                b':' if matches!(self.bytes.get(at + 1), None | Some(b' ' | b'\n')) => return None,
                b'\t' => tab = true,
                _ => {}
            }
        }
        let text = self.text[start..end].trim_end_matches(' ');
        self.at = start + text.len();
        (!tab).then_some(text)
    }

    /// A plain scalar with the lines that continue it, of which the first has been read.
    fn continued(&mut self, first: &'t str, parent: usize) -> Option<Cow<'t, str>> {
        let mut text = Cow::Borrowed(first);
        loop {
            let end = self.at;
            self.skip_spaces();
            let line_end = mem::replace(&mut self.at, end);
            if self.bytes.get(line_end) != Some(&b'\n') || !self.continues(line_end, parent) {
                return Some(text);
            }
            self.at = self.fold(line_end, parent, text.to_mut())?;
            let more = self.plain()?;
            text.to_mut().push_str(more);
        }
    }

    /// Whether the next line with text is indented more than `parent`, and no comment.
    fn continues(&self, line_end: usize, parent: usize) -> bool {
        let mut at = line_end + 1;
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
            match rest.get(spaces) {
                None | Some(b'#') => return false,
                Some(b'\n') => at += spaces + 1,
                Some(_) => return spaces > parent,
            }
        }
    }

    fn plain_may_begin(&self, first: u8) -> bool {
        text::begins_plain(first, self.bytes.get(self.at + 1).copied())
    }
}
