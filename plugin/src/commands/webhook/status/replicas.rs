//! The Pods of the server, and whether the API server has a way to them.

use netdoctor_manifests::names;
use serde_json::Value;

use super::super::object::{self, number, text};
use super::super::wait;
use super::unknown;
use crate::cluster::{ApiError, Cluster};
use crate::render::status::{Line, State};

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
            (None, _) if version != client => State::Warning,
            (None, _) => State::Good,
        };
        lines.push(Line::new(state, "deployment", words));
        lines
    }
}

/// Whether the API server reaches the port of the webhook: it is asked to pass on a GET, which the webhook answers with an
/// error of its own.
pub(super) async fn reachability(cluster: &Cluster, namespace: &str) -> anyhow::Result<Line> {
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
    Ok(match cluster.get_bytes(&path).await {
        Ok(answer) => reached(answer.status),
        Err(ApiError::Status { status, .. }) => reached(status),
        Err(ApiError::NotFound { message }) => Line::new(
            State::Wrong,
            about,
            format!("the API server has nowhere to send requests: {message}"),
        ),
        Err(ApiError::Server { message, .. }) => Line::new(
            State::Wrong,
            about,
            format!(
                "the API server does not reach the webhook: {}",
                classify(&message)
            ),
        ),
        Err(error) => unknown(
            error,
            about,
            "whether the API server reaches the webhook",
            &format!("get services/proxy -n {namespace}"),
        )?,
    })
}

/// What a failed connection says about its cause.
fn classify(message: &str) -> String {
    let cause = if message.contains("no endpoints available") {
        "no Pod of the Service is ready"
    } else if message.contains("connection refused") {
        "nothing listens on that port of the Pods, or a policy or firewall rejects the connection"
    } else if message.contains("i/o timeout") || message.contains("deadline exceeded") {
        "packets are dropped on the way: on GKE a firewall rule for the port, on EKS with a custom CNI --with=host-network, elsewhere a NetworkPolicy"
    } else if message.contains("x509") {
        "the certificate does not match"
    } else {
        return message.to_owned();
    };
    format!("{cause} ({message})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_apart() {
        for (message, words) in [
            ("no endpoints available for service \"x\"", "no Pod"),
            (
                "error trying to reach service: dial tcp 10.0.0.1:10250: connect: connection refused",
                "nothing listens",
            ),
            (
                "error trying to reach service: dial tcp 10.0.0.1:10250: i/o timeout",
                "dropped",
            ),
            (
                "tls: failed to verify certificate: x509: unknown authority",
                "certificate",
            ),
        ] {
            assert!(classify(message).contains(words), "{message}");
            assert!(classify(message).contains(message));
        }
        assert_eq!(classify("something new"), "something new");
    }
}
