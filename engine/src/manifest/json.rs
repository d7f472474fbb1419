//! JSON documents: values through `serde_json`, places through a scanner of our own.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::tree::{Entry, Kind, Node, NodeId, Tree};
use super::{Content, Failure, MAX_DEPTH, Position, ProblemKind, Span, split};

/// Reads the JSON document at the beginning of `text`, which begins at `base`; returns its length as well.
///
/// # Errors
/// Why there is none.
pub(super) fn read(text: &str, base: Position) -> Result<(Content, usize), Failure> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Checked>();
    match stream.next() {
        Some(Ok(checked)) => {
            let content = Content {
                value: checked.value,
                duplicates: checked.duplicates,
                ignored: None,
            };
            Ok((content, stream.byte_offset()))
        }
        Some(Err(error)) => Err(failure(text, base, &error)),
        None => Err(Failure::new(
            ProblemKind::Syntax,
            "nothing stands where a JSON document should",
            base,
        )),
    }
}

fn failure(text: &str, base: Position, error: &serde_json::Error) -> Failure {
    let message = error.to_string();
    let message = message
        .rsplit_once(" at line ")
        .map_or(message.as_str(), |(message, _)| message);
    let line_start = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum::<usize>();
    let offset = if error.is_eof() {
        text.trim_ascii_end().len()
    } else {
        text.floor_char_boundary(line_start + error.column().saturating_sub(1))
    };
    let at = split::advance(base, &text[..offset]);
    // serde_json has no kind of its own for it.
    if message == "recursion limit exceeded" {
        return Failure::new(
            ProblemKind::TooDeep,
            format!("nested deeper than {MAX_DEPTH} levels"),
            at,
        );
    }
    Failure::new(
        ProblemKind::Syntax,
        format!("this is no JSON: {message}"),
        at,
    )
}

/// Whether a text that begins with `{` was meant as JSON rather than as YAML in flow style.
pub(super) fn looks_like(text: &str) -> bool {
    text[1..].trim_ascii_start().starts_with(['"', '}'])
}

/// Where reading may go on behind a broken document: at the next line that begins with `{`, not before the one with the error.
pub(super) fn resume(text: &str, error: usize) -> Option<usize> {
    let line = text[..error].rfind('\n').unwrap_or(0);
    text[line..].find("\n{").map(|found| line + found + 1)
}

/// A value, and whether some key in it occurs twice.
struct Checked {
    value: Value,
    duplicates: bool,
}

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CheckedVisitor)
    }
}

struct CheckedVisitor;

impl From<Value> for Checked {
    fn from(value: Value) -> Self {
        Self {
            value,
            duplicates: false,
        }
    }
}

impl<'de> Visitor<'de> for CheckedVisitor {
    type Value = Checked;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Checked, E> {
        Ok(Value::Null.into())
    }

