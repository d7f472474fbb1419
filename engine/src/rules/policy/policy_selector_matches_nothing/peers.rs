//! Case `peer`: what a rule admits does not exist. Never more than information: peers often come and go.

use super::{MAKERS, matches_any, stated_elsewhere};
use crate::{
    context::{Context, Reporter},
    finding::Fix,
    model::{Kind, Namespace, NetworkPolicy, Peer},
    policy::{
        Direction,
        namespaces::{self, Namespaces},
    },
    rule::Severity,
    selector::LabelSelector,
};

pub(super) fn check<'a>(cx: &Context<'a>, policy: &'a NetworkPolicy, report: &mut Reporter) {
    for direction in [Direction::Ingress, Direction::Egress] {
        for (index, rule) in direction.rules(policy).iter().enumerate() {
            for (number, peer) in rule.peers.iter().enumerate() {
                let at = format!(
                    "/spec/{}/{index}/{}/{number}",
                    direction.field(),
                    direction.peers_field()
                );
                judge(cx, policy, direction, peer, &at, report);
            }
        }
    }
}

fn judge<'a>(
    cx: &Context<'a>,
    policy: &'a NetworkPolicy,
    direction: Direction,
    peer: &Peer,
    at: &str,
    report: &mut Reporter,
) {
    if peer.ip_block.is_some() {
        return; // Addresses are no selectors.
    }
    let pods = peer
        .pod_selector
        .as_ref()
        .filter(|selector| !selector.is_empty());
    match &peer.namespace_selector {
        None => {
            let Some(pods) = pods else { return };
            let own = &*policy.meta.namespace;
            if !here(cx, own)
                || matches_any(cx, own, pods) != Some(false)
                || stated_elsewhere(cx, policy, pods)
            {
                return;
            }
            report_pods(policy, direction, pods, &[own], at, report);
        }
        Some(selector) => {
            let found = namespaces::selected(cx, selector);
            if found.selected.is_empty() {
                no_namespace(cx, policy, direction, selector, &found, at, report);
            } else if let Some(pods) = pods {
                no_pods(cx, policy, direction, pods, &found, at, report);
            }
        }
    }
}

/// Whether the namespace's pods and templates were read; in files, whether there is any.
fn here(cx: &Context<'_>, namespace: &str) -> bool {
    if cx.on_cluster() {
        std::iter::once(&Kind::Pod)
            .chain(MAKERS)
            .all(|kind| cx.known(*kind, namespace).is_ok())
    } else {
        cx.carried(Some(namespace)).next().is_some()
    }
}

fn no_namespace(
    cx: &Context<'_>,
    policy: &NetworkPolicy,
    direction: Direction,
    selector: &LabelSelector,
    found: &Namespaces<'_>,
    at: &str,
    report: &mut Reporter,
) {
    if selector.is_empty() {
        return;
    }
    // The classic: a label that is not there, with the name of a namespace that is.
    let named = selector
        .match_labels
        .iter()
        .find(|(_, value)| !cx.named::<Namespace>("", value).is_empty());
    let provable = if cx.on_cluster() {
        !found.uncertain
    } else {
        named.is_some()
    };
    if !provable {
        return; // The namespace may be somewhere else, or its labels are not here.
    }
    let finding = report.find(format!(
        "namespaceSelector `{}` in an {} rule of NetworkPolicy `{}` matches no namespace",
        selector.display(),
        direction.field(),
        policy.meta.name
    ));
    finding.case("peer").severity(Severity::Info);
    finding.key(format!("{}:{}", direction.field(), selector.display()));
    finding.at(format!("{at}/namespaceSelector"), "matches nothing");
    finding.looked_through(Kind::Namespace, "");
    finding.note("the rule admits nobody through this peer");
    if let Some((key, value)) = named {
        finding.note(format!(
            "namespace `{value}` exists without the label `{key}`; the label that every namespace has is `kubernetes.io/metadata.name: {value}`"
        ));
    }
    finding.fix(
        Fix::manual("compare the selector with the labels of the namespaces")
            .command("kubectl get namespaces --show-labels"),
    );
}

fn no_pods(
    cx: &Context<'_>,
    policy: &NetworkPolicy,
    direction: Direction,
    pods: &LabelSelector,
    found: &Namespaces<'_>,
    at: &str,
    report: &mut Reporter,
) {
    let complete = !found.uncertain && found.selected.iter().all(|namespace| here(cx, namespace));
    let everywhere = !cx.on_cluster() && found.selected.len() > 1;
    if !complete || everywhere || stated_elsewhere(cx, policy, pods) {
        return;
    }
    if found
        .selected
        .iter()
        .all(|namespace| matches_any(cx, namespace, pods) == Some(false))
    {
        let names: Vec<&str> = found.selected.iter().copied().collect();
        report_pods(policy, direction, pods, &names, at, report);
    }
}

fn report_pods(
    policy: &NetworkPolicy,
    direction: Direction,
    pods: &LabelSelector,
    namespaces: &[&str],
    at: &str,
    report: &mut Reporter,
) {
    let (place, scope) = match namespaces {
        [only] => (format!("namespace `{only}`"), format!("-n {only}")),
        several => (
            format!("the {} namespaces of the peer", several.len()),
            "-A".to_owned(),
        ),
    };
    let finding = report.find(format!(
        "podSelector `{}` in an {} rule of NetworkPolicy `{}` matches no pod and no template in {place}",
        pods.display(),
        direction.field(),
        policy.meta.name
    ));
    finding.case("peer").severity(Severity::Info);
    finding.key(format!("{}:{}", direction.field(), pods.display()));
    finding.at(format!("{at}/podSelector"), "matches nothing");
    for namespace in namespaces {
        finding.looked_through(Kind::Pod, namespace);
    }
    finding.note("the rule admits nobody through this peer");
    finding.fix(
        Fix::manual("compare the selector with the labels of the pods")
            .command(format!("kubectl get pods {scope} --show-labels")),
    );
}
