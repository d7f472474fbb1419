use super::RULE;
use crate::{
    rule::Severity,
    testkit::{Ran, check, check_page, fix_clears, lint},
};

fn container(fields: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: web, image: web, {fields}}}]}}
"
    )
}

const PORTS: &str =
    "ports: [{name: http, containerPort: 8080}, {name: metrics, containerPort: 9090}]";

fn ran(fields: &str) -> Ran {
    lint(&container(fields))
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn every_probe_and_hook_is_read() {
    for field in [
        "livenessProbe: {httpGet: {port: htpp}}",
        "readinessProbe: {tcpSocket: {port: htpp}}",
        "startupProbe: {httpGet: {port: htpp}}",
        "lifecycle: {postStart: {httpGet: {port: htpp}}}",
    ] {
        let ran = ran(&format!("{PORTS}, {field}"));
        assert_eq!(ran.one("PRB001").severity, Severity::Error, "{field}");
    }
    let stop = ran(&format!(
        "{PORTS}, lifecycle: {{preStop: {{tcpSocket: {{port: htpp}}}}}}"
    ));
    assert_eq!(stop.one("PRB001").severity, Severity::Warning);
}

#[test]
fn numbers_grpc_and_quoted_numbers_are_no_names() {
    for port in ["8081", "'8081'"] {
        ran(&format!(
            "{PORTS}, readinessProbe: {{httpGet: {{port: {port}}}}}"
        ))
        .none("PRB001");
    }
    ran(&format!(
        "{PORTS}, readinessProbe: {{grpc: {{port: 9000}}}}"
    ))
    .none("PRB001");
    ran(&format!(
        "{PORTS}, readinessProbe: {{exec: {{command: [x]}}}}"
    ))
    .none("PRB001");
}

#[test]
fn the_kubelet_looks_at_the_name_alone() {
    ran("ports: [{name: http, containerPort: 80, protocol: UDP}], readinessProbe: {httpGet: {port: http}}").none("PRB001");
}

#[test]
fn ports_of_other_containers_do_not_count_and_sidecars_are_read() {
    let two = container("readinessProbe: {httpGet: {port: http}}").replace(
        "containers: [",
        "containers: [{name: other, image: o, ports: [{name: http, containerPort: 80}]}, ",
    );
    assert!(lint(&two).one("PRB001").message.contains("container `web`"));
    let sidecar = container(PORTS).replace(
        "spec: {containers",
        "spec: {initContainers: [{name: s, image: s, restartPolicy: Always, readinessProbe: {httpGet: {port: x}}}], containers",
    );
    lint(&sidecar).one("PRB001");
}

#[test]
fn the_near_name_the_only_port_and_the_only_number_are_offered() {
    fix_clears(
        &container(&format!(
            "{PORTS}, readinessProbe: {{httpGet: {{port: htpp}}}}"
        )),
        "PRB001",
    );
    fix_clears(
        &container(
            "ports: [{name: web, containerPort: 8080}], readinessProbe: {httpGet: {port: admin}}",
        ),
        "PRB001",
    );
    fix_clears(
        &container("ports: [{containerPort: 8080}], readinessProbe: {httpGet: {port: http}}"),
        "PRB001",
    );
}

#[test]
fn two_equal_candidates_give_no_patch() {
    let equal = ran(
        "ports: [{name: http-a, containerPort: 1}, {name: http-b, containerPort: 2}], readinessProbe: {httpGet: {port: http-c}}",
    );
    assert!(
        equal
            .one("PRB001")
            .fixes
            .iter()
            .all(|fix| fix.patch.0.is_empty())
    );
    let none = ran("readinessProbe: {httpGet: {port: http}}");
    assert!(
        none.one("PRB001")
            .fixes
            .iter()
            .all(|fix| fix.patch.0.is_empty())
    );
}

#[test]
fn rollouts_count_and_knative_services_do_not() {
    let custom = |api: &str, kind: &str| {
        container("readinessProbe: {httpGet: {port: http}}")
            .replace("apps/v1", api)
            .replace("kind: Deployment", &format!("kind: {kind}"))
    };
    lint(&custom("argoproj.io/v1alpha1", "Rollout")).one("PRB001");
    lint(&custom("serving.knative.dev/v1", "Service"))
        .none("PRB001")
        .skipped("PRB001", "Knative");
}

#[test]
fn on_a_cluster_the_pods_of_a_workload_are_judged_once() {
    let yaml = container("readinessProbe: {httpGet: {port: http}}")
        + "
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: d, controller: true}]}
spec: {containers: [{name: web, image: web, readinessProbe: {httpGet: {port: http}}}]}
";
    assert_eq!(&*check(&yaml).one("PRB001").subject.kind, "Deployment");
}

#[test]
fn a_patch_adds_to_a_container_that_stands_elsewhere() {
    let patch = container("readinessProbe: {httpGet: {port: http}}")
        .replace("name: web, image: web,", "name: web,");
    lint(&patch).none("PRB001").skipped("PRB001", "a patch");
    // On a cluster there are no patches.
    check(&patch).one("PRB001");
}
