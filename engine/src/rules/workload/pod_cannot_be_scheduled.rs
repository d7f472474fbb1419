//! `pod-cannot-be-scheduled`

use super::unschedulable::{Reason, reasons};
use crate::{
    context::{Context, Reporter},
    facts::agent,
    finding::{Finding, Fix},
    model::{Kind, Node, Object as _, Pod, Workload},
    rule::{Check, Evidence, Rule, Severity},
    rules::text,
};

pub(super) static RULE: Rule = Rule {
    code: "WKL002",
    name: "pod-cannot-be-scheduled",
    summary: "no node takes a Pod",
    check: Some(Severity::Warning),
    evidence: Evidence::Status,
    wants: &[
        Kind::Service,
        Kind::Event,
        Kind::Node,
        Kind::ReplicaSet,
        Kind::Deployment,
        Kind::DaemonSet,
        Kind::StatefulSet,
    ],
    reads: &["/status/conditions", "/status/phase"],
    page: include_str!("pod_cannot_be_scheduled.md"),
    file: file!(),
    on: &[Check::Pod(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, pod: &'a Pod, report: &mut Reporter) {
    let refused = pod.status.scheduled.as_ref().filter(|condition| {
        // A scheduling gate holds the pod back on purpose.
        condition.is_false() && condition.reason.as_deref() == Some("Unschedulable")
    });
    let (Some(condition), true) = (refused, pod.alive()) else {
        return report.not_applicable();
    };
    let since = condition
        .last_transition_time
        .or(pod.meta.creation_timestamp);
    let waiting = since.map(|since| cx.now.as_second() - since.as_second());
    if waiting.is_some_and(|seconds| seconds < cx.grace_seconds()) {
        return report.unknown("settling: the Pod waits for less than a minute");
    }
    let message = condition.message.as_deref().unwrap_or_default();
    let reasons = reasons(message);
    let why = match reasons.first() {
        Some(reason) => reason.describe(),
        None => "the scheduler gives a reason that is not known here",
    };
    let finding = report.find(format!("no node takes Pod `{}`: {why}", pod.meta));
    finding
        .severity(severity(cx, pod))
        .at("/status/conditions", "PodScheduled is False");
    if !message.is_empty() {
        finding.note(format!("the scheduler says: {message}"));
    }
    if let Some(seconds) = waiting {
        finding.note(format!("it waits for {}", text::span(seconds)));
    }
    causes(cx, pod, &reasons, finding);
    finding.shared_by(cx.place_to_fix(Workload::Pod(pod)).reference(), why);
    fixes(pod, &reasons, finding);
}

/// Loud only where Services or the network wait for it; quiet while a node autoscaler is at work.
fn severity(cx: &Context<'_>, pod: &Pod) -> Severity {
    let scales = cx
        .events_about(Kind::Pod, &pod.meta)
        .iter()
        .any(|event| matches!(&*event.reason, "TriggeredScaleUp" | "Nominated"));
    let component =
        agent::dataplane(&pod.spec).is_some() || agent::is_kube_proxy(&pod.meta.labels, &pod.spec);
    let serves = || {
        !cx.services_selecting(&pod.meta.namespace, &pod.meta.labels)
            .is_empty()
    };
    if !scales && (component || serves()) {
        Severity::Warning
    } else {
        Severity::Info
    }
}

fn causes(cx: &Context<'_>, pod: &Pod, reasons: &[Reason], finding: &mut Finding) {
    let owner = cx.place_to_fix(Workload::Pod(pod)).reference();
    for reason in reasons {
        match reason {
            Reason::HostPort => {
                finding.because(&["HST012"], pod.reference());
                finding.because(&["HST003", "HST002", "HST006", "HST010"], owner.clone());
            }
            Reason::AntiAffinity => {
                finding.because(&["HST003", "HST010"], owner.clone());
            }
            Reason::NodeNotReady => {
                // The scheduler does not name them; a handful is enough to find a cause.
                let dead = cx.all::<Node>().filter(|node| !node.ready()).take(8);
                for node in dead {
                    finding.because(&["NOD001"], node.reference());
                }
            }
            _ => {}
        }
    }
    for service in cx.services_selecting(&pod.meta.namespace, &pod.meta.labels) {
        if cx
            .facts()
            .is_dns_service(&service.meta.namespace, &service.meta.name)
        {
            finding.because(&["DNS002"], service.reference());
        }
    }
}

fn fixes(pod: &Pod, reasons: &[Reason], finding: &mut Finding) {
    let title = match reasons.first() {
        Some(Reason::HostPort) => "free the host port, take another one, or run fewer replicas",
        Some(Reason::AntiAffinity) => {
            "add a node, run fewer replicas, or prefer instead of require"
        }
        Some(Reason::NodeNotReady) => "bring the nodes back",
        Some(Reason::Taint) => "add a toleration, or remove the taint",
        Some(Reason::Cordoned) => "uncordon a node",
        Some(Reason::Resources) => "add a node, or request less",
        Some(Reason::Volume) => "look at the PersistentVolumeClaims of the Pod",
        Some(Reason::NodeSelector) => "correct the node selector, or label a node",
        Some(Reason::Affinity | Reason::Spread) => {
            "relax the constraint, or add a node where it allows one"
        }
        Some(Reason::NoNode) => "add a node",
        None => "read the scheduler's message",
    };
    let command = format!(
        "kubectl -n {} describe pod {}",
        pod.meta.namespace, pod.meta.name
    );
    finding.fix(Fix::manual(title).command(command));
}

#[cfg(test)]
mod tests;
