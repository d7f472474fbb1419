//! A fix as a line that can be pasted into the manifest: `in spec.template.spec: dnsPolicy: ClusterFirstWithHostNet`.

use json_patch::{Patch, PatchOperation};
use netdoctor_engine::{
    finding::{Finding, Fix},
    model::ObjectRef,
};
use serde_json::Value;

/// The patch of the first fix that changes this object.
pub(super) fn patch<'f>(finding: &'f Finding, object: &ObjectRef) -> Option<&'f Patch> {
    let changes = |fix: &&Fix| {
        !fix.patch.0.is_empty() && fix.object.as_ref().is_some_and(|of| of.same_object(object))
    };
    finding.fixes.first().filter(changes).map(|fix| &fix.patch)
}

/// The lines of a patch. `None` for a patch that is no addition or replacement, or that would hold something unprintable.
pub(super) fn of(patch: &Patch) -> Option<Vec<String>> {
    let edits = edits(patch)?;
    let lines: Vec<String> = edits.iter().map(|(path, edit)| line(path, edit)).collect();
    (!lines.is_empty() && lines.iter().all(|line| is_printable(line))).then_some(lines)
}

/// The same, none longer than `longest`: a value that is too long is given field by field.
pub(super) fn within(patch: &Patch, longest: usize) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    for (path, edit) in edits(patch)? {
        split(&path, edit, longest, &mut lines)?;
    }
    (!lines.is_empty() && lines.iter().all(|line| is_printable(line))).then_some(lines)
}

fn is_printable(line: &str) -> bool {
    line.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Puts the lines of an edit behind others. Only what is new can be taken apart: written over something, its fields one by
/// one would leave the others of that in place.
fn split(path: &[String], edit: Edit, longest: usize, lines: &mut Vec<String>) -> Option<()> {
    let text = line(path, &edit);
    if text.len() <= longest {
        lines.push(text);
        return Some(());
    }
    let fields: Vec<(String, Value)> = match edit {
        Edit::Add(_) if path.last().is_some_and(|last| last == "-") => return None,
        Edit::Add(Value::Object(fields)) => fields.into_iter().collect(),
        Edit::Add(Value::Array(items)) => {
            let items = items.into_iter().enumerate();
            items.map(|(at, item)| (at.to_string(), item)).collect()
        }
        Edit::Add(_) | Edit::Replace(_) | Edit::Remove => return None,
    };
    for (key, value) in fields {
        let mut inner = path.to_owned();
        inner.push(key);
        split(&inner, Edit::Add(value), longest, lines)?;
    }
    Some(())
}

/// What a patch changes, and where.
fn edits(patch: &Patch) -> Option<Vec<(Vec<String>, Edit)>> {
    let mut edits: Vec<(Vec<String>, Edit)> = Vec::new();
    for operation in &patch.0 {
        let (place, edit) = match operation {
            PatchOperation::Test(_) => continue,
            PatchOperation::Add(add) => (add.path.as_str(), Edit::Add(add.value.clone())),
            PatchOperation::Replace(replace) => {
                (replace.path.as_str(), Edit::Replace(replace.value.clone()))
            }
            PatchOperation::Remove(remove) => (remove.path.as_str(), Edit::Remove),
            PatchOperation::Move(_) | PatchOperation::Copy(_) => return None,
        };
        let place: Vec<String> = place
            .split('/')
            .skip(1)
            .map(netdoctor_engine::pointer::unescape)
            .collect();
        if place.is_empty() {
            return None;
        }
        // What is put into a value that was put a moment ago is part of it.
        let inside = edits.iter_mut().rev().find_map(|(outer, edit)| match edit {
            Edit::Add(value) | Edit::Replace(value) if place.starts_with(outer) => {
                Some((outer.len(), value))
            }
            _ => None,
        });
        match (inside, edit) {
            (Some((depth, value)), Edit::Add(inner) | Edit::Replace(inner)) => {
                put(value, &place[depth..], inner)?;
            }
            (Some(_), Edit::Remove) => return None,
            (None, edit) => edits.push((place, edit)),
        }
    }
    Some(edits)
}

enum Edit {
    Add(Value),
    Replace(Value),
    Remove,
}

fn put(mut into: &mut Value, path: &[String], inner: Value) -> Option<()> {
    let (last, way) = path.split_last()?;
    for token in way {
        into = into.get_mut(token)?;
    }
    into.as_object_mut()?.insert(last.clone(), inner);
    Some(())
}

fn line(path: &[String], edit: &Edit) -> String {
    // Never empty: an operation on the whole object gives no line.
    let (last, parent) = path
        .split_last()
        .map_or(("", path), |(last, way)| (last, way));
    let place = dotted(parent);
    let place = if place.is_empty() {
        "the object"
    } else {
        &*place
    };
    match edit {
        Edit::Remove => format!("in {place}: remove {last}"),
        Edit::Add(value) | Edit::Replace(value) if last == "-" => {
            format!("in {place}: add - {}", flow(value))
        }
        Edit::Add(value) | Edit::Replace(value)
            if last.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            format!("in {place}: item {last}: {}", flow(value))
        }
        Edit::Add(value) | Edit::Replace(value) => {
            format!("in {place}: {}: {}", plain(last), flow(value))
        }
    }
}

