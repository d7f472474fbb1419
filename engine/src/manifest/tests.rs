//! What is read from whole files: splitting, encodings, problems with their positions, and the limits.

mod places;
mod properties;

use serde_json::{Value, json};

use super::*;

fn read(text: &str) -> Parsed {
    parse(text.as_bytes())
}

/// The only document of a file without problems.
fn value(text: &str) -> Value {
    let parsed = read(text);
    assert_eq!(parsed.problems, [], "{text:?}");
    let [document] = parsed
        .documents
        .try_into()
        .unwrap_or_else(|documents| panic!("{text:?}: {documents:?}"));
    document.value
}

fn values(parsed: &Parsed) -> Vec<(u32, &Value)> {
    parsed
        .documents
        .iter()
        .map(|document| (document.index, &document.value))
        .collect()
}

/// Kind, line, column and document of each problem.
fn problems(parsed: &Parsed) -> Vec<(ProblemKind, u32, u32, Option<u32>)> {
    let problems = parsed.problems.iter();
    problems
        .map(|problem| {
            (
                problem.kind,
                problem.at.line,
                problem.at.column,
                problem.document,
            )
        })
        .collect()
}

#[test]
fn block_style() {
    let text = "\
# a comment
apiVersion: v1
kind: Service # another
metadata:
  name: web
  labels: {app: web, \"tier\": 'front end', empty: {}}
  annotations:
    quoted: \"a \\\"b\\\" \\n\"

    url: http://web:80/#x
spec:
  clusterIP:
  ports:
  - port: 80
    targetPort: http
  -
    port: 0x50
  args: [-v, \"--x\", [1, 2]]
  nested:
    - - a
      - b
    - c: 1
      d: ~
  script: |
    one
      two

    # no comment
  last: |-
    end

";
    let expected = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "web",
            "labels": {"app": "web", "tier": "front end", "empty": {}},
            "annotations": {"quoted": "a \"b\" \n", "url": "http://web:80/#x"},
        },
        "spec": {
            "clusterIP": null,
            "ports": [{"port": 80, "targetPort": "http"}, {"port": 80}],
            "args": ["-v", "--x", [1, 2]],
            "nested": [["a", "b"], {"c": 1, "d": null}],
            "script": "one\n  two\n\n# no comment\n",
            "last": "end",
        },
    });
    assert!(block::read(text).is_some(), "the fast path takes this");
    assert_eq!(value(text), expected);
    assert_eq!(
        yaml::read(text, Position::default()).unwrap().value,
        expected
    );
    assert_eq!(value(&text.replace('\n', "\r\n")), expected);
    assert_eq!(value(&format!("\u{feff}{text}")), expected);
}

#[test]
fn less_common_yaml() {
    let table = [
        ("a: one\n  two\n\n  three\n", json!({"a": "one two\nthree"})),
        ("a: >-\n  one\n  two\n", json!({"a": "one two"})),
        ("a: |+\n  one\n\n", json!({"a": "one\n\n"})),
        ("a: |2\n    one\n", json!({"a": "  one\n"})),
        ("a: 'it''s'\n", json!({"a": "it's"})),
        ("a: \"\\x41\\u00e9\\U0001F600\"\n", json!({"a": "Aé😀"})),
        ("? a\n: b\n", json!({"a": "b"})),
        (
            "{a: [1, {b: c}],\n d: e}\n",
            json!({"a": [1, {"b": "c"}], "d": "e"}),
        ),
        ("[a: b, c]", json!([{"a": "b"}, "c"])),
        (
            "n: no\ny: 1\n0777: x\n",
            json!({"false": false, "true": 1, "511": "x"}),
        ),
        ("'n': 'no'\n", json!({"n": "no"})),
        (
            "a: !!str 1\nb: !!int \"2\"\nc: !custom 3\n",
            json!({"a": "1", "b": 2, "c": "3"}),
        ),
        ("é: ü # ß\n", json!({"é": "ü"})),
        ("--- # first\na: b\n...\n", json!({"a": "b"})),
        ("plain", json!("plain")),
        ("  a: 1\n  b: 2\n", json!({"a": 1, "b": 2})),
        ("a: b\tc\n", json!({"a": "b\tc"})),
        ("a:\tb\n", json!({"a": "b"})),
    ];
    for (text, expected) in table {
        assert_eq!(value(text), expected, "{text:?}");
    }
}

