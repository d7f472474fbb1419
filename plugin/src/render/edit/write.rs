//! Values as YAML or JSON text.

use netdoctor_engine::manifest;
use serde_json::Value;

/// A scalar in the style of the one that it replaces.
pub(super) fn scalar(value: &Value, written: &str, is_json: bool) -> Option<String> {
    let json = value.to_string();
    let Value::String(text) = value else {
        return Some(json);
    };
    if is_json || written.starts_with('"') {
        return Some(json);
    }
    if written.starts_with('\'') && !text.contains('\n') {
        return Some(format!("'{}'", text.replace('\'', "''")));
    }
    if written.starts_with(['|', '>', '&', '*', '!']) {
        return None;
    }
    Some(plain(text).unwrap_or(json))
}

/// Text without quotes, where it is read as the same text.
fn plain(text: &str) -> Option<String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-_./+".contains(c);
    if text.is_empty() || !text.chars().all(is_word) {
        return None;
    }
    let read = manifest::parse(format!("a: {text}\n").as_bytes());
    let value = read.documents.first()?.value.get("a")?;
    (value.as_str() == Some(text)).then(|| text.to_owned())
}

/// A value on one line.
pub(super) fn flow(value: &Value, is_json: bool) -> String {
    match value {
        _ if is_json => value.to_string(),
        Value::String(text) => plain(text).unwrap_or_else(|| value.to_string()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| flow(item, false)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| flow_entry(key, value, false))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        _ => value.to_string(),
    }
}

/// `key: value` on one line.
pub(super) fn flow_entry(key: &str, value: &Value, is_json: bool) -> String {
    let key = flow(&Value::String(key.to_owned()), is_json);
    format!("{key}: {}", flow(value, is_json))
}

/// `key: value` in block style; the lines are indented by `column`, the first one too.
pub(super) fn block_entry(key: &str, value: &Value, column: usize) -> Option<String> {
    let mut lines = Vec::new();
    entry(&mut lines, key, value)?;
    Some(indented(&lines, column))
}

/// `- item` in block style, indented by `column`.
pub(super) fn block_item(value: &Value, column: usize) -> Option<String> {
    let mut lines = Vec::new();
    item(&mut lines, value)?;
    Some(indented(&lines, column))
}

fn indented(lines: &[String], column: usize) -> String {
    let indent = " ".repeat(column);
    let lines: Vec<String> = lines.iter().map(|line| format!("{indent}{line}")).collect();
    lines.join("\n")
}

fn block(value: &Value) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                entry(&mut lines, key, value)?;
            }
        }
        Value::Array(items) => {
            for value in items {
                item(&mut lines, value)?;
            }
        }
        scalar => lines.push(flow(scalar, false)),
    }
    Some(lines)
}

fn is_flat(value: &Value) -> bool {
    match value {
        Value::Object(entries) => entries.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

fn entry(lines: &mut Vec<String>, key: &str, value: &Value) -> Option<()> {
    let name = flow(&Value::String(key.to_owned()), false);
    if is_flat(value) {
        lines.push(format!("{name}: {}", flow(value, false)));
        return Some(());
    }
    lines.push(format!("{name}:"));
    lines.extend(block(value)?.iter().map(|line| format!("  {line}")));
    Some(())
}

fn item(lines: &mut Vec<String>, value: &Value) -> Option<()> {
    for (number, line) in block(value)?.iter().enumerate() {
        lines.push(format!("{}{line}", if number == 0 { "- " } else { "  " }));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn scalars_keep_the_style() {
        assert_eq!(scalar(&json!("http"), "htpp", false).unwrap(), "http");
        assert_eq!(
            scalar(&json!("http"), "\"htpp\"", false).unwrap(),
            "\"http\""
        );
        assert_eq!(scalar(&json!("it's"), "'x'", false).unwrap(), "'it''s'");
        assert_eq!(scalar(&json!("yes"), "x", false).unwrap(), "\"yes\"");
        assert_eq!(scalar(&json!("8080"), "x", false).unwrap(), "\"8080\"");
        assert_eq!(scalar(&json!(8080), "80", false).unwrap(), "8080");
        assert_eq!(scalar(&json!("x"), "|\n  y", false), None);
    }

    #[test]
    fn blocks() {
        let value = json!([{"ports": [{"port": 53}], "to": []}]);
        assert_eq!(
            block_entry("egress", &value, 2).unwrap(),
            "  egress:\n    - ports:\n        - port: 53\n      to: []"
        );
    }
}
