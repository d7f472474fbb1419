//! Step by step, as far as an API server without a kubelet goes.

use netdoctor_manifests::{Options, names};
use netdoctor_tests::{ApiServer, Spec};
use serde_json::json;

use crate::{applied, ours, said, webhook};

/// What is left of an earlier installation takes nothing in, and its end is waited for.
#[test]
fn a_namespace_on_its_way_out_is_waited_for() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let _ = server.namespace_called(names::NAMESPACE);
    let held = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": "held", "namespace": names::NAMESPACE, "finalizers": ["example.com/held"],
    }});
    server.apply(&held.to_string());
    let delete = ["delete", "namespace", names::NAMESPACE, "--wait=false"];
    server.kubectl(&delete).ok();

    let install = ["install", "--apply", "--yes", "--timeout=2s"];
    let stopped = webhook(&file, &install).exits(3);
    for words in [
        "Waiting for namespace/netdoctor-system to be gone",
        "Nothing was done",
    ] {
        assert!(stopped.stderr.contains(words), "{}", stopped.stderr);
    }
    assert_eq!(ours(&server), Vec::<String>::new());

    let free = r#"{"metadata": {"finalizers": null}}"#;
    let free = [
        "patch",
        "configmap/held",
        "-n",
        names::NAMESPACE,
        "--type=merge",
        "-p",
        free,
    ];
    server.kubectl(&free).ok();
    // There is nobody to run its Pods, but it got that far.
    let install = ["install", "--apply", "--yes", "--timeout=20s"];
    let stopped = webhook(&file, &install).exits(3);
    let words = "deployment.apps/netdoctor-webhook is not ready";
    assert!(stopped.stderr.contains(words), "{}", stopped.stderr);
}

/// Without a kubelet the Pods never run: the installation says why and has not touched a single request.
#[test]
fn an_installation_stops_at_the_first_step_that_fails() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let install = ["install", "--apply", "--yes", "--timeout=3s"];
    let stopped = webhook(&file, &install).exits(3);
    assert!(
        stopped
            .stderr
            .contains("deployment.apps/netdoctor-webhook is not ready"),
        "{}",
        stopped.stderr
    );
    assert!(
        stopped.stderr.contains("no Pod was created"),
        "{}",
        stopped.stderr
    );
    let left = ours(&server);
    assert!(
        left.iter()
            .any(|name| name == "deployment.apps/netdoctor-webhook"),
        "{left:?}"
    );
    assert!(
        !left
            .iter()
            .any(|name| name.contains("webhookconfiguration")),
        "{left:?}"
    );

    // The configuration was edited in the meantime: it stays, unless a profile is asked for.
    let edited = json!({"data": {"netdoctor.yaml": "profile: strict\n"}});
    server
        .kubectl(&[
            "patch",
            "configmap/netdoctor-config",
            "-n",
            names::NAMESPACE,
            "--type=merge",
            "-p",
            &edited.to_string(),
        ])
        .ok();
    let again = webhook(&file, &install).exits(3);
    assert!(
        again.stdout.contains("configmap/netdoctor-config kept"),
        "{}",
        again.stdout
    );
    assert!(
        again.stdout.contains("service/netdoctor-webhook unchanged"),
        "{}",
        again.stdout
    );
    let chosen = webhook(&file, &[&install[..], &["--profile=guarded"]].concat()).exits(3);
    assert!(
        chosen
            .stdout
            .contains("configmap/netdoctor-config configured"),
        "{}",
        chosen.stdout
    );

    webhook(&file, &["uninstall", "--yes"]).ok();
    let started = std::time::Instant::now();
    while !ours(&server).is_empty() {
        assert!(started.elapsed().as_secs() < 60, "{:?}", ours(&server));
    }
}

/// A namespace that was there before is neither relabelled nor removed.
#[test]
fn a_namespace_of_somebody_else_is_left_alone() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let _ = server.namespace_called("guard");
    let install = ["install", "--apply", "--yes", "--timeout=1s", "-n", "guard"];
    let stopped = webhook(&file, &install).exits(3);
    assert!(
        stopped.stdout.contains("namespace/guard kept"),
        "{}",
        stopped.stdout
    );
    let namespace = server
        .kubectl(&["get", "namespace", "guard", "-o", "json"])
        .ok()
        .json();
    assert!(
        namespace["metadata"]["labels"]
            .get("app.kubernetes.io/name")
            .is_none()
    );
    webhook(&file, &["uninstall", "--yes", "-n", "guard"]).ok();
    assert_eq!(ours(&server), Vec::<String>::new());
    server.kubectl(&["get", "namespace", "guard"]).ok();
}

