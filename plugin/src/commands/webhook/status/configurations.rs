//! What sends requests to the webhook, or refuses them without one.

use netdoctor_manifests::names;
use serde_json::Value;

use super::super::object::{self, ADMISSION, OURS, named, number, text};
use super::unknown;
use crate::cluster::{ApiError, Cluster};
use crate::render::status::{Line, State};

/// The configurations and bindings of ours.
#[derive(Debug, Default)]
pub(super) struct Configurations {
    pub(super) validating: Option<Value>,
    pub(super) mutating: Option<Value>,
    bindings: Vec<Value>,
    /// What could not be read.
    gaps: Vec<Line>,
}

/// Reads them.
pub(super) async fn read(cluster: &Cluster) -> Result<Configurations, ApiError> {
    let mut found = Configurations::default();
    for (kind, name) in [
        ("ValidatingWebhookConfiguration", names::VALIDATING),
        ("MutatingWebhookConfiguration", names::MUTATING),
    ] {
        let place = object::of(ADMISSION, kind, "", name);
        match cluster.find(&place.path).await {
            Ok(object) if kind.starts_with('V') => found.validating = object,
            Ok(object) => found.mutating = object,
            Err(error) => {
                let right = format!("get {}", kind.to_ascii_lowercase());
                let line = unknown(error, "configuration", &place.name, &right)?;
                found.gaps.push(line);
            }
        }
    }
    let collection = object::of(ADMISSION, "ValidatingAdmissionPolicyBinding", "", "").collection;
    match cluster.find(&format!("{collection}?{OURS}")).await {
        Ok(list) => {
            let mut list = list.unwrap_or_default();
            if let Some(Value::Array(items)) = list.get_mut("items").map(Value::take) {
                found.bindings = items;
            }
        }
        Err(ApiError::Forbidden { .. }) => {}
        Err(error) => return Err(error),
    }
    Ok(found)
}

impl Configurations {
    pub(super) fn is_empty(&self) -> bool {
        self.validating.is_none()
            && self.mutating.is_none()
            && self.bindings.is_empty()
            && self.gaps.is_empty()
    }

    /// Whether anything is sent to a server.
    pub(super) fn has_webhook(&self) -> bool {
        self.validating.is_some() || self.mutating.is_some()
    }

    /// Whether policies judge as well.
    pub(super) fn has_both(&self) -> bool {
        self.has_webhook() && !self.bindings.is_empty()
    }

    pub(super) fn lines(&self, namespace: &str) -> Vec<Line> {
        let mut lines = self.gaps.clone();
        match &self.validating {
            Some(object) => lines.push(webhook("validating", object, namespace)),
            None if self.bindings.is_empty() && self.gaps.is_empty() => lines.push(Line::new(
                State::Wrong,
                "validating",
                "validating: disabled, no request is judged; kubectl netdoctor webhook install --apply brings it back",
            )),
            None => {}
        }
        if let Some(object) = &self.mutating {
            lines.push(webhook("mutating", object, namespace));
        }
        if !self.bindings.is_empty() {
            lines.push(policies(&self.bindings));
        }
        lines
    }
}

fn policies(bindings: &[Value]) -> Line {
    let denying = bindings.iter().filter(|binding| denies(binding)).count();
    let mut words = format!(
        "policies: {} bound, {denying} of them may refuse",
        bindings.len()
    );
    let only = bindings
        .iter()
        .find_map(|binding| named(binding.pointer("/spec/matchResources")?, "In"));
    let state = finished(only, &mut words);
    Line::new(state, "policies", words)
}

/// What still knows one namespace only was left by an installation that stopped.
fn finished(only: Option<Vec<&str>>, words: &mut String) -> State {
    let Some(only) = only else {
        return State::Good;
    };
    words.push_str(&format!(
        "; only namespace {}: the installation was not finished",
        only.join(", ")
    ));
    State::Warning
}

fn denies(binding: &Value) -> bool {
    let actions = binding["spec"]["validationActions"].as_array();
    actions.into_iter().flatten().any(|action| action == "Deny")
}

