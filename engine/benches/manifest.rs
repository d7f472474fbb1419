//! How fast manifests become values and places, in objects per second on one core.

use std::fmt::Write;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use netdoctor_engine::manifest::{parse, parse_each, spans_at};

/// Applications in the file, of four objects each.
const APPLICATIONS: usize = 1000;

/// One application as teams write it: a Deployment of 40 lines, a Service, an Ingress and a `ConfigMap` of 25 each.
const APPLICATION: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: @
  namespace: team-a
  labels:
    app.kubernetes.io/name: @
    app.kubernetes.io/part-of: shop
spec:
  replicas: 3
  selector:
    matchLabels:
      app: @
  template:
    metadata:
      labels:
        app: @
        tier: "backend"
    spec:
      serviceAccountName: @
      containers:
        - name: main
          image: registry.example.com/shop/@:1.4.2
          args: ["--port=8080", "--verbose"]
          ports:
            - name: http
              containerPort: 8080
              protocol: TCP
          env:
            - name: DB_HOST
              value: "db.team-a.svc"
          readinessProbe:
            httpGet:
              path: /healthz
              port: http
            initialDelaySeconds: 5
          resources:
            requests: {cpu: 100m, memory: 128Mi}
            limits:
              memory: 256Mi
---
apiVersion: v1
kind: Service
metadata:
  name: @
  namespace: team-a
  labels:
    app: @
  annotations:
    prometheus.io/scrape: "true"
    prometheus.io/port: "9090"
spec:
  type: ClusterIP
  selector:
    app: @
  ports:
    - name: http
      port: 80
      targetPort: http
      protocol: TCP
    - name: metrics
      port: 9090
      targetPort: 9090
      protocol: TCP
  sessionAffinity: None
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: @
  namespace: team-a
  annotations:
    cert-manager.io/cluster-issuer: letsencrypt
spec:
  ingressClassName: nginx
  tls:
    - hosts:
        - @.example.com
      secretName: @-tls
  rules:
    - host: @.example.com
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: @
                port:
                  name: http
---
# settings of @
apiVersion: v1
kind: ConfigMap
metadata:
  name: @
  namespace: team-a
  labels:
    app: @
data:
  LOG_LEVEL: info
  UPSTREAM: "http://@.team-a.svc.cluster.local:80"
  app.properties: |
    server.port=8080
    server.host=0.0.0.0
    feature.enabled=true

    cache.size=100
  config.yaml: |
    listen: :8080
    upstreams:
      - name: a
        url: http://a
---
"#;

fn corpus() -> String {
    let mut text = String::new();
    for index in 0..APPLICATIONS {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "{}",
            APPLICATION.replace('@', &format!("app-{index}"))
        );
    }
    text
}

fn manifest(criterion: &mut Criterion) {
    let block = corpus();
    let documents = parse(block.as_bytes()).documents;
    // The same objects in forms that the fast path leaves to the complete parser, and as JSON.
    let full = block.replace("kind: ", "kind: !!str ");
    let json: Vec<_> = documents
        .iter()
        .map(|document| document.value.to_string())
        .collect();
    let json = json.join("\n");

    let mut group = criterion.benchmark_group("manifest");
    group.sample_size(20);
    group.throughput(Throughput::Elements(4 * APPLICATIONS as u64));
    for (name, text) in [("block", &block), ("yaml", &full), ("json", &json)] {
        assert_eq!(parse(text.as_bytes()).documents.len(), 4 * APPLICATIONS);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                parse_each(black_box(text.as_bytes()), &mut |document| {
                    drop(black_box(document));
                })
            });
        });
    }
    group.bench_function("spans", |bencher| {
        bencher.iter(|| {
            for document in &documents {
                black_box(spans_at(block.as_bytes(), document.start));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, manifest);
criterion_main!(benches);
