//! Service proxy (KPX).

use crate::rule::Rule;

pub(super) static RULES: &[&Rule] = &[];
