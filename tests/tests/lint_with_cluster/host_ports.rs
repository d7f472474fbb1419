//! A port of a node is taken for all namespaces. Tests share two nodes, so that each has a port of its own.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use netdoctor_tests::cmd::Output;
use netdoctor_tests::webhook::{Settings, Webhook};
use netdoctor_tests::{ApiServer, FaultProxy, Namespace, Rules, Spec};
use serde_json::Value;

use super::{Files, findings, lint};

struct Stage {
    server: ApiServer,
    webhook: Webhook,
}

fn stage() -> Option<&'static Stage> {
    static STAGE: OnceLock<Option<Stage>> = OnceLock::new();
    let build = || {
        let server = ApiServer::start(&Spec::default())?;
        for name in ["n1", "n2"] {
            server.apply_status(&format!(
                "apiVersion: v1
kind: Node
metadata: {{name: {name}, labels: {{kubernetes.io/hostname: {name}}}}}
status: {{conditions: [{{type: Ready, status: 'True'}}]}}
"
            ));
            // Put there by the API server, to be taken away by a controller that does not run here.
            let taint = "node.kubernetes.io/not-ready:NoSchedule-";
            server.kubectl(&["taint", "node", name, taint]).ok();
        }
        let webhook = Webhook::start(&server, Settings::default());
        webhook.guard(&server);
        Some(Stage { server, webhook })
    };
    STAGE.get_or_init(build).as_ref()
}

/// A workload of this kind whose Pods have further fields, and ports as written.
fn workload(kind: &str, name: &str, fields: &str, port: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      {fields}
      containers:
      - {{name: a, image: registry.example/{name}:1, ports: [{{{port}}}]}}
"
    )
}

/// A Pod on a node that reserves a port there.
fn pod(name: &str, node: &str, port: &str) -> String {
    format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  nodeName: {node}
  containers:
  - {{name: a, image: registry.example/{name}:1, ports: [{{{port}}}]}}
"
    )
}

const ON_N1: &str = "nodeSelector: {kubernetes.io/hostname: n1}";

/// What `lint --with-cluster` says about a manifest.
fn lint_text(namespace: &Namespace<'_>, manifest: &str) -> Output {
    let files = Files::new(&[("web.yaml", manifest)]);
    lint(&namespace.kubeconfig(), &files.path("web.yaml")).run()
}

/// The finding about the file, and nothing else of the rule.
#[track_caller]
fn conflict(output: &Output) -> Value {
    let report = output.json();
    let all = report["findings"].as_array().expect("findings");
    let of_rule = |finding: &&Value| finding["code"] == "HST006";
    let about_file = |finding: &&Value| finding["labels"][0]["file"].is_string();
    let found: Vec<&Value> = all.iter().filter(of_rule).filter(about_file).collect();
    assert_eq!(found.len(), 1, "{}", output.stdout);
    found[0].clone()
}

/// Nothing of the rule, and nothing that it left open.
#[track_caller]
fn no_conflict(output: &Output) {
    let found = findings(output);
    assert!(
        found.iter().all(|line| !line.starts_with("HST006")),
        "{found:?}"
    );
    let open = output.json()["notChecked"].to_string();
    assert!(!open.contains("HST006"), "{open}");
}

