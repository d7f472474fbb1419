//! Installations whose server nobody reaches. Its Deployment is called ready here, as a cluster calls it whose control
//! plane has no way to the Pods.

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::Instant;

use netdoctor_lab::tls::Authority;
use netdoctor_manifests::{FailurePolicy, Options, names};
use netdoctor_tests::{ApiServer, Spec, cmd};
use serde_json::{Value, json};

use crate::{applied, only, said, validating, webhook};

/// A cluster in which an installation gets as far as the question whether anybody answers.
struct Unreached {
    server: ApiServer,
}

impl Unreached {
    fn start() -> Option<Self> {
        let server = ApiServer::start(&Spec::default())?;
        Some(Self { server })
    }

    fn install(&self, flags: &[&str]) -> cmd::Output {
        let install = ["install", "--apply", "--yes", "--timeout=2s"];
        webhook(&self.server.kubeconfig(), &[&install, flags].concat())
    }

    /// The status that the Deployments would have.
    fn call_ready(&self) {
        for name in [names::WEBHOOK, names::AUDITOR] {
            let path = format!(
                "/apis/apps/v1/namespaces/{}/deployments/{name}",
                names::NAMESPACE
            );
            let deployment = self.server.rest().get(&path).unwrap().ok().json();
            let replicas = &deployment["spec"]["replicas"];
            let status = json!({"status": {
                "observedGeneration": deployment["metadata"]["generation"],
                "replicas": replicas,
                "updatedReplicas": replicas,
                "readyReplicas": replicas,
                "availableReplicas": replicas,
            }});
            let written = self.server.rest().merge(&format!("{path}/status"), &status);
            written.unwrap().ok();
        }
    }

