//! Pod network and overlay (CNI).

use crate::rule::Rule;

mod cni_agent_not_ready;
mod overlay_uses_wrong_address;

pub(super) static RULES: &[&Rule] = &[
    &cni_agent_not_ready::RULE,
    &overlay_uses_wrong_address::RULE,
];
