//! Load balancers and other front doors (LBA).

use crate::rule::Rule;

mod load_balancer_without_controller;

pub(super) static RULES: &[&Rule] = &[&load_balancer_without_controller::RULE];
