//! Configuration: which rules run, how loud they are, and what somebody has allowed.
//!
//! Three places say that a finding is accepted: a flag, the configuration file, and an annotation on the object
//! (`netdoctor.io/allow-CODE[.CASE]: "[until 2027-03-31:] reason"`). The last two must give a reason. An allow that
//! names no rule, that has expired, or that matched nothing is itself reported.

mod allow;
mod file;

pub use allow::{Allow, Place as AllowedIn};
pub use file::{
    AllowEntry, ConfigError, ConfigFile, allow as read_allow, at as error_at, globs as read_globs,
    parse, parse_beside, parse_facts, syntax as syntax_error,
};

use crate::{
    model::{Meta, Text},
    rule::{Rule, Severity},
};
pub use globset::GlobMatcher;
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
    /// What is accepted, from flags and the configuration file.
    pub allow: Vec<Allow>,
    /// Namespaces whose objects are not judged.
    pub exclude_namespaces: Vec<GlobMatcher>,
    /// Whether annotations may accept findings.
    pub annotations: Annotations,
}

/// Whether `netdoctor.io/allow-CODE` on an object counts. Whoever writes the object writes the annotation, so a webhook
/// may be told to ignore it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Annotations {
    /// It does.
    #[default]
    Honoured,
    /// It does not, and a finding that it would have accepted says so.
    Ignored,
}

/// What the configuration says about one rule.
#[derive(Debug, Clone, Default)]
pub struct RuleConfig {
    /// Switched off, or another severity.
    pub severity: Option<Level>,
    /// Where that holds; everywhere when empty.
    pub namespaces: Vec<GlobMatcher>,
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
        let names = |list: &[Text]| list.iter().any(|name| names_rule(name, rule));
        let off = self.rules.get(rule.code).is_some_and(|config| {
            config.severity == Some(Level::Off) && config.namespaces.is_empty()
        });
        (self.only.is_empty() || names(&self.only)) && !names(&self.skip) && !off
    }

    /// The configured severity in a namespace.
    pub(crate) fn level(&self, rule: &Rule, namespace: &str) -> Option<Level> {
        let config = self.rules.get(rule.code)?;
        let here = config.namespaces.is_empty()
            || config
                .namespaces
                .iter()
                .any(|glob| glob.is_match(namespace));
        config.severity.filter(|_| here)
    }

    /// Whether the configuration keeps the rule away from an object.
    pub(crate) fn excludes(&self, rule: &Rule, meta: &Meta) -> bool {
        self.exclude_namespaces
            .iter()
            .any(|glob| !meta.namespace.is_empty() && glob.is_match(&*meta.namespace))
            || self.level(rule, &meta.namespace) == Some(Level::Off)
    }
}

/// Whether a code in any case, or a name, is this rule's.
pub fn names_rule(text: &str, rule: &Rule) -> bool {
    text.eq_ignore_ascii_case(rule.code) || text == rule.name
}

/// A name pattern: `*`, `?`, `[…]`.
///
/// # Errors
/// When it is no pattern.
pub fn glob(pattern: &str) -> Result<GlobMatcher, globset::Error> {
    Ok(globset::Glob::new(pattern)?.compile_matcher())
}
