use std::path::PathBuf;

use super::*;

struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn load_list(paths: &[&Path]) -> Result<Kubeconfig, String> {
    let kubeconfig = paths.iter().map(|path| path.to_path_buf()).collect();
    load(&Connection {
        kubeconfig,
        ..Connection::default()
    })
    .map_err(|error| error.to_string())
}

fn load_explicit(path: &Path) -> Result<Kubeconfig, String> {
    let connection = Connection {
        kubeconfig: vec![path.to_owned()],
        kubeconfig_is_explicit: true,
        ..Connection::default()
    };
    load(&connection).map_err(|error| error.to_string())
}

fn context(name: &str, cluster: &str, user: &str) -> String {
    format!("{{name: {name}, context: {{cluster: {cluster}, user: {user}}}}}")
}

/// One cluster `c`, one user `u` with a token, one context `x` in namespace `shop`.
const SIMPLE: &str = "
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: https://one:6443, tls-server-name: inner}}]
users: [{name: u, user: {token: abc}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: shop}}]
current-context: x
";

fn select_with(text: &str, change: impl FnOnce(&mut ConnectionArgs)) -> Result<Selected, String> {
    let config = Kubeconfig::from_yaml(text).unwrap();
    let mut args = ConnectionArgs::default();
    change(&mut args);
    select(&config, &args).map_err(|error| error.to_string())
}

fn user(selected: &Selected) -> serde_json::Value {
    serde_json::to_value(&selected.user).unwrap()
}

#[test]
fn a41_missing_files_of_a_list_are_skipped() {
    let files = Files::new();
    let a = files.write("a", SIMPLE);
    let b = files.write("b", "contexts: [{name: y, context: {cluster: c, user: u}}]");
    let merged = load_list(&[&a, &files.path("missing"), &b]).unwrap();
    assert_eq!(merged.contexts.len(), 2);
    assert!(is_empty(&load_list(&[&files.path("missing")]).unwrap()));
    assert!(is_empty(&load_list(&[]).unwrap()));
}

#[test]
fn a41_an_explicit_file_must_exist() {
    let missing = Path::new("/nonexistent/kubeconfig");
    assert_eq!(
        load_explicit(missing).unwrap_err(),
        "error: stat /nonexistent/kubeconfig: no such file or directory"
    );
}

#[test]
fn a42_the_first_file_wins() {
    let files = Files::new();
    let a = files.write(
        "a",
        "current-context: ''\nusers: [{name: u, user: {token: first}}]",
    );
    let b = files.write(
        "b",
        "current-context: b\nusers: [{name: u, user: {token: second, username: x}}]",
    );
    let c = files.write("c", "current-context: c");
    let merged = load_list(&[&a, &b, &c]).unwrap();
    // An empty current-context is no current-context.
    assert_eq!(merged.current_context.as_deref(), Some("b"));
    assert_eq!(merged.auth_infos.len(), 1);
    let user = serde_json::to_value(&merged.auth_infos[0].auth_info).unwrap();
    assert_eq!(
        (user["token"].as_str(), user["username"].as_str()),
        (Some("first"), None)
    );
}

#[test]
fn a42_relative_paths_belong_to_their_file() {
    let files = Files::new();
    let text =
        |key: &str, name: &str| format!("users: [{{name: {name}, user: {{{key}: pki/x.pem}}}}]");
    let a = files.write("one/a", text("tokenFile", "a"));
    let b = files.write("two/b", text("client-certificate", "b"));
    let merged = load_list(&[&a, &b]).unwrap();
    let path = |n: usize, key: &str| {
        serde_json::to_value(&merged.auth_infos[n].auth_info).unwrap()[key].clone()
    };
    assert_eq!(
        path(0, "tokenFile"),
        files.path("one/pki/x.pem").to_str().unwrap()
    );
    assert_eq!(
        path(1, "client-certificate"),
        files.path("two/pki/x.pem").to_str().unwrap()
    );
}

