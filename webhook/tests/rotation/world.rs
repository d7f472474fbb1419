//! Replicas, callers, and a time that passes when it is told to.

use crate::fake_api::FakeApi;
use axum::http::Request;
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api,
    client::{Body, ClientBuilder},
};
use netdoctor_webhook::{
    admit::{BadReview, Decision},
    clock::{Clock, Time},
    lease::{Election, Leases},
    metrics::{Metrics, Webhook},
    server::{Admission, Gate, Judge, Limits, Listener, Phases, Times, bind, router},
    tls::{Hook, HookKind, Place, SelfManaged, Serving, Tls, rotation::Timing},
};
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    time_provider::TimeProvider,
};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) const SECRET: &str = "/api/v1/namespaces/netdoctor-system/secrets/netdoctor-webhook-ca";
pub(crate) const LEASE: &str =
    "/apis/coordination.k8s.io/v1/namespaces/netdoctor-system/leases/netdoctor-webhook";
pub(crate) const VALIDATING: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/netdoctor-validating";
pub(crate) const MUTATING: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/netdoctor-mutating";

/// The time of the API server, and what the clocks of machines are apart from it.
#[derive(Debug)]
struct Now {
    wall: Timestamp,
    running: Duration,
}

/// A machine's clocks.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    now: Arc<Mutex<Now>>,
    apart: SignedDuration,
}

impl Time for Machine {
    fn wall(&self) -> Timestamp {
        self.now.lock().unwrap().wall + self.apart
    }
    fn running(&self) -> Duration {
        self.now.lock().unwrap().running
    }
}

impl TimeProvider for Machine {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.wall().as_second()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// Everything but the replicas.
pub(crate) struct World {
    pub(crate) api: FakeApi,
    now: Arc<Mutex<Now>>,
    /// When `VALIDATING` began to trust what.
    trusted: Vec<(Timestamp, String)>,
    replicas: AtomicU32,
}

impl World {
    /// With both configurations, as the manifests make them.
    pub(crate) fn new() -> Self {
        let now = Arc::new(Mutex::new(Now {
            wall: "2026-11-28T08:00:00Z".parse().unwrap(),
            running: Duration::from_secs(100),
        }));
        let clock = Machine {
            now: now.clone(),
            apart: SignedDuration::ZERO,
        };
        let api = FakeApi::new(move || clock.wall());
        api.with(|store| {
            store.put(
                VALIDATING,
                configuration("ValidatingWebhookConfiguration", "validate.netdoctor.io"),
            );
            store.put(
                MUTATING,
                configuration("MutatingWebhookConfiguration", "mutate.netdoctor.io"),
            );
        });
        Self {
            api,
            now,
            trusted: Vec::new(),
            replicas: AtomicU32::new(0),
        }
    }

    pub(crate) fn wall(&self) -> Timestamp {
        self.now.lock().unwrap().wall
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, time: SignedDuration) {
        self.note();
        let mut now = self.now.lock().unwrap();
        now.wall += time;
        now.running += Duration::try_from(time).unwrap();
    }

    /// The API server's wall clock is set.
    pub(crate) fn jump(&mut self, time: SignedDuration) {
        self.note();
        self.now.lock().unwrap().wall += time;
    }

    /// Asks for a rotation as `webhook certs rotate` does.
    pub(crate) fn request_rotation(&self, value: &str) {
        self.api.with(|store| {
            let mut secret = store.objects[SECRET].clone();
            secret["metadata"]["annotations"]["netdoctor.io/rotate-ca"] = value.into();
            store.put(SECRET, secret);
        });
    }

    /// A replica on a machine whose clock is apart from the API server's.
    pub(crate) async fn replica(&self, apart: SignedDuration) -> Replica {
        self.replica_with(apart, Timing::default()).await
    }

    pub(crate) async fn replica_with(&self, apart: SignedDuration, timing: Timing) -> Replica {
        let number = self.replicas.fetch_add(1, Ordering::Relaxed);
        let machine = Machine {
            now: self.now.clone(),
            apart,
        };
        let clock = Arc::new(Clock::new(Arc::new(machine)));
        let api = self.api.clone();
        let service = tower::service_fn(move |request: Request<Body>| api.clone().answer(request));
        let client = ClientBuilder::new(service, "default")
            .with_layer(&clock.layer())
            .build();
        let election = Election::new(format!("replica-{number}"), Duration::from_secs(30));
        let leases = Api::namespaced(client.clone(), "netdoctor-system");
        let leases = Leases::new(leases, "netdoctor-webhook".to_owned(), election);
        let metrics = Arc::new(Metrics::new());
        let serving = Arc::new(Serving::new(metrics.clone()));
        let (address, phases) = listen(serving.clone(), metrics.clone()).await;
        let managed = SelfManaged::new(
            client,
            place(),
            leases,
            (clock, timing),
            serving.clone(),
            metrics.clone(),
        );
        Replica {
            managed,
            serving,
            metrics,
            address,
            _phases: phases,
        }
    }

