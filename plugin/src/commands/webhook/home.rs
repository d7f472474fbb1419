//! Where the webhook of a cluster lives. There is one: its configurations and cluster roles have fixed names.

use netdoctor_manifests::names;

use super::object::{self, ADMISSION, text};
use crate::cluster::{ApiError, Cluster};
use crate::terminal::sanitize_line;

/// The namespace that requests are sent to, or, where nothing sends any, the one whose account has the rights. `None` when
/// nothing is installed, or when that may not be read.
pub(super) async fn home(cluster: &Cluster) -> Result<Option<String>, ApiError> {
    let service = "/webhooks/0/clientConfig/service/namespace";
    let rbac = "rbac.authorization.k8s.io/v1";
    let signs = [
        (
            ADMISSION,
            "ValidatingWebhookConfiguration",
            names::VALIDATING,
            service,
        ),
        (
            ADMISSION,
            "MutatingWebhookConfiguration",
            names::MUTATING,
            service,
        ),
        (
            rbac,
            "ClusterRoleBinding",
            names::WEBHOOK,
            "/subjects/0/namespace",
        ),
    ];
    for (api_version, kind, name, pointer) in signs {
        let place = object::of(api_version, kind, "", name);
        match cluster.find(&place.path).await {
            Ok(Some(found)) if !text(&found, pointer).is_empty() => {
                return Ok(Some(text(&found, pointer).to_owned()));
            }
            Ok(_) | Err(ApiError::Forbidden { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Which cluster a question is about: the one thing that nobody can see in the names of objects.
pub(super) fn whereabouts(context: &str, server: &str) -> String {
    let server = sanitize_line(server);
    match context {
        "" => format!("Server: {server}"),
        _ => format!("Context: {}, server: {server}", sanitize_line(context)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_the_cluster() {
        let server = "https://10.0.0.1:6443/";
        let words = whereabouts("prod", server);
        assert_eq!(words, "Context: prod, server: https://10.0.0.1:6443/");
        assert_eq!(whereabouts("", server), "Server: https://10.0.0.1:6443/");
    }
}
