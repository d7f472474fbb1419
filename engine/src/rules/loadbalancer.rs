//! Load balancers (LBA).

use crate::rule::Rule;

pub(super) static RULES: &[&Rule] = &[];
