//! `host-network-replicas-can-share-a-node`

use super::rollout;
use crate::{
    context::{Context, Reporter},
    finding::{Fix, FixClass},
    model::{AntiAffinityTerm, Controller, Kind, Object as _, Workload, Written},
    placement, ports,
    rule::{Action, Actions, Check, Confidence, Rule, Severity, Surface},
    selector::{LabelSelector, Requirement},
};
use serde_json::{Value, json};

pub(super) static RULE: Rule = Rule {
    code: "HST002",
    name: "host-network-replicas-can-share-a-node",
    summary: "nothing keeps two Pods with host networking off the same node",
    check: Some(Severity::Warning),
    lint: Some(Severity::Warning),
    admit: Some(Action::Deny),
    strict: Some(Action::Deny),
    admit_cases: &[(
        "ports-declared",
        Actions {
            guarded: Action::Warn,
            strict: Action::Deny,
        },
    )],
    confidence: Confidence::Likely,
    wants: &[Kind::HorizontalPodAutoscaler],
    triggers: &[Kind::HorizontalPodAutoscaler],
    cases: &[
        ("ports-not-declared", Severity::Warning),
        ("ports-declared", Severity::Info),
    ],
    reads: &[
        "/spec/replicas",
        "/spec/selector",
        "/spec/template/metadata/labels",
        "/spec/template/spec/hostNetwork",
        "/spec/template/spec/affinity",
        "/spec/template/spec/containers/*/ports",
        "/spec/template/spec/initContainers/*/ports",
    ],
    page: include_str!("host_network_replicas_can_share_a_node.md"),
    file: file!(),
    on: &[Check::Workload(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, workload: Workload<'a>, report: &mut Reporter) {
    let Some(controller) = workload.controller() else {
        return report.not_applicable();
    };
    let replicated = matches!(
        controller.kind(),
        Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet
    );
    let spec = workload.spec();
    if !replicated || !spec.host_network || cx.is_system_namespace(&controller.meta.namespace) {
        return report.not_applicable();
    }
    let replicas = placement::least_replicas(cx, controller);
    let keeps_apart = |term: &AntiAffinityTerm| keeps_apart(term, controller);
    if replicas < 2 || spec.affinity.anti_affinity.iter().any(keeps_apart) {
        return;
    }
    let declared = ports::on_node(spec);
    let reference = workload.reference();
    let base = workload.spec_pointer();
    let keys = ports::list(&declared);
    let message = if keys.is_empty() {
        format!(
            "two of the {replicas} Pods of {reference} may share a node and its network, and no port is declared"
        )
    } else {
        format!("only host port {keys} keeps the {replicas} Pods of {reference} on different nodes")
    };
    let finding = report.find(message);
    finding.at(format!("{base}/hostNetwork"), "shares the node's network");
    if keys.is_empty() {
        finding.case("ports-not-declared");
        finding.note("the second Pod on a node ends with `address already in use` as soon as both bind one port");
        finding.note("the scheduler keeps Pods apart by declared ports or by required anti-affinity, and there is neither");
    } else {
        finding.case("ports-declared").severity(Severity::Info);
        finding
            .note("the scheduler refuses a second Pod on a node, so a surplus Pod stays Pending");
    }
    if controller.wanted_replicas().unwrap_or(1) < 2 {
        finding.note("only the minimum of a HorizontalPodAutoscaler asks for more than one Pod");
        // Both objects may change in one apply: what the other one says is no reason to refuse this one.
        if cx.surface == Surface::Admit {
            finding.confidence(Confidence::Hint);
        }
    }
    if !spec.affinity.anti_affinity.is_empty() {
        finding.at(
            format!("{base}/affinity/podAntiAffinity"),
            "does not match the Pods of this workload",
        );
    }
    finding.fix(fix(workload, controller, replicas));
}

/// Whether a required term keeps pods of the workload away from each other. Every node label counts as the name of a
/// node or of something wider; what cannot be decided counts as keeping apart.
fn keeps_apart(term: &AntiAffinityTerm, controller: &Controller) -> bool {
    let own_namespace = term.namespaces.is_empty() && term.namespace_selector.is_none()
        || term.namespaces.contains(&controller.meta.namespace)
        || term.namespace_selector.is_some();
    let matches = term
        .label_selector
        .as_ref()
        .is_some_and(|selector| selector.matches(&controller.template.labels) != Some(false));
    own_namespace && matches && !term.topology_key.is_empty()
}

fn fix(workload: Workload<'_>, controller: &Controller, replicas: i32) -> Fix {
    let selects_itself = |selector: &&LabelSelector| {
        !selector.is_empty() && selector.matches(&controller.template.labels) == Some(true)
    };
    let Some(selector) = controller.selector.as_ref().filter(selects_itself) else {
        return Fix::manual(
            "add required anti-affinity on `kubernetes.io/hostname` that matches the Pods, or use a DaemonSet",
        );
    };
    let term = json!({
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": selector_json(selector),
    });
    let base = workload.spec_pointer();
    let affinity = format!("{base}/affinity");
    let required =
        format!("{affinity}/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution");
    let whole = json!({"requiredDuringSchedulingIgnoredDuringExecution": [term]});
    let fix = Fix::patch(
        FixClass::Review,
        "keep its Pods on different nodes by required anti-affinity",
        workload.reference(),
    )
    .test(&format!("{base}/hostNetwork"), true);
    let fix = match controller.template.spec.affinity.anti_affinity_written {
        Written::Nothing => fix
            .add(&affinity, json!({}))
            .add(&format!("{affinity}/podAntiAffinity"), whole),
        Written::Affinity => fix.add(&format!("{affinity}/podAntiAffinity"), whole),
        Written::AntiAffinity => fix.add(&required, json!([term])),
        Written::Required => fix.add(&format!("{required}/-"), term),
    };
    // With one Pod per node a rollout that adds first needs a spare node.
    if rollout::steps(controller, replicas).is_some_and(rollout::Steps::adds_first) {
        rollout::stop_first(fix, controller)
    } else {
        fix
    }
}

/// The whole selector, as the API spells it.
fn selector_json(selector: &LabelSelector) -> Value {
    let mut json = serde_json::Map::new();
    if !selector.match_labels.is_empty() {
        let pairs = selector
            .match_labels
            .iter()
            .map(|(key, value)| (key.to_owned(), Value::from(value)));
        json.insert("matchLabels".to_owned(), Value::Object(pairs.collect()));
    }
    if !selector.match_expressions.is_empty() {
        let expressions = selector.match_expressions.iter().map(expression_json);
        json.insert("matchExpressions".to_owned(), expressions.collect());
    }
    Value::Object(json)
}

fn expression_json(requirement: &Requirement) -> Value {
    let mut json = json!({"key": &*requirement.key, "operator": &*requirement.operator});
    if !requirement.values.is_empty() {
        let values: Vec<&str> = requirement.values.iter().map(|value| &**value).collect();
        json["values"] = json!(values);
    }
    json
}

#[cfg(test)]
mod tests;
