//! Pod network and overlay (CNI).

use crate::rule::Rule;

pub(super) static RULES: &[&Rule] = &[];
