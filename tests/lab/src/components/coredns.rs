//! CoreDNS.

use std::path::Path;

use anyhow::Result;

use super::part::Part;

/// The CoreDNS release that the lab runs.
///
/// To bump it: change it here and in `tests/lab/coredns/go.mod`, run `go mod tidy` there and `cargo xtask test`.
pub const COREDNS_VERSION: &str = "1.14.7";

/// The name of the program.
pub(super) const PROGRAM: &str = "coredns";

pub(super) const PART: Part = Part {
    name: "CoreDNS",
    version: COREDNS_VERSION,
    cost: "a minute and a half on two cores",
    folder: "tests/lab/coredns",
    sources: &["go.mod", "go.sum", "main.go"],
    cached_as: "coredns-",
    program: PROGRAM,
    link_flags: || "-s -w".to_owned(),
    build,
};

fn build(into: &Path) -> Result<()> {
    PART.go_build(&into.join(PROGRAM), ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_mod_asks_for_the_stated_release() {
        let text = PART.source("go.mod").unwrap();
        let wanted = format!("require github.com/coredns/coredns v{COREDNS_VERSION}\n");
        assert!(text.contains(&wanted), "{text}");
    }
}
