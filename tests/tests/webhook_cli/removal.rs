//! The ways out: `disable`, which breaks the glass, and `uninstall`.

use netdoctor_manifests::{Component, Options, names};
use netdoctor_tests::proxy::{Fault, FaultProxy, Rule};
use netdoctor_tests::{ApiServer, Rules, Spec};
use serde_json::json;

use crate::{applied, ours, said, webhook};

fn with_mutation() -> Options {
    Options {
        components: [Component::Mutate].into(),
        ..Options::default()
    }
}

/// The configurations that are there.
fn configurations(server: &ApiServer) -> Vec<String> {
    let mut names = ours(server);
    names.retain(|name| name.contains("webhookconfiguration"));
    names
}

/// The server is dead, its configurations are there: they go first, and what is somebody else's stays.
#[test]
fn a87_configurations_go_first_and_strangers_stay() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let options = Options {
        components: [Component::Mutate].into(),
        ..Options::default()
    };
    applied(&server, &options);
    let status = webhook(&file, &["status"]).exits(1);
    assert!(
        status.stdout.contains("no caBundle, so every call fails"),
        "{}",
        status.stdout
    );
    assert!(
        status.stdout.contains("has nowhere to send requests"),
        "{}",
        status.stdout
    );
    assert!(
        status.stdout.contains("not matching any namespace"),
        "{}",
        status.stdout
    );

    let disabled = webhook(&file, &["disable", "--yes"]).ok();
    let lines: Vec<&str> = disabled.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "validatingwebhookconfiguration.admissionregistration.k8s.io/netdoctor-validating deleted",
            "mutatingwebhookconfiguration.admissionregistration.k8s.io/netdoctor-mutating deleted",
        ]
    );
    let status = webhook(&file, &["status"]).exits(1);
    assert!(
        status.stdout.contains("validating: disabled"),
        "{}",
        status.stdout
    );

    applied(&server, &options);
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": names::NAMESPACE}});
    server.apply(&theirs.to_string());
    let removed = webhook(&file, &["uninstall", "--yes"]).ok();
    let order: Vec<&str> = removed.stdout.lines().collect();
    let at = |name: &str| {
        order
            .iter()
            .position(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {order:?}"))
    };
    assert_eq!(at("mutatingwebhookconfiguration"), 0);
    assert_eq!(at("validatingwebhookconfiguration"), 1);
    assert!(at("deployment.apps/netdoctor-webhook") < at("service/netdoctor-webhook"));
    assert!(
        at("configmap/netdoctor-config")
            < at("clusterrole.rbac.authorization.k8s.io/netdoctor-webhook")
    );
    assert!(
        removed
            .stderr
            .contains("stays: it also holds configmap/theirs"),
        "{}",
        removed.stderr
    );
    server.kubectl(&["get", "namespace", names::NAMESPACE]).ok();
}

#[test]
fn whoever_may_not_is_told_what_is_missing() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let nobody = server.kubeconfig_for_service_account("default", "nobody", &Rules::default());
    let install = webhook(&nobody, &["install", "--apply", "--yes"]).exits(3);
    assert!(
        install.stderr.contains("Error from server (Forbidden)"),
        "{}",
        install.stderr
    );
    assert!(
        install
            .stderr
            .contains("kubectl auth can-i create clusterroles"),
        "{}",
        install.stderr
    );
    let status = webhook(&nobody, &["status"]).exits(3);
    assert!(
        status.stdout.contains("kubectl auth can-i"),
        "{}",
        status.stdout
    );
    let disable = webhook(&nobody, &["disable", "--yes"]).exits(3);
    assert!(
        disable
            .stderr
            .contains("kubectl delete validatingwebhookconfiguration"),
        "{}",
        disable.stderr
    );
    // Break-glass needs no more than the right to delete two objects by name.
    let role = [
        "create",
        "clusterrole",
        "breaker",
        "--verb=delete",
        "--resource=validatingwebhookconfigurations,mutatingwebhookconfigurations",
        "--resource-name=netdoctor-validating",
        "--resource-name=netdoctor-mutating",
    ];
    server.kubectl(&role).ok();
    let bind = [
        "create",
        "clusterrolebinding",
        "breaker",
        "--clusterrole=breaker",
        "--serviceaccount=default:nobody",
    ];
    server.kubectl(&bind).ok();
    applied(&server, &Options::default());
    let started = std::time::Instant::now();
    loop {
        let output = webhook(&nobody, &["disable", "--yes"]);
        if output.code == Some(0) {
            break;
        }
        let waited = started.elapsed().as_secs();
        assert!(
            waited < 30,
            "the right never took effect: {}",
            output.stderr
        );
    }
    assert!(
        !ours(&server)
            .iter()
            .any(|name| name.contains("webhookconfiguration"))
    );
}

/// One pane that may be broken is broken, whatever is behind the other.
#[test]
fn half_the_rights_disable_half() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    applied(&server, &with_mutation());
    let rules = Rules {
        cluster: "[{apiGroups: [admissionregistration.k8s.io], resources: [validatingwebhookconfigurations], verbs: [delete]}]",
        namespace: "",
    };
    let half = server.kubeconfig_for_service_account("default", "half", &rules);
    let disable = webhook(&half, &["disable", "--yes"]).exits(3);
    said(&disable.stdout, "netdoctor-validating deleted");
    said(
        &disable.stderr,
        "Not deleted, if it is there: mutatingwebhookconfiguration.admissionregistration.k8s.io/netdoctor-mutating",
    );
    let left = configurations(&server);
    assert!(
        left.len() == 1 && left[0].ends_with("/netdoctor-mutating"),
        "{left:?}"
    );
}

/// What an API server in trouble does not tell keeps nobody from breaking the glass.
#[test]
fn bindings_that_cannot_be_listed_stop_nothing() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    applied(&server, &with_mutation());
    let proxy = FaultProxy::start(&server);
    for resource in [
        "validatingadmissionpolicybindings",
        "mutatingwebhookconfigurations",
    ] {
        proxy.add(Rule::new(Fault::internal_error()).resource(resource));
    }
    let kubeconfig = proxy.kubeconfig("default");
    let disable = webhook(&kubeconfig, &["disable", "--yes"]).ok();
    said(&disable.stderr, "their bindings could not be read");
    assert_eq!(configurations(&server), Vec::<String>::new());
}

/// Whatever kind it is of: a namespace with somebody's work in it stays, and what stays with a private key is named.
#[test]
fn a_namespace_with_work_in_it_stays() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    applied(&server, &Options::default());
    let namespace = names::NAMESPACE;
    let metadata = |name: &str| json!({"name": name, "namespace": namespace});
    let ingress = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata("theirs"),
        "spec": {"defaultBackend": {"service": {"name": "shop", "port": {"number": 80}}}},
    });
    let secret =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata(names::TLS_SECRET)});
    server.apply(&ingress.to_string());
    server.apply(&secret.to_string());
    let removed = webhook(&file, &["uninstall", "--yes"]).ok();
    said(
        &removed.stderr,
        "stays: it also holds ingress.networking.k8s.io/theirs",
    );
    said(
        &removed.stderr,
        "kubectl delete secret/netdoctor-webhook-tls -n netdoctor-system",
    );
    server.kubectl(&["get", "namespace", namespace]).ok();

    // It is ours again as soon as that is gone.
    server
        .kubectl(&["delete", "ingress/theirs", "-n", namespace])
        .ok();
    let removed = webhook(&file, &["uninstall", "--yes"]).ok();
    assert_eq!(removed.stdout, "namespace/netdoctor-system deleted\n");
}
