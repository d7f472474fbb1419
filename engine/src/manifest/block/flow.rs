//! Flow collections on one line: `[a, "b"]`, `{cpu: 100m}`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Reader;
use crate::manifest::scalar::{self, Scalar};

impl<'t> Reader<'t> {
    /// The collection that begins here with the bracket `first`.
    pub(super) fn flow(&mut self, first: u8) -> Option<Value> {
        self.at += 1;
        self.skip_spaces();
        self.deeper(|reader| {
            if first == b'[' {
                reader.flow_list()
            } else {
                reader.flow_mapping()
            }
        })
    }

    fn flow_list(&mut self) -> Option<Value> {
        let mut items = Vec::new();
        if self.peek()? != b']' {
            loop {
                items.push(self.flow_value()?);
                if self.comma(b']')? {
                    break;
                }
            }
        }
        self.at += 1;
        Some(Value::Array(items))
    }

    fn flow_mapping(&mut self) -> Option<Value> {
        let mut fields = Map::new();
        if self.peek()? != b'}' {
            loop {
                let (name, scalar) = self.flow_scalar()?;
                if self.peek()? != b':'
                    || self.bytes.get(self.at + 1) != Some(&b' ')
                    || name == "<<"
                {
                    return None;
                }
                self.at += 2;
                self.skip_spaces();
                let key = scalar.key(name).ok()?;
                let value = self.flow_value()?;
                self.duplicates |= fields.insert(key, value).is_some();
                if self.comma(b'}')? {
                    break;
                }
            }
        }
        self.at += 1;
        Some(Value::Object(fields))
    }

    /// Steps to the next entry, or stays at the bracket that ends the collection (true).
    fn comma(&mut self, close: u8) -> Option<bool> {
        self.skip_spaces();
        match self.peek()? {
            b',' => {
                self.at += 1;
                self.skip_spaces();
                Some(false)
            }
            other => (other == close).then_some(true),
        }
    }

    fn flow_value(&mut self) -> Option<Value> {
        if let bracket @ (b'[' | b'{') = self.peek()? {
            return self.flow(bracket);
        }
        let (text, scalar) = self.flow_scalar()?;
        scalar.value(text).ok()
    }

    fn flow_scalar(&mut self) -> Option<(Cow<'t, str>, Scalar)> {
        let start = self.at;
        match self.peek()? {
            quote @ (b'"' | b'\'') => {
                return self.quoted(quote, None).map(|text| (text, Scalar::Text));
            }
            b'-' if self.bytes.get(start + 1)?.is_ascii_alphanumeric()
                || self.bytes[start + 1] == b'-' => {}
            first if first.is_ascii_alphanumeric() || b"_./$+=~".contains(&first) => {}
            _ => return None,
        }
        let rest = &self.bytes[start..];
        let mut length = 0;
        loop {
            match *rest.get(length)? {
                b',' | b']' | b'}' => break,
                b':' => match *rest.get(length + 1)? {
                    b' ' => break,
                    b',' | b'[' | b']' | b'{' | b'}' | b'\n' | b'\t' => return None,
                    _ => {}
                },
                b'#' | b'[' | b'{' | b'\n' | b'\t' => return None,
                _ => {}
            }
            length += 1;
        }
        let text = self.text[start..start + length].trim_end_matches(' ');
        self.at = start + length;
        Some((Cow::Borrowed(text), scalar::resolve(text)))
    }
}
