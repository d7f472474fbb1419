//! What the webhook must survive without a caller of the API server noticing: each drill under load through a real API
//! server, every call accounted for.
//!
//! Rolling restarts and rotations behind a real Service are among the tests of the lab.

#[path = "webhook_drills/hostile.rs"]
mod hostile;
#[path = "webhook_drills/tunnel.rs"]
mod tunnel;

use hostile::{Hostile, Kind};
use netdoctor_tests::load::{Load, Plan, Resource};
use netdoctor_tests::webhook::{Settings, Webhook};
use netdoctor_tests::{ApiServer, Namespace, Spec};
use serde_json::{Value, json};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tunnel::Tunnel;

/// Calls per second.
const RATE: u32 = 500;

/// What the manifests have the API server wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Two loads at once would measure each other.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Creations of a Service whose named port no pod declares: only who has the Deployment in its cache can warn.
fn contradiction(namespace: &Namespace<'_>) -> Plan {
    let ports = json!([{"port": 80, "targetPort": "htpp"}]);
    let spec = json!({"selector": {"app": "web"}, "ports": ports});
    Plan {
        rate: Some(RATE),
        clients: 100,
        expect: Some("SVC004".to_owned()),
        resource: Resource::Services,
        object: Some(json!({"apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": spec})),
        namespace: Some(namespace.to_string()),
        ..Plan::default()
    }
}

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]}]}
";

/// A namespace with the Deployment, when the webhook has it in its cache.
fn shop<'s>(server: &'s ApiServer, webhook: &Webhook) -> Namespace<'s> {
    let namespace = server.namespace();
    namespace.apply(WEB);
    let plan = contradiction(&namespace);
    let path = format!("/api/v1/namespaces/{namespace}/services?dryRun=All");
    let mut service = plan.object.unwrap_or_default();
    service["metadata"]["name"] = "web".into();
    webhook.wait("the Deployment in its cache", || {
        let answer = server.rest().post(&path, &service);
        answer.is_ok_and(|answer| {
            let warnings = answer.headers.get_all("warning").iter();
            warnings
                .filter_map(|warning| warning.to_str().ok())
                .any(|text| text.contains("SVC004"))
        })
    });
    namespace
}

#[test]
fn while_the_api_server_restarts_the_webhook_answers_from_its_cache() {
    let _alone = alone();
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let webhook = Webhook::start(&server, Settings::default());
    webhook.guard(&server);
    let shop = shop(&server, &webhook);
    let load = Load::start(
        &server.kubeconfig(),
        Plan {
            // What a load balancer does before several API servers.
            patience: Some(Duration::from_secs(30)),
            ..contradiction(&shop)
        },
    );
    sleep(Duration::from_secs(2));
    server.kill();
    // Nobody can be asked now; the answer is the same as ever.
    let hostile = Hostile::new(&webhook);
    for _ in 0..20 {
        let answer = hostile.review(&contradiction_review(&shop));
        let warnings = answer["response"]["warnings"].to_string();
        assert!(warnings.contains("SVC004"), "{answer}");
    }
    server.start_again();
    sleep(Duration::from_secs(3));
    let report = load.stop();
    println!("{report}");
    assert_eq!((report.failures(), report.unanswered), (0, 0), "{report}");
    assert!(report.retried > 0, "the server was never away\n{report}");
    assert!(report.answered > u64::from(RATE) * 4, "{report}");
    let fail_open = webhook.metric("netdoctor_admission_fail_open_total", &[]);
    assert!(fail_open < 1.0, "{}", webhook.metrics());
}

fn contradiction_review(namespace: &Namespace<'_>) -> Value {
    let mut object = contradiction(namespace).object.unwrap_or_default();
    object["metadata"] = json!({"name": "web", "namespace": namespace.to_string()});
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "drill",
            "kind": {"group": "", "version": "v1", "kind": "Service"},
            "resource": {"group": "", "version": "v1", "resource": "services"},
            "operation": "CREATE",
            "name": "web",
            "namespace": namespace.to_string(),
            "userInfo": {"username": "dev"},
            "object": object,
        },
    })
}

