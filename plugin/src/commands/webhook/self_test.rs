//! Whether the guard answers: the API server is asked, in a dry run, to create something that a rule objects to.

use std::time::Duration;

use netdoctor_manifests::names::VALIDATING_WEBHOOK;
use serde_json::{Value, json};

use super::{object, route};
use crate::cluster::{ApiError, Cluster};

/// The longest wait for an answer. The webhook gets two seconds of it (`timeoutSeconds`); other guards may take theirs.
const PATIENCE: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The rule spoke: the whole way works.
    Answered {
        /// Its code.
        code: &'static str,
        /// Its words.
        text: String,
        /// Whether it refused.
        refused: bool,
    },
    /// The API server would create the object, and nobody objects.
    Silent,
    /// The API server could not ask the webhook, and why.
    Unreached(String),
    /// The request did not get that far.
    Undecided(String),
}

/// Sends objects that are wrong in different ways until one of them is answered.
pub(super) async fn run(cluster: &Cluster, namespace: &str) -> Result<Verdict, ApiError> {
    let mut last = Verdict::Silent;
    for (code, object) in objects(namespace) {
        let collection = object::place(&object).collection;
        let verdict = match cluster.try_create(&collection, &object, PATIENCE).await {
            Ok(answer) => warned(code, &answer.warnings),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => refused(code, &error),
        };
        // Whoever is not reached now is not reached with the next object either.
        if matches!(verdict, Verdict::Answered { .. } | Verdict::Unreached(_)) {
            return Ok(verdict);
        }
        if verdict != Verdict::Silent {
            last = verdict;
        }
    }
    Ok(last)
}

/// Objects that violate a rule by themselves, whatever else the cluster holds, and that few other guards mind.
fn objects(namespace: &str) -> [(&'static str, Value); 2] {
    let metadata = json!({"name": "netdoctor-self-test", "namespace": namespace});
    [
        (
            "POL007",
            json!({
                "apiVersion": "networking.k8s.io/v1",
                "kind": "NetworkPolicy",
                "metadata": metadata,
                "spec": {
                    "podSelector": {"matchLabels": {"app": "netdoctor-self-test"}},
                    "policyTypes": ["Ingress"],
                    "egress": [{"ports": [{"port": 443, "protocol": "TCP"}]}],
                },
            }),
        ),
        (
            "SVC019",
            json!({
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": metadata,
                "spec": {"type": "ExternalName", "externalName": "localhost"},
            }),
        ),
    ]
}

fn warned(code: &'static str, warnings: &[String]) -> Verdict {
    let ours = warnings.iter().find(|warning| warning.contains(code));
    ours.map_or(Verdict::Silent, |text| Verdict::Answered {
        code,
        text: text.clone(),
        refused: false,
    })
}

fn refused(code: &'static str, error: &ApiError) -> Verdict {
    let text = error.to_string();
    if let ApiError::Timeout { after, .. } = error {
        Verdict::Undecided(format!(
            "the API server had no answer within {}s, of which two at most are for this webhook: another one does \
             not answer, or the server is overloaded",
            after.as_secs_f32()
        ))
    } else if text.contains("failed calling webhook") && text.contains(VALIDATING_WEBHOOK) {
        Verdict::Unreached(route::classify(&text))
    } else if text.contains(code) {
        Verdict::Answered {
            code,
            text,
            refused: true,
        }
    } else {
        Verdict::Undecided(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_or_a_refusal_with_the_code_is_an_answer() {
        let warnings = [
            "something else".to_owned(),
            "POL007: rules that do nothing".to_owned(),
        ];
        assert!(matches!(
            warned("POL007", &warnings),
            Verdict::Answered { refused: false, .. }
        ));
        assert_eq!(warned("POL007", &warnings[..1]), Verdict::Silent);
        let denied = |message: &str| ApiError::Forbidden {
            message: message.to_owned(),
        };
        let ours =
            denied("admission webhook \"validate.netdoctor.io\" denied the request: SVC019: x");
        assert!(matches!(
            refused("SVC019", &ours),
            Verdict::Answered { refused: true, .. }
        ));
        let dead = ApiError::Server {
            status: 500,
            message: "Internal error occurred: failed calling webhook \"validate.netdoctor.io\": failed to call webhook: \
                      Post \"https://x\": context deadline exceeded"
                .to_owned(),
        };
        let verdict = refused("POL007", &dead);
        assert!(
            matches!(&verdict, Verdict::Unreached(cause) if cause.starts_with("dropped on the way")),
            "{verdict:?}"
        );
        let elsewhere = ApiError::Timeout {
            server: "10.0.0.1:6443".to_owned(),
            after: PATIENCE,
        };
        let verdict = refused("POL007", &elsewhere);
        assert!(
            matches!(&verdict, Verdict::Undecided(why) if why.contains("no answer within 10s")),
            "{verdict:?}"
        );
        let other = denied("services is forbidden: User \"jane\" cannot create");
        assert!(matches!(refused("SVC019", &other), Verdict::Undecided(_)));
    }
}
