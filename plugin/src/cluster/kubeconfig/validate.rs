//! What kubectl refuses in the chosen entries, in its words (kubernetes/client-go
//! `tools/clientcmd/validation.go`).

use kube::config::{AuthInfo, Cluster};

use super::{has_certificate, plain};

/// Contradictions of a cluster entry.
pub(super) fn cluster_problems(name: &str, cluster: &Cluster) -> Vec<String> {
    let mut problems = Vec::new();
    let path = cluster
        .certificate_authority
        .as_deref()
        .filter(|path| !path.is_empty());
    if let Some(path) = path {
        if cluster
            .certificate_authority_data
            .as_deref()
            .is_some_and(|data| !data.is_empty())
        {
            problems.push(format!(
                "certificate-authority-data and certificate-authority are both specified for {name}. \
                 certificate-authority-data will override."
            ));
        }
        problems.extend(unopened(path).map(|reason| {
            format!("unable to read certificate-authority {path} for {name} due to open {path}: {reason}")
        }));
    }
    problems
}

/// Contradictions of a user entry.
pub(super) fn user_problems(name: &str, user: &AuthInfo) -> Vec<String> {
    let mut problems = certificate_problems(name, user);
    if let Some(exec) = &user.exec {
        if user.auth_provider.is_some() {
            problems.push(format!(
                "authProvider cannot be provided in combination with an exec plugin for {name}"
            ));
        }
        let mut must_specify = |what: &str| {
            problems.push(format!(
                "{what} must be specified for {name} to use exec authentication plugin"
            ));
        };
        if exec.command.as_deref().unwrap_or_default().is_empty() {
            must_specify("command");
        }
        match exec.api_version.as_deref().unwrap_or_default() {
            "" => must_specify("apiVersion"),
            // Older versions of the interface have a default; the stable one has none.
            "client.authentication.k8s.io/v1" if exec.interactive_mode.is_none() => {
                must_specify("interactiveMode");
            }
            _ => {}
        }
    }
    let has_basic = user.username.is_some() || user.password.is_some();
    if user.token.is_some() && has_basic {
        problems.push(format!(
            "more than one authentication method found for {name}; found [token basicAuth], only one is allowed"
        ));
    }
    let wants_more = user.impersonate_uid.is_some()
        || user
            .impersonate_groups
            .as_ref()
            .is_some_and(|groups| !groups.is_empty())
        || user
            .impersonate_user_extra
            .as_ref()
            .is_some_and(|extra| !extra.is_empty());
    if wants_more && user.impersonate.is_none() {
        problems.push(format!(
            "requesting uid, groups or user-extra for {name} without impersonating a user"
        ));
    }
    problems
}

fn certificate_problems(name: &str, user: &AuthInfo) -> Vec<String> {
    let mut problems = Vec::new();
    if !has_certificate(user) {
        return problems;
    }
    let path = |path: &Option<String>| path.clone().filter(|path| !path.is_empty());
    let (certificate, key) = (path(&user.client_certificate), path(&user.client_key));
    if certificate.is_some()
        && user
            .client_certificate_data
            .as_deref()
            .is_some_and(|data| !data.is_empty())
    {
        problems.push(format!(
            "client-cert-data and client-cert are both specified for {name}. client-cert-data will override."
        ));
    }
    if key.is_some() && user.client_key_data.is_some() {
        problems.push(format!(
            "client-key-data and client-key are both specified for {name}; client-key-data will override"
        ));
    }
    if key.is_none() && user.client_key_data.is_none() {
        problems.push(format!(
            "client-key-data or client-key must be specified for {name} to use the clientCert authentication method."
        ));
    }
    for (what, path) in [("client-cert", certificate), ("client-key", key)] {
        let Some(path) = path else { continue };
        problems.extend(unopened(&path).map(|reason| {
            format!("unable to read {what} {path} for {name} due to open {path}: {reason}")
        }));
    }
    problems
}

/// Why a file cannot be opened.
fn unopened(path: &str) -> Option<String> {
    std::fs::File::open(path).err().map(|error| plain(&error))
}
