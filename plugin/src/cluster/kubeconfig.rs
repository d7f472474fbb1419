//! Reading and merging kubeconfig files, and choosing context, cluster and user from them, as kubectl does.
//!
//! kube's own loader fails on a missing entry of `KUBECONFIG` and goes on without credentials when a user is
//! missing. Source of the rules: kubernetes/client-go `tools/clientcmd/loader.go`, `client_config.go` and
//! `validation.go`.

mod validate;

use std::collections::HashMap;
use std::io;
use std::path::Path;

use kube::config::{AuthInfo, Cluster, ExecInteractiveMode, Kubeconfig, KubeconfigError};

use super::error::ConnectError;
use super::proxy;
use crate::cli::ConnectionArgs;
use crate::settings::Connection;

/// Reads the files and merges them: the first file that names an entry wins. Missing files are skipped,
/// unless the file was named by `--kubeconfig`.
pub(crate) fn load(connection: &Connection) -> Result<Kubeconfig, ConnectError> {
    let mut merged = Kubeconfig::default();
    for path in &connection.kubeconfig {
        let Some(next) = read(path)? else {
            if connection.kubeconfig_is_explicit {
                return Err(ConnectError::KubeconfigMissing(path.clone()));
            }
            continue;
        };
        merged = merged
            .merge(next)
            .map_err(|error| unreadable(path, error.to_string()))?;
    }
    Ok(merged)
}

/// `None` when the file does not exist.
fn read(path: &Path) -> Result<Option<Kubeconfig>, ConnectError> {
    let mut config = match Kubeconfig::read_from(path) {
        Ok(config) => config,
        Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(KubeconfigError::ReadConfig(error, _)) => {
            return Err(unreadable(
                path,
                format!("read {}: {}", path.display(), plain(&error)),
            ));
        }
        // The source line that the error could quote may hold a token.
        Err(KubeconfigError::Parse(error)) => {
            let text = error.without_snippet().to_string();
            return Err(unreadable(
                path,
                text.lines().next().unwrap_or_default().to_owned(),
            ));
        }
        Err(error) => return Err(unreadable(path, error.to_string())),
    };
    if let Some(kind) = config.kind.take().filter(|kind| kind != "Config") {
        return Err(unreadable(
            path,
            format!("its kind is {kind:?}, not \"Config\""),
        ));
    }
    // Neither says anything about the entries, and files that differ in them merge all the same.
    config.api_version = None;
    config.current_context = nonempty(config.current_context.take());
    Ok(Some(config))
}

fn unreadable(path: &Path, reason: String) -> ConnectError {
    ConnectError::KubeconfigUnreadable {
        path: path.to_owned(),
        reason,
    }
}

/// An I/O error without Rust's ` (os error 2)`.
pub(crate) fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::IsADirectory => "is a directory".into(),
        _ => error.to_string(),
    }
}

/// Whether no file says anything: the case in which kubectl tries the credentials of a container.
pub(crate) fn is_empty(config: &Kubeconfig) -> bool {
    config.contexts.is_empty()
        && config.clusters.is_empty()
        && config.auth_infos.is_empty()
        && config.current_context.is_none()
}

/// The entries that are used, with flags applied.
#[derive(Debug)]
pub(crate) struct Selected {
    /// Name of the context; empty when flags alone say where to go.
    pub(crate) context: String,
    /// Namespace by flag or context.
    pub(crate) namespace: Option<String>,
    /// Name of the user entry, for messages.
    pub(crate) user_name: String,
    /// The cluster, with flags applied.
    pub(crate) cluster: Cluster,
    /// The user, with flags applied.
    pub(crate) user: AuthInfo,
}

/// Chooses context, cluster and user, applies flags, and refuses what kubectl refuses.
pub(crate) fn select(config: &Kubeconfig, args: &ConnectionArgs) -> Result<Selected, ConnectError> {
    let context_name = args
        .context
        .clone()
        .or_else(|| config.current_context.clone())
        .unwrap_or_default();
    let named = config
        .contexts
        .iter()
        .find(|named| named.name == context_name);
    let context = match named {
        Some(named) => named.context.clone().unwrap_or_default(),
        None if context_name.is_empty() && args.cluster.is_none() && args.server.is_none() => {
            return Err(ConnectError::Invalid(no_context(config)));
        }
        None if context_name.is_empty() => kube::config::Context::default(),
        None => {
            let problem = format!("context was not found for specified context: {context_name}");
            return Err(ConnectError::Configuration(vec![problem]));
        }
    };

    let user_name = args.user.clone().or(context.user).unwrap_or_default();
    let user = find_user(config, args, &user_name)?;
    let cluster_name = args.cluster.clone().unwrap_or(context.cluster);
    let cluster = find_cluster(config, args, &cluster_name)?;

    let mut problems = validate::cluster_problems(&cluster_name, &cluster);
    problems.extend(validate::user_problems(&user_name, &user));
    if !problems.is_empty() {
        return Err(ConnectError::Configuration(problems));
    }
    Ok(Selected {
        context: context_name,
        namespace: args.namespace.clone().or(nonempty(context.namespace)),
        user_name,
        cluster,
        user,
    })
}

fn no_context(config: &Kubeconfig) -> String {
    let names: Vec<&str> = config
        .contexts
        .iter()
        .map(|named| named.name.as_str())
        .collect();
    if names.is_empty() {
        "the kubeconfig has no context; name the server with --server, or another file with --kubeconfig".into()
    } else {
        format!(
            "current-context is not set; choose one with --context ({})",
            names.join(", ")
        )
    }
}

