//! `host-port-unschedulable`

use super::target;
use crate::{
    context::{Context, Reporter},
    finding::Fix,
    model::{Condition, Kind, Node, Object, ObjectRef, Pod, Workload},
    placement::{Fit, Placement},
    ports::{self, HostPort},
    rule::{Check, Rule, Severity},
    rules::text,
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) static RULE: Rule = Rule {
    code: "HST012",
    name: "host-port-unschedulable",
    summary: "a Pod waits for a host port that other Pods hold",
    check: Some(Severity::Error),
    evidence: crate::rule::Evidence::Status,
    wants: &[
        Kind::Node,
        Kind::Deployment,
        Kind::ReplicaSet,
        Kind::StatefulSet,
        Kind::DaemonSet,
    ],
    reads: &["/spec", "/status/phase", "/status/conditions"],
    page: include_str!("host_port_unschedulable.md"),
    file: file!(),
    on: &[Check::Pod(check)],
    ..Rule::BASE
};

/// What the scheduler's `NodePorts` filter says.
const REASON: &str = "didn't have free ports for the requested pod ports";
/// How many nodes a finding lists.
const MOST_NODES: usize = 8;

fn check<'a>(cx: &Context<'a>, pod: &'a Pod, report: &mut Reporter) {
    let Some((condition, message)) = refused(pod) else {
        return report.not_applicable();
    };
    let since = condition
        .last_transition_time
        .or(pod.meta.creation_timestamp);
    let seconds = since.map(|since| cx.now.as_second() - since.as_second());
    if seconds.is_some_and(|seconds| seconds < cx.grace_seconds()) {
        return report.skip("a Pod waits for a host port since less than a minute");
    }
    let wanted = ports::on_node(&pod.spec);
    let reference = pod.reference();
    let what = if wanted.is_empty() {
        "a host port".to_owned()
    } else {
        format!("host port {}", ports::list(&wanted))
    };
    let held = holders(cx, pod, &wanted);
    let owner = cx.top_owner(&pod.meta);
    let finding = report.find(format!(
        "{reference} cannot be scheduled: {what} is taken on the nodes that it may use"
    ));
    match wanted.first() {
        Some(port) => {
            let field = if port.declared.host_port().is_some() {
                "hostPort"
            } else {
                "containerPort"
            };
            finding.at(
                format!("/spec{}/{field}", port.pointer(&pod.spec)),
                "waits for this port",
            );
        }
        None => {
            finding.at("/spec", "waits for a port of a node");
        }
    }
    finding.at("/status/conditions", "Unschedulable");
    finding.note(format!("the scheduler says: {message}"));
    if let Some(seconds) = seconds {
        finding.note(format!("it waits since {}", text::span(seconds)));
    }
    for (node, (holder, port)) in held.iter().take(MOST_NODES) {
        finding.note(format!(
            "node `{node}`: {} is held by {}",
            port.key(),
            holder.reference()
        ));
        finding.looked_for(Kind::Pod, &holder.meta.namespace, &holder.meta.name);
    }
    if held.len() > MOST_NODES {
        let more = held.len() - MOST_NODES;
        finding.note(format!("and on {}", text::count(more, "more node")));
    }
    let subject = owner.map_or_else(|| reference.clone(), Object::reference);
    let mut others = owners(cx, held.values().map(|(holder, _)| *holder));
    let own = others.contains(&subject);
    others.retain(|other| *other != subject);
    if own && owner.is_some() {
        finding.note(format!("{subject} itself holds it with its other Pods"));
        finding.because(&["HST003", "HST010"], subject.clone());
    }
    finding.because(&["HST006"], subject);
    for other in others {
        finding.because(&["HST006"], other);
    }
    finding.looked_for(Kind::Pod, &pod.meta.namespace, &pod.meta.name);
    let workload = owner.map_or(Workload::Pod(pod), Workload::Controller);
    finding.fix(
        Fix::manual("free the port on a node, ask for another port, or ask for fewer Pods")
            .command(format!("kubectl describe {}", target(workload))),
    );
}

/// The scheduler's refusal, when host ports are among its reasons.
fn refused(pod: &Pod) -> Option<(&Condition, &str)> {
    if &*pod.status.phase != "Pending" || !pod.alive() || pod.node_name.is_some() {
        return None;
    }
    let condition = pod.status.scheduled.as_ref().filter(|c| c.is_false())?;
    let message = condition.message.as_deref()?;
    message.contains(REASON).then_some((condition, message))
}

/// Which pod holds which of the ports, by node.
fn holders<'a>(
    cx: &Context<'a>,
    pod: &'a Pod,
    wanted: &[HostPort<'a>],
) -> BTreeMap<&'a str, (&'a Pod, HostPort<'a>)> {
    let placement = Placement::of(Workload::Pod(pod));
    let nodes_known = cx.known(Kind::Node, "").is_ok();
    // A DaemonSet has one pod per node: where a sibling runs, this one is not waiting.
    let served: BTreeSet<&str> = if placement.daemon {
        cx.siblings(pod)
            .filter_map(|sibling| sibling.node_name.as_deref())
            .collect()
    } else {
        BTreeSet::new()
    };
    let mut held: BTreeMap<&str, (&Pod, HostPort<'_>)> = BTreeMap::new();
    for port in wanted {
        let table = &cx.snapshot.index.host_ports;
        for at in table.holders(port.port, &port.declared.protocol) {
            let Some(holder) = cx.snapshot.objects.pods.at(*at) else {
                continue;
            };
            let Some(node) = holder.node_name.as_deref() else {
                continue;
            };
            // Without an address the port clashes with every claim of its number.
            let clashes = port.ip().is_none()
                || ports::on_node(&holder.spec)
                    .iter()
                    .any(|held| held.clashes(*port));
            let may_use = || {
                !nodes_known
                    || cx
                        .get::<Node>("", node)
                        .is_some_and(|node| placement.may_use(node) != Fit::No)
            };
            if clashes && !served.contains(node) && may_use() {
                held.entry(node).or_insert((holder, *port));
            }
        }
    }
    held
}