#[test]
fn anchors_and_merge_keys() {
    let table = [
        (
            "a: &x {b: 1}\nc: *x\n",
            json!({"a": {"b": 1}, "c": {"b": 1}}),
        ),
        (
            "a: &x 1\nb: *x\nc: &x 2\nd: *x\n",
            json!({"a": 1, "b": 1, "c": 2, "d": 2}),
        ),
        (
            "&k key: v\nx: *k\n*k : w\n",
            json!({"key": "w", "x": "key"}),
        ),
        ("&x 1: *x\n", json!({"1": 1})),
        ("a: &x 1e6\n*x : b\n", json!({"a": 1_000_000, "1e+06": "b"})),
        ("<<: {a: 1, b: 2}\na: 3\n", json!({"a": 3, "b": 2})),
        // Not what the merge key specification says, but what kubectl does.
        ("a: 3\n<<: {a: 1, b: 2}\n", json!({"a": 1, "b": 2})),
        ("<<: [{a: 1}, {a: 2, b: 2}]\n", json!({"a": 1, "b": 2})),
        (
            "x: &x {a: 1}\nw: &w {b: 2}\nz: {<<: [*x, *w], c: 3}\n",
            json!({"x": {"a": 1}, "w": {"b": 2}, "z": {"a": 1, "b": 2, "c": 3}}),
        ),
        ("'<<': {a: 1}\n", json!({"<<": {"a": 1}})),
        ("!!merge <<: {a: 1}\n", json!({"a": 1})),
        ("a: <<\n", json!({"a": "<<"})),
    ];
    for (text, expected) in table {
        let parsed = read(text);
        assert_eq!(
            values(&parsed),
            [(0, &expected)],
            "{text:?} {:?}",
            parsed.problems
        );
    }
}

#[test]
fn anchors_end_with_their_document() {
    let parsed = read("a: &x 1\n---\nb: *x\n");
    assert_eq!(values(&parsed), [(0, &json!({"a": 1}))]);
    assert_eq!(
        problems(&parsed),
        [(ProblemKind::UnknownAnchor, 3, 4, Some(1))]
    );
}

/// JSON in an annotation, as people paste it.
#[test]
fn quoted_text_that_is_indented_less_than_its_key() {
    let text = "spec:\n  config: '{\n\"a\": \"é\",\n\t\"b\": 1\n}' # end\n  other: [x]\n";
    assert_eq!(
        value(text),
        json!({"spec": {"config": "{ \"a\": \"é\", \"b\": 1 }", "other": ["x"]}})
    );
    let places = spans(text.as_bytes(), 0).unwrap();
    let other = places.value("/spec/other/0").unwrap();
    assert_eq!(&text[other.start.offset..other.end.offset], "x");
    assert_eq!((other.start.line, other.start.column), (6, 11));
    let config = places.value("/spec/config").unwrap();
    assert_eq!(
        &text[config.start.offset..config.end.offset],
        "'{\n\"a\": \"é\",\n\t\"b\": 1\n}'"
    );
    assert_eq!((config.end.line, config.end.column), (5, 3));
}

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
fn syntax_errors_have_a_position() {
    let table = [
        ("a:\n  b: 1\n c: 2\n", 3, 2),
        ("a: b: c\n", 1, 5),
        ("a:\n\tb: 1\n", 2, 2),
        ("\ta: 1\n", 1, 2),
        ("a: @b\n", 1, 4),
        ("a: 'b\n", 1, 4),
        ("a: {b\n", 1, 4),
        ("# é\na: \"é\" é\n", 2, 8),
        ("a: 1\n b: 2\n", 2, 3),
        ("%YAML 1.2\n---\na: 1\n", 2, 1),
    ];
    for (text, line, column) in table {
        let parsed = read(text);
        assert_eq!(
            problems(&parsed).first(),
            Some(&(ProblemKind::Syntax, line, column, Some(0))),
            "{text:?}"
        );
        assert!(!parsed.problems[0].message.is_empty());
    }
}

#[test]
fn yaml_that_json_cannot_hold() {
    for text in [
        "a: .inf\n",
        "a: -.INF\n",
        "a: .nan\n",
        "? [a]\n: b\n",
        "? {a: b}\n: c\n",
        "~: x\n",
        "a: !!int x\n",
        "18446744073709551615: x\n",
    ] {
        let parsed = read(text);
        assert_eq!(parsed.documents, [], "{text:?}");
        assert_eq!(
            problems(&parsed).first().map(|problem| problem.0),
            Some(ProblemKind::Unsupported),
            "{text:?}"
        );
    }
    for text in ["<<: 1\n", "<<: [1]\n", "a: &x [{}]\n<<: *x\n"] {
        assert_eq!(
            problems(&read(text)).first().map(|problem| problem.0),
            Some(ProblemKind::Syntax),
            "{text:?}"
        );
    }
}

