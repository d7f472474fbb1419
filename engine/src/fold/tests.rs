use crate::{rule::Severity, testkit::check};

const SERVICE: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop, uid: d, creationTimestamp: '2026-01-01T11:00:00Z'}
spec:
  replicas: 2
  selector: {matchLabels: {app: api}}
  template: {metadata: {labels: {app: api}}, spec: {containers: [{name: c, image: api, readinessProbe: {httpGet: {path: /, port: 9999}}}]}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: api-5b955b9465
  namespace: shop
  uid: r
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: api, uid: d, controller: true}]
spec:
  replicas: 2
  selector: {matchLabels: {app: api, pod-template-hash: 5b955b9465}}
  template: {metadata: {labels: {app: api, pod-template-hash: 5b955b9465}}, spec: {containers: [{name: c, image: api}]}}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop, creationTimestamp: '2026-01-01T11:00:00Z'}
spec: {clusterIP: 10.96.7.7, selector: {app: api}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: api-x, namespace: shop, labels: {kubernetes.io/service-name: api}}
addressType: IPv4
endpoints:
- {addresses: [10.244.1.7], conditions: {ready: false, serving: false, terminating: false}, targetRef: {kind: Pod, namespace: shop, name: api-5b955b9465-2mb8q}}
- {addresses: [10.244.3.7], conditions: {ready: false, serving: false, terminating: false}, targetRef: {kind: Pod, namespace: shop, name: api-5b955b9465-dhphc}}
ports: [{name: http, port: 8080, protocol: TCP}]
";

fn replica(name: &str, last_state: &str) -> String {
    format!(
        "
---
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: shop
  uid: {name}
  creationTimestamp: '2026-01-01T11:00:00Z'
  labels: {{app: api, pod-template-hash: 5b955b9465}}
  ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: api-5b955b9465, uid: r, controller: true}}]
spec:
  nodeName: node-1
  containers: [{{name: c, image: api, readinessProbe: {{httpGet: {{path: /, port: 9999, scheme: HTTP}}}}}}]
status:
  phase: Running
  startTime: '2026-01-01T11:00:00Z'
  conditions:
  - {{type: Ready, status: 'False', reason: ContainersNotReady, lastTransitionTime: '2026-01-01T11:00:00Z'}}
  - {{type: PodScheduled, status: 'True', lastTransitionTime: '2026-01-01T11:00:00Z'}}
  containerStatuses: [{{name: c, ready: false, {last_state}}}]
"
    )
}

const RUNS: &str =
    "restartCount: 0, started: true, state: {running: {startedAt: '2026-01-01T11:00:05Z'}}";

#[test]
fn replicas_in_the_same_trouble_are_one_headline() {
    let pods = replica("api-5b955b9465-2mb8q", RUNS) + &replica("api-5b955b9465-dhphc", RUNS);
    let ran = check(&format!("{SERVICE}{pods}"));
    let headlines: Vec<_> = ran.0.findings.iter().filter(|f| f.is_headline()).collect();
    let [headline] = headlines[..] else {
        panic!("{}", ran.describe())
    };
    assert_eq!(headline.rule.code, "PRB002");
    assert_eq!(headline.explains.len(), 2, "{}", ran.describe());
    ran.folded("SVC003", "PRB002");
}

#[test]
fn replicas_in_different_trouble_stay_apart() {
    let crash = "restartCount: 4, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, finishedAt: '2026-01-01T11:59:00Z'}}";
    let killed = crash.replace("exitCode: 1", "exitCode: 137, reason: OOMKilled");
    let pods = replica("a", crash) + &replica("b", crash) + &replica("c", &killed);
    let ran = check(&format!("{SERVICE}{pods}"));
    let headlines = ran.of("WKL001").into_iter().filter(|f| f.is_headline());
    assert_eq!(headlines.count(), 2, "{}", ran.describe());
}

#[test]
fn a_cause_is_as_bad_as_what_it_explains() {
    let ran = check(&format!("{SERVICE}{}", replica("api-1", RUNS)));
    assert_eq!(ran.one("SVC003").severity, Severity::Error);
    assert_eq!(ran.one("PRB002").severity, Severity::Error);
    let alone = SERVICE.replace("kind: Service\n", "kind: ConfigMap\n");
    let ran = check(&format!("{alone}{}", replica("api-1", RUNS)));
    assert_eq!(ran.one("PRB002").severity, Severity::Warning);
}
