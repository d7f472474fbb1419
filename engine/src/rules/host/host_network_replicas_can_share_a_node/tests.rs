use super::RULE;
use crate::testkit::{check, check_page, check_with, fix_clears, forbid, lint};

const BROKEN: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge, namespace: shop}
spec:
  replicas: 2
  selector: {matchLabels: {app: edge}}
  template:
    metadata: {labels: {app: edge, tier: front}}
    spec:
      hostNetwork: true
      dnsPolicy: ClusterFirstWithHostNet
      containers: [{name: web, image: web}]
";

fn with(fields: &str) -> String {
    BROKEN.replace(
        "      containers:",
        &format!("      {fields}\n      containers:"),
    )
}

fn required(term: &str) -> String {
    with(&format!(
        "affinity: {{podAntiAffinity: {{requiredDuringSchedulingIgnoredDuringExecution: [{term}]}}}}"
    ))
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn undeclared_ports_warn_and_declared_ones_are_an_info() {
    let ran = lint(BROKEN);
    let finding = ran.one("HST002");
    assert_eq!(
        (finding.case, finding.severity.as_str()),
        (Some("ports-not-declared"), "warning")
    );
    let declared = BROKEN.replace("image: web}", "image: web, ports: [{containerPort: 8080}]}");
    let ran = check(&declared);
    let finding = ran.one("HST002");
    assert_eq!(
        (finding.case, finding.severity.as_str()),
        (Some("ports-declared"), "info")
    );
}

#[test]
fn the_fix_clears_it_whatever_affinity_is_there() {
    fix_clears(BROKEN, "HST002");
    fix_clears(&with("affinity: {}"), "HST002");
    fix_clears(&with("affinity: {nodeAffinity: {}}"), "HST002");
    fix_clears(
        &required(
            "{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: other}}}",
        ),
        "HST002",
    );
    let preferred = with(
        "affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: edge}}}}]}}",
    );
    fix_clears(&preferred, "HST002");
    let patch = serde_json::to_string(&lint(&preferred).one("HST002").fixes[0].patch).unwrap();
    assert!(
        !patch.contains("/podAntiAffinity\""),
        "preferred terms stay: {patch}"
    );
    fix_clears(
        &BROKEN.replace("kind: Deployment", "kind: StatefulSet"),
        "HST002",
    );
}

#[test]
fn the_fix_copies_the_whole_selector_and_brings_the_strategy() {
    let text = BROKEN.replace(
        "{matchLabels: {app: edge}}",
        "{matchLabels: {app: edge}, matchExpressions: [{key: tier, operator: In, values: [front]}, {key: canary, operator: DoesNotExist}]}",
    );
    fix_clears(&text, "HST002");
    let patch = serde_json::to_value(&lint(&text).one("HST002").fixes[0].patch).unwrap();
    let selector = patch
        .pointer("/2/value/requiredDuringSchedulingIgnoredDuringExecution/0/labelSelector")
        .unwrap();
    let wanted = serde_json::json!({"matchLabels": {"app": "edge"}, "matchExpressions": [
        {"key": "tier", "operator": "In", "values": ["front"]}, {"key": "canary", "operator": "DoesNotExist"}]});
    assert_eq!(selector, &wanted);
    assert_eq!(patch.pointer("/3/value/rollingUpdate/maxSurge").unwrap(), 0);
    let recreate = BROKEN.replace(
        "  replicas: 2",
        "  replicas: 2\n  strategy: {type: Recreate}",
    );
    let patch = serde_json::to_string(&lint(&recreate).one("HST002").fixes[0].patch).unwrap();
    assert!(!patch.contains("rollingUpdate"), "{patch}");
}

#[test]
fn required_anti_affinity_on_a_node_or_wider_is_enough() {
    for key in ["kubernetes.io/hostname", "topology.kubernetes.io/zone"] {
        lint(&required(&format!(
            "{{topologyKey: {key}, labelSelector: {{matchLabels: {{app: edge}}}}}}"
        )))
        .none("HST002");
    }
    lint(&required("{topologyKey: kubernetes.io/hostname, labelSelector: {matchExpressions: [{key: app, operator: Exists}]}}")).none("HST002");
    lint(&required("{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: edge}}, namespaces: [other]}")).one("HST002");
    lint(&required("{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: edge}}, namespaces: [other], namespaceSelector: {}}")).none("HST002");
    lint(&required("{topologyKey: kubernetes.io/hostname}")).one("HST002");
}

#[test]
fn spreading_is_not_keeping_apart() {
    lint(&with("topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: edge}}}]")).one("HST002");
}

#[test]
fn one_pod_cannot_meet_itself() {
    lint(&BROKEN.replace("replicas: 2", "replicas: 1")).none("HST002");
    lint(&BROKEN.replace("  replicas: 2\n", "")).none("HST002");
    let minimum = |pods: u8| {
        format!(
            "{}---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: edge, namespace: shop}}\nspec: {{minReplicas: {pods}, maxReplicas: 5, scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: edge}}}}\n",
            BROKEN.replace("  replicas: 2\n", "")
        )
    };
    lint(&minimum(1)).none("HST002");
    let ran = lint(&minimum(2));
    let finding = ran.one("HST002");
    assert_eq!(finding.confidence.as_str(), "likely");
    assert!(
        finding
            .notes
            .iter()
            .any(|note| note.contains("only the minimum"))
    );
    // An autoscaler leaves alone what is scaled to zero.
    let asleep =
        |pods: u8| minimum(pods).replace("spec:\n  selector", "spec:\n  replicas: 0\n  selector");
    lint(&asleep(3)).none("HST002");
}

#[test]
fn other_kinds_networks_and_system_namespaces_are_left_alone() {
    lint(&BROKEN.replace("kind: Deployment", "kind: DaemonSet")).none("HST002");
    lint(&BROKEN.replace("hostNetwork: true", "hostNetwork: false")).none("HST002");
    lint(&BROKEN.replace("namespace: shop", "namespace: kube-system")).none("HST002");
}

#[test]
fn no_patch_without_a_selector_that_selects_it() {
    let other = BROKEN.replace(
        "selector: {matchLabels: {app: edge}}",
        "selector: {matchLabels: {app: x}}",
    );
    assert!(lint(&other).one("HST002").fixes[0].patch.0.is_empty());
}

#[test]
fn deployments_that_could_not_be_listed_are_unknown() {
    let ran = check_with("", |builder| {
        forbid(builder, crate::model::Kind::Deployment);
    });
    ran.none("HST002").unknown("HST002", "deployments");
}

#[test]
fn a_patch_does_not_say_which_ports_are_declared() {
    let whole = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {replicas: 3, template: {spec: {hostNetwork: true, containers: [{name: web, image: web}]}}}\n";
    crate::testkit::lint(whole).one("HST002");
    crate::testkit::lint(&whole.replace(", image: web", ""))
        .none("HST002")
        .skipped("HST002", "a patch");
}
