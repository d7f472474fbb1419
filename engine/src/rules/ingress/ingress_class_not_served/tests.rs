use super::RULE;
use crate::{
    model::Kind,
    testkit::{check, check_page, check_with, forbid, lint},
};

fn class(controller: &str) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {{name: edge, creationTimestamp: '2025-12-01T00:00:00Z'}}
spec: {{controller: {controller}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web, namespace: shop, creationTimestamp: '2025-12-01T00:00:00Z'}}
spec: {{ingressClassName: edge, defaultBackend: {{resource: {{kind: A, name: a}}}}}}
"
    )
}

fn pod(name: &str, image: &str, ready: &str, since: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: kube-system, labels: {{pod: {name}}}}}
spec: {{containers: [{{name: a, image: '{image}'}}]}}
status: {{phase: Running, conditions: [{{type: Ready, status: '{ready}', lastTransitionTime: '{since}'}}]}}
"
    )
}

const TRAEFIK: &str = "traefik.io/ingress-controller";
const IMAGE: &str = "rancher/mirrored-library-traefik:2.11";
const LONG_AGO: &str = "2025-12-01T00:00:00Z";

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn radar_a_class_alone_serves_nothing_and_one_ready_pod_does() {
    let ran = check(&class(TRAEFIK));
    assert!(ran.one("ING005").message.contains("no Pod exists"));
    assert_eq!(ran.one("ING005").severity.as_str(), "error");
    let down = class(TRAEFIK) + &pod("a", IMAGE, "False", LONG_AGO);
    assert!(
        check(&down)
            .one("ING005")
            .message
            .contains("none of its 1 Pods is Ready")
    );
    check(&(down + &pod("b", IMAGE, "True", LONG_AGO))).none("ING005");
}

#[test]
fn a_pod_of_another_controller_does_not_count() {
    let other = pod(
        "a",
        "registry.k8s.io/ingress-nginx/controller:v1",
        "True",
        LONG_AGO,
    );
    check(&(class(TRAEFIK) + &other)).one("ING005");
    check(&(class("k8s.io/ingress-nginx") + &other)).none("ING005");
}

#[test]
fn the_balancer_pods_of_k3s_are_not_traefik() {
    check(
        &(class(TRAEFIK)
            + &pod(
                "svclb-traefik-1",
                "rancher/klipper-lb:v0.4",
                "True",
                LONG_AGO,
            )),
    )
    .one("ING005");
}

#[test]
fn finished_pods_do_not_count() {
    let finished = pod("a", IMAGE, "True", LONG_AGO).replace("phase: Running", "phase: Succeeded");
    check(&(class(TRAEFIK) + &finished)).one("ING005");
}

#[test]
fn right_after_a_reboot_it_is_context() {
    let fresh = class(TRAEFIK) + &pod("a", IMAGE, "True", "2026-01-01T11:59:00Z");
    let ran = check(&fresh);
    assert_eq!(ran.one("ING005").case, Some("just-started"));
    assert_eq!(ran.one("ING005").severity.as_str(), "info");
    check(&(fresh + &pod("b", IMAGE, "True", LONG_AGO))).none("ING005");
}

#[test]
fn outside_and_unknown_controllers_are_not_accused() {
    check(&class("eks.amazonaws.com/alb"))
        .none("ING005")
        .unknown("ING005", "outside the cluster");
    check(&class("example.com/edge"))
        .none("ING005")
        .unknown("ING005", "nothing tells which Pods");
}

#[test]
fn a_class_that_nobody_names_is_a_leftover() {
    let unused = class(TRAEFIK).replace("ingressClassName: edge", "ingressClassName: other");
    check(&unused).quiet("ING005").one("ING005");
    let default = unused.replace(
        "name: edge,",
        "name: edge, annotations: {ingressclass.kubernetes.io/is-default-class: 'true'},",
    );
    assert_eq!(check(&default).one("ING005").severity.as_str(), "error");
}

#[test]
fn a_workload_without_pods_is_named() {
    let workload = "---
apiVersion: apps/v1
kind: Deployment
metadata: {name: traefik, namespace: kube-system}
spec:
  replicas: 0
  selector: {matchLabels: {app: t}}
  template: {metadata: {labels: {app: t}}, spec: {containers: [{name: a, image: 'traefik:v3'}]}}
";
    let ran = check(&(class(TRAEFIK) + workload));
    let finding = ran.one("ING005");
    assert!(
        finding
            .message
            .contains("Deployment kube-system/traefik has no Pod"),
        "{}",
        finding.message
    );
    let command = finding.fixes[0].command.as_deref();
    assert_eq!(
        command,
        Some("kubectl -n kube-system scale deployment/traefik --replicas=1")
    );
}

#[test]
fn a_new_class_is_settling() {
    let young = class(TRAEFIK).replacen("2025-12-01T00:00:00Z", "2026-01-01T11:59:30Z", 1);
    check(&young).none("ING005").unknown("ING005", "settling");
}

#[test]
fn pods_that_may_not_be_listed_accuse_nobody() {
    check_with(&class(TRAEFIK), |builder| forbid(builder, Kind::Pod))
        .none("ING005")
        .unknown("ING005", "cannot list pods");
    lint(&class(TRAEFIK)).none("ING005");
}
