//! `host-port-replicas-exceed-nodes`

use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix, FixClass},
    model::{Autoscaler, Controller, Kind, Object as _, Workload},
    placement::{self, Room},
    ports,
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
    rules::text,
};

pub(super) static RULE: Rule = Rule {
    code: "HST010",
    name: "host-port-replicas-exceed-nodes",
    summary: "more Pods with host ports are wanted than there are nodes for them",
    check: Some(Severity::Warning),
    lint: Some(Severity::Info),
    admit: Some(Action::Warn),
    confidence: Confidence::Certain,
    evidence: Evidence::Fact,
    wants: &[
        Kind::Node,
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::HorizontalPodAutoscaler,
    ],
    triggers: &[Kind::Deployment, Kind::StatefulSet],
    cases: &[("autoscaler", Severity::Warning)],
    reads: &[
        "/spec/replicas",
        "/spec/maxReplicas",
        "/spec/minReplicas",
        "/spec/scaleTargetRef",
        "/spec/template/spec/hostNetwork",
        "/spec/template/spec/nodeName",
        "/spec/template/spec/nodeSelector",
        "/spec/template/spec/affinity",
        "/spec/template/spec/tolerations",
        "/spec/template/spec/containers/*/ports",
        "/spec/template/spec/initContainers/*/ports",
    ],
    page: include_str!("host_port_replicas_exceed_nodes.md"),
    file: file!(),
    on: &[Check::Workload(workload), Check::Autoscaler(autoscaler)],
    ..Rule::BASE
};

fn workload<'a>(cx: &Context<'a>, workload: Workload<'a>, report: &mut Reporter) {
    let Some(controller) = workload.controller().filter(|c| concerns(cx, c)) else {
        return report.not_applicable();
    };
    let replicas = controller.wanted_replicas().unwrap_or(1);
    let room = match placement::room(cx, workload) {
        Ok(room) => room,
        // One replica needs no more than one node.
        Err(_) if replicas < 2 => return,
        Err(reason) if cx.on_cluster() => return report.unknown(reason),
        Err(reason) => return report.skip(reason),
    };
    if !exceeds(replicas, &room) {
        return;
    }
    let reference = workload.reference();
    let finding = report.find(format!(
        "{reference} wants {} with {}, and {}",
        text::count(usize::try_from(replicas).unwrap_or(0), "Pod"),
        port_list(controller),
        nodes_for_it(&room)
    ));
    let base = workload.spec_pointer();
    finding.at("/spec/replicas", "one Pod per node at most");
    finding.at(
        format!("{base}{}", first_port(controller)),
        "taken once per node",
    );
    finding.note(format!(
        "{} of them can never be scheduled: a node serves a host port once",
        surplus(replicas, &room)
    ));
    qualify(cx, finding, &room, replicas);
    let title = format!("set `replicas` to {}", room.most());
    finding.fix(match i32::try_from(room.most()) {
        Ok(nodes @ 1..) => Fix::patch(FixClass::Review, title, reference)
            .test("/spec/replicas", replicas)
            .replace("/spec/replicas", nodes),
        _ => Fix::manual("make nodes available for it: labels, taints, readiness")
            .command("kubectl get nodes --show-labels"),
    });
    finding.fix(Fix::manual(
        "use a DaemonSet, or a Service instead of host ports",
    ));
}

