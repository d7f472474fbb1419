//! `policy-port-is-service-port`

use crate::{
    context::{Context, Reporter},
    facts::Dataplane,
    finding::{Fix, FixClass},
    model::{
        IntOrString, Kind, NetworkPolicy, Object as _, Peer, PolicyPort, PolicyRule, Service,
        Workload,
    },
    policy::{Direction, admits_port, namespaces},
    ports::{self, Resolved},
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
};
use std::collections::BTreeSet;

pub(super) static RULE: Rule = Rule {
    code: "POL005",
    name: "policy-port-is-service-port",
    summary: "a policy names the port of a Service, but policies see the port of the pod",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    admit: Some(Action::Warn),
    strict: Some(Action::Deny),
    confidence: Confidence::Likely,
    evidence: Evidence::Contra,
    needs: &[Kind::Pod, Kind::Service],
    wants: &[
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
        Kind::Namespace,
        Kind::ConfigMap,
    ],
    triggers: &[
        Kind::Service,
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
        Kind::Pod,
        Kind::Namespace,
        Kind::NetworkPolicy,
    ],
    reads: &[
        "/spec/podSelector",
        "/spec/policyTypes",
        "/spec/ingress",
        "/spec/egress",
    ],
    page: include_str!("policy_port_is_service_port.md"),
    file: file!(),
    on: &[Check::NetworkPolicy(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, policy: &'a NetworkPolicy, report: &mut Reporter) {
    for direction in [Direction::Ingress, Direction::Egress] {
        if !direction.isolates(policy) {
            continue;
        }
        for (index, rule) in direction.rules(policy).iter().enumerate() {
            let numbers = rule
                .ports
                .iter()
                .enumerate()
                .filter_map(|(at, port)| Some((at, port, single_number(port)?)));
            let mut numbers = numbers.peekable();
            if numbers.peek().is_none() {
                continue;
            }
            let Some(destinations) = destinations(cx, policy, direction, rule) else {
                continue;
            };
            for (at, port, number) in numbers {
                let place = Place {
                    policy,
                    direction,
                    rule,
                    pointer: format!("/spec/{}/{index}/ports/{at}/port", direction.field()),
                };
                judge(cx, &place, port, number, &destinations, report);
            }
        }
    }
}

/// Where a port of a rule stands.
struct Place<'a> {
    policy: &'a NetworkPolicy,
    direction: Direction,
    rule: &'a PolicyRule,
    pointer: String,
}

/// A Service port with the number of the rule, and what it leads to on one of the pods.
struct Hit<'a> {
    service: &'a Service,
    port: usize,
    pod: Workload<'a>,
    target: Resolved,
}

fn single_number(port: &PolicyPort) -> Option<i32> {
    match (&port.port, port.end_port) {
        (Some(IntOrString::Int(number)), None) => Some(*number),
        _ => None,
    }
}

/// The pods that a rule is about, one for every template. `None` when they are not only pods, or not known.
fn destinations<'a>(
    cx: &Context<'a>,
    policy: &'a NetworkPolicy,
    direction: Direction,
    rule: &PolicyRule,
) -> Option<Vec<Workload<'a>>> {
    let own = &*policy.meta.namespace;
    let mut found = Vec::new();
    match direction {
        Direction::Ingress => found = cx.matched_workloads(own, &policy.pod_selector)?,
        Direction::Egress => {
            if rule.peers.is_empty() {
                return None;
            }
            for peer in &rule.peers {
                found.extend(peer_pods(cx, own, peer)?);
            }
        }
    }
    let mut seen = BTreeSet::new();
    // Replicas share labels and specification, and the judgement depends on nothing else.
    found.retain(|pod| {
        seen.insert((
            &pod.meta().namespace,
            pod.pod_labels(),
            std::ptr::from_ref(pod.spec()),
        ))
    });
    Some(found)
}

