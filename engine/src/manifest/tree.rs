//! The shape of one document with the place of every key and value, built in a second pass where somebody asks for places.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use granit_parser::{Event, Marker, ScalarStyle};

use super::quoted::{Repair, Source};
use super::yaml;
use super::yaml::alias::ALIAS_BUDGET;
use super::{Position, Span};

/// Index of a node.
pub(super) type NodeId = u32;

/// A document's nodes. A node that aliases refer to exists once and has several parents.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    root: NodeId,
}

/// A value in the source.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar,
    List(Vec<NodeId>),
    Mapping(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key as it reads in JSON.
    pub(super) name: String,
    pub(super) key: Span,
    pub(super) value: NodeId,
    /// Came through a merge key.
    pub(super) merged: bool,
}

impl Tree {
    /// The first document of `text`, which begins at `base`. Absent if it cannot be read.
    pub(super) fn yaml(text: &str, base: Position) -> Option<Self> {
        let mut source = Source::new(text, base);
        loop {
            match Self::attempt(&source) {
                Ok(tree) => return tree,
                Err(repaired) => source = repaired,
            }
        }
    }

    /// # Errors
    /// The text to try instead.
    fn attempt<'t>(source: &Source<'t>) -> Result<Option<Self>, Source<'t>> {
        let mut parser = yaml::parser(source.text());
        let mut builder = Builder {
            source,
            tree: Self::default(),
            frames: Vec::new(),
            anchors: BTreeMap::new(),
            budget: ALIAS_BUDGET,
            complete: false,
        };
        let mut behind = 0;
        while let Some(event) = parser.next_event() {
            match event {
                Ok((Event::DocumentEnd, _)) => break,
                Ok((event, span)) => {
                    behind = span.end.byte_offset().unwrap_or_default();
                    if builder.event(event, span.start, span.end).is_none() {
                        return Ok(None);
                    }
                }
                Err(_) if builder.complete => break,
                Err(error) => {
                    return match source.repair(&error, behind) {
                        Repair::Text(repaired) => Err(repaired),
                        Repair::Unclosed(_) | Repair::Impossible => Ok(None),
                    };
                }
            }
        }
        Ok(builder.complete.then_some(builder.tree))
    }

    pub(super) fn root(&self) -> NodeId {
        self.root
    }

    pub(super) fn set_root(&mut self, root: NodeId) {
        self.root = root;
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn add(&mut self, node: Node) -> Option<NodeId> {
        let id = NodeId::try_from(self.nodes.len()).ok()?;
        self.nodes.push(node);
        Some(id)
    }

    /// Keys that are written twice in one mapping, in file order: pointer, key and place of each repetition.
    pub(super) fn duplicates(&self) -> Vec<(String, String, Span)> {
        let mut found = Vec::new();
        let mut seen = vec![false; self.nodes.len()];
        let mut pending = vec![(self.root, String::new())];
        while let Some((id, pointer)) = pending.pop() {
            if mem::replace(&mut seen[id as usize], true) {
                continue;
            }
            match &self.node(id).kind {
                Kind::Scalar => {}
                Kind::List(items) => {
                    let items = items.iter().enumerate();
                    pending
                        .extend(items.map(|(index, item)| (*item, format!("{pointer}/{index}"))));
                }
                Kind::Mapping(entries) => {
                    let mut names = BTreeSet::new();
                    for entry in entries {
                        let pointer = format!("{pointer}/{}", escape(&entry.name));
                        if !entry.merged && !names.insert(entry.name.as_str()) {
                            found.push((pointer.clone(), entry.name.clone(), entry.key));
                        }
                        pending.push((entry.value, pointer));
                    }
                }
            }
        }
        found.sort_by_key(|(_, _, span)| span.start);
        found
    }
}

/// A key as a token of a JSON pointer (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A collection that is not complete yet; its node exists.
struct Frame {
    node: NodeId,
    key: Key,
}

enum Key {
    Awaited,
    Name(String, Span),
    Merge,
}

struct Builder<'s> {
    source: &'s Source<'s>,
    tree: Tree,
    frames: Vec<Frame>,
    /// Anchored nodes, with the text of those that can be keys.
    anchors: BTreeMap<usize, (NodeId, Option<String>)>,
    budget: usize,
    complete: bool,
}

