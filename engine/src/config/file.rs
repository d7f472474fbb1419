//! `.netdoctor.yaml`.

use super::{Allow, Config, Level, RuleConfig, allow::Place};
use crate::{facts::StatedFacts, model::Text, rule::Severity, rules};
use globset::{Glob, GlobMatcher};
use jiff::civil::Date;
use serde::{
    Deserialize,
    de::{Deserializer, IgnoredAny, MapAccess, Visitor},
};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// What a configuration file says.
#[derive(Debug, Clone, Default)]
pub struct ConfigFile {
    /// Rules and allows.
    pub config: Config,
    /// Paths that `lint` leaves out, as in `.gitignore`.
    pub exclude_paths: Vec<String>,
    /// Threshold of exit code 1; `None` inside for `never`.
    pub fail_on: Option<Option<Severity>>,
    /// Threshold of what is shown.
    pub min_severity: Option<Severity>,
    /// Stated facts.
    pub facts: StatedFacts,
}

/// What is wrong with a configuration file. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ConfigError {
    /// Line.
    pub line: u64,
    /// Column.
    pub column: u64,
    /// One sentence.
    pub message: String,
}

/// The keys of a configuration file.
const KEYS: &[&str] = &[
    "rules",
    "allow",
    "exclude",
    "failOn",
    "minSeverity",
    "facts",
];

/// Keys that are not among [`KEYS`] are told apart by name before this is read.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Raw {
    rules: BTreeMap<String, Spanned<RawRule>>,
    allow: Vec<Spanned<AllowEntry>>,
    exclude: RawExclude,
    fail_on: Option<Spanned<String>>,
    min_severity: Option<Spanned<String>>,
    facts: RawFacts,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct RawRule {
    severity: Option<Spanned<String>>,
    namespaces: Vec<Spanned<String>>,
}

/// One accepted finding as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct AllowEntry {
    pub code: Spanned<String>,
    pub case: Option<String>,
    pub object: Option<Spanned<String>>,
    pub namespace: Option<Spanned<String>>,
    pub reason: Option<String>,
    #[serde(alias = "expires")]
    pub until: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct RawExclude {
    namespaces: Vec<Spanned<String>>,
    paths: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct RawFacts {
    cluster_domain: Option<String>,
    nodes: Option<usize>,
    node_port_range: Option<Spanned<String>>,
    pod_cidrs: Vec<String>,
    service_cidrs: Vec<String>,
}

/// Reads a configuration file. Unknown keys, unknown rules, bad dates and allows without a reason are errors.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse(text: &str) -> Result<ConfigFile, ConfigError> {
    parse_beside(text, &[])
}

/// As [`parse`], for a file in which somebody else reads these further keys.
///
/// # Errors
/// As [`parse`].
pub fn parse_beside(text: &str, further: &[&str]) -> Result<ConfigFile, ConfigError> {
    if text.trim().is_empty() {
        return Ok(ConfigFile::default());
    }
    let Keys(keys) = serde_saphyr::from_str(text).map_err(|error| syntax(&error))?;
    let known: Vec<&str> = KEYS.iter().chain(further).copied().collect();
    if let Some(key) = keys.iter().find(|key| !known.contains(&&*key.value)) {
        let known = known.join(", ");
        return Err(at(
            key,
            format!("there is no key `{}` (only {known})", key.value),
        ));
    }
    let raw: Raw = serde_saphyr::from_str(text).map_err(|error| syntax(&error))?;
    let mut file = ConfigFile {
        exclude_paths: raw.exclude.paths,
        ..ConfigFile::default()
    };
    for (code, rule) in raw.rules {
        let known =
            rules::find(&code).ok_or_else(|| at(&rule, format!("there is no rule `{code}`")))?;
        file.config
            .rules
            .insert(known.code.into(), rule_config(&rule.value)?);
    }
    file.config.allow = raw.allow.iter().map(allow).collect::<Result<_, _>>()?;
    file.config.exclude_namespaces = globs(&raw.exclude.namespaces)?;
    file.fail_on = raw.fail_on.as_ref().map(fail_on).transpose()?;
    file.min_severity = raw.min_severity.as_ref().map(severity).transpose()?;
    file.facts = facts(raw.facts)?;
    Ok(file)
}

/// Reads a facts file (`--facts`): the `facts` part of a configuration by itself.
///
/// # Errors
/// As [`parse`].
pub fn parse_facts(text: &str) -> Result<StatedFacts, ConfigError> {
    if text.trim().is_empty() {
        return Ok(StatedFacts::default());
    }
    facts(serde_saphyr::from_str(text).map_err(|error| syntax(&error))?)
}

