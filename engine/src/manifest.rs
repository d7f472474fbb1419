//! Manifest text to documents.
//!
//! A file is read the way `kubectl apply -f` reads it: cut at its `---` lines, each piece a YAML 1.1 document or a run of JSON documents, every
//! value turned into JSON. One broken document costs itself only; its neighbours are still read, and everything that went wrong is returned as
//! [`Problem`]s with a position.
//!
//! ```text
//!  bytes ── encoding ── split at `---` ─┬─ block  ─ the plain block style nearly all manifests are written in, one pass
//!                                       ├─ yaml   ─ everything else that is YAML, through granit-parser
//!                                       └─ json   ─ pieces that begin with `{`
//!                                             │
//!                                       Document {index, start, value}   (no spans: they would cost more than the values)
//!
//!  bytes + document ── spans ── SpanMap: pointer → line and column       (only for the documents that have findings)
//! ```
//!
//! Where YAML 1.1, YAML 1.2 and kubectl differ, kubectl is followed: `yes` is true, `0777` is 511, `1:30` is text, a key `n` is `"false"`, a
//! key that occurs twice keeps its last value, and a merge key (`<<`) overwrites what stands above it in the same mapping.

mod block;
mod encoding;
mod json;
mod quoted;
mod scalar;
mod spans;
mod split;
mod template;
mod tree;
mod yaml;

use serde_json::Value;

pub use spans::{SpanMap, Starts, spans, spans_at};

use split::{Chunk, Chunks};

/// How deeply mappings and lists may be nested, aliases included. Kubernetes' deepest types, the schemas of custom resources, stay well below;
/// recursion over a [`Value`] of this depth is safe on any thread's stack.
pub const MAX_DEPTH: usize = 128;

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// 1-based line.
    pub line: u32,
    /// 1-based column in Unicode code points; a byte order mark does not count.
    pub column: u32,
    /// 0-based byte offset from the beginning of the file.
    pub offset: usize,
}

/// A range of a file; `end` is exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First character.
    pub start: Position,
    /// Just behind the last character.
    pub end: Position,
}

impl Span {
    /// Whether the span covers no character, as that of the value in `key:` does.
    pub fn is_empty(&self) -> bool {
        self.start.offset >= self.end.offset
    }
}

/// What is wrong with a piece of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// Neither YAML nor JSON: the document is lost.
    Syntax,
    /// Well-formed YAML that has no JSON form (`.inf`, a list as key, `!!int abc`), which kubectl refuses: the document is lost.
    Unsupported,
    /// An alias whose anchor is not defined before it in the same document: the document is lost.
    UnknownAnchor,
    /// Aliases that multiply the document beyond all use: the document is lost.
    TooManyAliases,
    /// Nested deeper than [`MAX_DEPTH`]: the document is lost.
    TooDeep,
    /// UTF-16, binary data, or bytes that are not UTF-8: the document, or the whole file, is lost.
    Encoding,
    /// A key occurs twice in one mapping; the last value is used.
    DuplicateKey,
    /// Text behind a `...` line, which kubectl does not read.
    Ignored,
    /// No YAML, but a template that becomes some (`{{`): the whole file is skipped.
    Template,
}

/// Something that went wrong while a file was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub kind: ProblemKind,
    /// One fact, for people, without the position.
    pub message: String,
    /// Where it is.
    pub at: Position,
    /// JSON pointer of the field concerned, where there is one.
    pub pointer: Option<String>,
    /// Index of the document concerned; absent where the whole file is.
    pub document: Option<u32>,
}

impl Problem {
    /// Whether something was lost that should have been judged.
    pub fn is_fatal(&self) -> bool {
        match self.kind {
            ProblemKind::Syntax
            | ProblemKind::Unsupported
            | ProblemKind::UnknownAnchor
            | ProblemKind::TooManyAliases
            | ProblemKind::TooDeep
            | ProblemKind::Encoding => true,
            ProblemKind::DuplicateKey | ProblemKind::Ignored | ProblemKind::Template => false,
        }
    }
}

/// One document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Position in the file, counted from 0. Broken documents are counted, pieces of nothing but comments and blanks are not.
    pub index: u32,
    /// Its first character that is neither blank nor comment.
    pub start: Position,
    /// Its content, never null.
    pub value: Value,
}

/// All that a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The documents that could be read, in file order.
    pub documents: Vec<Document>,
    /// Everything that went wrong, in file order.
    pub problems: Vec<Problem>,
}

/// Reads a file. Never fails: what cannot be read is a [`Problem`].
pub fn parse(text: &[u8]) -> Parsed {
    let mut documents = Vec::new();
    let problems = parse_each(text, &mut |document| documents.push(document));
    Parsed {
        documents,
        problems,
    }
}

/// Reads a file and hands over each document as soon as it is complete, so that the caller decides how many are alive at a time.
///
/// In a file that contains `{{` they are handed over at its end only, because a template is skipped as a whole.
pub fn parse_each(text: &[u8], sink: &mut dyn FnMut(Document)) -> Vec<Problem> {
    if !template::may_be(text) {
        return read(text, sink);
    }
    let mut documents = Vec::new();
    let problems = read(text, &mut |document| documents.push(document));
    if let Some(template) = template::verdict(text, &problems) {
        return vec![template];
    }
    documents.into_iter().for_each(sink);
    problems
}

