//! The answer: what a ruling says, in the words and within the limits of the API (webhook.md 3).
//!
//! | where | what |
//! |---|---|
//! | `status.message` | the first denial, one line of ASCII, at most 256 bytes |
//! | `status.details.causes` | every denial: field, message, code as the reason |
//! | `warnings` | everything else, and the line that fixes it; at most eight, then `+k more` |
//! | `auditAnnotations` | `rules`, `mode`, `patch` |

mod line;
mod text;

use crate::admit::{
    Decision, FailOpen, Outcome, Verdict,
    judge::{Ruling, Said},
    review::Review,
};
use base64::Engine as _;
use json_patch::Patch;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Warnings of one answer, besides the one that says how many more there are.
const MOST: usize = 8;
const MORE: &str = "more, run: kubectl netdoctor lint";
/// A patch longer than this is left out of the audit log.
const LONGEST_PATCH: usize = 8 << 10;
/// What a denial may take of `status.details`.
const LONGEST_CAUSE: usize = 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AdmissionReview<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
struct Status {
    #[serde(rename = "status")]
    outcome: &'static str,
    message: String,
    reason: &'static str,
    code: u16,
    details: Details,
}

#[derive(Serialize)]
struct Details {
    name: String,
    group: String,
    kind: String,
    causes: Vec<Cause>,
}

#[derive(Serialize)]
struct Cause {
    field: String,
    message: String,
    reason: String,
}

/// Puts a ruling into words.
pub(crate) fn decision(review: &Review<'_>, ruling: &Ruling) -> Decision {
    let of = |outcome: Outcome| ruling.said.iter().filter(move |s| s.outcome == outcome);
    let denied: Vec<&Said> = of(Outcome::Deny).collect();
    let verdict = match ruling.fail_open.keys().next() {
        _ if !denied.is_empty() => Verdict::Deny,
        _ if of(Outcome::Warn).next().is_some() => Verdict::Warn,
        Some(reason) => Verdict::FailOpen(*reason),
        None if !ruling.notes.is_empty() => Verdict::Warn,
        None => Verdict::Allow,
    };
    let response = Response {
        allowed: denied.is_empty(),
        status: status(review, &denied),
        warnings: warnings(ruling, &denied),
        audit_annotations: annotations(ruling),
        ..Response::default()
    };
    finish(review, verdict, ruling, response)
}

/// The answer of a request that is changed, or left as it is where the patch is empty.
pub(crate) fn patched(review: &Review<'_>, ruling: &Ruling, patch: &Patch) -> Decision {
    let changes = !patch.0.is_empty();
    let verdict = match ruling.fail_open.keys().next() {
        _ if changes => Verdict::Patch,
        Some(reason) => Verdict::FailOpen(*reason),
        None => Verdict::Allow,
    };
    let json = serde_json::to_vec(patch).unwrap_or_default();
    let encoded = || base64::engine::general_purpose::STANDARD.encode(&json);
    let mut audit_annotations = annotations(ruling);
    if changes && json.len() <= LONGEST_PATCH {
        audit_annotations.insert("patch", String::from_utf8_lossy(&json).into_owned());
    }
    let response = Response {
        allowed: true,
        patch_type: changes.then_some("JSONPatch"),
        patch: changes.then(encoded),
        warnings: warnings(ruling, &[]),
        audit_annotations,
        ..Response::default()
    };
    finish(review, verdict, ruling, response)
}

/// The answer to a request that was not judged at all.
pub(crate) fn let_through(uid: &str, reason: FailOpen) -> Decision {
    let response = Response {
        uid,
        allowed: true,
        warnings: vec![unjudged(reason, &BTreeSet::new())],
        ..Response::default()
    };
    Decision {
        body: body(response),
        verdict: Verdict::FailOpen(reason),
        fail_open: BTreeSet::from([reason]),
        ..Decision::default()
    }
}

fn finish(
    review: &Review<'_>,
    verdict: Verdict,
    ruling: &Ruling,
    response: Response<'_>,
) -> Decision {
    let response = Response {
        uid: &review.uid,
        ..response
    };
    Decision {
        body: body(response),
        verdict,
        operation: review.operation,
        kind: review.kind,
        dry_run: review.dry_run,
        rules: ruling.rules.iter().copied().collect(),
        fail_open: ruling.fail_open.keys().copied().collect(),
        deferred: ruling.deferred.clone(),
    }
}

fn body(response: Response<'_>) -> Vec<u8> {
    let review = AdmissionReview {
        api_version: "admission.k8s.io/v1",
        kind: "AdmissionReview",
        response,
    };
    // Texts and flags: nothing in it can fail to be written.
    serde_json::to_vec(&review).unwrap_or_default()
}

fn status(review: &Review<'_>, denied: &[&Said]) -> Option<Status> {
    let first = denied.first()?;
    let whole = text::sentence(first, lines_of(first).as_deref().and_then(only));
    let message = match denied.len() - 1 {
        0 => whole,
        more => {
            let more = format!(" (and {more} more)");
            text::cut(whole, text::LONGEST - more.len()) + &more
        }
    };
    let group = review
        .api_version
        .rsplit_once('/')
        .map_or("", |(group, _)| group);
    Some(Status {
        outcome: "Failure",
        message,
        reason: "Forbidden",
        code: 403,
        details: Details {
            name: text::ascii(&review.name),
            group: text::ascii(group),
            kind: text::ascii(&review.kind_name),
            causes: denied.iter().map(|said| cause(said)).collect(),
        },
    })
}

