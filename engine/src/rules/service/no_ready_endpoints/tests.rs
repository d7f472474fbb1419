use super::RULE;
use crate::{
    model::Kind,
    testkit::{Ran, check, check_page, check_with, forbid},
};

const SERVICE: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop, creationTimestamp: '2026-01-01T08:00:00Z'}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n";
const CRASHING: &str = "phase: Running, conditions: [{type: Ready, status: 'False'}], containerStatuses: [{name: c, restartCount: 9, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]";
const FAILING: &str = "phase: Running, conditions: [{type: Ready, status: 'False'}], containerStatuses: [{name: c, state: {running: {}}}]";
const READY: &str = "phase: Running, conditions: [{type: Ready, status: 'True', lastTransitionTime: '2026-01-01T08:00:00Z'}]";

fn pod_with(name: &str, meta: &str, spec: &str, status: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, uid: {name}, labels: {{app: web}}, creationTimestamp: '2026-01-01T08:00:00Z'{meta}}}\nspec: {{{spec}containers: [{{name: c, image: c}}]}}\nstatus: {{{status}}}\n"
    )
}

fn pod(status: &str) -> String {
    pod_with("web-1", "", "", status)
}

fn slice(name: &str, conditions: &str) -> String {
    format!(
        "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}\naddressType: IPv4\nendpoints: [{{addresses: [10.0.0.1], conditions: {{{conditions}}}}}]\n"
    )
}

fn state(parts: &[&str]) -> Ran {
    check(&(SERVICE.to_owned() + &parts.concat()))
}

