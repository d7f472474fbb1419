//! What an installation would change of the one that is there, field by field: nobody's setting is undone without a word.

use std::collections::{BTreeMap, BTreeSet};

use netdoctor_manifests::names;
use serde_json::Value;

use super::super::object::{place, text};
use super::present::Present;
use super::steps::Run;
use crate::cluster::ApiError;

/// Texts are shown up to this length.
const LONGEST: usize = 80;

impl Run<'_> {
    /// One line for each field that would change: the object, the field, the value before and after.
    pub(super) async fn changes(
        &self,
        objects: &[Value],
        present: &Present,
    ) -> Result<Vec<String>, ApiError> {
        let mut lines = Vec::new();
        for object in objects {
            // The configuration changes only in the key that a flag names.
            let configures = text(object, "/metadata/name") == names::CONFIG_MAP;
            if configures || present.keeps(object, self.profile_named) {
                continue;
            }
            let place = place(object);
            match self.cluster.compare(&place.path, object).await {
                Ok(Some((before, after))) => {
                    let changed = differences(&before, &after);
                    lines.extend(changed.iter().map(|line| format!("{}: {line}", place.name)));
                }
                Err(error) if error.ends_the_run() => return Err(error),
                // What cannot be tried now stops the installation before anything is written, and says why.
                Ok(None) | Err(_) => {}
            }
        }
        Ok(lines)
    }
}

fn differences(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (fields(before), fields(after));
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let shown = |value: Option<&String>| match value.map(|value| short(value)) {
        Some(value) if !value.is_empty() => value,
        _ => "none".to_owned(),
    };
    paths
        .into_iter()
        .filter(|path| before.get(*path) != after.get(*path))
        // The version says nothing that the image does not.
        .filter(|path| !path.ends_with("app.kubernetes.io/version"))
        .map(|path| {
            let (old, new) = (shown(before.get(path)), shown(after.get(path)));
            format!("{path} {old} -> {new}")
        })
        .collect()
}

fn short(value: &str) -> String {
    let first = value.lines().next().unwrap_or_default();
    if first.len() == value.len() && value.chars().count() <= LONGEST {
        return value.to_owned();
    }
    let start: String = first.chars().take(LONGEST).collect();
    format!("{start} ...")
}

/// Every field of an object by its path.
fn fields(object: &Value) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    collect(String::new(), object, &mut fields);
    fields
}

fn collect(path: String, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(keys) if !keys.is_empty() => {
            let prefix = if path.is_empty() {
                path
            } else {
                format!("{path}.")
            };
            for (key, value) in keys {
                collect(format!("{prefix}{key}"), value, fields);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                if item["resources"].is_array() {
                    collect_rule(&path, item, fields);
                    continue;
                }
                if item["operator"].is_string() {
                    let (key, operator) = (text(item, "/key"), text(item, "/operator"));
                    let path = format!("{path}[{key} {operator}]");
                    add(fields, path, &list(&item["values"]));
                    continue;
                }
                let name = match text(item, "/name") {
                    "" => index.to_string(),
                    name => name.to_owned(),
                };
                collect(format!("{path}[{name}]"), item, fields);
            }
        }
        Value::Array(_) => add(fields, path, &list(value)),
        Value::String(text) => add(fields, path, text),
        other => add(fields, path, &other.to_string()),
    }
}

/// A rule of a webhook or of a role as one field per resource: their grouping means nothing.
fn collect_rule(path: &str, rule: &Value, fields: &mut BTreeMap<String, String>) {
    let texts = |key: &str| {
        let texts = rule[key].as_array().into_iter().flatten();
        texts.filter_map(Value::as_str).collect::<Vec<_>>()
    };
    let what = ["operations", "verbs"].map(|key| list(&rule[key])).concat();
    let versions = texts("apiVersions").join(",");
    for resource in texts("resources") {
        for group in texts("apiGroups") {
            let parts = [resource, &versions, group];
            let name: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            add(fields, format!("{path}[{}]", name.join(".")), &what);
        }
    }
}

fn add(fields: &mut BTreeMap<String, String>, path: String, value: &str) {
    let field = fields.entry(path).or_default();
    if !field.is_empty() {
        field.push_str(", ");
    }
    field.push_str(value);
}

/// Values in a row; an order is no difference.
fn list(value: &Value) -> String {
    let items = value.as_array().into_iter().flatten();
    let mut items: Vec<String> = items
        .map(|item| item.as_str().map_or(item.to_string(), str::to_owned))
        .collect();
    items.sort();
    items.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use netdoctor_manifests::{Component, FailurePolicy, Options, render};

    fn changed(before: &Options, after: &Options, kind: &str) -> Vec<String> {
        let first = |options: &Options| {
            let mut objects = render(options);
            objects.retain(|object| text(object, "/kind") == kind);
            objects.remove(0)
        };
        differences(&first(before), &first(after))
    }

    #[test]
    fn settings_that_go_are_named() {
        let before = Options {
            replicas: 3,
            failure_policy: FailurePolicy::Fail,
            custom_workloads: vec!["rollouts.v1alpha1.argoproj.io".parse().unwrap()],
            ..Options::default()
        };
        let after = Options::default();
        let webhook = changed(&before, &after, "ValidatingWebhookConfiguration");
        assert_eq!(
            webhook,
            [
                "webhooks[validate.netdoctor.io].failurePolicy Fail -> Ignore",
                "webhooks[validate.netdoctor.io].rules[rollouts.v1alpha1.argoproj.io] CREATE, UPDATE -> none",
            ]
        );
        let server = changed(&before, &after, "Deployment");
        assert!(
            server.contains(&"spec.replicas 3 -> 2".to_owned()),
            "{server:?}"
        );
    }

    #[test]
    fn components_show_in_what_they_edit() {
        let before = Options {
            components: [Component::Deletions].into(),
            ..Options::default()
        };
        let after = Options::default();
        let webhook = changed(&before, &after, "ValidatingWebhookConfiguration");
        let services = "webhooks[validate.netdoctor.io].rules[services.v1] CREATE, DELETE, UPDATE -> CREATE, UPDATE";
        assert!(webhook.contains(&services.to_owned()), "{webhook:?}");
    }

    #[test]
    fn an_installation_that_was_not_finished_is_widened() {
        let narrow = Options {
            only_namespace: Some("try".to_owned()),
            ..Options::default()
        };
        let kind = "ValidatingWebhookConfiguration";
        assert_eq!(
            changed(&narrow, &Options::default(), kind),
            [
                "webhooks[validate.netdoctor.io].namespaceSelector.matchExpressions[kubernetes.io/metadata.name In] \
                 try -> none"
            ]
        );
    }

    #[test]
    fn the_same_is_no_change() {
        for kind in ["Deployment", "ClusterRole", "NetworkPolicy"] {
            let options = Options::default();
            assert_eq!(changed(&options, &options, kind), Vec::<String>::new());
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!(short("one\ntwo"), "one ...");
        assert_eq!(short(&"x".repeat(90)), format!("{} ...", "x".repeat(80)));
        assert_eq!(short("x"), "x");
    }
}