/// The warnings that the webhook has about a manifest, once it knows what the cluster holds.
fn warned(stage: &Stage, namespace: &Namespace<'_>, manifest: &str) -> Vec<String> {
    let start = Instant::now();
    loop {
        let tried = ["apply", "--dry-run=server", "-f", "-"];
        let output = namespace.kubectl_with_input(&tried, manifest).ok();
        let lines = output.stderr.lines();
        let warnings = lines.filter_map(|line| line.strip_prefix("Warning: HST006: "));
        let warnings: Vec<String> = warnings.map(str::to_owned).collect();
        if !warnings.is_empty() {
            return warnings;
        }
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "no warning: {}",
            stage.webhook.logs()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_another_namespace_holds_is_told_in_the_words_of_the_webhook_and_by_name() {
    let Some(stage) = stage() else { return };
    let edge = stage.server.namespace_called("edge");
    let shop = stage.server.namespace_called("shop");
    edge.apply(&workload(
        "DaemonSet",
        "gate",
        "hostNetwork: true",
        "containerPort: 8001",
    ));
    edge.apply(
        &workload("Deployment", "api", "", "containerPort: 80, hostPort: 8002")
            .replace("spec:\n  selector", "spec:\n  replicas: 2\n  selector"),
    );
    edge.apply(&pod("lone", "n1", "containerPort: 80, hostPort: 8003"));
    for (port, fields, holder) in [
        (8001, "", "DaemonSet edge/gate"),
        (8002, "", "Deployment edge/api"),
        (8003, ON_N1, "Pod edge/lone"),
    ] {
        let port = format!("containerPort: 80, hostPort: {port}");
        let manifest = workload("Deployment", "web", fields, &port);
        let finding = conflict(&lint_text(&shop, &manifest));
        let message = finding["message"]
            .as_str()
            .expect("a message")
            .replace('`', "");
        assert!(message.contains(holder), "{message}");
        assert!(
            finding["explainedBy"].is_null(),
            "what comes last is what is to be changed: {finding}"
        );
        // Whoever asks the webhook may have no right to read what another namespace holds.
        let kind = holder.split(' ').next().expect("a kind");
        let unnamed = message.replace(holder, &format!("a {kind} of another namespace"));
        let warnings = warned(stage, &shop, &manifest);
        assert!(
            warnings.iter().any(|text| text.starts_with(&unnamed)),
            "{unnamed}\n{warnings:?}"
        );
    }
    // With host networking every declared port is one of the node, written or not.
    let host = workload(
        "Deployment",
        "web",
        "hostNetwork: true",
        "containerPort: 8001",
    );
    conflict(&lint_text(&shop, &host));
}

#[test]
fn what_only_looks_like_a_conflict_is_none() {
    let Some(stage) = stage() else { return };
    let (theirs, ours) = (stage.server.namespace(), stage.server.namespace());
    theirs.apply(&pod("all", "n1", "containerPort: 80, hostPort: 8011"));
    theirs.apply(&pod(
        "one",
        "n1",
        "containerPort: 80, hostPort: 8012, hostIP: 10.0.0.1",
    ));
    theirs.apply_status(&format!(
        "{}status: {{phase: Succeeded}}\n",
        pod("done", "n1", "containerPort: 80, hostPort: 8013")
    ));
    theirs.apply(&pod("plain", "n1", "containerPort: 8014"));
    let told = |fields: &str, port: &str| {
        let port = format!("containerPort: 80, {port}");
        lint_text(&ours, &workload("Deployment", "web", fields, &port))
    };
    conflict(&told(ON_N1, "hostPort: 8011"));
    no_conflict(&told(ON_N1, "hostPort: 8011, protocol: UDP"));
    no_conflict(&told(ON_N1, "hostPort: 8019"));
    no_conflict(&told(
        "nodeSelector: {kubernetes.io/hostname: n2}",
        "hostPort: 8011",
    ));
    // The scheduler finds the other node.
    no_conflict(&told("", "hostPort: 8011"));

    conflict(&told(ON_N1, "hostPort: 8012"));
    conflict(&told(ON_N1, "hostPort: 8012, hostIP: 10.0.0.1"));
    no_conflict(&told(ON_N1, "hostPort: 8012, hostIP: 10.0.0.2"));

    no_conflict(&told(ON_N1, "hostPort: 8013"));
    no_conflict(&told(ON_N1, "hostPort: 8014"));

    let named = |node: &str| {
        lint_text(
            &ours,
            &pod("web", node, "containerPort: 80, hostPort: 8011"),
        )
    };
    conflict(&named("n1"));
    no_conflict(&named("n2"));
}

#[test]
fn other_namespaces_are_read_only_for_what_they_could_have_taken() {
    let Some(stage) = stage() else { return };
    let ours = stage.server.namespace();
    let lists = |manifest: &str| {
        let proxy = FaultProxy::start(&stage.server);
        let files = Files::new(&[("web.yaml", manifest)]);
        lint(&proxy.kubeconfig(&ours), &files.path("web.yaml")).run();
        let requests = proxy.requests();
        assert!(requests.iter().all(|request| request.method == "GET"));
        let wide = |path: &&str| ["/api/v1/pods", "/apis/apps/v1/daemonsets"].contains(path);
        let paths = requests.iter().map(|request| &*request.path);
        paths.filter(wide).count()
    };
    let plain = workload("Deployment", "web", "", "containerPort: 80");
    assert_eq!(lists(&plain), 0);
    assert_eq!(lists(&super::service("http")), 0);
    let replicas = "spec:\n  replicas: 0\n  selector";
    let taken = workload("Deployment", "web", "", "containerPort: 80, hostPort: 8021");
    assert_eq!(lists(&taken.replace("spec:\n  selector", replicas)), 0);
    assert_eq!(lists(&taken), 2);
    let host = workload(
        "Deployment",
        "web",
        "hostNetwork: true",
        "containerPort: 8021",
    );
    assert_eq!(lists(&host), 2);
}

/// The reasons why a rule has no verdict.
fn open(output: &Output, code: &str) -> Vec<String> {
    let report = output.json();
    let entries = report["notChecked"].as_array().expect("entries");
    let of_rule = entries.iter().filter(|entry| entry["code"] == code);
    of_rule
        .map(|entry| entry["reason"].as_str().expect("a reason").to_owned())
        .collect()
}

#[test]
fn who_may_only_read_one_namespace_is_told_what_was_not_seen() {
    let Some(stage) = stage() else { return };
    let (theirs, ours) = (stage.server.namespace(), stage.server.namespace());
    theirs.apply(&workload(
        "DaemonSet",
        "gate",
        "",
        "containerPort: 80, hostPort: 8031",
    ));
    ours.apply(&workload(
        "DaemonSet",
        "own",
        "",
        "containerPort: 80, hostPort: 8032",
    ));
    let all = "- {apiGroups: ['', apps, batch, autoscaling, networking.k8s.io, discovery.k8s.io], resources: ['*'], verbs: [get, list]}";
    let nodes = "- {apiGroups: [''], resources: [nodes, namespaces], verbs: [get, list]}";
    let rules = Rules {
        namespace: all,
        cluster: nodes,
    };
    let kubeconfig = stage
        .server
        .kubeconfig_for_service_account(&ours, "half", &rules);
    let run = |port: i32, flags: &[&str]| {
        let port = format!("containerPort: 80, hostPort: {port}");
        let files = Files::new(&[("web.yaml", &workload("Deployment", "web", "", &port))]);
        lint(&kubeconfig, &files.path("web.yaml")).args(flags).run()
    };
    let gap = "cannot list pods: forbidden (try: kubectl auth can-i list pods -A)";

    // Neither a conflict nor none, and no reason to fail.
    let unseen = run(8031, &[]).ok();
    assert_eq!(findings(&unseen), [""; 0]);
    assert_eq!(open(&unseen, "HST006"), [gap]);
    // Nobody else needs more than was read, and nobody repeats it.
    for code in ["HST003", "HST005", "HST010", "PRB001", "SVC004"] {
        assert_eq!(open(&unseen, code), [""; 0], "{code}: {}", unseen.stdout);
    }
    assert_eq!(unseen.stdout.matches("list pods -A").count(), 1);
    // Nor is it said of every kind that makes Pods.
    let makers = ["deployments.apps", "daemonsets.apps", "jobs.batch"];
    for what in makers.map(|kind| format!("list {kind} -A")) {
        assert!(!unseen.stdout.contains(&what), "{}", unseen.stdout);
    }
    run(8031, &["--strict"]).exits(1);

    // What can be seen is told all the same.
    let own = run(8032, &[]);
    let finding = conflict(&own);
    let message = finding["message"].as_str().expect("a message");
    assert!(message.contains(&format!("{ours}/own")), "{message}");
    assert_eq!(open(&own, "HST006"), [gap]);

    // Files without such ports ask for nothing that is not allowed.
    let files = Files::new(&[(
        "web.yaml",
        &workload("Deployment", "web", "", "containerPort: 80"),
    )]);
    let plain = lint(&kubeconfig, &files.path("web.yaml")).run().ok();
    assert!(!plain.stdout.contains("list pods -A"), "{}", plain.stdout);
}
