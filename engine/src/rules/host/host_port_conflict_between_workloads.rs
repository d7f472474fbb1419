//! `host-port-conflict-between-workloads`

mod judge;

use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix},
    model::{Kind, Protocol, Workload, decode::Any},
    placement::{NodeSet, Placement},
    ports::{self, HostPort},
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
    snapshot::{Absence, Coverage},
};
use judge::{Side, Verdict};
use std::{borrow::Cow, collections::BTreeSet};

pub(super) static RULE: Rule = Rule {
    code: "HST006",
    name: "host-port-conflict-between-workloads",
    summary: "two workloads claim the same host port on the same nodes",
    check: Some(Severity::Warning),
    lint: Some(Severity::Warning),
    admit: Some(Action::Warn),
    confidence: Confidence::Likely,
    evidence: Evidence::Contra,
    wants: &[
        Kind::Pod,
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
        Kind::Node,
        Kind::HorizontalPodAutoscaler,
    ],
    elsewhere: Some(claims_a_port),
    cases: &[("placement-not-known", Severity::Info)],
    reads: &[
        "/spec/replicas",
        "/spec/hostNetwork",
        "/spec/nodeName",
        "/spec/nodeSelector",
        "/spec/affinity",
        "/spec/tolerations",
        "/spec/containers/*/ports",
        "/spec/initContainers/*/ports",
        "/spec/template/spec/hostNetwork",
        "/spec/template/spec/nodeName",
        "/spec/template/spec/nodeSelector",
        "/spec/template/spec/affinity",
        "/spec/template/spec/tolerations",
        "/spec/template/spec/containers/*/ports",
        "/spec/template/spec/initContainers/*/ports",
        "/spec/jobTemplate/spec/template/spec",
    ],
    page: include_str!("host_port_conflict_between_workloads.md"),
    file: file!(),
    on: &[Check::Workload(check)],
    ..Rule::BASE
};

/// Far more claims of one port than any cluster can hold; they bound the work, not the result that people see.
const MOST_OTHERS: usize = 64;
/// How many others a finding names.
const MOST_NAMED: usize = 4;

/// Nodes serve all namespaces.
fn claims_a_port(any: &Any) -> bool {
    let workload = match any {
        Any::Pod(pod) => Workload::Pod(pod),
        Any::Controller(controller) => Workload::Controller(controller),
        _ => return false,
    };
    !ports::on_node(workload.spec()).is_empty() && judge::claims_now(workload)
}

fn check<'a>(cx: &Context<'a>, workload: Workload<'a>, report: &mut Reporter) {
    let ports = ports::on_node(workload.spec());
    let silent = cx.is_system_namespace(&workload.meta().namespace) && !is_service_lb(workload);
    if ports.is_empty() || silent || !judge::claims_now(workload) {
        return report.not_applicable();
    }
    unseen(cx, report);
    let mut subject: Option<Side<'a>> = None;
    let mut told = BTreeSet::new();
    for port in ports {
        let others = claimants(cx, workload, port);
        if others.is_empty() {
            continue;
        }
        if cx.on_cluster()
            && let Err(Absence::Unknown(reason)) = cx.known(Kind::Node, "")
        {
            return report.unknown(reason);
        }
        // Node by node only when somebody else claims a port of it at all.
        let subject = subject.get_or_insert_with(|| side(cx, workload, None));
        if told.insert((port.port, port.ip())) {
            judge_port(cx, subject, port, &others, report);
        }
    }
}

/// Says which claims of other namespaces were asked for and could not be read.
fn unseen(cx: &Context<'_>, report: &mut Reporter) {
    let kinds = RULE.kinds().into_iter().filter(|kind| kind.namespaced());
    let coverage = kinds.filter_map(|kind| cx.snapshot.coverage.get(&kind));
    for gap in coverage.flat_map(Coverage::narrowed) {
        report.unknown(gap.reason());
    }
}

/// Other workloads that claim a port that clashes.
fn claimants<'a>(cx: &Context<'a>, workload: Workload<'a>, port: HostPort<'_>) -> Vec<Side<'a>> {
    let reference = workload.reference();
    let table = &cx.snapshot.index.host_ports;
    let claims = table.claimants(port.port, &port.declared.protocol);
    let others = claims.iter().filter_map(|claimant| {
        let other = claimant.workload(cx.snapshot)?;
        if other.reference().same_object(&reference) || judge::same_workload(workload, other) {
            return None;
        }
        ports::on_node(other.spec())
            .iter()
            .any(|claim| claim.clashes(port))
            .then(|| side(cx, other, claimant.nodes.as_deref()))
    });
    others.take(MOST_OTHERS).collect()
}

fn side<'a>(cx: &Context<'a>, workload: Workload<'a>, nodes: Option<&'a NodeSet>) -> Side<'a> {
    let placement = Placement::of(workload);
    let nodes = match nodes {
        Some(nodes) => Cow::Borrowed(nodes),
        None => Cow::Owned(NodeSet::of(placement, cx.snapshot.objects.nodes.iter())),
    };
    Side {
        workload,
        placement,
        nodes: cx.on_cluster().then_some(nodes),
        pods: judge::pods(cx, workload),
    }
}

/// What the other one is called, as far as it may be.
fn name(cx: &Context<'_>, subject: Workload<'_>, other: Workload<'_>) -> String {
    let reference = other.reference();
    if cx.speaks_to_anybody() && reference.namespace != subject.meta().namespace {
        return format!("a {} of another namespace", reference.kind);
    }
    reference.to_string()
}