fn webhook(name: &'static str, object: &Value, namespace: &str) -> Line {
    let Some(webhook) = object.pointer("/webhooks/0") else {
        return Line::new(
            State::Wrong,
            name,
            format!("{name}: the configuration has no webhook"),
        );
    };
    let service = text(webhook, "/clientConfig/service/namespace");
    if service != namespace {
        return Line::new(
            State::Wrong,
            name,
            format!(
                "{name}: requests go to namespace {service}, not to {namespace} (-n {service} looks there)"
            ),
        );
    }
    let mut words = format!(
        "{name}: failurePolicy {}, timeout {}s, {} namespaces exempt",
        text(webhook, "/failurePolicy"),
        number(webhook, "/timeoutSeconds"),
        named(webhook, "NotIn").map_or(0, |names| names.len()),
    );
    let state = finished(named(webhook, "In"), &mut words);
    Line::new(state, name, words)
}

/// What namespaces say about themselves.
pub(super) async fn namespaces(
    cluster: &Cluster,
    found: &Configurations,
) -> Result<Vec<Line>, ApiError> {
    let list = match cluster.find("/api/v1/namespaces").await {
        Ok(list) => list.unwrap_or_default(),
        Err(error) => {
            let line = unknown(error, "namespaces", "namespaces", "list namespaces")?;
            return Ok(vec![line]);
        }
    };
    let with = |label: &str, value: &str| {
        let pointer = format!("/metadata/labels/{}", label.replace('/', "~1"));
        let items = list["items"].as_array();
        let names = items
            .into_iter()
            .flatten()
            .filter(|item| text(item, &pointer) == value)
            .map(|item| text(item, "/metadata/name").to_owned());
        names.collect::<Vec<String>>()
    };
    let mut lines = Vec::new();
    let out = with(names::ADMISSION_LABEL, "disabled");
    if !out.is_empty() {
        lines.push(Line::new(
            State::Warning,
            "namespaces",
            format!("opted out by label: {}", out.join(", ")),
        ));
    }
    let mutated = with(names::MUTATE_LABEL, "enabled");
    match (&found.mutating, mutated.is_empty()) {
        (Some(_), true) => lines.push(Line::new(
            State::Warning,
            "namespaces",
            format!(
                "mutating: not matching any namespace (label {}=enabled is unused)",
                names::MUTATE_LABEL
            ),
        )),
        (Some(_), false) => lines.push(Line::new(
            State::Good,
            "namespaces",
            format!("mutating: in {}", mutated.join(", ")),
        )),
        (None, _) => {}
    }
    for profile in ["advisory", "guarded", "strict"] {
        let named = with(names::PROFILE_LABEL, profile);
        if !named.is_empty() {
            lines.push(Line::new(
                State::Good,
                "namespaces",
                format!("profile {profile} by label: {}", named.join(", ")),
            ));
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use netdoctor_manifests::{Options, render};

    fn validating(options: &Options) -> Value {
        let mut objects = render(options);
        objects.retain(|object| text(object, "/metadata/name") == names::VALIDATING);
        objects.remove(0)
    }

    #[test]
    fn a_configuration_in_words() {
        let options = Options::default();
        let line = webhook("validating", &validating(&options), &options.namespace);
        assert_eq!(
            line.text,
            "validating: failurePolicy Ignore, timeout 2s, 4 namespaces exempt"
        );
        assert_eq!(line.state, State::Good);
        let elsewhere = webhook("validating", &validating(&options), "other");
        assert_eq!(elsewhere.state, State::Wrong);
    }

    #[test]
    fn an_unfinished_installation_shows() {
        let options = Options {
            only_namespace: Some("try".to_owned()),
            ..Options::default()
        };
        let line = webhook("validating", &validating(&options), &options.namespace);
        assert_eq!(line.state, State::Warning);
        assert!(line.text.contains("only namespace try"), "{}", line.text);
    }
}
