//! The way from the API server to the port of the Pods, and what a failure on it says about its cause (docs/webhook.md,
//! "When it is not reached").

use std::time::Duration;

use netdoctor_manifests::Options;
use serde_json::Value;

use super::object::text;
use crate::cluster::ApiError;

/// The longest wait for an answer on that way. A packet that is dropped is never answered, and the API server itself would
/// try for half a minute.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Name of that port in the manifests.
const PORT_NAME: &str = "webhook";

/// Where packets end that nothing answers.
const DROPPED: &str = "dropped on the way, usually by a firewall or policy between control plane and nodes. \
                       Private GKE clusters open 10250 only; EKS with a custom CNI cannot reach Pods and needs --with=host-network";

/// The port of the Pods that the API server has to reach.
pub(super) fn port(deployment: Option<&Value>) -> u64 {
    let ports = deployment.and_then(|deployment| {
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        container["ports"].as_array()
    });
    let mut ports = ports.into_iter().flatten();
    ports
        .find(|port| text(port, "/name") == PORT_NAME)
        .and_then(|port| port["containerPort"].as_u64())
        .unwrap_or_else(|| u64::from(Options::default().port))
}

/// What a failed connection says about its cause.
pub(super) fn classify(message: &str) -> String {
    let cause = if message.contains("no endpoints available") {
        "no Pod of the Service is ready"
    } else if message.contains("connection refused") {
        "nothing listens on that port of the Pods, or a policy or firewall rejects the connection"
    } else if message.contains("i/o timeout") || message.contains("deadline exceeded") {
        DROPPED
    } else if message.contains("x509") {
        "the certificate does not match"
    } else {
        return message.to_owned();
    };
    format!("{cause} ({message})")
}

/// The words for an answer that never came, or `None` for any other failure.
pub(super) fn unanswered(error: &ApiError) -> Option<String> {
    match error {
        ApiError::Timeout { after, .. } => Some(format!(
            "{DROPPED} (no answer within {}s)",
            after.as_secs_f32()
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netdoctor_manifests::{names, render};

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
                "failed calling webhook \"validate.netdoctor.io\": context deadline exceeded",
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

    #[test]
    fn silence_is_a_firewall_and_other_failures_are_not() {
        let silence = ApiError::Timeout {
            server: "10.0.0.1:6443".to_owned(),
            after: PATIENCE,
        };
        let words = unanswered(&silence).unwrap();
        assert!(words.starts_with("dropped on the way"), "{words}");
        assert!(words.ends_with("(no answer within 5s)"), "{words}");
        let forbidden = ApiError::Forbidden {
            message: String::new(),
        };
        assert_eq!(unanswered(&forbidden), None);
    }

    #[test]
    fn the_port_is_the_one_of_the_pods() {
        let options = Options {
            port: 9443,
            ..Options::default()
        };
        let objects = render(&options);
        let server = |object: &&Value| {
            text(object, "/kind") == "Deployment"
                && text(object, "/metadata/name") == names::WEBHOOK
        };
        assert_eq!(port(objects.iter().find(server)), 9443);
        assert_eq!(port(None), 10250);
    }
}
