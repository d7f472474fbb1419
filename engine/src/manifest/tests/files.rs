//! Whole files: splitting, JSON beside YAML, encodings, templates.

use serde_json::json;

use super::{problems, read, value, values};
use crate::manifest::{Parsed, Problem, ProblemKind, parse, parse_each};

#[test]
fn broken_documents_beside_good_ones() {
    let parsed =
        read("a: 1\n---\nb: [\n---\n# nothing\n---\nc: é: 1\n---\nd: 4\n---\n~\n---\ne: 5");
    let expected = [
        (0, &json!({"a": 1})),
        (3, &json!({"d": 4})),
        (5, &json!({"e": 5})),
    ];
    assert_eq!(values(&parsed), expected);
    let starts: Vec<_> = parsed
        .documents
        .iter()
        .map(|document| (document.start.line, document.start.offset))
        .collect();
    assert_eq!(starts, [(1, 0), (9, 45), (13, 60)]);
    assert_eq!(
        problems(&parsed),
        [
            (ProblemKind::Syntax, 3, 4, Some(1)),
            (ProblemKind::Syntax, 7, 5, Some(2)),
        ]
    );
    assert!(parsed.problems.iter().all(Problem::is_fatal));
}

#[test]
fn a_document_on_the_separator_line_is_refused_as_kubectl_does() {
    assert_eq!(
        problems(&read("---\n--- a: 1\n")),
        [(ProblemKind::Syntax, 2, 4, Some(0))]
    );
    let parsed = read("--- {a: 1}\n---\nb: 2\n----\nc: 3\n");
    assert_eq!(values(&parsed), [(1, &json!({"b": 2}))]);
    assert_eq!(
        problems(&parsed),
        [
            (ProblemKind::Syntax, 1, 4, Some(0)),
            (ProblemKind::Syntax, 4, 4, Some(2)),
        ]
    );
}

#[test]
fn text_behind_the_end_of_a_document_is_not_read() {
    let parsed = read("a: 1\n...\nb: 2\n---\nc: 3\n");
    assert_eq!(
        values(&parsed),
        [(0, &json!({"a": 1})), (1, &json!({"c": 3}))]
    );
    assert_eq!(problems(&parsed), [(ProblemKind::Ignored, 3, 1, Some(0))]);
    assert!(!parsed.problems[0].is_fatal());
}

#[test]
fn json_documents() {
    let expected = json!({"a": [1, 2.5, "x\u{1F600}", null, true], "b": {}});
    let text = r#"{"a": [1, 2.5, "x\ud83d\ude00", null, true], "b": {}}"#;
    assert_eq!(value(text), expected);
    assert_eq!(value(&format!("\u{feff} \t\r\n{text}\n")), expected);
    let parsed = read(&format!("{text}{{\"c\": 1}}\n{text}\n---\n{text}"));
    let other = json!({"c": 1});
    assert_eq!(
        values(&parsed),
        [(0, &expected), (1, &other), (2, &expected), (3, &expected)]
    );
    assert_eq!(parsed.documents[1].start.column, 54);
    assert_eq!(value("{a: b}"), json!({"a": "b"}), "flow style");
    assert_eq!(
        value("{\"a\": b, }"),
        json!({"a": "b"}),
        "flow style that looks like JSON"
    );
}

#[test]
fn broken_json_beside_good() {
    let parsed = read("{\"a\": 1}\n{\"b\": é}\n{\"c\": 3\n{\"d\": 4}\n  {\"e\": 5}\n");
    assert_eq!(
        values(&parsed),
        [
            (0, &json!({"a": 1})),
            (3, &json!({"d": 4})),
            (4, &json!({"e": 5}))
        ]
    );
    assert_eq!(
        problems(&parsed),
        [
            (ProblemKind::Syntax, 2, 7, Some(1)),
            (ProblemKind::Syntax, 4, 1, Some(2)),
        ]
    );
    assert_eq!(
        problems(&read("{\"a\": 1")),
        [(ProblemKind::Syntax, 1, 8, Some(0))]
    );
    assert_eq!(
        problems(&read("{\"a\": 1} x: 2")),
        [(ProblemKind::Syntax, 1, 10, Some(1))]
    );
}

#[test]
fn encodings() {
    let wide = |text: &str, bytes: fn(u16) -> [u8; 2]| {
        text.encode_utf16().flat_map(bytes).collect::<Vec<_>>()
    };
    for (text, bytes) in [
        (
            "\u{feff}kind: Pod\n",
            u16::to_le_bytes as fn(u16) -> [u8; 2],
        ),
        ("\u{feff}kind: Pod\n", u16::to_be_bytes),
        ("kind: Pod\n", u16::to_le_bytes),
        ("kind: Pod\n", u16::to_be_bytes),
    ] {
        let parsed = parse(&wide(text, bytes));
        assert_eq!(problems(&parsed), [(ProblemKind::Encoding, 1, 1, None)]);
        assert!(parsed.problems[0].message.contains("UTF-16"));
    }
    let parsed = parse(b"\x7fELF\x02\x01\x01\0\0\0\0\0\x03\0>\0");
    assert_eq!(problems(&parsed), [(ProblemKind::Encoding, 1, 8, None)]);
    assert!(parsed.problems[0].message.contains("binary"));

    let parsed = parse(b"a: 1\n---\nb: \xC3\xA9 \xE9\n---\nc: 3\n");
    assert_eq!(
        values(&parsed),
        [(0, &json!({"a": 1})), (2, &json!({"c": 3}))]
    );
    assert_eq!(problems(&parsed), [(ProblemKind::Encoding, 3, 6, Some(1))]);
}

#[test]
fn nothing_to_read() {
    for text in [
        "",
        "\n\n",
        "# only a comment",
        "---\n---\n# x\n---",
        "---",
        "...\n",
        "\u{feff}",
        "~\n",
        "null\n---\n",
        "  \r\n\t\n",
    ] {
        assert_eq!(read(text), Parsed::default(), "{text:?}");
    }
}

#[test]
fn templates_are_skipped_as_a_whole() {
    let chart = "a: 1\n---\n{{- if .Values.x }}\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}\n{{- end }}\n";
    let parsed = read(chart);
    assert_eq!(parsed.documents, []);
    assert_eq!(problems(&parsed), [(ProblemKind::Template, 3, 3, None)]);
    assert!(!parsed.problems[0].is_fatal());
    assert_eq!(
        problems(&read("name: {{ .Values.name }}\n")),
        [(ProblemKind::Template, 1, 8, None)]
    );
    let other = read("data: '{{ x }}'\n---\na: [\n");
    assert_eq!(other.documents.len(), 1);
    assert_eq!(
        problems(&other),
        [(ProblemKind::Syntax, 3, 4, Some(1))],
        "broken for another reason"
    );
    assert_eq!(
        value("data: {x: '{{ .Values.y }}'}\n"),
        json!({"data": {"x": "{{ .Values.y }}"}}),
        "YAML all the same"
    );
    assert_eq!(
        value("data:\n  x: |\n    {{ range . }}\n"),
        json!({"data": {"x": "{{ range . }}\n"}})
    );
}

#[test]
fn documents_are_handed_over_in_order() {
    let mut seen = Vec::new();
    let problems = parse_each(b"a: 1\n---\nb: [\n---\nc: 1\n", &mut |document| {
        seen.push(document.index);
    });
    assert_eq!((seen, problems.len()), (vec![0, 2], 1));
    let problems = parse_each(b"a: 1\n---\nb: {{c}}\n", &mut |document| {
        panic!("{document:?} is part of a template")
    });
    assert_eq!(problems.len(), 1);
}
