//! Aliases and depth: small documents that would become huge values.

use serde_json::json;

use super::{problems, read, values};
use crate::manifest::{MAX_DEPTH, ProblemKind, spans};

fn lines(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).map(line).collect::<Vec<_>>().concat()
}

#[test]
fn aliases_cannot_blow_up_a_document() {
    let levels = lines(9, |level| {
        let nine = format!("*a{level}, ").repeat(9);
        format!("a{0}: &a{0} [{nine}]\n", level + 1)
    });
    let text = format!("a0: &a0 [x, x, x, x, x, x, x, x, x]\n{levels}---\nb: 1\n");
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
    let fields = lines(1000, |index| format!("k{index}: 1, "));
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
    let block = lines(2000, |depth| format!("{}a:\n", " ".repeat(depth)));
    let dashes = format!("{}x\n", "- ".repeat(2000));
    let flow = format!("a: {}", "{a: ".repeat(100_000));
    // Each level of anchors is shallow; together they are not.
    let chain = lines(100, |level| format!("- &a{} [[[*a{level}]]]\n", level + 1));
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
