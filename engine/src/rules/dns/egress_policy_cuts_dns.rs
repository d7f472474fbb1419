//! `egress-policy-cuts-dns`

use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix, FixClass},
    model::{Kind, NetworkPolicy, Object as _, Protocol, Workload},
    policy::{Direction, Half, Miss, Policies, dns::Dns},
    rule::{Action, Actions, Check, Confidence, Evidence, Rule, Severity, Surface},
    rules::policy::{name_some, owners},
};
use serde_json::json;
use std::collections::BTreeMap;

pub(super) static RULE: Rule = Rule {
    code: "DNS008",
    name: "egress-policy-cuts-dns",
    summary: "the egress policies of a pod together admit no cluster DNS",
    check: Some(Severity::Error),
    lint: Some(Severity::Warning),
    admit: Some(Action::Warn),
    strict: Some(Action::Deny),
    admit_cases: &[("tcp", Actions::both(Action::Audit))],
    confidence: Confidence::Likely,
    evidence: Evidence::Contra,
    additive: true,
    needs: &[Kind::Pod],
    wants: &[
        Kind::Service,
        Kind::Namespace,
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
        Kind::CronJob,
        Kind::ConfigMap,
        Kind::CiliumNetworkPolicy,
        Kind::CiliumClusterwideNetworkPolicy,
        Kind::CalicoNetworkPolicy,
        Kind::GlobalNetworkPolicy,
        Kind::AdminNetworkPolicy,
        Kind::BaselineAdminNetworkPolicy,
        Kind::ClusterNetworkPolicy,
    ],
    triggers: &[
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
        Kind::CronJob,
        Kind::Pod,
        Kind::Namespace,
        Kind::NetworkPolicy,
    ],
    cases: &[("udp", Severity::Error), ("tcp", Severity::Info)],
    reads: &["/spec/podSelector", "/spec/policyTypes", "/spec/egress"],
    page: include_str!("egress_policy_cuts_dns.md"),
    file: file!(),
    on: &[Check::NetworkPolicy(check)],
    ..Rule::BASE
};

/// Pods that lose DNS, and why.
#[derive(Default)]
struct Cut<'a> {
    pods: Vec<Workload<'a>>,
    /// The policies that isolate any of them.
    isolating: Vec<&'a NetworkPolicy>,
    closest: Option<crate::policy::Closest<'a>>,
}

fn check<'a>(cx: &Context<'a>, policy: &'a NetworkPolicy, report: &mut Reporter) {
    if !policy.isolates_egress() {
        return report.not_applicable();
    }
    let namespace = &*policy.meta.namespace;
    let Some(selected) = cx.matched_workloads(namespace, &policy.pod_selector) else {
        return report.unknown("podSelector uses an operator that is not known");
    };
    if selected.is_empty() {
        if !cx.on_cluster() {
            report.skip(format!(
                "not in this input: pods of namespace `{namespace}` that the policy selects"
            ));
        }
        return;
    }
    let dns = Dns::new(cx);
    let (mut udp, mut tcp) = (Cut::default(), Cut::default());
    let mut judged = false;
    for pods in alike(&selected) {
        // Never empty: every group was opened by a pod.
        let Some(first) = pods.first().copied() else {
            continue;
        };
        if !asks_cluster_dns(first) || !is_lead(cx, policy, first) {
            judged |= asks_cluster_dns(first);
            continue;
        }
        judged = true;
        match dns.egress(first, &Protocol::Udp) {
            Half::Denied { isolating, closest } => udp.add(pods, isolating, closest),
            Half::Unknown { reason } => report.unknown(reason),
            Half::Allowed(_) => {
                if let Half::Denied { isolating, closest } = dns.egress(first, &Protocol::Tcp) {
                    tcp.add(pods, isolating, closest);
                }
            }
        }
    }
    if !judged {
        return report.skip(
            "these pods do not ask the cluster DNS (host network, or dnsPolicy Default or None)",
        );
    }
    if !udp.pods.is_empty() {
        report_udp(cx, policy, &dns, &udp, report);
    }
    if !tcp.pods.is_empty() {
        report_tcp(cx, policy, &dns, &tcp, report);
    }
}

