//! What was wrong before, and is the same, worse, or only has another name now.

use super::triggers::{WEB, judge_with, service};
use crate::config::Config;

/// What an update brings of one rule: where it is found, and whether it counts as milder.
fn update(rest: &[&str], old: &str, new: &str, code: &str) -> Vec<(String, bool)> {
    let cluster: Vec<&str> = rest.iter().copied().chain([old]).collect();
    let judged = judge_with(&cluster, (old, new), &|_| true, &Config::default());
    let findings = judged.report.findings.iter();
    findings
        .filter(|finding| finding.rule.code == code)
        .map(|finding| {
            let milder = judged.milder.contains(&finding.fingerprint);
            (finding.key.clone(), milder)
        })
        .collect()
}

fn milder(key: &str) -> (String, bool) {
    (key.to_owned(), true)
}

fn new(key: &str) -> (String, bool) {
    (key.to_owned(), false)
}

/// `web` with a probe on a port that it does not declare.
fn probed() -> String {
    WEB.replace(
        "image: web,",
        "image: web, readinessProbe: {httpGet: {port: htpp}},",
    )
}

#[test]
fn a_container_with_another_name_is_not_worse_than_it_was() {
    let old = probed();
    let renamed = old.replace("{name: web, image", "{name: app, image");
    assert_eq!(
        update(&[], &old, &renamed, "PRB001"),
        [milder("app/readinessProbe")]
    );
    // One more is one too many: which of them is the old one cannot be told.
    let second = "{name: two, image: two, readinessProbe: {httpGet: {port: nope}}}";
    let more = renamed.replace("containers: [", &format!("containers: [{second}, "));
    assert_eq!(
        update(&[], &old, &more, "PRB001"),
        [new("app/readinessProbe"), new("two/readinessProbe")]
    );
    // Whatever else stays wrong is no old form of it.
    let beside = old.replace("containers: [", &format!("containers: [{second}, "));
    let third = beside.replace(
        second,
        &format!("{second}, {}", second.replace("two", "three")),
    );
    assert_eq!(
        update(&[], &beside, &third, "PRB001"),
        [new("three/readinessProbe")]
    );
    // Another field of a container is another place.
    let moved = renamed.replace("readinessProbe", "livenessProbe");
    assert_eq!(
        update(&[], &old, &moved, "PRB001"),
        [new("app/livenessProbe")]
    );
}

#[test]
fn a_service_port_with_another_name_is_not_worse_than_it_was() {
    let old = service(
        "web",
        "selector: {app: web}, ports: [{name: a, port: 80, targetPort: nope}, {name: ok, port: 81, targetPort: http}]",
    );
    let renamed = old.replace("name: a,", "name: b,");
    assert_eq!(update(&[WEB], &old, &renamed, "SVC004"), [milder("b")]);
    let swapped = renamed.replace(
        "name: ok, port: 81, targetPort: http",
        "name: ok, port: 81, targetPort: none",
    );
    assert_eq!(
        update(&[WEB], &old, &swapped, "SVC004"),
        [new("b"), new("ok")]
    );
    // What was information before does not excuse a refusal.
    let headless = old.replace("{selector", "{clusterIP: None, selector");
    assert_eq!(update(&[WEB], &headless, &renamed, "SVC004"), [new("b")]);
}

#[test]
fn the_other_direction_of_a_policy_is_another_defect() {
    let policy = |field: &str, kind: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: shop}}\nspec: {{podSelector: {{}}, policyTypes: [{kind}], {field}: [{{}}]}}\n"
        )
    };
    let (old, other) = (policy("egress", "Ingress"), policy("ingress", "Egress"));
    assert_eq!(update(&[], &old, &other, "POL007"), [new("ingress")]);
}

#[test]
fn what_becomes_worse_is_told() {
    let open = service(
        "web",
        "selector: {app: web}, ports: [{name: p, port: 8080, targetPort: 9999}]",
    )
    .replace("port: 8080", "port: 90");
    // No sign that it is wrong, then one: the Service port is what the Pods declare.
    let signed = open.replace("port: 90", "port: 8080");
    assert_eq!(update(&[WEB], &open, &signed, "SVC006"), [new("p")]);
    // As bad as before, or better, is no news.
    let as_bad = signed.replace("targetPort: 9999", "targetPort: 9998");
    assert_eq!(update(&[WEB], &signed, &as_bad, "SVC006"), []);
    assert_eq!(update(&[WEB], &signed, &open, "SVC006"), []);
}
