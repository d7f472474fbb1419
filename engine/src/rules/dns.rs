//! DNS (DNS).

use crate::rule::Rule;

mod egress_policy_cuts_dns;

pub(super) static RULES: &[&Rule] = &[&egress_policy_cuts_dns::RULE];
