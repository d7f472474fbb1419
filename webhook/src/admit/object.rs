//! The objects of a request, as rules see them.

use super::{Operation, review::Review};
use jiff::Timestamp;
use netdoctor_engine::model::{Kind, Origin, decode, decode::Any};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

/// Decodes the object of a request. `None` for a kind that no rule could judge, not even by its shape.
pub(crate) fn decoded(review: &Review<'_>, raw: &RawValue) -> Option<Any> {
    let mut any = match review.kind {
        Some(kind) => decode::from_slice(kind, raw.get().as_bytes()),
        None => by_shape(review, raw)?,
    };
    let named = Named::read(raw);
    let kind = any.kind();
    let meta = any.meta_mut();
    // The namespace of the request is where the object goes, whatever the object says.
    meta.namespace = if kind.namespaced() {
        review.namespace.as_str().into()
    } else {
        "".into()
    };
    if named.name.is_empty() {
        // `meta.name` holds the prefix then; no object can be called like this.
        let prefix = if review.name.is_empty() {
            format!("{}*", named.generate_name)
        } else {
            review.name.clone()
        };
        meta.name = prefix.into();
    }
    if review.operation == Operation::Create {
        // Set by the API server a moment ago: a new object is as old as none.
        meta.creation_timestamp = None;
    }
    Some(any)
}

/// Objects of other kinds count as workloads when they hold a pod template.
fn by_shape(review: &Review<'_>, raw: &RawValue) -> Option<Any> {
    let mut value: Value = serde_json::from_str(raw.get()).ok()?;
    if !value.is_object() {
        return None;
    }
    // The kind that was asked for, should the object be silent about it.
    value["apiVersion"] = review.api_version.as_str().into();
    value["kind"] = review.kind_name.as_str().into();
    decode::from_value(value, Origin::Live)
        .ok()
        .filter(|any| any.kind() == Kind::CustomWorkload)
}

/// The part of the metadata that names an object or says that it is on its way out.
#[derive(Default)]
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) generate_name: String,
    pub(crate) deleting: bool,
    pub(crate) mirror: bool,
    /// The kind of the owner that manages it.
    pub(crate) controller: Option<String>,
}

/// `kubectl` and controllers cannot change what the kubelet mirrors.
const MIRROR: &str = "kubernetes.io/config.mirror";

impl Named {
    /// Reads what there is; a field of another form is absent.
    pub(crate) fn read(raw: &RawValue) -> Self {
        #[derive(Deserialize, Default)]
        struct Object<'a> {
            #[serde(borrow, default)]
            metadata: Option<&'a RawValue>,
        }
        let object: Object<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
        let metadata: Value = object
            .metadata
            .and_then(|raw| serde_json::from_str(raw.get()).ok())
            .unwrap_or_default();
        let text = |key: &str| metadata[key].as_str().unwrap_or_default().to_owned();
        let owners = metadata["ownerReferences"].as_array();
        let controller = owners
            .into_iter()
            .flatten()
            .find(|owner| owner["controller"] == Value::Bool(true));
        Self {
            name: text("name"),
            generate_name: text("generateName"),
            deleting: !metadata["deletionTimestamp"].is_null(),
            mirror: !metadata["annotations"][MIRROR].is_null(),
            controller: controller
                .map(|owner| owner["kind"].as_str().unwrap_or_default().to_owned()),
        }
    }
}

/// Seconds between two instants, never negative.
pub(crate) fn seconds_between(earlier: Timestamp, later: Timestamp) -> i64 {
    (later.as_second() - earlier.as_second()).max(0)
}
