//! Why a node is not Ready, as its own condition tells.

use crate::model::{Condition, Node};

/// Kinds of trouble that the `Ready` condition distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rules) enum Trouble {
    /// The control plane hears nothing from the kubelet.
    Silent,
    /// The kubelet has no pod network yet.
    Network,
    /// The container runtime does not answer.
    Runtime,
    /// Anything else.
    Other,
}

/// The trouble of a node whose `Ready` condition is False or Unknown.
pub(in crate::rules) fn trouble(node: &Node) -> Option<Trouble> {
    let ready = node.ready_condition()?;
    let message = ready.message.as_deref().unwrap_or_default();
    let lower = message.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    Some(match &*ready.status {
        "Unknown" => Trouble::Silent,
        "False"
            if any(&[
                "cni ",
                "network plugin",
                "networkplugin",
                "networkready=false",
            ]) =>
        {
            Trouble::Network
        }
        "False" if any(&["container runtime", "pleg "]) => Trouble::Runtime,
        "False" => Trouble::Other,
        _ => return None,
    })
}

impl Trouble {
    /// For a message: what is wrong.
    pub(in crate::rules) fn describe(self) -> &'static str {
        match self {
            Self::Silent => "its kubelet stopped reporting",
            Self::Network => "the pod network is not set up on it",
            Self::Runtime => "its container runtime does not work",
            Self::Other => "its kubelet says so",
        }
    }
}

/// Pressure conditions that are True.
pub(in crate::rules) fn pressure(node: &Node) -> Vec<&'static str> {
    ["DiskPressure", "MemoryPressure", "PIDPressure"]
        .into_iter()
        .filter(|kind| {
            Condition::find(&node.status.conditions, kind).is_some_and(Condition::is_true)
        })
        .collect()
}
