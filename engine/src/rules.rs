//! The rules, one folder per area of the catalogue. A rule is one `.rs` beside one `.md` of the same name.

use crate::rule::Rule;
use std::sync::LazyLock;

mod api;
mod cni;
mod dns;
mod host;
mod ingress;
mod loadbalancer;
mod node;
mod policy;
mod probe;
mod proxy;
pub(crate) mod service;
mod text;
mod tls;
mod workload;

pub use host::NETWORK_IMAGES;

/// All rules in code order.
pub static RULES: LazyLock<Vec<&'static Rule>> = LazyLock::new(|| {
    let areas = [
        api::RULES,
        cni::RULES,
        dns::RULES,
        host::RULES,
        ingress::RULES,
        loadbalancer::RULES,
        node::RULES,
        policy::RULES,
        probe::RULES,
        proxy::RULES,
        service::RULES,
        tls::RULES,
        workload::RULES,
    ];
    let mut rules = areas.concat();
    rules.sort_by_key(|rule| rule.code);
    rules
});

/// A rule by code (any case) or by name.
pub fn find(code_or_name: &str) -> Option<&'static Rule> {
    let code = code_or_name.to_ascii_uppercase();
    RULES
        .iter()
        .copied()
        .find(|rule| rule.code == code || rule.name == code_or_name)
}

#[cfg(test)]
mod tests;
