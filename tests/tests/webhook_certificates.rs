//! Self-managed certificates against a real API server, with the account of the manifests and its rights.

use jiff::SignedDuration;
use kube::Api;
use netdoctor_manifests::{Options, names, render};
use netdoctor_tests::webhook::account::{install, kubeconfig};
use netdoctor_tests::{ApiServer, Spec};
use netdoctor_webhook::{
    clock::Clock,
    lease::{Election, Leases},
    metrics::Metrics,
    tls::{FIELD_MANAGER, Hook, HookKind, Place, SelfManaged, Serving, rotation::Timing},
};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::runtime::Runtime;

const VALIDATING: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/netdoctor-validating";
const MUTATING: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/netdoctor-mutating";

/// Short, so that a test need not wait.
const TIMING: Timing = Timing {
    authority: SignedDuration::from_hours(365 * 24),
    leaf: SignedDuration::from_hours(90 * 24),
    propagation: SignedDuration::from_secs(2),
};

/// A replica without its listener.
struct Replica {
    managed: SelfManaged,
    serving: Arc<Serving>,
}

async fn replica(kubeconfig: &Path, name: &str) -> Replica {
    let client = netdoctor_tests::client(kubeconfig).await;
    let hook = |kind, configuration: &str, webhook: &str| Hook {
        kind,
        configuration: configuration.to_owned(),
        webhook: webhook.to_owned(),
    };
    let place = Place {
        namespace: names::NAMESPACE.to_owned(),
        service: names::WEBHOOK.to_owned(),
        secret: names::CA_SECRET.to_owned(),
        hooks: vec![
            hook(
                HookKind::Validating,
                names::VALIDATING,
                names::VALIDATING_WEBHOOK,
            ),
            hook(HookKind::Mutating, names::MUTATING, names::MUTATING_WEBHOOK),
        ],
    };
    let election = Election::new(name.to_owned(), Duration::from_secs(30));
    let api = Api::namespaced(client.clone(), names::NAMESPACE);
    let leases = Leases::new(api, names::LEASE.to_owned(), election);
    let metrics = Arc::new(Metrics::new());
    let serving = Arc::new(Serving::new(metrics.clone()));
    let timing = (Arc::new(Clock::default()), TIMING);
    let managed = SelfManaged::new(client, place, leases, timing, serving.clone(), metrics);
    Replica { managed, serving }
}

