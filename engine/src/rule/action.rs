//! What a finding does to a request.

/// What the webhook does with a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Recorded only.
    Audit,
    /// Answered with a warning.
    Warn,
    /// Refused.
    Deny,
}

impl Action {
    /// Lower-case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "audit",
            Self::Warn => "warn",
            Self::Deny => "deny",
        }
    }
}

impl std::str::FromStr for Action {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "audit" => Ok(Self::Audit),
            "warn" => Ok(Self::Warn),
            "deny" => Ok(Self::Deny),
            _ => Err(()),
        }
    }
}

/// What the webhook does with a finding in the two profiles that may refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actions {
    /// In profile `guarded`; `advisory` turns a denial into a warning.
    pub guarded: Action,
    /// In profile `strict`.
    pub strict: Action,
}

impl Actions {
    /// The same in both.
    pub const fn both(action: Action) -> Self {
        Self {
            guarded: action,
            strict: action,
        }
    }
}
