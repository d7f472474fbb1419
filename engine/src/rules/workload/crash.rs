//! Containers that crash again and again, told from the pod's status and its events.

use super::signature::{Signature, signature};
use crate::{
    context::Context,
    model::{ContainerState, ContainerStatus, Kind, Pod, Terminated},
};

/// Restarts that make a loop, and the seconds they happen in.
const RESTARTS: i32 = 3;
const WINDOW_SECONDS: i64 = 600;

/// A container in a crash loop.
pub(in crate::rules) struct Crash<'a> {
    /// JSON pointer to its status.
    pub pointer: String,
    /// Its status.
    pub status: &'a ContainerStatus,
    /// How it ended last, if that is recorded.
    pub ended: Option<&'a Terminated>,
}

impl Crash<'_> {
    /// The kernel or the runtime ended it for its use of memory.
    pub(in crate::rules) fn out_of_memory(&self) -> bool {
        let reason = self.ended.and_then(|ended| ended.reason.as_deref());
        reason == Some("OOMKilled")
    }

    /// What its last words say about the network.
    pub(in crate::rules) fn signature(&self) -> Option<Signature> {
        signature(self.last_words()?)
    }

    /// The flag with which `kubectl logs` shows the run that ended last. While the container is down that is its present
    /// log, and the kubelet has removed the run before.
    pub(in crate::rules) fn previous_flag(&self) -> &'static str {
        match self.status.state {
            ContainerState::Running(_) => " --previous",
            _ => "",
        }
    }

    /// What it printed before it ended. Where the last end left no message, the end before it usually had the same.
    pub(in crate::rules) fn last_words(&self) -> Option<&str> {
        let ends = [self.ended, self.status.last_state.as_deref()];
        ends.into_iter()
            .flatten()
            .find_map(|ended| ended.message.as_deref())
            .filter(|message| !message.is_empty())
    }

    /// Why it crashes, as far as that is known.
    pub(in crate::rules) fn reason(&self, cx: &Context<'_>, namespace: &str) -> String {
        if self.out_of_memory() {
            return "it ran out of memory (OOMKilled)".to_owned();
        }
        if let Some(signature) = self.signature() {
            return signature.describe(cx, namespace);
        }
        match self.ended {
            Some(ended) => format!("exit code {}", ended.exit_code),
            None => "its end was not recorded".to_owned(),
        }
    }
}

/// Containers of a pod that are in a crash loop, init containers included.
pub(in crate::rules) fn crashes<'p, 'a: 'p>(cx: &Context<'a>, pod: &'p Pod) -> Vec<Crash<'p>> {
    let groups = [
        ("containerStatuses", &pod.status.containers),
        ("initContainerStatuses", &pod.status.init_containers),
    ];
    let all = groups.into_iter().flat_map(|(field, statuses)| {
        let numbered = statuses.iter().enumerate();
        numbered.map(move |(index, status)| (format!("/status/{field}/{index}"), status))
    });
    all.filter(|(_, status)| loops(cx, pod, status))
        .map(|(pointer, status)| Crash {
            pointer,
            status,
            ended: match &status.state {
                ContainerState::Terminated(ended) => Some(&**ended),
                _ => status.last_state.as_deref(),
            },
        })
        .collect()
}

fn loops(cx: &Context<'_>, pod: &Pod, status: &ContainerStatus) -> bool {
    match &status.state {
        ContainerState::Waiting(reason, _) => reason.as_deref() == Some("CrashLoopBackOff"),
        // Between two restarts. One exit alone is no loop, and an init container that succeeded ends for good.
        ContainerState::Terminated(ended) => {
            status.last_state.is_some() && status.restart_count > 0 && ended.exit_code != 0
        }
        ContainerState::Running(_) => restarts_often(cx, pod, status),
        ContainerState::Unset => false,
    }
}

/// The API holds a total and one last end. A rate follows only where the pod itself is younger than the window, or
/// where the kubelet's back-off events are recent.
fn restarts_often(cx: &Context<'_>, pod: &Pod, status: &ContainerStatus) -> bool {
    let recent = |time: Option<jiff::Timestamp>| {
        time.is_some_and(|time| cx.now.as_second() - time.as_second() <= WINDOW_SECONDS)
    };
    let ended = status.last_state.as_deref();
    let failed = ended.is_some_and(|ended| ended.exit_code != 0 && recent(ended.finished_at));
    if status.restart_count < RESTARTS || !failed {
        return false;
    }
    let backs_off = || {
        let events = cx.events_about(Kind::Pod, &pod.meta);
        events.iter().any(|event| {
            &*event.reason == "BackOff"
                && event.message.contains("restarting failed container")
                && recent(event.last_seen())
        })
    };
    recent(pod.status.start_time) || backs_off()
}
