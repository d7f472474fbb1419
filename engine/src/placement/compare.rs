//! Two templates compared without nodes: what their own words say about meeting on one.

use super::Placement;
use crate::{
    model::{NodeSelectorTerm, Toleration},
    selector::Requirement,
};

/// Every node that the second may use, the first may use as well. Only what follows from the words counts: no demand at
/// all or the same demand, and tolerations at least as wide.
pub(crate) fn covers(wide: Placement<'_>, narrow: Placement<'_>) -> bool {
    let demands = |p: Placement<'_>| {
        p.node_name.is_some()
            || !p.spec.node_selector.is_empty()
            || !p.spec.affinity.node_terms.is_empty()
    };
    let same = wide.node_name == narrow.node_name
        && wide.spec.node_selector == narrow.spec.node_selector
        && wide.spec.affinity.node_terms == narrow.spec.affinity.node_terms;
    (same || !demands(wide)) && tolerates_as_much(wide, narrow)
}

fn tolerates_as_much(wide: Placement<'_>, narrow: Placement<'_>) -> bool {
    let everything = |toleration: &Toleration| {
        toleration.operator.as_deref() == Some("Exists")
            && toleration.key.as_deref().unwrap_or("").is_empty()
            && toleration.effect.as_deref().unwrap_or("").is_empty()
    };
    let tolerations = &wide.spec.tolerations;
    tolerations.iter().any(everything)
        || narrow
            .spec
            .tolerations
            .iter()
            .all(|wanted| tolerations.contains(wanted))
}

/// No node can satisfy both: their selectors contradict each other.
pub(crate) fn apart(a: Placement<'_>, b: Placement<'_>) -> bool {
    if let (Some(a), Some(b)) = (a.node_name, b.node_name)
        && a != b
    {
        return true;
    }
    let (a, b) = (requirements(a), requirements(b));
    a.iter()
        .any(|one| b.iter().any(|other| contradict(one, other)))
}

/// What a node's labels must satisfy; alternatives demand nothing for certain.
fn requirements(placement: Placement<'_>) -> Vec<Requirement> {
    let pairs = placement
        .spec
        .node_selector
        .iter()
        .map(|(key, value)| Requirement {
            key: key.clone(),
            operator: "In".into(),
            values: vec![value.clone()],
        });
    let single: &[NodeSelectorTerm] = match &placement.spec.affinity.node_terms[..] {
        terms @ [_] => terms,
        _ => &[],
    };
    let expressions = single.iter().flat_map(|term| &term.match_expressions);
    pairs.chain(expressions.cloned()).collect()
}

fn contradict(a: &Requirement, b: &Requirement) -> bool {
    let excludes = |listed: &Requirement, other: &Requirement| {
        &*listed.operator == "In"
            && listed
                .values
                .iter()
                .all(|value| other.matches(Some(value)) == Some(false))
    };
    a.key == b.key
        && (excludes(a, b)
            || excludes(b, a)
            || matches!(
                (&*a.operator, &*b.operator),
                ("Exists", "DoesNotExist") | ("DoesNotExist", "Exists")
            ))
}
