//! The service proxy (KPX).

use crate::rule::Rule;

mod service_proxy_not_programming;

pub(super) static RULES: &[&Rule] = &[&service_proxy_not_programming::RULE];
