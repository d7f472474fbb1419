use super::RULE;
use crate::{
    facts::StatedFacts,
    model::Kind,
    rule::Surface,
    testkit::{Ran, check, check_page, check_with, clock, fix_clears_on, forbid, lint, read},
};

const WORKLOAD: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge, namespace: shop}
spec:
  replicas: 3
  strategy: {type: Recreate}
  selector: {matchLabels: {app: edge}}
  template:
    metadata: {labels: {app: edge}}
    spec:
      containers: [{name: web, image: web, ports: [{containerPort: 80, hostPort: 80}]}]
";

const SCALER: &str = "---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: edge, namespace: shop}
spec: {minReplicas: 1, maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: edge}}
";

fn nodes(count: usize) -> String {
    let node = |i| {
        format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: n{i}}}\nstatus: {{conditions: [{{type: Ready, status: 'True'}}]}}\n"
        )
    };
    (0..count).map(node).collect::<Vec<_>>().concat()
}

fn stated(yaml: &str, count: usize) -> Ran {
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
fn replicas_are_compared_with_the_nodes_that_it_may_use() {
    check(&format!("{WORKLOAD}{}", nodes(2))).one("HST010");
    check(&format!("{WORKLOAD}{}", nodes(3))).none("HST010");
    let narrow = WORKLOAD.replace(
        "      containers:",
        "      nodeSelector: {disk: ssd}\n      containers:",
    );
    let ran = check(&format!("{narrow}{}", nodes(9)));
    assert!(
        ran.one("HST010").fixes[0].patch.0.is_empty(),
        "no node at all: nothing to set"
    );
    let host = WORKLOAD.replace(", hostPort: 80", "").replace(
        "      containers:",
        "      hostNetwork: true\n      containers:",
    );
    check(&format!("{host}{}", nodes(2))).one("HST010");
    check(&format!(
        "{}{}",
        WORKLOAD.replace(", hostPort: 80", ""),
        nodes(2)
    ))
    .none("HST010");
}

#[test]
fn the_fix_clears_it() {
    fix_clears_on(&format!("{WORKLOAD}{}", nodes(2)), "HST010", Surface::Check);
    let scaled = WORKLOAD.replace("replicas: 3", "replicas: 1");
    fix_clears_on(
        &format!("{scaled}{SCALER}{}", nodes(2)),
        "HST010",
        Surface::Check,
    );
}

#[test]
fn the_maximum_of_an_autoscaler_counts_too() {
    let one = WORKLOAD.replace("replicas: 3", "replicas: 1");
    let ran = check(&format!("{one}{SCALER}{}", nodes(2)));
    assert_eq!(
        ran.one("HST010").subject.to_string(),
        "HorizontalPodAutoscaler shop/edge"
    );
    check(&format!("{one}{SCALER}{}", nodes(5))).none("HST010");
    let ports = one.replace(", hostPort: 80", "");
    check(&format!("{ports}{SCALER}{}", nodes(2))).none("HST010");
}

#[test]
fn in_files_only_an_autoscaler_or_a_stated_number_tells() {
    lint(WORKLOAD)
        .none("HST010")
        .skipped("HST010", "number of nodes");
    let ran = lint(&format!("{WORKLOAD}{SCALER}"));
    assert_eq!(ran.one("HST010").severity.as_str(), "info");
    lint(&format!(
        "{WORKLOAD}{}",
        SCALER.replace("maxReplicas: 5", "maxReplicas: 1")
    ))
    .none("HST010");
    lint(SCALER).none("HST010");
    assert_eq!(stated(WORKLOAD, 2).one("HST010").severity.as_str(), "info");
    stated(WORKLOAD, 3).none("HST010");
}

#[test]
fn nodes_on_demand_make_it_an_info() {
    let pool = nodes(2).replacen(
        "{name: n0}",
        "{name: n0, labels: {karpenter.sh/nodepool: p}}",
        1,
    );
    assert_eq!(
        check(&format!("{WORKLOAD}{pool}"))
            .one("HST010")
            .severity
            .as_str(),
        "info"
    );
    let status = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: cluster-autoscaler-status, namespace: kube-system}\n";
    assert_eq!(
        check(&format!("{WORKLOAD}{}{status}", nodes(2)))
            .one("HST010")
            .severity
            .as_str(),
        "info"
    );
}

#[test]
fn a_node_that_is_down_is_named() {
    let down = nodes(3).replacen("status: 'True'", "status: 'False'", 1);
    let ran = check(&format!("{WORKLOAD}{down}"));
    let finding = ran.one("HST010");
    assert!(
        finding.notes.iter().any(|note| note.contains("`n0`")),
        "{:?}",
        finding.notes
    );
    assert_eq!(finding.because[0].codes, ["NOD001"]);
}

#[test]
fn nodes_that_could_not_be_listed_accuse_nobody() {
    let ran = check_with(&format!("{WORKLOAD}{SCALER}"), |builder| {
        forbid(builder, Kind::Node);
    });
    ran.none("HST010").unknown("HST010", "nodes");
}

#[test]
fn system_namespaces_and_daemonsets_are_left_alone() {
    check(&format!(
        "{}{}",
        WORKLOAD.replace("namespace: shop", "namespace: kube-system"),
        nodes(1)
    ))
    .none("HST010");
    check(&format!(
        "{}{}",
        WORKLOAD.replace("kind: Deployment", "kind: DaemonSet"),
        nodes(1)
    ))
    .none("HST010");
}