/// The configurations as the manifests have them; the mutating one is not in the default installation.
fn configurations() -> String {
    let mut items: Vec<Value> = render(&Options::default())
        .into_iter()
        .filter(|object| object["kind"] == "ValidatingWebhookConfiguration")
        .collect();
    assert_eq!(items.len(), 1);
    let mut mutating = items[0].clone();
    mutating["kind"] = "MutatingWebhookConfiguration".into();
    mutating["metadata"]["name"] = names::MUTATING.into();
    mutating["webhooks"][0]["name"] = names::MUTATING_WEBHOOK.into();
    items.push(mutating);
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

struct Cluster {
    server: ApiServer,
    runtime: Runtime,
    replicas: Vec<Replica>,
}

impl Cluster {
    /// Accounts, configurations and two replicas, none of which has looked yet.
    fn start() -> Option<Self> {
        let server = ApiServer::start(&Spec::default())?;
        install(&server);
        server.apply(&configurations());
        let kubeconfig = kubeconfig(&server, names::WEBHOOK);
        let runtime = Runtime::new().expect("a runtime");
        let replicas = ["a", "b"].map(|name| runtime.block_on(replica(&kubeconfig, name)));
        Some(Self {
            server,
            runtime,
            replicas: replicas.into(),
        })
    }

    fn look(&mut self) {
        for replica in &mut self.replicas {
            let looked = self.runtime.block_on(replica.managed.look());
            looked.unwrap_or_else(|error| panic!("{error}: {error:?}"));
        }
    }

    /// Looks until something holds.
    fn look_until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..120 {
            self.look();
            if holds(self) {
                return;
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        panic!("{what} never comes");
    }

    fn object(&self, path: &str) -> Option<Value> {
        let answer = self.server.rest().get(path).expect("an answer");
        (answer.status == 200).then(|| answer.json())
    }

    fn bundle(&self, path: &str) -> String {
        let object = self.object(path).expect("a configuration");
        let bundle = object["webhooks"][0]["clientConfig"]["caBundle"].as_str();
        bundle.unwrap_or_default().to_owned()
    }

    fn secret(&self) -> Value {
        let (namespace, name) = (names::NAMESPACE, names::CA_SECRET);
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        self.object(&path).expect("the Secret")
    }
}

/// What a field manager owns in an object, by how it came to that.
fn owned(object: &Value, manager: &str) -> Vec<(String, Value)> {
    let entries = object["metadata"]["managedFields"]
        .as_array()
        .expect("managed fields");
    let ours = entries.iter().filter(|entry| entry["manager"] == manager);
    ours.map(|entry| {
        let operation = entry["operation"].as_str().expect("an operation");
        (operation.to_owned(), entry["fieldsV1"].clone())
    })
    .collect()
}

#[test]
fn one_field_is_ours_and_stays_ours_whatever_is_applied_again() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    assert_eq!(cluster.bundle(VALIDATING), "");
    cluster.look();
    assert!(
        cluster
            .replicas
            .iter()
            .all(|replica| replica.serving.is_ready())
    );
    let bundle = cluster.bundle(VALIDATING);
    assert!(!bundle.is_empty());
    assert_eq!(cluster.bundle(MUTATING), bundle);

    let object = cluster.object(VALIDATING).expect("a configuration");
    let field = json!({"f:webhooks": {
        format!("k:{{\"name\":\"{}\"}}", names::VALIDATING_WEBHOOK): {
            ".": {}, "f:name": {}, "f:clientConfig": {"f:caBundle": {}},
        },
    }});
    assert_eq!(owned(&object, FIELD_MANAGER), [("Apply".to_owned(), field)]);

    // kubectl, a GitOps tool with server-side apply, and one that insists.
    cluster.server.apply(&configurations());
    assert_eq!(cluster.bundle(VALIDATING), bundle);
    for force in ["--force-conflicts=false", "--force-conflicts=true"] {
        let arguments = [
            "apply",
            "--server-side",
            "--field-manager=gitops",
            force,
            "-f",
            "-",
        ];
        cluster
            .server
            .kubectl_with_input(&arguments, &configurations())
            .ok();
        assert_eq!(cluster.bundle(VALIDATING), bundle);
    }
    let version = |cluster: &Cluster| {
        cluster.object(VALIDATING).expect("it")["metadata"]["resourceVersion"].clone()
    };
    let before = version(&cluster);
    cluster.look();
    assert_eq!(version(&cluster), before, "nothing to do is nothing done");
}

#[test]
fn what_is_deleted_stays_deleted_and_what_comes_back_is_trusted_again() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    cluster.look();
    cluster
        .server
        .kubectl(&[
            "delete",
            "validatingwebhookconfiguration",
            names::VALIDATING,
        ])
        .ok();
    cluster.look();
    assert!(cluster.object(VALIDATING).is_none());
    cluster.server.apply(&configurations());
    cluster.look();
    assert_eq!(cluster.bundle(VALIDATING), cluster.bundle(MUTATING));
}

#[test]
fn a_rotation_on_request_goes_through_every_step() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    cluster.look();
    let first = cluster.secret()["data"]["ca.crt"].clone();
    let request = format!("{}=now", names::ROTATE_ANNOTATION);
    cluster
        .server
        .kubectl(&[
            "-n",
            names::NAMESPACE,
            "annotate",
            "secret",
            names::CA_SECRET,
            &request,
        ])
        .ok();
    cluster.look_until("the next authority", |cluster| {
        cluster.secret()["data"]["next.crt"].is_string()
    });
    assert_eq!(
        cluster.secret()["data"]["ca.crt"],
        first,
        "callers learn of it first"
    );
    cluster.look_until("the end of the rotation", |cluster| {
        cluster.secret()["data"]["previous.crt"] == first
    });
    let secret = cluster.secret();
    assert!(secret["data"]["next.crt"].is_null());
    assert_eq!(
        secret["metadata"]["annotations"][names::ROTATE_DONE_ANNOTATION],
        "now"
    );
    cluster.look();
    assert_eq!(cluster.bundle(VALIDATING), cluster.bundle(MUTATING));

    let path = format!(
        "/apis/coordination.k8s.io/v1/namespaces/{}/leases/{}",
        names::NAMESPACE,
        names::LEASE
    );
    let lease = cluster.object(&path).expect("a Lease");
    assert_eq!(lease["spec"]["holderIdentity"], "a");
    assert_eq!(lease["spec"]["leaseDurationSeconds"], 30);
}

#[test]
fn an_api_server_that_restarts_is_waited_for() {
    let Some(mut cluster) = Cluster::start() else {
        return;
    };
    cluster.look();
    let bundle = cluster.bundle(VALIDATING);
    cluster.server.kill();
    for replica in &mut cluster.replicas {
        assert!(cluster.runtime.block_on(replica.managed.look()).is_err());
        assert!(
            replica.serving.is_ready(),
            "what was served before still is"
        );
    }
    cluster.server.start_again();
    cluster.look_until("the same state", |cluster| {
        cluster.bundle(VALIDATING) == bundle
    });
}
