use super::RULE;
use crate::{
    model::Kind,
    testkit::{check, check_page, check_with, forbid},
};

fn service(age: &str, spec: &str) -> String {
    format!(
        "
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop, uid: s1, creationTimestamp: '2026-01-01T{age}Z'}}
spec: {{type: LoadBalancer, {spec} ports: [{{port: 80, nodePort: 30080}}]}}
"
    )
}

fn node(extra: &str) -> String {
    format!("\n---\napiVersion: v1\nkind: Node\nmetadata: {{name: n1, {extra}}}\n")
}

fn deployment(image: &str) -> String {
    format!(
        "
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: c, namespace: anywhere}}
spec: {{selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: c, image: {image:?}}}]}}}}}}
"
    )
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn pending_without_anybody_is_found_and_the_node_port_named() {
    let ran = check(&service("09:00:00", ""));
    let finding = ran.one("LBA001");
    assert!(finding.notes.iter().any(|note| note.contains("30080/TCP")));
    assert!(
        finding.message.contains("3 h") || finding.message.contains("180 min"),
        "{}",
        finding.message
    );
}

#[test]
fn young_services_and_named_classes_are_left_alone() {
    check(&service("11:59:30", ""))
        .none("LBA001")
        .unknown("LBA001", "settling");
    check(&service("09:00:00", "loadBalancerClass: example.test/lb,"))
        .none("LBA001")
        .skipped("LBA001", "example.test/lb");
}

#[test]
fn any_controller_that_could_serve_it_is_another_fault() {
    for image in [
        "quay.io/metallb/controller:v0.14",
        "ghcr.io/kube-vip/kube-vip:v0.8",
        "r/openstack-cloud-controller-manager:v1",
    ] {
        check(&(service("09:00:00", "") + &deployment(image)))
            .none("LBA001")
            .skipped("LBA001", "controller");
    }
    check(&(service("09:00:00", "") + &deployment("example.test/web:1"))).one("LBA001");
    let cloud = node("").replace(
        "metadata:",
        "spec: {providerID: 'aws:///eu/i-1'}\nmetadata:",
    );
    check(&(service("09:00:00", "") + &cloud)).none("LBA001");
    let kind = cloud.replace("aws:///eu/i-1", "kind://docker/kind/n1");
    check(&(service("09:00:00", "") + &kind)).one("LBA001");
    let served = service("09:00:00", "").replace("name: web", "name: other")
        + "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n";
    check(&(service("09:00:00", "") + &served)).none("LBA001");
}

#[test]
fn events_of_a_controller_prove_that_there_is_one() {
    let event = |reason: &str, uid: &str| {
        format!(
            "\n---\napiVersion: v1\nkind: Event\nmetadata: {{name: e, namespace: shop}}\ninvolvedObject: {{kind: Service, name: web, namespace: shop, uid: {uid}}}\nreason: {reason}\n"
        )
    };
    check(&(service("09:00:00", "") + &event("SyncLoadBalancerFailed", "s1"))).none("LBA001");
    check(&(service("09:00:00", "") + &event("SyncLoadBalancerFailed", "s0"))).one("LBA001");
    check(&(service("09:00:00", "") + &event("Created", "s1"))).one("LBA001");
}

#[test]
fn the_balancer_of_k3s_gets_time_to_show_itself() {
    let k3s = node("annotations: {k3s.io/hostname: n1}");
    check(&(service("11:57:00", "") + &k3s))
        .none("LBA001")
        .unknown("LBA001", "K3s");
    let ran = check(&(service("09:00:00", "") + &k3s));
    assert!(ran.one("LBA001").fixes[0].title.contains("servicelb"));
}

#[test]
fn microk8s_users_get_their_command() {
    let ran = check(&(service("09:00:00", "") + &node("labels: {microk8s.io/cluster: 'true'}")));
    let command = ran.one("LBA001").fixes[0].command.as_deref();
    assert_eq!(command, Some("microk8s enable metallb"));
}

#[test]
fn who_may_not_look_everywhere_gets_no_verdict() {
    for kind in [Kind::Deployment, Kind::DaemonSet, Kind::Node, Kind::Pod] {
        check_with(&service("09:00:00", ""), |b| forbid(b, kind))
            .none("LBA001")
            .unknown("LBA001", "forbidden");
    }
    let one_namespace = check_with(&service("09:00:00", ""), |b| {
        let coverage = b.coverage(Kind::Deployment);
        coverage.everywhere = false;
        coverage.namespaces.insert("shop".into());
    });
    one_namespace
        .none("LBA001")
        .unknown("LBA001", "deployments");
}
