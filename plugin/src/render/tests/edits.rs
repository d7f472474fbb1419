//! Patches as edits of text.

use json_patch::Patch;
use netdoctor_engine::model::{Kind, ObjectRef, Origin};
use serde_json::json;

use super::super::edit;
use crate::outcome::{SourceFile, Sources};

/// The text after the patch of the object in the given document and item; `None` where there is no exact edit.
fn edited_at(
    text: &str,
    patch: serde_json::Value,
    document: u32,
    item: Option<u32>,
) -> Option<String> {
    let file = SourceFile {
        name: "x.yaml".into(),
        text: text.as_bytes().to_vec(),
    };
    let sources = Sources::new(vec![file]);
    let origin = Origin::File {
        file: 0,
        document,
        item,
    };
    let object = ObjectRef {
        origin,
        ..ObjectRef::wanted(Kind::Service, "shop", "web")
    };
    let patch: Patch = serde_json::from_value(patch).unwrap();
    let edits = edit::place(&sources.document(&object)?, &patch)?;
    let mut after = text.to_owned();
    for edit in edits.into_iter().rev() {
        after.replace_range(edit.range, &edit.text);
    }
    Some(after)
}

fn edited(text: &str, patch: serde_json::Value) -> Option<String> {
    edited_at(text, patch, 0, None)
}

fn replace(pointer: &str, value: impl Into<serde_json::Value>) -> serde_json::Value {
    json!([{"op": "replace", "path": pointer, "value": value.into()}])
}

fn add(pointer: &str, value: impl Into<serde_json::Value>) -> serde_json::Value {
    json!([{"op": "add", "path": pointer, "value": value.into()}])
}

fn remove(pointer: &str) -> serde_json::Value {
    json!([{"op": "remove", "path": pointer}])
}

#[test]
fn scalars_are_replaced_in_their_style() {
    for (before, value, after) in [
        ("a: htpp # note\n", json!("http"), "a: http # note\n"),
        ("a: 'htpp'\n", json!("http"), "a: 'http'\n"),
        ("a: \"htpp\"\n", json!("http"), "a: \"http\"\n"),
        ("{\"a\": \"htpp\"}", json!("http"), "{\"a\": \"http\"}"),
        ("a: x\n", json!("yes"), "a: \"yes\"\n"),
        ("a: 80\n", json!(8080), "a: 8080\n"),
        ("a: x\r\nb: y\r\n", json!("z"), "a: z\r\nb: y\r\n"),
    ] {
        assert_eq!(
            edited(before, replace("/a", value)).as_deref(),
            Some(after),
            "{before:?}"
        );
    }
}

#[test]
fn keys_are_added_where_they_stay_short() {
    let long = "spec:\n  hostNetwork: true # on purpose\n  containers:\n    - name: web\n";
    assert_eq!(
        edited(long, add("/spec/dnsPolicy", "Default")).unwrap(),
        "spec:\n  hostNetwork: true # on purpose\n  dnsPolicy: Default\n  containers:\n    - name: web\n"
    );
    assert_eq!(
        edited("a: {b: 1}\n", add("/a/c", "x")).unwrap(),
        "a: {b: 1, c: x}\n"
    );
    assert_eq!(edited("a: {}\n", add("/a/c", "x")).unwrap(), "a: {c: x}\n");
    assert_eq!(
        edited("a:\n  b: 1", add("/a/c", 2)).unwrap(),
        "a:\n  b: 1\n  c: 2"
    );
    assert_eq!(
        edited("{\n  \"a\": {\n    \"b\": 1\n  }\n}\n", add("/a/c", 2)).unwrap(),
        "{\n  \"a\": {\n    \"b\": 1,\n    \"c\": 2\n  }\n}\n"
    );
}

#[test]
fn items_are_added_and_removed() {
    let list = "egress:\n  - to: []\n  - ports:\n      - port: 53\nkind: x\n";
    assert_eq!(
        edited(
            list,
            add(
                "/egress/-",
                json!({"ports": [{"port": 53, "protocol": "UDP"}]})
            )
        )
        .unwrap(),
        "egress:\n  - to: []\n  - ports:\n      - port: 53\n  - ports:\n      - port: 53\n        protocol: UDP\nkind: x\n"
    );
    assert_eq!(
        edited(list, remove("/egress/0")).unwrap(),
        "egress:\n  - ports:\n      - port: 53\nkind: x\n"
    );
    assert_eq!(edited("a: [x, y]\n", remove("/a/0")).unwrap(), "a: [y]\n");
    assert_eq!(edited("a: [x, y]\n", remove("/a/1")).unwrap(), "a: [x]\n");
    assert_eq!(edited("a: [x]\n", add("/a/-", "z")).unwrap(), "a: [x, z]\n");
    assert_eq!(
        edited("a: 1\nb:\n  c: 2\nd: 3\n", remove("/b")).unwrap(),
        "a: 1\nd: 3\n"
    );
}

#[test]
fn only_the_document_and_item_that_is_meant_is_changed() {
    let two = "---\na: x\n---\na: x\n";
    assert_eq!(
        edited_at(two, replace("/a", "z"), 1, None).unwrap(),
        "---\na: x\n---\na: z\n"
    );
    let list = "apiVersion: v1\nkind: List\nitems:\n  - a: x\n  - a: x\n";
    assert_eq!(
        edited_at(list, replace("/a", "z"), 0, Some(1)).unwrap(),
        "apiVersion: v1\nkind: List\nitems:\n  - a: x\n  - a: z\n"
    );
}

#[test]
fn what_cannot_be_placed_exactly_is_not_placed() {
    // The anchored value is used twice, so changing its text would change both.
    assert_eq!(edited("a: &x 1\nb: *x\n", replace("/b", 2)), None);
    assert_eq!(
        edited("a: {b: 1}\n", replace("/a", json!({"c": [1]}))).as_deref(),
        None
    );
    // A failing test operation: the patch is stale.
    assert_eq!(
        edited(
            "a: 1\n",
            json!([{"op": "test", "path": "/a", "value": 2}, {"op": "replace", "path": "/a", "value": 3}])
        ),
        None
    );
    assert_eq!(edited("a: 1\n", json!([])), None);
}
