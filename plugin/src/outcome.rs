//! A finished run: the report, where its findings stand in the files that were read, and what the exit code is.
//!
//! Every renderer gets the same [`Outcome`] and decides nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::rc::Rc;

use netdoctor_engine::finding::{Finding, Label};
use netdoctor_engine::manifest::{self, Position, Span, SpanMap};
use netdoctor_engine::model::{ObjectRef, Origin};
use netdoctor_engine::report::{NoVerdict, Report};
use netdoctor_engine::rule::Severity;

/// Which command ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `check`, on a cluster or a saved state.
    Check,
    /// `lint`, on manifests.
    Lint,
}

/// What was asked for: `spec` of the JSON report.
#[derive(Debug, Clone)]
pub(crate) struct Spec {
    /// The command.
    pub(crate) mode: Mode,
    /// kubeconfig context, for `check` on a live cluster.
    pub(crate) context: Option<String>,
    /// The namespace that was checked; `None` for all.
    pub(crate) namespace: Option<String>,
    /// `-l`.
    pub(crate) selector: Option<String>,
    /// `TYPE/NAME` targets as typed.
    pub(crate) targets: Vec<String>,
    /// Files and saved states that were read, as typed.
    pub(crate) inputs: Vec<String>,
    /// Threshold of exit code 1; `None` for never.
    pub(crate) fail_on: Option<Severity>,
    /// Threshold of what is shown.
    pub(crate) min_severity: Severity,
    /// `--strict`.
    pub(crate) strict: bool,
    /// Name of the demo scenario, when it is one.
    pub(crate) demo: Option<String>,
}

/// Something that could not be read, or was left out. None of it is lost silently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputProblem {
    /// File name as typed; empty when it is about all of the input.
    pub(crate) file: String,
    /// 1-based, when known.
    pub(crate) line: Option<u32>,
    /// 1-based, in Unicode code points.
    pub(crate) column: Option<u32>,
    /// One sentence.
    pub(crate) message: String,
    /// Something was lost, so the run could not be completed (exit code 3). Otherwise it is only a note.
    pub(crate) fatal: bool,
}

/// How a run ended: `status.verdict`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing at or above the threshold.
    Clean,
    /// Findings at or above the threshold.
    Findings,
    /// With `--strict`: something at or above the threshold could not be checked.
    Incomplete,
    /// Input or server could not be read to the end.
    Failed,
}

impl Verdict {
    /// As JSON spells it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Findings => "findings",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }

    /// The exit code (conventions: 0 clean, 1 findings, 3 could not complete).
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings | Self::Incomplete => 1,
            Self::Failed => 3,
        }
    }
}

/// Everything renderers need.
pub(crate) struct Outcome<'a> {
    /// The report, already narrowed to what was asked for (namespace, selector, targets).
    pub(crate) report: &'a Report,
    /// What was asked for.
    pub(crate) spec: Spec,
    /// Texts of the files that were read; empty for a cluster.
    pub(crate) sources: &'a Sources,
    /// What could not be read.
    pub(crate) problems: Vec<InputProblem>,
    /// Counted notes about the input: templates, documents of kinds that no rule reads.
    pub(crate) notes: Vec<String>,
    /// How it ended.
    pub(crate) verdict: Verdict,
    /// Seconds it took, for terminals only.
    pub(crate) seconds: f64,
    /// The file to which `-o github` adds its table (`$GITHUB_STEP_SUMMARY`).
    pub(crate) step_summary: Option<PathBuf>,
}

impl<'a> Outcome<'a> {
    /// Judges how the run ended.
    pub(crate) fn new(
        report: &'a Report,
        spec: Spec,
        sources: &'a Sources,
        problems: Vec<InputProblem>,
        notes: Vec<String>,
        seconds: f64,
    ) -> Self {
        let verdict = verdict(report, &spec, &problems);
        Self {
            report,
            spec,
            sources,
            problems,
            notes,
            verdict,
            seconds,
            step_summary: None,
        }
    }

    /// Findings that are shown, in report order. What a shown headline explains is reached through `explains`.
    pub(crate) fn shown(&self) -> impl Iterator<Item = &'a Finding> + '_ {
        self.report
            .findings
            .iter()
            .filter(|finding| finding.severity >= self.spec.min_severity)
    }
}

