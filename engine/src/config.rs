//! Configuration: what `.netdoctor.yaml` and flags select and allow.

use crate::{
    context::Context,
    finding::Finding,
    model::{Meta, Text},
    report::Suppressed,
    rule::{Rule, Severity},
};
use std::collections::BTreeMap;

/// Configuration of a run.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Per rule code.
    pub rules: BTreeMap<Text, RuleConfig>,
    /// Run only these codes or names, unless empty.
    pub only: Vec<Text>,
    /// Never run these codes or names.
    pub skip: Vec<Text>,
    /// Read the logs of crashing containers (`--logs`).
    pub logs: bool,
}

/// What the configuration says about one rule.
#[derive(Debug, Clone, Default)]
pub struct RuleConfig {
    /// Switched off, or another severity.
    pub severity: Option<Level>,
    /// Only in these namespaces (globs), unless empty.
    pub namespaces: Vec<Text>,
}

/// A configured severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Do not run.
    Off,
    /// Run with this severity.
    On(Severity),
}

impl Config {
    /// Whether `--only` and `--skip` leave the rule in, and it is not switched off everywhere.
    pub fn selects(&self, rule: &Rule) -> bool {
        let names = |list: &[Text]| {
            list.iter()
                .any(|name| **name == *rule.code || **name == *rule.name)
        };
        let off = self.rules.get(rule.code).is_some_and(|config| {
            config.severity == Some(Level::Off) && config.namespaces.is_empty()
        });
        (self.only.is_empty() || names(&self.only)) && !names(&self.skip) && !off
    }

    /// The configured severity in a namespace.
    pub fn level(&self, rule: &Rule, _namespace: &str) -> Option<Level> {
        self.rules.get(rule.code).and_then(|config| config.severity)
    }

    /// Whether the configuration keeps the rule away from an object.
    pub(crate) fn excludes(&self, _rule: &Rule, _meta: &Meta) -> bool {
        false
    }

    /// Splits findings into those that stay and those that somebody allowed; the texts are about the allows.
    pub(crate) fn allow(
        &self,
        findings: Vec<Finding>,
        _context: &Context<'_>,
    ) -> (Vec<Finding>, Vec<Suppressed>, Vec<String>) {
        (findings, Vec::new(), Vec::new())
    }
}
