//! DNS (DNS).

use crate::rule::Rule;

mod cluster_dns_has_no_endpoints;
mod coredns_forwarding_loop;
mod egress_policy_cuts_dns;

pub(super) static RULES: &[&Rule] = &[
    &cluster_dns_has_no_endpoints::RULE,
    &coredns_forwarding_loop::RULE,
    &egress_policy_cuts_dns::RULE,
];