impl<'a> Cut<'a> {
    fn add(
        &mut self,
        pods: Vec<Workload<'a>>,
        isolating: Vec<&'a NetworkPolicy>,
        closest: Option<crate::policy::Closest<'a>>,
    ) {
        self.pods.extend(pods);
        for policy in isolating {
            if !self
                .isolating
                .iter()
                .any(|known| std::ptr::eq(*known, policy))
            {
                self.isolating.push(policy);
            }
        }
        self.closest = self.closest.take().or(closest);
    }
}

/// Pods that no policy tells apart: equal labels and DNS settings.
fn alike<'a>(pods: &[Workload<'a>]) -> Vec<Vec<Workload<'a>>> {
    let mut groups: BTreeMap<_, Vec<Workload<'a>>> = BTreeMap::new();
    for pod in pods {
        groups
            .entry((pod.pod_labels(), asks_cluster_dns(*pod)))
            .or_default()
            .push(*pod);
    }
    groups.into_values().collect()
}

fn asks_cluster_dns(pod: Workload<'_>) -> bool {
    !pod.spec().host_network
        && matches!(
            pod.spec().dns_policy(),
            "ClusterFirst" | "ClusterFirstWithHostNet"
        )
}

/// Of several policies that isolate a pod one speaks for all: the one for the whole namespace, else the first by name.
fn is_lead(cx: &Context<'_>, policy: &NetworkPolicy, pod: Workload<'_>) -> bool {
    let isolating = Policies::new(cx).isolation(Direction::Egress, pod).by;
    let lead = isolating
        .iter()
        .find(|policy| policy.pod_selector.is_empty())
        .or(isolating.first());
    lead.is_none_or(|lead| std::ptr::eq(*lead, policy))
}

fn report_udp<'a>(
    cx: &Context<'a>,
    policy: &'a NetworkPolicy,
    dns: &Dns<'_, 'a>,
    cut: &Cut<'a>,
    report: &mut Reporter,
) {
    let concerned = owners(cx, &cut.pods);
    let finding = report.find(format!(
        "egress policies admit no cluster DNS (UDP 53) for {}, which NetworkPolicy `{}` isolates",
        name_some(&concerned),
        policy.meta.name
    ));
    finding.case("udp");
    weigh(cx, policy, cut, finding);
    describe(policy, dns, cut, finding);
    if let Some(pointer) = tcp_by_default(&cut.isolating) {
        finding.note(format!(
            "{pointer} names port 53 without a protocol, and that means TCP; DNS asks over UDP"
        ));
    }
    finding
        .note("every lookup of a name in these pods times out, for Services as for outside hosts");
    fix(dns, policy, finding);
}

fn report_tcp<'a>(
    cx: &Context<'a>,
    policy: &'a NetworkPolicy,
    dns: &Dns<'_, 'a>,
    cut: &Cut<'a>,
    report: &mut Reporter,
) {
    let finding = report.find(format!(
        "egress policies admit cluster DNS over UDP 53 but not over TCP 53 for {}, which NetworkPolicy `{}` isolates",
        name_some(&owners(cx, &cut.pods)),
        policy.meta.name
    ));
    finding.case("tcp").severity(Severity::Info);
    describe(policy, dns, cut, finding);
    finding.note(
        "answers that do not fit into one UDP packet are asked for again over TCP, and that fails",
    );
    fix(dns, policy, finding);
}

/// Who admits nothing at all may mean it, unless the pods speak of hosts by name.
fn weigh(cx: &Context<'_>, policy: &NetworkPolicy, cut: &Cut<'_>, finding: &mut Finding) {
    let admits = cut
        .isolating
        .iter()
        .any(|policy| !Direction::Egress.rules(policy).is_empty());
    if !admits && !cut.pods.iter().any(|pod| speaks_of_hosts(cx, *pod)) {
        finding.severity(if cx.on_cluster() {
            Severity::Warning
        } else {
            Severity::Info
        });
        finding.note("nothing at all is admitted, which may be meant");
    }
    // A policy that only isolates comes first, and the one that admits DNS comes next: refusing the first is a guess.
    if cx.surface == Surface::Admit && Direction::Egress.rules(policy).is_empty() {
        finding.confidence(Confidence::Hint);
    }
    if let Some(age) = policy
        .meta
        .age_seconds(cx.now)
        .filter(|age| cx.on_cluster() && *age < cx.grace_seconds())
    {
        let lower = finding.severity.min(Severity::Warning);
        finding.severity(lower);
        finding.note(format!(
            "the policy is {age} s old; one that admits DNS may follow"
        ));
    }
}

