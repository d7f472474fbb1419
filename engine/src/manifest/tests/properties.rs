//! What holds for any input.

use proptest::prelude::*;
use serde_json::Value;

use crate::manifest::{Position, SpanMap, block, parse, spans_at, yaml};

/// Pieces that YAML is made of, in an order that YAML need not be made of.
fn soup(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(pieces), 0..40).prop_map(|pieces| pieces.concat())
}

const PIECES: &[&str] = &[
    "a",
    "b",
    "key",
    ": ",
    ":",
    ":\n",
    "\n",
    "\n  ",
    "\n    ",
    "  ",
    " ",
    "- ",
    "-",
    "\n- ",
    "\n  - ",
    "'",
    "\"",
    "[",
    "]",
    "{",
    "}",
    ", ",
    ",",
    " # c",
    "#",
    "|",
    "|-\n  ",
    ">",
    "&x ",
    "*x",
    "<<: ",
    "\n---\n",
    "...",
    "é",
    "\t",
    "\r\n",
    "null",
    "1",
    "0x1",
    "yes",
    "\\",
    "\\n",
    "!!str ",
    "? ",
    "%",
    "@",
    "a: 1\n",
    "b:\n  c: d\n",
    "{{",
    "~",
    "1.5",
    "a: |\n  x\n",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "'a': ",
    "\"b\": ",
];

/// The same without what changes the meaning of a scalar from outside or takes its text apart.
const TAME: &[&str] = &[
    "a",
    "b",
    "key",
    ": ",
    ":\n",
    "\n",
    "\n  ",
    "\n    ",
    " ",
    "- ",
    "\n- ",
    "\n  - ",
    "'x'",
    "\"y\\\"\"",
    "[",
    "]",
    "{",
    "}",
    ", ",
    " # c",
    "&x ",
    "*x",
    "<<: ",
    "é",
    "\r\n",
    "1",
    "yes",
    "a: 1\n",
    "b:\n  c: d\n",
    "b:\n  - c: d\n    é: [1, {f: g}]\n",
    "\n---\n",
    "~",
    "'it''s'",
    "\"\u{1F600}\": ",
];

fn pointers(value: &Value, pointer: &str, found: &mut Vec<(String, Value)>) {
    found.push((pointer.to_owned(), value.clone()));
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers(item, &format!("{pointer}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                pointers(
                    field,
                    &format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        _ => {}
    }
}

/// Every position, counted by hand.
fn agrees(text: &str, position: Position) -> Result<(), TestCaseError> {
    let before = text.get(..position.offset);
    prop_assert!(
        before.is_some(),
        "{position:?} is inside a character or behind the end of {text:?}"
    );
    let before = before.unwrap_or_default().trim_start_matches('\u{feff}');
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    prop_assert_eq!(
        (position.line as usize, position.column as usize),
        (line, column),
        "{:?} in {:?}",
        position,
        text
    );
    Ok(())
}

/// Every field has a place; the place of a scalar holds that scalar.
fn placed(text: &str, map: &SpanMap, value: &Value) -> Result<(), TestCaseError> {
    let mut all = Vec::new();
    pointers(value, "", &mut all);
    for (pointer, value) in all {
        let span = map.value(&pointer);
        prop_assert!(span.is_some(), "{pointer} of {text:?}");
        let span = span.unwrap_or_default();
        agrees(text, span.start)?;
        agrees(text, span.end)?;
        for span in [map.key(&pointer), map.nearest(&pointer)]
            .into_iter()
            .flatten()
        {
            agrees(text, span.start)?;
            agrees(text, span.end)?;
        }
        if value.is_array() || value.is_object() {
            continue;
        }
        let source = &text[span.start.offset..span.end.offset];
        let again = parse(source.as_bytes())
            .documents
            .pop()
            .map_or(Value::Null, |document| document.value);
        prop_assert_eq!(
            &again,
            &value,
            "{} is at {:?} in {:?}",
            pointer,
            source,
            text
        );
    }
    Ok(())
}

fn json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i16>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        "[ -~éü\u{1F600}\n]{0,12}".prop_map(Value::from),
    ];
    scalar.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z./~\"é-]{1,8}", inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Writes a value in block style; scalars are in quotes, which JSON's are to YAML as well.
