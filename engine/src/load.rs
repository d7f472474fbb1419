//! From documents of a file to objects of a snapshot: lists are taken apart, namespaces that a manifest leaves out are
//! filled in and remembered as such.

use crate::model::{
    Origin, Text,
    decode::{self, Any, Skipped},
};
use serde_json::Value;

/// Where documents come from and what they leave open.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Number of the file, from `Builder::file`; `None` for a saved state of a cluster.
    pub file: Option<u32>,
    /// Namespace of objects that name none.
    pub namespace: &'a str,
}

/// What became of the documents.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Objects that rules can read.
    pub objects: usize,
    /// Objects of kinds that no rule reads.
    pub unread: usize,
    /// Documents without `apiVersion` and `kind`.
    pub foreign: usize,
}

impl std::ops::AddAssign for Loaded {
    fn add_assign(&mut self, other: Self) {
        self.objects += other.objects;
        self.unread += other.unread;
        self.foreign += other.foreign;
    }
}

/// Decodes one document, an object or a list of objects, and hands the objects to `sink`.
pub fn document(place: Place<'_>, number: u32, value: Value, sink: &mut dyn FnMut(Any)) -> Loaded {
    let mut loaded = Loaded::default();
    if is_list(&value) {
        let Value::Object(mut list) = value else {
            return loaded;
        };
        let of = list_kind(&list);
        let Some(Value::Array(items)) = list.remove("items") else {
            return loaded;
        };
        for (item, mut value) in items.into_iter().enumerate() {
            inherit(&mut value, of.as_ref());
            let item = u32::try_from(item).ok();
            loaded += object(place, number, item, value, sink);
        }
        return loaded;
    }
    object(place, number, None, value, sink)
}

fn object(
    place: Place<'_>,
    document: u32,
    item: Option<u32>,
    value: Value,
    sink: &mut dyn FnMut(Any),
) -> Loaded {
    let origin = place.file.map_or(Origin::Live, |file| Origin::File {
        file,
        document,
        item,
    });
    let mut loaded = Loaded::default();
    match decode::from_value(value, origin) {
        Ok(mut any) => {
            if matches!(any, Any::Maker(_)) {
                loaded.unread += 1;
            } else {
                loaded.objects += 1;
            }
            let namespaced = any.kind().namespaced();
            let meta = any.meta_mut();
            if !namespaced {
                // The API server drops a namespace that does not belong there.
                meta.namespace = Text::default();
            } else if meta.namespace.is_empty() {
                meta.namespace = place.namespace.into();
                meta.namespace_implied = true;
            }
            sink(any);
        }
        Err(Skipped::UnreadKind) => loaded.unread += 1,
        Err(Skipped::NotAnObject) => loaded.foreign += 1,
    }
    loaded
}

/// `kind: List` and every typed list (`PodList`) with an `items` array.
fn is_list(value: &Value) -> bool {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    text("apiVersion").is_some()
        && text("kind").is_some_and(|kind| kind.ends_with("List"))
        && value.get("items").is_some_and(Value::is_array)
}

/// Items of a typed list may leave out what the list already says.
fn list_kind(list: &serde_json::Map<String, Value>) -> Option<(String, String)> {
    let kind = list
        .get("kind")?
        .as_str()?
        .strip_suffix("List")
        .filter(|kind| !kind.is_empty())?;
    Some((
        list.get("apiVersion")?.as_str()?.to_owned(),
        kind.to_owned(),
    ))
}

fn inherit(value: &mut Value, of: Option<&(String, String)>) {
    let (Value::Object(map), Some((api_version, kind))) = (value, of) else {
        return;
    };
    map.entry("apiVersion")
        .or_insert_with(|| api_version.clone().into());
    map.entry("kind").or_insert_with(|| kind.clone().into());
}
