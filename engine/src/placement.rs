//! Which nodes the pods of a template may run on, as the scheduler and the `DaemonSet` controller decide it.
//!
//! Sources: the filters `NodeUnschedulable`, `NodeName`, `NodeAffinity` and `TaintToleration` of kube-scheduler, the
//! kubelet's own admission for pods that name their node, and `AddOrUpdateDaemonPodTolerations` for the tolerations
//! that every pod of a `DaemonSet` gets. Whatever cannot be decided (an operator of a newer version) is [`Fit::Unsure`].

mod compare;
mod set;

pub(crate) use compare::{apart, covers};
pub use set::NodeSet;

use crate::{
    context::Context,
    model::{Controller, Kind, Node, NodeSelectorTerm, PodSpec, Taint, Toleration, Workload},
    snapshot::Absence,
};

/// Whether a node is eligible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// It is not.
    No,
    /// Something on it could not be judged.
    Unsure,
    /// It is.
    Yes,
}

impl From<Option<bool>> for Fit {
    fn from(answer: Option<bool>) -> Self {
        match answer {
            Some(true) => Self::Yes,
            Some(false) => Self::No,
            None => Self::Unsure,
        }
    }
}

/// What of a template decides about nodes.
#[derive(Debug, Clone, Copy)]
pub struct Placement<'a> {
    /// The pod specification.
    pub spec: &'a PodSpec,
    /// `nodeName`: the scheduler is not asked.
    pub node_name: Option<&'a str>,
    /// One pod per node, with the tolerations that the `DaemonSet` controller adds.
    pub daemon: bool,
}

/// Nodes for a template.
#[derive(Debug)]
pub struct Eligible<'a> {
    /// Ready nodes that it may use, and those that could not be judged.
    pub nodes: Vec<&'a Node>,
    /// Nodes that it could use if they were Ready.
    pub not_ready: Vec<&'a Node>,
    /// Every node could be judged.
    pub certain: bool,
}

/// How many nodes a template has at most.
#[derive(Debug)]
pub enum Room<'a> {
    /// Counted.
    Counted(Eligible<'a>),
    /// Somebody stated the size of the cluster; labels and taints are not known.
    Stated(usize),
}

impl Room<'_> {
    /// The greatest number of nodes that can be meant.
    pub fn most(&self) -> usize {
        match self {
            Self::Counted(eligible) => eligible.nodes.len(),
            Self::Stated(nodes) => *nodes,
        }
    }
}

/// Whether a `DaemonSet` with this template runs a pod on the node. `None` when an operator is unknown.
pub fn daemon_runs_on(spec: &PodSpec, node: &Node) -> Option<bool> {
    let placement = Placement {
        spec,
        node_name: spec.node_name.as_deref(),
        daemon: true,
    };
    match placement.fits(node) {
        Fit::Yes => Some(true),
        Fit::No => Some(false),
        Fit::Unsure => None,
    }
}

impl<'a> Placement<'a> {
    /// Of a workload. Pods that already have a node are judged as pods of their template.
    pub fn of(workload: Workload<'a>) -> Self {
        let owner = workload.meta().controller();
        Self {
            spec: workload.spec(),
            node_name: workload.node_name(),
            daemon: workload.kind() == Kind::DaemonSet
                || owner.is_some_and(|owner| &*owner.kind == "DaemonSet"),
        }
    }

    /// Whether its pods may run on the node, apart from the node's readiness.
    pub fn fits(&self, node: &Node) -> Fit {
        if self.node_name.is_some_and(|name| *name != *node.meta.name) {
            return Fit::No;
        }
        self.selected(node)
            .min(self.tolerated(node, |_| true))
            .min(self.not_cordoned(node))
    }

    /// Whether its pods start on the node now.
    pub fn fits_now(&self, node: &Node) -> Fit {
        // Pods of a DaemonSet tolerate a node that is not ready; a node that never reported is given the benefit.
        let refused = node
            .ready_condition()
            .is_some_and(|condition| !condition.is_true());
        if refused && !self.daemon {
            return Fit::No;
        }
        self.fits(node)
    }

    /// Whether its pods could start on the node if it were Ready: without the taints by which the node controller says that
    /// it is not.
    fn fits_once_ready(&self, node: &Node) -> Fit {
        const NOT_READY: [&str; 2] = [
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
        ];
        if self.node_name.is_some_and(|name| *name != *node.meta.name) {
            return Fit::No;
        }
        let other = |taint: &Taint| !NOT_READY.contains(&&*taint.key);
        self.selected(node)
            .min(self.tolerated(node, other))
            .min(self.not_cordoned(node))
    }

