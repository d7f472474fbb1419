//! Whoever may label a namespace may opt it out. This policy asks for a right of its own (webhook.md 4.3).

use serde_json::{Value, json};

use super::Edits;
use crate::names;
use crate::object::{Part, cluster, with};

pub(super) fn edits() -> Edits {
    let api = "admissionregistration.k8s.io/v1";
    let policy = with(
        cluster(
            api,
            "ValidatingAdmissionPolicy",
            names::LABEL_GUARD,
            Part::Policy,
        ),
        json!({"spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["namespaces"],
                "scope": "Cluster",
            }]},
            "validations": [{
                "expression": expression(),
                "message": format!(
                    "labels {} need the right to `exempt` namespaces.netdoctor.io",
                    LABELS.join(", ")
                ),
                "reason": "Forbidden",
            }],
            "variables": variables(),
        }}),
    );
    let binding = with(
        cluster(
            api,
            "ValidatingAdmissionPolicyBinding",
            names::LABEL_GUARD,
            Part::Policy,
        ),
        json!({"spec": {"policyName": names::LABEL_GUARD, "validationActions": ["Deny"]}}),
    );
    let role = with(
        cluster(
            "rbac.authorization.k8s.io/v1",
            "ClusterRole",
            names::LABEL_GUARD,
            Part::Policy,
        ),
        json!({"rules": [{
            "apiGroups": ["netdoctor.io"], "resources": ["namespaces"], "verbs": ["exempt"],
        }]}),
    );
    Edits {
        adds: vec![role, policy, binding],
        ..Edits::default()
    }
}

const LABELS: [&str; 3] = [
    names::ADMISSION_LABEL,
    names::PROFILE_LABEL,
    names::MUTATE_LABEL,
];

/// The labels before and after, empty where there are none.
fn variables() -> Vec<Value> {
    let labels = |object: &str| {
        format!(
            "{object} == null || !has({object}.metadata.labels) ? {{}} : {object}.metadata.labels"
        )
    };
    vec![
        json!({"name": "before", "expression": labels("oldObject")}),
        json!({"name": "after", "expression": labels("object")}),
    ]
}

/// Nothing of ours changed, or the user may change it.
fn expression() -> String {
    let names: Vec<String> = LABELS.iter().map(|label| format!("'{label}'")).collect();
    format!(
        "[{}].all(label, (label in variables.before) == (label in variables.after)\n  && (!(label in variables.after) || variables.before[label] == variables.after[label]))\n\
         || authorizer.group('netdoctor.io').resource('namespaces').check('exempt').allowed()",
        names.join(", ")
    )
}
