use super::RULE;
use crate::{
    facts::StatedFacts,
    model::Kind,
    rule::Surface,
    testkit::{
        Ran, check, check_page, check_with, clock, fix_clears, fix_clears_on, forbid, lint, read,
    },
};

const PINNED: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: edge}}
  template:
    metadata: {labels: {app: edge}}
    spec:
      nodeSelector: {kubernetes.io/hostname: a}
      containers: [{name: web, image: web, ports: [{containerPort: 80, hostPort: 80}]}]
";

const NODE: &str = "---
apiVersion: v1
kind: Node
metadata: {name: a, labels: {kubernetes.io/hostname: a}}
status: {conditions: [{type: Ready, status: 'True'}]}
";

fn free() -> String {
    PINNED.replace("      nodeSelector: {kubernetes.io/hostname: a}\n", "")
}

fn nodes(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| NODE.replace("name: a,", &format!("name: {name},")))
        .collect()
}

fn lint_with_nodes(yaml: &str, count: usize) -> Ran {
    let (snapshot, _) = read(yaml, crate::snapshot::Source::Files, |builder| {
        builder.state(StatedFacts {
            nodes: Some(count),
            ..StatedFacts::default()
        });
    });
    let config = crate::config::Config::default();
    Ran(crate::run::run(
        &crate::rules::RULES,
        &snapshot,
        &config,
        clock(),
        Surface::Lint,
    ))
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn the_fix_clears_it_with_and_without_a_written_strategy() {
    fix_clears(PINNED, "HST003");
    for strategy in [
        "{type: RollingUpdate}",
        "{}",
        "{type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}",
    ] {
        let text = PINNED.replace(
            "  replicas: 1",
            &format!("  replicas: 1\n  strategy: {strategy}"),
        );
        fix_clears(&text, "HST003");
    }
    let host = PINNED.replace(
        "      containers:",
        "      hostNetwork: true\n      dnsPolicy: Default\n      containers:",
    );
    fix_clears(&host, "HST003");
}

#[test]
fn a_spare_node_lets_it_finish() {
    check(&format!("{}{}", free(), nodes(&["a"]))).one("HST003");
    check(&format!("{}{}", free(), nodes(&["a", "b"]))).none("HST003");
    let two = free().replace("replicas: 1", "replicas: 2");
    check(&format!("{two}{}", nodes(&["a", "b"]))).one("HST003");
    fix_clears_on(
        &format!("{}{}", free(), nodes(&["a"])),
        "HST003",
        Surface::Check,
    );
}

#[test]
fn nodes_that_it_may_not_use_are_no_room() {
    let tainted = nodes(&["a", "b"]).replacen(
        "status:",
        "spec: {taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]}\nstatus:",
        1,
    );
    check(&format!("{}{tainted}", free())).one("HST003");
    let tolerating = free().replace(
        "      containers:",
        "      tolerations: [{operator: Exists}]\n      containers:",
    );
    check(&format!("{tolerating}{tainted}")).none("HST003");
}

#[test]
fn in_files_the_number_of_nodes_must_be_stated() {
    lint(&free())
        .none("HST003")
        .unknown("HST003", "number of nodes");
    lint_with_nodes(&free(), 1).one("HST003");
    lint_with_nodes(&free(), 2).none("HST003");
}

#[test]
fn nodes_that_could_not_be_listed_accuse_nobody() {
    let ran = check_with(&free(), |builder| forbid(builder, Kind::Node));
    ran.none("HST003").unknown("HST003", "nodes");
}

#[test]
fn pinned_by_node_name_makes_failed_pods() {
    let named = PINNED.replace("nodeSelector: {kubernetes.io/hostname: a}", "nodeName: a");
    let ran = lint(&named);
    assert!(
        ran.one("HST003")
            .notes
            .iter()
            .any(|note| note.contains("NodePorts"))
    );
    let affinity = PINNED.replace(
        "nodeSelector: {kubernetes.io/hostname: a}",
        "affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [a]}]}]}}}",
    );
    lint(&affinity).one("HST003");
    lint(&affinity.replace("values: [a]", "values: [a, b]")).none("HST003");
}

#[test]
fn other_strategies_and_steps_finish() {
    let with = |strategy: &str| {
        PINNED.replace(
            "  replicas: 1",
            &format!("  replicas: 1\n  strategy: {strategy}"),
        )
    };
    lint(&with("{type: Recreate}")).none("HST003");
    lint(&with("{rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}")).none("HST003");
    lint(&with("{rollingUpdate: {maxSurge: 1, maxUnavailable: 1}}")).none("HST003");
    lint(&PINNED.replace("  replicas: 1", "  replicas: 1\n  paused: true")).none("HST003");
    lint(&PINNED.replace("replicas: 1", "replicas: 0")).none("HST003");
    lint(&PINNED.replace("replicas: 1", "replicas: 4")).none("HST003");
    lint(&PINNED.replace(", hostPort: 80", "")).none("HST003");
}

#[test]
fn a_daemonset_deadlocks_only_with_a_surge() {
    let daemon = PINNED
        .replace("kind: Deployment", "kind: DaemonSet")
        .replace("  replicas: 1\n", "");
    lint(&daemon).none("HST003");
    let surge = daemon.replace("spec:\n  selector", "spec:\n  updateStrategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}\n  selector");
    assert_eq!(lint(&surge).one("HST003").case, Some("daemonset"));
    fix_clears(&surge, "HST003");
    lint(&surge.replace("type: RollingUpdate", "type: OnDelete")).none("HST003");
}

#[test]
fn nodes_on_demand_make_it_an_info() {
    let pool = nodes(&["a"]).replace(
        "{kubernetes.io/hostname: a}",
        "{kubernetes.io/hostname: a, karpenter.sh/nodepool: p}",
    );
    let ran = check(&format!("{}{pool}", free()));
    assert_eq!(ran.one("HST003").severity.as_str(), "info");
}

#[test]
fn system_namespaces_are_left_alone() {
    lint(&PINNED.replace("namespace: shop", "namespace: kube-system")).none("HST003");
}
