//! In one clause: why a pod is not ready.

use super::{crash::crashes, unschedulable::reasons};
use crate::{
    context::Context,
    model::{ContainerState, Node, Pod},
};

/// Why the pod is not ready, the most telling sign first.
pub(in crate::rules) fn trouble(cx: &Context<'_>, pod: &Pod) -> String {
    if let Some(crash) = crashes(cx, pod).first() {
        let reason = crash.reason(cx, &pod.meta.namespace);
        return format!("container `{}` keeps crashing: {reason}", crash.status.name);
    }
    if let Some(node) = pod.node_name.as_deref()
        && cx.get::<Node>("", node).is_some_and(|node| !node.ready())
    {
        return format!("its node `{node}` is not Ready");
    }
    let unscheduled = pod.status.scheduled.as_ref().filter(|c| c.is_false());
    if let Some(condition) = unscheduled {
        let message = condition.message.as_deref().unwrap_or_default();
        return match reasons(message).first() {
            Some(reason) => format!("it cannot be scheduled: {}", reason.describe()),
            None => "it is not scheduled".to_owned(),
        };
    }
    if pod.finished() {
        let reason = pod.status.reason.as_deref().unwrap_or("no reason recorded");
        return format!("it ended as {} ({reason})", pod.status.phase);
    }
    let all = pod
        .status
        .init_containers
        .iter()
        .chain(&pod.status.containers);
    for status in all.clone() {
        if let ContainerState::Waiting(Some(reason), _) = &status.state
            && !matches!(&**reason, "PodInitializing" | "ContainerCreating")
        {
            return format!("container `{}` is waiting ({reason})", status.name);
        }
    }
    for status in all {
        match &status.state {
            ContainerState::Waiting(Some(reason), _) => {
                return format!("container `{}` has not started ({reason})", status.name);
            }
            ContainerState::Running(_) if !status.ready => {
                return format!("container `{}` runs, but is not ready", status.name);
            }
            _ => {}
        }
    }
    "it is not Ready".to_owned()
}
