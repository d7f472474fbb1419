//! The few fields of a review that are needed before, or without, judging it: to answer one that is let through, and to
//! name it in the log.
//!
//! The API server writes these fields first, so reading stops before the objects, and the first bytes of a review that
//! is not kept in memory are enough.

use crate::admit::Operation;
use netdoctor_engine::model::Kind;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// Longer names are no names; they are cut for the log.
const LONGEST: usize = 256;

/// What the first bytes of a review say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Empty when there is none, or not among the bytes that were read.
    pub(super) uid: String,
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) operation: String,
}

impl Head {
    /// Reads as far as it can: bytes that are cut off or are no review give what was there until then.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut head = Self::default();
        let mut json = serde_json::Deserializer::from_slice(bytes);
        // The end, early or not, is always an error or uninteresting: what was found is in `head`.
        _ = Review(&mut head).deserialize(&mut json);
        head
    }

    /// The operation, when the API knows it.
    pub(super) fn operation(&self) -> Operation {
        match self.operation.as_str() {
            "CREATE" => Operation::Create,
            "UPDATE" => Operation::Update,
            "DELETE" => Operation::Delete,
            "CONNECT" => Operation::Connect,
            _ => Operation::Other,
        }
    }

    /// The kind, when rules know it.
    pub(super) fn known_kind(&self) -> Option<Kind> {
        let api_version = if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        };
        Kind::of(&api_version, &self.kind)
    }
}

struct Review<'h>(&'h mut Head);
struct Request<'h>(&'h mut Head);
struct GroupVersionKind<'h>(&'h mut Head);
struct Name<'h>(&'h mut String);

impl<'de> DeserializeSeed<'de> for Review<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Review<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a review")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "request" {
                map.next_value_seed(Request(&mut *self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Request<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Request<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "uid" => map.next_value_seed(Name(&mut self.0.uid))?,
                "namespace" => map.next_value_seed(Name(&mut self.0.namespace))?,
                "name" => map.next_value_seed(Name(&mut self.0.name))?,
                "operation" => map.next_value_seed(Name(&mut self.0.operation))?,
                "kind" => map.next_value_seed(GroupVersionKind(&mut *self.0))?,
                // What comes from here on is large, and nothing after it is wanted.
                "object" | "oldObject" if !self.0.uid.is_empty() => {
                    return Err(A::Error::custom("seen enough"));
                }
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for GroupVersionKind<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for GroupVersionKind<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("group, version and kind")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "group" => map.next_value_seed(Name(&mut self.0.group))?,
                "version" => map.next_value_seed(Name(&mut self.0.version))?,
                "kind" => map.next_value_seed(Name(&mut self.0.kind))?,
                _ => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        *self.0 = text.chars().take(LONGEST).collect();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As the API server writes it: Go keeps the order of the fields.
    const FROM_API_SERVER: &str = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{
        "uid":"705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind":{"group":"apps","version":"v1","kind":"Deployment"},
        "resource":{"group":"apps","version":"v1","resource":"deployments"},
        "requestKind":{"group":"apps","version":"v1","kind":"Deployment"},
        "name":"web","namespace":"shop","operation":"UPDATE","userInfo":{"username":"ann","groups":["a"]},
        "object":"#;

    #[test]
    fn reads_the_first_bytes_of_a_review() {
        let head = Head::read(FROM_API_SERVER.as_bytes());
        assert_eq!(head.uid, "705ab4f5-6393-11e8-b7cc-42010a800002");
        assert_eq!(head.namespace, "shop");
        assert_eq!(head.name, "web");
        assert_eq!(head.operation(), Operation::Update);
        assert_eq!(head.known_kind(), Some(Kind::Deployment));
    }

    #[test]
    fn finds_the_uid_behind_the_object_too() {
        let review = json!({"request": {"object": {"uid": "not this", "kind": "Pod"}, "a": [1], "uid": "this"}});
        assert_eq!(Head::read(review.to_string().as_bytes()).uid, "this");
        // Keys in the order of a map that sorts them.
        let sorted = json!({"apiVersion": "x", "kind": "y", "request": {"kind": {"kind": "Pod", "version": "v1", "group": ""},
            "name": "p", "object": {}, "uid": "u"}});
        let head = Head::read(sorted.to_string().as_bytes());
        assert_eq!(
            (head.uid.as_str(), head.known_kind()),
            ("u", Some(Kind::Pod))
        );
    }

    #[test]
    fn gives_what_there_is_of_anything_else() {
        for bytes in [
            &b""[..],
            b"[]",
            b"null",
            b"{\"request\":null}",
            b"{\"request\":{\"uid\":7}}",
            b"{\"request\":{\"kind\":\"Pod\",\"uid\":\"u\"}}",
            b"\xff\xfe",
            "[".repeat(100_000).as_bytes(),
        ] {
            assert_eq!(Head::read(bytes).uid, "", "{:?}", bytes.get(..20));
        }
        let cut = Head::read(br#"{"request":{"uid":"u","name":"a"#);
        assert_eq!((cut.uid.as_str(), cut.name.as_str()), ("u", ""));
        let long = json!({"request": {"uid": "é".repeat(10_000)}});
        let head = Head::read(long.to_string().as_bytes());
        assert_eq!(head.uid.chars().count(), LONGEST);
        assert_eq!(head.operation(), Operation::Other);
        assert_eq!(head.known_kind(), None);
    }
}