/// `spec.ports[0].targetPort`, as the API names fields.
pub(super) fn dotted<T: AsRef<str>>(path: &[T]) -> String {
    let mut text = String::new();
    for token in path {
        let token = token.as_ref();
        let index = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
        if index || token.contains(['.', '/', '[', ']', ' ']) {
            text.push_str(&format!("[{token}]"));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(token);
        }
    }
    text
}

/// A value as YAML on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{}: {}", plain(key), flow(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A text without quotes where YAML reads it as that text.
fn plain(text: &str) -> String {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/');
    let special = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    let starts = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphabetic());
    if starts && !special && text.bytes().all(word) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(patch: Value) -> Option<Vec<String>> {
        of(&serde_json::from_value(patch).unwrap())
    }

    #[test]
    fn one_field() {
        let patch = json!([
            {"op": "test", "path": "/spec/ports/0/name", "value": "web"},
            {"op": "add", "path": "/spec/ports/0/targetPort", "value": "http"},
        ]);
        assert_eq!(
            lines(patch).unwrap(),
            ["in spec.ports[0]: targetPort: http"]
        );
    }

    #[test]
    fn what_is_put_into_something_new_is_one_line() {
        let patch = json!([
            {"op": "add", "path": "/spec/affinity", "value": {}},
            {"op": "add", "path": "/spec/affinity/podAntiAffinity", "value": {"a": [{"b": "x/y", "c": "yes"}]}},
            {"op": "add", "path": "/spec/strategy", "value": {"type": "RollingUpdate", "n": 0}},
        ]);
        let expected = [
            "in spec: affinity: {podAntiAffinity: {a: [{b: x/y, c: \"yes\"}]}}",
            "in spec: strategy: {n: 0, type: RollingUpdate}",
        ];
        let found = lines(patch).unwrap();
        assert_eq!(found[0], expected[0]);
        assert!(found[1].contains("type: RollingUpdate"), "{}", found[1]);
    }

    #[test]
    fn lists_removals_and_odd_keys() {
        let patch = json!([
            {"op": "add", "path": "/spec/policyTypes/-", "value": "Egress"},
            {"op": "remove", "path": "/spec/egress"},
            {"op": "replace", "path": "/spec/selector/app.kubernetes.io~1name", "value": "80"},
        ]);
        assert_eq!(
            lines(patch).unwrap(),
            [
                "in spec.policyTypes: add - Egress",
                "in spec: remove egress",
                "in spec.selector: app.kubernetes.io/name: \"80\"",
            ]
        );
        assert_eq!(lines(json!([])), None);
        assert_eq!(lines(json!([{"op": "add", "path": "", "value": 1}])), None);
        assert_eq!(
            lines(json!([{"op": "add", "path": "/a", "value": "\u{e4}"}])),
            None
        );
        assert_eq!(
            lines(json!([{"op": "move", "from": "/a", "path": "/b"}])),
            None
        );
    }

    #[test]
    fn what_is_too_long_is_given_field_by_field() {
        let patch = |value: Value| -> Patch {
            serde_json::from_value(json!([
                {"op": "add", "path": "/spec/affinity", "value": {}},
                {"op": "add", "path": "/spec/affinity/terms", "value": value},
            ]))
            .unwrap()
        };
        let two = patch(json!([{"key": "a".repeat(30), "labels": {"b": "c".repeat(30)}}]));
        assert_eq!(within(&two, 200), of(&two), "there is room");
        assert_eq!(
            within(&two, 70).unwrap(),
            [
                format!("in spec.affinity.terms[0]: key: {}", "a".repeat(30)),
                format!(
                    "in spec.affinity.terms[0]: labels: {{b: {}}}",
                    "c".repeat(30)
                ),
            ]
        );
        // A word cannot be taken apart, nor what is put in the place of something else, nor an item at the end of a list.
        assert_eq!(within(&two, 50), None);
        for (op, path) in [("replace", "/spec/affinity"), ("add", "/spec/terms/-")] {
            let value = json!([{"op": op, "path": path, "value": {"a": "x".repeat(40), "b": "x".repeat(40)}}]);
            let patch: Patch = serde_json::from_value(value).unwrap();
            assert_eq!(within(&patch, 80), None, "{op} {path}");
            assert_eq!(within(&patch, 200), of(&patch));
        }
    }

    #[test]
    fn a_line_is_yaml() {
        let value =
            json!({"a": [1, true, null, "true", "1.5", "-", "x: y", ""], "b c": {"d": "e"}});
        let text = flow(&value);
        assert_eq!(
            serde_saphyr::from_str::<Value>(&text).unwrap(),
            value,
            "{text}"
        );
    }
}