    /// Whether its pods may run on the node at other times: taints and cordons that say how the node is now are left
    /// out.
    pub fn may_use(&self, node: &Node) -> Fit {
        if self.node_name.is_some_and(|name| *name != *node.meta.name) {
            return Fit::No;
        }
        let lasting = |taint: &Taint| !taint.key.starts_with("node.kubernetes.io/");
        self.selected(node).min(self.tolerated(node, lasting))
    }

    fn selected(&self, node: &Node) -> Fit {
        let labels = &node.meta.labels;
        let selector = &self.spec.node_selector;
        if !selector
            .iter()
            .all(|(key, value)| labels.get(key) == Some(&**value))
        {
            return Fit::No;
        }
        let terms = &self.spec.affinity.node_terms;
        if terms.is_empty() {
            return Fit::Yes;
        }
        terms
            .iter()
            .map(|term| term_fits(term, node))
            .max()
            .unwrap_or(Fit::No)
    }

    fn tolerated(&self, node: &Node, counts: impl Fn(&Taint) -> bool) -> Fit {
        let matters = |taint: &&Taint| match &*taint.effect {
            "NoExecute" => true,
            // The kubelet does not look at these, and a pod with a node name never meets the scheduler.
            "NoSchedule" => self.node_name.is_none(),
            _ => false,
        };
        let fits = node
            .spec
            .taints
            .iter()
            .filter(matters)
            .filter(|taint| counts(taint))
            .map(|taint| self.tolerates(&taint.key, taint.value.as_deref(), &taint.effect));
        fits.min().unwrap_or(Fit::Yes)
    }

    fn not_cordoned(&self, node: &Node) -> Fit {
        if !node.spec.unschedulable || self.node_name.is_some() {
            return Fit::Yes;
        }
        self.tolerates("node.kubernetes.io/unschedulable", None, "NoSchedule")
    }

    fn tolerates(&self, key: &str, value: Option<&str>, effect: &str) -> Fit {
        if self.daemon && self.daemon_tolerates(key, effect) {
            return Fit::Yes;
        }
        let answers = self
            .spec
            .tolerations
            .iter()
            .map(|toleration| tolerates(toleration, key, value, effect));
        answers.max().unwrap_or(Fit::No)
    }

    fn daemon_tolerates(&self, key: &str, effect: &str) -> bool {
        let Some(condition) = key.strip_prefix("node.kubernetes.io/") else {
            return false;
        };
        match condition {
            // The node controller sets these two with either effect; the kubelet's pods stay for both.
            "not-ready" | "unreachable" => true,
            "disk-pressure" | "memory-pressure" | "pid-pressure" | "unschedulable" => {
                effect == "NoSchedule"
            }
            "network-unavailable" => self.spec.host_network && effect == "NoSchedule",
            _ => false,
        }
    }

    /// The one node that the template names, by `nodeName` or by a required `kubernetes.io/hostname`.
    pub fn pin(&self) -> Option<Pin<'a>> {
        const HOSTNAME: &str = "kubernetes.io/hostname";
        if let Some(name) = self.node_name {
            return Some(Pin::NodeName(name));
        }
        if let Some(host) = self.spec.node_selector.get(HOSTNAME) {
            return Some(Pin::Hostname(host, "/nodeSelector"));
        }
        let [term] = &self.spec.affinity.node_terms[..] else {
            return None;
        };
        let by_label = term
            .match_expressions
            .iter()
            .filter(|r| &*r.key == HOSTNAME);
        let by_field = term
            .match_fields
            .iter()
            .filter(|r| &*r.key == "metadata.name");
        let one = by_label
            .chain(by_field)
            .find(|r| &*r.operator == "In" && r.values.len() == 1)?;
        Some(Pin::Hostname(one.values.first()?, "/affinity/nodeAffinity"))
    }
}

/// A template that names one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pin<'a> {
    /// `nodeName`: the scheduler is bypassed.
    NodeName(&'a str),
    /// The label `kubernetes.io/hostname` or the node's name is required; the second value points there, below the pod
    /// specification.
    Hostname(&'a str, &'static str),
}

fn term_fits(term: &NodeSelectorTerm, node: &Node) -> Fit {
    // A term without any requirement matches no node.
    if term.match_expressions.is_empty() && term.match_fields.is_empty() {
        return Fit::No;
    }
    let labels = term
        .match_expressions
        .iter()
        .map(|r| Fit::from(r.matches(node.meta.labels.get(&r.key))));
    let fields = term.match_fields.iter().map(|r| {
        if &*r.key == "metadata.name" {
            Fit::from(r.matches(Some(&node.meta.name)))
        } else {
            Fit::Unsure
        }
    });
    labels.chain(fields).min().unwrap_or(Fit::No)
}

