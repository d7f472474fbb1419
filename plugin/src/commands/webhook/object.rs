//! Where the API server keeps an object, and what kubectl calls it.

use serde_json::Value;

/// Selects what is ours, in the query of a list: every object of ours carries that label.
pub(super) const OURS: &str = "labelSelector=app.kubernetes.io%2Fname%3Dnetdoctor";

/// API of configurations, policies and bindings.
pub(super) const ADMISSION: &str = "admissionregistration.k8s.io/v1";

/// The place of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Path of the object.
    pub(super) path: String,
    /// Path of its siblings.
    pub(super) collection: String,
    /// `deployment.apps/netdoctor-webhook`.
    pub(super) name: String,
}

/// The place of an object of ours.
pub(super) fn place(object: &Value) -> Place {
    of(
        text(object, "/apiVersion"),
        text(object, "/kind"),
        text(object, "/metadata/namespace"),
        text(object, "/metadata/name"),
    )
}

/// The place of an object by what identifies it; an empty namespace means that it lives outside of namespaces.
pub(super) fn of(api_version: &str, kind: &str, namespace: &str, name: &str) -> Place {
    let root = if api_version.contains('/') {
        format!("/apis/{api_version}")
    } else {
        format!("/api/{api_version}")
    };
    let scope = if namespace.is_empty() {
        String::new()
    } else {
        format!("/namespaces/{namespace}")
    };
    let kind = kind.to_ascii_lowercase();
    let collection = format!("{root}{scope}/{}", plural(&kind));
    let typed = match api_version.split_once('/') {
        Some((group, _)) => format!("{kind}.{group}"),
        None => kind,
    };
    Place {
        path: format!("{collection}/{name}"),
        collection,
        name: format!("{typed}/{name}"),
    }
}

/// The kinds of the installation all follow the rule of English.
fn plural(kind: &str) -> String {
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    }
}

/// A field as text; empty when it is not there.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// A field as number; zero when it is not there.
pub(super) fn number(object: &Value, pointer: &str) -> i64 {
    object
        .pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or_default()
}

/// Namespaces that the selector of a webhook or of a binding lists by name.
pub(super) fn named<'a>(holder: &'a Value, operator: &str) -> Option<Vec<&'a str>> {
    let expressions = holder["namespaceSelector"]["matchExpressions"].as_array();
    let mut expressions = expressions.into_iter().flatten();
    let found = expressions.find(|expression| {
        text(expression, "/key") == "kubernetes.io/metadata.name"
            && text(expression, "/operator") == operator
    })?;
    let values = found["values"].as_array().into_iter().flatten();
    Some(values.filter_map(Value::as_str).collect())
}

/// Whether the server behind a Deployment reads its certificate from files, which cert-manager or the user fills.
pub(super) fn reads_files(deployment: &Value) -> bool {
    let variables = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array();
    variables.into_iter().flatten().any(|variable| {
        text(variable, "/name") == "NETDOCTOR_CERTIFICATES" && text(variable, "/value") == "files"
    })
}

/// Whether an object sends requests somewhere, or refuses them: those come last and go first.
pub(super) fn enforces(object: &Value) -> bool {
    matches!(
        text(object, "/kind"),
        "ValidatingWebhookConfiguration"
            | "MutatingWebhookConfiguration"
            | "ValidatingAdmissionPolicyBinding"
            | "MutatingAdmissionPolicyBinding"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        let deployment = of("apps/v1", "Deployment", "a", "b");
        assert_eq!(deployment.path, "/apis/apps/v1/namespaces/a/deployments/b");
        assert_eq!(deployment.name, "deployment.apps/b");
        let role = of("rbac.authorization.k8s.io/v1", "ClusterRole", "", "r");
        assert_eq!(
            role.path,
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/r"
        );
        let policy = of("networking.k8s.io/v1", "NetworkPolicy", "a", "p");
        assert_eq!(
            policy.collection,
            "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies"
        );
        assert_eq!(of("v1", "Namespace", "", "a").path, "/api/v1/namespaces/a");
    }
}
