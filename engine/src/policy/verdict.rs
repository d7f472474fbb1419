//! Questions and answers.

use super::{Direction, Miss};
use crate::model::{NetworkPolicy, Protocol, Workload};
use std::net::IpAddr;

/// One end of a connection.
#[derive(Debug, Clone, Copy)]
pub enum End<'a> {
    /// A pod, or the pods of a template.
    Workload(Workload<'a>),
    /// An address outside the cluster, or of a node. For a pod's address ask about the pod.
    Address(IpAddr),
}

/// May this connection be made?
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Who connects.
    pub source: End<'a>,
    /// Who is connected to.
    pub destination: End<'a>,
    /// Port of the destination *pod* (not of a Service).
    pub port: i32,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// Why a direction lets a connection pass.
#[derive(Debug, Clone, Copy)]
pub enum Allow<'a> {
    /// No policy isolates the pod in this direction, or this end is no pod.
    NotIsolated,
    /// This rule admits it: policy, and position of the rule in its list.
    Rule(&'a NetworkPolicy, usize),
    /// A pod always reaches itself.
    Itself,
    /// Traffic between a pod and the node that it runs on is always allowed.
    OwnNode,
}

/// The rule that comes closest to admitting a denied connection.
#[derive(Debug, Clone)]
pub struct Closest<'a> {
    /// Its policy.
    pub policy: &'a NetworkPolicy,
    /// Position in the list of its direction.
    pub rule: usize,
    /// JSON pointer to the place that does not fit.
    pub pointer: String,
    /// By what it misses.
    pub miss: Miss,
}

/// The outcome of one direction.
#[derive(Debug, Clone)]
pub enum Half<'a> {
    /// Passes.
    Allowed(Allow<'a>),
    /// Does not pass.
    Denied {
        /// The policies that isolate the pod, by name.
        isolating: Vec<&'a NetworkPolicy>,
        /// `None` when these policies have no rule at all.
        closest: Option<Closest<'a>>,
    },
    /// Cannot be told.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// The answer to a [`Question`].
#[derive(Debug, Clone)]
pub enum Verdict<'a> {
    /// Both ends let it pass.
    Allowed {
        /// Why the source may send.
        egress: Allow<'a>,
        /// Why the destination may receive.
        ingress: Allow<'a>,
    },
    /// One end does not.
    Denied {
        /// Which end; egress when both.
        direction: Direction,
        /// The policies that isolate that end.
        isolating: Vec<&'a NetworkPolicy>,
        /// The rule that comes closest.
        closest: Option<Closest<'a>>,
        /// The other end is an address. Should it belong to the node that the pod runs on, the connection passes all the
        /// same: the API exempts it, and it is not known here where the pod runs or will run.
        except_own_node: bool,
    },
    /// Cannot be told.
    Unknown {
        /// Why.
        reason: String,
    },
}