fn peer_pods<'a>(cx: &Context<'a>, own: &str, peer: &Peer) -> Option<Vec<Workload<'a>>> {
    if peer.ip_block.is_some() {
        return None;
    }
    let everything = crate::selector::LabelSelector::default();
    let pods = peer.pod_selector.as_ref();
    let Some(selector) = &peer.namespace_selector else {
        return cx.matched_workloads(own, pods?);
    };
    if selector.is_empty() && pods.is_none_or(crate::selector::LabelSelector::is_empty) {
        return None;
    }
    let namespaces = namespaces::selected(cx, selector);
    if namespaces.uncertain {
        return None;
    }
    let mut found = Vec::new();
    for namespace in &namespaces.selected {
        found.extend(cx.matched_workloads(namespace, pods.unwrap_or(&everything))?);
    }
    Some(found)
}

fn judge<'a>(
    cx: &Context<'a>,
    place: &Place<'a>,
    port: &PolicyPort,
    number: i32,
    pods: &[Workload<'a>],
    report: &mut Reporter,
) {
    let hits: Vec<Hit<'a>> = pods
        .iter()
        .flat_map(|pod| hits(cx, *pod, port, number))
        .collect();
    if hits.is_empty() || pods.iter().any(|pod| listens(cx, *pod, port, number)) {
        return;
    }
    if hits.iter().any(|hit| hit.pod.spec().host_network) {
        return report.skip("pods on the host network are outside of what policies promise");
    }
    let mut targets = BTreeSet::new();
    for hit in &hits {
        let Resolved::Port(target) = hit.target else {
            return report.unknown(format!(
                "where port {number} of Service `{}` leads on {} is not known",
                hit.service.meta,
                hit.pod.reference()
            ));
        };
        targets.insert(target);
    }
    if hits.iter().all(|hit| admitted_anyway(cx, place, hit, port)) {
        return;
    }
    report_port(cx, place, port, number, &hits, &targets, report);
}

fn hits<'a>(cx: &Context<'a>, pod: Workload<'a>, wanted: &PolicyPort, number: i32) -> Vec<Hit<'a>> {
    let mut hits = Vec::new();
    for service in cx.services_selecting(&pod.meta().namespace, pod.pod_labels()) {
        for (at, port) in service.ports.iter().enumerate() {
            // A headless Service translates nothing: its clients dial the pods' own ports.
            if port.port == number && port.protocol == wanted.protocol && !service.is_headless() {
                hits.push(Hit {
                    service,
                    port: at,
                    pod,
                    target: ports::resolve(pod.spec(), port),
                });
            }
        }
    }
    hits
}

/// Signs that a pod serves the number itself: a Service leads there, it is declared, probed or mentioned.
fn listens(cx: &Context<'_>, pod: Workload<'_>, wanted: &PolicyPort, number: i32) -> bool {
    let spec = pod.spec();
    let targeted = || {
        let services = cx.services_selecting(&pod.meta().namespace, pod.pod_labels());
        services
            .iter()
            .flat_map(|service| &service.ports)
            .any(|port| {
                port.protocol == wanted.protocol
                    && ports::resolve(spec, port) == Resolved::Port(number)
            })
    };
    let probed = || {
        let probes = spec
            .all_containers()
            .flat_map(|(_, container)| container.probes().map(|(_, probe)| probe));
        probes
            .filter_map(|probe| probe.port())
            .any(|(_, port)| port.int() == Some(number))
    };
    ports::declares(spec, number, &wanted.protocol)
        || targeted()
        || probed()
        || cx.mentions_port(pod, number)
}

