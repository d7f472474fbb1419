//! How strict the webhook is, and where: profiles, overrides, exemptions.

use jiff::{SignedDuration, civil::Date};
use netdoctor_engine::{
    config::{Config, ConfigError, GlobMatcher},
    facts::StatedFacts,
    model::Text,
    rule::Action,
};

/// What the `ConfigMap` says.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How strict, where the namespace says nothing.
    pub profile: Profile,
    /// The engine's part: rules, allows, excluded namespaces.
    pub config: Config,
    /// Facts that somebody states about the cluster.
    pub facts: StatedFacts,
    /// Other actions for single rules.
    pub overrides: Vec<Override>,
    /// What is let through, by whom it was decided and until when.
    pub exemptions: Vec<Exemption>,
    /// Whether `netdoctor.io/allow-CODE` on an object counts.
    pub annotations: Annotations,
    /// How long a referent must have been left alone before a contradiction is refused, and how long something missing
    /// may take to arrive.
    pub grace: SignedDuration,
    /// Whether deletions are answered with warnings.
    pub deletions: Deletions,
}

/// How strict (webhook.md 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Profile {
    /// Nothing is refused.
    #[default]
    Advisory,
    /// What is certain is refused.
    Guarded,
    /// Contradictions are refused on updates too, and what rules mark for this profile.
    Strict,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            config: Config::default(),
            facts: StatedFacts::default(),
            overrides: Vec::new(),
            exemptions: Vec::new(),
            annotations: Annotations::default(),
            grace: SignedDuration::from_secs(60),
            deletions: Deletions::default(),
        }
    }
}

impl Policy {
    /// Reads the configuration of the webhook: `.netdoctor.yaml` plus what only the webhook knows.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place. Unknown keys are.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file = netdoctor_engine::config::parse(text)?;
        Ok(Self {
            config: file.config,
            facts: file.facts,
            ..Self::default()
        })
    }
}

impl Profile {
    /// As configuration and labels spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Advisory => "advisory",
            Self::Guarded => "guarded",
            Self::Strict => "strict",
        }
    }
}

/// Whether allow annotations count: whoever writes the object writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Annotations {
    /// They count.
    #[default]
    Honoured,
    /// They do not.
    Ignored,
}

/// Whether deletions are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deletions {
    /// They are not.
    #[default]
    Ignored,
    /// What they break is answered with warnings, never refused.
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
    /// What the finding does there; `None`: the rule does not run.
    pub mode: Option<Action>,
}

/// A finding that is let through until a day.
#[derive(Debug, Clone)]
pub struct Exemption {
    /// The rule's code.
    pub code: Text,
    /// Narrowed to a case.
    pub case: Option<Text>,
    /// Kind as a person types it, and a pattern of names.
    pub object: Option<(Text, GlobMatcher)>,
    /// Where; everywhere when absent.
    pub namespace: Option<GlobMatcher>,
    /// Why.
    pub reason: Text,
    /// The last day on which it holds.
    pub expires: Date,
    /// Line of the configuration.
    pub line: u32,
}