fn message(parts: &[&str]) -> String {
    state(parts).one("SVC003").message.clone()
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn the_first_reason_that_holds_is_named() {
    let dead = slice("web-a", "ready: false");
    let crashing = state(&[&pod(CRASHING), &dead]);
    let finding = crashing.one("SVC003");
    assert!(
        finding.message.ends_with("its Pod keeps crashing"),
        "{}",
        finding.message
    );
    assert!(
        finding
            .notes
            .iter()
            .any(|note| note.contains("137 (OOMKilled)"))
    );
    let unscheduled = pod(
        "phase: Pending, conditions: [{type: PodScheduled, status: 'False', message: 0/3 nodes are available}]",
    );
    let pending = state(&[&unscheduled, &pod_with("web-2", "", "", FAILING)]);
    let finding = pending.one("SVC003");
    assert!(
        finding.message.ends_with("1 of 2 Pods have not started"),
        "{}",
        finding.message
    );
    assert!(finding.notes.iter().any(|note| note.contains("0/3 nodes")));
    let event = "---\napiVersion: v1\nkind: Event\nmetadata: {name: e, namespace: shop}\ninvolvedObject: {kind: Pod, namespace: shop, name: web-1, uid: web-1}\nreason: Unhealthy\nmessage: 'Readiness probe failed: connection refused'\nlastTimestamp: '2026-01-01T11:59:00Z'\n";
    let failing = state(&[&pod(FAILING), event]);
    let finding = failing.one("SVC003");
    assert!(
        finding.message.contains("fails its readiness check"),
        "{}",
        finding.message
    );
    assert!(
        finding
            .notes
            .iter()
            .any(|note| note.contains("connection refused"))
    );
    let node = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {conditions: [{type: MemoryPressure, status: 'False'}, {type: Ready, status: Unknown}]}\n";
    let on_node = pod_with("web-1", "", "nodeName: n1, ", FAILING);
    assert!(message(&[&on_node, node]).contains("node that is not ready"));
    let gone = pod_with(
        "web-1",
        ", deletionTimestamp: '2026-01-01T11:00:00Z'",
        "",
        READY,
    );
    assert!(message(&[&gone]).ends_with("its Pod is being deleted"));
    assert!(message(&[&pod("phase: Failed, reason: Evicted")]).ends_with("its Pod has ended"));
    assert!(message(&[&pod(READY)]).contains("no EndpointSlice lists them"));
}

#[test]
fn k8sgpt_reads_one_list_and_every_slice_counts() {
    // Slices of two families and of another manager: one ready endpoint anywhere is enough.
    let ran = state(&[
        &pod(CRASHING),
        &slice("web-4", "ready: false"),
        &slice("web-6", "ready: true").replace("IPv4", "IPv6"),
    ]);
    ran.none("SVC003");
    // An absent condition means ready.
    state(&[&pod(READY), &slice("web-4", "")]).none("SVC003");
    // Events of another pod of the same name do not speak for this one.
    let event = "---\napiVersion: v1\nkind: Event\nmetadata: {name: e, namespace: shop}\ninvolvedObject: {kind: Pod, namespace: shop, name: web-1, uid: former}\nreason: Unhealthy\nmessage: of the former pod\n";
    let ran = state(&[&pod(FAILING), event]);
    assert!(
        !ran.one("SVC003")
            .notes
            .iter()
            .any(|note| note.contains("former"))
    );
}

#[test]
fn publish_not_ready_addresses() {
    let service = SERVICE.replace("spec: {", "spec: {publishNotReadyAddresses: true, ");
    check(&(service + &pod(CRASHING)))
        .none("SVC003")
        .skipped("SVC003", "publishNotReadyAddresses");
}

#[test]
fn what_is_young_is_settling() {
    let young = |text: &str| text.replacen("08:00:00", "11:59:30", 1);
    state(&[&young(&pod(FAILING))])
        .none("SVC003")
        .unknown("SVC003", "settling");
    check(&(young(SERVICE) + &pod(FAILING)))
        .none("SVC003")
        .unknown("SVC003", "settling");
    // Inside the time that a startup probe grants.
    let slow = pod(FAILING).replace("08:00:00", "11:55:00").replace(
        "image: c}",
        "image: c, startupProbe: {tcpSocket: {port: 1}, periodSeconds: 10, failureThreshold: 60}}",
    );
    state(&[&slow]).none("SVC003").unknown("SVC003", "settling");
    state(&[&slow.replace("failureThreshold: 60", "failureThreshold: 6")]).one("SVC003");
}

#[test]
fn terminating_endpoints_that_serve_are_a_warning() {
    let gone = pod_with(
        "web-1",
        ", deletionTimestamp: '2026-01-01T11:00:00Z'",
        "",
        READY,
    );
    let ran = state(&[
        &gone,
        &slice("web-a", "ready: false, serving: true, terminating: true"),
    ]);
    assert_eq!(ran.one("SVC003").severity.as_str(), "warning");
}

#[test]
fn scaled_to_zero() {
    let zero = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop, creationTimestamp: '2026-01-01T08:00:00Z'}\nspec: {replicas: 0, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: c}]}}}\n";
    let ran = state(&[zero]);
    assert_eq!(ran.one("SVC003").severity.as_str(), "info");
    let ingress = "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, namespace: shop}\nspec: {defaultBackend: {service: {name: web, port: {number: 80}}}}\n";
    let ran = state(&[zero, ingress]);
    let finding = ran.one("SVC003");
    assert_eq!(finding.severity.as_str(), "error");
    assert!(
        finding
            .message
            .ends_with("Deployment shop/web is scaled to 0"),
        "{}",
        finding.message
    );
    let scaler = "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h, namespace: shop}\nspec: {maxReplicas: 2, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}\n";
    assert_eq!(
        state(&[zero, ingress, scaler])
            .one("SVC003")
            .severity
            .as_str(),
        "info"
    );
    let without = zero.replace("replicas: 0", "replicas: 2");
    assert!(message(&[&without]).ends_with("Deployment shop/web has no Pod"));
}

#[test]
fn radar_1384_finished_jobs_never_count() {
    let job = pod_with(
        "web-1",
        ", ownerReferences: [{apiVersion: batch/v1, kind: Job, name: j, uid: j, controller: true}]",
        "",
        "phase: Succeeded",
    );
    state(&[&job])
        .none("SVC003")
        .skipped("SVC003", "finished Jobs");
}

#[test]
fn k8sgpt_1668_a_403_is_not_missing() {
    let yaml = SERVICE.to_owned() + &pod(CRASHING);
    for kind in [Kind::Pod, Kind::EndpointSlice] {
        check_with(&yaml, |builder| forbid(builder, kind))
            .none("SVC003")
            .unknown("SVC003", "forbidden");
    }
}

#[test]
fn what_keeps_the_pods_down_explains_it() {
    state(&[&pod(CRASHING)]).folded("SVC003", "WKL001");
    let node = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1, creationTimestamp: '2026-01-01T08:00:00Z'}\nstatus: {conditions: [{type: Ready, status: Unknown, reason: NodeStatusUnknown, lastTransitionTime: '2026-01-01T10:00:00Z'}]}\n";
    let on_node = pod_with("web-1", "", "nodeName: n1, ", FAILING);
    state(&[&on_node, node]).folded("SVC003", "NOD001");
}
