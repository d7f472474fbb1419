//! Why none of the pods is ready: the first reason that holds.

use crate::{
    context::Context,
    model::{ContainerState, ContainerStatus, Node, Object as _, Pod, Probe, Service, Workload},
};
use std::cmp::Reverse;

/// The reason, with one pod or workload that shows it and the number of pods it holds for.
pub(super) enum Reason<'a> {
    /// The workload wants no pods.
    ScaledToZero(Workload<'a>),
    /// The workload wants pods and has none.
    NoPods(Workload<'a>),
    /// Not running yet.
    Pending(&'a Pod, Count),
    /// Containers end and are restarted.
    Crashing(&'a Pod, Count),
    /// The kubelet of the node does not answer.
    NodeDown(&'a Pod, Count),
    /// Running and not ready.
    Probe(&'a Pod, Count),
    /// Ended for good.
    Finished(&'a Pod, Count),
    /// Being deleted.
    Terminating(&'a Pod, Count),
    /// Ready, but in no slice.
    Unlisted,
}

/// Pods for which a reason holds, of all.
#[derive(Clone, Copy)]
pub(super) struct Count {
    of: usize,
    all: usize,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.all == 1 {
            f.write_str("its Pod")
        } else {
            write!(f, "{} of {} Pods", self.of, self.all)
        }
    }
}

impl<'a> Reason<'a> {
    /// The second half of the message.
    pub(super) fn text(&self) -> String {
        let one = |count: &Count, one: &'static str, many: &'static str| {
            format!("{count} {}", if count.all == 1 { one } else { many })
        };
        match self {
            Self::ScaledToZero(workload) => format!("{} is scaled to 0", workload.reference()),
            Self::NoPods(workload) => format!("{} has no Pod", workload.reference()),
            Self::Pending(_, count) => one(count, "has not started", "have not started"),
            Self::Crashing(_, count) => one(count, "keeps crashing", "keep crashing"),
            Self::NodeDown(_, count) => one(
                count,
                "is on a node that is not ready",
                "are on a node that is not ready",
            ),
            Self::Probe(_, count) => one(
                count,
                "runs and fails its readiness check",
                "run and fail their readiness check",
            ),
            Self::Finished(_, count) => one(count, "has ended", "have ended"),
            Self::Terminating(_, count) => one(count, "is being deleted", "are being deleted"),
            Self::Unlisted => "its Pods are Ready, but no EndpointSlice lists them".to_owned(),
        }
    }

    /// For a label on the pod.
    pub(super) fn short(&self) -> &'static str {
        match self {
            Self::Pending(..) => "has not started",
            Self::Crashing(..) => "keeps crashing",
            Self::NodeDown(..) => "its node is not ready",
            Self::Probe(..) => "is not ready",
            Self::Finished(..) => "has ended",
            Self::Terminating(..) => "is being deleted",
            Self::ScaledToZero(_) | Self::NoPods(_) | Self::Unlisted => "",
        }
    }

    /// The pod that shows it.
    pub(super) fn pod(&self) -> Option<&'a Pod> {
        match self {
            Self::Pending(pod, _)
            | Self::Crashing(pod, _)
            | Self::NodeDown(pod, _)
            | Self::Probe(pod, _)
            | Self::Finished(pod, _)
            | Self::Terminating(pod, _) => Some(pod),
            Self::ScaledToZero(_) | Self::NoPods(_) | Self::Unlisted => None,
        }
    }

    /// What the status or the events of the pod say.
    pub(super) fn detail(&self, cx: &Context<'a>) -> Option<String> {
        let pod = self.pod()?;
        let said = match self {
            Self::Pending(..) => waiting(pod),
            Self::Crashing(..) => last_exit(pod),
            Self::NodeDown(..) => pod
                .node_name
                .as_ref()
                .map(|node| format!("node `{node}` is not ready")),
            Self::Probe(..) => unhealthy(cx, pod),
            Self::Finished(..) => pod
                .status
                .reason
                .as_ref()
                .map(|reason| format!("reason `{reason}`")),
            _ => None,
        }?;
        Some(format!("Pod `{}`: {said}", pod.meta.name))
    }
}

fn statuses(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status
        .init_containers
        .iter()
        .chain(&pod.status.containers)
}

fn waiting(pod: &Pod) -> Option<String> {
    let unscheduled = pod
        .status
        .scheduled
        .as_ref()
        .filter(|condition| condition.is_false());
    if let Some(condition) = unscheduled {
        let message = condition.message.as_deref().unwrap_or("no reason given");
        return Some(format!("not scheduled: {message}"));
    }
    statuses(pod).find_map(|status| match &status.state {
        ContainerState::Waiting(Some(reason), message) => Some(format!(
            "container `{}` waits: {reason}{}",
            status.name,
            message
                .as_deref()
                .map(|message| format!(": {message}"))
                .unwrap_or_default()
        )),
        _ => None,
    })
}

fn last_exit(pod: &Pod) -> Option<String> {
    statuses(pod).find_map(|status| {
        let ended = match &status.state {
            ContainerState::Terminated(ended) => ended,
            _ => status.last_state.as_ref()?,
        };
        let reason = ended.reason.as_deref().unwrap_or("Error");
        Some(format!(
            "container `{}` ended with code {} ({reason}), {} restarts",
            status.name, ended.exit_code, status.restart_count
        ))
    })
}

/// The last message of a failing probe.
fn unhealthy(cx: &Context<'_>, pod: &Pod) -> Option<String> {
    cx.events_about(pod.kind(), &pod.meta)
        .into_iter()
        .filter(|event| &*event.reason == "Unhealthy")
        .max_by_key(|event| (event.last_seen(), Reverse(&event.meta.name)))
        .map(|event| event.message.trim().to_owned())
}

/// Completed Jobs never serve again, and are no reason to worry.
pub(super) fn of_finished_job(pod: &Pod) -> bool {
    pod.finished()
        && pod
            .meta
            .controller()
            .is_some_and(|owner| &*owner.kind == "Job")
}

/// The state may be on its way to something else: young objects, a rollout that has not been acted on, probes that are
/// not due yet.
pub(super) fn settling(
    cx: &Context<'_>,
    service: &Service,
    pods: &[&Pod],
    templates: &[Workload<'_>],
) -> bool {
    let younger = |age: Option<i64>, than: i64| age.is_some_and(|age| age < than);
    let grace = cx.grace_seconds();
    if younger(service.meta.age_seconds(cx.now), grace) {
        return true;
    }
    let young_pod = pods.iter().filter(|pod| pod.alive()).any(|pod| {
        let became_ready = pod.status.ready.as_ref().filter(|ready| ready.is_true());
        let since = became_ready
            .and_then(|ready| ready.last_transition_time)
            .map(|at| cx.now.as_second() - at.as_second());
        younger(pod.meta.age_seconds(cx.now), grace + patience(pod)) || younger(since, grace)
    });
    young_pod
        || templates.iter().any(|workload| {
            let meta = workload.meta();
            let unseen = workload
                .controller()
                .is_some_and(|controller| controller.status.observed_generation < meta.generation);
            younger(meta.age_seconds(cx.now), grace) || unseen
        })
}

/// Seconds that the probes of a pod which never restarted give it to start.
fn patience(pod: &Pod) -> i64 {
    if statuses(pod).any(|status| status.restart_count > 0) || &*pod.status.phase != "Running" {
        return 0;
    }
    let or = |value: i32, default: i64| {
        if value > 0 { i64::from(value) } else { default }
    };
    let startup = |probe: &Probe| {
        or(probe.initial_delay_seconds, 0)
            + or(probe.period_seconds, 10) * or(probe.failure_threshold, 3)
    };
    let containers = pod.spec.containers.iter().map(|container| {
        let readiness = container.readiness_probe.as_deref();
        container.startup_probe.as_deref().map_or(0, startup)
            + readiness.map_or(0, |probe| or(probe.initial_delay_seconds, 0))
    });
    containers.max().unwrap_or(0)
}

/// The first reason that holds.
pub(super) fn first<'a>(
    cx: &Context<'a>,
    pods: &[&'a Pod],
    templates: &[Workload<'a>],
) -> Option<Reason<'a>> {
    if pods.is_empty() {
        let wants = |workload: &&Workload<'a>| {
            workload
                .controller()
                .is_some_and(|controller| controller.wanted_replicas() != Some(0))
        };
        return match templates.iter().find(wants) {
            Some(workload) => Some(Reason::NoPods(*workload)),
            None => templates
                .first()
                .map(|workload| Reason::ScaledToZero(*workload)),
        };
    }
    let alive: Vec<&'a Pod> = pods.iter().copied().filter(|pod| pod.alive()).collect();
    let holding = |all: &[&'a Pod], holds: &dyn Fn(&Pod) -> bool| {
        let mut found = all.iter().filter(|pod| holds(pod));
        let first = *found.next()?;
        let of = 1 + found.count();
        Some((first, Count { of, all: all.len() }))
    };
    if alive.is_empty() {
        if let Some((pod, count)) = holding(pods, &|pod| pod.meta.deleting()) {
            return Some(Reason::Terminating(pod, count));
        }
        return holding(pods, &Pod::finished).map(|(pod, count)| Reason::Finished(pod, count));
    }
    let node_down = |pod: &Pod| {
        pod.node_name
            .as_ref()
            .and_then(|node| cx.get::<Node>("", node))
            .is_some_and(|node| node.ready_condition().is_some() && !node.ready())
    };
    if let Some((pod, count)) = holding(&alive, &pending) {
        return Some(Reason::Pending(pod, count));
    }
    if let Some((pod, count)) = holding(&alive, &node_down) {
        return Some(Reason::NodeDown(pod, count));
    }
    if let Some((pod, count)) = holding(&alive, &crashing) {
        return Some(Reason::Crashing(pod, count));
    }
    holding(&alive, &|pod| !pod.ready())
        .map(|(pod, count)| Reason::Probe(pod, count))
        .or(Some(Reason::Unlisted))
}

/// Not scheduled, or waiting for something else than its own crash.
fn pending(pod: &Pod) -> bool {
    &*pod.status.phase == "Pending" && !crashing(pod)
}

fn crashing(pod: &Pod) -> bool {
    statuses(pod).any(|status| match &status.state {
        ContainerState::Waiting(Some(reason), _) => &**reason == "CrashLoopBackOff",
        ContainerState::Terminated(ended) => ended.exit_code != 0,
        _ => false,
    })
}
