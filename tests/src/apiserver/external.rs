//! Using a cluster that is there already, named by `NETDOCTOR_TEST_KUBECONFIG`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;

use netdoctor_lab::components;
use netdoctor_lab::kubeconfig::{Credentials, Kubeconfig};
use netdoctor_lab::tls::Authority;

use super::{Administrator, ApiServer};
use crate::cmd::Program;
use crate::janitor::Janitor;
use crate::rest::{Endpoint, Rest};

/// The authority of that cluster, beside our own in `ca.pem`.
pub(super) const AUTHORITY_FILE: &str = "cluster-ca.pem";

/// Where the administrator of the tests lives in that cluster.
const NAMESPACE: &str = "netdoctor-tests";

const ADMINISTRATOR: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: netdoctor-tests}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: administrator, namespace: netdoctor-tests}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: netdoctor-tests}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects:
- {kind: ServiceAccount, name: administrator, namespace: netdoctor-tests}
";

/// Connects as a service account with all rights: its token works through a proxy, which a client certificate does not.
pub(super) fn connect(kubeconfig: &Path) -> ApiServer {
    let kubectl = match components::installed() {
        Ok(Some(components)) => components.path("kubectl"),
        _ => PathBuf::from("kubectl"),
    };
    let run = |arguments: &[&str], input: &str| {
        let output = Program::new(&kubectl)
            .env("KUBECONFIG", kubeconfig)
            .args(arguments)
            .stdin(input)
            .run();
        output.ok().stdout.trim().to_owned()
    };
    let cluster = |template: &str| {
        run(
            &[
                "config",
                "view",
                "--raw",
                "--minify",
                "--flatten",
                "-o",
                template,
            ],
            "",
        )
    };

    let server = cluster("jsonpath={.clusters[0].cluster.server}");
    let authority = cluster(
        r#"go-template={{index .clusters 0 "cluster" "certificate-authority-data" | base64decode}}"#,
    );
    run(&["apply", "-f", "-"], ADMINISTRATOR);
    let token = run(
        &[
            "create",
            "token",
            "administrator",
            "-n",
            NAMESPACE,
            "--duration=4h",
        ],
        "",
    );

    let fail =
        |error: &dyn std::fmt::Display| -> ! { panic!("NETDOCTOR_TEST_KUBECONFIG: {error}") };
    let Some((host, port)) = host_and_port(&server) else {
        fail(&format!("{server} is not https://HOST:PORT"))
    };
    let endpoint = Endpoint::new(&host, port, &authority).unwrap_or_else(|error| fail(&error));
    let janitor = Janitor::hire().unwrap_or_else(|error| fail(&error));
    let folder = janitor.folder().to_path_buf();
    let own = Authority::new("netdoctor-tests").unwrap_or_else(|error| fail(&error));
    for (name, text) in [
        (AUTHORITY_FILE, authority.as_str()),
        ("ca.pem", own.pem().as_str()),
    ] {
        fs::write(folder.join(name), text).unwrap_or_else(|error| fail(&error));
    }
    let kubeconfig = Kubeconfig {
        server: &server,
        authority: &folder.join(AUTHORITY_FILE),
        credentials: Credentials::Token(&token),
        namespace: "default",
    }
    .write(folder.join("admin.kubeconfig"));

    ApiServer {
        rest: Rest::new(endpoint, &token),
        kubectl,
        kubeconfig,
        folder,
        authority: own,
        administrator: Administrator::Token,
        janitor: Mutex::new(janitor),
        process: None,
        files: AtomicU32::new(0),
    }
}

/// `https://HOST[:PORT]` without a path. Behind a path there is a proxy of somebody else, which is not what is tested.
fn host_and_port(server: &str) -> Option<(String, u16)> {
    let rest = server.strip_prefix("https://")?.trim_end_matches('/');
    if rest.contains('/') {
        return None;
    }
    if let Some((host, port)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let port = if port.is_empty() {
            443
        } else {
            port.strip_prefix(':')?.parse().ok()?
        };
        return Some((host.to_owned(), port));
    }
    match rest.split_once(':') {
        Some((host, port)) => Some((host.to_owned(), port.parse().ok()?)),
        None => Some((rest.to_owned(), 443)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_kubeconfigs() {
        let parsed = |text| host_and_port(text).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(
            parsed("https://127.0.0.1:6443").as_deref(),
            Some("127.0.0.1 6443")
        );
        assert_eq!(parsed("https://[::1]:6443/").as_deref(), Some("::1 6443"));
        assert_eq!(
            parsed("https://cluster.example").as_deref(),
            Some("cluster.example 443")
        );
        assert_eq!(parsed("https://rancher.example/k8s/clusters/c-1"), None);
        assert_eq!(parsed("http://127.0.0.1:8080"), None);
    }
}
