use std::path::Path;

use super::*;
use crate::cli::ConnectionArgs;
use crate::cluster::kubeconfig;

/// An authority of its own, valid for a hundred years.
const CERTIFICATE: &str = include_str!("testdata/authority.pem");

async fn build_from(text: &str, change: impl FnOnce(&mut Connection)) -> Result<Config, String> {
    crate::cluster::install_crypto_provider();
    let merged = kube::config::Kubeconfig::from_yaml(text).unwrap();
    let mut connection = Connection::default();
    change(&mut connection);
    let selected =
        kubeconfig::select(&merged, &connection.args).map_err(|error| error.to_string())?;
    build(selected, &connection, &Log::default())
        .await
        .map_err(|error| error.to_string())
}

fn kubeconfig_with(cluster: &str, user: &str) -> String {
    format!(
        "clusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n\
         contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
    )
}

fn write(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn credentials(config: &Config) -> serde_json::Value {
    serde_json::to_value(&config.auth_info).unwrap()
}

#[tokio::test]
async fn limits_and_user_agent() {
    let text = kubeconfig_with("server: https://h:6443", "token: t");
    let config = build_from(&text, |_| {}).await.unwrap();
    assert_eq!(config.connect_timeout, Some(CONNECT_LIMIT));
    assert!(!config.default_retry, "our own layer tries again");
    let (name, value) = &config.headers[0];
    assert_eq!(name, http::header::USER_AGENT);
    let value = value.to_str().unwrap();
    assert!(
        value.starts_with("kubectl-netdoctor/v") && value.ends_with(')'),
        "{value}"
    );
    let short = std::time::Duration::from_secs(2);
    let config = build_from(&text, |connection| connection.request_timeout = Some(short))
        .await
        .unwrap();
    assert_eq!(config.connect_timeout, Some(short));
}

#[tokio::test]
async fn server_addresses() {
    let address = |server: &str| kubeconfig_with(&format!("server: {server:?}"), "token: t");
    for (server, expected) in [
        ("https://h:6443", "https://h:6443/"),
        ("https://h/k8s/clusters/c-1", "https://h/k8s/clusters/c-1"),
        ("h:8080", "http://h:8080/"),
        ("https://[::1]:6443", "https://[::1]:6443/"),
    ] {
        assert_eq!(
            build_from(&address(server), |_| {})
                .await
                .unwrap()
                .cluster_url
                .to_string(),
            expected
        );
    }
    for server in [
        "ftp://h",
        "https://",
        "https://h:port",
        "https://h:99999",
        "https://a b",
    ] {
        let error = build_from(&address(server), |_| {}).await.unwrap_err();
        assert!(
            error.starts_with(&format!(
                "error: the server address {server:?} is not a URL"
            )),
            "{error}"
        );
    }
}

#[tokio::test]
async fn plain_http_gets_no_credentials() {
    let text = kubeconfig_with("server: http://h:8080", "token: secret, as: me");
    let found = credentials(&build_from(&text, |_| {}).await.unwrap());
    assert_eq!(
        (found["as"].as_str(), found.get("token")),
        (Some("me"), None)
    );
}

#[tokio::test]
async fn a45_token_file_with_a_newline() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "token", "abc\n");
    let text = kubeconfig_with("server: https://h", &format!("tokenFile: {file}"));
    let found = credentials(&build_from(&text, |_| {}).await.unwrap());
    assert_eq!(
        (found["token"].as_str(), found["tokenFile"].as_str()),
        (Some("abc"), None)
    );
    // Without white space kube may read the file again when it changes.
    write(directory.path(), "token", "abc");
    let found = credentials(&build_from(&text, |_| {}).await.unwrap());
    assert_eq!(found["tokenFile"], file);
    let text = kubeconfig_with("server: https://h", "tokenFile: /nonexistent");
    assert_eq!(
        build_from(&text, |_| {}).await.unwrap_err(),
        "error: open /nonexistent: no such file or directory"
    );
}

#[tokio::test]
async fn authorities_by_value_and_by_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "ca.pem", CERTIFICATE);
    let data = base64(CERTIFICATE.to_owned()).unwrap();
    for cluster in [
        format!("certificate-authority: {file}"),
        format!("certificate-authority-data: {data}"),
    ] {
        let text = kubeconfig_with(&format!("server: https://h, {cluster}"), "token: t");
        let config = build_from(&text, |_| {}).await.unwrap();
        assert_eq!(config.root_cert.as_ref().map(Vec::len), Some(1));
        kube::Client::try_from(config).unwrap();
    }
    let empty = write(directory.path(), "empty.pem", "nothing\n");
    for (cluster, expected) in [
        (
            format!("certificate-authority: {empty}"),
            format!(
                "error: unable to load root certificates: {empty} holds no certificate in PEM form"
            ),
        ),
        (
            "certificate-authority-data: '!'".to_owned(),
            "error: certificate-authority-data is not valid base64".to_owned(),
        ),
    ] {
        let text = kubeconfig_with(&format!("server: https://h, {cluster}"), "token: t");
        assert_eq!(build_from(&text, |_| {}).await.unwrap_err(), expected);
    }
}