fn speaks_of_hosts(cx: &Context<'_>, pod: Workload<'_>) -> bool {
    let own = pod.spec().all_containers().any(|(_, container)| {
        !container.mentions.hosts.is_empty() || !container.mentions.names.is_empty()
    });
    own || cx
        .config_maps_of(pod)
        .iter()
        .any(|map| !map.mentions.hosts.is_empty() || !map.mentions.names.is_empty())
}

fn describe<'a>(
    policy: &'a NetworkPolicy,
    dns: &Dns<'_, 'a>,
    cut: &Cut<'a>,
    finding: &mut Finding,
) {
    let own = cut
        .closest
        .as_ref()
        .filter(|closest| std::ptr::eq(closest.policy, policy));
    match own {
        Some(closest) => finding.at(closest.pointer.clone(), said(&closest.miss)),
        None if policy.egress.is_some() => finding.at("/spec/egress", "admits no DNS"),
        None => finding.at("/spec/policyTypes", "isolates egress without a rule"),
    };
    for other in cut
        .isolating
        .iter()
        .filter(|other| !std::ptr::eq(**other, policy))
        .take(5)
    {
        let place = if other.egress.is_some() {
            "/spec/egress"
        } else {
            "/spec/policyTypes"
        };
        finding.label(
            other.reference(),
            place,
            "isolates them too, and admits no DNS",
        );
    }
    for pod in cut.pods.iter().take(3) {
        finding.label(pod.reference(), pod.labels_pointer(), "is selected");
    }
    if !dns.is_known() {
        finding.note(
            "the cluster DNS is not in this input: no rule could mean it wherever it usually runs",
        );
    }
    finding.looked_through(Kind::NetworkPolicy, &policy.meta.namespace);
}

fn said(miss: &Miss) -> String {
    match miss {
        Miss::Port(ports) if ports.is_empty() => "does not admit DNS".to_owned(),
        Miss::Port(ports) => format!("admits {ports}"),
        Miss::Namespace(labels) => format!("admits namespaces with {labels}"),
        Miss::OwnNamespace => "admits pods of this namespace".to_owned(),
        Miss::Labels(labels) => format!("admits pods with {labels}"),
        Miss::Address(range) => format!("admits {range}"),
    }
}

fn tcp_by_default(policies: &[&NetworkPolicy]) -> Option<String> {
    policies.iter().find_map(|policy| {
        let rules = Direction::Egress.rules(policy).iter().enumerate();
        let mut ports = rules.flat_map(|(rule, at)| {
            at.ports
                .iter()
                .enumerate()
                .map(move |(port, at)| (rule, port, at))
        });
        let (rule, port, _) = ports.find(|(_, _, port)| {
            port.protocol == Protocol::Tcp
                && port.port.as_ref().and_then(crate::model::IntOrString::int) == Some(53)
        })?;
        Some(format!(
            "/spec/egress/{rule}/ports/{port} of NetworkPolicy `{}`",
            policy.meta.name
        ))
    })
}

fn fix(dns: &Dns<'_, '_>, policy: &NetworkPolicy, finding: &mut Finding) {
    let (namespace, labels, port) = dns.peer();
    let labels: serde_json::Map<String, serde_json::Value> = labels
        .into_iter()
        .map(|(key, value)| (key, value.into()))
        .collect();
    let rule = json!({
        "to": [{
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "podSelector": {"matchLabels": labels},
        }],
        "ports": [{"protocol": "UDP", "port": port}, {"protocol": "TCP", "port": port}],
    });
    // The rule goes where the finding is: this policy isolates every pod concerned, so it opens nothing for others.
    let fix = Fix::patch(
        FixClass::Review,
        "admit the cluster DNS, over UDP and TCP",
        policy.reference(),
    )
    .test("/metadata/name", &*policy.meta.name);
    finding.fix(if policy.egress.is_some() {
        fix.add("/spec/egress/-", rule)
    } else {
        fix.add("/spec/egress", json!([rule]))
    });
}

#[cfg(test)]
mod tests;
