//! `policy-selector-matches-nothing`

mod near;
mod peers;

use crate::{
    context::{Context, Reporter},
    finding::{Fix, FixClass},
    model::{Controller, Kind, NetworkPolicy, Object as _, Pod},
    pointer,
    rule::{Action, Actions, Check, Confidence, Evidence, Rule, Severity},
    selector::LabelSelector,
    snapshot::Absence,
};
use near::Near;

pub(super) static RULE: Rule = Rule {
    code: "POL004",
    name: "policy-selector-matches-nothing",
    summary: "a selector of a NetworkPolicy matches no pod and no template",
    check: Some(Severity::Warning),
    lint: Some(Severity::Warning),
    admit: Some(Action::Warn),
    admit_cases: &[("peer", Actions::both(Action::Audit))],
    evidence: Evidence::Miss,
    needs: &[Kind::Pod],
    wants: MAKERS_AND_NAMESPACES,
    triggers: TRIGGERS,
    cases: &[("subject", Severity::Warning), ("peer", Severity::Info)],
    reads: &["/spec/podSelector", "/spec/ingress", "/spec/egress"],
    page: include_str!("policy_selector_matches_nothing.md"),
    file: file!(),
    on: &[Check::NetworkPolicy(check)],
    ..Rule::BASE
};

const MAKERS_AND_NAMESPACES: &[Kind] = &[
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::CronJob,
    Kind::Namespace,
];
/// Whatever selectors of a policy match.
const TRIGGERS: &[Kind] = &[
    Kind::Pod,
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::CronJob,
    Kind::Namespace,
];
/// Kinds whose templates stand for pods that do not exist at the moment.
const MAKERS: &[Kind] = &[
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::CronJob,
];

fn check<'a>(cx: &Context<'a>, policy: &'a NetworkPolicy, report: &mut Reporter) {
    if cx.on_cluster()
        && policy
            .meta
            .age_seconds(cx.now)
            .is_some_and(|age| age < cx.grace_seconds())
    {
        return report.skip("created a moment ago, what it selects may still follow");
    }
    subject(cx, policy, report);
    peers::check(cx, policy, report);
}

fn subject<'a>(cx: &Context<'a>, policy: &'a NetworkPolicy, report: &mut Reporter) {
    let (selector, namespace) = (&policy.pod_selector, &*policy.meta.namespace);
    if selector.is_empty() {
        return; // All pods of the namespace, also where there is none yet.
    }
    match matches_any(cx, namespace, selector) {
        Some(false) => {}
        Some(true) => return,
        None => return report.unknown("podSelector uses an operator that is not known"),
    }
    if stated_elsewhere(cx, policy, selector) {
        return report.skip("some manifests state no namespace; pods in them may be the ones that the policy selects");
    }
    if !proven(cx, namespace, report) {
        return;
    }
    let near = near::find(cx, namespace, selector);
    let (severity, confidence) = weigh(cx, namespace, selector, &near);
    let finding = report.find(format!(
        "podSelector `{}` of NetworkPolicy `{}` matches no pod and no template in namespace `{namespace}`",
        selector.display(),
        policy.meta.name
    ));
    finding
        .case("subject")
        .severity(severity)
        .confidence(confidence);
    finding.at("/spec/podSelector", "matches nothing");
    if severity > Severity::Info
        && !near.iter().any(|near| near.telling)
        && let Some(maker) = cx.maker_for(&policy.meta)
    {
        finding
            .severity(Severity::Info)
            .confidence(Confidence::Likely);
        finding.note(format!(
            "{} of the input may make such pods",
            maker.reference()
        ));
    }
    finding.note("the policy isolates nobody: what it was meant to protect is as open as before");
    finding.looked_through(Kind::Pod, namespace);
    for maker in MAKERS {
        finding.looked_through(*maker, namespace);
    }
    for near in &near {
        finding.note(near.note());
        finding.label(near.object.clone(), near.pointer.clone(), "comes close");
    }
    if let [
        only @ Near {
            replace: Some((key, wanted, found)),
            ..
        },
    ] = &near[..]
    {
        let pointer = pointer::join("/spec/podSelector/matchLabels", key);
        finding.fix(
            Fix::patch(
                FixClass::Review,
                format!("use `{key}: {found}`, the label of {}", only.object),
                policy.reference(),
            )
            .test(&pointer, &**wanted)
            .replace(&pointer, &**found),
        );
    }
    finding.fix(
        Fix::manual("compare the selector with the labels of the pods")
            .command(format!("kubectl get pods -n {namespace} --show-labels")),
    );
}

/// Whether a pod or template of the namespace carries the labels, finished pods included.
fn matches_any(cx: &Context<'_>, namespace: &str, selector: &LabelSelector) -> Option<bool> {
    let mut answer = Some(false);
    for (labels, _) in cx.carried(Some(namespace)) {
        match selector.matches(labels) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => answer = None,
        }
    }
    answer
}

fn stated_elsewhere(cx: &Context<'_>, policy: &NetworkPolicy, selector: &LabelSelector) -> bool {
    cx.may_be_here::<Pod>(&policy.meta, |pod| {
        selector.matches(&pod.meta.labels) == Some(true)
    }) || cx.may_be_here::<Controller>(&policy.meta, |controller| {
        selector.matches(&controller.template.labels) == Some(true)
    })
}

/// Whether everything that makes pods in the namespace was read.
fn proven(cx: &Context<'_>, namespace: &str, report: &mut Reporter) -> bool {
    if !cx.on_cluster() {
        let here = cx.carried(Some(namespace)).next().is_some();
        let absence = if here {
            Absence::Proven
        } else {
            Absence::NotInInput
        };
        return report.proven(absence, &format!("pods of namespace `{namespace}`"));
    }
    for kind in std::iter::once(&Kind::Pod).chain(MAKERS) {
        if let Err(absence @ Absence::Unknown(_)) = cx.known(*kind, namespace) {
            return report.proven(absence, "pods and templates");
        }
    }
    true
}

fn declares(cx: &Context<'_>, namespace: Option<&str>, key: &str) -> bool {
    cx.carried(namespace)
        .any(|(labels, _)| labels.get(key).is_some())
}

/// Pods that an operator makes at run time have no template here. Their labels tell: a key that nothing declares, or only
/// the recommended labels, which every chart and operator shares.
fn weigh(
    cx: &Context<'_>,
    namespace: &str,
    selector: &LabelSelector,
    near: &[Near],
) -> (Severity, Confidence) {
    let declared = |key: &str| declares(cx, None, key);
    let declared_here = |key: &str| declares(cx, Some(namespace), key);
    let mut keys = keys(selector);
    if !keys.clone().all(declared) {
        return (Severity::Info, Confidence::Hint);
    }
    let shared = |key: &str| key.starts_with("app.kubernetes.io/") || key.starts_with("helm.sh/");
    if near.iter().any(|near| near.telling) || keys.any(|key| !shared(key) && declared_here(key)) {
        return (Severity::Warning, RULE.confidence);
    }
    (Severity::Info, Confidence::Likely)
}

/// Keys that a pod must carry.
fn keys(selector: &LabelSelector) -> impl Iterator<Item = &str> + Clone {
    let demanded = selector
        .match_expressions
        .iter()
        .filter(|wanted| matches!(&*wanted.operator, "In" | "Exists"));
    let pairs = selector.match_labels.iter().map(|(key, _)| key);
    pairs.chain(demanded.map(|wanted| &*wanted.key))
}

#[cfg(test)]
mod tests;
