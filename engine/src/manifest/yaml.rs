//! One YAML document through granit-parser: everything that [`super::block`] does not take.

pub(super) mod alias;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem;

use granit_parser::{
    ErrorKind, Event, Marker, Options, Parser, ScalarStyle, ScanError, StrInput, Tag, options,
};
use serde_json::{Map, Value};

use alias::{ALIAS_BUDGET, Excess};

use super::quoted::{Repair, Source};
use super::scalar::{self, Scalar};
use super::{Content, Failure, MAX_DEPTH, Position, ProblemKind};

/// A parser for one piece of a file.
pub(super) fn parser(text: &str) -> Parser<'_, StrInput<'_>> {
    Parser::new_from_str_with_options(text, options())
}

fn options() -> Options {
    options! {
        emit_comments: false,
        block_nesting_limit: MAX_DEPTH,
        flow_nesting_limit: MAX_DEPTH,
    }
}

/// Reads the first document of `text`, which begins at `base`.
///
/// # Errors
/// Why there is none.
pub(super) fn read(text: &str, base: Position) -> Result<Content, Failure> {
    let mut source = Source::new(text, base);
    loop {
        match attempt(&source)? {
            Attempt::Done(content) => return Ok(content),
            Attempt::Repaired(repaired) => source = repaired,
        }
    }
}

enum Attempt<'t> {
    Done(Content),
    Repaired(Source<'t>),
}

fn attempt<'t>(source: &Source<'t>) -> Result<Attempt<'t>, Failure> {
    let mut parser = parser(source.text());
    let mut builder = Builder {
        source,
        frames: Vec::new(),
        root: None,
        anchors: BTreeMap::new(),
        keep_anchors: source.text().contains('*'),
        budget: ALIAS_BUDGET,
        duplicates: false,
    };
    let mut behind = 0;
    let mut ignored = None;
    while let Some(event) = parser.next_event() {
        match event {
            Ok((Event::DocumentEnd, _)) => {
                ignored = rest(&mut parser, source);
                break;
            }
            Ok((event, span)) => {
                behind = span.end.byte_offset().unwrap_or_default();
                builder.event(event, span.start, span.end)?;
            }
            // kubectl does not look at what stands behind a complete document.
            Err(error) if builder.root.is_some() => {
                ignored = Some(source.position(error.marker()));
                break;
            }
            Err(error) => {
                return match source.repair(&error, behind) {
                    Repair::Text(repaired) => Ok(Attempt::Repaired(repaired)),
                    Repair::Unclosed(at) => Err(Failure::new(
                        ProblemKind::Syntax,
                        "the quote that opens here is never closed",
                        at,
                    )),
                    Repair::Impossible => Err(builder.scan_error(&error)),
                };
            }
        }
    }
    Ok(Attempt::Done(Content {
        value: builder.root.unwrap_or(Value::Null),
        duplicates: builder.duplicates,
        ignored,
    }))
}

/// Where a second document begins. What is broken there does not concern the first one.
fn rest<'t>(parser: &mut Parser<'t, StrInput<'t>>, source: &Source<'_>) -> Option<Position> {
    match parser.next_event()? {
        Ok((Event::StreamEnd, _)) => None,
        Ok((_, span)) => Some(source.position(&span.start)),
        Err(error) => Some(source.position(error.marker())),
    }
}

/// What a scalar event says and means: what is quoted or in a block is text, unless a tag says otherwise.
///
/// # Errors
/// Its tag does not fit.
#[inline]
pub(super) fn scalar<'t>(
    text: Cow<'t, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
    empty: bool,
) -> Result<(Cow<'t, str>, Scalar), String> {
    // The parser writes `~` where there is nothing.
    let text = if empty { Cow::Borrowed("") } else { text };
    match (tag, style) {
        (Some(tag), _) if is_core(tag, "binary") => {
            Ok((scalar::binary(&text)?.into(), Scalar::Text))
        }
        (Some(tag), _) => {
            let scalar = scalar::tagged(&format!("{}{}", tag.handle(), tag.suffix()), &text)?;
            Ok((text, scalar))
        }
        (None, ScalarStyle::Plain) => {
            let scalar = scalar::resolve(&text);
            Ok((text, scalar))
        }
        (None, _) => Ok((text, Scalar::Text)),
    }
}

/// Whether the tag is `!!name`.
fn is_core(tag: &Tag, name: &str) -> bool {
    tag.suffix() == name && tag.handle() == scalar::CORE
}

/// Whether a scalar in the place of a key is the merge key.
#[inline]
pub(super) fn is_merge(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> bool {
    text == "<<" && tag.map_or(style == ScalarStyle::Plain, |tag| is_core(tag, "merge"))
}

/// A collection that is not complete yet.
struct Frame {
    anchor: usize,
    kind: Partial,
}

enum Partial {
    List(Vec<Value>),
    Mapping {
        fields: Map<String, Value>,
        key: Key,
    },
}

/// What an anchor names.
struct Anchored {
    value: Value,
    /// How it reads as a key, if it can be one.
    name: Option<String>,
}

enum Key {
    Awaited,
    Name(String),
    Merge,
}

struct Builder<'s> {
    source: &'s Source<'s>,
    frames: Vec<Frame>,
    root: Option<Value>,
    anchors: BTreeMap<usize, Anchored>,
    keep_anchors: bool,
    budget: usize,
    duplicates: bool,
}

