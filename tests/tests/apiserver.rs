//! The harness itself: a real API server, real objects in it, and a proxy that misbehaves as told. What the other tests
//! build on is proved here first.

use std::process::Command;
use std::time::{Duration, Instant};

use netdoctor_lab::components;
use netdoctor_tests::{ApiServer, Fault, FaultProxy, Rule, Rules, Spec};
use serde_json::{Value, json};

const NODE: &str = "
apiVersion: v1
kind: Node
metadata: {name: node-1}
status:
  conditions: [{type: Ready, status: 'True', reason: KubeletReady, message: ready}]
  addresses: [{type: InternalIP, address: 172.30.0.11}]
";

/// A Deployment with a pod, as its controllers and a kubelet leave them behind, and a Service in front.
const WORKLOAD: &str = "
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web-1
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, controller: true}]
spec: &template
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: web, ports: [{name: http, containerPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: web, ports: [{name: http, containerPort: 8080}]}
status: {replicas: 1, readyReplicas: 1, availableReplicas: 1}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-1-a
  labels: {app: web}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, controller: true}]
spec:
  nodeName: node-1
  containers:
  - {name: web, image: web, ports: [{name: http, containerPort: 8080}]}
status:
  phase: Running
  podIP: 10.244.1.7
  conditions: [{type: Ready, status: 'True'}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: http}]
";

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

#[test]
fn kubectl_talks_to_the_release_that_was_asked_for() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let versions = server.kubectl(&["version", "-o", "json"]).ok().json();
    assert!(
        versions["serverVersion"]["gitVersion"].is_string(),
        "{versions}"
    );
    if std::env::var_os("NETDOCTOR_TEST_KUBECONFIG").is_none() {
        let wanted = format!("v{}", components::KUBERNETES_VERSION);
        assert_eq!(versions["serverVersion"]["gitVersion"], wanted);
        assert_eq!(versions["clientVersion"]["gitVersion"], wanted);
    }
}

#[test]
fn every_namespace_is_new_and_takes_pods_at_once() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let (one, two) = (server.namespace(), server.namespace());
    assert_ne!(&*one, &*two);
    for namespace in [&one, &two] {
        namespace
            .kubectl(&["run", "a", "--image=a", "--restart=Never"])
            .ok();
        let pods = namespace.kubectl(&["get", "pods", "-o", "name"]).ok();
        assert_eq!(pods.stdout, "pod/a\n");
    }
}

#[test]
fn what_kubectl_refuses_is_a_failure() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    let output = namespace.kubectl_with_input(
        &["apply", "-f", "-"],
        "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80, name: Not_A_Name}]}}",
    );
    assert_eq!(output.code, Some(1));
    assert!(
        output.stderr.contains("spec.ports[0].name: Invalid value"),
        "{}",
        output.stderr
    );
}

#[test]
fn written_pods_become_endpoints() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    server.apply_status(NODE);
    let namespace = server.namespace_called("shop");
    namespace.apply_status(WORKLOAD);

    let slices = namespace.await_endpoints("web", 1);
    assert_eq!(
        slices[0]["ports"][0]["port"], 8080,
        "the named target port is resolved: {slices:?}"
    );
    let endpoint = &slices[0]["endpoints"][0];
    assert_eq!(endpoint["addresses"][0], "10.244.1.7");
    assert_eq!(endpoint["conditions"]["ready"], true);
    assert_eq!(endpoint["nodeName"], "node-1");

    let get = |what: &str, path: &str| {
        namespace
            .kubectl(&["get", what, "-o", &format!("jsonpath={{{path}}}")])
            .ok()
            .stdout
    };
    assert_eq!(get("pod/web-1-a", ".status.phase"), "Running");
    assert_eq!(get("deployment/web", ".status.readyReplicas"), "1");
    assert_eq!(
        get("pod/web-1-a", ".metadata.ownerReferences[0].uid"),
        get("replicaset/web-1", ".metadata.uid")
    );
    assert_eq!(
        get("replicaset/web-1", ".metadata.ownerReferences[0].uid"),
        get("deployment/web", ".metadata.uid")
    );
    let annotations = get("pod/web-1-a", ".metadata.annotations");
    assert!(
        annotations.contains("last-applied-configuration"),
        "writing the status changes nothing else"
    );
    assert_eq!(
        get("node/node-1", ".status.addresses[0].address"),
        "172.30.0.11"
    );
}

