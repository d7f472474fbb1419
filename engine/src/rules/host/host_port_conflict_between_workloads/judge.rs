//! Whether two claims of one host port get into each other's way.

use crate::{
    context::Context,
    model::{AntiAffinityTerm, Meta, Origin, Workload},
    placement::{self, NodeSet, Placement},
    rule::Confidence,
    rules::text,
    snapshot,
};
use std::borrow::Cow;

/// One of the workloads that claim the port.
pub(super) struct Side<'a> {
    pub(super) workload: Workload<'a>,
    pub(super) placement: Placement<'a>,
    /// Where its pods may run; `None` in files.
    pub(super) nodes: Option<Cow<'a, NodeSet>>,
    /// How many pods it wants; for a `DaemonSet` that is not counted.
    pub(super) pods: usize,
}

/// What two claims mean for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Apart,
    /// They clash where they meet, and nobody knows whether they do.
    Open,
    /// One of them cannot run as wanted, with the reason.
    Clash(String, Confidence),
}

impl Verdict {
    pub(super) fn is_clash(&self) -> bool {
        matches!(self, Self::Clash(..))
    }
}

/// Whether the workload has or will have pods.
pub(super) fn claims_now(workload: Workload<'_>) -> bool {
    match workload {
        Workload::Pod(pod) => pod.alive(),
        Workload::Controller(controller) => snapshot::claims_now(controller),
    }
}

/// Number of pods that a workload wants at least.
pub(super) fn pods(cx: &Context<'_>, workload: Workload<'_>) -> usize {
    workload.controller().map_or(1, |controller| {
        usize::try_from(placement::least_replicas(cx, controller)).unwrap_or(0)
    })
}

/// Two parts or revisions of one workload: the same owner, or in one namespace the same labels apart from what tells
/// revisions apart. In files these are alternatives as well.
pub(super) fn same_workload(a: Workload<'_>, b: Workload<'_>) -> bool {
    let owner = |meta: &Meta| {
        meta.controller()
            .map(|owner| (owner.kind.clone(), owner.name.clone()))
    };
    let (left, right) = (a.meta(), b.meta());
    if left.namespace != right.namespace {
        return false;
    }
    let siblings = owner(left).is_some() && owner(left) == owner(right);
    let labels = a.pod_labels().without_runtime();
    let alike = !labels.is_empty() && labels == b.pod_labels().without_runtime();
    siblings || alike || left.name == right.name
}

/// Judges a pair.
pub(super) fn judge(cx: &Context<'_>, a: &Side<'_>, b: &Side<'_>) -> Verdict {
    if keep_away(a, b) || keep_away(b, a) || placement::apart(a.placement, b.placement) {
        return Verdict::Apart;
    }
    match (a.nodes.as_deref(), b.nodes.as_deref()) {
        (Some(left), Some(right)) => on_nodes(cx, (a, left), (b, right)),
        _ => in_files(cx, a, b),
    }
}