/// The topmost owners, each once.
fn owners<'a>(cx: &Context<'a>, pods: impl Iterator<Item = &'a Pod>) -> Vec<ObjectRef> {
    let mut owners: Vec<ObjectRef> = pods
        .map(|pod| {
            cx.top_owner(&pod.meta)
                .map_or_else(|| pod.reference(), Object::reference)
        })
        .collect();
    owners.sort();
    owners.dedup();
    owners
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::{
        model::Kind,
        testkit::{check, check_page, check_with, forbid},
    };

    const PENDING: &str = "
apiVersion: v1
kind: Pod
metadata: {name: new, namespace: shop, labels: {app: web}, creationTimestamp: '2026-01-01T11:00:00Z'}
spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080, hostPort: 80}]}]}
status:
  phase: Pending
  conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, lastTransitionTime: '2026-01-01T11:00:00Z', message: \"0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports.\"}]
";

    fn holder(name: &str, node: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: edge, labels: {{app: {name}}}}}\nspec: {{nodeName: {node}, containers: [{{name: c, image: c, ports: [{{containerPort: 1, hostPort: 80}}]}}]}}\nstatus: {{phase: Running}}\n---\napiVersion: v1\nkind: Node\nmetadata: {{name: {node}}}\n"
        )
    }

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn the_holder_is_named_per_node() {
        let ran = check(&format!(
            "{PENDING}{}{}",
            holder("a", "n1"),
            holder("b", "n2")
        ));
        let notes = ran.one("HST012").notes.join("\n");
        assert!(
            notes.contains("node `n1`: 80/TCP is held by Pod edge/a"),
            "{notes}"
        );
        assert!(
            notes.contains("node `n2`: 80/TCP is held by Pod edge/b"),
            "{notes}"
        );
    }

    #[test]
    fn nodes_that_it_may_not_use_are_left_out() {
        let picky = PENDING.replace("spec: {cont", "spec: {nodeSelector: {disk: ssd}, cont");
        let ran = check(&format!("{picky}{}", holder("a", "n1")));
        assert!(!ran.one("HST012").notes.join("\n").contains("n1"));
    }

    #[test]
    fn a_pod_that_just_came_gets_a_minute() {
        let young = PENDING.replace("11:00:00Z", "11:59:30Z");
        check(&young).none("HST012").skipped("HST012", "minute");
    }

    #[test]
    fn other_reasons_and_states_are_other_rules() {
        check(&PENDING.replace(
            "didn't have free ports for the requested pod ports",
            "had untolerated taint",
        ))
        .none("HST012");
        check(&PENDING.replace("status: 'False'", "status: 'True'")).none("HST012");
        check(&PENDING.replace("phase: Pending", "phase: Running")).none("HST012");
    }

    #[test]
    fn a_previous_revision_explains_it() {
        let owned = |text: &str, set: &str| {
            text.replace("namespace: shop, ", &format!("namespace: shop, ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: {set}, controller: true}}], "))
        };
        let set = |name: &str| {
            format!(
                "---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {{name: {name}, namespace: shop, ownerReferences: [{{apiVersion: apps/v1, kind: Deployment, name: web, controller: true}}]}}\nspec: {{replicas: 1, selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: web, ports: [{{containerPort: 8080, hostPort: 80}}]}}]}}}}}}\n"
            )
        };
        let deployment = "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {replicas: 1, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080, hostPort: 80}]}]}}}\n";
        let old = holder("old", "n1").replace("namespace: edge, ", "namespace: shop, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, controller: true}], ");
        let all = format!(
            "{}{old}{}{}{deployment}",
            owned(PENDING, "web-2"),
            set("web-1"),
            set("web-2")
        )
        .replace(
            "metadata: {name: n1}",
            "metadata: {name: n1}\nstatus: {conditions: [{type: Ready, status: 'True'}]}",
        );
        check(&all).folded("HST012", "HST003");
    }

    #[test]
    fn a_conflict_between_workloads_explains_it() {
        let other = "---\napiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: a, namespace: edge}\nspec: {selector: {matchLabels: {app: a}}, template: {metadata: {labels: {app: a}}, spec: {containers: [{name: c, image: c, ports: [{containerPort: 1, hostPort: 80}]}]}}}\n";
        let pod = holder("a", "n1").replace("labels: {app: a}}", "labels: {app: a}, ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: a, controller: true}]}");
        check(&format!("{PENDING}{other}{pod}")).folded("HST012", "HST006");
    }

    #[test]
    fn it_copes_without_nodes_and_is_unknown_without_pods() {
        let ran = check_with(&format!("{PENDING}{}", holder("a", "n1")), |builder| {
            forbid(builder, Kind::Node);
        });
        assert!(ran.one("HST012").notes.join("\n").contains("Pod edge/a"));
        check_with("", |builder| forbid(builder, Kind::Pod))
            .none("HST012")
            .unknown("HST012", "pods");
    }
}
