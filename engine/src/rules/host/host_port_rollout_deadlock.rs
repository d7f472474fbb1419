//! `host-port-rollout-deadlock`

use super::rollout::{self, Steps};
use crate::{
    context::{Context, Reporter},
    finding::{Fix, FixClass},
    model::{Controller, Kind, Object as _, Workload},
    placement::{self, Pin, Placement, Room},
    ports::{self, HostPort},
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "HST003",
    name: "host-port-rollout-deadlock",
    summary: "a rollout can never finish: new Pods wait for host ports that old Pods hold",
    check: Some(Severity::Warning),
    lint: Some(Severity::Warning),
    admit: Some(Action::Warn),
    confidence: Confidence::Likely,
    evidence: Evidence::Fact,
    wants: &[Kind::Node, Kind::HorizontalPodAutoscaler],
    triggers: &[Kind::HorizontalPodAutoscaler],
    cases: &[
        ("daemonset", Severity::Warning),
        ("pinned", Severity::Warning),
    ],
    reads: &[
        "/spec/replicas",
        "/spec/paused",
        "/spec/strategy",
        "/spec/updateStrategy",
        "/spec/template/spec/hostNetwork",
        "/spec/template/spec/nodeName",
        "/spec/template/spec/nodeSelector",
        "/spec/template/spec/affinity",
        "/spec/template/spec/tolerations",
        "/spec/template/spec/containers/*/ports",
        "/spec/template/spec/initContainers/*/ports",
    ],
    page: include_str!("host_port_rollout_deadlock.md"),
    file: file!(),
    on: &[Check::Workload(check)],
    ..Rule::BASE
};

/// Why no new pod finds a node.
enum Reason<'a> {
    /// Each node has an old pod.
    EveryNode,
    /// The template names one node.
    Pinned(Pin<'a>),
    /// No more nodes than pods.
    Full(usize, Confidence),
}

fn check<'a>(cx: &Context<'a>, workload: Workload<'a>, report: &mut Reporter) {
    let Some(controller) = workload.controller() else {
        return report.not_applicable();
    };
    let replicas = match controller.kind() {
        Kind::Deployment => placement::least_replicas(cx, controller),
        Kind::DaemonSet => 1,
        _ => return report.not_applicable(),
    };
    let ports = ports::on_node(workload.spec());
    if ports.is_empty() || cx.is_system_namespace(&controller.meta.namespace) {
        return report.not_applicable();
    }
    let steps = rollout::steps(controller, replicas);
    let Some(steps) = steps.filter(|steps| steps.adds_first()) else {
        return;
    };
    if controller.paused || replicas < 1 {
        return;
    }
    let reason = if controller.kind() == Kind::DaemonSet {
        Reason::EveryNode
    } else if let Some(pin) = Placement::of(workload).pin() {
        Reason::Pinned(pin)
    } else {
        match placement::room(cx, workload) {
            Err(reason) => return report.unknown(reason),
            Ok(room) if !is_full(&room, replicas) => return,
            Ok(Room::Counted(nodes)) if nodes.certain => {
                Reason::Full(nodes.nodes.len(), Confidence::Certain)
            }
            Ok(room) => Reason::Full(room.most(), Confidence::Likely),
        }
    };
    report_rollout(
        cx,
        workload,
        controller,
        (steps, replicas),
        &ports,
        &reason,
        report,
    );
}

/// As many pods as nodes; with no node at all there is no old pod either.
fn is_full(room: &Room<'_>, replicas: i32) -> bool {
    let most = room.most();
    most > 0 && usize::try_from(replicas).is_ok_and(|replicas| replicas >= most)
}

fn report_rollout(
    cx: &Context<'_>,
    workload: Workload<'_>,
    controller: &Controller,
    (steps, replicas): (Steps, i32),
    ports: &[HostPort<'_>],
    reason: &Reason<'_>,
    report: &mut Reporter,
) {
    let reference = workload.reference();
    let keys = ports::list(ports);
    let base = workload.spec_pointer();
    let room = match reason {
        Reason::EveryNode => "each node already runs an old one".to_owned(),
        Reason::Pinned(Pin::NodeName(node) | Pin::Hostname(node, _)) => {
            format!("the template names node `{node}` only")
        }
        Reason::Full(1, _) => "there is 1 node for it".to_owned(),
        Reason::Full(nodes, _) => format!("there are {nodes} nodes for {replicas} replicas"),
    };
    let finding = report.find(format!(
        "a rollout of {reference} starts new Pods before it stops old ones, and {room}: host port {keys} is never free"
    ));
    let strategy = rollout::strategy_pointer(controller.kind());
    let ports_at = format!("{base}{}", ports[0].pointer(workload.spec()));
    let resolved = format!("comes to `maxSurge` {} and `maxUnavailable` 0", steps.surge);
    if controller.strategy.present {
        finding.at(strategy, resolved);
        finding.at(ports_at, "held by the old Pod");
    } else {
        finding.at(ports_at, "held by the old Pod");
        finding.note(format!(
            "no strategy is given: for {replicas} replicas the default of 25% {resolved}"
        ));
    }
    match reason {
        Reason::EveryNode => {
            finding.case("daemonset").confidence(Confidence::Certain);
            finding.note(
                "the API server accepts the combination, although no node can ever hold both Pods",
            );
        }
        Reason::Pinned(pin) => {
            finding.case("pinned").confidence(Confidence::Certain);
            if let Pin::Hostname(_, at) = pin {
                finding.at(format!("{base}{at}"), "names one node");
                finding.note("the new Pod stays Pending for ever");
            } else {
                finding.at(format!("{base}/nodeName"), "bypasses the scheduler");
                finding.note("the kubelet refuses each new Pod with reason NodePorts, so failed Pods pile up");
            }
        }
        Reason::Full(_, confidence) => {
            finding.confidence(*confidence);
            finding.note("the new Pod stays Pending for ever, and the old version keeps running");
            if let Some(sign) = placement::node_autoscaler(cx) {
                finding
                    .confidence(Confidence::Likely)
                    .severity(Severity::Info);
                finding.note(format!(
                    "nodes seem to be added on demand ({sign}): then a new node resolves it"
                ));
            }
            finding.looked_through(Kind::Node, "");
        }
    }
    finding.fix(patch(workload, controller, ports[0]));
}

fn patch(workload: Workload<'_>, controller: &Controller, port: HostPort<'_>) -> Fix {
    let base = workload.spec_pointer();
    let fix = Fix::patch(
        FixClass::Review,
        "stop an old Pod before starting a new one (`maxSurge: 0`, `maxUnavailable: 1`)",
        workload.reference(),
    );
    let fix = if workload.spec().host_network {
        fix.test(&format!("{base}/hostNetwork"), true)
    } else {
        fix.test(
            &format!("{base}{}/hostPort", port.pointer(workload.spec())),
            port.port,
        )
    };
    rollout::stop_first(fix, controller)
}

#[cfg(test)]
mod tests;