impl Builder<'_> {
    /// Absent as soon as the document turns out to be one that [`yaml::read`] refuses.
    fn event(&mut self, event: Event<'_>, start: Marker, end: Marker) -> Option<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let empty = style == ScalarStyle::Plain && start.byte_offset() == end.byte_offset();
                let tag = tag.as_deref();
                let span = self.span(&start, &end);
                let is_key = self.awaits_key();
                if is_key && yaml::is_merge(&text, style, tag) {
                    return self.key(Key::Merge);
                }
                let (text, scalar) = yaml::scalar(text, style, tag, empty).ok()?;
                let name = if is_key || anchor > 0 {
                    scalar.key(text).ok()
                } else {
                    None
                };
                let node = if is_key && anchor == 0 {
                    None
                } else {
                    Some(self.tree.add(Node {
                        span,
                        kind: Kind::Scalar,
                    })?)
                };
                if let (Some(node), true) = (node, anchor > 0) {
                    self.anchors.insert(anchor, (node, name.clone()));
                }
                if is_key {
                    return self.key(Key::Name(name?, span));
                }
                self.complete(node?)
            }
            Event::MappingStart(_, anchor, _) => {
                self.open(anchor, &start, Kind::Mapping(Vec::new()))
            }
            Event::SequenceStart(_, anchor, _) => self.open(anchor, &start, Kind::List(Vec::new())),
            Event::MappingEnd | Event::SequenceEnd => {
                let frame = self.frames.pop()?;
                self.close(frame.node, &start, &end);
                self.complete(frame.node)
            }
            Event::Alias(anchor) => {
                let (node, name) = self.anchors.get(&anchor)?.clone();
                if self.awaits_key() {
                    let span = self.span(&start, &end);
                    return self.key(Key::Name(name?, span));
                }
                self.complete(node)
            }
            _ => Some(()),
        }
    }

    fn awaits_key(&self) -> bool {
        self.frames.last().is_some_and(|frame| {
            matches!(frame.key, Key::Awaited)
                && matches!(self.tree.node(frame.node).kind, Kind::Mapping(_))
        })
    }

    fn key(&mut self, key: Key) -> Option<()> {
        self.frames.last_mut()?.key = key;
        Some(())
    }

    fn open(&mut self, anchor: usize, start: &Marker, kind: Kind) -> Option<()> {
        let at = self.source.position(start);
        let node = self.tree.add(Node {
            span: Span { start: at, end: at },
            kind,
        })?;
        if anchor > 0 {
            self.anchors.insert(anchor, (node, None));
        }
        self.frames.push(Frame {
            node,
            key: Key::Awaited,
        });
        Some(())
    }

    /// Sets where a collection ends: at its bracket, or with its last value, since a block runs on to the next token.
    fn close(&mut self, id: NodeId, start: &Marker, end: &Marker) {
        let bracket = (start.byte_offset() < end.byte_offset()).then(|| self.source.position(end));
        let node = self.tree.node(id);
        let last = match &node.kind {
            Kind::Scalar => None,
            Kind::List(items) => items.last().map(|item| self.tree.node(*item).span.end),
            Kind::Mapping(entries) => entries
                .last()
                .map(|entry| entry.key.end.max(self.tree.node(entry.value).span.end)),
        };
        let from = node.span.start;
        self.tree.nodes[id as usize].span.end = bracket.or(last).unwrap_or(from).max(from);
    }

    fn complete(&mut self, value: NodeId) -> Option<()> {
        let Some(frame) = self.frames.last_mut() else {
            self.tree.root = value;
            self.complete = true;
            return Some(());
        };
        let parent = frame.node as usize;
        let key = mem::replace(&mut frame.key, Key::Awaited);
        match (&mut self.tree.nodes[parent].kind, key) {
            (Kind::List(items), _) => items.push(value),
            (Kind::Mapping(entries), Key::Name(name, key)) => entries.push(Entry {
                name,
                key,
                value,
                merged: false,
            }),
            (Kind::Mapping(_), Key::Merge) => return self.merge(parent, value),
            (Kind::Mapping(_) | Kind::Scalar, _) => return None,
        }
        Some(())
    }

    /// Adds the entries behind a merge key. The last entry of a name counts, therefore a list is taken from its end.
    fn merge(&mut self, parent: usize, source: NodeId) -> Option<()> {
        let sources = match &self.tree.node(source).kind {
            Kind::List(items) => items.iter().rev().copied().collect(),
            Kind::Mapping(_) => vec![source],
            Kind::Scalar => return None,
        };
        for source in sources {
            let Kind::Mapping(entries) = &self.tree.node(source).kind else {
                return None;
            };
            self.budget = self.budget.checked_sub(entries.len())?;
            let merged: Vec<_> = entries
                .iter()
                .cloned()
                .map(|entry| Entry {
                    merged: true,
                    ..entry
                })
                .collect();
            if let Kind::Mapping(entries) = &mut self.tree.nodes[parent].kind {
                entries.extend(merged);
            }
        }
        Some(())
    }

    /// The place of a scalar, without the line ends that belong to a block.
    fn span(&self, start: &Marker, end: &Marker) -> Span {
        let from = self.source.position(start);
        let (Some(first), Some(last)) = (start.byte_offset(), end.byte_offset()) else {
            return Span {
                start: from,
                end: from,
            };
        };
        let source = self.source.text().get(first..last).unwrap_or_default();
        let trimmed = source.trim_ascii_end();
        let end = if trimmed.len() == source.len() {
            self.source.position(end)
        } else {
            super::split::advance(from, trimmed)
        };
        Span { start: from, end }
    }
}