impl Builder<'_> {
    fn event(&mut self, event: Event<'_>, start: Marker, end: Marker) -> Result<(), Failure> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let empty = style == ScalarStyle::Plain && start.byte_offset() == end.byte_offset();
                let tag = tag.as_deref();
                if self.awaits_key() && is_merge(&text, style, tag) {
                    self.key(Key::Merge);
                    return Ok(());
                }
                let unsupported = |message| {
                    Failure::new(
                        ProblemKind::Unsupported,
                        message,
                        self.source.position(&start),
                    )
                };
                let (text, scalar) = scalar(text, style, tag, empty).map_err(unsupported)?;
                if anchor > 0 && self.keep_anchors {
                    let name = scalar.key(text.clone()).ok();
                    if let Ok(value) = scalar.value(text.clone()) {
                        let value = self.copy(&value, 0, &start)?;
                        self.anchors.insert(anchor, Anchored { value, name });
                    }
                }
                if self.awaits_key() {
                    let name = scalar.key(text).map_err(unsupported)?;
                    self.key(Key::Name(name));
                    return Ok(());
                }
                let value = scalar.value(text).map_err(unsupported)?;
                self.complete(value, &start, false)
            }
            Event::MappingStart(_, anchor, _) => self.open(
                anchor,
                &start,
                Partial::Mapping {
                    fields: Map::new(),
                    key: Key::Awaited,
                },
            ),
            Event::SequenceStart(_, anchor, _) => {
                self.open(anchor, &start, Partial::List(Vec::new()))
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(frame) = self.frames.pop() else {
                    return Ok(());
                };
                let value = match frame.kind {
                    Partial::List(items) => Value::Array(items),
                    Partial::Mapping { fields, .. } => Value::Object(fields),
                };
                if frame.anchor > 0 && self.keep_anchors {
                    let value = self.copy(&value, MAX_DEPTH, &start)?;
                    self.anchors
                        .insert(frame.anchor, Anchored { value, name: None });
                }
                self.complete(value, &start, false)
            }
            Event::Alias(anchor) => self.alias(anchor, &start),
            // Nothing that carries data: beginnings, ends, and what the options switch off.
            _ => Ok(()),
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(
            self.frames.last(),
            Some(Frame {
                kind: Partial::Mapping {
                    key: Key::Awaited,
                    ..
                },
                ..
            })
        )
    }

    fn key(&mut self, new: Key) {
        if let Some(Frame {
            kind: Partial::Mapping { key, .. },
            ..
        }) = self.frames.last_mut()
        {
            *key = new;
        }
    }

    fn open(&mut self, anchor: usize, start: &Marker, kind: Partial) -> Result<(), Failure> {
        let at = self.source.position(start);
        if self.awaits_key() {
            return Err(collection_key(at));
        }
        if self.frames.len() >= MAX_DEPTH {
            return Err(too_deep(at));
        }
        self.frames.push(Frame { anchor, kind });
        Ok(())
    }

    /// Puts a complete value where it belongs.
    fn complete(&mut self, value: Value, at: &Marker, aliased: bool) -> Result<(), Failure> {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        match &mut frame.kind {
            Partial::List(items) => items.push(value),
            Partial::Mapping { fields, key } => match mem::replace(key, Key::Awaited) {
                // Where the key came through a merge key it is no repetition, which the second pass finds out.
                Key::Name(name) => self.duplicates |= fields.insert(name, value).is_some(),
                Key::Merge => alias::merge(fields, value, aliased).map_err(|message| {
                    Failure::new(ProblemKind::Syntax, message, self.source.position(at))
                })?,
                // Every value follows its key.
                Key::Awaited => {}
            },
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, start: &Marker) -> Result<(), Failure> {
        let at = self.source.position(start);
        let Some(target) = self.anchors.remove(&anchor) else {
            let message = "the alias stands inside the value that its own anchor names";
            return Err(Failure::new(ProblemKind::UnknownAnchor, message, at));
        };
        if self.awaits_key() {
            let name = target.name.clone().ok_or_else(|| collection_key(at))?;
            self.anchors.insert(anchor, target);
            self.key(Key::Name(name));
            return Ok(());
        }
        let copy = self.copy(&target.value, MAX_DEPTH - self.frames.len(), start)?;
        self.anchors.insert(anchor, target);
        self.complete(copy, start, true)
    }

    /// A copy that is paid from the budget.
    fn copy(&mut self, value: &Value, depth: usize, at: &Marker) -> Result<Value, Failure> {
        alias::copy(value, depth, &mut self.budget).map_err(|excess| match excess {
            Excess::Depth => too_deep(self.source.position(at)),
            Excess::Size => {
                let message = "aliases expand the document beyond what kubectl accepts";
                Failure::new(
                    ProblemKind::TooManyAliases,
                    message,
                    self.source.position(at),
                )
            }
        })
    }

    fn scan_error(&self, error: &ScanError) -> Failure {
        let at = self.source.position(error.marker());
        match error.kind() {
            ErrorKind::RecursionLimitExceeded => too_deep(at),
            ErrorKind::UnknownAnchor => Failure::new(
                ProblemKind::UnknownAnchor,
                "the alias has no anchor before it in this document",
                at,
            ),
            ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation => Failure::new(
                ProblemKind::Syntax,
                "a tab is used for indentation; YAML takes spaces only",
                at,
            ),
            other => Failure::new(ProblemKind::Syntax, other.to_string(), at),
        }
    }
}

fn collection_key(at: Position) -> Failure {
    let message = "only text can be a key, not a mapping, a list or null";
    Failure::new(ProblemKind::Unsupported, message, at)
}

fn too_deep(at: Position) -> Failure {
    Failure::new(
        ProblemKind::TooDeep,
        format!("nested deeper than {MAX_DEPTH} levels"),
        at,
    )
}
