//! The question: as much of an `AdmissionReview` as is read, with its objects still as text.
//!
//! Read by hand rather than into a generated type: what is not looked at may have any form, so that a later API server
//! cannot turn into a refusal, and the objects are neither copied nor nested deeper than they are read.

use super::{BadReview, Operation};
use netdoctor_engine::model::Kind;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// No review is longer: an old and a new object, each of at most what an API server takes.
pub const LONGEST: usize = 8 << 20;
/// A uid is 36 characters long.
const LONGEST_UID: usize = 1024;

/// A review that can be answered.
#[derive(Debug)]
pub(crate) struct Review<'a> {
    pub(crate) uid: String,
    pub(crate) operation: Operation,
    pub(crate) dry_run: bool,
    /// Group and version as `apiVersion` spells them, and kind.
    pub(crate) api_version: String,
    pub(crate) kind_name: String,
    /// The kind, when there is a view for it.
    pub(crate) kind: Option<Kind>,
    pub(crate) resource: Resource,
    pub(crate) sub_resource: String,
    /// Empty for cluster-scoped objects other than namespaces.
    pub(crate) namespace: String,
    /// Empty while a name is still to be made from `generateName`.
    pub(crate) name: String,
    pub(crate) user: User,
    pub(crate) object: Option<&'a RawValue>,
    pub(crate) old_object: Option<&'a RawValue>,
}

/// Who asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct User {
    pub(crate) username: String,
    pub(crate) groups: Vec<String>,
}

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Resource {
    pub(crate) group: String,
    pub(crate) resource: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GroupVersionKind {
    group: String,
    version: String,
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(borrow, default)]
    request: Option<&'a RawValue>,
}

impl<'a> Review<'a> {
    /// Reads a review.
    ///
    /// # Errors
    /// When it is none that could be answered.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, BadReview> {
        if bytes.len() > LONGEST {
            return Err(BadReview::TooLong(LONGEST));
        }
        let not_a_review = |error: &serde_json::Error| BadReview::NotAReview(told(error));
        let envelope: Envelope<'a> =
            serde_json::from_slice(bytes).map_err(|error| not_a_review(&error))?;
        if envelope.api_version != "admission.k8s.io/v1" || envelope.kind != "AdmissionReview" {
            return Err(BadReview::Version(short(&format!(
                "{} {}",
                envelope.api_version, envelope.kind
            ))));
        }
        let request = envelope.request.ok_or(BadReview::NoRequest)?;
        let fields: BTreeMap<String, &'a RawValue> =
            serde_json::from_str(request.get()).map_err(|error| not_a_review(&error))?;
        let uid: String = field(&fields, "uid");
        if uid.is_empty() || uid.len() > LONGEST_UID {
            return Err(BadReview::NoUid);
        }
        let GroupVersionKind {
            group,
            version,
            kind,
        } = field(&fields, "kind");
        let api_version = if group.is_empty() {
            version
        } else {
            format!("{group}/{version}")
        };
        let object = |key: &str| fields.get(key).copied().filter(|raw| raw.get() != "null");
        Ok(Self {
            uid,
            operation: match &*field::<String>(&fields, "operation") {
                "CREATE" => Operation::Create,
                "UPDATE" => Operation::Update,
                "DELETE" => Operation::Delete,
                "CONNECT" => Operation::Connect,
                _ => Operation::Other,
            },
            dry_run: field(&fields, "dryRun"),
            kind: Kind::of(&api_version, &kind),
            api_version,
            kind_name: kind,
            resource: field(&fields, "resource"),
            sub_resource: field(&fields, "subResource"),
            namespace: field(&fields, "namespace"),
            name: field(&fields, "name"),
            user: field(&fields, "userInfo"),
            object: object("object"),
            old_object: object("oldObject"),
        })
    }
}

/// A field, or nothing where it is absent, null or of a form that is not known.
fn field<T: DeserializeOwned + Default>(fields: &BTreeMap<String, &RawValue>, key: &str) -> T {
    let raw = fields.get(key);
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

/// What the JSON reader says never holds more of the input than a few bytes.
fn told(error: &serde_json::Error) -> String {
    short(&error.to_string())
}

fn short(text: &str) -> String {
    text.chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: &serde_json::Value) -> Result<String, BadReview> {
        Review::read(value.to_string().as_bytes()).map(|review| format!("{review:?}"))
    }

    fn review(request: &serde_json::Value) -> serde_json::Value {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    }

    #[test]
    fn what_cannot_be_answered_is_no_review() {
        let good = review(&json!({"uid": "u"}));
        assert!(read(&good).is_ok());
        let other = |key: &str, value: serde_json::Value| {
            let mut changed = good.clone();
            changed[key] = value;
            read(&changed).unwrap_err()
        };
        for version in ["admission.k8s.io/v1beta1", "v1", ""] {
            assert!(matches!(
                other("apiVersion", version.into()),
                BadReview::Version(_)
            ));
        }
        assert!(matches!(other("kind", "Pod".into()), BadReview::Version(_)));
        assert!(matches!(other("kind", 7.into()), BadReview::NotAReview(_)));
        assert_eq!(other("request", json!(null)), BadReview::NoRequest);
        assert!(matches!(
            other("request", json!([])),
            BadReview::NotAReview(_)
        ));
        for uid in [
            json!({}),
            json!({"uid": null}),
            json!({"uid": 7}),
            json!({"uid": ""}),
        ] {
            assert_eq!(other("request", uid), BadReview::NoUid);
        }
        let long = "x".repeat(LONGEST_UID + 1);
        assert_eq!(other("request", json!({"uid": long})), BadReview::NoUid);
    }

    #[test]
    fn bytes_of_any_kind() {
        let huge = vec![b' '; LONGEST + 1];
        assert_eq!(
            Review::read(&huge).unwrap_err(),
            BadReview::TooLong(LONGEST)
        );
        for bytes in [
            &b""[..],
            b"null",
            b"[]",
            b"{",
            b"\xff",
            b"\"\xc3\x28\"",
            b"1e999",
        ] {
            let error = Review::read(bytes).unwrap_err();
            assert!(error.to_string().len() < 200, "{error}");
        }
        // Depth costs neither stack nor an answer.
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!(
            r#"{{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "junk": {deep}, "request": {{"uid": "u", "junk": {deep}, "object": {deep}}}}}"#
        );
        let review = Review::read(text.as_bytes()).unwrap();
        assert_eq!(review.object.unwrap().get().len(), deep.len());
    }

    #[test]
    fn fields_of_another_form_are_absent() {
        let odd = review(&json!({
            "uid": "u", "operation": 7, "dryRun": "yes", "kind": ["Pod"], "resource": 1, "subResource": {},
            "namespace": null, "name": [], "userInfo": {"username": 1}, "object": null, "oldObject": 5,
        }));
        let text = odd.to_string();
        let review = Review::read(text.as_bytes()).unwrap();
        assert_eq!(
            (review.operation, review.dry_run),
            (Operation::Other, false)
        );
        assert_eq!(
            (review.kind, &*review.namespace, &*review.name),
            (None, "", "")
        );
        assert!(review.object.is_none() && review.old_object.is_some());
    }
}