/// The union lets the real port pass for the same peers, so the wrong number does no harm.
fn admitted_anyway(
    cx: &Context<'_>,
    place: &Place<'_>,
    hit: &Hit<'_>,
    wanted: &PolicyPort,
) -> bool {
    let Resolved::Port(target) = hit.target else {
        return false;
    };
    let direction = place.direction;
    let policies = cx.in_namespace::<NetworkPolicy>(&place.policy.meta.namespace);
    let same_pods = policies.filter(|policy| {
        direction.isolates(policy)
            && match direction {
                Direction::Ingress => {
                    policy.pod_selector.matches(hit.pod.pod_labels()) != Some(false)
                }
                Direction::Egress => {
                    policy.pod_selector.is_empty()
                        || policy.pod_selector == place.policy.pod_selector
                }
            }
    });
    same_pods
        .flat_map(|policy| direction.rules(policy))
        .any(|rule| {
            admits_port(rule, target, &wanted.protocol, hit.pod.spec())
                && covers(&rule.peers, &place.rule.peers)
        })
}

/// Whether peers admit at least what others admit, as far as that shows without looking at pods.
fn covers(wide: &[Peer], narrow: &[Peer]) -> bool {
    let one = |narrow: &Peer| {
        wide.iter().any(|wide| {
            let any = |selector: &Option<crate::selector::LabelSelector>| {
                selector
                    .as_ref()
                    .is_none_or(crate::selector::LabelSelector::is_empty)
            };
            let namespaces = wide.namespace_selector == narrow.namespace_selector
                || wide
                    .namespace_selector
                    .as_ref()
                    .is_some_and(crate::selector::LabelSelector::is_empty);
            wide == narrow
                || (wide.ip_block.is_none()
                    && narrow.ip_block.is_none()
                    && namespaces
                    && any(&wide.pod_selector))
        })
    };
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(one))
}

fn report_port<'a>(
    cx: &Context<'a>,
    place: &Place<'a>,
    port: &PolicyPort,
    number: i32,
    hits: &[Hit<'a>],
    targets: &BTreeSet<i32>,
    report: &mut Reporter,
) {
    // Never empty: the caller has at least one hit.
    let Some(first) = hits.first() else { return };
    let (policy, direction) = (place.policy, place.direction);
    let listed = targets
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    let finding = report.find(format!(
        "an {} rule of NetworkPolicy `{}` names port {number}/{}, which is the port of Service `{}`; its pods are reached on {listed}",
        direction.field(),
        policy.meta.name,
        port.protocol,
        first.service.meta
    ));
    finding.key(format!("{}:{number}/{}", direction.field(), port.protocol));
    finding.at(place.pointer.clone(), "the Service's port");
    finding.label(
        first.service.reference(),
        format!("/spec/ports/{}", first.port),
        format!("leads to {listed}"),
    );
    finding
        .note("policies see packets after the Service was translated: only the pod's port counts");
    finding.note(match direction {
        Direction::Ingress => format!(
            "connections through Service `{}` are dropped at {}",
            first.service.meta,
            first.pod.reference()
        ),
        Direction::Egress => format!(
            "the selected pods cannot reach Service `{}`",
            first.service.meta
        ),
    });
    finding.looked_for(
        Kind::Service,
        &first.service.meta.namespace,
        &first.service.meta.name,
    );
    finding.looked_through(Kind::NetworkPolicy, &policy.meta.namespace);
    if cx
        .facts()
        .dataplane
        .as_ref()
        .is_some_and(|fact| fact.value == Dataplane::CloudNative)
    {
        finding.severity(Severity::Info);
        finding.note("the network plugin of some clouds compares the Service's port, and asks for both to be equal");
    }
    if let Some(target) = targets.first().filter(|_| targets.len() == 1) {
        finding.fix(
            Fix::patch(
                FixClass::Review,
                format!("use {target}, the port of the pods"),
                policy.reference(),
            )
            .test(&place.pointer, number)
            .replace(&place.pointer, *target),
        );
    } else {
        finding.fix(
            Fix::manual(format!(
                "replace {number} by the ports of the pods: {listed}"
            ))
            .command(format!(
                "kubectl edit networkpolicy {} -n {}",
                policy.meta.name, policy.meta.namespace
            )),
        );
    }
}

#[cfg(test)]
mod tests;
