//! `cni-agent-not-ready`

use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix},
    model::{Controller, Kind, Node, Object as _, Pod},
    rule::{Check, Confidence, Evidence, Reach, Rule, Severity},
    rules::{
        node::{
            agent::{Agent, on_node},
            not_ready::{self, Trouble},
        },
        workload::trouble::trouble,
    },
};

pub(super) static RULE: Rule = Rule {
    code: "CNI002",
    name: "cni-agent-not-ready",
    summary: "the pod network's agent does not work on a node",
    check: Some(Severity::Error),
    confidence: Confidence::Likely,
    evidence: Evidence::Status,
    reach: Reach::Cluster,
    needs: &[Kind::Pod, Kind::DaemonSet],
    reads: &["/metadata/labels", "/spec/taints"],
    page: include_str!("cni_agent_not_ready.md"),
    file: file!(),
    on: &[Check::Node(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, node: &'a Node, report: &mut Reporter) {
    let facts = cx.facts();
    let Some(dataplane) = &facts.dataplane else {
        return report.skip("the pod network of this cluster was not recognised");
    };
    if facts.dataplane_agents.is_empty() {
        return report.not_applicable(); // part of another process: its trouble is the node's
    }
    let name = dataplane.value.as_str();
    let finding = match on_node(cx, node, &facts.dataplane_agents, |_| false) {
        Agent::Fine => return,
        Agent::Settling(reason) => return report.unknown(reason),
        Agent::NotReady(pod) => not_ready(cx, node, pod, name, report),
        Agent::Absent(set) => absent(node, set, name, report),
    };
    finding
        .confidence(dataplane.confidence.min(Confidence::Likely))
        .note("Pods on this node cannot be created, or lose their connections to other nodes");
    // A kubelet that waits for the network is a consequence; every other trouble of the node is the cause.
    if not_ready::trouble(node).is_some_and(|trouble| trouble != Trouble::Network) {
        finding.because(&["NOD001"], node.reference());
    }
}

fn not_ready<'r>(
    cx: &Context<'_>,
    node: &Node,
    pod: &Pod,
    name: &str,
    report: &'r mut Reporter,
) -> &'r mut Finding {
    let finding = report.find(format!(
        "the {name} agent on node `{}` is not Ready: {}",
        node.meta.name,
        trouble(cx, pod)
    ));
    let (namespace, pod_name) = (&pod.meta.namespace, &pod.meta.name);
    finding
        .at("/metadata/name", "")
        .label(pod.reference(), "/status", "its agent");
    finding.note(format!("the agent is Pod `{}`", pod.meta));
    let logs = format!("kubectl -n {namespace} logs {pod_name} --all-containers --tail=50");
    finding.fix(Fix::manual("read what the agent complains about").command(logs));
    let delete = format!("kubectl -n {namespace} delete pod {pod_name}");
    finding.fix(Fix::manual("then delete its Pod, so that it is made again").command(delete))
}

fn absent<'r>(
    node: &Node,
    set: &Controller,
    name: &str,
    report: &'r mut Reporter,
) -> &'r mut Finding {
    let finding = report.find(format!(
        "the {name} agent is missing on node `{}`: DaemonSet `{}` has no Pod there",
        node.meta.name, set.meta
    ));
    let status = &set.status;
    finding
        .at("/metadata/name", "")
        .label(set.reference(), "/status", "counts one too few")
        .note(format!(
            "the DaemonSet wants {} Pods and has {}",
            status.desired_number_scheduled, status.current_number_scheduled
        ))
        .looked_through(Kind::Pod, &set.meta.namespace);
    let describe = format!(
        "kubectl -n {} describe daemonset {}",
        set.meta.namespace, set.meta.name
    );
    finding.fix(Fix::manual("see in its events why the Pod is not created").command(describe))
}

#[cfg(test)]
mod tests;
