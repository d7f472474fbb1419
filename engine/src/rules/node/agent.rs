//! Whether the pod that a `DaemonSet` runs on a node works: the dataplane's agent, kube-proxy.

use crate::{
    context::Context,
    model::{Controller, Kind, Node, Object as _, Pod, Text},
    placement,
};

/// Seconds that a new node, or a new agent pod that has not crashed, gets to start.
const START_SECONDS: i64 = 300;

/// What was found on one node.
pub(in crate::rules) enum Agent<'a> {
    /// It runs, or nothing says that it should.
    Fine,
    /// Too early to tell.
    Settling(String),
    /// Its pod is not Ready.
    NotReady(&'a Pod),
    /// The `DaemonSet` should run a pod here and does not.
    Absent(&'a Controller),
}

/// Looks for the pods of these `DaemonSets` on a node. `is_static` recognises the agent where it runs as a static pod.
/// The first trouble counts.
pub(in crate::rules) fn on_node<'a>(
    cx: &Context<'a>,
    node: &'a Node,
    sets: &[(Text, Text)],
    is_static: fn(&Pod) -> bool,
) -> Agent<'a> {
    let here = cx.pods_on(&node.meta.name);
    let of_set = |pod: &Pod, set: &(Text, Text)| {
        pod.meta.namespace == set.0
            && pod
                .meta
                .controller()
                .is_some_and(|owner| &*owner.kind == "DaemonSet" && owner.name == set.1)
    };
    let mut settling = None;
    for set in sets {
        let pods = here.iter().filter(|pod| pod.alive() && of_set(pod, set));
        match of_pods(cx, pods.copied()) {
            Some(Agent::Settling(reason)) => settling = Some(reason),
            Some(Agent::Fine) => {}
            Some(other) => return other,
            None => match absent(cx, node, set) {
                Agent::Settling(reason) => settling = Some(reason),
                Agent::Fine => {}
                other => return other,
            },
        }
    }
    let statics = here.iter().filter(|pod| {
        let owned = pod
            .meta
            .controller()
            .is_some_and(|owner| &*owner.kind == "DaemonSet");
        pod.alive() && !owned && &*pod.meta.namespace == "kube-system" && is_static(pod)
    });
    match of_pods(cx, statics.copied()) {
        Some(Agent::Settling(reason)) => settling = Some(reason),
        Some(Agent::NotReady(pod)) => return Agent::NotReady(pod),
        _ => {}
    }
    settling.map_or(Agent::Fine, Agent::Settling)
}

/// A set may have two pods on a node for a moment, while one replaces the other: one that works is enough.
fn of_pods<'a>(cx: &Context<'a>, pods: impl Iterator<Item = &'a Pod>) -> Option<Agent<'a>> {
    let mut found = None;
    for pod in pods {
        let state = of_pod(cx, pod);
        if matches!(state, Agent::Fine) {
            return Some(state);
        }
        found = found.or(Some(state));
    }
    found
}

fn of_pod<'a>(cx: &Context<'a>, pod: &'a Pod) -> Agent<'a> {
    if pod.ready() {
        return Agent::Fine;
    }
    let seconds = |time: jiff::Timestamp| cx.now.as_second() - time.as_second();
    let since = pod
        .status
        .ready
        .as_ref()
        .and_then(|ready| ready.last_transition_time)
        .map(seconds);
    let age = pod.meta.age_seconds(cx.now);
    let all = pod
        .status
        .init_containers
        .iter()
        .chain(&pod.status.containers);
    let crashed = all.into_iter().any(|status| status.restart_count > 0);
    let starting = !crashed && age.is_some_and(|age| age < START_SECONDS);
    if starting || since.is_some_and(|since| since < cx.grace_seconds()) {
        return Agent::Settling(format!("settling: Pod {} is starting", pod.meta));
    }
    Agent::NotReady(pod)
}

/// The controller decides where a pod belongs. Only when it counts fewer pods than it wants is one missing.
fn absent<'a>(cx: &Context<'a>, node: &Node, set: &(Text, Text)) -> Agent<'a> {
    let Some(controller) = cx.controller(&set.0, Kind::DaemonSet.name(), &set.1) else {
        return Agent::Fine;
    };
    let status = &controller.status;
    let spec = &controller.template.spec;
    let windows = &*node.status.node_info.operating_system == "windows"
        && !spec.node_selector.contains_key("kubernetes.io/os");
    let short = status.current_number_scheduled < status.desired_number_scheduled;
    if !short || windows || placement::daemon_runs_on(spec, node) != Some(true) {
        return Agent::Fine;
    }
    let young = |age: Option<i64>| age.is_some_and(|age| age < START_SECONDS);
    let rolling = status.observed_generation < controller.meta.generation
        || status.updated_number_scheduled < status.current_number_scheduled;
    if rolling || young(node.meta.age_seconds(cx.now)) || young(controller.meta.age_seconds(cx.now))
    {
        return Agent::Settling(format!(
            "settling: {} is rolling out",
            controller.reference()
        ));
    }
    Agent::Absent(controller)
}
