//! A JSON patch as the smallest edit of the text that an object was read from.
//!
//! The patch is applied to the value, both values are compared, and each difference is written where it stands. The edited text is then read
//! again: unless it gives exactly the patched value, there is no edit (an anchor that is used elsewhere, say, cannot be changed for one place).

mod write;

use std::ops::Range;

use json_patch::Patch;
use netdoctor_engine::manifest::{self, Span};
use netdoctor_engine::pointer;
use serde_json::{Map, Value};

use crate::outcome::SourceDocument;

/// A replacement of bytes of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    /// What goes.
    pub(super) range: Range<usize>,
    /// What comes.
    pub(super) text: String,
}

/// The edits that do what the patch says, in file order; `None` where they cannot be had exactly.
pub(super) fn place(document: &SourceDocument<'_>, patch: &Patch) -> Option<Vec<Edit>> {
    if patch.0.is_empty() {
        return None;
    }
    let slice = document.text.get(document.bytes.clone())?;
    let old = manifest::parse(slice).documents.into_iter().next()?.value;
    let mut new = old.clone();
    let object = new.pointer_mut(&document.prefix)?;
    json_patch::patch(object, patch).ok()?;
    let mut editor = Editor {
        document,
        is_json: slice.starts_with(b"{"),
        edits: Vec::new(),
    };
    editor.compare("", &old, &new)?;
    let mut edits = editor.edits;
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    if edits.is_empty()
        || edits
            .windows(2)
            .any(|pair| pair[0].range.end > pair[1].range.start)
    {
        return None;
    }
    let edited = apply(slice, document.bytes.start, &edits)?;
    let reread = manifest::parse(&edited).documents.into_iter().next()?;
    (reread.value == new).then_some(edits)
}

fn apply(slice: &[u8], base: usize, edits: &[Edit]) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(slice.len() + 64);
    let mut done = 0;
    for edit in edits {
        text.extend(slice.get(done..edit.range.start.checked_sub(base)?)?);
        text.extend(edit.text.bytes());
        done = edit.range.end.checked_sub(base)?;
    }
    text.extend(slice.get(done..)?);
    Some(text)
}

struct Editor<'d, 's> {
    document: &'d SourceDocument<'s>,
    is_json: bool,
    edits: Vec<Edit>,
}

