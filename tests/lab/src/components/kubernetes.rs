//! Kubernetes: all components in one binary, and its test image.

use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

use super::part::Part;

/// The Kubernetes release that the lab runs.
///
/// To bump it: change it and the constants below; in `tests/lab/components/go.mod` replace the old version
/// (`v1.X.Y` of `k8s.io/kubernetes`, `v0.X.Y` of everything else) and bring the list of `replace` lines in step with
/// the one in that release's own `go.mod`; run `go mod tidy` there; run `cargo xtask test`. Releases from 1.36 on want
/// containerd 2, which Debian 12 does not have.
pub const KUBERNETES_VERSION: &str = "1.35.4";

/// The version of the test image in that release, as its `test/images/agnhost/VERSION` says.
pub const AGNHOST_VERSION: &str = "2.59";

/// When that release was tagged, as the Go module proxy says.
const BUILD_DATE: &str = "2026-04-15T18:01:22Z";

/// The Go module proxy does not record the commit behind a tag, and an invented one would be worse.
const GIT_COMMIT: &str = "unknown";

/// The binary behind all names.
const PROGRAM: &str = "components";

/// The names under which it is linked.
const NAMES: [&str; 6] = [
    "kubectl",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
];

pub(super) const PART: Part = Part {
    name: "Kubernetes",
    version: KUBERNETES_VERSION,
    cost: "four minutes on two cores",
    folder: "tests/lab/components",
    sources: &["go.mod", "go.sum", "main.go", "tools.go"],
    cached_as: "",
    program: PROGRAM,
    link_flags,
    build,
};

fn build(into: &Path) -> Result<()> {
    PART.go_build(&into.join(PROGRAM), ".")?;
    PART.go_build(
        &into.join("agnhost"),
        "k8s.io/kubernetes/test/images/agnhost",
    )?;
    for name in NAMES {
        symlink(PROGRAM, into.join(name)).with_context(|| format!("linking {name}"))?;
    }
    Ok(())
}

/// What a release build of Kubernetes stamps into its binaries. Clients and servers show it, and kubectl compares it.
fn link_flags() -> String {
    let mut numbers = KUBERNETES_VERSION.split('.');
    let major = numbers.next().unwrap_or_default();
    let minor = numbers.next().unwrap_or_default();
    let values = [
        ("gitVersion", format!("v{KUBERNETES_VERSION}")),
        ("gitMajor", major.to_owned()),
        ("gitMinor", minor.to_owned()),
        ("gitCommit", GIT_COMMIT.to_owned()),
        ("gitTreeState", "archive".to_owned()),
        ("buildDate", BUILD_DATE.to_owned()),
    ];
    let mut flags = vec!["-s -w".to_owned()];
    for package in [
        "k8s.io/component-base/version",
        "k8s.io/client-go/pkg/version",
    ] {
        flags.extend(
            values
                .iter()
                .map(|(name, value)| format!("-X {package}.{name}={value}")),
        );
    }
    flags.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_mod_asks_for_the_stated_release() {
        let text = PART.source("go.mod").unwrap();
        assert!(
            text.contains(&format!("k8s.io/kubernetes v{KUBERNETES_VERSION}\n")),
            "{text}"
        );

        let staging = format!("v0.{}", KUBERNETES_VERSION.trim_start_matches("1."));
        let replaced: Vec<_> = text
            .lines()
            .filter(|line| line.contains("=> k8s.io/"))
            .collect();
        assert!(
            replaced.len() > 25,
            "the staging modules are replaced one by one"
        );
        for line in replaced {
            assert!(
                line.ends_with(&staging),
                "{line} is not of release {KUBERNETES_VERSION}"
            );
        }
    }
}