fn verdict(report: &Report, spec: &Spec, problems: &[InputProblem]) -> Verdict {
    if problems.iter().any(|problem| problem.fatal) {
        return Verdict::Failed;
    }
    let Some(threshold) = spec.fail_on else {
        return Verdict::Clean;
    };
    if report
        .findings
        .iter()
        .any(|finding| finding.severity >= threshold)
    {
        return Verdict::Findings;
    }
    let open = report.not_checked.iter().any(|entry| {
        entry.severity >= threshold
            && (entry.outcome == NoVerdict::Unknown || entry.reason.starts_with("not installed"))
    });
    if spec.strict && open {
        Verdict::Incomplete
    } else {
        Verdict::Clean
    }
}

/// One file that was read.
#[derive(Debug)]
pub(crate) struct SourceFile {
    /// Name as typed, or found below a directory that was typed.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) text: Vec<u8>,
}

/// Index and beginning of each document of a file, in file order.
type Starts = Rc<Vec<(u32, Position)>>;

/// Places of documents, by number of the file and index in it; `None` for what cannot be read.
type Spans = BTreeMap<(u32, u32), Option<Rc<SpanMap>>>;

/// The files of a run. Places are computed only for documents that have findings.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    files: Vec<SourceFile>,
    /// Where the documents of a file begin, by number of the file.
    starts: RefCell<BTreeMap<u32, Starts>>,
    spans: RefCell<Spans>,
}

/// Where a label stands.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    /// File name.
    pub(crate) file: &'a str,
    /// Text of the file.
    pub(crate) text: &'a [u8],
    /// The field, or the nearest field above it that exists.
    pub(crate) span: Span,
}

/// The document in which an object stands.
#[derive(Debug)]
pub(crate) struct SourceDocument<'a> {
    /// File name.
    pub(crate) file: &'a str,
    /// Text of the file.
    pub(crate) text: &'a [u8],
    /// Bytes of the file that hold the document, and perhaps the separator behind it.
    pub(crate) bytes: Range<usize>,
    /// Places of its fields, by offsets into the file.
    pub(crate) spans: Rc<SpanMap>,
    /// JSON pointer of the object in the document: empty, or its place in a list.
    pub(crate) prefix: String,
}

impl Sources {
    /// Takes the files; their order is that of `Snapshot::files`.
    pub(crate) fn new(files: Vec<SourceFile>) -> Self {
        Self {
            files,
            ..Self::default()
        }
    }

    /// Names of the files, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| &*file.name)
    }

    /// Where a label stands; `None` for objects of a cluster.
    pub(crate) fn place(&self, label: &Label) -> Option<Place<'_>> {
        let document = self.document(&label.object)?;
        let pointer = format!("{}{}", document.prefix, label.pointer);
        let span = document.spans.nearest(&pointer)?;
        Some(Place {
            file: document.file,
            text: document.text,
            span,
        })
    }

    /// The document in which an object stands; `None` for objects of a cluster.
    pub(crate) fn document(&self, object: &ObjectRef) -> Option<SourceDocument<'_>> {
        let Origin::File {
            file,
            document,
            item,
        } = object.origin
        else {
            return None;
        };
        let source = self.files.get(file as usize)?;
        let starts = self.starts(file, &source.text);
        // Documents are counted in file order.
        let at = starts
            .binary_search_by_key(&document, |(index, _)| *index)
            .ok()?;
        let start = starts[at].1;
        let end = starts
            .get(at + 1)
            .map_or(source.text.len(), |(_, next)| next.offset);
        let spans = self
            .spans
            .borrow_mut()
            .entry((file, document))
            .or_insert_with(|| manifest::spans_at(&source.text, start).map(Rc::new))
            .clone()?;
        Some(SourceDocument {
            file: &source.name,
            text: &source.text,
            bytes: start.offset..end,
            spans,
            prefix: item
                .map(|item| format!("/items/{item}"))
                .unwrap_or_default(),
        })
    }

    fn starts(&self, file: u32, text: &[u8]) -> Starts {
        let mut starts = self.starts.borrow_mut();
        let of_file = starts.entry(file).or_insert_with(|| {
            let mut starts = Vec::new();
            manifest::parse_each(text, &mut |document| {
                starts.push((document.index, document.start));
            });
            Rc::new(starts)
        });
        Rc::clone(of_file)
    }
}
