//! JSON pointers to places in the file.

use super::split::Chunks;
use super::tree::{Kind, NodeId, Tree};
use super::{Position, Span, json};

/// Where the keys and values of one document stand.
///
/// Pointers are those of RFC 6901 into the document's value. Behind an alias or a merge key, the place is the one in the anchored mapping.
#[derive(Debug)]
pub struct SpanMap {
    tree: Tree,
}

/// Where the documents of a file begin, for those who keep no more of a [`super::Document`] than its index.
#[derive(Debug)]
pub struct Starts(Vec<(u32, Position)>);

impl Starts {
    /// Reads the file once more.
    pub fn of(text: &[u8]) -> Self {
        let mut starts = Vec::new();
        super::read(text, &mut |found| starts.push((found.index, found.start)));
        Self(starts)
    }

    /// The places in the document of that index; `text` is the same file. Absent if there is no such document or it cannot be read.
    pub fn spans(&self, text: &[u8], document: u32) -> Option<SpanMap> {
        let found = self
            .0
            .binary_search_by_key(&document, |(index, _)| *index)
            .ok()?;
        spans_at(text, self.0[found].1)
    }
}

/// The places in the document of that index; `text` is the whole file. Absent if there is no such document or it cannot be read.
///
/// Reads the whole file again. For several documents, [`Starts`] does that once for all, and [`spans_at`] not at all.
pub fn spans(text: &[u8], document: u32) -> Option<SpanMap> {
    Starts::of(text).spans(text, document)
}

/// The places in the document that begins at `start` ([`super::Document::start`]); `text` is the whole file. Absent if it cannot be read.
pub fn spans_at(text: &[u8], start: Position) -> Option<SpanMap> {
    let rest = text.get(start.offset..)?;
    if rest.starts_with(b"{")
        && let Some(tree) = json::tree(rest, start)
    {
        return Some(SpanMap { tree });
    }
    // Indentation counts in YAML, so that the line is read from its beginning.
    let indent = text[..start.offset]
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    let base = Position {
        column: start.column.saturating_sub(u32::try_from(indent).ok()?),
        offset: start.offset - indent,
        ..start
    };
    let chunk = Chunks::rest(text, base);
    let tree = Tree::yaml(chunk.text().ok()?, base)?;
    Some(SpanMap { tree })
}

impl SpanMap {
    /// The value at `pointer`; for a block collection, from its first character to its last.
    ///
    /// The span of a value that is not written (`key:`) is empty and stands behind the colon.
    pub fn value(&self, pointer: &str) -> Option<Span> {
        let (found, rest) = self.find(pointer);
        rest.is_none().then(|| self.tree.node(found.value).span)
    }

    /// The key of the field at `pointer`; absent for the document itself and for list items.
    pub fn key(&self, pointer: &str) -> Option<Span> {
        let (found, rest) = self.find(pointer);
        if rest.is_none() { found.key } else { None }
    }

    /// The best place to point at for `pointer`, whether or not the field exists.
    ///
    /// A scalar is shown itself. A collection, and a value that is not written, are shown by their key; a list item by its first field. For an absent
    /// field this is done for the deepest ancestor that exists, so that there always is a place.
    pub fn nearest(&self, pointer: &str) -> Option<Span> {
        let (mut found, _) = self.find(pointer);
        loop {
            let node = self.tree.node(found.value);
            let shown = match (&node.kind, found.key) {
                (Kind::Scalar, Some(_)) if !node.span.is_empty() => node.span,
                (_, Some(key)) => key,
                (_, None) if node.span.start.line == node.span.end.line => node.span,
                (Kind::List(items), None) if !items.is_empty() => {
                    found.value = items[0];
                    continue;
                }
                (Kind::Mapping(entries), None) => {
                    entries.first().map_or(node.span, |entry| entry.key)
                }
                (Kind::List(_) | Kind::Scalar, None) => node.span,
            };
            return Some(shown);
        }
    }

    /// Follows the pointer as far as it leads: what was found last, and the first token that leads nowhere.
    fn find<'p>(&self, pointer: &'p str) -> (Found, Option<&'p str>) {
        let mut found = Found {
            key: None,
            value: self.tree.root(),
        };
        // The first token is what stands before the first `/`: nothing, in a well-formed pointer.
        for token in pointer.split('/').skip(1) {
            let next = match &self.tree.node(found.value).kind {
                Kind::Scalar => None,
                Kind::List(items) => token
                    .parse()
                    .ok()
                    .and_then(|index: usize| items.get(index))
                    .map(|item| Found {
                        key: None,
                        value: *item,
                    }),
                Kind::Mapping(entries) => {
                    let name = token.replace("~1", "/").replace("~0", "~");
                    let entry = entries.iter().rev().find(|entry| entry.name == name);
                    entry.map(|entry| Found {
                        key: Some(entry.key),
                        value: entry.value,
                    })
                }
            };
            match next {
                Some(next) => found = next,
                None => return (found, Some(token)),
            }
        }
        (found, None)
    }
}

/// A value, and the key it stands under.
#[derive(Clone, Copy)]
struct Found {
    key: Option<Span>,
    value: NodeId,
}
