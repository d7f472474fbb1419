//! Which places of an object a request changes.
//!
//! Both objects come from the same API server, so equal parts are equal text and only what differs is looked into.

use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};

/// Places, as far as it is worth counting them.
const MOST: usize = 256;
/// Far deeper than any field that a rule reads.
const DEEPEST: usize = 32;

/// The places that differ.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// JSON pointers, each to the topmost value that differs as a whole.
    At(Vec<String>),
    /// Too many, or there is nothing to compare with.
    Everything,
}

impl Changed {
    /// What tells the two objects apart.
    pub(crate) fn between(old: Option<&RawValue>, new: Option<&RawValue>) -> Self {
        let (Some(old), Some(new)) = (old, new) else {
            return Self::Everything;
        };
        let mut places = Vec::new();
        walk(old, new, String::new(), 0, &mut places);
        if places.len() > MOST || places.iter().any(String::is_empty) {
            Self::Everything
        } else {
            Self::At(places)
        }
    }

    /// Whether any place that differs fits.
    pub(crate) fn any(&self, fits: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::At(places) => places.iter().any(|place| fits(place)),
            Self::Everything => true,
        }
    }
}

fn walk(old: &RawValue, new: &RawValue, at: String, depth: usize, places: &mut Vec<String>) {
    if old.get() == new.get() || places.len() > MOST {
        return;
    }
    if depth < DEEPEST {
        if let (Some(old), Some(new)) = (fields(old), fields(new)) {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let place = netdoctor_engine::pointer::join(&at, key);
                match (old.get(key), new.get(key)) {
                    (Some(old), Some(new)) => walk(old, new, place, depth + 1, places),
                    _ => places.push(place),
                }
            }
            return;
        }
        if let (Some(old), Some(new)) = (items(old), items(new))
            && old.len() == new.len()
        {
            for (index, (old, new)) in old.into_iter().zip(new).enumerate() {
                walk(old, new, format!("{at}/{index}"), depth + 1, places);
            }
            return;
        }
    }
    places.push(at);
}

fn fields(raw: &RawValue) -> Option<BTreeMap<String, &RawValue>> {
    let map = raw.get().starts_with('{');
    map.then(|| serde_json::from_str(raw.get()).ok())?
}

fn items(raw: &RawValue) -> Option<Vec<&RawValue>> {
    let list = raw.get().starts_with('[');
    list.then(|| serde_json::from_str(raw.get()).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{json, value::to_raw_value};

    fn between(old: &serde_json::Value, new: &serde_json::Value) -> Changed {
        let (old, new) = (to_raw_value(old).unwrap(), to_raw_value(new).unwrap());
        Changed::between(Some(&old), Some(&new))
    }

    fn places(old: &serde_json::Value, new: &serde_json::Value) -> Vec<String> {
        match between(old, new) {
            Changed::At(places) => places,
            Changed::Everything => vec!["everything".to_owned()],
        }
    }

    #[test]
    fn only_what_differs() {
        let old = json!({"a": 1, "b": {"c": [1, {"d": 2}]}, "e": null});
        assert_eq!(places(&old, &old), [""; 0]);
        let mut new = old.clone();
        new["b"]["c"][1]["d"] = json!({"x": 1});
        new["f/g"] = json!(1);
        assert_eq!(places(&old, &new), ["/b/c/1/d", "/f~1g"]);
        assert_eq!(places(&new, &old), ["/b/c/1/d", "/f~1g"]);
        // A list of another length differs as a whole.
        assert_eq!(
            places(&old, &json!({"a": 1, "b": {"c": [1]}, "e": null})),
            ["/b/c"]
        );
        assert_eq!(places(&json!(1), &json!({})), ["everything"]);
    }

    #[test]
    fn too_much_is_everything() {
        let object = |value: u32| -> serde_json::Value {
            (0..1_000)
                .map(|key| (key.to_string(), json!(value)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        assert_eq!(between(&object(1), &object(2)), Changed::Everything);
        let mut deep = (json!(1), json!(2));
        for _ in 0..100 {
            deep = (json!({"a": deep.0}), json!({"a": deep.1}));
        }
        assert_eq!(places(&deep.0, &deep.1), ["/a".repeat(DEEPEST)]);
        assert_eq!(Changed::between(None, None), Changed::Everything);
    }
}
