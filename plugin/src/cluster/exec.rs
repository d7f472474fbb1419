//! Credential plugins: programs named in the kubeconfig that print a token or a client certificate.
//!
//! kube runs them too, but twice for a token, without the installation hint and with a standard input that
//! may not exist. Here they run once, before the first request. Source of the interface:
//! kubernetes/client-go `plugin/pkg/client/auth/exec/exec.go`.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use kube::config::{Cluster, ExecAuthCluster, ExecConfig};
use serde::Deserialize;

use super::error::ConnectError;
use super::kubeconfig;
use super::log::Log;
use crate::terminal::sanitize;

/// How long a plugin may stay silent before the user is told what is waited for.
const SILENCE: Duration = Duration::from_secs(10);

/// The versions of the interface that kubectl still speaks.
const VERSIONS: [&str; 2] = [
    "client.authentication.k8s.io/v1",
    "client.authentication.k8s.io/v1beta1",
];

/// What a plugin printed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// A bearer token.
    pub(crate) token: Option<String>,
    /// Certificate and key as PEM.
    pub(crate) certificate: Option<(String, String)>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExecCredential {
    api_version: Option<String>,
    status: Option<Status>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Runs the plugin. Its standard error goes to ours, so that it can talk to the user.
pub(crate) async fn run(
    exec: &ExecConfig,
    cluster: &Cluster,
    stdin_is_terminal: bool,
    log: &Log,
) -> Result<Credentials, ConnectError> {
    let version = exec.api_version.as_deref().unwrap_or_default();
    if !VERSIONS.contains(&version) {
        return Err(ConnectError::Invalid(format!(
            "exec plugin: invalid apiVersion {version:?}"
        )));
    }
    let interactive = kubeconfig::interactive(exec.interactive_mode.as_ref(), stdin_is_terminal)
        .map_err(ConnectError::Credentials)?;
    let program = exec.command.as_deref().unwrap_or_default();
    let mut command = tokio::process::Command::new(program);
    command
        .args(exec.args.iter().flatten())
        .envs(
            exec.env
                .iter()
                .flatten()
                .filter_map(|entry| Some((entry.get("name")?, entry.get("value")?))),
        )
        .env(
            "KUBERNETES_EXEC_INFO",
            exec_info(exec, cluster, interactive)?,
        )
        .stdin(if interactive {
            Stdio::inherit()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    log.line(super::log::DECISIONS, || {
        format!("running the credential plugin {program}")
    });

    let output = command.output();
    let mut output = std::pin::pin!(output);
    let output = if let Ok(output) = tokio::time::timeout(SILENCE, &mut output).await {
        output
    } else {
        log.notice(&format!("waiting for the credential plugin {program}"));
        output.await
    };
    let output =
        output.map_err(|error| ConnectError::Credentials(not_started(exec, program, &error)))?;
    if !output.status.success() {
        return Err(ConnectError::Credentials(failed(program, output.status)));
    }
    parse(&output.stdout, version).map_err(ConnectError::Credentials)
}

/// What the plugin is told: whether it may ask, and with `provideClusterInfo` which cluster it is for.
fn exec_info(
    exec: &ExecConfig,
    cluster: &Cluster,
    interactive: bool,
) -> Result<String, ConnectError> {
    let mut spec = serde_json::json!({ "interactive": interactive });
    if exec.provide_cluster_info {
        let cluster = ExecAuthCluster::try_from(cluster)
            .map_err(|error| ConnectError::Invalid(error.to_string()))?;
        spec["cluster"] = serde_json::to_value(cluster)
            .map_err(|error| ConnectError::Invalid(error.to_string()))?;
    }
    let info = serde_json::json!({ "kind": "ExecCredential", "apiVersion": exec.api_version, "spec": spec });
    Ok(info.to_string())
}

fn not_started(exec: &ExecConfig, program: &str, error: &std::io::Error) -> String {
    if error.kind() != std::io::ErrorKind::NotFound {
        return format!("exec: {program}: {}", kubeconfig::plain(error));
    }
    let mut text = format!(
        "exec: executable {program} not found\n\n\
         It looks like you are trying to use a client-go credential plugin that is not installed.\n\n\
         To learn more about this feature, consult the documentation available at:\n      \
         https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins"
    );
    if let Some(hint) = exec.install_hint.as_deref().filter(|hint| !hint.is_empty()) {
        text.push_str("\n\n");
        text.push_str(&sanitize(hint));
    }
    text
}

fn failed(program: &str, status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exec: executable {program} failed with exit code {code}"),
        None => format!("exec: executable {program} failed: {status}"),
    }
}

/// Plugins print JSON; some print YAML, which kubectl reads as well.
fn parse(stdout: &[u8], expected_version: &str) -> Result<Credentials, String> {
    // The parser's own message could quote a token.
    let no_credential = || "decoding stdout: it is not an ExecCredential".to_owned();
    let credential: ExecCredential = serde_json::from_slice(stdout)
        .ok()
        .or_else(|| serde_saphyr::from_slice(stdout).ok())
        .ok_or_else(no_credential)?;
    let version = credential.api_version.ok_or_else(no_credential)?;
    if version != expected_version {
        return Err(format!(
            "exec plugin is configured to use API version {expected_version}, plugin returned version {version}"
        ));
    }
    let status = credential
        .status
        .ok_or("exec plugin didn't return a status field")?;
    let token = kubeconfig::nonempty(status.token);
    let certificate = match (
        kubeconfig::nonempty(status.client_certificate_data),
        kubeconfig::nonempty(status.client_key_data),
    ) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) if token.is_none() => {
            return Err("exec plugin didn't return a token or cert/key pair".into());
        }
        (None, None) => None,
        _ => return Err("exec plugin returned only certificate or key, not both".into()),
    };
    Ok(Credentials { token, certificate })
}

