//! `lint --with-cluster`: what the rules would say if the manifests were applied to a real cluster.
#![allow(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

#[path = "lint_with_cluster/host_ports.rs"]
mod host_ports;

use std::path::{Path, PathBuf};

use netdoctor_tests::cmd::{Output, Program, netdoctor};
use netdoctor_tests::{ApiServer, FaultProxy, Namespace, Rules};
use serde_json::Value;
use tempfile::TempDir;

/// A Deployment whose Pods declare this port.
fn deployment(port: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
      - name: web
        image: registry.example/web:1
        ports: [{{name: {port}, containerPort: 8080}}]
"
    )
}

/// The Pod that such a Deployment has made, with the owners that it would have.
const REPLICA_SET: &str = "apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web-1
  labels: {app: web}
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: UID, controller: true}]
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: registry.example/web:1, ports: [{name: http, containerPort: 8080}]}
";

fn service(target: &str) -> String {
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  selector: {{app: web}}
  ports: [{{name: web, port: 80, targetPort: {target}}}]
"
    )
}

const INGRESS: &str = "apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  rules:
  - host: shop.example
    http:
      paths:
      - path: /
        pathType: Prefix
        backend: {service: {name: web, port: {number: 80}}}
";

/// Files of one test.
struct Files(TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn lint(kubeconfig: &Path, file: &Path) -> Program {
    netdoctor()
        .kubeconfig(kubeconfig)
        .args(["lint", "--with-cluster", "-o", "json", "-f"])
        .args([file])
}

/// `CODE case object file:line:column` of every finding.
fn findings(output: &Output) -> Vec<String> {
    let report = output.json();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(line).collect()
}

fn line(finding: &Value) -> String {
    let place = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    let object = &finding["subject"];
    let source = &finding["labels"][0];
    let file = source["file"].as_str().unwrap_or("cluster");
    let file = Path::new(file).file_name().unwrap().to_string_lossy();
    format!(
        "{} {}/{} {file}{}",
        place("code"),
        object["kind"].as_str().unwrap(),
        object["name"].as_str().unwrap(),
        source["line"]
            .as_u64()
            .map(|line| format!(":{line}:{}", source["column"]))
            .unwrap_or_default()
    )
}

fn server() -> Option<(&'static ApiServer, Namespace<'static>)> {
    let server = ApiServer::shared()?;
    Some((server, server.namespace()))
}

#[test]
fn what_the_cluster_holds_answers_what_files_leave_open() {
    let Some((_, namespace)) = server() else {
        return;
    };
    let files = Files::new(&[("ingress.yaml", INGRESS)]);
    let file = files.path("ingress.yaml");
    let alone = netdoctor()
        .args(["lint", "-o", "json", "--fail-on=warning", "-f"])
        .args([&file])
        .run()
        .ok();
    assert!(
        alone.json()["notChecked"].to_string().contains("ING001"),
        "{}",
        alone.stdout
    );

    let missing = lint(&namespace.kubeconfig(), &file).run();
    assert_eq!(
        findings(&missing),
        ["ING001 Ingress/web ingress.yaml:11:35"]
    );

    namespace.apply(&deployment("http"));
    namespace.apply(&service("http"));
    let found = lint(&namespace.kubeconfig(), &file).run().ok();
    assert_eq!(findings(&found), [""; 0]);
    assert!(
        !found.json()["notChecked"].to_string().contains("ING001"),
        "{}",
        found.stdout
    );
}

#[test]
fn a_service_is_judged_by_the_pods_in_the_cluster() {
    let Some((_, namespace)) = server() else {
        return;
    };
    namespace.apply(&deployment("http"));
    let files = Files::new(&[("service.yaml", &service("htpp"))]);
    let output = lint(&namespace.kubeconfig(), &files.path("service.yaml"))
        .run()
        .exits(1);
    assert_eq!(findings(&output), ["SVC004 Service/web service.yaml:6:45"]);
    let shown = output.stdout;
    assert!(shown.contains("http=8080"), "{shown}");

    let piped = netdoctor()
        .kubeconfig(namespace.kubeconfig())
        .args(["lint", "--with-cluster", "-f", "-"])
        .stdin(service("htpp"))
        .run()
        .exits(1);
    assert!(piped.stdout.contains("error[SVC004]"), "{}", piped.stdout);
}

#[test]
fn a_change_is_told_what_it_breaks_elsewhere_and_not_what_was_broken_before() {
    let Some((_, namespace)) = server() else {
        return;
    };
    namespace.apply(&deployment("http"));
    namespace.apply(&service("http"));
    // Wrong since long, and none of this file's business.
    namespace.apply(&service("nowhere").replace("{name: web}", "{name: forgotten}"));
    let files = Files::new(&[("deployment.yaml", &deployment("web"))]);
    let file = files.path("deployment.yaml");
    let output = lint(&namespace.kubeconfig(), &file).run().exits(1);
    assert_eq!(findings(&output), ["SVC004 Service/web cluster"]);

    // The same change with the Service that goes with it.
    let both = Files::new(&[
        ("deployment.yaml", &deployment("web")),
        ("service.yaml", &service("web")),
    ]);
    let output = lint(&namespace.kubeconfig(), both.0.path()).run().ok();
    assert_eq!(findings(&output), [""; 0]);
}

#[test]
fn pods_of_the_old_template_do_not_vouch_for_the_new_one() {
    let Some((_, namespace)) = server() else {
        return;
    };
    namespace.apply(&deployment("http"));
    namespace.apply(&service("http"));
    let uid = namespace
        .kubectl(&["get", "deployment", "web", "-o", "jsonpath={.metadata.uid}"])
        .ok()
        .stdout;
    namespace.apply(&REPLICA_SET.replace("UID", &uid));
    let set = namespace
        .kubectl(&[
            "get",
            "replicaset",
            "web-1",
            "-o",
            "jsonpath={.metadata.uid}",
        ])
        .ok()
        .stdout;
    namespace.apply(&format!(
        "apiVersion: v1
kind: Pod
metadata:
  name: web-1-a
  labels: {{app: web}}
  ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: {set}, controller: true}}]
spec:
  containers:
  - {{name: web, image: registry.example/web:1, ports: [{{name: http, containerPort: 8080}}]}}
"
    ));
    let files = Files::new(&[("deployment.yaml", &deployment("web"))]);
    let output = lint(&namespace.kubeconfig(), &files.path("deployment.yaml"))
        .run()
        .exits(1);
    assert_eq!(findings(&output), ["SVC004 Service/web cluster"]);
}

