//! Pointers to places.

use crate::manifest::{Span, SpanMap, parse, spans, spans_at};

fn map(text: &str) -> SpanMap {
    spans(text.as_bytes(), 0).unwrap_or_else(|| panic!("{text}"))
}

fn slice(text: &str, span: Option<Span>) -> &str {
    let span = span.unwrap_or_else(|| panic!("{text}"));
    &text[span.start.offset..span.end.offset]
}

#[test]
fn keys_and_values() {
    let text = "\
metadata:
  name: \"web\"   # c
  labels: {a: 1, 'b~/c': [x, \"ü\", {d: e}]}
spec:
  ports:
  - port: 80
    name: http # x
  # between
  - {port: 81}

  empty:
  text: |
    one
    two

  folded: a b
    c
";
    let map = map(text);
    let table = [
        ("/metadata/name", Some("name"), "\"web\""),
        (
            "/metadata/labels",
            Some("labels"),
            "{a: 1, 'b~/c': [x, \"ü\", {d: e}]}",
        ),
        ("/metadata/labels/a", Some("a"), "1"),
        (
            "/metadata/labels/b~0~1c",
            Some("'b~/c'"),
            "[x, \"ü\", {d: e}]",
        ),
        ("/metadata/labels/b~0~1c/1", None, "\"ü\""),
        ("/metadata/labels/b~0~1c/2/d", Some("d"), "e"),
        (
            "/spec/ports",
            Some("ports"),
            "port: 80\n    name: http # x\n  # between\n  - {port: 81}",
        ),
        ("/spec/ports/0", None, "port: 80\n    name: http"),
        ("/spec/ports/0/name", Some("name"), "http"),
        ("/spec/ports/1/port", Some("port"), "81"),
        ("/spec/empty", Some("empty"), ""),
        ("/spec/text", Some("text"), "one\n    two"),
        ("/spec/folded", Some("folded"), "a b\n    c"),
    ];
    for (pointer, key, value) in table {
        assert_eq!(slice(text, map.value(pointer)), value, "{pointer}");
        assert_eq!(
            map.key(pointer).map(|span| slice(text, Some(span))),
            key,
            "{pointer}"
        );
    }
    for pointer in [
        "/spec/none",
        "/spec/ports/2",
        "/spec/ports/x",
        "/metadata/name/x",
        "spec/ports/9",
        "/spec/ports/-1",
    ] {
        assert_eq!(map.value(pointer), None, "{pointer}");
        assert_eq!(map.key(pointer), None, "{pointer}");
    }
    let behind_wide = map.value("/metadata/labels/b~0~1c/2").unwrap();
    assert_eq!((behind_wide.start.line, behind_wide.start.column), (3, 35));
}

#[test]
fn nearest() {
    let text =
        "spec:\n  ports:\n  - name: a\n    port: 80\n  - {port: 1}\n  clusterIP:\n  type: x\n";
    let map = map(text);
    let table = [
        ("/spec/type", "x"),
        ("/spec/clusterIP", "clusterIP"),
        ("/spec/selector", "spec"),
        ("/spec/selector/app", "spec"),
        ("/spec/ports", "ports"),
        ("/spec/ports/0", "name"),
        ("/spec/ports/0/targetPort", "name"),
        ("/spec/ports/1/targetPort", "{port: 1}"),
        ("/spec/ports/7", "ports"),
        ("/spec/type/deeper", "x"),
        ("/metadata/name", "spec"),
        ("", "spec"),
    ];
    for (pointer, expected) in table {
        assert_eq!(slice(text, map.nearest(pointer)), expected, "{pointer}");
    }
}

#[test]
fn behind_aliases_and_merge_keys() {
    let text = "\
base: &base
  port: 80
  name: a
copy: *base
over: {<<: *base, name: b}
list: {<<: [{port: 1}, {port: 2, x: 3}]}
late: {name: c, <<: *base}
";
    let map = map(text);
    let line = |pointer: &str| {
        (
            map.value(pointer).unwrap().start.line,
            slice(text, map.value(pointer)),
        )
    };
    assert_eq!(line("/copy/port"), (2, "80"));
    assert_eq!(slice(text, map.key("/copy")), "copy");
    assert_eq!(slice(text, map.value("/copy")), "port: 80\n  name: a");
    assert_eq!(line("/over/port"), (2, "80"));
    assert_eq!(line("/over/name"), (5, "b"));
    assert_eq!(line("/list/port"), (6, "1"));
    assert_eq!(line("/list/x"), (6, "3"));
    assert_eq!(line("/late/name"), (3, "a"));
}

#[test]
fn duplicate_keys_lead_to_the_last_value() {
    let text = "a: 1\nb: 2\na: 3\n";
    assert_eq!(slice(text, map(text).value("/a")), "3");
    assert_eq!(map(text).key("/a").unwrap().start.line, 3);
}

#[test]
fn json() {
    let text = "{\n  \"kind\": \"S\",\n\t\"é\\\"\\ud83d\\ude00\": [1.5e3, {\"x\\u002fy\": \"ü\\\\\" }, []],\"t\" :true}";
    let map = map(text);
    assert_eq!(slice(text, map.value("")), text);
    assert_eq!(slice(text, map.value("/kind")), "\"S\"");
    assert_eq!(slice(text, map.value("/é\"😀/0")), "1.5e3");
    assert_eq!(slice(text, map.key("/é\"😀")), "\"é\\\"\\ud83d\\ude00\"");
    assert_eq!(slice(text, map.value("/é\"😀/1/x~1y")), "\"ü\\\\\"");
    assert_eq!(slice(text, map.value("/é\"😀/2")), "[]");
    assert_eq!(slice(text, map.value("/t")), "true");
    let span = map.value("/t").unwrap();
    assert_eq!((span.start.line, span.start.column), (3, 60));
    assert_eq!(
        slice(text, map.nearest("/é\"😀/1/none")),
        "{\"x\\u002fy\": \"ü\\\\\" }"
    );
}

#[test]
fn every_document_of_a_file() {
    let text = "\u{feff}# head\n---\na: 1\n---\nb: [\n--- # c\n\n  c: 3\n  d: 4\n---\n{\"e\": 5} {\"f\": 6}\n---\n{g: 7}\n";
    let table = [
        (0, "/a", "1", 3),
        (1, "/b", "", 0),
        (2, "/c", "3", 8),
        (2, "/d", "4", 9),
        (3, "/e", "5", 11),
        (4, "/f", "6", 11),
        (5, "/g", "7", 13),
    ];
    for (document, pointer, value, line) in table {
        let Some(map) = spans(text.as_bytes(), document) else {
            assert_eq!(value, "", "{pointer}");
            continue;
        };
        let span = map.value(pointer);
        assert_eq!(
            (slice(text, span), span.unwrap().start.line),
            (value, line),
            "{pointer}"
        );
    }
    assert!(spans(text.as_bytes(), 6).is_none());
    for document in parse(text.as_bytes()).documents {
        assert!(
            spans_at(text.as_bytes(), document.start).is_some(),
            "{document:?}"
        );
    }
}
