use super::RULE;
use crate::model::Kind;
use crate::testkit::{check, check_page, check_with, fix_clears, forbid, lint};

const PODS: &str = "
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, tier: front}}
    spec: {containers: [{name: web, image: web}]}
";

fn policy(selector: &str, more: &str) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: guard, namespace: shop}}
spec:
  podSelector: {selector}
  policyTypes: [Ingress]
  {more}
"
    )
}

fn with_pods(selector: &str) -> String {
    policy(selector, "ingress: []") + PODS
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn a_slip_is_found_and_repaired() {
    let broken = with_pods("{matchLabels: {app: wbe, tier: front}}");
    let ran = lint(&broken);
    let finding = ran.one("POL004");
    assert_eq!(finding.severity.as_str(), "warning");
    assert!(
        finding.notes.iter().any(|note| note.contains("`app: web`")),
        "{:?}",
        finding.notes
    );
    fix_clears(&broken, "POL004");
    assert_eq!(check(&broken).one("POL004").severity.as_str(), "warning");
}

#[test]
fn two_candidates_give_no_patch() {
    let other = PODS
        .replace("name: web, namespace", "name: wib, namespace")
        .replace("app: web", "app: wib");
    let ran = lint(&(with_pods("{matchLabels: {app: wab}}") + &other));
    let finding = ran.one("POL004");
    assert!(finding.fixes.iter().all(|fix| fix.patch.0.is_empty()));
    assert!(
        finding.notes.iter().any(|note| note.contains("app: wib")),
        "{:?}",
        finding.notes
    );
}

#[test]
fn k8sgpt_kube_score_293_an_empty_selector_is_never_flagged() {
    lint(&policy("{}", "ingress: []")).none("POL004");
    check(&policy("{}", "ingress: []")).none("POL004");
    check(&policy(
        "{matchLabels: {}}",
        "ingress: [{from: [{podSelector: {}}]}]",
    ))
    .none("POL004");
}

#[test]
fn k8sgpt_expressions_alone_are_a_selector() {
    let expression = |values: &str| {
        with_pods(&format!(
            "{{matchExpressions: [{{key: app, operator: In, values: [{values}]}}]}}"
        ))
    };
    lint(&expression("api, web")).none("POL004");
    lint(&expression("api")).one("POL004");
    lint(&with_pods(
        "{matchExpressions: [{key: app, operator: NotIn, values: [api]}]}",
    ))
    .none("POL004");
    lint(&with_pods(
        "{matchExpressions: [{key: app, operator: Like, values: [web]}]}",
    ))
    .none("POL004")
    .unknown("POL004", "operator");
}

#[test]
fn popeye_311_an_outside_range_is_no_selector_and_empty_is_not_missing() {
    let more = "ingress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]\n  egress: []";
    lint(&(policy("{matchLabels: {app: web}}", more) + PODS)).none("POL004");
}

#[test]
fn operator_made_pods_are_information_only() {
    // No template declares the key.
    let ran = lint(&with_pods("{matchLabels: {cnpg.io/cluster: main}}"));
    let finding = ran.one("POL004");
    assert_eq!(
        (finding.severity.as_str(), finding.confidence.as_str()),
        ("info", "hint")
    );
    // The recommended labels are on everything.
    let recommended = PODS.replace("{app: web, tier: front}", "{app.kubernetes.io/name: web}");
    lint(
        &(policy(
            "{matchLabels: {app.kubernetes.io/name: prometheus}}",
            "ingress: []",
        ) + &recommended),
    )
    .quiet("POL004");
    let near = lint(
        &(policy(
            "{matchLabels: {app.kubernetes.io/name: wbe}}",
            "ingress: []",
        ) + &recommended),
    );
    assert_eq!(near.one("POL004").severity.as_str(), "warning");
}

#[test]
fn another_namespace_is_a_near_miss() {
    let moved = PODS.replace("namespace: shop", "namespace: store");
    let ran =
        check(&(with_pods("{matchLabels: {app: db}}") + &moved.replace("app: web", "app: db")));
    assert!(
        ran.one("POL004")
            .notes
            .iter()
            .any(|note| note.contains("another namespace")),
        "{}",
        ran.describe()
    );
}

#[test]
fn pods_elsewhere_are_not_in_this_input() {
    lint(&policy("{matchLabels: {app: web}}", "ingress: []"))
        .none("POL004")
        .skipped("POL004", "not in this input");
    let unstated = PODS.replace(", namespace: shop", "");
    let text = policy("{matchLabels: {app: web}}", "ingress: []")
        + &unstated
        + &PODS.replace("app: web", "app: api");
    lint(&text).none("POL004").skipped("POL004", "no namespace");
}

#[test]
fn templates_without_pods_and_finished_pods_count() {
    check(&with_pods("{matchLabels: {app: web}}")).none("POL004");
    let finished = "
---
apiVersion: v1
kind: Pod
metadata: {name: once, namespace: shop, labels: {app: once}}
spec: {containers: [{name: once, image: once}]}
status: {phase: Succeeded}
";
    check(&(policy("{matchLabels: {app: once}}", "ingress: []") + finished)).none("POL004");
}

#[test]
fn forbidden_lists_accuse_nobody() {
    let broken = with_pods("{matchLabels: {app: wbe}}");
    for kind in [Kind::Pod, Kind::Deployment, Kind::CronJob] {
        check_with(&broken, |builder| forbid(builder, kind))
            .none("POL004")
            .unknown("POL004", "forbidden");
    }
}

#[test]
fn a_fresh_policy_is_left_alone() {
    let fresh = with_pods("{matchLabels: {app: wbe}}").replace(
        "{name: guard,",
        "{name: guard, creationTimestamp: '2026-01-01T11:59:30Z',",
    );
    check(&fresh).none("POL004").skipped("POL004", "moment");
}

#[test]
fn peers_are_information_and_forgotten_namespaces_are_silent_in_files() {
    let peer = |peer: &str| {
        policy(
            "{matchLabels: {app: web}}",
            &format!("ingress: [{{from: [{peer}]}}]"),
        ) + PODS
    };
    let ran = lint(&peer("{podSelector: {matchLabels: {app: clietn}}}"));
    assert_eq!(
        (ran.one("POL004").severity.as_str(), ran.one("POL004").case),
        ("info", Some("peer"))
    );
    lint(&peer(
        "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}",
    ))
    .none("POL004");
    check(&peer(
        "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}",
    ))
    .quiet("POL004")
    .one("POL004");
    lint(&peer(
        "{namespaceSelector: {}, podSelector: {matchLabels: {app: prometheus}}}",
    ))
    .quiet("POL004");
    check_with(
        &peer("{namespaceSelector: {matchLabels: {team: a}}}"),
        |b| forbid(b, Kind::Namespace),
    )
    .none("POL004");
}

#[test]
fn the_classic_name_label_is_explained() {
    let text = policy(
        "{matchLabels: {app: web}}",
        "ingress: [{from: [{namespaceSelector: {matchLabels: {name: monitoring}}}]}]",
    ) + PODS
        + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: monitoring}\n";
    let ran = lint(&text);
    let notes = ran.one("POL004").notes.join("\n");
    assert!(
        notes.contains("kubernetes.io/metadata.name: monitoring"),
        "{notes}"
    );
    lint(&text.replace(
        "metadata: {name: monitoring}",
        "metadata: {name: monitoring, labels: {name: monitoring}}",
    ))
    .none("POL004");
}
