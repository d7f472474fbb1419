//! The last words of failing containers (`--logs`): the tail of the previous run, where the status does not hold it.

use futures_util::StreamExt as _;
use netdoctor_engine::model::{Kind, Pod};
use netdoctor_engine::snapshot::{Builder, Coverage};

use super::gap;
use crate::cluster::Cluster;

/// Containers whose logs are read in one run.
const MOST_CONTAINERS: usize = 50;
/// Lines and bytes of each.
const TAIL: &str = "tailLines=20&limitBytes=4096";

/// Puts the tail of the previous run into the last state of every container that restarts and left no message.
pub(super) async fn read(cluster: &Cluster, mut builder: Builder) -> Builder {
    let wanted: Vec<(String, String, String)> = builder
        .pods()
        .flat_map(failing)
        .take(MOST_CONTAINERS)
        .collect();
    let reads = wanted.into_iter().map(|(namespace, pod, container)| async move {
        let name = percent_encoding::utf8_percent_encode(&container, percent_encoding::NON_ALPHANUMERIC);
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?container={name}&previous=true&{TAIL}");
        (cluster.get_bytes(&path).await, namespace, pod, container)
    });
    let tails: Vec<_> = futures_util::stream::iter(reads)
        .buffered(8)
        .collect()
        .await;
    for (answer, namespace, pod, container) in tails {
        match answer {
            Ok(answer) => {
                let text = String::from_utf8_lossy(&answer.body).into_owned();
                builder.last_words(&namespace, &pod, &container, &text);
            }
            Err(error) => {
                let mut gap = gap(Kind::Pod, Some(&namespace), &error);
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

fn failing(pod: &Pod) -> Vec<(String, String, String)> {
    let statuses = pod
        .status
        .containers
        .iter()
        .chain(&pod.status.init_containers);
    let silent = statuses.filter(|status| {
        status.restart_count > 0
            && status
                .last_state
                .as_ref()
                .is_some_and(|last| last.message.is_none())
    });
    silent
        .map(|status| {
            (
                pod.meta.namespace.to_string(),
                pod.meta.name.to_string(),
                status.name.to_string(),
            )
        })
        .collect()
}