fn autoscaler<'a>(cx: &Context<'a>, autoscaler: &'a Autoscaler, report: &mut Reporter) {
    let target = &autoscaler.spec.scale_target_ref;
    let found = cx.controller(&autoscaler.meta.namespace, &target.kind, &target.name);
    let Some(controller) = found.filter(|c| concerns(cx, c)) else {
        return report.not_applicable();
    };
    let (least, most) = (
        autoscaler.spec.min_replicas.unwrap_or(1),
        autoscaler.spec.max_replicas,
    );
    let room = match placement::room(cx, Workload::Controller(controller)) {
        Ok(room) => Some(room),
        Err(reason) if cx.on_cluster() => return report.unknown(reason),
        Err(_) => None,
    };
    let capped = room
        .as_ref()
        .map_or(most > least, |room| exceeds(most, room));
    if !capped {
        return;
    }
    let reference = controller.reference();
    let limit = room
        .as_ref()
        .map_or_else(|| "each needs a node of its own".to_owned(), nodes_for_it);
    let finding = report.find(format!(
        "autoscaler `{}` may ask for {most} Pods of {reference} with {}, and {limit}",
        autoscaler.meta,
        port_list(controller)
    ));
    finding.case("autoscaler");
    finding.at("/spec/maxReplicas", "one Pod per node at most");
    let pointer = format!("/spec/template/spec{}", first_port(controller));
    finding.label(reference.clone(), pointer, "taken once per node");
    finding.note("scaling out ends at the number of nodes; further Pods stay Pending");
    finding.because(&["HST010"], reference);
    finding.looked_for(controller.kind(), &autoscaler.meta.namespace, &target.name);
    let Some(room) = room else {
        finding.severity(Severity::Info);
        finding.fix(Fix::manual(
            "keep `maxReplicas` at the number of nodes, or use a Service instead of host ports",
        ));
        return;
    };
    qualify(cx, finding, &room, most);
    finding.fix(match i32::try_from(room.most()) {
        Ok(nodes @ 1..) if nodes >= least => Fix::patch(
            FixClass::Review,
            format!("set `maxReplicas` to {nodes}"),
            autoscaler.reference(),
        )
        .test("/spec/maxReplicas", most)
        .replace("/spec/maxReplicas", nodes),
        _ => Fix::manual(
            "lower `minReplicas` and `maxReplicas`, or use a Service instead of host ports",
        ),
    });
}

fn concerns(cx: &Context<'_>, controller: &Controller) -> bool {
    matches!(controller.kind(), Kind::Deployment | Kind::StatefulSet)
        && !cx.is_system_namespace(&controller.meta.namespace)
        && !ports::on_node(&controller.template.spec).is_empty()
}

fn exceeds(replicas: i32, room: &Room<'_>) -> bool {
    usize::try_from(replicas).is_ok_and(|replicas| replicas > room.most())
}

fn surplus(replicas: i32, room: &Room<'_>) -> usize {
    usize::try_from(replicas)
        .unwrap_or(0)
        .saturating_sub(room.most())
}

fn nodes_for_it(room: &Room<'_>) -> String {
    match (room, room.most()) {
        (Room::Stated(1), _) => "the cluster has 1 node".to_owned(),
        (Room::Stated(nodes), _) => format!("the cluster has {nodes} nodes"),
        (Room::Counted(_), 0) => "no node is eligible".to_owned(),
        (Room::Counted(_), 1) => "1 node is eligible".to_owned(),
        (Room::Counted(_), nodes) => format!("{nodes} nodes are eligible"),
    }
}

fn port_list(controller: &Controller) -> String {
    let ports = ports::on_node(&controller.template.spec);
    format!("host port {}", ports::list(&ports))
}

fn first_port(controller: &Controller) -> String {
    let spec = &controller.template.spec;
    let ports = ports::on_node(spec);
    ports
        .first()
        .map(|port| port.pointer(spec))
        .unwrap_or_default()
}

/// What else decides: nodes that would do if they were Ready, and nodes that appear on demand.
fn qualify(cx: &Context<'_>, finding: &mut Finding, room: &Room<'_>, wanted: i32) {
    match room {
        Room::Stated(_) => {
            finding.confidence(Confidence::Likely);
        }
        Room::Counted(eligible) => {
            finding.looked_through(Kind::Node, "");
            let back = eligible.nodes.len() + eligible.not_ready.len();
            if usize::try_from(wanted).is_ok_and(|wanted| wanted <= back) {
                let names: Vec<String> = eligible
                    .not_ready
                    .iter()
                    .map(|node| format!("`{}`", node.meta.name))
                    .collect();
                finding.note(format!(
                    "not Ready, otherwise eligible: {}",
                    names.join(", ")
                ));
                for node in &eligible.not_ready {
                    finding.because(&["NOD001"], node.reference());
                }
            }
        }
    }
    if let Some(sign) = placement::node_autoscaler(cx) {
        finding
            .severity(Severity::Info)
            .confidence(Confidence::Likely);
        finding.note(format!("nodes seem to be added on demand ({sign})"));
    }
}

#[cfg(test)]
mod tests;