fn read(text: &[u8], sink: &mut dyn FnMut(Document)) -> Vec<Problem> {
    let start = match encoding::body(text) {
        Ok(start) => start,
        Err(problem) => return vec![problem],
    };
    let mut reader = Reader {
        index: 0,
        problems: Vec::new(),
        sink,
    };
    for chunk in Chunks::new(text, start) {
        reader.chunk(&chunk);
    }
    reader.problems
}

/// Why a document was lost.
#[derive(Debug)]
struct Failure {
    kind: ProblemKind,
    message: String,
    at: Position,
}

impl Failure {
    fn new(kind: ProblemKind, message: impl Into<String>, at: Position) -> Self {
        Self {
            kind,
            message: message.into(),
            at,
        }
    }
}

/// A document that was read, before it is numbered.
#[derive(Debug)]
struct Content {
    value: Value,
    /// Some key occurs twice somewhere: the second pass, with positions, is worth while.
    duplicates: bool,
    /// Where text begins that lies behind the document's end and is not read.
    ignored: Option<Position>,
}

struct Reader<'s> {
    index: u32,
    problems: Vec<Problem>,
    sink: &'s mut dyn FnMut(Document),
}

impl Reader<'_> {
    fn chunk(&mut self, chunk: &Chunk<'_>) {
        let Some(start) = chunk.first_content() else {
            return;
        };
        let text = match chunk.text() {
            Ok(text) => text,
            Err(failure) => return self.lost(failure),
        };
        if text.as_bytes()[start.offset - chunk.start.offset] == b'{' {
            return self.json(chunk, text, start);
        }
        self.yaml(chunk.start, text, start);
    }

    /// One YAML document, of which `text` is the source from the beginning of a line.
    fn yaml(&mut self, base: Position, text: &str, start: Position) {
        if text[..start.offset - base.offset].ends_with('\t') {
            let message = "a tab is used for indentation; YAML takes spaces only";
            return self.lost(Failure::new(ProblemKind::Syntax, message, start));
        }
        let content = match block::read(text) {
            Some(content) => Ok(content),
            None => yaml::read(text, base),
        };
        match content {
            Ok(content) => self.found(content, start, || tree::Tree::yaml(text, base)),
            Err(failure) => self.lost(failure),
        }
    }

    /// A piece that begins with `{`: JSON documents one after another, or YAML in flow style.
    fn json(&mut self, chunk: &Chunk<'_>, text: &str, start: Position) {
        let mut at = start;
        loop {
            let rest = &text[at.offset - chunk.start.offset..];
            let read = if rest.starts_with('{') {
                json::read(rest, at)
            } else {
                let message = "only another object may follow a JSON object, or a line `---`";
                Err(Failure::new(ProblemKind::Syntax, message, at))
            };
            let (content, length) = match read {
                Ok(read) => read,
                Err(failure) => {
                    // In the words of whichever of the two the author meant.
                    let flow = if at == start {
                        Some(yaml::read(text, chunk.start))
                    } else {
                        None
                    };
                    match flow {
                        Some(Ok(content)) => {
                            return self
                                .found(content, start, || tree::Tree::yaml(text, chunk.start));
                        }
                        Some(Err(failure)) if !json::looks_like(rest) => return self.lost(failure),
                        _ => {}
                    }
                    let resume = json::resume(rest, failure.at.offset - at.offset);
                    self.lost(failure);
                    let Some(resume) = resume else { return };
                    at = split::advance(at, &rest[..resume]);
                    continue;
                }
            };
            let source = &rest[..length];
            self.found(content, at, || json::tree(source.as_bytes(), at));
            let rest = &rest[length..];
            let blank = rest.len() - rest.trim_ascii_start().len();
            at = split::advance(
                at,
                &text[at.offset - chunk.start.offset..][..length + blank],
            );
            if blank == rest.len() {
                return;
            }
        }
    }

    fn found(
        &mut self,
        content: Content,
        start: Position,
        tree: impl FnOnce() -> Option<tree::Tree>,
    ) {
        if content.duplicates {
            for (pointer, name, second) in tree().map(|tree| tree.duplicates()).unwrap_or_default()
            {
                self.problems.push(Problem {
                    kind: ProblemKind::DuplicateKey,
                    message: format!(
                        "the key `{name}` occurs twice in this mapping; only the last one counts"
                    ),
                    at: second.start,
                    pointer: Some(pointer),
                    document: Some(self.index),
                });
            }
        }
        if let Some(at) = content.ignored {
            self.problems.push(Problem {
                kind: ProblemKind::Ignored,
                message: "what follows `...` is not read; begin a new document with a line `---`"
                    .to_owned(),
                at,
                pointer: None,
                document: Some(self.index),
            });
        }
        if !content.value.is_null() {
            (self.sink)(Document {
                index: self.index,
                start,
                value: content.value,
            });
        }
        self.index += 1;
    }

    fn lost(&mut self, failure: Failure) {
        self.problems.push(Problem {
            kind: failure.kind,
            message: failure.message,
            at: failure.at,
            pointer: None,
            document: Some(self.index),
        });
        self.index += 1;
    }
}

#[cfg(test)]
mod tests;