#[test]
fn broken_files_are_named() {
    let files = Files::new();
    for (text, expected) in [
        ("a: [b\n", "line 1"),
        ("clusters: 3\n", "line 1"),
        (
            "apiVersion: v1\nkind: Pod\n",
            "its kind is \"Pod\", not \"Config\"",
        ),
        (
            "users: [{name: u, user: {token: sesame, exec: 3}}]\n",
            "line 1",
        ),
    ] {
        let path = files.write("broken", text);
        let error = load_explicit(&path).unwrap_err();
        let start = format!("error: error loading config file \"{}\": ", path.display());
        assert!(
            error.starts_with(&start) && error.contains(expected),
            "{error}"
        );
        assert!(
            !error.contains("sesame") && !error.contains('\n'),
            "{error}"
        );
        // A list does not skip what is broken.
        assert_eq!(load_list(&[&path]).unwrap_err(), error);
    }
    let directory = files.0.path();
    assert!(
        load_explicit(directory)
            .unwrap_err()
            .ends_with(": is a directory")
    );
    let binary = files.write("binary", b"\xc3\x28\xa0");
    assert!(
        load_explicit(&binary)
            .unwrap_err()
            .starts_with("error: error loading config file")
    );
}

#[test]
fn a18_namespace() {
    assert_eq!(
        select_with(SIMPLE, |_| {}).unwrap().namespace.as_deref(),
        Some("shop")
    );
    let selected = select_with(SIMPLE, |args| args.namespace = Some("other".into())).unwrap();
    assert_eq!(selected.namespace.as_deref(), Some("other"));
}

#[test]
fn missing_entries_in_kubectls_words() {
    let text = format!(
        "{SIMPLE}\n---\ncontexts: [{}, {}]\n",
        context("nouser", "c", "gone"),
        context("nocluster", "gone", "u")
    );
    for (change, expected) in [
        (
            Box::new(|args: &mut ConnectionArgs| args.context = Some("nope".into()))
                as Box<dyn FnOnce(&mut _)>,
            "Error in configuration: context was not found for specified context: nope",
        ),
        (
            Box::new(|args: &mut ConnectionArgs| args.context = Some("nouser".into())),
            "error: auth info \"gone\" does not exist",
        ),
        (
            Box::new(|args: &mut ConnectionArgs| args.context = Some("nocluster".into())),
            "error: no server found for cluster \"gone\"",
        ),
        (
            Box::new(|args: &mut ConnectionArgs| args.cluster = Some("gone".into())),
            "error: no server found for cluster \"gone\"",
        ),
        (
            Box::new(|args: &mut ConnectionArgs| args.user = Some("gone".into())),
            "error: auth info \"gone\" does not exist",
        ),
    ] {
        assert_eq!(select_with(&text, change).unwrap_err(), expected);
    }
    let without = SIMPLE.replace("current-context: x", "");
    assert_eq!(
        select_with(&without, |_| {}).unwrap_err(),
        "error: current-context is not set; choose one with --context (x)"
    );
    // A token by flag makes the missing user harmless.
    let selected = select_with(&text, |args| {
        args.context = Some("nouser".into());
        args.token = Some("t".into());
    });
    assert_eq!(user(&selected.unwrap())["token"], "t");
}

#[test]
fn flags_replace_entries() {
    let selected = select_with(SIMPLE, |args| {
        args.server = Some("https://two".into());
        args.token = Some("other".into());
        args.disable_compression = true;
    })
    .unwrap();
    assert_eq!(selected.cluster.server.as_deref(), Some("https://two"));
    // The name belonged to the server of the file.
    assert_eq!(selected.cluster.tls_server_name, None);
    assert_eq!(selected.cluster.disable_compression, Some(true));
    assert_eq!(user(&selected)["token"], "other");
    let selected = select_with("{}", |args| args.server = Some("https://bare".into())).unwrap();
    assert_eq!((selected.context.as_str(), selected.namespace), ("", None));
}