#[tokio::test]
async fn a48_an_encrypted_key_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = write(directory.path(), "c.pem", CERTIFICATE);
    for begin in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
    ] {
        let key = write(directory.path(), "k.pem", begin);
        let user = format!("client-certificate: {certificate}, client-key: {key}");
        let error = build_from(&kubeconfig_with("server: https://h", &user), |_| {})
            .await
            .unwrap_err();
        assert!(
            error.starts_with(&format!("error: the private key in {key} is encrypted;")),
            "{error}"
        );
        let user = format!(
            "client-certificate: {certificate}, client-key-data: {}",
            base64(begin.to_owned()).unwrap()
        );
        let error = build_from(&kubeconfig_with("server: https://h", &user), |_| {})
            .await
            .unwrap_err();
        assert!(error.contains("client-key-data is encrypted"), "{error}");
    }
}

#[tokio::test]
async fn removed_providers_name_their_successor() {
    for (name, expected) in [
        ("azure", "https://github.com/Azure/kubelogin"),
        ("gcp", "gke-gcloud-auth-plugin"),
        ("openstack", "client-keystone-auth"),
        ("other", "no Auth Provider found for name \"other\""),
    ] {
        let user = format!("auth-provider: {{name: {name}}}");
        let error = build_from(&kubeconfig_with("server: https://h", &user), |_| {})
            .await
            .unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a47_a_plugin_gives_token_or_certificate() {
    let exec = |status: &str| {
        let output =
            format!(r#"{{"apiVersion":"client.authentication.k8s.io/v1","status":{status}}}"#);
        let output = serde_json::to_string(&format!("echo '{output}'")).unwrap();
        let user = format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: [-c, \
             {output}]}}"
        );
        kubeconfig_with("server: https://h", &user)
    };
    let found = credentials(
        &build_from(&exec(r#"{"token":"abc"}"#), |_| {})
            .await
            .unwrap(),
    );
    assert_eq!(
        (found["token"].as_str(), found.get("exec")),
        (Some("abc"), None)
    );
    let status = r#"{"clientCertificateData":"C","clientKeyData":"K"}"#;
    let found = credentials(&build_from(&exec(status), |_| {}).await.unwrap());
    assert_eq!(
        found["client-certificate-data"],
        base64("C".into()).unwrap()
    );
    assert_eq!(found["client-key-data"], base64("K".into()).unwrap());
}

#[tokio::test]
async fn a43_the_proxy_of_the_environment() {
    let proxied = async |server: &str, cluster: &str| {
        let text = kubeconfig_with(&format!("server: {server}{cluster}"), "token: t");
        let config = build_from(&text, |connection| {
            connection.proxy.https = Some("http://p:3128".into());
        })
        .await;
        config.unwrap().proxy_url.map(|proxy| proxy.to_string())
    };
    assert_eq!(proxied("https://127.0.0.1:6443", "").await, None);
    assert_eq!(
        proxied("https://10.0.0.1:6443", "").await.as_deref(),
        Some("http://p:3128/")
    );
    assert_eq!(
        proxied("https://10.0.0.1", ", proxy-url: 'socks5://q:1'")
            .await
            .as_deref(),
        Some("socks5://q:1/")
    );
}

#[tokio::test]
async fn a49_an_unchecked_certificate_is_said() {
    crate::cluster::install_crypto_provider();
    let connection = Connection {
        args: ConnectionArgs {
            server: Some("https://h".into()),
            insecure_skip_tls_verify: true,
            ..ConnectionArgs::default()
        },
        ..Connection::default()
    };
    let cluster = crate::cluster::connect(&connection).await.unwrap();
    assert_eq!(
        cluster.take_warnings(),
        ["the server's certificate is not checked (insecure-skip-tls-verify)"]
    );
}

#[tokio::test]
async fn a12_without_any_kubeconfig_it_says_where_it_looked() {
    let connection = Connection {
        kubeconfig: vec!["/nonexistent/config".into()],
        ..Connection::default()
    };
    let error = crate::cluster::connect(&connection)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.starts_with(
            "error: no configuration has been provided: /nonexistent/config does not exist or is empty; "
        ),
        "{error}"
    );
}
