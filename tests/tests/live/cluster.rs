//! The cluster of these tests: a shop that is healthy, and a namespace that is not.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use netdoctor_engine::model::Kind;
use netdoctor_engine::rule::Surface;
use netdoctor_engine::rules::RULES;
use netdoctor_tests::cmd::{Output, netdoctor};
use netdoctor_tests::{ApiServer, Spec};
use serde_json::Value;

/// The defects in namespace `broken`; the shop has none.
pub(super) const DEFECTS: [&str; 4] = ["HST011", "ING001", "SVC002", "WKL001"];

/// The server of these tests, which only read from it, and the clock for all of them: nothing is too young.
pub(super) fn cluster() -> Option<&'static (ApiServer, String)> {
    static CLUSTER: OnceLock<Option<(ApiServer, String)>> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| {
        let server = ApiServer::start(&Spec::default())?;
        let _ = server.namespace_called("ingress-nginx");
        server
            .namespace_called("shop")
            .apply_status(include_str!("shop.yaml"));
        server
            .namespace_called("broken")
            .apply_status(include_str!("broken.yaml"));
        let now = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
        settle(&server, &now);
        Some((server, now))
    });
    cluster.as_ref()
}

/// Waits until the controllers have done their part: then only the defects are left.
pub(super) fn settle(server: &ApiServer, now: &str) {
    let start = Instant::now();
    loop {
        let output = check(&server.kubeconfig(), now, &["-A"]);
        if codes(&output.exits(1).json()) == DEFECTS {
            return;
        }
        if start.elapsed() > Duration::from_secs(30) {
            let output = check(&server.kubeconfig(), now, &["-A"]);
            panic!("not {DEFECTS:?} but {}", output.stdout);
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

pub(super) fn check(kubeconfig: &Path, now: &str, arguments: &[&str]) -> Output {
    netdoctor()
        .kubeconfig(kubeconfig)
        .args(["check", "-o", "json", "--now", now])
        .args(arguments)
        .run()
}

pub(super) fn codes(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    let mut codes: Vec<&str> = findings
        .iter()
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    codes.sort_unstable();
    codes
}

pub(super) fn fingerprints(report: &Value) -> BTreeSet<&str> {
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["fingerprint"].as_str().unwrap())
        .collect()
}

/// The kinds behind the rules of `check`, and those behind facts about the cluster. Kinds of third parties are not
/// installed here.
pub(super) fn kinds() -> BTreeSet<Kind> {
    let rules = RULES.iter().filter(|rule| rule.runs_on(Surface::Check));
    let mut kinds: BTreeSet<Kind> = rules.flat_map(|rule| rule.kinds()).collect();
    kinds.extend([Kind::Node, Kind::Namespace, Kind::ServiceCIDR]);
    kinds.retain(|kind| !kind.is_custom());
    kinds
}

/// A role that may read all of these.
pub(super) fn may_read(kinds: impl Iterator<Item = Kind>) -> String {
    let rule = |kind: Kind| {
        let (group, plural) = (kind.group(), kind.plural());
        format!("- {{apiGroups: ['{group}'], resources: [{plural}], verbs: [get, list]}}")
    };
    kinds.map(rule).collect::<Vec<_>>().join(
        "
",
    )
}