#[test]
fn a49_a_token_beats_a_credential_plugin() {
    let text = SIMPLE.replace(
        "{token: abc}",
        "{exec: {apiVersion: v1, command: x, interactiveMode: Never}}",
    );
    assert!(select_with(&text, |_| {}).unwrap().user.exec.is_some());
    assert!(
        select_with(&text, |args| args.token = Some("t".into()))
            .unwrap()
            .user
            .exec
            .is_none()
    );
    // An empty token is none.
    let text = text.replace("{exec:", "{token: '', exec:");
    assert!(select_with(&text, |_| {}).unwrap().user.exec.is_some());
}

#[test]
fn a49_trust_everything_and_an_authority_exclude_each_other() {
    let expected =
        "error: specifying a root certificates file with the insecure flag is not allowed";
    let ca = PathBuf::from("/etc/hostname");
    let both = select_with(SIMPLE, |args| {
        args.insecure_skip_tls_verify = true;
        args.certificate_authority = Some(ca);
    });
    assert_eq!(both.unwrap_err(), expected);
    let text = SIMPLE.replace(
        "server: https://one:6443",
        "server: https://one:6443, certificate-authority-data: AA==, insecure-skip-tls-verify: true",
    );
    assert_eq!(select_with(&text, |_| {}).unwrap_err(), expected);
    // The flag alone replaces what the file says about trust.
    let text = text.replace(", insecure-skip-tls-verify: true", "");
    let selected = select_with(&text, |args| args.insecure_skip_tls_verify = true).unwrap();
    assert_eq!(selected.cluster.certificate_authority_data, None);
    assert_eq!(selected.cluster.insecure_skip_tls_verify, Some(true));
}

#[test]
fn a46_impersonation_flags() {
    let selected = select_with(SIMPLE, |args| {
        args.impersonate = Some("me".into());
        args.as_group = vec!["a,b".into(), "c".into()];
        args.as_user_extra = vec![("k".into(), "1".into()), ("k".into(), "2".into())];
    })
    .unwrap();
    let user = user(&selected);
    assert_eq!(user["as"], "me");
    assert_eq!(user["as-groups"], serde_json::json!(["a,b", "c"]));
    assert_eq!(user["as-user-extra"], serde_json::json!({"k": ["1", "2"]}));
    assert_eq!(
        select_with(SIMPLE, |args| args.as_uid = Some("7".into())).unwrap_err(),
        "Error in configuration: requesting uid, groups or user-extra for u without impersonating a user"
    );
}

#[test]
fn contradictions_in_kubectls_words() {
    for (entry, expected) in [
        (
            "{client-certificate: /nonexistent.crt, client-key: /nonexistent.key}",
            "Error in configuration: \n\
             * unable to read client-cert /nonexistent.crt for u due to open /nonexistent.crt: no such file or \
             directory\n\
             * unable to read client-key /nonexistent.key for u due to open /nonexistent.key: no such file or \
             directory",
        ),
        (
            "{client-certificate-data: AA==}",
            "Error in configuration: client-key-data or client-key must be specified for u to use the clientCert \
             authentication method.",
        ),
        (
            "{token: a, username: b, password: c}",
            "Error in configuration: more than one authentication method found for u; found [token basicAuth], only \
             one is allowed",
        ),
        (
            "{exec: {apiVersion: client.authentication.k8s.io/v1, command: x}}",
            "Error in configuration: interactiveMode must be specified for u to use exec authentication plugin",
        ),
        (
            "{exec: {apiVersion: client.authentication.k8s.io/v1beta1}}",
            "Error in configuration: command must be specified for u to use exec authentication plugin",
        ),
    ] {
        let text = SIMPLE.replace("{token: abc}", entry);
        assert_eq!(select_with(&text, |_| {}).unwrap_err(), expected, "{entry}");
    }
    let text = SIMPLE.replace("tls-server-name: inner", "proxy-url: 'ftp://me:pw@x'");
    assert_eq!(
        select_with(&text, |_| {}).unwrap_err(),
        "error: invalid 'proxy-url' \"ftp://x\" for cluster \"c\": unsupported scheme \"ftp\", must be http, https, \
         or socks5"
    );
}
