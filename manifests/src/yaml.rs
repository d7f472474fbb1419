//! Objects as text.

use serde_json::Value;

/// One object as YAML.
pub fn object(object: &Value) -> String {
    // Nothing in a JSON value is beyond YAML.
    serde_saphyr::to_string(object).unwrap_or_default()
}

/// Several objects as one stream of documents.
pub fn stream(objects: &[Value]) -> String {
    let documents: Vec<String> = objects.iter().map(self::object).collect();
    documents.join("---\n")
}
