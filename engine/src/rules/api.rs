//! API server paths (API).

use crate::rule::Rule;

mod webhook_backend_unavailable;

pub(super) static RULES: &[&Rule] = &[&webhook_backend_unavailable::RULE];
