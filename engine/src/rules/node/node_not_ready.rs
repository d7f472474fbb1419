//! `node-not-ready`

use super::not_ready::{Trouble, pressure, trouble};
use crate::{
    context::{Context, Reporter},
    facts::Distribution,
    finding::{Finding, Fix},
    model::{Kind, Labels, Node, Object as _, Pod, Service},
    rule::{Check, Evidence, Reach, Rule, Severity},
    rules::text,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) static RULE: Rule = Rule {
    code: "NOD001",
    name: "node-not-ready",
    summary: "a node is not Ready",
    check: Some(Severity::Error),
    evidence: Evidence::Status,
    reach: Reach::Cluster,
    wants: &[Kind::Pod, Kind::Service, Kind::EndpointSlice],
    cases: &[("recent", Severity::Info), ("drained", Severity::Warning)],
    reads: &["/status/conditions", "/spec/unschedulable"],
    page: include_str!("node_not_ready.md"),
    file: file!(),
    on: &[Check::Node(check)],
    ..Rule::BASE
};

/// Seconds in which a node may come back by itself: a kubelet restart, a missed heartbeat.
const RECENT_SECONDS: i64 = 120;

fn check<'a>(cx: &Context<'a>, node: &'a Node, report: &mut Reporter) {
    if node.meta.deleting() {
        return report.skip("the node is being removed");
    }
    let Some(ready) = node.ready_condition() else {
        return report.unknown(format!("node {} has no Ready condition", node.meta.name));
    };
    if ready.is_true() {
        return;
    }
    let Some(trouble) = trouble(node) else {
        return report.unknown(format!("unknown status of Ready: {}", ready.status));
    };
    let since = ready.last_transition_time;
    let seconds = since.map(|since| cx.now.as_second() - since.as_second());
    let for_how_long = seconds.map_or_else(String::new, |s| format!(" for {}", text::span(s)));
    let finding = report.find(format!(
        "node `{}` is not Ready{for_how_long}: {}",
        node.meta.name,
        trouble.describe()
    ));
    finding.at("/status/conditions", format!("Ready is {}", ready.status));
    let pods: Vec<&Pod> = cx
        .pods_on(&node.meta.name)
        .into_iter()
        .filter(|pod| pod.alive())
        .collect();
    if seconds.is_some_and(|seconds| seconds < RECENT_SECONDS) {
        finding.case("recent").severity(Severity::Info);
    } else if node.spec.unschedulable && drained(&pods) && cx.known(Kind::Pod, "").is_ok() {
        finding.case("drained").severity(Severity::Warning);
        finding.note("it is cordoned and only DaemonSet pods are left on it, as for maintenance");
    }
    about_node(node, trouble, finding);
    about_others(cx, &pods, finding);
    lost_endpoints(cx, node, &pods, finding);
    fixes(cx, node, trouble, finding);
}

fn drained(pods: &[&Pod]) -> bool {
    pods.iter().all(|pod| {
        let daemon = pod
            .meta
            .controller()
            .is_some_and(|o| &*o.kind == "DaemonSet");
        daemon
            || pod
                .meta
                .annotations
                .get("kubernetes.io/config.mirror")
                .is_some()
    })
}

fn about_node(node: &Node, trouble: Trouble, finding: &mut Finding) {
    let message = node
        .ready_condition()
        .and_then(|ready| ready.message.as_deref());
    match (trouble, message) {
        (Trouble::Silent, _) => {
            finding.note("the control plane gets no heartbeat: the node is off, its kubelet is, or the network between them is broken");
        }
        (_, Some(message)) if !message.is_empty() => {
            finding.note(format!("the kubelet says: {message}"));
        }
        _ => {}
    }
    let pressure = pressure(node);
    if !pressure.is_empty() {
        finding.note(format!("it reports {}", pressure.join(", ")));
    }
    if trouble == Trouble::Network {
        finding.because(&["CNI002"], node.reference());
    }
}

fn about_others(cx: &Context<'_>, pods: &[&Pod], finding: &mut Finding) {
    if !pods.is_empty() {
        finding.note(format!("{} on it", text::count(pods.len(), "Pod")));
    }
    if cx.facts().nodes == Some(1) {
        finding.note("it is the only node of the cluster");
    }
}

/// Services that select Pods of the node, apart by where they still have ready endpoints. Of a node that is silent the control
/// plane takes them out; one that says itself that it is not Ready keeps them.
fn lost_endpoints(cx: &Context<'_>, node: &Node, pods: &[&Pod], finding: &mut Finding) {
    let mut label_sets: BTreeSet<(&str, &Labels)> = BTreeSet::new();
    label_sets.extend(
        pods.iter()
            .map(|pod| (&*pod.meta.namespace, &pod.meta.labels)),
    );
    let mut services: BTreeMap<(&str, &str), &Service> = BTreeMap::new();
    for (namespace, labels) in label_sets {
        for service in cx.services_selecting(namespace, labels) {
            services.insert((&service.meta.namespace, &service.meta.name), service);
        }
    }
    let (mut dark, mut thinner, mut kept) = (Vec::new(), Vec::new(), Vec::new());
    for service in services.into_values() {
        if cx
            .known(Kind::EndpointSlice, &service.meta.namespace)
            .is_err()
        {
            continue;
        }
        let slices = cx.slices_of(service);
        let ready = slices
            .iter()
            .flat_map(|slice| &slice.endpoints)
            .filter(|endpoint| endpoint.ready());
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            ready.partition(|endpoint| endpoint.node_name.as_deref() == Some(&*node.meta.name));
        let list = match (here.is_empty(), elsewhere.is_empty()) {
            (false, _) => &mut kept,
            (true, true) => &mut dark,
            (true, false) => &mut thinner,
        };
        list.push(service.meta.to_string());
    }
    for (what, services) in [
        ("no ready endpoint is left for", dark),
        ("fewer endpoints for", thinner),
        ("what runs there is still a ready endpoint of", kept),
    ] {
        if !services.is_empty() {
            finding.note(format!("{what} Service {}", text::names(&services)));
        }
    }
}

fn fixes(cx: &Context<'_>, node: &Node, trouble: Trouble, finding: &mut Finding) {
    let name = &node.meta.name;
    let describe = format!("kubectl describe node {name}");
    finding.fix(Fix::manual("read its conditions and events").command(describe));
    let distribution = cx.facts().distribution.as_ref().map(|fact| fact.value);
    let units = match distribution {
        Some(Distribution::K3s) => "-u k3s -u k3s-agent",
        Some(Distribution::Rke2) => "-u rke2-server -u rke2-agent",
        Some(Distribution::MicroK8s) => "-u snap.microk8s.daemon-kubelite",
        _ => "-u kubelet",
    };
    let title = match trouble {
        Trouble::Runtime => "on the host, see why the container runtime does not answer",
        _ => "on the host, see whether the kubelet runs and what it complains about",
    };
    finding.fix(Fix::manual(title).command(format!("journalctl {units} --since -1h")));
}

#[cfg(test)]
mod tests;
