//! Nodes and their firewalls (NOD).

use crate::rule::Rule;

pub(super) mod agent;
mod node_not_ready;
pub(super) mod not_ready;

pub(super) static RULES: &[&Rule] = &[&node_not_ready::RULE];
