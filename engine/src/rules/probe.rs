//! Container probes (PRB).

use crate::rule::Rule;

mod container_probe_failing;
mod probe_port_name_undeclared;

pub(super) static RULES: &[&Rule] = &[
    &probe_port_name_undeclared::RULE,
    &container_probe_failing::RULE,
];
