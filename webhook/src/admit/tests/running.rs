//! Templates stand for their Pods, but nobody sees in a template what is added to the Pods that it makes.

use super::kit::{Cluster, DEPLOYMENT, SERVICE};

const REVISION: &str = "
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web-1, namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: d, controller: true}]}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]}]}
";

const OWN: &str = "{name: web, image: web, ports: [{name: http, containerPort: 8080}]}";
const COLLECTOR: &str =
    "{name: otc-container, image: collector, ports: [{name: otlp-grpc, containerPort: 4317}]}";

fn pod(containers: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web-1-x, namespace: shop, labels: {{app: web}}, ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: r, controller: true}}]}}\nspec: {{containers: [{containers}]}}\nstatus: {{phase: Running}}\n"
    )
}

/// The Service targets what the collector declares.
fn telemetry() -> String {
    SERVICE.replace("targetPort: http", "targetPort: otlp-grpc")
}

#[test]
fn a_port_of_an_injected_container_is_there() {
    let injected = pod(&format!("{OWN}, {COLLECTOR}"));
    let bare = pod(OWN);
    let with = |pod: &str| Cluster::of(&[DEPLOYMENT, REVISION, pod]);
    for service in [
        telemetry(),
        SERVICE.replace("port: 80, targetPort: http", "port: 8080, targetPort: 4317"),
    ] {
        with(&injected).guarded().create(&service).silent();
        with(&injected).strict().create(&service).silent();
    }
    with(&bare).guarded().create(&telemetry()).denies("SVC004");
    let number = SERVICE.replace("port: 80, targetPort: http", "port: 8080, targetPort: 4317");
    with(&bare).strict().create(&number).denies("SVC006");
    // A Pod that has ended or carries other labels tells nothing.
    let ended = injected.replace("phase: Running", "phase: Succeeded");
    with(&ended).guarded().create(&telemetry()).denies("SVC004");
    let other = injected.replace("labels: {app: web}", "labels: {app: api}");
    with(&other).guarded().create(&telemetry()).denies("SVC004");
}

#[test]
fn the_protocol_of_an_injected_port_is_seen() {
    let own = OWN.replace("name: http,", "name: http, protocol: UDP,");
    let template = DEPLOYMENT.replace("name: http,", "name: http, protocol: UDP,");
    let revision = REVISION.replace("name: http,", "name: http, protocol: UDP,");
    let proxy = "{name: proxy, image: proxy, ports: [{name: http, containerPort: 15001}]}";
    let with = |containers: &str| {
        Cluster::of(&[&template, &revision, &pod(containers)])
            .guarded()
            .create(SERVICE)
    };
    with(&own).denies("SVC008");
    with(&format!("{own}, {proxy}")).silent();
}

/// Pods of an older template, or a port that something adds to the container: refusing would be a guess.
#[test]
fn what_only_the_pods_declare_is_never_refused() {
    let added = OWN.replace("}]}", "}, {name: otlp-grpc, containerPort: 4317}]}");
    let answer = Cluster::of(&[DEPLOYMENT, REVISION, &pod(&added)])
        .strict()
        .create(&telemetry());
    answer.warns(&["SVC004"]);
    let number = SERVICE.replace("port: 80, targetPort: http", "port: 8080, targetPort: 4317");
    Cluster::of(&[DEPLOYMENT, REVISION, &pod(&added)])
        .strict()
        .create(&number)
        .warns(&["SVC006"]);
    // The template had this container once: it was not injected, and goes away with the Pod.
    let older = REVISION.replace("containers: [", &format!("containers: [{COLLECTOR}, "));
    Cluster::of(&[DEPLOYMENT, &older, &pod(&format!("{OWN}, {COLLECTOR}"))])
        .guarded()
        .create(&telemetry())
        .warns(&["SVC004"]);
}
