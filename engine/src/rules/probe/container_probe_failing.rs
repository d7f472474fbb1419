//! `container-probe-failing`

use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix},
    model::{
        Condition, Container, ContainerState, ContainerStatus, Event, Kind, Object as _, ObjectRef,
        Pod, Probe, Workload,
    },
    rule::{Check, Evidence, Rule, Severity},
    rules::{text, workload::crash::crashes},
};
use std::collections::BTreeSet;

pub(super) static RULE: Rule = Rule {
    code: "PRB002",
    name: "container-probe-failing",
    summary: "a probe of a running container fails",
    check: Some(Severity::Warning),
    evidence: Evidence::Status,
    wants: &[Kind::Event, Kind::Node, Kind::Service],
    cases: &[("starting", Severity::Info), ("passed", Severity::Info)],
    reads: &[
        "/status/containerStatuses",
        "/status/conditions",
        "/spec/containers",
    ],
    page: include_str!("container_probe_failing.md"),
    file: file!(),
    on: &[Check::Pod(check)],
    ..Rule::BASE
};

/// Seconds in which an event counts.
const RECENT_SECONDS: i64 = 600;

fn check<'a>(cx: &Context<'a>, pod: &'a Pod, report: &mut Reporter) {
    if !pod.alive() || pod.status.phase.is_empty() {
        return report.not_applicable();
    }
    let events: Vec<&Event> = cx
        .events_about(Kind::Pod, &pod.meta)
        .into_iter()
        .filter(|event| &*event.reason == "Unhealthy" && recent(cx, event))
        .collect();
    let crashing: BTreeSet<&str> = crashes(cx, pod)
        .iter()
        .map(|crash| &*crash.status.name)
        .collect();
    for (index, status) in pod.status.containers.iter().enumerate() {
        let container = pod.spec.containers.iter().find(|c| c.name == status.name);
        let (Some(container), ContainerState::Running(_)) = (container, &status.state) else {
            continue;
        };
        for (field, probe) in container.probes() {
            let of_probe = events
                .iter()
                .filter(|event| concerns(event, container, pod, field));
            let event = of_probe.max_by_key(|event| (event.last_seen(), &*event.message));
            let failing = failing(field, status, pod);
            if event.is_none() && !failing {
                continue;
            }
            let found = Failure {
                at: format!("/status/containerStatuses/{index}"),
                container,
                status,
                field,
                probe,
                event: event.copied(),
                failing,
                crashing: crashing.contains(&*status.name),
            };
            report_failure(cx, pod, &found, report);
        }
    }
}

struct Failure<'a> {
    at: String,
    container: &'a Container,
    status: &'a ContainerStatus,
    field: &'static str,
    probe: &'a Probe,
    event: Option<&'a Event>,
    /// The status itself shows that the probe does not pass now.
    failing: bool,
    crashing: bool,
}

fn recent(cx: &Context<'_>, event: &Event) -> bool {
    event
        .last_seen()
        .is_some_and(|seen| cx.now.as_second() - seen.as_second() <= RECENT_SECONDS)
}

/// Whether an event is about this probe of this container. Events of a pod with one container need no field path.
fn concerns(event: &Event, container: &Container, pod: &Pod, field: &str) -> bool {
    let path = &*event.involved_object.field_path;
    let named = path == format!("spec.containers{{{}}}", container.name);
    let only = path.is_empty() && pod.spec.containers.len() == 1;
    let word = match field {
        "livenessProbe" => "Liveness",
        "readinessProbe" => "Readiness",
        _ => "Startup",
    };
    (named || only) && event.message.starts_with(word)
}

/// Whether the status alone says that the probe does not pass. A Pod that is unready for its readiness gates, or
/// because its node is gone, has ready containers.
fn failing(field: &str, status: &ContainerStatus, pod: &Pod) -> bool {
    let unready = pod.status.ready.as_ref().is_some_and(Condition::is_false);
    match field {
        "readinessProbe" => unready && !status.ready && status.started != Some(false),
        "startupProbe" => unready && status.started == Some(false),
        _ => false,
    }
}

