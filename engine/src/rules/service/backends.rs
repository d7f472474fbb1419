//! What a Service really sends traffic to, and pieces that the port rules share.

use crate::{
    context::Context,
    finding::{Finding, Fix},
    model::{
        Container, Controller, IntOrString, Kind, ObjectRef, Pod, Service, ServicePort, Workload,
    },
    rule::Confidence,
};
use serde_json::Value;

/// Why a rule about ports has no opinion where [`Context::mesh_injects`].
pub(super) const INJECTED: &str =
    "a mesh or an operator injects containers into these pods and may add ports";

/// The workloads behind a Service whose ports count. Jobs and Helm hooks often carry the labels of the application
/// without serving anything: they count only where nothing else is selected. In files a document without images and
/// ports is a patch of something else.
pub(super) fn serving<'a>(cx: &Context<'a>, service: &'a Service) -> Vec<Workload<'a>> {
    let all = cx.backends(service);
    let whole: Vec<Workload<'a>> = all
        .into_iter()
        .filter(|backend| cx.on_cluster() || !is_patch(*backend))
        .collect();
    let lasting: Vec<Workload<'a>> = whole
        .iter()
        .copied()
        .filter(|backend| !runs_once(*backend))
        .collect();
    if lasting.is_empty() { whole } else { lasting }
}

fn is_patch(workload: Workload<'_>) -> bool {
    let containers = &workload.spec().containers;
    containers
        .iter()
        .all(|container| container.image.is_empty())
        && workload.spec().declared_ports().next().is_none()
}

fn runs_once(workload: Workload<'_>) -> bool {
    let owned_by_job = workload
        .meta()
        .controller()
        .is_some_and(|owner| &*owner.kind == "Job");
    matches!(workload.kind(), Kind::Job | Kind::CronJob)
        || owned_by_job
        || workload.meta().annotations.get("helm.sh/hook").is_some()
}

/// What Pods that run say about a port that no template declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Running {
    /// None of them declares it either.
    Silent,
    /// One does, in a container of a template: the template has changed since, or something adds ports to it.
    Differs,
    /// One does, in a container that no template has: something injects it as Pods are created.
    Injected,
}

/// Asks the Pods for which templates stand. Nobody sees in a template what a webhook adds to its Pods.
pub(super) fn running(cx: &Context<'_>, service: &Service, port: &ServicePort) -> Running {
    let target = port.target();
    let declares = |container: &Container| {
        let mut ports = container.ports.iter();
        ports.any(|declared| {
            declared.protocol == port.protocol
                && match &target {
                    IntOrString::Int(number) => declared.container_port == *number,
                    IntOrString::Text(name) => declared.name.as_deref() == Some(&**name),
                }
        })
    };
    let mut said = Running::Silent;
    for (pod, owner) in cx.stood_for(&service.meta.namespace, &service.selector) {
        for (_, container) in pod.spec.serving_containers() {
            if !declares(container) {
                continue;
            }
            if !is_templated(cx, pod, owner, &container.name) {
                return Running::Injected;
            }
            said = Running::Differs;
        }
    }
    said
}

/// Whether the workload of a pod has a container of this name, or had it when it made the pod.
fn is_templated(cx: &Context<'_>, pod: &Pod, owner: &Controller, name: &str) -> bool {
    let made_by = pod.meta.controller();
    let revision =
        made_by.and_then(|owner| cx.controller(&pod.meta.namespace, &owner.kind, &owner.name));
    revision.into_iter().chain([owner]).any(|controller| {
        let mut containers = controller.template.spec.all_containers();
        containers.any(|(_, container)| *container.name == *name)
    })
}

/// Pods that run contradict the templates: what is said about a port is not certain enough to refuse anything.
pub(super) fn doubt(finding: &mut Finding) {
    let lower = match finding.confidence {
        Confidence::Certain => Confidence::Likely,
        Confidence::Likely | Confidence::Hint => Confidence::Hint,
    };
    finding.confidence(lower).note(
        "Pods that run declare it: their workload has changed since, or something adds it to its Pods",
    );
}

/// Groups backends by the object to fix; the variants of one object in several files form one group.
pub(super) fn by_owner<'a>(
    cx: &Context<'a>,
    backends: &[Workload<'a>],
) -> Vec<(Workload<'a>, Vec<Workload<'a>>)> {
    let mut groups: Vec<(ObjectRef, Workload<'a>, Vec<Workload<'a>>)> = Vec::new();
    let mut positions = std::collections::HashMap::new();
    for backend in backends {
        let place = cx.place_to_fix(*backend);
        let reference = place.reference();
        let key = (
            reference.kind.clone(),
            reference.name.clone(),
            reference.namespace.clone(),
        );
        let at = *positions.entry(key).or_insert_with(|| {
            groups.push((reference, place, Vec::new()));
            groups.len() - 1
        });
        groups[at].2.push(*backend);
    }
    groups
        .into_iter()
        .map(|(_, place, members)| (place, members))
        .collect()
}

/// Begins a patch of one port of a Service: the port must still be the one that was judged.
pub(super) fn still_there(fix: Fix, index: usize, port: &ServicePort) -> Fix {
    let (field, value) = match port.name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => ("name", Value::from(name)),
        None => ("port", Value::from(port.port)),
    };
    fix.test(&format!("/spec/ports/{index}/{field}"), value)
}

/// How messages name a port of a Service: `port http (80/TCP) of Service shop/web`.
pub(super) fn port_of(service: &Service, port: &ServicePort) -> String {
    format!("port {} of Service `{}`", port.label(), service.meta)
}
