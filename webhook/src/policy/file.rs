//! The configuration as it is written.

use super::{Asked, Override, Policy, Profile};
use crate::duration;
use jiff::SignedDuration;
use netdoctor_engine::{
    config::{
        Allow, AllowEntry, AllowedIn, Annotations, Config, ConfigError, error_at, parse_beside,
        read_allow, read_globs, syntax_error,
    },
    rule::{Action, Evidence, Rule, Surface},
    rules,
};
use serde::Deserialize;
use serde_saphyr::Spanned;

/// The keys that only the webhook reads.
const KEYS: &[&str] = &[
    "profile",
    "overrides",
    "exemptions",
    "annotations",
    "gracePeriod",
    "deletions",
    "scale",
];

/// The other keys are the engine's, which also refuses those that nobody knows.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Raw {
    profile: Option<Spanned<String>>,
    overrides: Vec<RawOverride>,
    exemptions: Vec<Spanned<AllowEntry>>,
    annotations: Option<Spanned<String>>,
    grace_period: Option<Spanned<String>>,
    deletions: Option<Spanned<String>>,
    scale: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RawOverride {
    code: Spanned<String>,
    case: Option<Spanned<String>>,
    #[serde(default)]
    namespaces: Vec<Spanned<String>>,
    mode: Spanned<String>,
}

pub(super) fn parse(text: &str) -> Result<Policy, ConfigError> {
    let file = parse_beside(text, KEYS)?;
    let mut policy = Policy {
        config: file.config,
        facts: file.facts,
        ..Policy::default()
    };
    let raw: Option<Raw> = if text.trim().is_empty() {
        None
    } else {
        serde_saphyr::from_str(text).map_err(|error| syntax_error(&error))?
    };
    let raw = raw.unwrap_or_default();
    policy.warnings.extend(endless(&policy.config));
    if let Some(text) = &raw.profile {
        policy.profile = one_of(
            text,
            &["advisory", "guarded", "strict"],
            str::parse::<Profile>,
        )?;
    }
    if let Some(text) = &raw.annotations {
        policy.config.annotations = one_of(text, &["honoured", "ignored"], |text| match text {
            "honoured" => Ok(Annotations::Honoured),
            "ignored" => Ok(Annotations::Ignored),
            _ => Err(()),
        })?;
    }
    if let Some(text) = &raw.deletions {
        policy.deletions = asked(text)?;
    }
    if let Some(text) = &raw.scale {
        policy.scale = asked(text)?;
    }
    if let Some(text) = &raw.grace_period {
        policy.grace = grace(text)?;
    }
    for entry in &raw.overrides {
        policy
            .overrides
            .extend(override_of(entry, &mut policy.warnings)?);
    }
    for entry in &raw.exemptions {
        policy
            .config
            .allow
            .extend(exemption(entry, &mut policy.warnings)?);
    }
    Ok(policy)
}

/// What is allowed for ever although it would be refused. `lint` reads the same file, where that is nobody's business, so
/// it is no error.
fn endless(config: &Config) -> impl Iterator<Item = String> {
    let refused = |allow: &&Allow| rules::find(&allow.code).is_some_and(may_be_refused);
    let endless = config.allow.iter().filter(|allow| allow.until.is_none());
    endless.filter(refused).map(|allow| {
        format!(
            "{} never ends: an exemption needs `until`",
            allow.describe()
        )
    })
}

/// Whether a profile refuses findings of the rule.
fn may_be_refused(rule: &Rule) -> bool {
    let of_cases = rule.admit_cases.iter().map(|(_, actions)| *actions);
    let denies = |action| action == Action::Deny;
    rule.admit.is_some_and(denies)
        || rule.strict.is_some_and(denies)
        || of_cases
            .into_iter()
            .any(|actions| actions.guarded.max(actions.strict) == Action::Deny)
}

fn one_of<T>(
    text: &Spanned<String>,
    choices: &[&str],
    read: impl Fn(&str) -> Result<T, ()>,
) -> Result<T, ConfigError> {
    read(&text.value).map_err(|()| {
        let choices = choices.join(", ");
        error_at(text, format!("`{}` is none of {choices}", text.value))
    })
}

fn asked(text: &Spanned<String>) -> Result<Asked, ConfigError> {
    one_of(text, &["ignored", "warned"], |text| match text {
        "ignored" => Ok(Asked::Ignored),
        "warned" => Ok(Asked::Warned),
        _ => Err(()),
    })
}

fn grace(text: &Spanned<String>) -> Result<SignedDuration, ConfigError> {
    let read = duration::parse(&text.value).map_err(|error| error_at(text, error.to_string()))?;
    SignedDuration::try_from(read)
        .map_err(|_| error_at(text, format!("`{}` is too long", text.value)))
}

/// The rule of a code or a name. One that is not known is no error: it may have gone with an upgrade.
fn rule(code: &Spanned<String>, warnings: &mut Vec<String>) -> Option<&'static Rule> {
    let found = rules::find(&code.value).filter(|rule| rule.runs_on(Surface::Admit));
    if found.is_none() {
        let line = code.defined.line();
        warnings.push(match rules::find(&code.value) {
            Some(rule) => format!("line {line}: {} does not run at admission", rule.code),
            None => format!("line {line}: there is no rule `{}`", code.value),
        });
    }
    found
}

fn override_of(
    raw: &RawOverride,
    warnings: &mut Vec<String>,
) -> Result<Option<Override>, ConfigError> {
    let mode = match &*raw.mode.value {
        // YAML 1.1 reads a bare `off` as false.
        "off" | "false" => None,
        _ => Some(one_of(
            &raw.mode,
            &["off", "audit", "warn", "deny"],
            str::parse::<Action>,
        )?),
    };
    let namespaces = read_globs(&raw.namespaces)?;
    let Some(rule) = rule(&raw.code, warnings) else {
        return Ok(None);
    };
    if let Some(case) = &raw.case
        && !rule.cases.iter().any(|(name, _)| *name == case.value)
    {
        let text = format!("{} has no case `{}`", rule.code, case.value);
        return Err(error_at(case, text));
    }
    if mode == Some(Action::Deny) && !can_deny(rule) {
        let text = format!(
            "{} never refuses: what it looks for may be on its way",
            rule.code
        );
        return Err(error_at(&raw.mode, text));
    }
    Ok(Some(Override {
        code: rule.code.into(),
        case: raw.case.as_ref().map(|case| case.value.as_str().into()),
        namespaces,
        mode,
    }))
}

/// Whether a finding of the rule may refuse a request at all.
pub(crate) fn can_deny(rule: &Rule) -> bool {
    matches!(rule.evidence, Evidence::Own | Evidence::Contra)
}

fn exemption(
    raw: &Spanned<AllowEntry>,
    warnings: &mut Vec<String>,
) -> Result<Option<Allow>, ConfigError> {
    let code = &raw.value.code;
    if raw.value.until.is_none() {
        let text = format!("the exemption from {} does not expire", code.value);
        return Err(error_at(code, text));
    }
    if rule(code, warnings).is_none() {
        return Ok(None);
    }
    let allow = read_allow(raw)?;
    let line = u32::try_from(raw.defined.line()).unwrap_or(u32::MAX);
    Ok(Some(Allow {
        place: AllowedIn::Exemption(line),
        ..allow
    }))
}
