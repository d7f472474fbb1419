//! Whether the guard answers: the API server is asked, in a dry run, to create something that a rule objects to.

use serde_json::{Value, json};

use super::object;
use crate::cluster::{ApiError, Cluster};

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
    /// The request did not get that far.
    Undecided(String),
}

/// Sends objects that are wrong in different ways until one of them is answered.
pub(super) async fn run(cluster: &Cluster, namespace: &str) -> Result<Verdict, ApiError> {
    let mut last = Verdict::Silent;
    for (code, object) in objects(namespace) {
        let collection = object::place(&object).collection;
        let verdict = match cluster.try_create(&collection, &object).await {
            Ok(answer) => warned(code, &answer.warnings),
            Err(error) if error.ends_the_run() => return Err(error),
            Err(error) => refused(code, &error),
        };
        if matches!(verdict, Verdict::Answered { .. }) {
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
    if text.contains(code) {
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
        let other = denied("services is forbidden: User \"jane\" cannot create");
        assert!(matches!(refused("SVC019", &other), Verdict::Undecided(_)));
    }
}