fn find_user(
    config: &Kubeconfig,
    args: &ConnectionArgs,
    name: &str,
) -> Result<AuthInfo, ConnectError> {
    let entry = config.auth_infos.iter().find(|named| named.name == name);
    let has_flag =
        args.token.is_some() || args.username.is_some() || args.client_certificate.is_some();
    let mut user = match entry {
        Some(named) => named.auth_info.clone().unwrap_or_default(),
        // kubectl asks for a user name here when the context names the user; we would go on as nobody.
        None if args.user.is_some() || !name.is_empty() && !has_flag => {
            return Err(ConnectError::Invalid(format!(
                "auth info {name:?} does not exist"
            )));
        }
        None => AuthInfo::default(),
    };
    drop_empty_secrets(&mut user);
    if let Some(token) = &args.token {
        user.token = Some(token.clone().into());
        user.token_file = None;
    }
    user.username = args.username.clone().or(nonempty(user.username));
    if let Some(password) = &args.password {
        user.password = Some(password.clone().into());
    }
    if let Some(path) = &args.client_certificate {
        user.client_certificate = Some(path.display().to_string());
        user.client_certificate_data = None;
    }
    if let Some(path) = &args.client_key {
        user.client_key = Some(path.display().to_string());
        user.client_key_data = None;
    }
    impersonate(&mut user, args);
    // A credential given by value beats a program that would fetch one.
    if user.token.is_some() || user.username.is_some() || has_certificate(&user) {
        user.exec = None;
        user.auth_provider = None;
    }
    Ok(user)
}

/// kube sends these as `Impersonate-…` headers.
fn impersonate(user: &mut AuthInfo, args: &ConnectionArgs) {
    user.impersonate = args
        .impersonate
        .clone()
        .or(nonempty(user.impersonate.take()));
    user.impersonate_uid = args
        .as_uid
        .clone()
        .or(nonempty(user.impersonate_uid.take()));
    if !args.as_group.is_empty() {
        user.impersonate_groups = Some(args.as_group.clone());
    }
    if !args.as_user_extra.is_empty() {
        let mut extra: HashMap<String, Vec<String>> = HashMap::new();
        for (key, value) in &args.as_user_extra {
            extra.entry(key.clone()).or_default().push(value.clone());
        }
        user.impersonate_user_extra = Some(extra);
    }
}

fn find_cluster(
    config: &Kubeconfig,
    args: &ConnectionArgs,
    name: &str,
) -> Result<Cluster, ConnectError> {
    let entry = config.clusters.iter().find(|named| named.name == name);
    let mut cluster = entry
        .and_then(|named| named.cluster.clone())
        .unwrap_or_default();
    if let Some(server) = &args.server {
        cluster.server = Some(server.clone());
        // The name belonged to the other server.
        cluster.tls_server_name = None;
    }
    if let Some(tls_server_name) = &args.tls_server_name {
        cluster.tls_server_name = Some(tls_server_name.clone());
    }
    if args.insecure_skip_tls_verify || args.certificate_authority.is_some() {
        cluster.insecure_skip_tls_verify = Some(args.insecure_skip_tls_verify);
        cluster.certificate_authority = args
            .certificate_authority
            .as_ref()
            .map(|path| path.display().to_string());
        cluster.certificate_authority_data = None;
    }
    if args.disable_compression {
        cluster.disable_compression = Some(true);
    }
    if nonempty(cluster.server.clone()).is_none() {
        return Err(ConnectError::Invalid(format!(
            "no server found for cluster {name:?}"
        )));
    }
    let has_authority = nonempty(cluster.certificate_authority.clone())
        .or(nonempty(cluster.certificate_authority_data.clone()));
    if cluster.insecure_skip_tls_verify == Some(true) && has_authority.is_some() {
        return Err(ConnectError::Invalid(
            "specifying a root certificates file with the insecure flag is not allowed".into(),
        ));
    }
    if let Some(proxy) = nonempty(cluster.proxy_url.clone())
        && let Err(reason) = proxy::parse(&proxy)
    {
        let proxy = proxy::hide(&proxy);
        return Err(ConnectError::Invalid(format!(
            "invalid 'proxy-url' {proxy:?} for cluster {name:?}: {reason}"
        )));
    }
    Ok(cluster)
}

fn has_certificate(user: &AuthInfo) -> bool {
    let set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    set(&user.client_certificate) || set(&user.client_certificate_data)
}

/// Secrets that are empty are absent. Their text can be reached through serialisation only.
fn drop_empty_secrets(user: &mut AuthInfo) {
    let Ok(text) = serde_json::to_value(&*user) else {
        return;
    };
    let is_empty = |key: &str| text[key] == "";
    user.token.take_if(|_| is_empty("token"));
    user.password.take_if(|_| is_empty("password"));
    user.client_key_data
        .take_if(|_| is_empty("client-key-data"));
}

pub(crate) fn nonempty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// How a credential plugin may use the terminal.
pub(crate) fn interactive(
    mode: Option<&ExecInteractiveMode>,
    stdin_is_terminal: bool,
) -> Result<bool, String> {
    match mode {
        Some(ExecInteractiveMode::Never) => Ok(false),
        Some(ExecInteractiveMode::IfAvailable) | None => Ok(stdin_is_terminal),
        Some(ExecInteractiveMode::Always) if stdin_is_terminal => Ok(true),
        Some(ExecInteractiveMode::Always) => Err(
            "exec plugin cannot support interactive mode: standard input is not a terminal".into(),
        ),
    }
}

#[cfg(test)]
mod tests;
