//! Label selectors: the map form of Services and the full form of everything else.
//!
//! The two empty forms differ. An empty Service selector selects nothing (there is none), an empty `LabelSelector`
//! selects everything, and an *absent* one selects nothing (`k8s.io/apimachinery/pkg/apis/meta/v1`,
//! `LabelSelectorAsSelector`).

mod parse;

pub use parse::parse;

use crate::model::{Labels, Text};
use serde::Deserialize;

/// A `LabelSelector`: all pairs and all requirements must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Pairs that must be there.
    pub match_labels: Labels,
    /// Further requirements.
    pub match_expressions: Vec<Requirement>,
}

impl LabelSelector {
    /// Whether it demands nothing and so selects everything.
    pub fn is_empty(&self) -> bool {
        self.match_labels.is_empty() && self.match_expressions.is_empty()
    }

    /// Whether a label set satisfies it. `None` when an operator is unknown: no verdict can be built on that.
    pub fn matches(&self, labels: &Labels) -> Option<bool> {
        if !contains_all(labels, &self.match_labels) {
            return Some(false);
        }
        let mut unknown = false;
        for requirement in &self.match_expressions {
            match requirement.matches(labels.get(&requirement.key)) {
                Some(true) => {}
                Some(false) => return Some(false),
                None => unknown = true,
            }
        }
        if unknown { None } else { Some(true) }
    }

    /// As the API spells a selector in one line: `app=web,tier in (a,b)`.
    pub fn display(&self) -> String {
        let pairs = self
            .match_labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let requirements = self.match_expressions.iter().map(ToString::to_string);
        pairs.chain(requirements).collect::<Vec<_>>().join(",")
    }
}

/// A selector that refuses keys of other shapes, to tell it from a plain map.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StrictSelector {
    #[serde(default)]
    match_labels: Option<Labels>,
    #[serde(default)]
    match_expressions: Option<Vec<Requirement>>,
}

impl From<StrictSelector> for LabelSelector {
    fn from(strict: StrictSelector) -> Self {
        Self {
            match_labels: strict.match_labels.unwrap_or_default(),
            match_expressions: strict.match_expressions.unwrap_or_default(),
        }
    }
}

/// Whether `labels` holds every pair of `wanted`.
pub fn contains_all(labels: &Labels, wanted: &Labels) -> bool {
    wanted
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
}

/// One expression about a key. Node affinity also uses `Gt` and `Lt`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Deserialize)]
#[serde(default)]
pub struct Requirement {
    /// The label's key.
    pub key: Text,
    /// `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`.
    pub operator: Text,
    /// Values for the operators that take some.
    pub values: Vec<Text>,
}

impl Requirement {
    /// Judges the value of the key, `None` where the key is absent. An unknown operator gives no answer.
    pub fn matches(&self, value: Option<&str>) -> Option<bool> {
        let listed =
            || value.is_some_and(|value| self.values.iter().any(|wanted| &**wanted == value));
        Some(match &*self.operator {
            "In" => listed(),
            "NotIn" => !listed(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            "Gt" => self
                .limit()
                .is_some_and(|limit| integer(value).is_some_and(|value| value > limit)),
            "Lt" => self
                .limit()
                .is_some_and(|limit| integer(value).is_some_and(|value| value < limit)),
            _ => return None,
        })
    }

    /// The number to compare with. The API refuses `Gt` and `Lt` without one, and they match nothing then.
    fn limit(&self) -> Option<i64> {
        self.values.first()?.parse().ok()
    }
}

fn integer(value: Option<&str>) -> Option<i64> {
    value?.parse().ok()
}

impl std::fmt::Display for Requirement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.operator {
            "Exists" => write!(f, "{}", self.key),
            "DoesNotExist" => write!(f, "!{}", self.key),
            operator => write!(
                f,
                "{} {} ({})",
                self.key,
                operator.to_ascii_lowercase(),
                self.values.join(",")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().copied().collect()
    }

    fn selector(json: &str) -> LabelSelector {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn every_pair_and_every_expression_must_hold() {
        let wanted = selector(
            r#"{"matchLabels":{"app":"web"},"matchExpressions":[{"key":"tier","operator":"In","values":["a","b"]},
                {"key":"canary","operator":"DoesNotExist"}]}"#,
        );
        assert_eq!(
            wanted.matches(&labels(&[("app", "web"), ("tier", "b")])),
            Some(true)
        );
        assert_eq!(
            wanted.matches(&labels(&[("app", "web"), ("tier", "c")])),
            Some(false)
        );
        assert_eq!(
            wanted.matches(&labels(&[("app", "web"), ("tier", "a"), ("canary", "")])),
            Some(false)
        );
        assert_eq!(wanted.matches(&labels(&[("tier", "a")])), Some(false));
    }

    #[test]
    fn not_in_holds_for_an_absent_key_and_empty_selects_all() {
        let not_in =
            selector(r#"{"matchExpressions":[{"key":"a","operator":"NotIn","values":["x"]}]}"#);
        assert_eq!(not_in.matches(&labels(&[])), Some(true));
        assert_eq!(
            LabelSelector::default().matches(&labels(&[("any", "thing")])),
            Some(true)
        );
    }

    #[test]
    fn an_unknown_operator_gives_no_answer_unless_something_else_already_fails() {
        let odd = selector(
            r#"{"matchLabels":{"app":"web"},"matchExpressions":[{"key":"a","operator":"Like"}]}"#,
        );
        assert_eq!(odd.matches(&labels(&[("app", "web")])), None);
        assert_eq!(odd.matches(&labels(&[("app", "api")])), Some(false));
    }
}
