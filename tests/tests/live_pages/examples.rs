//! The examples of rule pages as objects that a real API server can be given.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use netdoctor_engine::manifest;
use netdoctor_engine::rule::Rule;
use serde_json::Value;

/// Kind, namespace, name.
pub(crate) type Subject = (String, String, String);

/// One example.
pub(crate) struct Example {
    /// Its objects, a List unpacked.
    pub(crate) objects: Vec<Value>,
    /// The objects in which a line is marked as a finding of the rule.
    pub(crate) marked: BTreeSet<Subject>,
}

/// All examples below a heading of a rule's page.
pub(crate) fn of(rule: &Rule, heading: &str) -> Vec<Example> {
    let body = rule
        .page
        .split_once(&format!("## {heading}\n"))
        .map_or("", |(_, rest)| rest);
    let body = body.split("\n## ").next().unwrap_or_default();
    body.split("```yaml\n")
        .skip(1)
        .filter_map(|block| block.split("```").next())
        .map(|text| example(text, rule.code))
        .collect()
}

fn example(text: &str, code: &str) -> Example {
    let mut placed: Vec<(u32, Value)> = Vec::new();
    for document in manifest::parse(text.as_bytes()).documents {
        let spans = manifest::spans(text.as_bytes(), document.index).unwrap();
        let line = |pointer: &str| spans.value(pointer).unwrap().start.line;
        match document.value["items"].as_array() {
            Some(items) if document.value["kind"] == "List" => {
                let items = items.iter().enumerate();
                placed.extend(
                    items.map(|(index, item)| (line(&format!("/items/{index}")), item.clone())),
                );
            }
            _ => placed.push((line(""), document.value.clone())),
        }
    }
    let mark = format!(": {code}");
    let marked = (1..)
        .zip(text.lines())
        .filter(|(_, line)| line.contains("# ") && line.ends_with(&mark))
        .map(|(line, _)| {
            let above = placed.iter().rfind(|(start, _)| *start <= line);
            subject(&above.unwrap().1)
        })
        .collect();
    Example {
        objects: placed.into_iter().map(|(_, object)| object).collect(),
        marked,
    }
}

/// What an object is called.
pub(crate) fn subject(object: &Value) -> Subject {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    (
        text("/kind"),
        text("/metadata/namespace"),
        text("/metadata/name"),
    )
}

/// Moves every point of time, and takes out what only a server gives: uids. An owner without a uid is looked up by the
/// harness.
pub(crate) fn transplant(value: &mut Value, shift: SignedDuration) {
    match value {
        Value::String(text) if text.len() == 20 && text.ends_with('Z') => {
            if let Ok(time) = text.parse::<Timestamp>() {
                *text = (time + shift).to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| transplant(item, shift)),
        Value::Object(fields) => {
            fields.remove("uid");
            fields
                .values_mut()
                .for_each(|field| transplant(field, shift));
        }
        _ => {}
    }
}
