//! A generated cluster of any size, judged by all rules: how long that takes and how much memory it needs.
//!
//! `cargo run --release -p netdoctor-engine --example big_cluster -- PODS`; nodes, Services and slices follow in the
//! proportion 150,000 : 5,000 : 10,000 : 10,000. The objects are complete JSON as an API server sends it, decoded page
//! by page, so that decoding is measured as well. Prints one line of JSON.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unchecked_time_subtraction,
    reason = "an example that prints what it measured"
)]

use netdoctor_engine::{
    config::Config,
    facts::StatedFacts,
    model::{Kind, decode},
    rule::Surface,
    rules::RULES,
    run::run,
    snapshot::{Builder, Coverage, Source},
};
use std::time::Instant;

const PODS_PER_SERVICE: usize = 15;

fn main() {
    let pods: usize = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(150_000);
    let (nodes, services) = ((pods / 30).max(1), (pods / PODS_PER_SERVICE).max(1));
    let started = Instant::now();
    let mut builder = Builder::new(Source::Cluster);
    builder.state(StatedFacts::default());
    for kind in Kind::all() {
        *builder.coverage(kind) = Coverage::complete();
    }
    let mut add =
        |kind: Kind, json: String| builder.insert(decode::from_slice(kind, json.as_bytes()));
    for node in 0..nodes {
        add(Kind::Node, node_json(node));
    }
    for service in 0..services {
        add(Kind::Deployment, deployment_json(service));
        add(Kind::ReplicaSet, replica_set_json(service));
        add(Kind::Service, service_json(service));
        add(Kind::EndpointSlice, slice_json(service, nodes));
        if service % 10 == 0 {
            add(Kind::Ingress, ingress_json(service));
            add(Kind::NetworkPolicy, policy_json(service));
        }
    }
    for pod in 0..pods {
        add(Kind::Pod, pod_json(pod, nodes));
    }
    let decoded = started.elapsed();
    let snapshot = builder.seal();
    let sealed = started.elapsed();
    let now = "2026-01-01T12:00:00Z".parse().unwrap_or_default();
    let report = run(&RULES, &snapshot, &Config::default(), now, Surface::Check);
    let judged = started.elapsed();
    if std::env::var_os("NETDOCTOR_BENCH_RULES").is_some() {
        per_rule(&snapshot, now);
    }
    println!(
        "{{\"pods\":{pods},\"decodeSeconds\":{:.3},\"indexSeconds\":{:.3},\"rulesSeconds\":{:.3},\"peakMiB\":{:.0},\"findings\":{}}}",
        decoded.as_secs_f64(),
        (sealed - decoded).as_secs_f64(),
        (judged - sealed).as_secs_f64(),
        peak_mib(),
        report.findings.len(),
    );
}

/// Where the time goes, rule by rule, slowest first.
fn per_rule(snapshot: &netdoctor_engine::snapshot::Snapshot, now: jiff::Timestamp) {
    let mut rows: Vec<(f64, &str)> = RULES
        .iter()
        .map(|rule| {
            let started = Instant::now();
            run(&[*rule], snapshot, &Config::default(), now, Surface::Check);
            (started.elapsed().as_secs_f64(), rule.code)
        })
        .collect();
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (seconds, code) in rows {
        eprintln!("{seconds:8.3}  {code}");
    }
}

/// Highest resident size so far, as Linux counts it; 0 elsewhere.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

fn namespace(service: usize) -> String {
    format!("team-{}", service / 20)
}

fn address(pod: usize) -> String {
    format!("10.{}.{}.{}", 64 + pod / 65_536, pod / 256 % 256, pod % 256)
}

fn node_json(node: usize) -> String {
    format!(
        r#"{{"metadata":{{"name":"node-{node}","uid":"n{node}","creationTimestamp":"2025-11-01T00:00:00Z","labels":{{"kubernetes.io/hostname":"node-{node}"}}}},
"spec":{{"podCIDR":"10.{}.{}.0/24"}},"status":{{"addresses":[{{"type":"InternalIP","address":"192.168.{}.{}"}}],
"conditions":[{{"type":"Ready","status":"True","lastTransitionTime":"2025-11-01T00:00:00Z"}}]}}}}"#,
        64 + node / 256,
        node % 256,
        node / 256,
        node % 256
    )
}

fn template_json(service: usize) -> String {
    format!(
        r#"{{"metadata":{{"labels":{{"app":"app-{service}","team":"t{}"}}}},"spec":{{"containers":[{{"name":"app","image":"registry.example.test/app:{service}",
"args":["--listen=:8080"],"env":[{{"name":"UPSTREAM","value":"http://app-{service}:80"}}],"ports":[{{"name":"http","containerPort":8080}}],
"readinessProbe":{{"httpGet":{{"path":"/","port":"http"}}}},"resources":{{"requests":{{"cpu":"100m"}}}}}}]}}}}"#,
        service % 7
    )
}