/// The keys of a mapping, with their places.
struct Keys(Vec<Spanned<String>>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Mapping;
        impl<'de> Visitor<'de> for Mapping {
            type Value = Keys;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping")
            }
            fn visit_unit<E>(self) -> Result<Keys, E> {
                Ok(Keys(Vec::new())) // nothing but comments
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some(key) = map.next_key()? {
                    keys.push(key);
                    map.next_value::<IgnoredAny>()?;
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_any(Mapping)
    }
}

/// What the YAML reader could not read, with its place.
pub fn syntax(error: &serde_saphyr::Error) -> ConfigError {
    let (line, column) = error
        .location()
        .map_or((1, 1), |at| (at.line(), at.column()));
    // The library adds a picture of the place; the first line is the sentence.
    let message = error.without_snippet().to_string();
    let message = message
        .lines()
        .next()
        .unwrap_or("cannot be read")
        .to_owned();
    ConfigError {
        line,
        column,
        message,
    }
}

/// What is wrong with a value, with its place.
pub fn at<T>(spanned: &Spanned<T>, message: String) -> ConfigError {
    ConfigError {
        line: spanned.defined.line(),
        column: spanned.defined.column(),
        message,
    }
}

fn rule_config(raw: &RawRule) -> Result<RuleConfig, ConfigError> {
    let level = raw.severity.as_ref().map(|text| match &*text.value {
        // YAML 1.1 reads a bare `off` as false.
        "off" | "false" => Ok(Level::Off),
        _ => severity(text).map(Level::On),
    });
    Ok(RuleConfig {
        severity: level.transpose()?,
        namespaces: globs(&raw.namespaces)?,
    })
}

fn severity(text: &Spanned<String>) -> Result<Severity, ConfigError> {
    text.value.parse().map_err(|()| {
        at(
            text,
            format!("`{}` is no severity (info, warning, error)", text.value),
        )
    })
}

fn fail_on(text: &Spanned<String>) -> Result<Option<Severity>, ConfigError> {
    if text.value == "never" {
        Ok(None)
    } else {
        severity(text).map(Some)
    }
}

/// Reads what somebody accepts.
///
/// # Errors
/// For an unknown rule, no reason, a bad date, object or pattern.
pub fn allow(raw: &Spanned<AllowEntry>) -> Result<Allow, ConfigError> {
    let entry = &raw.value;
    if rules::find(&entry.code.value).is_none() {
        return Err(at(
            &entry.code,
            format!("there is no rule `{}`", entry.code.value),
        ));
    }
    let Some(reason) = entry
        .reason
        .as_deref()
        .map(str::trim)
        .filter(|reason| !reason.is_empty())
    else {
        return Err(at(
            &entry.code,
            format!("allow {} gives no reason", entry.code.value),
        ));
    };
    let until = entry.until.as_ref().map(|text| {
        text.value
            .parse::<Date>()
            .map_err(|_| at(text, format!("`{}` is no date (2027-03-31)", text.value)))
    });
    let object = entry.object.as_ref().map(|text| {
        let Some((kind, name)) = text.value.split_once('/') else {
            return Err(at(text, format!("`{}` is not KIND/NAME", text.value)));
        };
        Ok((Text::from(kind.to_ascii_lowercase()), glob_at(text, name)?))
    });
    Ok(Allow {
        code: entry.code.value.as_str().into(),
        case: entry.case.as_deref().map(Into::into),
        object: object.transpose()?,
        namespace: entry.namespace.as_ref().map(glob).transpose()?,
        reason: Some(reason.into()),
        until: until.transpose()?,
        place: Place::File(u32::try_from(raw.defined.line()).unwrap_or(u32::MAX)),
    })
}

fn glob(text: &Spanned<String>) -> Result<GlobMatcher, ConfigError> {
    glob_at(text, &text.value)
}

fn glob_at(text: &Spanned<String>, pattern: &str) -> Result<GlobMatcher, ConfigError> {
    let glob = Glob::new(pattern)
        .map_err(|error| at(text, format!("`{pattern}` is no pattern: {}", error.kind())))?;
    Ok(glob.compile_matcher())
}

/// Reads patterns of names.
///
/// # Errors
/// For the first that is none.
pub fn globs(texts: &[Spanned<String>]) -> Result<Vec<GlobMatcher>, ConfigError> {
    texts.iter().map(glob).collect()
}

fn facts(raw: RawFacts) -> Result<StatedFacts, ConfigError> {
    let range = raw.node_port_range.as_ref().map(|text| {
        let numbers = text
            .value
            .split_once('-')
            .and_then(|(from, to)| Some((from.trim().parse().ok()?, to.trim().parse().ok()?)));
        numbers
            .filter(|(from, to): &(i32, i32)| from <= to)
            .ok_or_else(|| at(text, format!("`{}` is no range (30000-32767)", text.value)))
    });
    Ok(StatedFacts {
        cluster_domain: raw.cluster_domain.map(Into::into),
        nodes: raw.nodes,
        node_port_range: range.transpose()?,
        pod_cidrs: raw.pod_cidrs.into_iter().map(Into::into).collect(),
        service_cidrs: raw.service_cidrs.into_iter().map(Into::into).collect(),
        ..StatedFacts::default()
    })
}

#[cfg(test)]
mod tests;
