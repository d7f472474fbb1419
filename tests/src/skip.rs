//! Saying that a test does nothing here, and why.

use std::env;

use netdoctor_lab::{Spec, requirements};

/// Whether a lab of this kind can run on this machine. If not, says so; with `CI` set that is a failure.
pub fn lab_runs_here(spec: &Spec) -> bool {
    match requirements::check(spec) {
        Ok(_) => true,
        Err(error) => {
            skip(&format!("no lab here: {error:#}"));
            false
        }
    }
}

/// Says why a test does nothing. CI has no excuse.
#[expect(
    clippy::print_stderr,
    reason = "libtest has no other way to say that a test was skipped"
)]
pub(crate) fn skip(why: &str) {
    assert!(env::var_os("CI").is_none(), "{why}");
    eprintln!("skipped, {why}");
}