fn deployment_json(service: usize) -> String {
    let (ns, template) = (namespace(service), template_json(service));
    format!(
        r#"{{"metadata":{{"name":"app-{service}","namespace":"{ns}","uid":"d{service}","generation":1}},"spec":{{"replicas":{PODS_PER_SERVICE},
"selector":{{"matchLabels":{{"app":"app-{service}"}}}},"template":{template}}},
"status":{{"observedGeneration":1,"replicas":{PODS_PER_SERVICE},"updatedReplicas":{PODS_PER_SERVICE},"readyReplicas":{PODS_PER_SERVICE},"availableReplicas":{PODS_PER_SERVICE}}}}}"#
    )
}

fn replica_set_json(service: usize) -> String {
    let (ns, template) = (namespace(service), template_json(service));
    format!(
        r#"{{"metadata":{{"name":"app-{service}-5d9c","namespace":"{ns}","uid":"r{service}","ownerReferences":[{{"apiVersion":"apps/v1","kind":"Deployment","name":"app-{service}","uid":"d{service}","controller":true}}]}},
"spec":{{"replicas":{PODS_PER_SERVICE},"selector":{{"matchLabels":{{"app":"app-{service}"}}}},"template":{template}}},"status":{{"replicas":{PODS_PER_SERVICE},"readyReplicas":{PODS_PER_SERVICE}}}}}"#
    )
}

fn service_json(service: usize) -> String {
    format!(
        r#"{{"metadata":{{"name":"app-{service}","namespace":"{}","uid":"s{service}"}},"spec":{{"type":"ClusterIP","clusterIP":"172.20.{}.{}",
"selector":{{"app":"app-{service}"}},"ports":[{{"name":"http","port":80,"targetPort":"http","protocol":"TCP"}}]}}}}"#,
        namespace(service),
        service / 256,
        service % 256
    )
}

fn slice_json(service: usize, nodes: usize) -> String {
    let endpoints: Vec<String> = (0..PODS_PER_SERVICE)
        .map(|replica| {
            let pod = service * PODS_PER_SERVICE + replica;
            format!(
                r#"{{"addresses":["{}"],"conditions":{{"ready":true}},"nodeName":"node-{}","targetRef":{{"kind":"Pod","name":"{}"}}}}"#,
                address(pod),
                pod % nodes,
                pod_name(pod)
            )
        })
        .collect();
    format!(
        r#"{{"metadata":{{"name":"app-{service}-x","namespace":"{}","labels":{{"kubernetes.io/service-name":"app-{service}"}}}},"addressType":"IPv4",
"endpoints":[{}],"ports":[{{"name":"http","port":8080,"protocol":"TCP"}}]}}"#,
        namespace(service),
        endpoints.join(",")
    )
}

fn ingress_json(service: usize) -> String {
    format!(
        r#"{{"metadata":{{"name":"app-{service}","namespace":"{}"}},"spec":{{"rules":[{{"host":"app-{service}.example.test","http":{{"paths":[{{"path":"/","pathType":"Prefix",
"backend":{{"service":{{"name":"app-{service}","port":{{"name":"http"}}}}}}}}]}}}}]}}}}"#,
        namespace(service)
    )
}

fn policy_json(service: usize) -> String {
    format!(
        r#"{{"metadata":{{"name":"app-{service}","namespace":"{}"}},"spec":{{"podSelector":{{"matchLabels":{{"app":"app-{service}"}}}},"policyTypes":["Ingress"],
"ingress":[{{"from":[{{"namespaceSelector":{{}}}}],"ports":[{{"port":8080,"protocol":"TCP"}}]}}]}}}}"#,
        namespace(service)
    )
}

fn pod_name(pod: usize) -> String {
    format!(
        "app-{}-5d9c-{}",
        pod / PODS_PER_SERVICE,
        pod % PODS_PER_SERVICE
    )
}

fn pod_json(pod: usize, nodes: usize) -> String {
    let service = pod / PODS_PER_SERVICE;
    let (ns, name, ip, node) = (namespace(service), pod_name(pod), address(pod), pod % nodes);
    format!(
        r#"{{"metadata":{{"name":"{name}","namespace":"{ns}","uid":"p{pod}","creationTimestamp":"2025-12-01T00:00:00Z","labels":{{"app":"app-{service}","team":"t{}","pod-template-hash":"5d9c"}},
"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"app-{service}-5d9c","uid":"r{service}","controller":true}}]}},
"spec":{{"nodeName":"node-{node}","containers":[{{"name":"app","image":"registry.example.test/app:{service}","args":["--listen=:8080"],
"env":[{{"name":"UPSTREAM","value":"http://app-{service}:80"}}],"ports":[{{"name":"http","containerPort":8080,"protocol":"TCP"}}],
"readinessProbe":{{"httpGet":{{"path":"/","port":"http"}}}}}}]}},
"status":{{"phase":"Running","podIP":"{ip}","podIPs":[{{"ip":"{ip}"}}],"startTime":"2025-12-01T00:00:00Z",
"conditions":[{{"type":"PodScheduled","status":"True"}},{{"type":"Ready","status":"True","lastTransitionTime":"2025-12-01T00:00:10Z"}}],
"containerStatuses":[{{"name":"app","ready":true,"restartCount":0,"started":true,"state":{{"running":{{"startedAt":"2025-12-01T00:00:05Z"}}}}}}]}}}}"#,
        service % 7
    )
}
