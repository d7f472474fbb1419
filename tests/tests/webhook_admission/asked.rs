//! What the webhook is asked about only where somebody wants it: deletions and the scale subresource, with the
//! configurations that the plugin prints for `--with=deletions` and `--with=scale`.

use crate::manifests::{EDGE, WEB, good_service, ingress};
use crate::own::Own;
use crate::stage::{CONFIGURATION, Stage, apply, silent, stage, wait, warned, warnings};
use netdoctor_tests::{Namespace, cmd};

/// Has the API server ask in this namespace as it does after an installation with a part.
fn with<'s>(stage: &'s Stage, shop: &Namespace<'_>, part: &str) -> Own<'s> {
    let part = format!("--with={part}");
    let printed = |command| {
        let output = stage.netdoctor(&["webhook", command, &part]).ok();
        assert_eq!(output.stderr, "");
        output.stdout
    };
    let objects = printed("manifests");
    assert_eq!(objects, printed("install"));
    let objects = serde_saphyr::from_multiple(&objects).expect("YAML");
    Own::apply(stage, shop, stage.aimed(objects))
}

/// Runs a command until the webhook is asked about it, which takes the API server a moment after a configuration has come.
fn until_asked(stage: &Stage, shop: &Namespace<'_>, command: &[&str]) {
    wait("the API server to ask", || {
        shop.kubectl(command).ok();
        !stage.calls(shop).is_empty()
    });
}

/// Runs a command about which the webhook is asked so many times.
fn asked(stage: &Stage, shop: &Namespace<'_>, times: usize, command: &[&str]) -> cmd::Output {
    stage.calls(shop);
    let output = shop.kubectl(command).ok();
    let calls = stage.calls(shop);
    assert_eq!(calls.len(), times, "{command:?}: {calls:#?}");
    let refused = calls.iter().any(|call| call.response()["allowed"] != true);
    assert!(!refused, "{calls:#?}");
    output
}

/// Nothing leaves the namespace but questions about names.
const POLICIES: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny}
spec: {podSelector: {}, policyTypes: [Egress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-dns}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}]
";

/// More Pods of the same Service, whose port has no name.
fn nameless() -> String {
    WEB.replace("{name: web}\n", "{name: more}\n")
        .replace("{name: http, containerPort", "{containerPort")
        .replace("labels: {app: web}", "labels: {app: web, more: yes-please}")
        .replace(
            "{matchLabels: {app: web}}",
            "{matchLabels: {more: yes-please}}",
        )
}

/// Pods, their Service, an Ingress and policies, and a Service that nobody needs; the webhook knows of all of them.
fn furnished(stage: &Stage) -> Namespace<'_> {
    let shop = stage.namespace("strict");
    let spare = good_service().replace("{name: web}", "{name: spare}");
    let objects = [
        WEB,
        &good_service(),
        &spare,
        POLICIES,
        &ingress("web", "number: 80"),
    ];
    apply(&shop, &objects.join("---")).ok();
    stage.until_warned(&shop, &ingress("web", "number: 8080"), "ING002");
    shop
}

