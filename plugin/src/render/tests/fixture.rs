//! Two files and one cluster with problems, judged by rules that exist for these tests only, so that no change of a real rule moves a picture.

use netdoctor_engine::config::{Allow, Config};
use netdoctor_engine::context::{Context, Reporter};
use netdoctor_engine::finding::{Fix, FixClass};
use netdoctor_engine::load::{self, Place};
use netdoctor_engine::manifest;
use netdoctor_engine::model::{Kind, Node, Object as _, Pod, Service, Workload};
use netdoctor_engine::report::Report;
use netdoctor_engine::rule::{Check, Confidence, Rule, Severity, Surface};
use netdoctor_engine::run::run;
use netdoctor_engine::snapshot::{Builder, Coverage, Gap, GapCause, Source};
use serde_json::json;

use crate::outcome::{InputProblem, Mode, Outcome, SourceFile, Sources, Spec};

/// A Service that names a port nobody declares, and the workload behind it in another file.
pub(super) const SERVICE: &str = "\
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
spec:
  selector:
    app: web
  ports:
    - name: http
      port: 80
      targetPort: htpp # a typo
";

pub(super) const WORKLOAD: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: agent
  namespace: shop
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
    spec:
      hostNetwork: true
      containers:
        - name: web
          image: web
          ports:
            - name: http
              containerPort: 8080
";

static TARGET_PORT: Rule = Rule {
    code: "SVC904",
    name: "named-port-nobody-declares",
    summary: "targetPort names a port that no selected pod declares",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    page: "# SVC904\n\n## What it does\nCompares names of ports.\n\n## Why it matters\nNothing answers.\n",
    on: &[Check::Service(target_port)],
    ..Rule::BASE
};

static HOST_NETWORK: Rule = Rule {
    code: "HST904",
    name: "host-network-without-cluster-dns",
    summary: "pods on the host network use the resolver of the node",
    check: Some(Severity::Warning),
    lint: Some(Severity::Warning),
    on: &[Check::Workload(host_network)],
    ..Rule::BASE
};

static NAMESPACE_TYPED: Rule = Rule {
    code: "SVC990",
    name: "service-has-a-selector",
    summary: "a Service selects by label",
    check: Some(Severity::Info),
    lint: Some(Severity::Info),
    confidence: Confidence::Likely,
    on: &[Check::Service(selector)],
    ..Rule::BASE
};

static CALM: Rule = Rule {
    code: "PRB901",
    name: "always-fine",
    summary: "finds nothing",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    on: &[Check::Service(fine)],
    ..Rule::BASE
};

static NODE_DOWN: Rule = Rule {
    code: "NOD901",
    name: "node-down",
    summary: "a node is not ready",
    check: Some(Severity::Error),
    on: &[Check::Node(node_down)],
    ..Rule::BASE
};

static POD_DOWN: Rule = Rule {
    code: "DNS904",
    name: "pod-cannot-resolve",
    summary: "pods cannot resolve names",
    check: Some(Severity::Error),
    on: &[Check::Pod(pod_down)],
    ..Rule::BASE
};

static POLICY: Rule = Rule {
    code: "POL901",
    name: "needs-policies",
    summary: "reads policies",
    check: Some(Severity::Error),
    needs: &[Kind::NetworkPolicy],
    on: &[Check::Service(fine)],
    ..Rule::BASE
};

static GATEWAY: Rule = Rule {
    code: "GWY901",
    name: "needs-gateways",
    summary: "reads gateways",
    check: Some(Severity::Warning),
    on: &[Check::Gateway(|_, _, _| {})],
    ..Rule::BASE
};

pub(super) static RULES: &[&Rule] = &[
    &CALM,
    &HOST_NETWORK,
    &NAMESPACE_TYPED,
    &TARGET_PORT,
    &NODE_DOWN,
    &POD_DOWN,
    &POLICY,
    &GATEWAY,
];

