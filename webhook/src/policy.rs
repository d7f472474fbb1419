//! How strict the webhook is, and where: profiles, overrides, exemptions.
//!
//! The `ConfigMap` holds `.netdoctor.yaml`, as `kubectl netdoctor lint` reads it, and a few keys more:
//!
//! ```yaml
//! profile: guarded            # advisory (default), guarded, strict; a namespace may say otherwise by label
//! overrides:
//!   - {code: SVC004, namespaces: [legacy-*], mode: warn}      # off, audit, warn, deny
//! exemptions:
//!   - {code: HST002, object: deployment/edge, namespace: edge, reason: "one node pool", expires: 2027-03-31}
//! annotations: honoured       # or ignored: netdoctor.io/allow-CODE on an object does not count
//! gracePeriod: 60s            # how long the other half of an edit may take
//! deletions: warned           # or ignored; deletions are only sent where the component `deletions` is installed
//! scale: warned               # or ignored: more replicas than nodes, on the scale subresource (component `scale`)
//! ```

mod file;
#[cfg(test)]
mod tests;

pub(crate) use file::can_deny;
pub use netdoctor_manifests::Profile;
pub use netdoctor_manifests::names::{ADMISSION_LABEL, MUTATE_LABEL, PROFILE_LABEL};

use jiff::{SignedDuration, Timestamp};
use netdoctor_engine::{
    config::{Allow, AllowedIn, Config, ConfigError, GlobMatcher},
    facts::StatedFacts,
    finding::Finding,
    model::{Namespace, Text},
    rule::{Action, Actions},
};

/// What the `ConfigMap` says.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How strict, where the namespace says nothing.
    pub profile: Profile,
    /// The engine's part: rules, allows and exemptions, excluded namespaces, whether annotations count.
    pub config: Config,
    /// Facts that somebody states about the cluster.
    pub facts: StatedFacts,
    /// Other actions for single rules; the last that fits counts.
    pub overrides: Vec<Override>,
    /// How long a referent must have been left alone before a contradiction is refused, and how long something missing
    /// may take to arrive.
    pub grace: SignedDuration,
    /// Whether deletions are answered with warnings.
    pub deletions: Asked,
    /// Whether changes of the scale subresource are answered with warnings.
    pub scale: Asked,
    /// What is odd about the configuration without making it unusable.
    pub warnings: Vec<String>,
}

/// Whether the webhook says something about what it never refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    /// It is silent.
    Ignored,
    /// It warns. Nobody asks unless the component that sends such requests was installed, which is the wish.
    #[default]
    Warned,
}

/// Another action for a rule, in some namespaces or everywhere.
#[derive(Debug, Clone)]
pub struct Override {
    /// The rule's code.
    pub code: Text,
    /// Narrowed to a case.
    pub case: Option<Text>,
    /// Where; everywhere when empty.
    pub namespaces: Vec<GlobMatcher>,
    /// What a finding does there; `None`: nothing at all.
    pub mode: Option<Action>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            config: Config::default(),
            facts: StatedFacts::default(),
            overrides: Vec::new(),
            grace: SignedDuration::from_secs(60),
            deletions: Asked::default(),
            scale: Asked::default(),
            warnings: Vec::new(),
        }
    }
}

impl Policy {
    /// Reads the configuration of the webhook: `.netdoctor.yaml` plus what only the webhook knows.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place. Unknown keys are.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        file::parse(text)
    }

    /// What is let through until a day.
    pub fn exemptions(&self) -> impl Iterator<Item = &Allow> {
        let allows = self.config.allow.iter();
        allows.filter(|allow| matches!(allow.place, AllowedIn::Exemption(_)))
    }

    /// What somebody should look at: what was odd while reading, and exemptions that no longer hold.
    pub fn problems(&self, now: Timestamp) -> Vec<String> {
        let expired = self.config.allow.iter().filter(|allow| allow.expired(now));
        let expired = expired.map(|allow| {
            let until = allow.until.map(|day| day.to_string()).unwrap_or_default();
            format!("{} expired on {until}", allow.describe())
        });
        self.warnings.iter().cloned().chain(expired).collect()
    }

    /// How strict the webhook is in a namespace.
    pub fn profile_of(&self, namespace: Option<&Namespace>) -> Profile {
        namespace
            .and_then(|namespace| namespace.meta.labels.get(PROFILE_LABEL))
            .and_then(|text| text.parse().ok())
            .unwrap_or(self.profile)
    }

    /// What a finding does under a profile, before the request itself is looked at. `None`: nothing at all.
    pub(crate) fn action(&self, finding: &Finding, profile: Profile) -> Option<Action> {
        let Actions { guarded, strict } = finding.actions?;
        let action = match profile {
            Profile::Advisory | Profile::Guarded => guarded,
            Profile::Strict => strict,
        };
        let fits = |entry: &&Override| {
            *entry.code == *finding.rule.code
                && entry
                    .case
                    .as_deref()
                    .is_none_or(|case| finding.case == Some(case))
                && (entry.namespaces.is_empty()
                    || entry
                        .namespaces
                        .iter()
                        .any(|glob| glob.is_match(&*finding.subject.namespace)))
        };
        match self.overrides.iter().rev().find(fits) {
            Some(entry) => entry.mode,
            None => Some(action),
        }
    }
}