#[test]
fn what_may_not_be_read_is_unknown_and_not_missing() {
    let Some((server, namespace)) = server() else {
        return;
    };
    let rules = Rules {
        namespace: "- {apiGroups: [networking.k8s.io], resources: ['*'], verbs: [get, list]}",
        ..Rules::default()
    };
    let name = namespace_name(&namespace);
    let kubeconfig = server.kubeconfig_for_service_account(&name, "half", &rules);
    let files = Files::new(&[("ingress.yaml", INGRESS)]);
    let file = files.path("ingress.yaml");
    let output = lint(&kubeconfig, &file).run().ok();
    assert_eq!(findings(&output), [""; 0]);
    let open = output.json()["notChecked"].to_string();
    assert!(open.contains("ING001"), "{open}");
    assert!(open.contains("kubectl auth can-i list services"), "{open}");
    lint(&kubeconfig, &file).args(["--strict"]).run().exits(1);
}

#[test]
fn nothing_is_changed_and_every_request_is_a_get() {
    let Some((server, namespace)) = server() else {
        return;
    };
    let proxy = FaultProxy::start(server);
    let name = namespace_name(&namespace);
    let files = Files::new(&[(
        "all.yaml",
        &format!("{}---\n{}", deployment("http"), service("htpp")),
    )]);
    lint(&proxy.kubeconfig(&name), &files.path("all.yaml"))
        .run()
        .exits(1);
    let requests = proxy.requests();
    assert!(!requests.is_empty());
    assert!(
        requests.iter().all(|request| request.method == "GET"),
        "{requests:#?}"
    );
    let left = namespace
        .kubectl(&["get", "deployments,services", "-o", "name"])
        .ok();
    assert_eq!(left.stdout, "");
}

