//! What is read from documents, and the positions of what is wrong in them.

mod files;
mod limits;
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
        ("a: !!binary aGk=\n", json!({"a": "hi"})),
        ("a: !!str\nb: !!null ''\n", json!({"a": "", "b": null})),
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
        "a: !!binary é\n",
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
