//! What became of a pod and its containers.

use super::Text;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// The status fields that rules read.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(from = "RawPodStatus")]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`; empty in files.
    pub phase: Text,
    /// Reason of a failed pod (`Evicted`, `NodePorts`).
    pub reason: Option<Text>,
    /// Message of a failed pod.
    pub message: Option<Text>,
    /// Condition `Ready`.
    pub ready: Option<Condition>,
    /// Condition `PodScheduled`.
    pub scheduled: Option<Condition>,
    /// Pod addresses, first is `podIP`.
    pub pod_ips: Vec<Text>,
    /// Containers.
    pub containers: Vec<ContainerStatus>,
    /// Init containers.
    pub init_containers: Vec<ContainerStatus>,
    /// When the kubelet accepted the pod.
    pub start_time: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawPodStatus {
    phase: Text,
    reason: Option<Text>,
    message: Option<Text>,
    conditions: Vec<Condition>,
    #[serde(rename = "podIP")]
    pod_ip: Option<Text>,
    #[serde(rename = "podIPs")]
    pod_ips: Vec<RawIp>,
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
    start_time: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawIp {
    ip: Text,
}

impl From<RawPodStatus> for PodStatus {
    fn from(raw: RawPodStatus) -> Self {
        let mut conditions = raw.conditions;
        let mut take = |name: &str| {
            let at = conditions
                .iter()
                .position(|condition| &*condition.kind == name)?;
            Some(conditions.swap_remove(at))
        };
        let (ready, scheduled) = (take("Ready"), take("PodScheduled"));
        let mut pod_ips: Vec<Text> = raw.pod_ips.into_iter().map(|ip| ip.ip).collect();
        if pod_ips.is_empty() {
            pod_ips.extend(raw.pod_ip.filter(|ip| !ip.is_empty()));
        }
        Self {
            phase: raw.phase,
            reason: raw.reason,
            message: raw.message,
            ready,
            scheduled,
            pod_ips,
            containers: raw.container_statuses,
            init_containers: raw.init_container_statuses,
            start_time: raw.start_time,
        }
    }
}

/// A condition of any object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Text,
    /// `True`, `False` or `Unknown`.
    pub status: Text,
    /// Machine-readable reason.
    pub reason: Option<Text>,
    /// Text for people.
    pub message: Option<Text>,
    /// When the status last changed.
    pub last_transition_time: Option<Timestamp>,
    /// The generation it was made for, where the object records that.
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// Status `True`.
    pub fn is_true(&self) -> bool {
        &*self.status == "True"
    }

    /// Status `False`.
    pub fn is_false(&self) -> bool {
        &*self.status == "False"
    }

    /// Searches by type, in any order.
    pub fn find<'a>(conditions: &'a [Self], kind: &str) -> Option<&'a Self> {
        conditions.iter().find(|condition| &*condition.kind == kind)
    }
}

/// What a container did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// Container name.
    pub name: Text,
    /// Whether its readiness probe passes.
    pub ready: bool,
    /// Total number of restarts.
    pub restart_count: i32,
    /// Whether its startup probe has passed.
    pub started: Option<bool>,
    /// Now.
    pub state: ContainerState,
    /// The last time it ended.
    #[serde(deserialize_with = "last_terminated")]
    pub last_state: Option<Box<Terminated>>,
}

/// The present state; at most one field is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "RawState")]
pub enum ContainerState {
    /// Nothing known.
    #[default]
    Unset,
    /// Waiting, with reason and message.
    Waiting(Option<Text>, Option<Text>),
    /// Running since.
    Running(Option<Timestamp>),
    /// Ended.
    Terminated(Box<Terminated>),
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Terminated {
    pub reason: Option<Text>,
    pub message: Option<Text>,
    pub exit_code: i32,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawWaiting {
    reason: Option<Text>,
    message: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawRunning {
    started_at: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawState {
    waiting: Option<RawWaiting>,
    running: Option<RawRunning>,
    terminated: Option<Box<Terminated>>,
}

impl From<RawState> for ContainerState {
    fn from(raw: RawState) -> Self {
        match (raw.terminated, raw.waiting, raw.running) {
            (Some(terminated), _, _) => Self::Terminated(terminated),
            (None, Some(waiting), _) => Self::Waiting(waiting.reason, waiting.message),
            (None, None, Some(running)) => Self::Running(running.started_at),
            (None, None, None) => Self::Unset,
        }
    }
}

fn last_terminated<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<Terminated>>, D::Error> {
    Ok(Option::<RawState>::deserialize(deserializer)?.and_then(|state| state.terminated))
}
