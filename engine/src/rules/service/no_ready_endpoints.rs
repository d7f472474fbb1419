//! `service-has-no-ready-endpoints`

use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix},
    model::{Endpoint, Kind, Object as _, Pod, Service, WebhookConfiguration, Workload},
    rule::{Check, Confidence, Evidence, Rule, Severity},
};

mod reason;

use reason::Reason;

pub(super) static RULE: Rule = Rule {
    code: "SVC003",
    name: "service-has-no-ready-endpoints",
    summary: "a Service selects Pods, and none of them is ready",
    check: Some(Severity::Error),
    confidence: Confidence::Certain,
    evidence: Evidence::Status,
    needs: &[Kind::Pod, Kind::EndpointSlice],
    wants: &[
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
        Kind::ReplicaSet,
        Kind::ReplicationController,
        Kind::Job,
        Kind::Node,
        Kind::Event,
        Kind::Ingress,
        Kind::HorizontalPodAutoscaler,
        Kind::ValidatingWebhookConfiguration,
        Kind::MutatingWebhookConfiguration,
    ],
    triggers: &[Kind::Pod, Kind::EndpointSlice],
    reads: &[
        "/spec/selector",
        "/spec/type",
        "/spec/publishNotReadyAddresses",
    ],
    page: include_str!("no_ready_endpoints.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

/// Findings that say why a pod is not ready, most telling first.
const CAUSES: &[&str] = &[
    "NOD001", "WKL001", "WKL002", "HST012", "HST002", "HST001", "PRB001", "PRB002",
];

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    if !service.selects_pods() || service.meta.deleting() || is_dns(cx, service) {
        return report.not_applicable(); // `dns-service-has-no-endpoints` speaks for the cluster DNS
    }
    let labelled = cx.pods_labelled(&service.meta.namespace, &service.selector);
    let templates: Vec<Workload<'a>> = cx
        .backends(service)
        .into_iter()
        .filter(|backend| backend.controller().is_some())
        .collect();
    if labelled.is_empty() && templates.is_empty() {
        return report.not_applicable(); // nothing is selected: another rule
    }
    if service.publish_not_ready_addresses {
        return report
            .skip("publishNotReadyAddresses: endpoints count whether or not they are ready");
    }
    let slices = cx.slices_of(service);
    let endpoints = || slices.iter().flat_map(|slice| &slice.endpoints);
    if endpoints().any(Endpoint::ready) {
        return;
    }
    let pods: Vec<&'a Pod> = labelled
        .into_iter()
        .filter(|pod| !reason::of_finished_job(pod))
        .collect();
    if pods.is_empty() && templates.is_empty() {
        return report.skip("only Pods of finished Jobs are selected");
    }
    if reason::settling(cx, service, &pods, &templates) {
        return report.unknown("settling: the Service or its Pods are too young to judge");
    }
    let Some(reason) = reason::first(cx, &pods, &templates) else {
        return;
    };
    let serving = endpoints().any(Endpoint::serving_terminating);
    let finding = report.find(format!(
        "Service `{}` has no ready endpoint: {}",
        service.meta,
        reason.text()
    ));
    finding
        .key("endpoints")
        .at("/spec/selector", "selects them");
    if serving {
        finding.severity(Severity::Warning);
        finding.note("Pods that are being deleted still serve until they end (KEP-1669)");
    } else if let Reason::ScaledToZero(workload) = &reason
        && let Some(why) = harmless(cx, service, *workload)
    {
        finding.severity(Severity::Info).note(why);
    }
    evidence(cx, &reason, &pods, finding);
    for workload in &templates {
        finding.because(CAUSES, workload.reference());
    }
    for (kind, namespace) in [
        (Kind::EndpointSlice, &service.meta.namespace),
        (Kind::Pod, &service.meta.namespace),
    ] {
        finding.looked_through(kind, namespace);
    }
    finding.fix(fix(service, &reason));
}

fn is_dns(cx: &Context<'_>, service: &Service) -> bool {
    cx.facts()
        .dns_services
        .iter()
        .any(|(namespace, name)| *namespace == service.meta.namespace && *name == service.meta.name)
}

/// A workload at 0 that nobody misses.
fn harmless(cx: &Context<'_>, service: &Service, workload: Workload<'_>) -> Option<&'static str> {
    let scaled_by = workload
        .controller()
        .is_some_and(|controller| !cx.autoscalers_of(controller).is_empty());
    if scaled_by {
        return Some("an autoscaler may have scaled it to 0");
    }
    if !service.meta.owner_references.is_empty() {
        return Some("the Service has an owner, which may have scaled it to 0");
    }
    let (namespace, name) = (&service.meta.namespace, &service.meta.name);
    let by_webhook = cx.all::<WebhookConfiguration>().any(|configuration| {
        configuration.webhooks.iter().any(|webhook| {
            webhook
                .client_config
                .service
                .as_ref()
                .is_some_and(|target| target.name == *name && target.namespace == *namespace)
        })
    });
    (cx.ingresses_naming(namespace, name).is_empty() && !by_webhook)
        .then_some("no Ingress and no webhook refers to the Service")
}

/// A handful of pods is enough: the siblings have the same owner, and share what explains them.
const MOST: usize = 16;

/// Labels, notes and links to what explains the pods' state.
fn evidence<'a>(cx: &Context<'a>, reason: &Reason<'a>, pods: &[&'a Pod], finding: &mut Finding) {
    finding.note("connections to its address are refused");
    if let Some(detail) = reason.detail(cx) {
        finding.note(detail);
    }
    match reason {
        Reason::ScaledToZero(workload) | Reason::NoPods(workload) => {
            finding.label(workload.reference(), "/spec/replicas", "makes no Pod");
        }
        reason => {
            if let Some(pod) = reason.pod() {
                finding.label(pod.reference(), "/status", reason.short());
            }
        }
    }
    for pod in pods.iter().take(MOST) {
        let owner = cx.place_to_fix(Workload::Pod(pod)).reference();
        finding
            .because(CAUSES, owner)
            .because(CAUSES, pod.reference());
        if let Some(node) = &pod.node_name
            && let Some(node) = cx.get::<crate::model::Node>("", node)
        {
            finding.because(&["NOD001"], node.reference());
        }
    }
}

fn fix(service: &Service, reason: &Reason<'_>) -> Fix {
    let namespace = &service.meta.namespace;
    match reason {
        Reason::ScaledToZero(workload) => Fix::manual("scale the workload up").command(format!(
            "kubectl -n {namespace} scale {} --replicas=1",
            workload.reference().type_name()
        )),
        Reason::NoPods(workload) => {
            Fix::manual("look at the events of the workload").command(format!(
                "kubectl -n {namespace} describe {}",
                workload.reference().type_name()
            ))
        }
        Reason::Unlisted => Fix::manual("look at the EndpointSlices and at the controller manager")
            .command(format!(
                "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={}",
                service.meta.name
            )),
        reason => {
            let name = reason.pod().map_or("", |pod| &pod.meta.name);
            Fix::manual("look at the state and the events of the Pod")
                .command(format!("kubectl -n {namespace} describe pod {name}"))
        }
    }
}

#[cfg(test)]
mod tests;
