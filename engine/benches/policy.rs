//! How long it takes to tell who reaches whom: 10,000 pods under 1,000 policies.
#![allow(missing_docs)] // criterion's macros make public items

use criterion::{Criterion, criterion_group, criterion_main};
use netdoctor_engine::{
    config::Config,
    context::Context,
    load::{self, Place},
    model::{Kind, Protocol},
    policy::Policies,
    rule::Surface,
    snapshot::{Builder, Snapshot, Source},
};
use serde_json::{Value, json};
use std::hint::black_box;

const NAMESPACES: usize = 100;
const PODS: usize = 10_000;
const POLICIES: usize = 1_000;

fn pod(number: usize) -> Value {
    let (namespace, app) = (number % NAMESPACES, (number / NAMESPACES) % 20);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("pod-{number}"), "namespace": format!("ns-{namespace}"),
            "labels": {"app": format!("app-{app}"), "pod-template-hash": format!("{app:08x}"), "statefulset.kubernetes.io/pod-name": format!("pod-{number}")},
        },
        "spec": {"containers": [{"name": "c", "image": "c", "ports": [{"name": "http", "containerPort": 8080}]}]},
        "status": {"phase": "Running"},
    })
}

fn policy(number: usize) -> Value {
    let (namespace, app) = (number % NAMESPACES, (number / NAMESPACES) % 20);
    let peer = match number % 3 {
        0 => json!({"podSelector": {"matchLabels": {"app": format!("app-{}", app + 1)}}}),
        1 => {
            json!({"namespaceSelector": {"matchLabels": {"team": format!("team-{}", number % 10)}}})
        }
        _ => {
            json!({"namespaceSelector": {}, "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["app-1", "app-2"]}]}})
        }
    };
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": format!("policy-{number}"), "namespace": format!("ns-{namespace}")},
        "spec": {
            "podSelector": {"matchLabels": {"app": format!("app-{app}")}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [peer], "ports": [{"port": "http"}]}],
            "egress": [{"to": [{"podSelector": {}}]}, {"ports": [{"port": 53, "protocol": "UDP"}]}],
        },
    })
}

fn namespace(number: usize) -> Value {
    let labels = json!({"team": format!("team-{}", number % 10)});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("ns-{number}"), "labels": labels}})
}

fn snapshot() -> Snapshot {
    let mut builder = Builder::new(Source::Cluster);
    for kind in Kind::all() {
        builder.coverage(kind).everywhere = true;
    }
    let objects = (0..NAMESPACES)
        .map(namespace)
        .chain((0..PODS).map(pod))
        .chain((0..POLICIES).map(policy));
    for object in objects {
        let place = Place {
            file: None,
            namespace: "default",
        };
        load::document(place, 0, object, &mut |any| builder.insert(any));
    }
    builder.seal()
}

fn all_pairs(criterion: &mut Criterion) {
    let snapshot = snapshot();
    let config = Config::default();
    let cx = Context::still(
        &snapshot,
        &config,
        jiff::Timestamp::UNIX_EPOCH,
        Surface::Check,
    );
    let mut group = criterion.benchmark_group("policy");
    group.sample_size(10);
    group.bench_function("classes of 10,000 pods", |bench| {
        bench.iter(|| black_box(Policies::new(&cx).classes().len()));
    });
    group.bench_function("all pairs, 10,000 pods, 1,000 policies", |bench| {
        bench.iter(|| {
            let reach = Policies::new(&cx).reach(8080, &Protocol::Tcp);
            let classes = 0..reach.classes.len();
            let pairs = classes.clone().flat_map(|source| {
                classes
                    .clone()
                    .map(move |destination| (source, destination))
            });
            black_box(
                pairs
                    .filter(|(source, destination)| {
                        reach.cell(*source, *destination) == netdoctor_engine::policy::Cell::Allowed
                    })
                    .count(),
            )
        });
    });
    group.finish();
}

criterion_group!(benches, all_pairs);
criterion_main!(benches);
