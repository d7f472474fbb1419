//! Why a rule has no policy.

use netdoctor_engine::rule::{Evidence, Rule};

use super::expressed;
use crate::scope;

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It compares the object with others, which the API server does not show to policies.
    OtherObjects,
    /// It needs facts about the cluster.
    Facts,
    /// It reads the state of what runs.
    Status,
}

impl Reason {
    /// In a sentence.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OtherObjects => "compares the object with others, which a policy cannot see",
            Self::Facts => "needs facts about the cluster, such as its nodes",
            Self::Status => "reads the state of what runs",
        }
    }
}

/// The rules of the webhook that have no policy, in code order.
pub fn not_expressed() -> impl Iterator<Item = (&'static Rule, Reason)> {
    scope::admitted().filter_map(|rule| {
        if expressed().any(|one| one.code == rule.code) {
            return None;
        }
        let reason = match rule.evidence {
            Evidence::Fact => Reason::Facts,
            Evidence::Status => Reason::Status,
            // A rule of its own object that is missing here fails a test.
            Evidence::Own | Evidence::Miss | Evidence::Contra => Reason::OtherObjects,
        };
        Some((rule, reason))
    })
}