    /// What the server would write.
    fn trust(&self) {
        let pem = Authority::new("netdoctor").unwrap().pem();
        let bundle = base64(&pem);
        self.patch(
            &json!([{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": bundle}]),
        );
    }

    /// A Pod of the server, as a kubelet calls one ready, at an address.
    fn serve_at(&self, address: SocketAddr) {
        let path = format!(
            "/apis/apps/v1/namespaces/{}/deployments/{}",
            names::NAMESPACE,
            names::WEBHOOK
        );
        let deployment = self.server.rest().get(&path).unwrap().ok().json();
        let template = &deployment["spec"]["template"];
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": "silent", "namespace": names::NAMESPACE, "labels": template["metadata"]["labels"],
            },
            "spec": template["spec"],
        });
        let port = |name: &str| json!({"name": name, "containerPort": address.port()});
        pod["spec"]["containers"][0]["ports"] = json!([port("webhook"), port("metrics")]);
        self.server.apply(&pod.to_string());
        let ip = address.ip();
        let status = json!({"status": {
            "phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }});
        let path = format!("/api/v1/namespaces/{}/pods/silent/status", names::NAMESPACE);
        self.server.rest().merge(&path, &status).unwrap().ok();
        // The Service proxy of an API server reads these, and no controller of this cluster writes them.
        let endpoints = json!({
            "apiVersion": "v1", "kind": "Endpoints",
            "metadata": {"name": names::WEBHOOK, "namespace": names::NAMESPACE},
            "subsets": [{
                "addresses": [{
                    "ip": ip,
                    "targetRef": {"kind": "Pod", "name": "silent", "namespace": names::NAMESPACE},
                }],
                "ports": [{"name": "https", "port": address.port()}],
            }],
        });
        self.server.apply(&endpoints.to_string());
    }

    fn patch(&self, operations: &Value) {
        let operations = operations.to_string();
        let kind = "validatingwebhookconfiguration";
        let patch = [
            "patch",
            kind,
            names::VALIDATING,
            "--type=json",
            "-p",
            &operations,
        ];
        self.server.kubectl(&patch).ok();
    }

    fn policy(&self) -> (Value, Value) {
        let webhook = validating(&self.server);
        (webhook["failurePolicy"].clone(), only(&webhook))
    }
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn fail() -> Options {
    Options {
        failure_policy: FailurePolicy::Fail,
        ..Options::default()
    }
}

/// Whoever wants `Fail` and is not answered may try as often as they like: nothing is refused, and nothing is widened.
#[test]
fn a_failed_installation_that_is_run_again_stays_narrow() {
    let Some(cluster) = Unreached::start() else {
        return;
    };
    let fail = ["--failure-policy=Fail"];
    let first = cluster.install(&fail).exits(3);
    said(
        &first.stderr,
        "No request is sent to it: the cluster is as before",
    );
    cluster.call_ready();
    let untrusted = cluster.install(&fail).exits(3);
    said(&untrusted.stderr, "has no caBundle");
    let narrow = (json!("Ignore"), json!(["default"]));
    assert_eq!(cluster.policy(), narrow);
    cluster.trust();
    for _ in 0..2 {
        let unanswered = cluster.install(&fail).exits(3);
        said(&unanswered.stderr, "nobody answered the test");
        said(
            &unanswered.stderr,
            "Only namespace default was included, and requests pass unjudged",
        );
        assert_eq!(cluster.policy(), narrow);
    }
    // The authority is not ours to take away.
    let bundle = &validating(&cluster.server)["clientConfig"]["caBundle"];
    assert!(bundle.is_string(), "{bundle}");
}

/// An installation that died is not made to refuse, and one that refuses can always be made to let pass.
#[test]
fn a_dead_installation_gets_milder_and_never_stricter() {
    let Some(cluster) = Unreached::start() else {
        return;
    };
    applied(&cluster.server, &Options::default());
    cluster.trust();
    // The API server has a port that the manifests do not know; what an installation makes of them is called ready.
    cluster.install(&[]).exits(3);
    cluster.call_ready();

    let stricter = cluster.install(&["--failure-policy=Fail"]).exits(3);
    said(&stricter.stderr, "nobody answered the test");
    said(
        &stricter.stderr,
        "All namespaces are included, and requests pass unjudged",
    );
    assert_eq!(cluster.policy(), (json!("Ignore"), Value::Null));

    let refuses = json!([{"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}]);
    cluster.patch(&refuses);
    let unchanged = cluster.install(&["--failure-policy=Fail"]).exits(3);
    said(
        &unchanged.stderr,
        "requests are REFUSED while the webhook is not reached",
    );
    let milder = cluster.install(&[]).exits(3);
    said(
        &milder.stderr,
        "All namespaces are included, and requests pass unjudged",
    );
    assert_eq!(cluster.policy(), (json!("Ignore"), Value::Null));
}

/// Printed with `Fail` and applied at once, a webhook without an authority refuses everything. The installer ends that
/// before it waits for anything.
#[test]
fn an_installation_that_refuses_everything_is_narrowed_first() {
    let Some(cluster) = Unreached::start() else {
        return;
    };
    applied(&cluster.server, &fail());
    assert_eq!(cluster.policy(), (json!("Fail"), Value::Null));
    let stopped = cluster.install(&["--failure-policy=Fail"]).exits(3);
    said(
        &stopped.stderr,
        "deployment.apps/netdoctor-webhook is not ready",
    );
    said(&stopped.stderr, "Only namespace default was included");
    assert_eq!(cluster.policy(), (json!("Ignore"), json!(["default"])));
}

/// An address of this machine that an API server forwards to: those of the loopback interface are not.
fn own_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("203.0.113.1:9").unwrap();
    socket.local_addr().unwrap().ip()
}

/// A firewall between control plane and nodes lets the API server wait for ever. Whoever asks in an outage is told so
/// within seconds, and no word is said against the API server, which answers everything else.
#[test]
fn silence_on_the_way_to_the_pods_is_called_a_firewall() {
    let Some(cluster) = Unreached::start() else {
        return;
    };
    let server = &cluster.server;
    applied(server, &fail());
    cluster.trust();
    // Connections are taken, and never answered.
    let silent = TcpListener::bind((own_address(), 0)).unwrap();
    cluster.serve_at(silent.local_addr().unwrap());

    // The program is built before its time is taken.
    webhook(&server.kubeconfig(), &["--help"]).ok();
    let started = Instant::now();
    let status = webhook(&server.kubeconfig(), &["status"]).exits(1);
    let took = started.elapsed();
    // The way to the webhook and the one to its metrics, five seconds each.
    assert!(took.as_secs() < 20, "{took:?}");
    let words = status.stdout.split_whitespace().collect::<Vec<_>>();
    let words = words.join(" ");
    said(
        &words,
        "\u{2718} the API server does not reach the Pod port 10250: dropped on the way, usually by a firewall",
    );
    assert!(!words.contains("overloaded"), "{words}");
}

/// What an earlier installation was told is not undone without a word.
#[test]
fn settings_that_an_installation_changes_back_are_named() {
    let Some(cluster) = Unreached::start() else {
        return;
    };
    let earlier = Options {
        replicas: 3,
        custom_workloads: vec!["rollouts.v1alpha1.argoproj.io".parse().unwrap()],
        ..fail()
    };
    applied(&cluster.server, &earlier);
    let tried = webhook(
        &cluster.server.kubeconfig(),
        &["install", "--apply", "--dry-run=server"],
    );
    let entry = "validatingwebhookconfiguration.admissionregistration.k8s.io/netdoctor-validating: \
                 webhooks[validate.netdoctor.io]";
    for output in [tried.ok(), cluster.install(&[]).exits(3)] {
        for change in [
            format!("{entry}.failurePolicy Fail -> Ignore"),
            format!("{entry}.rules[rollouts.v1alpha1.argoproj.io] CREATE, UPDATE -> none"),
            "deployment.apps/netdoctor-webhook: spec.replicas 3 -> 2".to_owned(),
        ] {
            said(&output.stderr, &change);
        }
    }

    // What is installed by now is what is asked for.
    let again = cluster.install(&[]).exits(3);
    for changed in ["failurePolicy", ".rules[", "spec.replicas"] {
        assert!(!again.stderr.contains(changed), "{}", again.stderr);
    }
}
