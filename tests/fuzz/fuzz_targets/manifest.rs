//! Any bytes can be read; what is read has places; and the fast path of the reader means what the complete parser means.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netdoctor_engine::manifest::{self, Position, SpanMap};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let parsed = manifest::parse(bytes);
    for problem in &parsed.problems {
        inside(bytes, problem.at);
    }
    for document in &parsed.documents {
        inside(bytes, document.start);
        let map = manifest::spans_at(bytes, document.start).expect("a document that was read has places");
        places(bytes, &map, &document.value, "");
    }

    // A carriage return in a comment, and the complete parser has to do it.
    let marked = [&b"\xEF\xBB\xBF"[..], b"\xFE\xFF", b"\xFF\xFE", b"---"];
    if bytes.contains(&0) || marked.iter().any(|mark| bytes.starts_with(mark)) {
        return;
    }
    let complete = manifest::parse(&[b"#\r\n", bytes].concat());
    let values = |parsed: &manifest::Parsed| -> Vec<(u32, Value)> {
        let documents = parsed.documents.iter();
        documents.map(|document| (document.index, document.value.clone())).collect()
    };
    assert_eq!(values(&parsed), values(&complete));
    assert_eq!(parsed.problems.len(), complete.problems.len());
});

fn inside(bytes: &[u8], position: Position) {
    assert!(position.offset <= bytes.len() && position.line > 0 && position.column > 0);
}

fn places(bytes: &[u8], map: &SpanMap, value: &Value, pointer: &str) {
    let span = map.value(pointer).expect("every field has a place");
    inside(bytes, span.start);
    inside(bytes, span.end);
    assert!(span.start.offset <= span.end.offset);
    assert!(map.nearest(pointer).is_some());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(bytes, map, item, &format!("{pointer}/{index}"));
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(bytes, map, field, &format!("{pointer}/{name}"));
            }
        }
        _ => {}
    }
}