#[cfg(all(test, unix))]
mod tests {
    use kube::config::ExecInteractiveMode;

    use super::*;

    fn script(text: &str) -> ExecConfig {
        ExecConfig {
            api_version: Some(VERSIONS[0].into()),
            command: Some("/bin/sh".into()),
            args: Some(vec!["-c".into(), text.into()]),
            interactive_mode: Some(ExecInteractiveMode::IfAvailable),
            ..ExecConfig::default()
        }
    }

    async fn run_with(exec: &ExecConfig, stdin_is_terminal: bool) -> Result<Credentials, String> {
        let cluster = Cluster {
            server: Some("https://h:1".into()),
            ..Cluster::default()
        };
        run(exec, &cluster, stdin_is_terminal, &Log::default())
            .await
            .map_err(|error| error.to_string())
    }

    fn credential(status: &str) -> String {
        format!(
            r#"{{"apiVersion":"{}","kind":"ExecCredential","status":{status}}}"#,
            VERSIONS[0]
        )
    }

    #[tokio::test]
    async fn a47_token_and_certificate() {
        let exec = script(&format!("echo '{}'", credential(r#"{"token":"abc"}"#)));
        assert_eq!(
            run_with(&exec, false).await.unwrap().token.as_deref(),
            Some("abc")
        );
        let exec = script(&format!(
            "echo '{}'",
            credential(r#"{"clientCertificateData":"C","clientKeyData":"K"}"#)
        ));
        assert_eq!(
            run_with(&exec, false).await.unwrap().certificate,
            Some(("C".into(), "K".into()))
        );
    }

    #[tokio::test]
    async fn a47_the_plugin_learns_what_it_may_do() {
        let answer =
            credential(r#"{"token":"'"$(echo "$KUBERNETES_EXEC_INFO" | tr -d "\"")$EXTRA"'"}"#);
        let mut exec = script(&format!("echo '{answer}'"));
        exec.env = Some(vec![
            [
                ("name".to_owned(), "EXTRA".to_owned()),
                ("value".to_owned(), "!".to_owned()),
            ]
            .into(),
        ]);
        exec.provide_cluster_info = true;
        let token = run_with(&exec, false).await.unwrap().token.unwrap();
        assert!(
            token.contains("interactive:false") && token.contains("server:https://h:1"),
            "{token}"
        );
        assert!(token.ends_with('!'), "{token}");
    }

    #[tokio::test]
    async fn a47_missing_program() {
        let exec = ExecConfig {
            command: Some("no-such-credential-plugin".into()),
            install_hint: Some("brew install \x1b[31mit".into()),
            ..script("")
        };
        let error = run_with(&exec, false).await.unwrap_err();
        assert!(
            error.starts_with(
                "Unable to connect to the server: getting credentials: exec: executable no-such-credential-plugin \
                 not found\n\nIt looks like you are trying to use a client-go credential plugin that is not installed."
            ),
            "{error}"
        );
        assert!(error.ends_with("\n\nbrew install ^[[31mit"), "{error}");
    }

    #[tokio::test]
    async fn a47_failing_program() {
        let error = run_with(&script("exit 3"), false).await.unwrap_err();
        assert!(
            error
                .ends_with("getting credentials: exec: executable /bin/sh failed with exit code 3"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a47_interactive_only() {
        let exec = ExecConfig {
            interactive_mode: Some(ExecInteractiveMode::Always),
            ..script("true")
        };
        let error = run_with(&exec, false).await.unwrap_err();
        assert!(
            error.contains("cannot support interactive mode: standard input is not a terminal"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn answers_that_are_no_credentials() {
        for (stdout, expected) in [
            (credential("null"), "didn't return a status field"),
            (credential("{}"), "didn't return a token or cert/key pair"),
            (
                credential(r#"{"clientKeyData":"K"}"#),
                "only certificate or key, not both",
            ),
            (
                credential(r#"{"token":"a"}"#).replace("/v1\"", "/v1beta1\""),
                "plugin returned version",
            ),
            ("<html>".to_owned(), "decoding stdout"),
            (String::new(), "decoding stdout"),
        ] {
            let error = run_with(&script(&format!("cat <<'X'\n{stdout}\nX\n")), false)
                .await
                .unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let exec = ExecConfig {
            api_version: Some("client.authentication.k8s.io/v1alpha1".into()),
            ..script("true")
        };
        assert!(
            run_with(&exec, false)
                .await
                .unwrap_err()
                .contains("invalid apiVersion")
        );
    }

    #[tokio::test]
    async fn yaml_is_read_too() {
        let yaml = format!("apiVersion: {}\nstatus:\n  token: abc", VERSIONS[0]);
        let exec = script(&format!("cat <<'X'\n{yaml}\nX\n"));
        assert_eq!(
            run_with(&exec, false).await.unwrap().token.as_deref(),
            Some("abc")
        );
    }
}
