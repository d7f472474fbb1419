use super::RULE;
use crate::{
    context::Change,
    facts::StatedFacts,
    model::{Kind, Origin, decode},
    rule::Surface,
    rules::RULES,
    run::judge,
    snapshot::Source,
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

const SCALER_NAME: &str = "HorizontalPodAutoscaler shop/edge";

const GPU: &str = "{key: gpu, value: 'yes', effect: NoSchedule}";

/// Nodes of which the first has taints.
fn tainted(count: usize, taints: &str) -> String {
    nodes(count).replacen(
        "status:",
        &format!("spec: {{taints: [{taints}]}}\nstatus:"),
        1,
    )
}

/// Whom the rule found something about.
fn about(ran: &Ran) -> Vec<String> {
    let findings = ran.of("HST010").into_iter();
    findings
        .map(|finding| finding.subject.to_string())
        .collect()
}

/// Whom a change in this cluster brings a finding about, at admission.
fn told(cluster: &str, old: &str, new: &str) -> Vec<String> {
    let (snapshot, _) = read(cluster, Source::Cluster, |_| {});
    let any = |yaml: &str| {
        let documents = crate::manifest::parse(yaml.as_bytes()).documents;
        let document = documents.into_iter().next()?;
        decode::from_value(document.value, Origin::Live).ok()
    };
    let (old, new) = (any(old), any(new));
    let change = Change {
        old: old.as_ref(),
        new: new.as_ref(),
    };
    let config = crate::config::Config::default();
    let judged = judge(&RULES, &snapshot, change, &|_| true, &config, clock());
    about(&Ran(judged.report))
}

fn stated(yaml: &str, count: usize) -> Ran {
    let (snapshot, _) = read(yaml, Source::Files, |builder| {
        builder.state(StatedFacts {
            nodes: Some(count),
            ..StatedFacts::default()
        });
    });
    let config = crate::config::Config::default();
    Ran(crate::run::run(
        &RULES,
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

/// The node controller taints what is down, and what its pods could use again when it is back.
#[test]
fn a_node_that_is_down_is_named_in_spite_of_the_taints_that_say_so() {
    for (key, state) in [("not-ready", "False"), ("unreachable", "Unknown")] {
        let taint = |effect: &str| format!("{{key: node.kubernetes.io/{key}, effect: {effect}}}");
        let taints = format!("{}, {}", taint("NoSchedule"), taint("NoExecute"));
        let down = tainted(3, &taints).replacen("status: 'True'", &format!("status: '{state}'"), 1);
        let ran = check(&format!("{WORKLOAD}{down}"));
        let finding = ran.one("HST010");
        assert!(
            finding.notes.iter().any(|note| note.contains("`n0`")),
            "{key}: {:?}",
            finding.notes
        );
        assert_eq!(finding.because[0].subject.to_string(), "Node n0");
        // It would not be for these pods when it is back either.
        let reserved = tainted(3, &format!("{taints}, {GPU}"));
        let reserved = reserved.replacen("status: 'True'", &format!("status: '{state}'"), 1);
        let ran = check(&format!("{WORKLOAD}{reserved}"));
        assert!(ran.one("HST010").because.is_empty(), "{key}");
    }
}

#[test]
fn an_autoscaler_hears_of_the_only_node_being_tainted() {
    let one = WORKLOAD.replace("replicas: 3", "replicas: 1");
    let most = |most: i32| SCALER.replace("maxReplicas: 5", &format!("maxReplicas: {most}"));
    // Not even the one Pod that is wanted has a node: that is the headline, and explains the autoscaler's.
    for (effect, scaler) in [
        ("NoSchedule", most(1)),
        ("NoSchedule", most(5)),
        ("NoExecute", most(5)),
    ] {
        let only = tainted(1, &format!("{{key: gpu, value: 'yes', effect: {effect}}}"));
        let ran = check(&format!("{one}{scaler}{only}"));
        assert_eq!(
            about(&ran),
            ["Deployment shop/edge", SCALER_NAME],
            "{effect}"
        );
        let [workload, autoscaler] = ran.of("HST010")[..] else {
            panic!("{}", ran.describe())
        };
        assert_eq!(
            autoscaler.explained_by.as_deref(),
            Some(&*workload.fingerprint)
        );
        for finding in [workload, autoscaler] {
            let message = &finding.message;
            assert!(message.contains("no node is eligible"), "{message}");
        }
    }
    // Pods that tolerate the taint have one node, which is enough for one of them.
    let tolerant = one.replace(
        "      containers:",
        "      tolerations: [{key: gpu, operator: Exists}]\n      containers:",
    );
    let only = tainted(1, GPU);
    assert_eq!(
        about(&check(&format!("{tolerant}{}{only}", most(5)))),
        [SCALER_NAME]
    );
    check(&format!("{tolerant}{}{only}", most(1))).none("HST010");
    // The scheduler only avoids such a node.
    let avoided = tainted(1, "{key: gpu, effect: PreferNoSchedule}");
    check(&format!("{one}{}{avoided}", most(1))).none("HST010");
    assert_eq!(
        about(&check(&format!("{one}{}{avoided}", most(2)))),
        [SCALER_NAME]
    );
}

/// What a change is told is what it brings. While no node is eligible the first Pod has none: four more are the same finding
/// about the same Deployment, which was told when it came, and the autoscaler that comes after it hears of its own.
#[test]
fn at_admission_the_only_node_being_tainted_is_told_once_to_each() {
    let one = WORKLOAD.replace("replicas: 3", "replicas: 1");
    let five = WORKLOAD.replace("replicas: 3", "replicas: 5");
    let scaler = SCALER.trim_start_matches("---\n");
    let (free, only) = (nodes(1), tainted(1, GPU));

    assert_eq!(told(&only, "", &one), ["Deployment shop/edge"]);
    assert_eq!(told(&format!("{only}---{one}"), &one, &five), [""; 0]);
    assert_eq!(
        told(&format!("{free}---{one}"), &one, &five),
        ["Deployment shop/edge"],
        "there was room for the first"
    );

    assert_eq!(told(&format!("{only}---{one}"), "", scaler), [SCALER_NAME]);
    assert_eq!(
        told(&format!("{only}{SCALER}"), "", &one),
        ["Deployment shop/edge", SCALER_NAME],
        "whichever of the two comes second"
    );

    // Losing the toleration is what takes the node away, from the autoscaler's one Pod too.
    let tolerant = one.replace(
        "      containers:",
        "      tolerations: [{key: gpu, operator: Exists}]\n      containers:",
    );
    let modest = SCALER.replace("maxReplicas: 5", "maxReplicas: 1");
    assert_eq!(
        told(&format!("{only}---{tolerant}{modest}"), &tolerant, &one),
        ["Deployment shop/edge", SCALER_NAME]
    );
    assert_eq!(
        told(&format!("{free}---{tolerant}{modest}"), &tolerant, &one),
        [""; 0],
        "nothing to tolerate"
    );
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