impl Editor<'_, '_> {
    fn compare(&mut self, at: &str, old: &Value, new: &Value) -> Option<()> {
        if old == new {
            return Some(());
        }
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => self.mappings(at, old, new),
            (Value::Array(old), Value::Array(new)) => self.lists(at, old, new),
            (_, Value::Object(_) | Value::Array(_)) | (Value::Object(_) | Value::Array(_), _) => {
                None
            }
            _ => self.scalar(at, new),
        }
    }

    fn mappings(
        &mut self,
        at: &str,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
    ) -> Option<()> {
        for (key, value) in old {
            let at = pointer::join(at, key);
            match new.get(key) {
                Some(changed) => self.compare(&at, value, changed)?,
                None => self.remove(&at, self.span_with_key(&at)?)?,
            }
        }
        for (key, value) in new {
            if !old.contains_key(key) {
                self.add_key(at, old, key, value)?;
            }
        }
        Some(())
    }

    /// Items that are equal at both ends stay; what is between is changed one by one, added or removed.
    fn lists(&mut self, at: &str, old: &[Value], new: &[Value]) -> Option<()> {
        let front = old.iter().zip(new).take_while(|(a, b)| a == b).count();
        let (rest_old, rest_new) = (&old[front..], &new[front..]);
        let back = rest_old
            .iter()
            .rev()
            .zip(rest_new.iter().rev())
            .take_while(|(a, b)| a == b)
            .count();
        let (gone, come) = (
            &rest_old[..rest_old.len() - back],
            &rest_new[..rest_new.len() - back],
        );
        if gone.len() == come.len() {
            for (index, (old, new)) in gone.iter().zip(come).enumerate() {
                self.compare(&format!("{at}/{}", front + index), old, new)?;
            }
            return Some(());
        }
        if come.is_empty() && gone.len() < old.len() {
            for index in front..front + gone.len() {
                let at = format!("{at}/{index}");
                let span = self.document.spans.value(&at)?;
                self.remove(&at, span)?;
            }
            return Some(());
        }
        if gone.is_empty() {
            return self.add_items(at, old.len(), front, come);
        }
        None
    }

    fn span_with_key(&self, at: &str) -> Option<Span> {
        let key = self.document.spans.key(at)?;
        let value = self.document.spans.value(at)?;
        Some(Span {
            start: key.start,
            end: value.end.max(key.end),
        })
    }

    fn scalar(&mut self, at: &str, new: &Value) -> Option<()> {
        let span = self.document.spans.value(at)?;
        // The place of a value that is not written has no length.
        let (start, end) = (span.start.offset, span.end.offset.max(span.start.offset));
        let written = std::str::from_utf8(self.document.text.get(start..end)?).ok()?;
        let text = write::scalar(new, written, self.is_json)?;
        // `key:` without a value: the place is right behind the colon.
        let text = if span.is_empty() {
            format!(" {text}")
        } else {
            text
        };
        self.edits.push(Edit {
            range: start..end,
            text,
        });
        Some(())
    }

    fn is_flow(&self, at: &str) -> Option<bool> {
        let span = self.document.spans.value(at)?;
        let first = self.document.text.get(span.start.offset)?;
        Some(matches!(first, b'{' | b'['))
    }

    fn add_key(
        &mut self,
        at: &str,
        old: &Map<String, Value>,
        key: &str,
        value: &Value,
    ) -> Option<()> {
        let children: Vec<Span> = old
            .keys()
            .filter_map(|key| self.span_with_key(&pointer::join(at, key)))
            .collect();
        if self.is_flow(at)? {
            let text = write::flow_entry(key, value, self.is_json);
            return self.add_in_flow(at, &children, &text);
        }
        // Keys of one block mapping stand in one column. A new one goes behind the last that takes one line, not below a long list.
        let column = children.first()?.start.column as usize - 1;
        let last = children
            .iter()
            .filter(|span| span.start.line == span.end.line)
            .max_by_key(|span| span.end.offset)
            .or_else(|| children.iter().max_by_key(|span| span.end.offset))?;
        self.insert_line_behind(last.end.offset, &write::block_entry(key, value, column)?)
    }

    fn add_items(&mut self, at: &str, length: usize, front: usize, items: &[Value]) -> Option<()> {
        let children: Vec<Span> = (0..length)
            .filter_map(|index| self.document.spans.value(&format!("{at}/{index}")))
            .collect();
        if self.is_flow(at)? {
            if front != length {
                return None;
            }
            let texts: Vec<String> = items
                .iter()
                .map(|item| write::flow(item, self.is_json))
                .collect();
            return self.add_in_flow(at, &children, &texts.join(", "));
        }
        let dash = self.dash(children.first()?.start.offset)?;
        let column = dash - self.line_start(dash);
        let text: Option<Vec<String>> = items
            .iter()
            .map(|item| write::block_item(item, column))
            .collect();
        let text = text?.join("\n");
        if let Some(before) = front.checked_sub(1) {
            return self.insert_line_behind(children.get(before)?.end.offset, &text);
        }
        let start = self.line_start(dash);
        self.edits.push(Edit {
            range: start..start,
            text: format!("{text}\n"),
        });
        Some(())
    }

    fn add_in_flow(&mut self, at: &str, children: &[Span], text: &str) -> Option<()> {
        let (offset, text) = match children.iter().map(|span| span.end.offset).max() {
            None => (
                self.document.spans.value(at)?.start.offset + 1,
                text.to_owned(),
            ),
            Some(last) => {
                let first = children.iter().map(|span| span.start.offset).min()?;
                let line = self.line_start(first);
                let indent = self.document.text.get(line..first)?;
                let on_own_line =
                    !indent.is_empty() && indent.iter().all(|byte| matches!(byte, b' ' | b'\t'));
                let separator = if on_own_line {
                    format!("\n{}", String::from_utf8_lossy(indent))
                } else {
                    " ".to_owned()
                };
                (last, format!(",{separator}{text}"))
            }
        };
        self.edits.push(Edit {
            range: offset..offset,
            text,
        });
        Some(())
    }

    /// Adds lines below the one in which something ends.
    fn insert_line_behind(&mut self, offset: usize, text: &str) -> Option<()> {
        // The end of a block scalar is the beginning of the next line.
        let at_line_start = offset > 0 && self.document.text.get(offset - 1) == Some(&b'\n');
        let from = if at_line_start { offset - 1 } else { offset };
        let rest = self.document.text.get(from..)?;
        let (at, text) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(length) => (from + length + 1, format!("{text}\n")),
            None => (self.document.text.len(), format!("\n{text}")),
        };
        self.edits.push(Edit {
            range: at..at,
            text,
        });
        Some(())
    }

    /// Removes whole lines, or an entry of a flow collection with its comma.
    fn remove(&mut self, at: &str, span: Span) -> Option<()> {
        let parent = at.rsplit_once('/')?.0;
        let (start, end) = (span.start.offset, span.end.offset);
        let text = self.document.text;
        if self.is_flow(parent)? {
            let behind = text
                .get(end..)?
                .iter()
                .position(|byte| !byte.is_ascii_whitespace())?
                + end;
            let range = if text.get(behind) == Some(&b',') {
                let next = text
                    .get(behind + 1..)?
                    .iter()
                    .position(|byte| !byte.is_ascii_whitespace())?;
                start..behind + 1 + next
            } else {
                let before = text
                    .get(..start)?
                    .iter()
                    .rposition(|byte| !byte.is_ascii_whitespace())?;
                (if text.get(before) == Some(&b',') {
                    before
                } else {
                    start
                })..end
            };
            self.edits.push(Edit {
                range,
                text: String::new(),
            });
            return Some(());
        }
        let first = self.dash(start).unwrap_or(start);
        let line = self.line_start(first);
        let is_alone = text
            .get(line..first)?
            .iter()
            .all(|byte| matches!(byte, b' ' | b'\t'));
        // The first key behind a dash shares its line with the list.
        let is_item = first != start;
        let is_list = self.document.spans.key(at).is_none();
        if !is_alone || is_item != is_list {
            return None;
        }
        let rest = text.get(end..)?;
        let end = end
            + rest
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(rest.len(), |at| at + 1);
        self.edits.push(Edit {
            range: line..end,
            text: String::new(),
        });
        Some(())
    }

    /// The dash of a list item that begins at an offset.
    fn dash(&self, offset: usize) -> Option<usize> {
        let before = self.document.text.get(..offset)?;
        let at = before
            .iter()
            .rposition(|byte| !matches!(byte, b' ' | b'\n' | b'\r'))?;
        (before[at] == b'-').then_some(at)
    }

    fn line_start(&self, offset: usize) -> usize {
        let before = self.document.text.get(..offset).unwrap_or_default();
        before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1)
    }
}
