//! The Pods of the server, and whether the API server has a way to them.

use netdoctor_manifests::names;
use serde_json::Value;

use super::super::object::{self, number, text};
use super::super::{route, wait};
use super::unknown;
use crate::cluster::{ApiError, Cluster};
use crate::render::status::{Line, State};

/// What a gap leaves open.
const WHETHER: &str = "whether the API server reaches the webhook";

/// The server as the cluster sees it.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    pub(super) namespace: String,
    pub(super) deployment: Option<Value>,
    /// Pods that are ready: name and port of the metrics.
    pub(super) ready: Vec<(String, i64)>,
    /// Everything could be read.
    pub(super) readable: bool,
    gaps: Vec<Line>,
    trouble: Option<String>,
}

/// Reads Deployment and Pods.
pub(super) async fn read(cluster: &Cluster, namespace: &str) -> Result<Replicas, ApiError> {
    let mut replicas = Replicas {
        namespace: namespace.to_owned(),
        readable: true,
        ..Replicas::default()
    };
    let place = object::of("apps/v1", "Deployment", namespace, names::WEBHOOK);
    match cluster.find(&place.path).await {
        Ok(found) => replicas.deployment = found,
        Err(error) => {
            let right = format!("get deployment/{} -n {namespace}", names::WEBHOOK);
            replicas.readable = false;
            replicas
                .gaps
                .push(unknown(error, "deployment", &place.name, &right)?);
        }
    }
    let selector = "app.kubernetes.io%2Fname%3Dnetdoctor%2Capp.kubernetes.io%2Fcomponent%3Dwebhook";
    let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}");
    match cluster.find(&path).await {
        Ok(list) => {
            let list = list.unwrap_or_default();
            let pods = list["items"].as_array().into_iter().flatten();
            replicas.ready = pods
                .filter(|pod| is_ready(pod))
                .map(|pod| (text(pod, "/metadata/name").to_owned(), metrics_port(pod)))
                .collect();
        }
        Err(error) => {
            let right = format!("list pods -n {namespace}");
            replicas.gaps.push(unknown(error, "pods", "pods", &right)?);
        }
    }
    if let Some(deployment) = &replicas.deployment
        && !wait::rolled_out(deployment)
    {
        replicas.trouble = Some(wait::why_not(cluster, namespace, deployment).await);
    }
    Ok(replicas)
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| {
        text(condition, "/type") == "Ready" && text(condition, "/status") == "True"
    }) && pod["metadata"].get("deletionTimestamp").is_none()
}

fn metrics_port(pod: &Value) -> i64 {
    let ports = pod["spec"]["containers"][0]["ports"].as_array();
    let mut ports = ports.into_iter().flatten();
    ports
        .find(|port| text(port, "/name") == "metrics")
        .map_or(i64::from(names::METRICS_PORT), |port| {
            number(port, "/containerPort")
        })
}

impl Replicas {
    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = self.gaps.clone();
        let Some(deployment) = &self.deployment else {
            return lines;
        };
        let (wanted, available) = (
            number(deployment, "/spec/replicas"),
            number(deployment, "/status/availableReplicas"),
        );
        let version = text(deployment, "/metadata/labels/app.kubernetes.io~1version");
        let client = env!("CARGO_PKG_VERSION");
        let mut words = format!(
            "deployment {} {available}/{wanted} ready, v{version} (client v{client})",
            names::WEBHOOK
        );
        let state = match (&self.trouble, available) {
            (Some(trouble), _) => {
                words.push_str(&format!(": {trouble}"));
                if available == 0 {
                    State::Wrong
                } else {
                    State::Warning
                }
            }
            (None, 0) => {
                words.push_str(": nobody answers");
                State::Wrong
            }
            (None, _) if version != client => State::Warning,
            (None, _) => State::Good,
        };
        lines.push(Line::new(state, "deployment", words));
        lines
    }
}

/// Whether the API server reaches the port of the webhook: it is asked to pass on a GET, which the webhook answers with an
/// error of its own.
pub(super) async fn reachability(cluster: &Cluster, replicas: &Replicas) -> anyhow::Result<Line> {
    let namespace = &replicas.namespace;
    let about = "reachability";
    let path = format!(
        "/api/v1/namespaces/{namespace}/services/https:{}:https/proxy/validate",
        names::WEBHOOK
    );
    let reached = |status: u16| {
        Line::new(
            State::Good,
            about,
            format!(
                "the API server reaches the webhook through its Service (it answered a GET with {status})"
            ),
        )
    };
    let unreached = |cause: &str| {
        let port = route::port(replicas.deployment.as_ref());
        Line::new(
            State::Wrong,
            about,
            format!("the API server does not reach the Pod port {port}: {cause}"),
        )
    };
    let error = match cluster.get_within(&path, route::PATIENCE).await {
        Ok(answer) => return Ok(reached(answer.status)),
        Err(error) => error,
    };
    if let Some(cause) = route::unanswered(&error) {
        // It is the way to the Pods only if the API server answers what it knows by itself.
        let alive = cluster.get_within("/version", route::PATIENCE).await;
        return Ok(match alive {
            Ok(_) => unreached(&cause),
            Err(error) => unknown(error, about, WHETHER, "get /version")?,
        });
    }
    Ok(match error {
        ApiError::Status { status, .. } => reached(status),
        ApiError::NotFound { message } => Line::new(
            State::Wrong,
            about,
            format!("the API server has nowhere to send requests: {message}"),
        ),
        ApiError::Server { message, .. } => unreached(&route::classify(&message)),
        error => unknown(
            error,
            about,
            WHETHER,
            &format!("get services/proxy -n {namespace}"),
        )?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_server_that_is_scaled_to_zero_is_not_well() {
        let with = |count: u32| Replicas {
            deployment: Some(json!({
                "metadata": {"labels": {"app.kubernetes.io/version": env!("CARGO_PKG_VERSION")}},
                "spec": {"replicas": count},
                "status": {"availableReplicas": count},
            })),
            ..Replicas::default()
        };
        assert_eq!(with(2).lines()[0].state, State::Good);
        let idle = &with(0).lines()[0];
        assert_eq!(idle.state, State::Wrong);
        assert!(idle.text.contains("0/0 ready"), "{}", idle.text);
    }
}
