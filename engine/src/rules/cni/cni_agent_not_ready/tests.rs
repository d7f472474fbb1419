use super::RULE;
use crate::{
    model::Kind,
    testkit::{check, check_page, check_with, forbid},
};

fn node(ready: &str) -> String {
    format!(
        "
---
apiVersion: v1
kind: Node
metadata: {{name: node-1, creationTimestamp: '2025-01-01T00:00:00Z'}}
status: {{conditions: [{{type: Ready, {ready}, lastTransitionTime: '2026-01-01T10:00:00Z'}}]}}
"
    )
}

const READY: &str = "status: 'True'";

fn set(status: &str, spec: &str) -> String {
    format!(
        "
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: cilium, namespace: kube-system, generation: 1, creationTimestamp: '2025-01-01T00:00:00Z'}}
spec:
  selector: {{matchLabels: {{k8s-app: cilium}}}}
  template: {{metadata: {{labels: {{k8s-app: cilium}}}}, spec: {{{spec} containers: [{{name: cilium-agent, image: q/cilium}}]}}}}
status: {{observedGeneration: 1, {status}}}
"
    )
}

const FULL: &str =
    "desiredNumberScheduled: 1, currentNumberScheduled: 1, updatedNumberScheduled: 1";
const SHORT: &str =
    "desiredNumberScheduled: 2, currentNumberScheduled: 1, updatedNumberScheduled: 1";

fn pod(created: &str, ready: &str, restarts: u8) -> String {
    format!(
        "
---
apiVersion: v1
kind: Pod
metadata:
  name: cilium-a
  namespace: kube-system
  uid: a
  labels: {{k8s-app: cilium}}
  creationTimestamp: '2026-01-01T{created}Z'
  ownerReferences: [{{apiVersion: apps/v1, kind: DaemonSet, name: cilium, uid: d, controller: true}}]
spec: {{nodeName: node-1, containers: [{{name: cilium-agent, image: q/cilium}}]}}
status:
  phase: Running
  conditions: [{{type: Ready, {ready}}}]
  containerStatuses: [{{name: cilium-agent, restartCount: {restarts}, state: {{waiting: {{reason: CrashLoopBackOff}}}}, lastState: {{terminated: {{exitCode: 1}}}}}}]
"
    )
}

const UNREADY: &str = "status: 'False', lastTransitionTime: '2026-01-01T11:00:00Z'";

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn its_crash_loop_and_a_node_that_waits_for_it_fold_under_it() {
    let waits = "status: 'False', message: 'NetworkPluginNotReady: cni plugin not initialized'";
    let ran = check(&(node(waits) + &set(FULL, "") + &pod("08:00:00", UNREADY, 9)));
    ran.folded("WKL001", "CNI002").folded("NOD001", "CNI002");
    assert!(ran.one("CNI002").is_headline());
}

#[test]
fn a_silent_node_explains_its_agent() {
    let ran = check(&(node("status: Unknown") + &set(FULL, "") + &pod("08:00:00", UNREADY, 0)));
    ran.folded("CNI002", "NOD001");
}

#[test]
fn a_starting_agent_settles_and_a_crashing_young_one_does_not() {
    let young = |restarts| node(READY) + &set(FULL, "") + &pod("11:58:00", UNREADY, restarts);
    check(&young(0))
        .none("CNI002")
        .unknown("CNI002", "settling");
    check(&young(3)).one("CNI002");
    let blink = UNREADY.replace("11:00:00", "11:59:30");
    check(&(node(READY) + &set(FULL, "") + &pod("08:00:00", &blink, 9)))
        .none("CNI002")
        .unknown("CNI002", "settling");
}

#[test]
fn absent_only_where_the_set_itself_counts_too_few() {
    let missing = |status: &str, spec: &str| node(READY) + &set(status, spec);
    assert!(
        check(&missing(SHORT, ""))
            .one("CNI002")
            .message
            .contains("missing")
    );
    check(&missing(FULL, "")).none("CNI002");
    let rolling = SHORT.replace("updatedNumberScheduled: 1", "updatedNumberScheduled: 0");
    check(&missing(&rolling, ""))
        .none("CNI002")
        .unknown("CNI002", "settling");
    let young = missing(SHORT, "").replace(
        "name: node-1, creationTimestamp: '2025-01-01T00:00:00Z'",
        "name: node-1, creationTimestamp: '2026-01-01T11:58:00Z'",
    );
    check(&young).none("CNI002").unknown("CNI002", "settling");
}

#[test]
fn nodes_that_the_set_does_not_want_need_no_agent() {
    let elsewhere = "nodeSelector: {kubernetes.io/os: linux},";
    check(&(node(READY) + &set(SHORT, elsewhere))).none("CNI002");
    let tainted = node(READY).replace(
        "\nstatus: {",
        "\nspec: {taints: [{key: virtual, effect: NoSchedule}]}\nstatus: {",
    );
    check(&(tainted.clone() + &set(SHORT, ""))).none("CNI002");
    let tolerated = "tolerations: [{operator: Exists}],";
    check(&(tainted + &set(SHORT, tolerated))).one("CNI002");
}

#[test]
fn kubeskoop_213_an_unknown_or_embedded_dataplane_is_not_absent() {
    check(&node(READY))
        .none("CNI002")
        .skipped("CNI002", "not recognised");
    let k3s = node(READY).replace(
        "name: node-1,",
        "name: node-1, annotations: {flannel.alpha.coreos.com/backend-type: vxlan},",
    );
    let ran = check(&k3s);
    ran.none("CNI002");
    assert!(ran.0.not_checked.iter().all(|entry| entry.code != "CNI002"));
}

#[test]
fn a_403_accuses_nobody() {
    let broken = node(READY) + &set(SHORT, "");
    for kind in [Kind::Pod, Kind::DaemonSet] {
        check_with(&broken, |b| forbid(b, kind))
            .none("CNI002")
            .unknown("CNI002", "forbidden");
    }
}