fn fine(_: &Context<'_>, _: &Service, _: &mut Reporter) {}

fn selector(_: &Context<'_>, service: &Service, report: &mut Reporter) {
    report
        .find(format!("Service `{}` selects by label", service.meta.name))
        .at("/spec/selector", "");
}

fn target_port(context: &Context<'_>, service: &Service, report: &mut Reporter) {
    for (index, port) in service.ports.iter().enumerate() {
        if port.target().to_string() != "htpp" {
            continue;
        }
        let pointer = format!("/spec/ports/{index}/targetPort");
        let reference = service.reference();
        let finding = report.find(format!(
            "no selected pod of Service `{}` declares a port named `htpp`",
            service.meta
        ));
        finding.key("http").at(&pointer, "resolves on no pod");
        finding.at("/spec/selector", "selects agent");
        for backend in context.backends(service) {
            let container = match backend {
                Workload::Pod(_) => "/spec/containers/0/ports/0/name",
                Workload::Controller(_) => "/spec/template/spec/containers/0/ports/0/name",
            };
            finding.label(backend.reference(), container, "the port that is declared");
        }
        finding.note("every connection to `web.shop:80` is refused, because the Service has no endpoint for this port and so nothing listens");
        finding.fix(
            Fix::patch(FixClass::Review, "use `http`", reference)
                .test(&pointer, "htpp")
                .replace(&pointer, "http"),
        );
        finding.fix(Fix::manual("or name the port of the container `htpp`"));
    }
}

fn host_network(_: &Context<'_>, workload: Workload<'_>, report: &mut Reporter) {
    let Workload::Controller(controller) = workload else {
        return report.not_applicable();
    };
    if !controller.template.spec.host_network {
        return;
    }
    let reference = workload.reference();
    let finding = report.find(format!(
        "hostNetwork pods of {reference} keep `dnsPolicy: ClusterFirst`"
    ));
    finding.at("/spec/template/spec/dnsPolicy", "");
    finding.fix(
        Fix::patch(FixClass::Safe, "set `ClusterFirstWithHostNet`", reference)
            .test("/spec/template/spec/hostNetwork", true)
            .add("/spec/template/spec/dnsPolicy", "ClusterFirstWithHostNet"),
    );
}

fn node_down(_: &Context<'_>, node: &Node, report: &mut Reporter) {
    let finding = report.find(format!("node `{}` is not ready", node.meta.name));
    finding.at("/status/conditions/0", "Ready is False: KubeletNotReady");
    finding.note("the kubelet posted its last heartbeat 4 minutes ago");
    finding.fix(Fix::manual("look at the node's kubelet").command("kubectl describe node/n1"));
}

fn pod_down(_: &Context<'_>, pod: &Pod, report: &mut Reporter) {
    let finding = report.find(format!("pod `{}` cannot resolve names", pod.meta));
    finding.because(
        &["NOD901"],
        netdoctor_engine::model::ObjectRef::wanted(Kind::Node, "", "n1"),
    );
}

/// What a test gives to a renderer.
pub(super) struct Fixture {
    report: Report,
    sources: Sources,
    spec: Spec,
    problems: Vec<InputProblem>,
    notes: Vec<String>,
}

impl Fixture {
    pub(super) fn outcome(&self) -> Outcome<'_> {
        Outcome::new(
            &self.report,
            self.spec.clone(),
            &self.sources,
            self.problems.clone(),
            self.notes.clone(),
            1.25,
        )
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut Spec)) -> Self {
        change(&mut self.spec);
        self
    }

    /// A broken document beside the others, and things of less weight.
    pub(super) fn with_problems(mut self) -> Self {
        self.problems = vec![InputProblem {
            file: "deploy/broken.yaml".into(),
            line: Some(3),
            column: Some(7),
            message: "mapping values are not allowed here".into(),
            fatal: true,
        }];
        self.notes = vec!["2 templates were skipped".into()];
        self
    }
}

fn spec(mode: Mode) -> Spec {
    Spec {
        mode,
        context: None,
        namespace: None,
        selector: None,
        targets: Vec::new(),
        inputs: Vec::new(),
        fail_on: Some(Severity::Error),
        min_severity: Severity::Info,
        strict: false,
        demo: None,
    }
}

