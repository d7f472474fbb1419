//! Installations whose server nobody reaches. Its Deployment is called ready here, as a cluster calls it whose control
//! plane has no way to the Pods.

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
