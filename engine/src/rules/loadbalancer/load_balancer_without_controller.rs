//! `load-balancer-without-controller`

use crate::{
    context::{Context, Reporter},
    facts::{Dataplane, Distribution},
    finding::{Finding, Fix},
    model::{Kind, Service},
    rule::{Check, Confidence, Evidence, Rule, Severity},
    rules::text,
};

pub(super) static RULE: Rule = Rule {
    code: "LBA001",
    name: "load-balancer-without-controller",
    summary: "nothing in the cluster gives a LoadBalancer Service its address",
    check: Some(Severity::Error),
    confidence: Confidence::Likely,
    evidence: Evidence::Status,
    wants: &[
        Kind::Node,
        Kind::Deployment,
        Kind::DaemonSet,
        Kind::StatefulSet,
        Kind::Pod,
        Kind::Event,
    ],
    reads: &[
        "/spec/type",
        "/spec/loadBalancerClass",
        "/status/loadBalancer",
    ],
    page: include_str!("load_balancer_without_controller.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

/// Seconds that the balancer embedded in K3s gets, which shows itself only once a Service asks.
const EMBEDDED_SECONDS: i64 = 300;

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    if service.service_type() != "LoadBalancer" || service.meta.deleting() {
        return report.not_applicable();
    }
    if !service.load_balancer_addresses.is_empty() {
        return;
    }
    let age = service.meta.age_seconds(cx.now);
    if age.is_some_and(|age| age < cx.grace_seconds()) {
        return report.unknown("settling: the Service is younger than a minute");
    }
    if let Some(class) = &service.load_balancer_class {
        return report.skip(format!(
            "the Service asks for the controller of class {class}"
        ));
    }
    // A controller may run in any namespace: only complete lists prove that there is none.
    for kind in [Kind::Deployment, Kind::DaemonSet, Kind::Node, Kind::Pod] {
        if !report.proven(cx.absence(kind, ""), "a load-balancer controller") {
            return;
        }
    }
    if let Some(controller) = cx.facts().load_balancers.first() {
        let (value, sign) = (&controller.value, &controller.sign);
        return report.skip(format!("a controller is there ({value}: {sign})"));
    }
    let dataplane = cx.facts().dataplane.as_ref().map(|fact| fact.value);
    if dataplane == Some(Dataplane::Cilium) {
        return report.skip("Cilium can assign addresses by itself");
    }
    if cx
        .events_about(Kind::Service, &service.meta)
        .iter()
        .any(|event| speaks(&event.reason))
    {
        return report.skip("events of the Service come from a controller");
    }
    let distribution = cx.facts().distribution.as_ref().map(|fact| fact.value);
    let embedded = matches!(distribution, Some(Distribution::K3s | Distribution::K3d));
    if embedded && age.is_some_and(|age| age < EMBEDDED_SECONDS) {
        return report.unknown("settling: the balancer of K3s may not have started yet");
    }
    report_pending(service, age, distribution, report);
}

/// Reasons of events that only load-balancer controllers write.
fn speaks(reason: &str) -> bool {
    reason.contains("LoadBalancer")
        || matches!(
            reason,
            "AllocationFailed" | "IPAllocated" | "AppliedDaemonSet" | "nodeAssigned"
        )
}

fn report_pending(
    service: &Service,
    age: Option<i64>,
    distribution: Option<Distribution>,
    report: &mut Reporter,
) {
    let waiting = age.map_or_else(String::new, |age| format!(" for {}", text::span(age)));
    let finding = report.find(format!(
        "Service `{}` waits{waiting} for an address, and no load-balancer controller runs in this cluster",
        service.meta
    ));
    finding
        .at("/spec/type", "asks for a load balancer")
        .note("neither a cloud controller nor MetalLB, kube-vip, klipper or another known controller was seen");
    let node_ports: Vec<String> = service
        .ports
        .iter()
        .filter_map(|port| Some(format!("{}/{}", port.node_port()?, port.protocol)))
        .collect();
    if !node_ports.is_empty() {
        finding.note(format!(
            "it can be reached on every node's address, at port {}",
            node_ports.join(", ")
        ));
    }
    for kind in [Kind::Deployment, Kind::DaemonSet] {
        finding.looked_through(kind, "");
    }
    finding.looked_for(Kind::Service, &service.meta.namespace, &service.meta.name);
    fixes(service, distribution, finding);
}

fn fixes(service: &Service, distribution: Option<Distribution>, finding: &mut Finding) {
    let install = match distribution {
        Some(Distribution::MicroK8s) => {
            Fix::manual("enable MetalLB with a range of free addresses of your network")
                .command("microk8s enable metallb")
        }
        Some(Distribution::Minikube) => {
            Fix::manual("open a tunnel on this machine").command("minikube tunnel")
        }
        Some(Distribution::Kind) => Fix::manual("run cloud-provider-kind beside the cluster"),
        Some(Distribution::K3s | Distribution::K3d) => {
            Fix::manual("start the servers without `--disable=servicelb`, or install MetalLB")
        }
        _ => Fix::manual("install a controller for this network, for example MetalLB or kube-vip"),
    };
    finding.fix(install);
    let command = format!(
        "kubectl -n {} patch service {} -p '{{\"spec\":{{\"type\":\"NodePort\"}}}}'",
        service.meta.namespace, service.meta.name
    );
    finding.fix(Fix::manual("or make it a NodePort Service").command(command));
}

#[cfg(test)]
mod tests;