    fn visit_bool<E>(self, value: bool) -> Result<Checked, E> {
        Ok(Value::Bool(value).into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Checked, E> {
        Ok(Value::Number(value.into()).into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Checked, E> {
        Ok(Value::Number(value.into()).into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Checked, E> {
        Ok(Number::from_f64(value)
            .map_or(Value::Null, Value::Number)
            .into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Checked, E> {
        Ok(Value::String(value.to_owned()).into())
    }

    fn visit_string<E>(self, value: String) -> Result<Checked, E> {
        Ok(Value::String(value).into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Checked, A::Error> {
        let mut items = Vec::new();
        let mut duplicates = false;
        while let Some(item) = access.next_element::<Checked>()? {
            duplicates |= item.duplicates;
            items.push(item.value);
        }
        Ok(Checked {
            value: Value::Array(items),
            duplicates,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Checked, A::Error> {
        let mut fields = Map::new();
        let mut duplicates = false;
        while let Some((name, field)) = access.next_entry::<String, Checked>()? {
            duplicates |= field.duplicates;
            duplicates |= fields.insert(name, field.value).is_some();
        }
        Ok(Checked {
            value: Value::Object(fields),
            duplicates,
        })
    }
}

/// The places in the JSON document at the beginning of `text`, which begins at `base`. Absent if it is none.
pub(super) fn tree(text: &[u8], base: Position) -> Option<Tree> {
    let mut scanner = Scanner {
        text,
        offset: 0,
        base: base.offset,
        line: base.line,
        column: base.column,
        tree: Tree::default(),
    };
    let root = scanner.value(MAX_DEPTH)?;
    scanner.tree.set_root(root);
    Some(scanner.tree)
}

/// Finds the parts of a document that `serde_json` has accepted; it does not check again what a number or an escape may look like.
struct Scanner<'t> {
    text: &'t [u8],
    offset: usize,
    base: usize,
    line: u32,
    column: u32,
    tree: Tree,
}

impl Scanner<'_> {
    fn value(&mut self, depth: usize) -> Option<NodeId> {
        let start = self.position();
        let kind = match self.peek()? {
            b'{' => self.mapping(depth.checked_sub(1)?)?,
            b'[' => self.list(depth.checked_sub(1)?)?,
            b'"' => {
                self.string()?;
                Kind::Scalar
            }
            _ => {
                while self
                    .peek()
                    .is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
                {
                    self.step();
                }
                Kind::Scalar
            }
        };
        let end = self.position();
        if start == end {
            return None;
        }
        self.tree.add(Node {
            span: Span { start, end },
            kind,
        })
    }

    fn mapping(&mut self, depth: usize) -> Option<Kind> {
        let mut entries = Vec::new();
        self.step();
        let mut next = self.skip_blank()?;
        while next != b'}' {
            let start = self.position();
            let name = self.string()?;
            let key = Span {
                start,
                end: self.position(),
            };
            if self.skip_blank()? != b':' {
                return None;
            }
            self.step();
            self.skip_blank()?;
            entries.push(Entry {
                name,
                key,
                value: self.value(depth)?,
                merged: false,
            });
            next = self.separator(b'}')?;
        }
        self.step();
        Some(Kind::Mapping(entries))
    }

    fn list(&mut self, depth: usize) -> Option<Kind> {
        let mut items = Vec::new();
        self.step();
        let mut next = self.skip_blank()?;
        while next != b']' {
            items.push(self.value(depth)?);
            next = self.separator(b']')?;
        }
        self.step();
        Some(Kind::List(items))
    }

    /// Behind an entry: steps over the comma, or stays at the bracket; returns the next character that is not blank.
    fn separator(&mut self, close: u8) -> Option<u8> {
        match self.skip_blank()? {
            b',' => {
                self.step();
                self.skip_blank()
            }
            other => (other == close).then_some(other),
        }
    }

    /// Steps over a string and decodes it.
    fn string(&mut self) -> Option<String> {
        let start = self.offset;
        if self.peek()? != b'"' {
            return None;
        }
        self.step();
        loop {
            let byte = self.peek()?;
            self.step();
            match byte {
                b'\\' => self.step(),
                b'"' => break,
                _ => {}
            }
        }
        serde_json::from_slice(self.text.get(start..self.offset)?).ok()
    }

    fn skip_blank(&mut self) -> Option<u8> {
        loop {
            match self.peek()? {
                b' ' | b'\t' | b'\r' | b'\n' => self.step(),
                other => return Some(other),
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.offset).copied()
    }

    fn step(&mut self) {
        match self.peek() {
            Some(b'\n') => {
                self.line += 1;
                self.column = 1;
            }
            // Bytes that continue a code point.
            Some(0x80..=0xBF) | None => {}
            Some(_) => self.column += 1,
        }
        self.offset = self.text.len().min(self.offset + 1);
    }

    fn position(&self) -> Position {
        Position {
            line: self.line,
            column: self.column,
            offset: self.base + self.offset,
        }
    }
}