#[test]
fn a_deletion_that_breaks_something_is_warned_of_and_never_refused() {
    let Some(stage) = stage() else { return };
    let shop = furnished(stage);
    let tried = |what: &'static str| ["delete", what, "--dry-run=server"];
    silent(asked(stage, &shop, 0, &tried("service/web")));
    silent(asked(stage, &shop, 0, &tried("deployment/web")));

    let own = with(stage, &shop, "deletions");
    until_asked(stage, &shop, &tried("service/spare"));
    silent(asked(stage, &shop, 1, &tried("service/spare")));
    let said = warned(asked(stage, &shop, 1, &tried("service/web")), "ING001");
    assert!(said.contains(&format!("Ingress {shop}/web")), "{said}");
    let said = warned(
        asked(stage, &shop, 1, &tried("networkpolicy/allow-dns")),
        "DNS008",
    );
    assert!(
        said.contains(&format!(
            "for Deployment {shop}/web, which NetworkPolicy default-deny"
        )),
        "{said}"
    );
    let output = asked(stage, &shop, 1, &tried("deployment/web"));
    let said = warnings(&output);
    for service in ["spare", "web"] {
        let about =
            format!("SVC001: the selector app=web of Service {shop}/{service} matches no Pod");
        assert!(said.iter().any(|line| line.starts_with(&about)), "{said:?}");
    }
    // Nobody needs the Ingress.
    silent(asked(stage, &shop, 1, &tried("ingress/web")));
    // Nobody is asked about other writes than before, nor about scaling.
    silent(asked(
        stage,
        &shop,
        0,
        &["scale", "deployment/web", "--replicas=3"],
    ));

    // It goes all the same, and so does what no update may do in this profile: the policy that lets names through, and the
    // last Pods whose port has the name that a Service targets.
    warned(asked(stage, &shop, 1, &["delete", "service/web"]), "ING001");
    shop.kubectl(&["get", "service/web"]).exits(1);
    let policy = ["delete", "networkpolicy/allow-dns"];
    warned(asked(stage, &shop, 1, &policy), "DNS008");
    apply(&shop, &nameless()).ok();
    let contradicting = ["delete", "deployment/web", "--dry-run=server"];
    wait("SVC004", || {
        let output = shop.kubectl(&contradicting).ok();
        warnings(&output)
            .iter()
            .any(|line| line.starts_with("SVC004"))
    });
    let output = asked(stage, &shop, 1, &["delete", "deployment/web"]);
    assert!(warnings(&output)[0].starts_with("SVC004"), "{output:?}");
    shop.kubectl(&["get", "deployment/web"]).exits(1);

    // Without the part, nobody is asked again.
    drop(own);
    wait("the API server to stop asking", || {
        shop.kubectl(&tried("service/spare")).ok();
        stage.calls(&shop).is_empty()
    });
}

#[test]
fn scaling_beyond_the_nodes_is_warned_of_and_never_refused() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("strict");
    let one = EDGE
        .replace("replicas: 3", "replicas: 1\n  strategy: {type: Recreate}")
        .replace(
            "image: edge}",
            "image: edge, ports: [{containerPort: 8443}]}",
        );
    let set = one
        .replace("kind: Deployment", "kind: StatefulSet")
        .replace("{name: edge}\n", "{name: store}\n")
        .replace("  strategy: {type: Recreate}", "  serviceName: store")
        .replace("app: edge", "app: store")
        .replace("8443", "9443");
    apply(&shop, &format!("{one}---{set}")).ok();
    let to = |what: &'static str, replicas: &'static str| ["scale", what, replicas];
    silent(asked(
        stage,
        &shop,
        0,
        &to("deployment/edge", "--replicas=1"),
    ));

    let _own = with(stage, &shop, "scale");
    // There is one node, and the port is taken there once.
    wait("HST010", || {
        let tried = [
            "scale",
            "deployment/edge",
            "--replicas=5",
            "--dry-run=server",
        ];
        let output = shop.kubectl(&tried).ok();
        warnings(&output)
            .iter()
            .any(|line| line.starts_with("HST010"))
    });
    let said = warned(
        asked(stage, &shop, 1, &to("deployment/edge", "--replicas=5")),
        "HST010",
    );
    assert!(
        said.contains("5 Pods") && said.contains(&format!("Deployment {shop}/edge")),
        "{said}"
    );
    let replicas = ["get", "deployment/edge", "-o=jsonpath={.spec.replicas}"];
    assert_eq!(shop.kubectl(&replicas).ok().stdout, "5");
    let said = warned(
        asked(stage, &shop, 1, &to("statefulset/store", "--replicas=2")),
        "HST010",
    );
    assert!(
        said.contains(&format!("StatefulSet {shop}/store")),
        "{said}"
    );
    // The way back is fine, and deletions are another part.
    silent(asked(
        stage,
        &shop,
        1,
        &to("deployment/edge", "--replicas=1"),
    ));
    let deletion = ["delete", "deployment/edge", "--dry-run=server"];
    silent(asked(stage, &shop, 0, &deletion));
}

#[test]
fn the_configuration_can_keep_quiet_about_both() {
    let Some(stage) = stage() else { return };
    let shop = furnished(stage);
    let _own = with(stage, &shop, "deletions,scale");
    let delete = ["delete", "service/web", "--dry-run=server"];
    let scale = ["scale", "deployment/web", "--replicas=3"];
    until_asked(stage, &shop, &delete);
    warned(asked(stage, &shop, 1, &delete), "ING001");
    let _configured = stage.configure(&format!(
        "{CONFIGURATION}deletions: ignored\nscale: ignored\n"
    ));
    silent(asked(stage, &shop, 1, &delete));
    silent(asked(stage, &shop, 1, &scale));
}