#[test]
fn namespaces_are_those_that_kubectl_apply_would_use() {
    let Some((server, namespace)) = server() else {
        return;
    };
    let files = Files::new(&[
        ("here.yaml", &service("http")),
        (
            "elsewhere.yaml",
            &service("http").replace("{name: web}", "{name: web, namespace: not-there}"),
        ),
    ]);
    // The context's namespace for objects that name none.
    namespace.apply(&deployment("http"));
    let here = lint(&namespace.kubeconfig(), &files.path("here.yaml"))
        .run()
        .ok();
    assert_eq!(findings(&here), [""; 0]);

    let elsewhere = files.path("elsewhere.yaml");
    let absent = lint(&server.kubeconfig(), &elsewhere).run();
    assert!(
        absent
            .stdout
            .contains("namespaces \\\"not-there\\\" not found"),
        "{}",
        absent.stdout
    );
    let refused = lint(&server.kubeconfig(), &elsewhere)
        .args(["-n", "default"])
        .run()
        .exits(3);
    assert!(
        refused.stdout.contains("does not match the namespace"),
        "{}",
        refused.stdout
    );
}

#[test]
fn without_a_cluster_it_says_so_and_judges_nothing() {
    let files = Files::new(&[("service.yaml", &service("http"))]);
    let nowhere = files.path("kubeconfig");
    std::fs::write(
        &nowhere,
        "apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: a, user: {token: t}}]
",
    )
    .unwrap();
    let output = lint(&nowhere, &files.path("service.yaml")).run().exits(3);
    assert!(output.stderr.contains("127.0.0.1:1"), "{}", output.stderr);
    assert!(!output.stdout.contains("SVC0"), "{}", output.stdout);

    let broken = Files::new(&[("broken.yaml", "a: [")]);
    let Some(server) = ApiServer::shared() else {
        return;
    };
    let output = lint(&server.kubeconfig(), &broken.path("broken.yaml"))
        .run()
        .exits(3);
    assert!(output.stdout.contains("broken.yaml"), "{}", output.stdout);
}

#[test]
fn a_repeated_object_and_one_without_a_name_count_as_for_apply() {
    let Some((_, namespace)) = server() else {
        return;
    };
    namespace.apply(&deployment("http"));
    let twice = format!("{}---\n{}", service("htpp"), service("http"));
    let files = Files::new(&[("twice.yaml", &twice)]);
    let output = lint(&namespace.kubeconfig(), &files.path("twice.yaml"))
        .run()
        .ok();
    assert_eq!(findings(&output), [""; 0]);
    assert!(
        output.json()["notes"]
            .to_string()
            .contains("occurs more than once"),
        "{}",
        output.stdout
    );

    let pod = "apiVersion: v1
kind: Pod
metadata: {generateName: probe-}
spec:
  hostNetwork: true
  dnsPolicy: ClusterFirst
  containers: [{name: a, image: registry.example/a:1}]
";
    let files = Files::new(&[("pod.yaml", pod)]);
    let output = lint(&namespace.kubeconfig(), &files.path("pod.yaml")).run();
    assert!(
        findings(&output)
            .iter()
            .any(|line| line.starts_with("HST004 Pod/probe-")),
        "{:?}",
        findings(&output)
    );
}

fn namespace_name(namespace: &Namespace<'_>) -> String {
    namespace
        .kubectl(&["config", "view", "--minify", "-o", "jsonpath={..namespace}"])
        .ok()
        .stdout
}
