use super::RULE;
use crate::{
    model::Kind,
    testkit::{check, check_page, check_with, fix_clears, forbid, lint},
};

fn service(selector: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: checkout, namespace: shop}}\nspec: {{selector: {selector}, ports: [{{port: 80, targetPort: 8080}}]}}\n"
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
fn the_fix_selects_the_one_free_workload() {
    let broken = service("{app: basket}") + &deployment("checkout", "{app: payment-service}");
    let ran = lint(&broken);
    assert_eq!(ran.one("SVC001").severity.as_str(), "error");
    fix_clears(&broken, "SVC001");
}

#[test]
fn two_free_workloads_give_no_patch() {
    let ran = lint(
        &(service("{app: basket}")
            + &deployment("checkout-api", "{app: alpha}")
            + &deployment("checkout-worker", "{app: omega}")),
    );
    assert!(
        ran.one("SVC001")
            .fixes
            .iter()
            .all(|fix| fix.patch.0.is_empty())
    );
}

#[test]
fn kics_4817_every_pair_counts_with_key_and_value() {
    // One template has the first pair, another one the second; a third has the value under another key.
    let ran = check(
        &(service("{app: web, tier: backend}")
            + &deployment("one", "{app: web, tier: front}")
            + &deployment("two", "{app: jobs, tier: backend}")
            + &deployment("three", "{tier: web, app: backend}")),
    );
    assert_eq!(ran.of("SVC001").len() + ran.of("SVC002").len(), 1);
    lint(
        &(service("{app: web, tier: backend}")
            + &deployment("checkout", "{app: web, tier: backend, extra: x}")),
    )
    .none("SVC001")
    .none("SVC002");
}

#[test]
fn kube_linter_746_no_selector_is_no_wrong_selector() {
    lint(&(service("{}") + &deployment("web", "{app: web}"))).none("SVC001");
}

#[test]
fn kube_linter_848_runtime_labels_are_not_compared() {
    lint(&(service("{statefulset.kubernetes.io/pod-name: db-0}") + &deployment("db", "{app: db}")))
        .none("SVC001")
        .skipped("SVC001", "controllers set");
    lint(
        &(service("{app: db, statefulset.kubernetes.io/pod-name: db-0}")
            + &deployment("db", "{app: db}")),
    )
    .none("SVC001");
}

#[test]
fn external_names_select_nothing_on_purpose() {
    lint(
        &(service("{app: basket}").replace(
            "spec: {",
            "spec: {type: ExternalName, externalName: example.test, ",
        ) + &deployment("checkout", "{app: checkout}")),
    )
    .none("SVC001");
}

#[test]
fn rollouts_experiments_and_knative_count_by_shape() {
    let rollout = deployment("checkout", "{app: basket}")
        .replace("apps/v1", "argoproj.io/v1alpha1")
        .replace("Deployment", "Rollout");
    lint(&(service("{app: basket}") + &rollout)).none("SVC001");
    let preview = "  strategy: {canary: {steps: [{experiment: {templates: [{specRef: canary, metadata: {labels: {app: preview}}}]}}]}}\n";
    lint(&(service("{app: preview}") + &rollout + preview)).none("SVC001");
    lint(&(service("{app: other}") + &rollout + preview)).one("SVC001");
}

#[test]
fn an_owner_or_a_label_of_an_operator_leaves_context_only() {
    let owned = service("{app: basket}").replace(
        "namespace: shop}",
        "namespace: shop, ownerReferences: [{apiVersion: x/v1, kind: Database, name: d, uid: u}]}",
    );
    let ran = lint(&(owned + &deployment("checkout", "{app: checkout}")));
    assert_eq!(ran.one("SVC001").severity.as_str(), "info");
    // A leader label that nothing declares.
    let ran = lint(
        &(service("{app: checkout, ovn-nb-leader: 'true'}")
            + &deployment("checkout", "{app: checkout}")),
    );
    let finding = ran.one("SVC001");
    assert_eq!(finding.severity.as_str(), "info");
    assert_eq!(finding.confidence.as_str(), "hint");
    ran.none("SVC002");
}

#[test]
fn in_files_a_namespace_without_workloads_proves_nothing() {
    let elsewhere = deployment("web", "{app: web}").replace("shop", "other");
    lint(&(service("{app: basket}") + &elsewhere))
        .none("SVC001")
        .skipped("SVC001", "not in this input");
    // On a cluster it does.
    check(&(service("{app: basket}") + &deployment("web", "{app: web}"))).one("SVC001");
}

#[test]
fn in_files_a_workload_without_a_namespace_may_be_the_one() {
    let implied = deployment("checkout", "{app: basket}").replace(", namespace: shop", "");
    lint(&(service("{app: basket}") + &implied + &deployment("web", "{app: web}")))
        .none("SVC001")
        .skipped("SVC001", "namespace not stated");
}

#[test]
fn in_files_it_is_a_warning_when_every_workload_is_taken() {
    let taken = deployment("web", "{app: web}")
        + &service("{app: web}").replace("name: checkout", "name: web");
    let ran = lint(&(service("{app: basket}") + &taken));
    assert_eq!(ran.one("SVC001").severity.as_str(), "warning");
    let ran = check(&(service("{app: basket}") + &taken));
    assert_eq!(ran.one("SVC001").severity.as_str(), "error");
}

