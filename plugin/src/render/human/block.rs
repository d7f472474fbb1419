//! One finding: for a file the source line with the field underlined, for a cluster the object; then evidence, consequences and the fix.

use std::collections::BTreeMap;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{
    AnnotationKind, Element, Group, Level, Origin as Head, Patch, Renderer, Snippet,
};
use netdoctor_engine::finding::{Finding, Fix, Label};
use netdoctor_engine::model::Origin;
use netdoctor_engine::rule::{Confidence, Severity};

use super::super::edit::{self, Edit};
use super::super::text::{columns, wrap};
use super::super::{Style, lines, view};
use super::excerpt::Excerpt;
use crate::outcome::{Outcome, Place};
use crate::terminal::{sanitize, sanitize_line};

/// Columns of source text that are shown where no terminal sets a limit: enough for every line but those of minified files.
const PIPE_WIDTH: usize = 200;

/// A diff repeats its lines whole; of longer ones (minified JSON) the patch says more.
const DIFF_WIDTH: usize = 160;

/// Fixes that are shown; a finding rarely has more.
const FIXES: usize = 3;

/// Renders blocks of one outcome.
pub(super) struct Blocks<'o, 'a> {
    outcome: &'o Outcome<'a>,
    index: &'o view::Index<'a>,
    style: Style,
    /// The block of each code that names its page.
    with_page: BTreeMap<&'static str, *const Finding>,
}

/// A place, with the words to put there and whether it is the main one.
struct Spot<'a> {
    place: Place<'a>,
    text: String,
    field: String,
    is_main: bool,
}

impl<'o, 'a> Blocks<'o, 'a> {
    pub(super) fn new(outcome: &'o Outcome<'a>, index: &'o view::Index<'a>, style: Style) -> Self {
        let mut with_page = BTreeMap::new();
        for finding in view::blocks(outcome) {
            with_page
                .entry(finding.rule.code)
                .or_insert(std::ptr::from_ref(finding));
        }
        Self {
            outcome,
            index,
            style,
            with_page,
        }
    }