fn clock() -> jiff::Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

/// Files, linted.
pub(super) fn files(files: &[(&str, &str)]) -> Fixture {
    files_with(files, &Config::default())
}

/// Files, linted with a configuration.
pub(super) fn files_with(files: &[(&str, &str)], config: &Config) -> Fixture {
    let mut builder = Builder::new(Source::Files);
    let mut sources = Vec::new();
    for (name, text) in files {
        let file = Some(builder.file(name));
        for document in manifest::parse(text.as_bytes()).documents {
            let place = Place {
                file,
                namespace: "default",
            };
            load::document(place, document.index, document.value, &mut |any| {
                builder.insert(any);
            });
        }
        sources.push(SourceFile {
            name: (*name).to_owned(),
            text: text.as_bytes().to_vec(),
        });
    }
    let report = run(RULES, &builder.seal(), config, clock(), Surface::Lint);
    let mut spec = spec(Mode::Lint);
    spec.inputs = files.iter().map(|(name, _)| (*name).to_owned()).collect();
    Fixture {
        report,
        sources: Sources::new(sources),
        spec,
        problems: Vec::new(),
        notes: Vec::new(),
    }
}

/// The two files above.
pub(super) fn shop() -> Fixture {
    files(&[
        ("deploy/web.yaml", SERVICE),
        ("deploy/agent.yaml", WORKLOAD),
    ])
}

/// The Service alone, allowed.
pub(super) fn allowed() -> Fixture {
    let allow = Allow {
        code: "SVC904".into(),
        case: None,
        object: None,
        namespace: None,
        reason: Some("legacy <client> & co".into()),
        until: None,
        place: netdoctor_engine::config::AllowedIn::Flag,
    };
    let config = Config {
        allow: vec![allow],
        ..Config::default()
    };
    files_with(&[("deploy/web.yaml", SERVICE)], &config)
}

/// A cluster of a node that is down with its pods, and a Service; policies are forbidden and gateways are not installed.
pub(super) fn cluster() -> Fixture {
    cluster_of(&cluster_objects())
}

pub(super) fn cluster_of(objects: &[serde_json::Value]) -> Fixture {
    let mut builder = Builder::new(Source::Cluster);
    for kind in Kind::all() {
        builder.coverage(kind).everywhere = true;
    }
    let gap = Gap {
        verb: "list".into(),
        resource: "networkpolicies.networking.k8s.io".into(),
        namespace: None,
        cause: GapCause::Forbidden,
    };
    *builder.coverage(Kind::NetworkPolicy) = Coverage {
        gaps: vec![gap],
        ..Coverage::default()
    };
    *builder.coverage(Kind::Gateway) = Coverage {
        not_installed: true,
        ..Coverage::default()
    };
    for (number, object) in (0..).zip(objects) {
        let place = Place {
            file: None,
            namespace: "default",
        };
        load::document(place, number, object.clone(), &mut |any| {
            builder.insert(any);
        });
    }
    let report = run(
        RULES,
        &builder.seal(),
        &Config::default(),
        clock(),
        Surface::Check,
    );
    let mut spec = spec(Mode::Check);
    spec.context = Some("kind-dev".into());
    spec.namespace = Some("shop".into());
    Fixture {
        report,
        sources: Sources::default(),
        spec,
        problems: Vec::new(),
        notes: Vec::new(),
    }
}

fn cluster_objects() -> Vec<serde_json::Value> {
    let parsed = manifest::parse(format!("{SERVICE}---\n{WORKLOAD}").as_bytes());
    let mut objects: Vec<_> = parsed
        .documents
        .into_iter()
        .map(|document| document.value)
        .collect();
    objects.push(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}));
    for number in 1..=5 {
        let meta = json!({"name": format!("cart-{number}"), "namespace": "shop"});
        objects.push(json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"nodeName": "n1", "containers": [{"name": "c"}]}}));
    }
    objects
}
