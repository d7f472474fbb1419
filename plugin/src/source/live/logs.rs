//! The last words of failing containers (`--logs`): the tail of the run that ended last, where the status does not hold it.

use futures_util::StreamExt as _;
use netdoctor_engine::model::{ContainerState, Kind, Pod};
use netdoctor_engine::snapshot::{Builder, Coverage};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::gap;
use crate::cluster::Cluster;

/// Containers whose logs are read in one run.
const MOST_CONTAINERS: usize = 50;
/// Lines and bytes of each.
const TAIL: &str = "tailLines=20&limitBytes=4096";
/// What the kubelet answers, with status 200, about a container that it has removed.
const REMOVED: &str = "unable to retrieve container logs for ";

/// Puts the tail of the run that ended last into the status of every container that restarts and left no message.
pub(super) async fn read(cluster: &Cluster, mut builder: Builder) -> Builder {
    let wanted: Vec<Silent> = builder
        .pods()
        .flat_map(failing)
        .take(MOST_CONTAINERS)
        .collect();
    let reads = wanted
        .into_iter()
        .map(|silent| async move { (cluster.get_bytes(&silent.path()).await, silent) });
    let tails: Vec<_> = futures_util::stream::iter(reads)
        .buffered(8)
        .collect()
        .await;
    for (answer, silent) in tails {
        let namespace = &*silent.namespace;
        match answer {
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer.body);
                if !text.starts_with(REMOVED) {
                    builder.last_words(namespace, &silent.pod, &silent.container, &text);
                }
            }
            Err(error) => {
                let mut gap = gap(Kind::Pod, Some(namespace), &error);
                gap.verb = "get".into();
                gap.resource = "pods/log".into();
                let coverage: &mut Coverage = builder.coverage(Kind::Pod);
                if !coverage.log_gaps.contains(&gap) {
                    coverage.log_gaps.push(gap);
                }
            }
        }
    }
    builder
}

/// A container whose last words are missing.
#[derive(Debug, PartialEq, Eq)]
struct Silent {
    namespace: String,
    pod: String,
    container: String,
    /// It runs again. While it is down, the words of its last run are its present log, and the kubelet has removed the
    /// run before that.
    runs: bool,
}

impl Silent {
    fn path(&self) -> String {
        let Self { namespace, pod, .. } = self;
        let container = utf8_percent_encode(&self.container, NON_ALPHANUMERIC);
        let previous = if self.runs { "&previous=true" } else { "" };
        format!(
            "/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}{previous}&{TAIL}"
        )
    }
}

fn failing(pod: &Pod) -> Vec<Silent> {
    let statuses = pod
        .status
        .containers
        .iter()
        .chain(&pod.status.init_containers);
    let silent = statuses.filter(|status| {
        let ended = match &status.state {
            ContainerState::Terminated(ended) => Some(ended),
            _ => status.last_state.as_ref(),
        };
        status.restart_count > 0 && ended.is_some_and(|ended| ended.message.is_none())
    });
    silent
        .map(|status| Silent {
            namespace: pod.meta.namespace.to_string(),
            pod: pod.meta.name.to_string(),
            container: status.name.to_string(),
            runs: matches!(status.state, ContainerState::Running(_)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netdoctor_engine::model::decode::{self, Any};

    fn asked(state: &str, last: &str) -> Vec<String> {
        let json = format!(
            r#"{{"metadata": {{"name": "b-1", "namespace": "shop"}}, "status": {{"containerStatuses": [
                {{"name": "c", "restartCount": 3, "state": {state}, "lastState": {last}}}]}}}}"#
        );
        match decode::from_slice(Kind::Pod, json.as_bytes()) {
            Any::Pod(pod) => failing(&pod).iter().map(Silent::path).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn the_run_that_ended_last_is_read() {
        let ended = r#"{"terminated": {"exitCode": 1, "reason": "Error"}}"#;
        let waits = r#"{"waiting": {"reason": "CrashLoopBackOff"}}"#;
        let runs = r#"{"running": {}}"#;
        let now = "/api/v1/namespaces/shop/pods/b-1/log?container=c&tailLines=20&limitBytes=4096";
        let before = now.replace("&tail", "&previous=true&tail");
        assert_eq!(asked(ended, ended), [now]);
        assert_eq!(asked(waits, ended), [now]);
        assert_eq!(asked(runs, ended), [before]);
        let said = r#"{"terminated": {"exitCode": 1, "message": "bye"}}"#;
        assert!(asked(runs, said).is_empty());
        assert!(asked(said, ended).is_empty());
    }
}
