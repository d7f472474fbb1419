//! The auditor against a real API server, with the rights that the manifests give it.

use crate::watched::quick;
use netdoctor_manifests::names;
use netdoctor_tests::webhook::account;
use netdoctor_tests::{ApiServer, Namespace, Spec};
use netdoctor_webhook::auditor;
use netdoctor_webhook::cache::{Cache, kinds};
use netdoctor_webhook::configmap::{Configuration, Place};
use netdoctor_webhook::metrics::Metrics;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_mins(1);

/// A running auditor, as the process of its Deployment would be.
struct Audited {
    metrics: Arc<Metrics>,
    _runtime: tokio::runtime::Runtime,
}

impl Audited {
    fn start(kubeconfig: &Path, instance: &str) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let metrics = Arc::new(Metrics::of_auditor());
        let (counted, kubeconfig) = (Arc::clone(&metrics), kubeconfig.to_owned());
        let place = Place {
            namespace: names::NAMESPACE.to_owned(),
            name: names::CONFIG_MAP.to_owned(),
        };
        let mut options = auditor::Options::new(instance.to_owned(), place.clone());
        options.every = Duration::from_millis(100);
        runtime.spawn(async move {
            let client = netdoctor_tests::client(&kubeconfig).await;
            let configuration = Arc::new(Configuration::new(Arc::clone(&counted)));
            let policy = configuration.policy();
            let all = kinds(&netdoctor_engine::rules::RULES, &policy.config);
            let cache = Arc::new(Cache::start(client.clone(), all, quick()).await);
            tokio::join!(
                configuration.keep(client.clone(), &place),
                cache.follow(&configuration),
                auditor::run(
                    client.clone(),
                    Arc::clone(&cache),
                    Arc::clone(&configuration),
                    counted,
                    options
                ),
            );
        });
        Self {
            metrics,
            _runtime: runtime,
        }
    }

    fn counts(&self, sample: &str) -> u64 {
        let text = self.metrics.render(jiff::Timestamp::now());
        let line = text.lines().find_map(|line| line.strip_prefix(sample));
        line.and_then(|rest| rest.trim().parse().ok()).unwrap_or(0)
    }

    /// Gives it a reason to look at everything again, and waits until it has.
    fn look(&self, shop: &Namespace<'_>) {
        static TICKS: AtomicU32 = AtomicU32::new(0);
        let before = self.counts("netdoctor_audit_passes_total");
        let tick = TICKS.fetch_add(1, Ordering::Relaxed);
        shop.apply(&service(&format!("tick-{tick}")));
        wait("another pass", || {
            self.counts("netdoctor_audit_passes_total") > before
        });
    }
}

fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Events of the auditor, as `(reason, namespace/name)` with the whole object.
fn events(server: &ApiServer) -> Vec<(String, String, Value)> {
    let answer = server
        .rest()
        .get("/apis/events.k8s.io/v1/events")
        .expect("an answer");
    let list = answer.ok().json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let ours = items
        .into_iter()
        .filter(|event| event["reportingController"] == auditor::CONTROLLER);
    ours.map(|event| {
        let about = &event["regarding"];
        let name = format!("{}/{}", text(&about["namespace"]), text(&about["name"]));
        (text(&event["reason"]), name, event)
    })
    .collect()
}

fn about(server: &ApiServer, reason: &str, name: &str) -> Vec<Value> {
    let all = events(server).into_iter();
    all.filter(|(r, n, _)| r == reason && n == name)
        .map(|(_, _, event)| event)
        .collect()
}

const BROKEN: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: htpp}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]}]}
";

/// An Ingress to a Service that is not there.
fn ingress(name: &str) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {name}}}
spec: {{defaultBackend: {{service: {{name: {name}, port: {{number: 80}}}}}}}}
"
    )
}

fn service(name: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{selector: {{app: web}}, ports: [{{port: 80, targetPort: 8080}}]}}}}"
    )
}

#[test]
fn the_auditor_says_what_stays_wrong_and_only_that() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    account::install(&server);
    let kubeconfig = account::kubeconfig(&server, names::AUDITOR);
    let shop = server.namespace_called("shop");
    // It was there before anybody looked.
    shop.apply(BROKEN);
    server.apply(&account::configuration("gracePeriod: 4s"));

    let first = Audited::start(&kubeconfig, "auditor-1");
    wait("the Event about what was there before", || {
        !about(&server, "SVC004", "shop/web").is_empty()
    });

    // Two that come without the Service that they name: one of them gets it in time.
    shop.apply(&ingress("late"));
    shop.apply(&ingress("never"));
    first.look(&shop);
    shop.apply(&service("late"));
    wait("the Event after the grace period", || {
        !about(&server, "ING001", "shop/never").is_empty()
    });
    first.look(&shop);
    assert_eq!(
        about(&server, "ING001", "shop/late").len(),
        0,
        "it was put right in time"
    );

    // People see it where they look.
    let shown = shop.kubectl(&["get", "events"]).ok().stdout;
    assert!(
        shown.contains("SVC004") && shown.contains("service/web"),
        "{shown}"
    );
    let described = shop.kubectl(&["describe", "service", "web"]).ok().stdout;
    assert!(described.contains("htpp"), "{described}");

    // One Event per finding, however often it is looked at, and after a restart as well.
    first.look(&shop);
    drop(first);
    let before = events(&server);
    let second = Audited::start(&kubeconfig, "auditor-2");
    wait("its first pass", || {
        second.counts("netdoctor_audit_passes_total") > 0
    });
    // Longer than the grace period.
    std::thread::sleep(Duration::from_secs(5));
    second.look(&shop);
    let after = events(&server);
    let short = |events: &[(String, String, Value)]| -> Vec<String> {
        let line = |(reason, name, event): &(String, String, Value)| {
            let (note, series) = (&event["note"], &event["series"]);
            format!(
                "{reason} {name} {} {note} {series}",
                event["metadata"]["name"]
            )
        };
        let mut lines: Vec<String> = events.iter().map(line).collect();
        lines.sort();
        lines
    };
    assert_eq!(short(&before), short(&after), "a restart repeats nothing");

    // What was put right is no finding any more.
    let svc004 = "netdoctor_audit_findings{rule=\"SVC004\",action=\"deny\"}";
    assert_eq!(second.counts(svc004), 1);
    shop.apply(&BROKEN.replace("htpp", "http"));
    wait("the finding to go", || second.counts(svc004) == 0);
    assert_eq!(about(&server, "SVC004", "shop/web").len(), 1);

    // A configuration that nobody can use is said on its object.
    server.apply(&account::configuration("profile: severe"));
    let config = format!("{}/{}", names::NAMESPACE, names::CONFIG_MAP);
    wait("the Event about the configuration", || {
        !about(&server, "ConfigurationRefused", &config).is_empty()
    });
}
