//! Services and their endpoints (SVC).

use crate::rule::Rule;

mod target_port_name_unresolved;

pub(super) static RULES: &[&Rule] = &[&target_port_name_unresolved::RULE];
