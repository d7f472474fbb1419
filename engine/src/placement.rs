//! Which nodes a pod may run on, as the scheduler and the `DaemonSet` controller decide it.
//!
//! Only what is *required* counts: node selector, required node affinity, `nodeName`, and taints that keep pods away
//! (`NoSchedule`, `NoExecute`). Room on the node is another question.

use crate::model::{Node, NodeSelectorTerm, PodSpec, Taint, Toleration};

/// Taints that the `DaemonSet` controller tolerates for its pods
/// (`pkg/controller/daemon/util`, `AddOrUpdateDaemonPodTolerations`).
const TOLERATED_BY_DAEMONS: &[&str] = &[
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
];

/// Whether a `DaemonSet` with this template runs a pod on the node. `None` when an operator is unknown.
pub fn daemon_runs_on(spec: &PodSpec, node: &Node) -> Option<bool> {
    let kept_away = node.spec.taints.iter().any(|taint| {
        let by_default = TOLERATED_BY_DAEMONS.contains(&&*taint.key)
            || spec.host_network && &*taint.key == "node.kubernetes.io/network-unavailable";
        repels(taint) && !by_default && !tolerates(&spec.tolerations, taint)
    });
    if kept_away {
        return Some(false);
    }
    matches_node(spec, node)
}

/// Whether node selector, required node affinity and `nodeName` of a template allow the node.
/// `None` when an operator is unknown.
pub fn matches_node(spec: &PodSpec, node: &Node) -> Option<bool> {
    let named = spec
        .node_name
        .as_deref()
        .is_none_or(|name| name.is_empty() || *name == *node.meta.name);
    let selected = spec
        .node_selector
        .iter()
        .all(|(key, value)| node.meta.labels.get(key) == Some(value));
    if !named || !selected {
        return Some(false);
    }
    if spec.affinity.node_terms.is_empty() {
        return Some(true);
    }
    let mut unknown = false;
    for term in &spec.affinity.node_terms {
        match term_holds(term, node) {
            Some(true) => return Some(true),
            Some(false) => {}
            None => unknown = true,
        }
    }
    if unknown { None } else { Some(false) }
}

fn term_holds(term: &NodeSelectorTerm, node: &Node) -> Option<bool> {
    // A term without requirements matches no node.
    if term.match_expressions.is_empty() && term.match_fields.is_empty() {
        return Some(false);
    }
    for requirement in &term.match_expressions {
        if !requirement.matches(node.meta.labels.get(&requirement.key))? {
            return Some(false);
        }
    }
    for requirement in &term.match_fields {
        let value = (&*requirement.key == "metadata.name").then_some(&*node.meta.name);
        if !requirement.matches(value)? {
            return Some(false);
        }
    }
    Some(true)
}

fn repels(taint: &Taint) -> bool {
    matches!(&*taint.effect, "NoSchedule" | "NoExecute")
}

/// Whether one of the tolerations covers the taint (`k8s.io/api/core/v1`, `ToleratesTaint`).
pub fn tolerates(tolerations: &[Toleration], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| {
        let key = toleration.key.as_deref().unwrap_or_default();
        let effect = toleration.effect.as_deref().unwrap_or_default();
        if !(effect.is_empty() || *effect == *taint.effect)
            || !(key.is_empty() || *key == *taint.key)
        {
            return false;
        }
        match toleration.operator.as_deref().unwrap_or("Equal") {
            "Exists" => true,
            "Equal" | "" => {
                !key.is_empty()
                    && toleration.value.as_deref().unwrap_or_default()
                        == taint.value.as_deref().unwrap_or_default()
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(json: &str) -> Node {
        serde_json::from_str(json).unwrap()
    }

    fn spec(json: &str) -> PodSpec {
        serde_json::from_str(json).unwrap()
    }

    const TAINTED: &str = r#"{"metadata": {"name": "a", "labels": {"kubernetes.io/os": "linux"}},
        "spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"},
                            {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}]}}"#;

    #[test]
    fn a_taint_keeps_a_daemon_away_unless_it_is_tolerated() {
        let node = node(TAINTED);
        assert_eq!(daemon_runs_on(&spec("{}"), &node), Some(false));
        let equal = r#"{"tolerations": [{"key": "gpu", "value": "yes"}]}"#;
        assert_eq!(daemon_runs_on(&spec(equal), &node), Some(true));
        let other = r#"{"tolerations": [{"key": "gpu", "value": "no"}]}"#;
        assert_eq!(daemon_runs_on(&spec(other), &node), Some(false));
        let all = r#"{"tolerations": [{"operator": "Exists"}]}"#;
        assert_eq!(daemon_runs_on(&spec(all), &node), Some(true));
    }

    #[test]
    fn terms_are_alternatives_and_an_unknown_operator_gives_no_answer() {
        let node = node(r#"{"metadata": {"name": "a", "labels": {"zone": "1"}}}"#);
        let terms = |terms: &str| {
            spec(&format!(
                r#"{{"affinity": {{"nodeAffinity": {{"requiredDuringSchedulingIgnoredDuringExecution":
                    {{"nodeSelectorTerms": [{terms}]}}}}}}}}"#
            ))
        };
        let no = r#"{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["2"]}]}"#;
        let yes =
            r#"{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}"#;
        let odd = r#"{"matchExpressions": [{"key": "zone", "operator": "Like"}]}"#;
        assert_eq!(matches_node(&terms(no), &node), Some(false));
        assert_eq!(
            matches_node(&terms(&format!("{no},{yes}")), &node),
            Some(true)
        );
        assert_eq!(matches_node(&terms(odd), &node), None);
        assert_eq!(matches_node(&terms("{}"), &node), Some(false));
    }
}