#[test]
fn duplicate_keys() {
    let parsed = read("a:\n  b: 1\n  \"c/d\": 2\n  b: 3\n  c/d: 4\nl: [{x: 1, x: 2}]\n");
    assert_eq!(
        values(&parsed),
        [(0, &json!({"a": {"b": 3, "c/d": 4}, "l": [{"x": 2}]}))]
    );
    assert_eq!(
        problems(&parsed),
        [
            (ProblemKind::DuplicateKey, 4, 3, Some(0)),
            (ProblemKind::DuplicateKey, 5, 3, Some(0)),
            (ProblemKind::DuplicateKey, 6, 12, Some(0)),
        ]
    );
    let pointers: Vec<_> = parsed
        .problems
        .iter()
        .map(|problem| problem.pointer.as_deref().unwrap())
        .collect();
    assert_eq!(pointers, ["/a/b", "/a/c~1d", "/l/0/x"]);
    assert!(!parsed.problems[0].is_fatal());
    // 1 and "1", n and "false" are one key each; keys from a merge may be overwritten once.
    assert_eq!(read("1: a\n'1': b\nn: a\nfalse: b\n").problems.len(), 2);
    assert_eq!(read("<<: {a: 1}\na: 2\n").problems, []);
    assert_eq!(
        problems(&read("<<: {a: 1}\na: 2\na: 3\n")),
        [(ProblemKind::DuplicateKey, 3, 1, Some(0))]
    );
    assert_eq!(
        problems(&read("{\"a\": 1,\n \"b\": {\"é\": 1, \"\\u00e9\": 2}}")),
        [(ProblemKind::DuplicateKey, 2, 16, Some(0))]
    );
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
fn aliases_cannot_blow_up_a_document() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let refs = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
    }
    text.push_str("---\nb: 1\n");
    let parsed = read(&text);
    assert_eq!(values(&parsed), [(1, &json!({"b": 1}))]);
    assert_eq!(parsed.problems[0].kind, ProblemKind::TooManyAliases);
    assert!(spans(text.as_bytes(), 0).is_none());

    // Long text counts by its length, merge keys like aliases.
    let long = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        "*a, ".repeat(1000)
    );
    assert_eq!(read(&long).problems[0].kind, ProblemKind::TooManyAliases);
    let fields: String = (0..1000).map(|index| format!("k{index}: 1, ")).collect();
    let merged = format!("a: &a {{{fields}}}\nb: {{<<: [{}]}}\n", "*a, ".repeat(1000));
    assert_eq!(read(&merged).problems[0].kind, ProblemKind::TooManyAliases);
    // What people write is far from it.
    let usual = format!("a: &a {{b: [1, 2, 3]}}\nc: [{}]\n", "*a, ".repeat(1000));
    assert_eq!(read(&usual).problems, []);
}

#[test]
fn aliases_to_themselves() {
    for text in ["&a {b: *a}", "&a [*a]", "a: &x\n  b: *x\n"] {
        assert_eq!(
            problems(&read(text))[0].0,
            ProblemKind::UnknownAnchor,
            "{text:?}"
        );
    }
}

#[test]
fn depth_is_limited() {
    let nested = |depth: usize| {
        format!(
            "a: 1\n---\n{}{}\n---\nb: 2\n",
            "[".repeat(depth),
            "]".repeat(depth)
        )
    };
    assert_eq!(read(&nested(MAX_DEPTH)).problems, []);
    let json = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
    assert_eq!(read(&json(MAX_DEPTH)).problems, []);
    let block: String = (0..2000)
        .map(|depth| format!("{}a:\n", " ".repeat(depth)))
        .collect();
    let dashes = format!("{}x\n", "- ".repeat(2000));
    let flow = format!("a: {}", "{a: ".repeat(100_000));
    // Each level of anchors is shallow; together they are not.
    let chain: String = (0..100)
        .map(|level| format!("- &a{} [[[*a{level}]]]\n", level + 1))
        .collect();
    let chain = format!("- &a0 x\n{chain}");
    for text in [
        nested(MAX_DEPTH + 1),
        nested(100_000),
        json(MAX_DEPTH + 1),
        json(100_000),
        block,
        dashes,
        flow,
        chain,
    ] {
        let parsed = read(&text);
        assert_eq!(parsed.problems.len(), 1);
        assert_eq!(
            parsed.problems[0].kind,
            ProblemKind::TooDeep,
            "{}",
            &text[..20]
        );
    }
    assert_eq!(read(&nested(100_000)).documents.len(), 2);
}

#[test]
fn documents_are_handed_over_in_order() {
    let mut seen = Vec::new();
    let problems = parse_each(b"a: 1\n---\nb: [\n---\nc: 1\n", &mut |document| {
        seen.push(document.index)
    });
    assert_eq!((seen, problems.len()), (vec![0, 2], 1));
    let problems = parse_each(b"a: 1\n---\nb: {{c}}\n", &mut |document| {
        panic!("{document:?} is part of a template")
    });
    assert_eq!(problems.len(), 1);
}
