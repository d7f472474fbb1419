//! Host networking and host ports (HST).

use crate::rule::Rule;

pub(super) static RULES: &[&Rule] = &[];
