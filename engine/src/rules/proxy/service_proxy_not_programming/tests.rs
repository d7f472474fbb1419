use super::RULE;
use crate::{
    model::Kind,
    testkit::{check, check_page, check_with, forbid},
};

fn node(extra: &str, ready: &str) -> String {
    format!(
        "
---
apiVersion: v1
kind: Node
metadata: {{name: node-1, creationTimestamp: '2025-01-01T00:00:00Z', {extra}}}
status: {{conditions: [{{type: Ready, status: '{ready}', lastTransitionTime: '2026-01-01T10:00:00Z'}}]}}
"
    )
}

fn proxy(ready: &str) -> String {
    format!(
        "
---
apiVersion: v1
kind: Pod
metadata:
  name: kube-proxy-a
  namespace: kube-system
  uid: a
  labels: {{k8s-app: kube-proxy}}
  creationTimestamp: '2026-01-01T08:00:00Z'
  ownerReferences: [{{apiVersion: apps/v1, kind: DaemonSet, name: kube-proxy, uid: d, controller: true}}]
spec: {{nodeName: node-1, containers: [{{name: kube-proxy, image: p/kube-proxy}}]}}
status: {{phase: Running, conditions: [{{type: Ready, status: '{ready}', lastTransitionTime: '2026-01-01T11:00:00Z'}}]}}
"
    )
}

const SET: &str = "
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-proxy, namespace: kube-system, generation: 1}
spec:
  selector: {matchLabels: {k8s-app: kube-proxy}}
  template: {metadata: {labels: {k8s-app: kube-proxy}}, spec: {containers: [{name: kube-proxy, image: p/kube-proxy}]}}
status: {observedGeneration: 1, desiredNumberScheduled: 1, currentNumberScheduled: 1, updatedNumberScheduled: 1}
";

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn unready_and_missing_proxies_are_found() {
    check(&(node("", "True") + SET + &proxy("True"))).none("KPX002");
    check(&(node("", "True") + SET + &proxy("False"))).one("KPX002");
    let short = SET
        .replace("currentNumberScheduled: 1", "currentNumberScheduled: 0")
        .replace("updatedNumberScheduled: 1", "updatedNumberScheduled: 0");
    let ran = check(&(node("", "True") + &short));
    assert!(ran.one("KPX002").message.contains("missing"));
}

#[test]
fn a_dead_node_explains_it() {
    check(&(node("", "Unknown") + SET + &proxy("False"))).folded("KPX002", "NOD001");
}

#[test]
fn kubeskoop_213_embedded_and_replaced_proxies_have_no_pod() {
    for extra in [
        "annotations: {k3s.io/internal-ip: 10.0.0.1}",
        "labels: {microk8s.io/cluster: 'true'}",
    ] {
        let ran = check(&node(extra, "True"));
        ran.none("KPX002");
        assert!(ran.0.not_checked.iter().all(|entry| entry.code != "KPX002"));
    }
    check(&node(
        "annotations: {network.cilium.io/ipv4-cilium-host: 10.0.0.1}",
        "True",
    ))
    .none("KPX002");
}

#[test]
fn another_pod_of_that_label_elsewhere_is_not_kube_proxy() {
    let other = proxy("False").replace("namespace: kube-system", "namespace: nested");
    check(
        &(node("", "True") + SET + &proxy("True") + &other.replace("kube-proxy-a", "kube-proxy-b")),
    )
    .none("KPX002");
}

#[test]
fn a_403_accuses_nobody() {
    let broken = node("", "True") + SET + &proxy("False");
    for kind in [Kind::Pod, Kind::DaemonSet] {
        check_with(&broken, |b| forbid(b, kind))
            .none("KPX002")
            .unknown("KPX002", "forbidden");
    }
}