fn on_nodes(
    cx: &Context<'_>,
    (a, left): (&Side<'_>, &NodeSet),
    (b, right): (&Side<'_>, &NodeSet),
) -> Verdict {
    let common = left.common(right);
    if common == 0 {
        return Verdict::Apart;
    }
    let clash = match (a.placement.daemon, b.placement.daemon) {
        (true, true) => Some(format!(
            "both run on every node that they may use, and they share {}",
            text::count(common, "node")
        )),
        (true, false) => crowded_out(b, right, common, a),
        (false, true) => crowded_out(a, left, common, b),
        (false, false) => {
            let all = left.len() + right.len() - common;
            (a.pods + b.pods > all).then(|| {
                format!(
                    "together they want {} Pods, and have {}",
                    a.pods + b.pods,
                    text::count(all, "node")
                )
            })
        }
    };
    let Some(note) = clash else {
        // The scheduler finds another node.
        return Verdict::Apart;
    };
    let demand_makes_nodes = !a.placement.daemon && !b.placement.daemon;
    if left.unsure || right.unsure || demand_makes_nodes && placement::node_autoscaler(cx).is_some()
    {
        return Verdict::Open;
    }
    Verdict::Clash(note, Confidence::Certain)
}

/// A workload beside a `DaemonSet` that holds the port on `common` of its nodes.
fn crowded_out(side: &Side<'_>, own: &NodeSet, common: usize, daemon: &Side<'_>) -> Option<String> {
    let free = own.len() - common;
    (side.pods > free).then(|| {
        format!(
            "{} holds the port on {common} of the {} that {} may use",
            daemon.workload.reference(),
            text::count(own.len(), "node"),
            side.workload.reference()
        )
    })
}

fn in_files(cx: &Context<'_>, a: &Side<'_>, b: &Side<'_>) -> Verdict {
    let covers =
        |wide: &Side<'_>, narrow: &Side<'_>| placement::covers(wide.placement, narrow.placement);
    let everywhere = match (a.placement.daemon, b.placement.daemon) {
        (true, true) => covers(a, b) || covers(b, a),
        (true, false) => covers(a, b),
        (false, true) => covers(b, a),
        (false, false) => {
            let wanted = a.pods + b.pods;
            return match cx.facts().nodes {
                Some(all) if wanted > all => Verdict::Clash(
                    format!(
                        "together they want {wanted} Pods, and the cluster has {}",
                        text::count(all, "node")
                    ),
                    Confidence::Likely,
                ),
                Some(_) if unpinned(a) && unpinned(b) => Verdict::Apart,
                _ => Verdict::Open,
            };
        }
    };
    if everywhere && !alternatives(a.workload, b.workload) {
        let note = "a DaemonSet holds the port on every node where the other may run";
        Verdict::Clash(note.to_owned(), Confidence::Likely)
    } else {
        Verdict::Open
    }
}

/// Manifests of one application in one namespace, kept in two files: people rarely mean to apply both.
fn alternatives(a: Workload<'_>, b: Workload<'_>) -> bool {
    let (left, right) = (a.meta(), b.meta());
    let files = match (left.origin, right.origin) {
        (Origin::File { file: one, .. }, Origin::File { file: other, .. }) => one != other,
        _ => false,
    };
    files && left.namespace == right.namespace && images(a) == images(b)
}

/// Images without their tags.
fn images(workload: Workload<'_>) -> Vec<&str> {
    let containers = &workload.spec().containers;
    let mut images: Vec<&str> = containers
        .iter()
        .map(|container| {
            let bare = container.image.split('@').next().unwrap_or_default();
            match bare.rsplit_once(':') {
                Some((name, tag)) if !tag.contains('/') => name,
                _ => bare,
            }
        })
        .collect();
    images.sort_unstable();
    images
}

/// Nothing but the number of nodes limits it.
fn unpinned(side: &Side<'_>) -> bool {
    let spec = side.placement.spec;
    side.placement.node_name.is_none()
        && spec.node_selector.is_empty()
        && spec.affinity.node_terms.is_empty()
}

/// Whether the other competes for the subject's nodes only, pod by pod.
pub(super) fn within(subject: &Side<'_>, other: &Side<'_>) -> bool {
    let nodes = subject.nodes.as_deref().zip(other.nodes.as_deref());
    !other.placement.daemon
        && nodes.is_some_and(|(own, other)| !other.is_empty() && own.holds(other))
}

/// More than two workloads that fit in pairs, but not all together.
pub(super) fn crowded(cx: &Context<'_>, subject: &Side<'_>, others: &[Side<'_>]) -> Option<String> {
    let own = subject.nodes.as_deref().filter(|nodes| !nodes.unsure)?;
    let rivals = others.iter().filter(|other| within(subject, other));
    let wanted: usize = rivals.map(|other| other.pods).sum::<usize>() + subject.pods;
    let too_many = !subject.placement.daemon && wanted > own.len() && wanted > subject.pods;
    (too_many && placement::node_autoscaler(cx).is_none()).then(|| {
        format!(
            "together they want {wanted} Pods, and have {}",
            text::count(own.len(), "node")
        )
    })
}

/// Required anti-affinity of one against the pods of the other.
fn keep_away(a: &Side<'_>, b: &Side<'_>) -> bool {
    let spec = a.workload.spec();
    let (own, other) = (&a.workload.meta().namespace, &b.workload.meta().namespace);
    let reaches = |term: &AntiAffinityTerm| {
        let namespace = if term.namespaces.is_empty() && term.namespace_selector.is_none() {
            own == other
        } else {
            term.namespaces.contains(other) || term.namespace_selector.is_some()
        };
        let selector = term.label_selector.as_ref();
        namespace && selector.is_some_and(|s| s.matches(b.workload.pod_labels()) != Some(false))
    };
    spec.affinity.anti_affinity.iter().any(reaches)
}

/// Which of the claimants is told about first: what belongs to the cluster is the least likely to move, then what is
/// everywhere; the younger came to a port that was taken.
pub(super) fn rank<'a>(cx: &Context<'_>, side: &'a Side<'_>) -> impl Ord + use<'a> {
    let meta = side.workload.meta();
    (
        !cx.is_system_namespace(&meta.namespace),
        !side.placement.daemon,
        // What is about to be created has no time yet.
        meta.creation_timestamp.is_none(),
        meta.creation_timestamp,
        &meta.namespace,
        side.workload.kind(),
        &meta.name,
    )
}