/// What was configured in the cluster is worth more than a flag: only the profile changes, or nothing.
#[test]
fn another_profile_keeps_what_was_configured() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    applied(&server, &Options::default());
    let configure = |text: &str| {
        let data = json!({"data": {names::CONFIG_KEY: text}}).to_string();
        let map = format!("configmap/{}", names::CONFIG_MAP);
        let patch = [
            "patch",
            &map,
            "-n",
            names::NAMESPACE,
            "--type=merge",
            "-p",
            &data,
        ];
        server.kubectl(&patch).ok();
    };
    let configured = || {
        let map = [
            "get",
            "configmap",
            names::CONFIG_MAP,
            "-n",
            names::NAMESPACE,
            "-o",
            "json",
        ];
        let map = server.kubectl(&map).ok().json();
        map["data"][names::CONFIG_KEY].as_str().unwrap().to_owned()
    };
    let edited = "# agreed with the shop\nprofile: advisory # until May\ngracePeriod: 90s\n\
                  overrides:\n  - {code: SVC004, namespaces: [legacy-*], mode: warn}\n";
    configure(edited);
    let guarded = [
        "install",
        "--apply",
        "--yes",
        "--timeout=1s",
        "--profile=guarded",
    ];
    let stopped = webhook(&file, &guarded).exits(3);
    said(&stopped.stdout, "configmap/netdoctor-config configured");
    assert_eq!(
        configured(),
        edited.replace("profile: advisory", "profile: guarded")
    );
    let again = webhook(&file, &guarded).exits(3);
    said(&again.stdout, "configmap/netdoctor-config unchanged");

    let written_otherwise = "{profile: advisory, gracePeriod: 90s}";
    configure(written_otherwise);
    let refused = webhook(&file, &guarded).exits(3);
    said(
        &refused.stderr,
        "the profile cannot be changed without touching",
    );
    said(
        &refused.stderr,
        "kubectl edit configmap netdoctor-config -n netdoctor-system",
    );
    assert_eq!(refused.stdout, "");
    assert_eq!(configured(), written_otherwise);
    let kept = webhook(&file, &["install", "--apply", "--yes", "--timeout=1s"]).exits(3);
    said(&kept.stdout, "configmap/netdoctor-config kept");
}

/// The API server of a test listens at a port that no manifest could know; Pods that may not go there never get ready.
#[test]
fn the_port_of_the_api_server_is_opened() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let slices = [
        "get",
        "endpointslices",
        "-l=kubernetes.io/service-name=kubernetes",
        "-o",
        "json",
    ];
    let slices = server.kubectl(&slices).ok().json();
    let port = slices["items"][0]["ports"][0]["port"].as_u64().unwrap();
    let stopped = webhook(&file, &["install", "--apply", "--yes", "--timeout=1s"]).exits(3);
    said(
        &stopped.stderr,
        &format!("The API server listens at port {port}"),
    );
    for name in [names::WEBHOOK, names::AUDITOR] {
        let policy = [
            "get",
            "networkpolicy",
            name,
            "-n",
            names::NAMESPACE,
            "-o",
            "json",
        ];
        let policy = server.kubectl(&policy).ok().json();
        let rules = policy["spec"]["egress"].as_array().unwrap();
        let wanted = json!({"ports": [{"port": port, "protocol": "TCP"}]});
        assert!(rules.contains(&wanted), "{policy}");
    }
}

/// Names of cluster roles and configurations are fixed: two installations would take them from each other.
#[test]
fn a_second_namespace_gets_no_second_webhook() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let file = server.kubeconfig();
    let guard = Options {
        namespace: "guard".to_owned(),
        ..Options::default()
    };
    applied(&server, &guard);
    let before = ours(&server);
    let install = webhook(&file, &["install", "--apply", "--yes"]).exits(3);
    said(&install.stderr, "lives in namespace guard");
    let uninstall = webhook(&file, &["uninstall", "--yes"]).exits(2);
    said(
        &uninstall.stderr,
        "lives in namespace guard, not in netdoctor-system: say -n guard",
    );
    assert_eq!(ours(&server), before);

    // Without configurations the rights of its account still tell where it is.
    webhook(&file, &["disable", "--yes"]).ok();
    let uninstall = webhook(&file, &["uninstall", "--yes"]).exits(2);
    said(&uninstall.stderr, "say -n guard");
    let removed = webhook(&file, &["uninstall", "--yes", "-n", "guard"]).ok();
    said(&removed.stdout, "namespace/guard deleted");
}