#[test]
fn a_service_account_may_do_what_its_rules_say() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    let rules = Rules {
        cluster: "[{apiGroups: [''], resources: [nodes], verbs: [list]}]",
        namespace: "[{apiGroups: [''], resources: [services], verbs: [get, list]}]",
    };
    let kubeconfig = server.kubeconfig_for_service_account(&namespace, "reader", &rules);
    let kubeconfig = kubeconfig.display().to_string();
    let run =
        |arguments: &[&str]| server.kubectl(&[&["--kubeconfig", &kubeconfig], arguments].concat());

    run(&["get", "services"]).ok();
    run(&["get", "nodes"]).ok();
    let pods = run(&["get", "pods"]).exits(1);
    assert!(
        pods.stderr
            .contains("Error from server (Forbidden): pods is forbidden"),
        "{}",
        pods.stderr
    );
    let elsewhere = run(&["get", "services", "-n", "default"]).exits(1);
    assert!(
        elsewhere.stderr.contains("Forbidden"),
        "{}",
        elsewhere.stderr
    );
}

#[test]
fn many_objects_are_quickly_written_and_paged() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    let objects: Vec<Value> = (0..1_100)
        .map(|number| config_map(&format!("map-{number:04}")))
        .collect();
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");
    server.rest().post_all(&path, &objects);

    let proxy = FaultProxy::start(server);
    let kubeconfig = proxy.kubeconfig(&namespace).display().to_string();
    let listed = server
        .kubectl(&[
            "--kubeconfig",
            &kubeconfig,
            "get",
            "configmaps",
            "-o",
            "name",
        ])
        .ok();
    // One more is kube-root-ca.crt.
    assert_eq!(listed.stdout.lines().count(), objects.len() + 1);

    let requests = proxy.requests();
    let pages: Vec<_> = requests
        .iter()
        .filter(|request| request.path == path)
        .collect();
    assert_eq!(pages.len(), 3, "{requests:?}");
    assert!(
        pages.iter().all(|page| page.query.contains("limit=500")),
        "{pages:?}"
    );
    assert!(
        !pages[0].query.contains("continue=") && pages[2].query.contains("continue="),
        "{pages:?}"
    );
    assert!(
        requests.iter().all(|request| request.method == "GET"),
        "{requests:?}"
    );
    assert!(pages[0].user_agent.starts_with("kubectl/"), "{pages:?}");
}

#[test]
fn the_proxy_answers_instead_of_the_server() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let proxy = FaultProxy::start(server);
    let rest = proxy.rest();
    let get = |fault: Fault| {
        proxy.reset();
        proxy.add(Rule::new(fault).resource("services").times(1));
        let answer = rest.get("/api/v1/namespaces/default/services").unwrap();
        assert_eq!(
            rest.get("/api/v1/namespaces/default/services")
                .unwrap()
                .status,
            200,
            "only once"
        );
        answer
    };

    let busy = get(Fault::too_many_requests(7));
    assert_eq!(
        (busy.status, busy.headers["retry-after"].to_str().unwrap()),
        (429, "7")
    );
    for (fault, status, reason) in [
        (Fault::unauthorized(), 401, "Unauthorized"),
        (Fault::forbidden(), 403, "Forbidden"),
        (Fault::not_found(), 404, "NotFound"),
        (Fault::expired(), 410, "Expired"),
        (Fault::internal_error(), 500, "InternalError"),
        (Fault::unavailable(), 503, "ServiceUnavailable"),
    ] {
        let answer = get(fault);
        assert_eq!(
            (answer.status, &answer.json()["reason"]),
            (status, &json!(reason))
        );
    }
    for status in [200, 500] {
        let page = get(Fault::html(status));
        assert_eq!(page.status, status);
        assert!(page.body.starts_with(b"<!DOCTYPE html>"));
    }
}