    /// One block, without a line feed at its end.
    pub(super) fn render(&self, finding: &Finding) -> String {
        let level = match finding.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Info => Level::INFO,
        };
        let title_room = self
            .style
            .width
            .saturating_sub(columns(finding.severity.as_str()) + finding.rule.code.len() + 4);
        let title = level
            .primary_title(self.wrapped(&finding.message, title_room))
            .id(finding.rule.code);
        let (mut spots, elsewhere) = self.spots(finding);
        let gutter = gutter(&spots);
        let too_wide = self.too_wide(&mut spots, gutter);
        let mut main = Group::with_title(title);
        if spots.is_empty() {
            main = main.element(Head::path(self.object_line(finding)));
        }
        main = main.elements(self.pictures(spots));
        let facts = too_wide.into_iter().chain(self.facts(finding, &elsewhere));
        for (name, text) in facts {
            let room = self.style.width.saturating_sub(gutter + 5 + name.len());
            main = main.element(
                Level::NOTE
                    .with_name(Some(name))
                    .message(self.wrapped(&text, room)),
            );
        }
        let fixes = finding.fixes.iter().take(FIXES);
        let (mut diffs, mut texts) = (Vec::new(), Vec::new());
        for fix in fixes {
            match self.diff_of(fix) {
                Some(diff) => diffs.push(diff),
                None => texts.push(fix),
            }
        }
        let mut below = Vec::new();
        for fix in texts {
            if diffs.is_empty() {
                main = main.element(Level::HELP.message(self.fix_text(fix, gutter + 9)));
            } else {
                let text = self.fix_text(fix, 6);
                below.push(Group::with_title(Level::HELP.secondary_title(text)));
            }
        }
        if self.with_page.get(finding.rule.code) == Some(&std::ptr::from_ref(finding)) {
            let page = format!("kubectl netdoctor explain {}", finding.rule.code);
            main = main.element(Level::NOTE.with_name(Some("more")).message(page));
        }
        let groups: Vec<Group<'a>> = std::iter::once(main).chain(diffs).chain(below).collect();
        self.renderer().render(&groups)
    }

    fn renderer(&self) -> Renderer {
        let renderer = if self.style.color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let decor = if self.style.unicode {
            DecorStyle::Unicode
        } else {
            DecorStyle::Ascii
        };
        renderer.decor_style(decor).term_width(self.picture_width())
    }

    /// Columns that a picture may take.
    fn picture_width(&self) -> usize {
        if self.style.is_terminal {
            self.style.width
        } else {
            self.style.width.max(PIPE_WIDTH)
        }
    }

    /// Takes away the words that would not fit beside their underline; they become notes.
    fn too_wide(&self, spots: &mut [Spot<'_>], gutter: usize) -> Vec<(&'static str, String)> {
        let width = self.picture_width();
        let mut notes = Vec::new();
        for spot in spots {
            let span = spot.place.span;
            let underline = if span.start.line == span.end.line {
                span.end.column.saturating_sub(span.start.column).max(1)
            } else {
                1
            };
            let right = gutter + 3 + (span.start.column + underline) as usize;
            if !spot.text.is_empty() && right + columns(&spot.text) > width {
                let text = std::mem::take(&mut spot.text);
                let is_plain = spot.field.is_empty();
                notes.push((
                    "note",
                    if is_plain {
                        text
                    } else {
                        format!("{}: {text}", spot.field)
                    },
                ));
            }
        }
        notes
    }

    fn wrapped(&self, text: &str, room: usize) -> String {
        wrap(&self.style.line(text), room.max(20)).join("\n")
    }

    /// `deployment/web -n shop  spec.template.spec.dnsPolicy: what it shows`
    fn object_line(&self, finding: &Finding) -> String {
        let label = view::main_label(finding);
        let object = view::object(self.outcome, &label.object);
        let place = match view::field(&label.pointer) {
            field if field.is_empty() => object,
            field => format!("{object}  {field}"),
        };
        let line = if label.text.is_empty() {
            place
        } else {
            format!("{place}: {}", label.text)
        };
        self.wrapped(&line, self.style.width.saturating_sub(4))
            .replace('\n', "\n      ")
    }

    /// Labels that stand in files, and the others.
    fn spots<'f>(&self, finding: &'f Finding) -> (Vec<Spot<'a>>, Vec<&'f Label>) {
        let mut spots: Vec<Spot<'a>> = Vec::new();
        let mut elsewhere = Vec::new();
        if finding.labels.is_empty()
            && let Some(place) = view::main_place(self.outcome, finding)
        {
            spots.push(Spot {
                place,
                text: String::new(),
                field: String::new(),
                is_main: true,
            });
        }
        for (index, label) in finding.labels.iter().enumerate() {
            let text = self.style.line(&label.text);
            let Some(place) = self.outcome.sources.place(label) else {
                elsewhere.push(label);
                continue;
            };
            let is_known = |spot: &Spot<'_>| {
                spot.place.file == place.file
                    && spot.place.span == place.span
                    && (spot.text == text || text.is_empty())
            };
            if !spots.iter().any(is_known) {
                spots.push(Spot {
                    place,
                    text,
                    field: view::field(&label.pointer),
                    is_main: index == 0,
                });
            }
        }
        (spots, elsewhere)
    }

    /// One picture per file, that of the main place first.
    fn pictures(&self, spots: Vec<Spot<'a>>) -> Vec<Element<'a>> {
        let mut of_file: Vec<(&'a str, Vec<Spot<'a>>)> = Vec::new();
        for spot in spots {
            match of_file
                .iter_mut()
                .find(|(file, _)| *file == spot.place.file)
            {
                Some((_, spots)) => spots.push(spot),
                None => of_file.push((spot.place.file, vec![spot])),
            }
        }
        of_file
            .into_iter()
            .filter_map(|(file, spots)| self.picture(file, &spots))
            .collect()
    }

    fn picture(&self, file: &str, spots: &[Spot<'a>]) -> Option<Element<'a>> {
        let text = spots.first()?.place.text;
        let spans: Vec<_> = spots.iter().map(|spot| spot.place.span).collect();
        let excerpt = Excerpt::around(text, &spans)?;
        let annotations = spots.iter().map(|spot| {
            let kind = if spot.is_main {
                AnnotationKind::Primary
            } else {
                AnnotationKind::Context
            };
            let label = (!spot.text.is_empty()).then(|| spot.text.clone());
            kind.span(excerpt.underline(&spot.place.span)).label(label)
        });
        let annotations: Vec<_> = annotations.collect();
        let (line, source) = (excerpt.line, excerpt.text);
        let snippet = Snippet::source(source)
            .line_start(line)
            .path(self.style.line(lines::short_path(file)));
        Some(snippet.annotations(annotations).into())
    }

    /// Evidence, consequences and what is explained, each with the word before it.
    fn facts(&self, finding: &Finding, elsewhere: &[&Label]) -> Vec<(&'static str, String)> {
        let mut facts: Vec<(&'static str, String)> = Vec::new();
        // The main place of a live finding is the line below the title.
        let main = finding.labels.first();
        let others = elsewhere
            .iter()
            .filter(|label| !main.is_some_and(|main| std::ptr::eq(main, **label)));
        for label in others.filter(|label| !label.text.is_empty()) {
            let text = match view::field(&label.pointer) {
                field if label.object == finding.subject && !field.is_empty() => {
                    format!("{field}: {}", label.text)
                }
                _ => format!(
                    "{}: {}",
                    view::object(self.outcome, &label.object),
                    label.text
                ),
            };
            facts.push(("note", text));
        }
        facts.extend(finding.notes.iter().map(|note| ("note", note.clone())));
        if finding.confidence == Confidence::Hint {
            facts.push(("note", "this is a heuristic: it may be wrong".to_owned()));
        }
        for symptoms in view::explained(self.index, finding) {
            facts.push(("explains", self.symptoms(&symptoms)));
        }
        facts
    }

    fn symptoms(&self, symptoms: &view::Symptoms<'_>) -> String {
        let (code, number) = (symptoms.rule.code, symptoms.findings.len());
        if let [only] = symptoms.findings[..] {
            return format!("{} ({code})", only.message);
        }
        let objects = view::few_objects(self.outcome, symptoms.findings.iter().copied());
        let (summary, times) = (symptoms.rule.summary, self.style.times());
        format!("{summary} ({code} {times}{number}): {objects}")
    }

    /// A fix as a diff of the file, where that is exact.
    fn diff_of(&self, fix: &Fix) -> Option<Group<'a>> {
        let document = self.outcome.sources.document(fix.object.as_ref()?)?;
        let edits = edit::place(&document, &fix.patch)?;
        let picture = self.diff(document.file, document.text, edits)?;
        let title = format!("{}{}", fix.title, view::class_note(fix.class));
        let title = self.wrapped(&title, self.style.width.saturating_sub(6));
        Some(Group::with_title(Level::HELP.secondary_title(title)).element(picture))
    }

    /// A fix in words, with the command or the patch that does it.
    fn fix_text(&self, fix: &Fix, indent: usize) -> String {
        let title = format!("{}{}", fix.title, view::class_note(fix.class));
        let mut text = self.wrapped(&title, self.style.width.saturating_sub(indent));
        let is_file = fix
            .object
            .as_ref()
            .is_some_and(|object| object.origin != Origin::Live);
        let command = if is_file && fix.command.is_none() {
            (!fix.patch.0.is_empty()).then(|| view::patch_text(&fix.patch))
        } else {
            view::command(fix)
        };
        if let Some(command) = command {
            // On a line of its own and unbroken, so that it can be copied.
            text.push('\n');
            text.push_str(&sanitize_line(&command));
        }
        text
    }

    fn diff(&self, file: &str, text: &[u8], edits: Vec<Edit>) -> Option<Element<'a>> {
        // An insertion at the beginning of a line is shown below the line above.
        let start = edits.first()?.range.start;
        let is_insertion = edits.iter().all(|edit| edit.range.is_empty());
        let shown_from = if is_insertion {
            start.saturating_sub(1)
        } else {
            start
        };
        let excerpt = Excerpt::of_bytes(text, shown_from, edits.last()?.range.end)?;
        if excerpt.text.lines().any(|line| columns(line) > DIFF_WIDTH) {
            return None;
        }
        let patches: Vec<Patch<'a>> = edits
            .into_iter()
            .map(|edit| {
                let range = excerpt.at(edit.range.start)..excerpt.at(edit.range.end);
                Patch::new(range, sanitize(&edit.text).into_owned())
            })
            .collect();
        let (line, source) = (excerpt.line, excerpt.text);
        let snippet = Snippet::source(source)
            .line_start(line)
            .path(self.style.line(lines::short_path(file)));
        Some(snippet.patches(patches).into())
    }
}

/// Digits of the largest line number: everything is aligned with it.
fn gutter(spots: &[Spot<'_>]) -> usize {
    let last = spots.iter().map(|spot| spot.place.span.end.line).max();
    last.map_or(1, |line| line.to_string().len())
}
