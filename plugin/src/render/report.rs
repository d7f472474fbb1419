//! The report as a document: `-o json`, `-o yaml`. `docs/schema/checkreport-v1alpha1.json` describes it.

mod document;

use std::fmt::Write as _; // writing to a String cannot fail
use std::io;

use netdoctor_engine::finding::{Finding, Fix, Label};
use netdoctor_engine::model::{ObjectRef, Origin};
use netdoctor_engine::report::{NotChecked, Suppressed};
use netdoctor_engine::rule::Severity;
use serde::Serialize;

use super::view;
use crate::outcome::{InputProblem, Mode, Outcome};
use crate::terminal::acts_on_the_terminal;
use document::{
    Checks, Document, FindingView, FixView, LabelView, Metadata, NotCheckedView, Object,
    ProblemView, Region, Spec, Status, Summary, SuppressedView, Tool,
};

/// The document as JSON.
pub(super) fn json(outcome: &Outcome<'_>) -> io::Result<String> {
    harmless_json(&build(outcome))
}

/// Pretty JSON in which everything that would act on a terminal is escaped; as JSON it says the same.
pub(super) fn harmless_json(document: &impl Serialize) -> io::Result<String> {
    let text = serde_json::to_string_pretty(document)?;
    let mut safe = String::with_capacity(text.len() + 1);
    // What acts on a terminal is within the basic plane, and outside of strings pretty JSON holds only line feeds of that sort.
    for c in text.chars() {
        if must_escape(c) {
            _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe.push('\n');
    Ok(safe)
}

/// The document as YAML. Where a string would act on a terminal the JSON form is printed, which is YAML too and shows it escaped.
pub(super) fn yaml(outcome: &Outcome<'_>) -> io::Result<String> {
    let document = build(outcome);
    let text = serde_saphyr::to_string(&document).map_err(io::Error::other)?;
    if text.chars().any(must_escape) {
        return harmless_json(&document);
    }
    Ok(text)
}

/// What acts on a terminal, and what YAML and XML cannot hold.
fn must_escape(c: char) -> bool {
    c != '\n' && acts_on_the_terminal(c) || matches!(c, '\u{fffe}' | '\u{ffff}')
}

fn build<'o>(outcome: &'o Outcome<'_>) -> Document<'o> {
    let report = outcome.report;
    Document {
        api_version: "netdoctor.io/v1alpha1",
        kind: "CheckReport",
        schema_version: view::SCHEMA_VERSION,
        metadata: Metadata {
            now: report.now.to_string(),
        },
        tool: Tool {
            name: "kubectl-netdoctor",
            version: env!("CARGO_PKG_VERSION"),
        },
        spec: spec(outcome),
        summary: summary(outcome),
        status: Status {
            verdict: outcome.verdict.as_str(),
            exit_code: outcome.verdict.exit_code(),
        },
        findings: outcome
            .shown()
            .map(|shown| finding(outcome, shown))
            .collect(),
        not_checked: report.not_checked.iter().map(not_checked).collect(),
        suppressed: report.suppressed.iter().map(suppressed).collect(),
        problems: outcome.problems.iter().map(problem).collect(),
        warnings: &report.warnings,
        notes: &outcome.notes,
    }
}

fn spec<'o>(outcome: &'o Outcome<'_>) -> Spec<'o> {
    let spec = &outcome.spec;
    Spec {
        command: match spec.mode {
            Mode::Check => "check",
            Mode::Lint => "lint",
        },
        context: spec.context.as_deref(),
        namespace: spec.namespace.as_deref(),
        selector: spec.selector.as_deref(),
        targets: &spec.targets,
        inputs: &spec.inputs,
        fail_on: spec.fail_on.map_or("never", Severity::as_str),
        min_severity: spec.min_severity.as_str(),
        strict: spec.strict,
        demo: spec.demo.as_deref(),
    }
}

fn summary(outcome: &Outcome<'_>) -> Summary {
    let report = outcome.report;
    let blocks = view::blocks(outcome);
    let of = |severity| {
        blocks
            .iter()
            .filter(|finding| finding.severity == severity)
            .count()
    };
    let shown = outcome.shown().count();
    let checks = view::checks(report.rules.iter());
    Summary {
        errors: of(Severity::Error),
        warnings: of(Severity::Warning),
        infos: of(Severity::Info),
        explained: shown - blocks.len(),
        suppressed: report.suppressed.len(),
        hidden: report.findings.len() - shown,
        objects: report.objects,
        checks: Checks {
            total: report.rules.len(),
            passed: checks.passed,
            violated: checks.failed,
            unknown: checks.unknown,
            skipped: checks.skipped,
            not_applicable: checks.idle,
        },
    }
}

fn finding<'o>(outcome: &'o Outcome<'_>, finding: &'o Finding) -> FindingView<'o> {
    FindingView {
        code: finding.rule.code,
        name: finding.rule.name,
        case: finding.case,
        severity: finding.severity.as_str(),
        confidence: finding.confidence.as_str(),
        subject: object(&finding.subject),
        message: &finding.message,
        notes: &finding.notes,
        labels: finding
            .labels
            .iter()
            .map(|shown| label(outcome, shown))
            .collect(),
        fixes: finding.fixes.iter().map(fix).collect(),
        explains: &finding.explains,
        explained_by: finding.explained_by.as_deref(),
        fingerprint: &finding.fingerprint,
    }
}

fn object(reference: &ObjectRef) -> Object<'_> {
    Object {
        api_version: &reference.api_version,
        kind: &reference.kind,
        namespace: &reference.namespace,
        name: &reference.name,
    }
}

fn label<'o>(outcome: &'o Outcome<'_>, label: &'o Label) -> LabelView<'o> {
    let place = outcome.sources.place(label);
    LabelView {
        object: object(&label.object),
        file: place.as_ref().map(|place| place.file),
        region: place.as_ref().map(|place| Region {
            line: place.span.start.line,
            column: place.span.start.column,
            end_line: place.span.end.line,
            end_column: place.span.end.column,
        }),
        pointer: &label.pointer,
        text: &label.text,
    }
}

fn fix(fix: &Fix) -> FixView<'_> {
    // For an object of a file, kubectl patch would change something else: what the cluster holds.
    let is_live = fix
        .object
        .as_ref()
        .is_some_and(|object| object.origin == Origin::Live);
    FixView {
        class: fix.class.as_str(),
        title: &fix.title,
        object: fix.object.as_ref().map(object),
        command: if is_live {
            view::command(fix)
        } else {
            fix.command.clone()
        },
        patch: (!fix.patch.0.is_empty()).then_some(&fix.patch),
    }
}

fn not_checked(entry: &NotChecked) -> NotCheckedView<'_> {
    NotCheckedView {
        code: entry.code,
        outcome: entry.outcome.as_str(),
        reason: &entry.reason,
        subject: entry.subject.as_ref().map(object),
        count: entry.count,
    }
}

fn suppressed(entry: &Suppressed) -> SuppressedView<'_> {
    let finding = &entry.finding;
    SuppressedView {
        code: finding.rule.code,
        case: finding.case,
        severity: finding.severity.as_str(),
        subject: object(&finding.subject),
        message: &finding.message,
        by: entry.by,
        reason: entry.reason.as_deref(),
        until: entry.until.as_deref(),
        fingerprint: &finding.fingerprint,
    }
}

fn problem(problem: &InputProblem) -> ProblemView<'_> {
    ProblemView {
        file: &problem.file,
        line: problem.line,
        column: problem.column,
        message: &problem.message,
        fatal: problem.fatal,
    }
}