fn report_failure(cx: &Context<'_>, pod: &Pod, failure: &Failure<'_>, report: &mut Reporter) {
    let kind = match failure.field {
        "livenessProbe" => "liveness",
        "readinessProbe" => "readiness",
        _ => "startup",
    };
    let class = failure.event.and_then(|event| classify(&event.message));
    let why = class.map_or_else(String::new, |class| format!(": {}", class.describe()));
    let name = &failure.container.name;
    let starting = starting(cx, failure);
    let passed = !starting && !failure.failing && (pod.ready() || failure.field != "livenessProbe");
    let fails = if passed {
        "failed and passes again"
    } else {
        "fails"
    };
    let finding = report.find(format!(
        "the {kind} probe of container `{name}` in Pod `{}` {fails}{why}",
        pod.meta
    ));
    finding
        .key(format!("{name}/{}", failure.field))
        .at(&*failure.at, format!("ready is {}", failure.status.ready));
    if starting {
        finding.case("starting").severity(Severity::Info);
        finding.note("the container is still inside the time it gets to start");
    } else if passed {
        finding.case("passed").severity(Severity::Info);
    } else if failure.field == "readinessProbe" {
        finding.note("the Pod gets no traffic from Services until it passes");
    }
    evidence(cx, failure, class, finding);
    causes(cx, pod, failure, finding);
    let owner = cx.place_to_fix(Workload::Pod(pod)).reference();
    finding.shared_by(owner, format!("{kind} {name}{why}"));
    let (namespace, pod) = (&pod.meta.namespace, &pod.meta.name);
    let describe = format!("kubectl -n {namespace} describe pod {pod}");
    finding.fix(Fix::manual("read the last answer of the probe").command(describe));
    let logs = format!("kubectl -n {namespace} logs {pod} -c {name} --tail=50");
    finding.fix(Fix::manual("and what the container prints meanwhile").command(logs));
}

fn evidence(cx: &Context<'_>, failure: &Failure<'_>, class: Option<Class>, finding: &mut Finding) {
    if let Some((_, port)) = failure.probe.port() {
        finding.note(format!("it connects to port {port} of the Pod"));
    }
    if let Some(event) = failure.event {
        let seen = event
            .last_seen()
            .map(|seen| cx.now.as_second() - seen.as_second());
        let ago = seen.map_or_else(String::new, |s| format!(", last {} ago", text::span(s)));
        let series = event.series.as_ref().map_or(0, |series| series.count);
        let times = usize::try_from(event.count.max(series).max(1)).unwrap_or(1);
        finding.note(format!("{}{ago}", text::count(times, "failure")));
    }
    if matches!(class, Some(Class::Refused | Class::TimedOut)) {
        finding.note("the kubelet asks from the Pod's own node: neither NetworkPolicies nor the network between nodes are involved");
    }
}

fn causes(cx: &Context<'_>, pod: &Pod, failure: &Failure<'_>, finding: &mut Finding) {
    if failure.crashing {
        finding.because(&["WKL001"], pod.reference());
    }
    let owner = cx.place_to_fix(Workload::Pod(pod)).reference();
    finding.because(&["PRB001"], owner);
    for service in cx.services_selecting(&pod.meta.namespace, &pod.meta.labels) {
        if cx
            .facts()
            .is_dns_service(&service.meta.namespace, &service.meta.name)
        {
            finding.because(&["DNS002"], service.reference());
        }
    }
    if let Some(node) = pod.node_name.as_deref() {
        finding.because(
            &["NOD001", "CNI002"],
            ObjectRef::wanted(Kind::Node, "", node),
        );
    }
}

/// Inside the delay and the attempts that the probe itself allows, or while the startup probe has the word.
fn starting(cx: &Context<'_>, failure: &Failure<'_>) -> bool {
    let probe = failure
        .container
        .startup_probe
        .as_deref()
        .unwrap_or(failure.probe);
    let or = |value: i32, default: i32| i64::from(if value > 0 { value } else { default });
    let allowed = i64::from(probe.initial_delay_seconds.max(0))
        + or(probe.period_seconds, 10) * or(probe.failure_threshold, 3);
    let ContainerState::Running(Some(since)) = &failure.status.state else {
        return false;
    };
    cx.now.as_second() - since.as_second() < allowed
}

/// What a failed probe ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Refused,
    TimedOut,
    Status(u16),
    Tls,
    Dns,
    Unroutable,
}

/// Reads the kubelet's message. Its text may quote the application's answer, so it is not repeated.
fn classify(message: &str) -> Option<Class> {
    let lower = message.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if let Some((_, rest)) = lower.split_once("statuscode: ") {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return digits.parse().ok().map(Class::Status);
    }
    Some(if any(&["connection refused"]) {
        Class::Refused
    } else if any(&[
        "no such host",
        "name resolution",
        "could not resolve",
        "can't resolve",
    ]) {
        Class::Dns
    } else if any(&["x509", "tls: ", "tls handshake", "http response to https"]) {
        Class::Tls
    } else if any(&["no route to host", "network is unreachable"]) {
        Class::Unroutable
    } else if any(&["timeout", "deadline exceeded", "timed out"]) {
        Class::TimedOut
    } else {
        return None;
    })
}

impl Class {
    fn describe(self) -> String {
        match self {
            Self::Refused => "connection refused, nothing listens on that port".to_owned(),
            Self::TimedOut => "no answer in time".to_owned(),
            Self::Status(code) => format!("HTTP status {code}"),
            Self::Tls => "TLS does not work".to_owned(),
            Self::Dns => "a name cannot be resolved inside the container".to_owned(),
            Self::Unroutable => "the node has no route to the Pod".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
