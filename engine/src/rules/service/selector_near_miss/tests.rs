use super::RULE;
use crate::{
    config::Config,
    rule::Surface,
    rules::RULES,
    run::run,
    snapshot::Source,
    testkit::{Ran, check, check_page, clock, fix_clears, lint, read},
};

fn service(selector: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: frontend, namespace: shop}}\nspec: {{selector: {selector}, ports: [{{port: 80, targetPort: 8080}}]}}\n"
    )
}

fn deployment(name: &str, labels: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  selector: {{matchLabels: {labels}}}\n  template:\n    metadata: {{labels: {labels}}}\n    spec: {{containers: [{{name: c, image: c, ports: [{{containerPort: 8080}}]}}]}}\n"
    )
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn one_slip_is_named_and_mended() {
    let broken = service("{app: fronted}") + &deployment("frontend", "{app: frontend}");
    let ran = lint(&broken);
    assert_eq!(
        ran.one("SVC002").message,
        "Service `shop/frontend` selects `app=fronted`, the Pods of Deployment shop/frontend have `app=frontend`"
    );
    ran.none("SVC001");
    fix_clears(&broken, "SVC002");
}

#[test]
fn a_pod_that_nothing_owns_speaks_for_itself() {
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: frontend, namespace: shop, labels: {app: frontend}}\nspec: {containers: [{name: c, image: c}]}\n";
    assert_eq!(
        lint(&(service("{app: fronted}") + pod))
            .one("SVC002")
            .message,
        "Service `shop/frontend` selects `app=fronted`, Pod shop/frontend has `app=frontend`"
    );
}

#[test]
fn case_and_separators_are_the_strongest_sign() {
    let ran = lint(
        &(service("{app: front_end}")
            + &deployment("frontend", "{app: Front-End}")
            + &deployment("frontend-x", "{app: frontends}")),
    );
    assert!(ran.one("SVC002").message.contains("Front-End"));
}

#[test]
fn the_same_value_under_another_key() {
    let broken =
        service("{app: frontend}") + &deployment("frontend", "{app.kubernetes.io/name: frontend}");
    assert_eq!(lint(&broken).one("SVC002").severity.as_str(), "error");
    fix_clears(&broken, "SVC002");
    let misspelt = service("{ap: frontend}") + &deployment("frontend", "{app: frontend}");
    lint(&misspelt).none("SVC002"); // two letters are no word to compare
    fix_clears(
        &(service("{aap: frontend}") + &deployment("frontend", "{app: frontend}")),
        "SVC002",
    );
}

#[test]
fn all_pairs_but_one() {
    let broken = service("{app: frontend, version: v2}")
        + &deployment("frontend", "{app: frontend, version: v1}");
    assert_eq!(lint(&broken).one("SVC002").key, "version");
    fix_clears(&broken, "SVC002");
}

#[test]
fn another_part_of_the_application_is_no_near_miss() {
    // Taken by its own Service, and fits in no way.
    let other = deployment("vtctld", "{app: vitess, component: vtctld}").replace("8080", "15000")
        + &service("{app: vitess, component: vtctld}").replace("name: frontend", "name: vtctld");
    let ran = lint(&(service("{app: vitess, component: vtgate}") + &other));
    ran.none("SVC002").one("SVC001");
}

#[test]
fn siblings_that_differ_in_digits_are_no_slip() {
    let other = deployment("frontend-2", "{app: frontend-2}")
        + &service("{app: frontend-2}").replace("name: frontend", "name: frontend-2");
    lint(&(service("{app: frontend-1}") + &other)).none("SVC002");
}

#[test]
fn two_equal_candidates_give_no_patch() {
    let ran = lint(
        &(service("{app: cart}")
            + &deployment("frontend-a", "{app: carts}")
            + &deployment("frontend-b", "{app: card}")),
    );
    let finding = ran.one("SVC002");
    assert!(finding.fixes.iter().all(|fix| fix.patch.0.is_empty()));
    assert!(finding.message.contains("carts"), "{}", finding.message);
    assert!(
        finding.notes.iter().any(|note| note.contains("card")),
        "{:?}",
        finding.notes
    );
}

#[test]
fn switching_on_purpose_is_context_only() {
    let blue = deployment("frontend", "{app: frontend, color: blue}");
    let ran = lint(&(service("{app: frontend, color: green}") + &blue));
    assert_eq!(ran.one("SVC002").severity.as_str(), "info");
    let rollout = deployment("frontend", "{app: frontend}")
        .replace("apps/v1", "argoproj.io/v1alpha1")
        .replace("Deployment", "Rollout");
    let ran = lint(&(service("{app: fronted}") + &rollout));
    assert_eq!(ran.one("SVC002").severity.as_str(), "info");
}

#[test]
fn a_match_in_another_namespace() {
    let other = deployment("frontend", "{app: frontend}").replace("shop", "web");
    let yaml = service("{app: frontend}") + &other;
    let ran = check(&yaml);
    let finding = ran.one("SVC002");
    assert_eq!(
        (finding.case, finding.severity.as_str()),
        (Some("other-namespace"), "error")
    );
    assert!(finding.message.contains("`web`"), "{}", finding.message);
    assert_eq!(lint(&yaml).one("SVC002").severity.as_str(), "warning");
    let (cluster, _) = read(&yaml, Source::Cluster, |_| {});
    let admitted = run(
        &RULES,
        &cluster,
        &Config::default(),
        clock(),
        Surface::Admit,
    );
    let told = &Ran(admitted).one("SVC002").message.clone();
    assert!(
        told.ends_with("only workloads of another namespace"),
        "{told}"
    );
    // Somebody there selects it: another instance of the same application.
    let served = service("{app: frontend}").replace("shop", "web");
    check(&(yaml + &served)).none("SVC002").one("SVC001");
}

#[test]
fn a_pod_of_a_template_is_not_a_second_candidate() {
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: frontend-x, namespace: shop, labels: {app: frontend, pod-template-hash: x}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: frontend-r, uid: r, controller: true}]}\nspec: {containers: [{name: c, image: c}]}\nstatus: {phase: Running}\n";
    let set = "---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: frontend-r, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: frontend, uid: d, controller: true}]}\nspec: {selector: {}, template: {metadata: {labels: {app: frontend, pod-template-hash: x}}, spec: {containers: []}}}\n";
    let ran = check(
        &(service("{app: fronted}") + &deployment("frontend", "{app: frontend}") + set + pod),
    );
    assert_eq!(ran.one("SVC002").fixes[0].patch.0.len(), 2);
}