#[test]
fn a_workload_at_zero_is_another_rule() {
    let zero = deployment("checkout", "{app: basket}").replace("spec:\n", "spec:\n  replicas: 0\n");
    check(&(service("{app: basket}") + &zero)).none("SVC001");
    // The ReplicaSet of a Rollout, which no list of known kinds shows.
    let set = deployment("checkout-abc", "{app: basket}")
        .replace("Deployment", "ReplicaSet")
        .replace("spec:\n", "spec:\n  replicas: 0\n")
        .replace(
            "namespace: shop}",
            "namespace: shop, ownerReferences: [{apiVersion: argoproj.io/v1alpha1, kind: Rollout, name: checkout, uid: u, controller: true}]}",
        );
    check(&(service("{app: basket}") + &set))
        .none("SVC001")
        .skipped("SVC001", "has none now");
}

#[test]
fn finished_and_terminating_pods_are_another_rule() {
    let pod = |rest: &str, status: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: shop, labels: {{app: basket}}{rest}}}\nspec: {{containers: [{{name: c, image: c}}]}}\nstatus: {{phase: {status}}}\n"
        )
    };
    check(&(service("{app: basket}") + &pod("", "Failed"))).none("SVC001");
    let gone = pod(", deletionTimestamp: '2026-01-01T11:59:50Z'", "Running");
    check(&(service("{app: basket}") + &gone)).none("SVC001");
}

#[test]
fn radar_846_what_could_not_be_listed_is_not_missing() {
    let yaml = service("{app: basket}") + &deployment("checkout", "{app: checkout}");
    // A CronJob has no Pods between two runs, nor has a DaemonSet without a node for it.
    for kind in [
        Kind::Pod,
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
        Kind::ReplicaSet,
        Kind::ReplicationController,
        Kind::Job,
        Kind::CronJob,
    ] {
        check_with(&yaml, |builder| forbid(builder, kind))
            .none("SVC001")
            .none("SVC002")
            .unknown("SVC001", "forbidden");
    }
}

#[test]
fn two_variants_never_accuse_each_other() {
    let variant = service("{app: basket}") + &service("{app: checkout}");
    lint(&(variant + &deployment("checkout", "{app: checkout}"))).quiet("SVC001");
}

const RELEASE: &str = "---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: basket, namespace: shop}\nspec: {chart: {spec: {chart: basket}}}\n";

/// The severity in the presence of one workload that cannot be meant, and of something else.
fn severity_beside(more: &str) -> &'static str {
    let taken = deployment("mail", "{app: mail}").replace("8080", "25")
        + "---\napiVersion: v1\nkind: Service\nmetadata: {name: mail, namespace: shop}\nspec: {selector: {app: mail}, ports: [{port: 25}]}\n";
    let ran = lint(&(service("{app: basket}") + &taken + more));
    ran.one("SVC001").severity.as_str()
}

#[test]
fn what_a_chart_or_an_operator_makes_is_not_missing() {
    assert_eq!(severity_beside(""), "warning");
    assert_eq!(severity_beside(RELEASE), "info");
    assert_eq!(
        severity_beside(&RELEASE.replace("namespace: shop", "namespace: other")),
        "warning"
    );
    let target = RELEASE
        .replace("namespace: shop", "namespace: flux-system")
        .replace("spec: {", "spec: {targetNamespace: shop, ");
    assert_eq!(severity_beside(&target), "info");
    let operator = "---\napiVersion: ray.io/v1\nkind: RayCluster\nmetadata: {name: r, namespace: shop}\nspec: {}\n";
    assert_eq!(severity_beside(operator), "info");
    let monitor = "---\napiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: r, namespace: shop}\nspec: {}\n";
    assert_eq!(severity_beside(monitor), "warning");
    let application = "---\napiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: r, namespace: argocd}\nspec: {destination: {namespace: shop}}\n";
    assert_eq!(severity_beside(application), "info");
    assert_eq!(
        severity_beside(&application.replace("{namespace: shop}", "{namespace: x}")),
        "warning"
    );
}

#[test]
fn a_chart_beside_it_does_not_hide_a_workload_that_fits() {
    let ran = lint(
        &(service("{app: basket}") + &deployment("checkout", "{app: payment-service}") + RELEASE),
    );
    assert_eq!(ran.one("SVC001").severity.as_str(), "error");
}

/// Nothing makes pods here, so nothing labels them later either.
#[test]
fn on_a_cluster_a_namespace_without_workloads_is_no_excuse() {
    let ran = check(&service("{app: basket}"));
    assert_eq!(ran.one("SVC001").severity.as_str(), "error");
}

#[test]
fn a_port_in_common_does_not_make_a_workload_the_one_that_is_meant() {
    let broken = service("{app: basket}") + &deployment("billing-worker", "{app: billing-worker}");
    for ran in [lint(&broken), check(&broken)] {
        let finding = ran.one("SVC001");
        assert!(finding.fixes.iter().all(|fix| fix.patch.0.is_empty()));
        let told = format!("{:?}", finding.fixes);
        assert!(!told.contains("billing"), "{told}");
    }
}