fn cause(said: &Said) -> Cause {
    let finding = &said.finding;
    let place = finding.labels.first().map_or("", |label| &*label.pointer);
    let tokens: Vec<String> = place
        .split('/')
        .skip(1)
        .map(netdoctor_engine::pointer::unescape)
        .collect();
    let mut message = text::ascii(&finding.message);
    if let Some(fix) = finding.fixes.first() {
        message.push_str(&format!(". Fix: {}", text::ascii(&fix.title)));
    }
    for line in lines_of(said).into_iter().flatten() {
        message.push_str(&format!("; {line}"));
    }
    Cause {
        field: text::ascii(&line::dotted(&tokens)),
        message: text::cut(message, LONGEST_CAUSE),
        reason: finding.rule.code.to_owned(),
    }
}

/// The lines that fix a finding in the object it is about.
fn lines_of(said: &Said) -> Option<Vec<String>> {
    let finding = &said.finding;
    line::of(line::patch(finding, &finding.subject)?)
}

fn only(lines: &[String]) -> Option<&str> {
    match lines {
        [only] => Some(only),
        _ => None,
    }
}

/// Everything that is no denial, what did not fit into the first denial, and the lines that fix either.
fn warnings(ruling: &Ruling, denied: &[&Said]) -> Vec<String> {
    let warned = ruling
        .said
        .iter()
        .filter(|said| said.outcome == Outcome::Warn);
    let mut texts: Vec<String> = Vec::new();
    let mut open: Vec<(usize, &Said)> = Vec::new();
    for (index, said) in denied.iter().copied().chain(warned).enumerate() {
        let lines = lines_of(said).unwrap_or_default();
        let line = only(&lines);
        let sentence = text::sentence(said, line);
        let is_message = index == 0 && !denied.is_empty();
        if !line.is_some_and(|line| text::holds(&sentence, line)) {
            open.push((texts.len() + usize::from(!is_message), said));
        }
        if !is_message {
            texts.push(sentence);
        }
    }
    let notes = ruling.notes.iter().map(|note| text::ascii(note));
    texts.extend(notes.map(|note| text::cut(note, text::LONGEST)));
    let unjudged = ruling.fail_open.iter();
    let unjudged: Vec<String> = unjudged
        .map(|(reason, codes)| self::unjudged(*reason, codes))
        .collect();
    // What was found comes first; the lines that fix it fill what is left.
    let room = MOST.saturating_sub(texts.len() + unjudged.len());
    for (after, fixes) in fixes(&open, room).into_iter().rev() {
        texts.splice(after..after, fixes);
    }
    limited(texts, unjudged)
}

/// The lines that fix findings, with the places where they belong, as far as there is room.
fn fixes(open: &[(usize, &Said)], mut room: usize) -> Vec<(usize, Vec<String>)> {
    let of = |(after, said): &(usize, &Said)| {
        let patch = line::patch(&said.finding, &said.finding.subject)?;
        let lines = text::fixes(&said.finding, patch, room);
        room -= lines.len();
        Some((*after, lines))
    };
    open.iter().filter_map(of).collect()
}

/// At most so many, those that must not be lost among them.
fn limited(mut texts: Vec<String>, kept: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.retain(|text| seen.insert(text.clone()));
    let room = MOST.saturating_sub(kept.len());
    let more = texts.len().saturating_sub(room);
    texts.truncate(room);
    texts.extend(kept);
    if more > 0 {
        texts.push(format!("+{more} {MORE}"));
    }
    texts
}

/// Says that something was let through, and why.
fn unjudged(reason: FailOpen, codes: &BTreeSet<&'static str>) -> String {
    let why = match reason {
        FailOpen::Panic => "an internal error",
        FailOpen::UnsyncedCache => "the cluster's objects have not all been read yet",
        FailOpen::StaleCache => "what is known of the cluster is out of date",
        FailOpen::UnknownKind => "an object of a kind or form that it does not know",
        FailOpen::Deadline => "no time left",
        FailOpen::Shed => "too much to judge at once",
    };
    let named: Vec<&str> = codes.iter().take(6).copied().collect();
    let more = codes.len().saturating_sub(named.len());
    let rules = match (named.is_empty(), more) {
        (true, _) => String::new(),
        (false, 0) => format!(" for {}", named.join(", ")),
        (false, more) => format!(" for {} and {more} more", named.join(", ")),
    };
    format!("not checked by netdoctor{rules}: {why}")
}

fn annotations(ruling: &Ruling) -> BTreeMap<&'static str, String> {
    let mut annotations = BTreeMap::new();
    let told: Vec<String> = ruling
        .said
        .iter()
        .map(|said| {
            let case = said
                .finding
                .case
                .map(|case| format!("/{case}"))
                .unwrap_or_default();
            format!("{}{case}={}", said.finding.rule.code, said.outcome.as_str())
        })
        .chain(
            ruling
                .rules
                .iter()
                .filter(|(_, outcome)| matches!(outcome, Outcome::Allowed | Outcome::Patch))
                .map(|(code, outcome)| format!("{code}={}", outcome.as_str())),
        )
        .collect();
    if told.is_empty() {
        return annotations;
    }
    let told: BTreeSet<String> = told.into_iter().collect();
    let told: Vec<String> = told.into_iter().collect();
    annotations.insert("rules", text::cut(told.join(" "), LONGEST_CAUSE));
    annotations.insert("mode", ruling.profile.as_str().to_owned());
    let heaviest = ruling.said.iter().rev().max_by_key(|said| said.outcome);
    let patch = heaviest.and_then(|said| line::patch(&said.finding, &said.finding.subject));
    if let Some(json) = patch.and_then(|patch| serde_json::to_string(patch).ok())
        && json.len() <= LONGEST_PATCH
    {
        annotations.insert("patch", json);
    }
    annotations
}

#[cfg(test)]
mod tests;
