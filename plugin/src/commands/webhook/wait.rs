//! Waiting, with an answer to the question why it took too long.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::object::{number, text};
use crate::cluster::{ApiError, Cluster};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Looks again and again until there is something, or the time is over.
///
/// # Errors
/// Those of a look that would fail again in the same way.
pub(super) async fn until<T>(
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>, ApiError>,
) -> Result<Option<T>, ApiError> {
    let started = Instant::now();
    loop {
        match look().await {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => {}
            // A right that is missing does not come by waiting.
            Err(error @ ApiError::Forbidden { .. }) => return Err(error),
            // The server may be busy with what was just written; it is asked again while there is time.
            Err(error) if !error.ends_the_run() && started.elapsed() < limit => {}
            Err(error) => return Err(error),
        }
        if started.elapsed() >= limit {
            return Ok(None);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether a Deployment runs what it should, and nothing older (`kubectl rollout status`).
pub(super) fn rolled_out(deployment: &Value) -> bool {
    let wanted = number(deployment, "/spec/replicas");
    number(deployment, "/status/observedGeneration") >= number(deployment, "/metadata/generation")
        && number(deployment, "/status/updatedReplicas") >= wanted
        && number(deployment, "/status/replicas") <= wanted
        && number(deployment, "/status/availableReplicas") >= wanted
}

/// Why the Pods of a Deployment do not run: what the scheduler, the kubelet or the quota says.
pub(super) async fn why_not(cluster: &Cluster, namespace: &str, deployment: &Value) -> String {
    let conditions = deployment.pointer("/status/conditions");
    let failure = conditions
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|condition| {
            text(condition, "/type") == "ReplicaFailure" && text(condition, "/status") == "True"
        });
    if let Some(failure) = failure {
        return text(failure, "/message").to_owned();
    }
    let labels = deployment
        .pointer("/spec/selector/matchLabels")
        .and_then(Value::as_object);
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}%3D{}", value.as_str().unwrap_or_default()))
        .collect();
    let path = format!(
        "/api/v1/namespaces/{namespace}/pods?labelSelector={}",
        selector.join("%2C")
    );
    match cluster.find(&path).await {
        Ok(Some(list)) => {
            let pods = list["items"].as_array().cloned().unwrap_or_default();
            pods.iter()
                .find_map(trouble)
                .unwrap_or_else(|| match pods.len() {
                    0 => "no Pod was created: is the controller manager at work?".to_owned(),
                    _ => "its Pods are not ready yet. If that lasts, look at their log, and whether a NetworkPolicy keeps \
                          them from the API server"
                        .to_owned(),
                })
        }
        Ok(None) => "the namespace is gone".to_owned(),
        Err(error) => format!("its Pods could not be read: {error}"),
    }
}

/// What keeps one Pod from running.
fn trouble(pod: &Value) -> Option<String> {
    let name = text(pod, "/metadata/name");
    let unscheduled = pod["status"]["conditions"].as_array().into_iter().flatten();
    let unscheduled = unscheduled
        .filter(|condition| text(condition, "/type") == "PodScheduled")
        .find(|condition| text(condition, "/status") == "False");
    if let Some(condition) = unscheduled {
        return Some(format!(
            "Pod {name} has no node: {}",
            text(condition, "/message")
        ));
    }
    let containers = pod["status"]["containerStatuses"].as_array();
    containers.into_iter().flatten().find_map(|container| {
        let state = [
            ("/state/waiting", "waits"),
            ("/state/terminated", "ended"),
            ("/lastState/terminated", "ended before"),
        ];
        state.into_iter().find_map(|(pointer, verb)| {
            let state = container.pointer(pointer)?;
            let reason = text(state, "/reason");
            let message = text(state, "/message").lines().next().unwrap_or_default();
            Some(
                format!("Pod {name} {verb}: {reason} {message}")
                    .trim()
                    .to_owned(),
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_rollout_is_over_when_only_new_pods_run() {
        let deployment = |observed: i64, updated: i64, all: i64, available: i64| {
            json!({
                "metadata": {"generation": 2},
                "spec": {"replicas": 2},
                "status": {
                    "observedGeneration": observed, "updatedReplicas": updated, "replicas": all,
                    "availableReplicas": available,
                },
            })
        };
        assert!(rolled_out(&deployment(2, 2, 2, 2)));
        assert!(!rolled_out(&deployment(1, 2, 2, 2)), "not seen yet");
        assert!(!rolled_out(&deployment(2, 1, 2, 2)), "one is old");
        assert!(!rolled_out(&deployment(2, 2, 3, 3)), "an old one is left");
        assert!(!rolled_out(&deployment(2, 2, 2, 1)), "one is not ready");
    }

    #[test]
    fn the_reason_is_the_one_of_the_scheduler_or_the_kubelet() {
        let pod = json!({
            "metadata": {"name": "w-1"},
            "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]},
        });
        assert_eq!(
            trouble(&pod).unwrap(),
            "Pod w-1 has no node: 0/3 nodes are available"
        );
        let pod = json!({
            "metadata": {"name": "w-1"},
            "status": {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found\nat all"}}}]},
        });
        assert_eq!(
            trouble(&pod).unwrap(),
            "Pod w-1 waits: ImagePullBackOff not found"
        );
        assert_eq!(trouble(&json!({"metadata": {"name": "w-1"}})), None);
    }
}
