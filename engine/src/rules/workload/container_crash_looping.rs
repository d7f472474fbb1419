//! `container-crash-looping`

use super::{
    crash::{Crash, crashes},
    signature::{Signature, Target, service},
};
use crate::{
    context::{Context, Reporter},
    facts::agent,
    finding::{Finding, Fix},
    model::{Kind, Node, Object as _, ObjectRef, Pod, Workload},
    rule::{Check, Evidence, Rule, Severity},
    rules::text,
};

pub(super) static RULE: Rule = Rule {
    code: "WKL001",
    name: "container-crash-looping",
    summary: "a container crashes again and again",
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
        Kind::Job,
    ],
    reads: &["/status/containerStatuses", "/status/initContainerStatuses"],
    page: include_str!("container_crash_looping.md"),
    file: file!(),
    on: &[Check::Pod(check)],
    ..Rule::BASE
};

/// Seconds after a node came back in which crashes of its pods are part of the restart.
const AFTER_RESTART_SECONDS: i64 = 900;

fn check<'a>(cx: &Context<'a>, pod: &'a Pod, report: &mut Reporter) {
    if !pod.alive() {
        return report.not_applicable();
    }
    for crash in crashes(cx, pod) {
        report_crash(cx, pod, &crash, report);
    }
}

fn report_crash<'a>(cx: &Context<'a>, pod: &'a Pod, crash: &Crash<'a>, report: &mut Reporter) {
    let namespace = &*pod.meta.namespace;
    let name = &crash.status.name;
    let signature = crash.signature();
    let reason = crash.reason(cx, namespace);
    let severity = severity(cx, pod, signature.is_some());
    let finding = report.find(format!(
        "container `{name}` of Pod `{}` keeps crashing: {reason}",
        pod.meta
    ));
    finding
        .severity(severity)
        .key(&**name)
        .at(&*crash.pointer, "its state");
    let restarts = usize::try_from(crash.status.restart_count).unwrap_or(0);
    let last = crash.ended.and_then(|ended| ended.finished_at);
    let ago = last.map_or_else(String::new, |time| {
        let seconds = cx.now.as_second() - time.as_second();
        format!(", the last one {} ago", text::span(seconds))
    });
    finding.note(format!("{}{ago}", text::count(restarts, "restart")));
    if let Some(signature) = &signature {
        point(cx, pod, signature, finding);
    } else if crash.last_words().is_some() {
        finding.note("nothing in its last output is known to be about the network");
    } else if !crash.out_of_memory() {
        finding.note("its last output was not read (`--logs` reads it)");
    }
    backs(cx, pod, finding);
    causes(cx, pod, finding);
    let owner = cx.place_to_fix(Workload::Pod(pod)).reference();
    finding.shared_by(owner, format!("{name}: {reason}"));
    let previous = crash.previous_flag();
    let command = format!(
        "kubectl -n {namespace} logs {} -c {name}{previous}",
        pod.meta.name
    );
    finding.fix(Fix::manual("read what it printed before it ended").command(command));
    if back_since(cx, pod).is_some_and(|seconds| seconds <= AFTER_RESTART_SECONDS) {
        finding.note("its node became Ready only minutes ago, many crashes end by themselves then");
        let command = format!("kubectl -n {namespace} delete pod {}", pod.meta.name);
        finding.fix(
            Fix::manual("wait some minutes, then delete the Pod to skip its back-off")
                .command(command),
        );
    }
}

/// Loud where it concerns the network: behind a Service, part of the network, or complaining about it.
fn severity(cx: &Context<'_>, pod: &Pod, signature: bool) -> Severity {
    let of_job = pod
        .meta
        .controller()
        .is_some_and(|owner| &*owner.kind == "Job");
    let component =
        agent::dataplane(&pod.spec).is_some() || agent::is_kube_proxy(&pod.meta.labels, &pod.spec);
    let serves = || {
        !cx.services_selecting(&pod.meta.namespace, &pod.meta.labels)
            .is_empty()
    };
    if !of_job && (signature || component || serves()) {
        Severity::Warning
    } else {
        Severity::Info
    }
}

fn backs(cx: &Context<'_>, pod: &Pod, finding: &mut Finding) {
    let services = cx.services_selecting(&pod.meta.namespace, &pod.meta.labels);
    let names: Vec<&str> = services.iter().map(|service| &*service.meta.name).collect();
    if !names.is_empty() {
        finding.note(format!("it backs Service {}", text::names(&names)));
    }
}

/// What a signature points to.
fn point(cx: &Context<'_>, pod: &Pod, signature: &Signature, finding: &mut Finding) {
    let owner = cx.place_to_fix(Workload::Pod(pod)).reference();
    match signature {
        Signature::AddressInUse(_) if pod.spec.host_network => {
            finding.note(
                "the Pod is on the host network, so any process of the node may hold the port",
            );
            finding.because(&["HST006", "HST002"], owner);
        }
        Signature::AddressInUse(_) => {
            finding.note("the containers of a Pod share their ports");
        }
        Signature::PermissionDenied(_) => {
            finding.because(&["HST009"], owner);
        }
        Signature::NameLookup(_) => {
            for (namespace, name) in &cx.facts().dns_services {
                let dns = ObjectRef::wanted(Kind::Service, namespace, name);
                finding.because(&["DNS002"], dns);
            }
        }
        Signature::Refused(target) | Signature::TimedOut(target) => {
            reached(cx, pod, target.as_ref(), finding);
        }
        Signature::ForwardingLoop => {}
    }
}

fn reached(cx: &Context<'_>, pod: &Pod, target: Option<&Target>, finding: &mut Finding) {
    let Some(target) = target else { return };
    if let Some(service) = service(cx, &pod.meta.namespace, &target.host) {
        finding.note(format!("`{}` is Service `{}`", target.host, service.meta));
        finding.because(
            &["SVC003", "SVC001", "SVC002", "SVC004"],
            service.reference(),
        );
    }
}

fn causes(cx: &Context<'_>, pod: &Pod, finding: &mut Finding) {
    let reference = pod.reference();
    finding.because(&["DNS003"], reference.clone());
    for service in cx.services_selecting(&pod.meta.namespace, &pod.meta.labels) {
        if cx
            .facts()
            .is_dns_service(&service.meta.namespace, &service.meta.name)
        {
            finding.because(&["DNS002"], service.reference());
        }
    }
    if let Some(node) = pod.node_name.as_deref() {
        let node = ObjectRef::wanted(Kind::Node, "", node);
        if agent::dataplane(&pod.spec).is_some() {
            finding.because(&["CNI002"], node.clone());
        }
        if agent::is_kube_proxy(&pod.meta.labels, &pod.spec) {
            finding.because(&["KPX002"], node.clone());
        }
        finding.because(&["NOD001"], node);
    }
}

/// Seconds since the pod's node became Ready.
fn back_since(cx: &Context<'_>, pod: &Pod) -> Option<i64> {
    let node = cx.get::<Node>("", pod.node_name.as_deref()?)?;
    let since = node
        .ready_condition()
        .filter(|ready| ready.is_true())?
        .last_transition_time?;
    Some(cx.now.as_second() - since.as_second())
}

#[cfg(test)]
mod tests;
