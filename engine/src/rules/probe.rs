//! Container probes (PRB).

use crate::rule::Rule;

pub(super) static RULES: &[&Rule] = &[];