fn judge_port(
    cx: &Context<'_>,
    subject: &Side<'_>,
    port: HostPort<'_>,
    others: &[Side<'_>],
    report: &mut Reporter,
) {
    let mut judged: Vec<(&Side<'_>, Verdict)> = others
        .iter()
        .map(|other| (other, judge::judge(cx, subject, other)))
        .filter(|(_, verdict)| *verdict != Verdict::Apart)
        .collect();
    if let Some(note) = judge::crowded(cx, subject, others)
        && judged.iter().all(|(_, verdict)| !verdict.is_clash())
    {
        let rivals = others.iter().filter(|other| judge::within(subject, other));
        judged = rivals
            .map(|other| (other, Verdict::Clash(note.clone(), Confidence::Likely)))
            .collect();
    }
    let clash = judged.iter().any(|(_, verdict)| verdict.is_clash());
    judged.retain(|(_, verdict)| verdict.is_clash() == clash);
    let Some((first, verdict)) = judged.first() else {
        return;
    };
    let named: Vec<String> = judged
        .iter()
        .take(MOST_NAMED)
        .map(|(other, _)| name(cx, subject.workload, other.workload))
        .collect();
    let more = judged.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let reference = subject.workload.reference();
    let key = port.key();
    let list = named.join(", ");
    let finding = report.find(match verdict {
        Verdict::Clash(..) => {
            format!("host port {key} of {reference} is taken on its nodes by {list}{more}")
        }
        _ => format!("host port {key} of {reference} is also claimed by {list}{more}"),
    });
    finding.key(
        port.ip()
            .map_or_else(|| key.clone(), |ip| format!("{key}/{ip}")),
    );
    let spec = subject.workload.spec();
    let field = |port: HostPort<'_>| {
        if port.declared.host_port().is_some() {
            "hostPort"
        } else {
            "containerPort"
        }
    };
    let base = subject.workload.spec_pointer();
    finding.at(
        format!("{base}{}/{}", port.pointer(spec), field(port)),
        "claimed here",
    );
    for (other, _) in judged.iter().take(MOST_NAMED) {
        let spec = other.workload.spec();
        let claims = ports::on_node(spec);
        let Some(claim) = claims.iter().find(|claim| claim.clashes(port)) else {
            continue;
        };
        let pointer = format!(
            "{}{}/{}",
            other.workload.spec_pointer(),
            claim.pointer(spec),
            field(*claim)
        );
        finding.label(other.workload.reference(), pointer, "and here");
        let meta = other.workload.meta();
        finding.looked_for(other.workload.kind(), &meta.namespace, &meta.name);
        name_load_balancer(finding, other.workload);
    }
    if let Verdict::Clash(note, confidence) = verdict {
        finding.note(note.clone()).confidence(*confidence);
    } else {
        finding.case("placement-not-known").severity(Severity::Info);
        finding.note("on a node that runs one of them the other cannot be scheduled");
    }
    if let Some((other, _)) = judged
        .iter()
        .find(|(other, _)| judge::rank(cx, other) > judge::rank(cx, subject))
    {
        finding.because(&["HST006"], other.workload.reference());
    }
    finding.fix(fix(cx, subject, first, port));
}

fn fix(cx: &Context<'_>, subject: &Side<'_>, other: &Side<'_>, port: HostPort<'_>) -> Fix {
    let protocol = &port.declared.protocol;
    let fix = Fix::manual(match next_free(cx, port.port, protocol) {
        Some(free) => format!(
            "move one of them to another host port: {free}/{protocol} is the next that nothing here claims"
        ),
        None => "move one of them to another host port, or keep them on different nodes".to_owned(),
    });
    let common = |subject: &NodeSet, other: &NodeSet| subject.first_common(other);
    let node = subject
        .nodes
        .as_deref()
        .zip(other.nodes.as_deref())
        .and_then(|(subject, other)| common(subject, other))
        .and_then(|position| cx.snapshot.objects.nodes.iter().nth(position));
    match node {
        Some(node) => fix.command(format!(
            "kubectl get pods -A -o wide --field-selector spec.nodeName={}",
            node.meta.name
        )),
        None => fix,
    }
}

/// The next host port that no workload here claims, outside the usual range of node ports.
fn next_free(cx: &Context<'_>, port: i32, protocol: &Protocol) -> Option<i32> {
    let (first, last) = cx.facts().node_port_range.unwrap_or((30_000, 32_767));
    let table = &cx.snapshot.index.host_ports;
    (port.saturating_add(1)..=65_535).find(|candidate| {
        !(first..=last).contains(candidate) && table.claimants(*candidate, protocol).is_empty()
    })
}

/// A `DaemonSet` by which K3s serves a Service of type `LoadBalancer` on its nodes.
fn is_service_lb(workload: Workload<'_>) -> bool {
    workload.kind() == Kind::DaemonSet && workload.meta().name.starts_with("svclb-")
}

fn name_load_balancer(finding: &mut Finding, other: Workload<'_>) {
    const NAME: &str = "svccontroller.k3s.cattle.io/svcname";
    const NAMESPACE: &str = "svccontroller.k3s.cattle.io/svcnamespace";
    if !is_service_lb(other) {
        return;
    }
    let labels = [&other.meta().labels, other.pod_labels()];
    let of = |key: &str| labels.iter().find_map(|labels| labels.get(key));
    let service = match (of(NAMESPACE), of(NAME)) {
        (Some(namespace), Some(name)) => format!("Service `{namespace}/{name}`"),
        _ => "a Service".to_owned(),
    };
    finding.note(format!(
        "DaemonSet `{}` serves {service} of type LoadBalancer on every node (ServiceLB of K3s)",
        other.meta()
    ));
}

#[cfg(test)]
mod tests;
