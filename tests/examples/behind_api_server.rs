//! What the webhook costs the callers of a real API server: decisions at 200 reviews a second with 5,000
//! objects cached, and the same calls with and without the webhook.
//!
//! ```text
//! cargo build --release --workspace --bin netdoctor-webhook --bin kubectl-netdoctor --example behind_api_server
//! NETDOCTOR_BIN=target/release/kubectl-netdoctor target/release/examples/behind_api_server [ROUNDS]
//! ```
//!
//! API server, etcd, webhook and clients share the machine: with two cores, 200 clients that ask without a pause measure
//! how long a queue is. So there is a second comparison, at a rate that the machine can take.
#![allow(
    clippy::print_stdout,
    reason = "an example that prints what it measured"
)]

use std::time::Duration;

use netdoctor_tests::load::{Comparison, Load, Plan, Resource};
use netdoctor_tests::webhook::{Settings, Webhook};
use netdoctor_tests::{ApiServer, Spec};
use serde_json::{Value, json};

fn main() {
    let rounds = std::env::args().nth(1);
    let rounds = rounds.map_or(5, |text| text.parse().expect("ROUNDS is a number"));
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    populate(&server);
    let webhook = Webhook::start(&server, Settings::default());
    webhook.guard(&server);
    let cached = webhook.metric("netdoctor_cache_objects", &[]);
    println!("{cached} objects cached");
    decisions(&server, &webhook);
    for (name, rate) in [
        ("at 200 calls a second", Some(200)),
        ("as fast as they can", None),
    ] {
        let plan = Plan {
            rate,
            duration: Some(Duration::from_secs(10)),
            ..plan()
        };
        let comparison = Comparison::run(&server.kubeconfig(), &plan, rounds);
        let comparison = comparison.unwrap_or_else(|error| panic!("{error}"));
        println!("{} clients {name}\n{comparison}", plan.clients);
        comparison.check().unwrap_or_else(|error| panic!("{error}"));
    }
}

fn plan() -> Plan {
    Plan {
        clients: 200,
        expect: Some(Resource::Pods.code().to_owned()),
        ..Plan::default()
    }
}

/// 2,500 Deployments, each with its Service, in 25 namespaces.
fn populate(server: &ApiServer) {
    for number in 0..25 {
        let namespace = format!("team-{number}");
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        server.rest().post_all("/api/v1/namespaces", &[object]);
        let apps: Vec<String> = (0..100).map(|app| format!("app-{app}")).collect();
        let deployments: Vec<Value> = apps.iter().map(|app| deployment(app)).collect();
        let services: Vec<Value> = apps.iter().map(|app| service(app)).collect();
        let path = format!("namespaces/{namespace}");
        server
            .rest()
            .post_all(&format!("/apis/apps/v1/{path}/deployments"), &deployments);
        server
            .rest()
            .post_all(&format!("/api/v1/{path}/services"), &services);
    }
}

fn deployment(app: &str) -> Value {
    let labels = json!({"app": app});
    let ports = json!([{"name": "http", "containerPort": 8080}]);
    let containers =
        json!([{"name": "app", "image": "registry.example.test/app:1", "ports": ports}]);
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": containers}});
    let spec = json!({"replicas": 0, "selector": {"matchLabels": labels}, "template": template});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": app}, "spec": spec})
}

fn service(app: &str) -> Value {
    let ports = json!([{"name": "http", "port": 80, "targetPort": "http"}]);
    let spec = json!({"selector": {"app": app}, "ports": ports});
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": app}, "spec": spec})
}

/// What the webhook's own clock says about decisions at 200 reviews a second.
fn decisions(server: &ApiServer, webhook: &Webhook) {
    let counted = |bound: &str| {
        let labels = ["webhook=\"validate\"", &format!("le=\"{bound}\"")];
        webhook.metric("netdoctor_admission_duration_seconds_bucket", &labels)
    };
    let bounds = ["0.001", "0.0025", "0.005", "0.01", "0.025", "+Inf"];
    let before = bounds.map(counted);
    let plan = Plan {
        rate: Some(200),
        duration: Some(Duration::from_secs(30)),
        ..plan()
    };
    let report = Load::start(&server.kubeconfig(), plan).wait();
    report.check().unwrap_or_else(|error| panic!("{error}"));
    let after = bounds.map(counted);
    let all = after[bounds.len() - 1] - before[bounds.len() - 1];
    println!(
        "{all} decisions at {:.0} a second; share that took no longer than",
        report.rate
    );
    for (index, bound) in bounds.iter().enumerate() {
        let share = (after[index] - before[index]) / all;
        println!("  {bound:>6} s: {:.3} %", share * 100.0);
    }
}
