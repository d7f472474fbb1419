//! API server paths (API).

use crate::rule::Rule;

pub(super) static RULES: &[&Rule] = &[];
