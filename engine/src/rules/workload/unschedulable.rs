//! Why the scheduler finds no node, read from its own message.
//!
//! Source: the filter plugins of `k8s.io/kubernetes/pkg/scheduler/framework/plugins`, whose reasons the scheduler joins
//! to `0/N nodes are available: ...`.

/// One reason, as the scheduler words it and as we name it.
const REASONS: &[(&str, Reason)] = &[
    ("free ports for the requested pod ports", Reason::HostPort),
    ("anti-affinity", Reason::AntiAffinity),
    ("node.kubernetes.io/not-ready", Reason::NodeNotReady),
    ("node.kubernetes.io/unreachable", Reason::NodeNotReady),
    ("taint", Reason::Taint),
    ("were unschedulable", Reason::Cordoned),
    ("insufficient ", Reason::Resources),
    ("too many pods", Reason::Resources),
    ("persistentvolume", Reason::Volume),
    ("volume", Reason::Volume),
    ("node affinity", Reason::NodeSelector),
    ("node selector", Reason::NodeSelector),
    ("pod affinity", Reason::Affinity),
    ("topology spread", Reason::Spread),
    ("no nodes available", Reason::NoNode),
];

/// Why no node takes a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rules) enum Reason {
    HostPort,
    AntiAffinity,
    NodeNotReady,
    Taint,
    Cordoned,
    Resources,
    Volume,
    NodeSelector,
    Affinity,
    Spread,
    NoNode,
}

impl Reason {
    pub(in crate::rules) fn describe(self) -> &'static str {
        match self {
            Self::HostPort => "its host port is taken",
            Self::AntiAffinity => "required anti-affinity keeps it away",
            Self::NodeNotReady => "nodes are not ready",
            Self::Taint => "it does not tolerate a taint",
            Self::Cordoned => "nodes are cordoned",
            Self::Resources => "nodes have too few free resources",
            Self::Volume => "its volume cannot be used there",
            Self::NodeSelector => "node selector or node affinity match no node",
            Self::Affinity => "required pod affinity is not met",
            Self::Spread => "topology spread constraints are not met",
            Self::NoNode => "there is no node",
        }
    }
}

/// The reasons that a message names, most specific first. What scheduling with preemption would have needed is
/// repeated behind `preemption:` and says nothing new.
pub(in crate::rules) fn reasons(message: &str) -> Vec<Reason> {
    let lower = message.to_ascii_lowercase();
    let message = lower.split("preemption:").next().unwrap_or_default();
    let mut found: Vec<Reason> = Vec::new();
    for clause in message.split([',', ':']) {
        let known = REASONS.iter().find(|(words, _)| clause.contains(words));
        found.extend(known.map(|(_, reason)| *reason));
    }
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_clause_of_the_schedulers_message_is_named() {
        let message = "0/3 nodes are available: 1 node(s) didn't have free ports for the requested pod ports, \
            1 node(s) had untolerated taint {dedicated: gpu}, 1 Insufficient cpu. preemption: 0/3 nodes are available: \
            3 No preemption victims found for incoming pod.";
        assert_eq!(
            reasons(message),
            [Reason::HostPort, Reason::Taint, Reason::Resources]
        );
    }

    #[test]
    fn a_taint_of_a_dead_node_is_the_node() {
        let message = "0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/unreachable: }.";
        assert_eq!(reasons(message), [Reason::NodeNotReady]);
    }

    #[test]
    fn other_wordings() {
        let anti = "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.";
        assert_eq!(reasons(anti), [Reason::AntiAffinity]);
        let affinity =
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.";
        assert_eq!(reasons(affinity), [Reason::NodeSelector]);
        let volume = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
        assert_eq!(reasons(volume), [Reason::Volume]);
        assert_eq!(
            reasons("no nodes available to schedule pods"),
            [Reason::NoNode]
        );
        assert_eq!(reasons("something new"), []);
    }
}