    /// What a configuration trusts now.
    pub(crate) fn bundle(&self, path: &str) -> String {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let object = self.api.object(path).unwrap();
        let text = object["webhooks"][0]["clientConfig"]["caBundle"].as_str();
        let bytes = STANDARD.decode(text.unwrap_or_default());
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    }

    /// How many authorities a configuration trusts now.
    pub(crate) fn authorities(&self, path: &str) -> usize {
        self.bundle(path).matches("BEGIN").count()
    }

    /// Remembers what callers are told, and when.
    fn note(&mut self) {
        let bundle = self.bundle(VALIDATING);
        if self.trusted.last().is_none_or(|(_, last)| *last != bundle) {
            self.trusted.push((self.wall(), bundle));
        }
    }

    /// Calls a replica as an API server does that learned this long ago what it trusts.
    pub(crate) async fn call(
        &mut self,
        replica: &Replica,
        late: SignedDuration,
    ) -> Result<(), String> {
        self.note();
        let heard = self.wall() - late;
        let known = self.trusted.iter().rev().find(|(since, _)| *since <= heard);
        let bundle = known.map_or("", |(_, bundle)| bundle.as_str());
        let clock = Machine {
            now: self.now.clone(),
            apart: SignedDuration::ZERO,
        };
        shake_hands(replica.address, bundle, clock).await
    }
}

/// One replica.
pub(crate) struct Replica {
    pub(crate) managed: SelfManaged,
    pub(crate) serving: Arc<Serving>,
    pub(crate) metrics: Arc<Metrics>,
    address: SocketAddr,
    _phases: Phases,
}

impl Replica {
    pub(crate) async fn look(&mut self) {
        self.managed.look().await.unwrap();
    }
}

fn place() -> Place {
    let hook = |kind, configuration: &str, webhook: &str| Hook {
        kind,
        configuration: configuration.to_owned(),
        webhook: webhook.to_owned(),
    };
    Place {
        namespace: "netdoctor-system".to_owned(),
        service: "netdoctor-webhook".to_owned(),
        secret: "netdoctor-webhook-ca".to_owned(),
        hooks: vec![
            hook(
                HookKind::Validating,
                "netdoctor-validating",
                "validate.netdoctor.io",
            ),
            hook(
                HookKind::Mutating,
                "netdoctor-mutating",
                "mutate.netdoctor.io",
            ),
        ],
    }
}

pub(crate) fn configuration(kind: &str, webhook: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"labels": {"somebody": "else"}},
        "webhooks": [{
            "name": webhook,
            "clientConfig": {"service": {"name": "netdoctor-webhook", "namespace": "netdoctor-system"}},
            "failurePolicy": "Ignore",
            "rules": [{"resources": ["pods"]}],
        }],
    })
}

/// Nobody gets as far as that here.
struct NoJudge;

impl Judge for NoJudge {
    fn judge(&self, _: Webhook, _: &[u8]) -> Result<Decision, BadReview> {
        Err(BadReview::NoRequest)
    }
}

async fn listen(serving: Arc<Serving>, metrics: Arc<Metrics>) -> (SocketAddr, Phases) {
    let phases = Phases::default();
    let admission = Admission::new(
        Arc::new(NoJudge),
        Gate::new(1, 1),
        Limits::default(),
        metrics.clone(),
    );
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Listener::new(
        listener,
        Some(Tls::new(serving, None).unwrap()),
        router(admission),
        (Times::default(), 100),
        phases.follow(),
        metrics,
    );
    tokio::spawn(listener.serve());
    (address, phases)
}

async fn shake_hands(address: SocketAddr, bundle: &str, clock: Machine) -> Result<(), String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(clock))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    let name = ServerName::try_from("netdoctor-webhook.netdoctor-system.svc").unwrap();
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| error.to_string())?;
    let connector = TlsConnector::from(Arc::new(config));
    let connected = connector.connect(name, stream).await;
    connected.map(drop).map_err(|error| error.to_string())
}