#[test]
fn a_webhook_that_is_killed_or_cut_off_holds_nobody_up() {
    let _alone = alone();
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let webhook = Webhook::start(&server, Settings::default());
    let tunnel = Tunnel::to(webhook.port());
    webhook.guard_through(&server, tunnel.port());
    let plan = Plan {
        rate: Some(RATE),
        clients: 100,
        expect: Some("HST004".to_owned()),
        ..Plan::default()
    };

    // A router that swallows packets: every call waits for the timeout, and none longer.
    let few = Plan {
        rate: Some(30),
        clients: 100,
        ..plan.clone()
    };
    let load = Load::start(&server.kubeconfig(), few);
    sleep(Duration::from_secs(1));
    tunnel.swallow(true);
    sleep(Duration::from_secs(4));
    tunnel.swallow(false);
    let report = load.stop();
    println!("cut off: {report}");
    assert_eq!(report.failures(), 0, "{report}");
    assert!(report.unanswered > 60, "it was not cut off\n{report}");
    assert!(report.latency.max > TIMEOUT, "nobody waited\n{report}");
    assert!(report.latency.max < TIMEOUT * 2, "{report}");

    let load = Load::start(&server.kubeconfig(), plan);
    sleep(Duration::from_secs(2));
    let before = load.so_far();
    webhook.kill();
    tunnel.close();
    sleep(Duration::from_secs(3));
    let report = load.stop();
    println!("killed: {report}");
    assert_eq!(before.unanswered, 0, "{before}");
    assert_eq!(report.failures(), 0, "{report}");
    assert!(report.unanswered > u64::from(RATE), "{report}");
    // At this rate a busy machine has a queue of its own; one call alone is not held up at all.
    let pods = "/api/v1/namespaces/default/pods?dryRun=All";
    let containers = json!([{"name": "a", "image": "a"}]);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "late"}, "spec": {"containers": containers},
    });
    let begin = Instant::now();
    server.rest().post(pods, &pod).expect("an answer").ok();
    assert!(begin.elapsed() < TIMEOUT, "{:?}", begin.elapsed());
}

#[test]
fn clients_that_mean_harm_keep_the_api_server_from_nothing() {
    let _alone = alone();
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let webhook = Webhook::start(&server, Settings::default());
    webhook.guard(&server);
    // Whether anybody is locked out is the question here, not how fast a busy machine is.
    for mut object in webhook.configuration(webhook.port()) {
        object["webhooks"][0]["timeoutSeconds"] = 10.into();
        server.apply(&object.to_string());
    }
    let plan = Plan {
        rate: Some(RATE),
        clients: 100,
        expect: Some("HST004".to_owned()),
        ..Plan::default()
    };
    let load = Load::start(&server.kubeconfig(), plan);
    let hostile = Hostile::new(&webhook);
    // More than the port takes (1000).
    let wanted = [
        (Kind::Silent, 800),
        (Kind::SilentInTls, 100),
        (Kind::SlowHandshake, 150),
        (Kind::TooLarge, 1),
    ];
    for (kind, clients) in wanted {
        hostile.attack(kind, clients);
    }
    let begin = Instant::now();
    webhook.wait("the attacks", || {
        wanted
            .iter()
            .all(|(kind, count)| hostile.done(*kind) >= *count)
            && hostile.done(Kind::TooLarge) >= 5
            && begin.elapsed() > Duration::from_secs(8)
    });
    let resident = resident_mib(webhook.id());
    let report = load.stop();
    println!("{report}\nresident {resident} MiB");
    assert_eq!((report.failures(), report.unanswered), (0, 0), "{report}");
    let failed = |reason| webhook.metric("netdoctor_tls_handshake_failures_total", &[reason]);
    assert!(
        failed("timeout") + failed("connection-limit") > 100.0,
        "{}",
        webhook.metrics()
    );
    assert!(webhook.metric("netdoctor_admission_requests_total", &["code=\"400\""]) >= 5.0);
    let fail_open = webhook.metric("netdoctor_admission_fail_open_total", &[]);
    assert!(fail_open < 1.0, "{}", webhook.metrics());
    // A thousand connections and two bodies of eight MiB at a time.
    assert!(resident < 160, "{resident} MiB");
}

/// What a process has in memory.
fn resident_mib(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.expect("the kernel says how much memory a process has") >> 10
}
