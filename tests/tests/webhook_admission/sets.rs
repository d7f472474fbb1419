//! Whole applications in one command, in every order that tools have.

use std::fs;

use crate::manifests::{WEB, good_service, ingress};
use crate::stage::{Stage, apply, events, refused, silent, stage, try_out, wait, warned, warnings};
use netdoctor_tests::Namespace;

const POLICY: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress: [{ports: [{port: 8080}]}]
";

/// An application without a mistake.
fn application() -> [(&'static str, String); 4] {
    [
        ("deployment", WEB.to_owned()),
        ("service", good_service()),
        ("ingress", ingress("web", "number: 80")),
        ("policy", POLICY.to_owned()),
    ]
}

/// All orders of four things.
fn orders() -> Vec<[usize; 4]> {
    let mut orders = Vec::new();
    for number in 0..256 {
        let order = [
            number & 3,
            number >> 2 & 3,
            number >> 4 & 3,
            number >> 6 & 3,
        ];
        let mut sorted = order;
        sorted.sort_unstable();
        if sorted == [0, 1, 2, 3] {
            orders.push(order);
        }
    }
    orders
}

/// Writes a kustomization with the files in this order, which kustomize keeps when it is told to.
fn kustomization(stage: &Stage, namespace: &Namespace<'_>, order: [usize; 4]) -> String {
    let name = order.map(|at| at.to_string()).concat();
    let folder = stage.server.folder().join(format!("{namespace}-{name}"));
    fs::create_dir(&folder).expect("a folder");
    let parts = application();
    let mut list = String::from("sortOptions: {order: fifo}\nresources:\n");
    for at in order {
        let (name, text) = &parts[at];
        fs::write(folder.join(format!("{name}.yaml")), text).expect("a file");
        list.push_str(&format!("- {name}.yaml\n"));
    }
    fs::write(folder.join("kustomization.yaml"), list).expect("a file");
    folder.display().to_string()
}

/// Rules that look for what is not there yet.
const MISSING: [&str; 4] = ["SVC001", "SVC002", "ING001", "POL004"];

#[test]
fn a_kustomization_passes_in_every_order_under_every_profile() {
    let Some(stage) = stage() else { return };
    for (number, order) in orders().into_iter().enumerate() {
        // The strictest everywhere, the others now and then: what they refuse is part of what it refuses.
        let profile = ["strict", "guarded", "strict", "advisory"][number % 4];
        let shop = stage.server.namespace();
        stage.label(&shop, &format!("netdoctor.io/profile={profile}"));
        let folder = kustomization(stage, &shop, order);
        let tried = shop.kubectl(&["apply", "--dry-run=server", "-k", &folder]);
        let done = shop.kubectl(&["apply", "-k", &folder]);
        let again = shop.kubectl(&["apply", "-k", &folder]);
        for output in [tried, done, again] {
            let output = output.ok();
            for warning in warnings(&output) {
                let code = warning.split([':', ' ']).next().unwrap_or_default();
                assert!(MISSING.contains(&code), "{order:?}: {warning}");
            }
        }
    }
}

/// The order in which Helm installs kinds: policies and Services before what they select, Ingresses last.
#[test]
fn a_release_passes_in_the_order_of_helm() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("strict");
    for (kind, text) in [3, 1, 0, 2].map(|at| application()[at].clone()) {
        let output = apply(&shop, &text).ok();
        for warning in warnings(&output) {
            let code = warning.split([':', ' ']).next().unwrap_or_default();
            assert!(MISSING.contains(&code), "{kind}: {warning}");
        }
    }
    // An upgrade in the same order that renames the port of the Pods and of everything that names it.
    let renamed = |text: &str| {
        text.replace("{name: http,", "{name: www,")
            .replace("targetPort: http", "targetPort: www")
    };
    stage.profile(&shop, "guarded");
    apply(&shop, &renamed(&good_service())).ok();
    apply(&shop, &renamed(WEB)).ok();
}

/// Lets an application talk to its database.
const TO_THE_DATABASE: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]
";

/// Lets everybody look up names.
const TO_DNS: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: names}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}]
";

/// Policies add up, and none of a set is complete before the last of them.
#[test]
fn the_policy_that_admits_names_may_come_last() {
    let Some(stage) = stage() else { return };
    let set = format!("{TO_THE_DATABASE}---{TO_DNS}");
    let (whole, half) = (stage.namespace("strict"), stage.namespace("strict"));
    for shop in [&whole, &half] {
        apply(shop, WEB).ok();
        stage.until_warned(shop, TO_THE_DATABASE, "DNS008");
    }
    let said = warned(apply(&whole, &set), "DNS008");
    assert!(said.contains("not denied while it is new"), "{said}");
    warned(apply(&half, TO_THE_DATABASE), "DNS008");

    // What stays alone is told later, and what is whole by then is not.
    wait("the Event", || events(&half) == ["DNS008 out"]);
    assert_eq!(events(&whole), [""; 0]);

    // The grace period is over: whoever takes names away now does so for good.
    let away = [
        "patch",
        "networkpolicy",
        "names",
        "--type=merge",
        "-p",
        r#"{"spec": {"egress": [{"ports": [{"port": 443}]}]}}"#,
    ];
    refused(whole.kubectl(&away), "DNS008");
    silent(apply(&whole, &set));
    // In the reverse order nobody is told anything.
    let other = stage.namespace("strict");
    apply(&other, WEB).ok();
    stage.until_warned(&other, TO_THE_DATABASE, "DNS008");
    silent(apply(&other, &format!("{TO_DNS}---{TO_THE_DATABASE}")));
}

#[test]
fn a_set_with_a_mistake_is_refused_for_the_mistake_alone() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("strict");
    let wrong = ingress("web", "number: 8080");
    let set = format!("{WEB}---{}", good_service());
    apply(&shop, &set).ok();
    stage.until_warned(&shop, &wrong, "ING002");
    let tried = try_out(&shop, &format!("{set}---{wrong}")).ok();
    assert!(tried.stderr.contains("would be denied"), "{}", tried.stderr);
    let done = refused(
        apply(&shop, &format!("{set}---{wrong}---{POLICY}")),
        "ING002",
    );
    assert!(
        done.stdout
            .contains("networkpolicy.networking.k8s.io/web created"),
        "{}",
        done.stdout
    );
    assert!(done.stderr.contains("80"), "{}", done.stderr);
}