fn write(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (index, (name, field)) in fields.iter().enumerate() {
                if index > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                text.extend([Value::from(name.as_str()).to_string().as_str(), ":"]);
                nested(field, indent, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(&" ".repeat(indent));
                }
                text.push_str("- ");
                write(item, indent + 2, text);
            }
        }
        scalar => text.extend([scalar.to_string().as_str(), "  # comment\n"]),
    }
}

fn nested(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            text.extend(["\n\n", " ".repeat(indent + 3).as_str()]);
            write(value, indent + 3, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.extend([" # items\n", " ".repeat(indent).as_str()]);
            write(value, indent, text);
        }
        _ => {
            text.push(' ');
            write(value, indent, text);
        }
    }
}

/// Whole floats become integers in YAML, as they do in kubectl.
fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the strategy stays in the range of i16"
            )]
            Some(float) if number.is_f64() && float.fract() == 0.0 => Value::from(float as i64),
            _ => Value::Number(number),
        },
        Value::Array(items) => items.into_iter().map(whole).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, field)| (name, whole(field)))
                .collect(),
        ),
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for document in parse(&bytes).documents {
            spans_at(&bytes, document.start);
        }
    }

    #[test]
    fn text_never_panics(text in soup(PIECES)) {
        let parsed = parse(text.as_bytes());
        for document in &parsed.documents {
            prop_assert!(!document.value.is_null());
            let map = spans_at(text.as_bytes(), document.start);
            prop_assert!(map.is_some(), "{document:?} of {text:?}");
            let mut all = Vec::new();
            pointers(&document.value, "", &mut all);
            for (pointer, _) in all {
                let found = map.as_ref().and_then(|map| map.value(&pointer));
                prop_assert!(found.is_some(), "{pointer} of {text:?}");
            }
        }
        prop_assert!(parsed.documents.is_sorted_by(|a, b| a.index < b.index && a.start < b.start));
    }

    /// The fast path and the complete parser agree on everything that the fast path takes.
    #[test]
    fn the_fast_path_agrees(text in soup(PIECES)) {
        if let Some(content) = block::read(&text) {
            let full = yaml::read(&text, Position::default());
            prop_assert!(full.is_ok(), "{text:?}: {full:?}");
            let full = full.unwrap();
            prop_assert_eq!((content.value, content.duplicates), (full.value, full.duplicates), "{:?}", text);
        }
    }

    #[test]
    fn places_hold_their_scalars(text in soup(TAME)) {
        let parsed = parse(text.as_bytes());
        for document in &parsed.documents {
            agrees(&text, document.start)?;
            let map = spans_at(text.as_bytes(), document.start);
            prop_assert!(map.is_some(), "{text:?}");
            placed(&text, &map.unwrap(), &document.value)?;
        }
        for problem in &parsed.problems {
            agrees(&text, problem.at)?;
        }
    }

    #[test]
    fn json_is_read_and_placed(value in json(), pretty in any::<bool>()) {
        let value = serde_json::json!({"x": value});
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let parsed = parse(text.as_bytes());
        prop_assert_eq!(&parsed.documents[0].value, &value);
        let map = spans_at(text.as_bytes(), parsed.documents[0].start).unwrap();
        let mut all = Vec::new();
        pointers(&value, "", &mut all);
        for (pointer, value) in all {
            let span = map.value(&pointer).unwrap();
            agrees(&text, span.start)?;
            agrees(&text, span.end)?;
            prop_assert_eq!(serde_json::from_str::<Value>(&text[span.start.offset..span.end.offset]).unwrap(), value);
        }
    }

    #[test]
    fn block_style_is_read_and_placed(value in json()) {
        let value = whole(serde_json::json!({"x": value}));
        let mut text = String::new();
        write(&value, 0, &mut text);
        let fast = block::read(&text);
        prop_assert!(fast.is_some(), "the fast path leaves {text}");
        prop_assert_eq!(&fast.unwrap().value, &value);
        let parsed = parse(text.as_bytes());
        prop_assert_eq!(&parsed.documents[0].value, &value);
        placed(&text, &spans_at(text.as_bytes(), parsed.documents[0].start).unwrap(), &value)?;
    }
}