#[test]
fn the_proxy_damages_what_the_server_answers() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    for name in ["a", "b", "c"] {
        namespace.kubectl(&["create", "configmap", name]).ok();
    }
    let proxy = FaultProxy::start(server);
    let rest = proxy.rest();
    let path = format!("/api/v1/namespaces/{namespace}/configmaps");

    proxy.add(Rule::new(Fault::Cut { after: 200 }).path(&path).times(1));
    let error = rest.get(&path).unwrap_err().to_string();
    assert!(
        error.contains("end of file") || error.contains("closed"),
        "{error}"
    );

    proxy.add(Rule::new(Fault::Kill).path(&path).times(1));
    rest.get(&path).unwrap_err();

    proxy.add(
        Rule::new(Fault::Item {
            index: 1,
            item: json!({"metadata": 7}),
        })
        .path(&path)
        .times(1),
    );
    let list = rest.get(&path).unwrap().ok().json();
    assert_eq!(list["items"][1], json!({"metadata": 7}));
    assert_eq!(
        list["items"][2]["metadata"]["name"], "c",
        "its neighbours are as they were"
    );

    proxy.add(
        Rule::new(Fault::Stall(Duration::from_millis(700)))
            .path(&path)
            .times(1),
    );
    let start = Instant::now();
    assert_eq!(rest.get(&path).unwrap().status, 200);
    assert!(
        start.elapsed() >= Duration::from_millis(700),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn rules_choose_their_requests() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    let proxy = FaultProxy::start(server);
    let rest = proxy.rest();
    let list = format!("/api/v1/namespaces/{namespace}/configmaps");
    let status = |path: &str| rest.get(path).unwrap().status;
    server.rest().post(&list, &config_map("a")).unwrap().ok();

    proxy.add(
        Rule::new(Fault::expired())
            .resource("configmaps")
            .query("continue="),
    );
    let page = rest.get(&format!("{list}?limit=1")).unwrap().ok().json();
    let next = page["metadata"]["continue"].as_str().unwrap();
    assert_eq!(status(&format!("{list}?limit=1&continue={next}")), 410);
    assert_eq!(
        status(&format!("{list}/kube-root-ca.crt?continue=x")),
        200,
        "no list of configmaps"
    );

    proxy.reset();
    proxy.add(Rule::new(Fault::forbidden()).path(&list).skip(1).times(2));
    assert_eq!([0; 4].map(|_| status(&list)), [200, 403, 403, 200]);
}

#[test]
fn a_user_with_few_rights_has_them_through_the_proxy_too() {
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let namespace = server.namespace();
    let rules = Rules {
        namespace: "[{apiGroups: [''], resources: [pods], verbs: [list]}]",
        cluster: "",
    };
    let token = server.token_for_service_account(&namespace, "reader", &rules);
    let proxy = FaultProxy::start(server);
    let rest = proxy.rest().with_token(&token);
    assert_eq!(
        rest.get(&format!("/api/v1/namespaces/{namespace}/pods"))
            .unwrap()
            .status,
        200
    );
    assert_eq!(
        rest.get(&format!("/api/v1/namespaces/{namespace}/services"))
            .unwrap()
            .status,
        403
    );
    assert_eq!(
        rest.with_token("nobody")
            .get("/api/v1/pods")
            .unwrap()
            .status,
        401
    );
}

#[test]
fn a_server_of_its_own_has_its_own_flags_and_dies_when_told() {
    let spec = Spec {
        service_cidr: "10.44.0.0/24,fd00:44::/112".to_owned(),
        ..Spec::default()
    };
    let Some(server) = ApiServer::start(&spec) else {
        return;
    };
    let namespace = server.namespace();
    namespace.apply(
        "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]}}",
    );
    let service = namespace
        .kubectl(&["get", "service", "a", "-o", "json"])
        .ok()
        .json();
    let addresses = service["spec"]["clusterIPs"].as_array().unwrap();
    assert!(
        addresses[0].as_str().unwrap().starts_with("10.44.0."),
        "{addresses:?}"
    );
    assert!(
        addresses[1].as_str().unwrap().starts_with("fd00:44::"),
        "{addresses:?}"
    );

    server.kill();
    let output = namespace.kubectl(&["get", "services"]).exits(1);
    assert!(
        output.stderr.contains("refused") || output.stderr.contains("EOF"),
        "{}",
        output.stderr
    );
}

/// The processes of a server go when its owner goes, and so do its files.
#[test]
fn nothing_stays_behind() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let folder = server.folder().to_path_buf();
    let needle = folder.display().to_string();
    let running = || {
        let listing = Command::new("ps")
            .args(["-eo", "stat,args"])
            .output()
            .unwrap();
        let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
        listing
            .lines()
            .filter(|line| line.contains("kube-") && line.contains(&needle))
            .count()
    };
    assert_eq!(running(), 2, "kube-apiserver and kube-controller-manager");
    drop(server);
    assert_eq!(running(), 0);
    assert!(!folder.exists());
}