/// `Toleration.ToleratesTaint` of `k8s.io/api/core/v1`.
fn tolerates(toleration: &Toleration, key: &str, value: Option<&str>, effect: &str) -> Fit {
    let given = |text: &Option<crate::model::Text>| {
        text.as_deref()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    if given(&toleration.effect).is_some_and(|wanted| wanted != effect)
        || given(&toleration.key).is_some_and(|wanted| wanted != key)
    {
        return Fit::No;
    }
    match toleration.operator.as_deref().unwrap_or("") {
        "Exists" => Fit::Yes,
        "" | "Equal" if toleration.value.as_deref().unwrap_or("") == value.unwrap_or("") => {
            Fit::Yes
        }
        "" | "Equal" => Fit::No,
        _ => Fit::Unsure,
    }
}

/// The nodes that a workload may use now.
///
/// # Errors
/// Why that is not known: nodes could not be listed, or the input is files and nobody stated the number of nodes.
pub fn room<'a>(cx: &Context<'a>, workload: Workload<'a>) -> Result<Room<'a>, String> {
    let stated = cx.facts().nodes.map(Room::Stated);
    if !cx.on_cluster() {
        return stated.ok_or_else(|| {
            "the number of nodes is not known from files (state it: `nodes` in the facts file)"
                .to_owned()
        });
    }
    match cx.known(Kind::Node, "") {
        Ok(()) => Ok(Room::Counted(eligible(cx, Placement::of(workload)))),
        Err(Absence::Unknown(reason)) => stated.ok_or(reason),
        Err(_) => stated.ok_or_else(|| "the nodes are not known".to_owned()),
    }
}

fn eligible<'a>(cx: &Context<'a>, placement: Placement<'_>) -> Eligible<'a> {
    let mut found = Eligible {
        nodes: Vec::new(),
        not_ready: Vec::new(),
        certain: true,
    };
    for node in cx.all::<Node>() {
        match (placement.fits_now(node), placement.fits_once_ready(node)) {
            (Fit::Yes, _) => found.nodes.push(node),
            (Fit::Unsure, _) => {
                found.certain = false;
                found.nodes.push(node);
            }
            (Fit::No, Fit::No) => {}
            (Fit::No, _) => found.not_ready.push(node),
        }
    }
    found
}

/// The sign that nodes are added on demand, so that a pod without a node makes one appear.
pub fn node_autoscaler(cx: &Context<'_>) -> Option<String> {
    const STATUS: &str = "cluster-autoscaler-status";
    const LABELS: &[&str] = &[
        "karpenter.sh/nodepool",
        "karpenter.sh/provisioner-name",
        "eks.amazonaws.com/compute-type",
    ];
    let labelled = |node: &&Node| {
        LABELS
            .iter()
            .any(|label| node.meta.labels.get(label).is_some())
    };
    if let Some(node) = cx.all::<Node>().find(labelled) {
        return Some(format!("labels of node `{}`", node.meta.name));
    }
    // The cluster autoscaler leaves its status here, also where a provider runs it out of sight.
    if cx
        .get::<crate::model::ConfigMap>("kube-system", STATUS)
        .is_some()
    {
        return Some(format!("ConfigMap `kube-system/{STATUS}`"));
    }
    ["kube-system", "cluster-autoscaler", "karpenter"]
        .iter()
        .flat_map(|namespace| cx.in_namespace::<Controller>(namespace))
        .find(|controller| {
            ["cluster-autoscaler", "karpenter"]
                .iter()
                .any(|word| controller.meta.name.contains(word))
        })
        .map(|controller| {
            let reference = crate::model::Object::reference(controller);
            format!("`{reference}`")
        })
}

/// Pods that a controller asks for at least: its replicas, or the minimum of an autoscaler that targets it. Autoscalers
/// leave a workload alone that is scaled to zero.
pub fn least_replicas(cx: &Context<'_>, controller: &Controller) -> i32 {
    let wanted = controller.wanted_replicas().unwrap_or(1);
    if wanted == 0 {
        return 0;
    }
    let minimum = cx
        .autoscalers_of(controller)
        .iter()
        .map(|autoscaler| autoscaler.spec.min_replicas.unwrap_or(1))
        .max();
    wanted.max(minimum.unwrap_or(0))
}

#[cfg(test)]
mod tests;
