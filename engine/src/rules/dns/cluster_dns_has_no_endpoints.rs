//! `cluster-dns-has-no-endpoints`

use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix},
    model::{Controller, Endpoint, Kind, Node, Object as _, ObjectRef, Pod, Service, Workload},
    rule::{Check, Evidence, Reach, Rule, Severity},
    rules::{
        text,
        workload::{crash::crashes, trouble::trouble},
    },
};

pub(super) static RULE: Rule = Rule {
    code: "DNS002",
    name: "cluster-dns-has-no-endpoints",
    summary: "no Pod answers behind the cluster DNS Service",
    check: Some(Severity::Error),
    evidence: Evidence::Status,
    reach: Reach::Cluster,
    needs: &[Kind::EndpointSlice, Kind::Pod],
    wants: &[
        Kind::Node,
        Kind::Deployment,
        Kind::DaemonSet,
        Kind::ReplicaSet,
    ],
    triggers: &[Kind::EndpointSlice, Kind::Pod],
    cases: &[("terminating", Severity::Warning)],
    reads: &["/spec/selector", "/spec/type"],
    page: include_str!("cluster_dns_has_no_endpoints.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    let meta = &service.meta;
    if !cx.facts().is_dns_service(&meta.namespace, &meta.name) || service.is_external_name() {
        return report.not_applicable();
    }
    let slices = cx.slices_of(service);
    let mut endpoints = slices.iter().flat_map(|slice| &slice.endpoints);
    if endpoints.clone().any(Endpoint::ready) {
        return;
    }
    if meta
        .age_seconds(cx.now)
        .is_some_and(|age| age < cx.grace_seconds())
    {
        return report.unknown("settling: the Service is younger than a minute");
    }
    let pods = cx.selected_pods(&meta.namespace, &service.selector);
    if let Some(reason) = settling(cx, &pods) {
        return report.unknown(reason);
    }
    let terminating = endpoints.any(Endpoint::serving_terminating);
    let finding = report.find(format!(
        "cluster DNS Service `{meta}` has no ready endpoint: {}",
        reason(cx, service, &pods)
    ));
    finding.at("/spec/selector", "selects the DNS Pods");
    if terminating {
        finding.case("terminating").severity(Severity::Warning);
        finding.note("Pods that are being stopped still answer for the moment");
    } else {
        finding.note("no Pod of the cluster can resolve a name, inside the cluster or outside");
    }
    for pod in pods.iter().take(3) {
        finding.note(format!("Pod `{}`: {}", pod.meta, trouble(cx, pod)));
        finding.label(pod.reference(), "/status", "not ready");
    }
    if cx
        .controller("kube-system", "DaemonSet", "node-local-dns")
        .is_some()
    {
        finding.note(
            "NodeLocal DNSCache answers from its caches for a while, which hides this at first",
        );
    }
    finding.looked_through(Kind::EndpointSlice, &meta.namespace);
    causes(cx, service, &pods, finding);
    fixes(cx, service, &pods, finding);
}

/// Pods that have just started, or that have just become Ready, are no fault yet.
fn settling(cx: &Context<'_>, pods: &[&Pod]) -> Option<String> {
    let grace = cx.grace_seconds();
    let young = |pod: &&Pod| pod.meta.age_seconds(cx.now).is_some_and(|age| age < grace);
    if !pods.is_empty() && pods.iter().all(young) {
        return Some("settling: the DNS Pods are younger than a minute".to_owned());
    }
    let just_ready = |pod: &&Pod| {
        let ready = pod.status.ready.as_ref().filter(|ready| ready.is_true());
        let since = ready.and_then(|ready| ready.last_transition_time);
        since.is_some_and(|since| cx.now.as_second() - since.as_second() < grace)
    };
    pods.iter()
        .any(just_ready)
        .then(|| "settling: a DNS Pod became Ready less than a minute ago".to_owned())
}

/// The first reason that holds.
fn reason(cx: &Context<'_>, service: &Service, pods: &[&Pod]) -> String {
    if !service.selects_pods() {
        return "it has no selector, and nothing else gives it one".to_owned();
    }
    let ready = pods.iter().find(|pod| pod.ready());
    if let Some(pod) = ready.filter(|_| !service.selector.is_empty()) {
        return format!("Pod `{}` is Ready, but no EndpointSlice lists it", pod.meta);
    }
    if !pods.is_empty() {
        return format!("0 of {} ready", text::count(pods.len(), "Pod"));
    }
    match workload(cx, service) {
        Some(controller) if controller.wanted_replicas() == Some(0) => {
            format!("{} is scaled to 0", controller.reference())
        }
        Some(controller) => format!("{} has no Pod", controller.reference()),
        None => "no Pod and no workload carries the labels it selects".to_owned(),
    }
}

fn workload<'a>(cx: &Context<'a>, service: &Service) -> Option<&'a Controller> {
    cx.selected_controllers(&service.meta.namespace, &service.selector.without_runtime())
        .into_iter()
        .next()
}

/// What would explain it. Crashing or unready DNS Pods by themselves are this finding, not its cause.
fn causes(cx: &Context<'_>, service: &Service, pods: &[&Pod], finding: &mut Finding) {
    for pod in pods {
        finding.because(&["DNS003", "HST012"], pod.reference());
    }
    for pod in pods {
        let owner = cx.place_to_fix(Workload::Pod(pod)).reference();
        finding.because(&["PRB001"], owner);
        let Some(node) = pod.node_name.as_deref() else {
            continue;
        };
        if cx.get::<Node>("", node).is_some_and(|node| !node.ready()) {
            finding.because(&["NOD001"], ObjectRef::wanted(Kind::Node, "", node));
        }
        finding.because(&["CNI002"], ObjectRef::wanted(Kind::Node, "", node));
    }
    if pods.is_empty() {
        finding.because(&["SVC002", "SVC001"], service.reference());
    }
}

fn fixes(cx: &Context<'_>, service: &Service, pods: &[&Pod], finding: &mut Finding) {
    let namespace = &service.meta.namespace;
    let scaled_down = workload(cx, service).filter(|c| c.wanted_replicas() == Some(0));
    if let Some(controller) = scaled_down.filter(|_| pods.is_empty()) {
        let target = controller.reference().type_name();
        let command = format!("kubectl -n {namespace} scale {target} --replicas=2");
        finding.fix(Fix::manual("start DNS again").command(command));
        return;
    }
    let crash = pods.iter().find_map(|pod| {
        let crash = crashes(cx, pod).into_iter().next()?;
        Some((pod, crash))
    });
    if let Some((pod, crash)) = crash {
        let (pod, container) = (&pod.meta.name, &crash.status.name);
        let previous = crash.previous_flag();
        let command = format!("kubectl -n {namespace} logs {pod} -c {container}{previous}");
        finding.fix(Fix::manual("read why DNS ended").command(command));
    }
    let selector: Vec<String> = service
        .selector
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let command = format!(
        "kubectl -n {namespace} describe pod -l {}",
        selector.join(",")
    );
    finding.fix(
        Fix::manual(
            "read the events of the DNS Pods; a restart helps only once the reason is gone",
        )
        .command(command),
    );
}

#[cfg(test)]
mod tests;
