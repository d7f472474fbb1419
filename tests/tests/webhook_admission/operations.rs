//! Every way to write an object, and what was wrong before that.

use crate::manifests::{EDGE, SERVICE, WEB, good_service, ingress};
use crate::stage::{GRACE, apply, events, refused, silent, stage, try_out, warned};

#[test]
fn every_kind_of_patch_is_judged_like_an_apply() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("strict");
    apply(&shop, WEB).ok();
    stage.until_warned(&shop, SERVICE, "SVC004");
    silent(apply(&shop, &good_service()));
    let ports = r#"{"spec": {"ports": [{"name": "http", "port": 80, "targetPort": "htpp"}]}}"#;
    let json = r#"[{"op": "replace", "path": "/spec/ports/0/targetPort", "value": "htpp"}]"#;
    for (kind, patch) in [("json", json), ("merge", ports), ("strategic", ports)] {
        let patch = ["patch", "service", "web", "--type", kind, "-p", patch];
        refused(shop.kubectl(&patch), "SVC004");
        // A set of objects is tried before any of it is written: what depends on another object is not refused then.
        let tried = [&patch[..], &["--dry-run=server"]].concat();
        let said = warned(shop.kubectl(&tried), "SVC004");
        assert!(said.contains("in the same apply"), "{said}");
    }
    let server_side = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
    refused(shop.kubectl_with_input(&server_side, SERVICE), "SVC004");
    let whole = shop
        .kubectl(&["get", "service", "web", "-o", "yaml"])
        .ok()
        .stdout;
    let wrong = whole.replace("targetPort: http", "targetPort: htpp");
    refused(
        shop.kubectl_with_input(&["replace", "-f", "-"], &wrong),
        "SVC004",
    );
    refused(apply(&shop, SERVICE), "SVC004");
    let create = ["create", "--dry-run=server", "-f", "-"];
    let other = SERVICE.replace("{name: web}", "{name: new}");
    let said = warned(shop.kubectl_with_input(&create, &other), "SVC004");
    assert!(said.contains("would be denied"), "{said}");
    refused(
        shop.kubectl_with_input(&["create", "-f", "-"], &other),
        "SVC004",
    );
    // What the object alone decides is refused in a dry run as well.
    refused(try_out(&shop, EDGE), "HST002");
    refused(shop.kubectl_with_input(&create, EDGE), "HST002");
}

#[test]
fn what_was_wrong_before_blocks_no_edit() {
    let Some(stage) = stage() else { return };
    let shop = stage.server.namespace();
    apply(&shop, EDGE).ok();
    apply(&shop, WEB).ok();
    stage.until_warned(&shop, SERVICE, "SVC004");
    apply(&shop, SERVICE).ok();
    stage.profile(&shop, "strict");
    for edit in [
        &["annotate", "deployment", "edge", "note=a"][..],
        &["label", "deployment", "edge", "team=a"],
        &["scale", "deployment", "edge", "--replicas=4"],
        &["rollout", "restart", "deployment/edge"],
        &["set", "image", "deployment/edge", "edge=edge:2"],
        &["set", "env", "deployment/edge", "A=b"],
        &["set", "resources", "deployment/edge", "--limits=cpu=1"],
        &["annotate", "service", "web", "note=a"],
        &["set", "selector", "service", "web", "app=web"],
        &[
            "patch",
            "service",
            "web",
            "--type=merge",
            "-p",
            r#"{"spec": {"sessionAffinity": "ClientIP"}}"#,
        ],
        &["rollout", "restart", "deployment/web"],
    ] {
        let output = shop.kubectl(edit).ok();
        assert!(
            !output.stderr.contains("Warning"),
            "{edit:?}: {}",
            output.stderr
        );
    }
    silent(apply(&shop, EDGE));
    // A second mistake is new, whatever else is wrong with the object.
    let second = SERVICE.replace(
        "ports: [",
        "ports: [{name: admin, port: 81, targetPort: admn}, ",
    );
    let output = refused(apply(&shop, &second), "SVC004");
    let said = output
        .stderr
        .rsplit("denied the request")
        .next()
        .unwrap_or_default()
        .to_owned();
    assert!(said.contains("admn") && !said.contains("htpp"), "{said}");
    // More replicas bring no new finding; the first two did.
    let one = EDGE
        .replace("replicas: 3", "replicas: 1")
        .replace("{name: edge}\n", "{name: lone}\n");
    silent(apply(&shop, &one));
    let patch = r#"{"spec": {"replicas": 2}}"#;
    refused(
        shop.kubectl(&["patch", "deployment", "lone", "--type=merge", "-p", patch]),
        "HST002",
    );
    // What is put right is silent, and cannot be broken again.
    silent(apply(&shop, &good_service()));
    refused(apply(&shop, SERVICE), "SVC004");
}

#[test]
fn scaling_is_no_business_of_the_webhook_unless_it_is_asked() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("strict");
    silent(apply(&shop, &EDGE.replace("replicas: 3", "replicas: 1")));
    stage.calls(&shop);
    shop.kubectl(&["scale", "deployment", "edge", "--replicas=5"])
        .ok();
    assert_eq!(stage.calls(&shop), []);
}

#[test]
fn a_port_renamed_on_both_sides_passes_in_any_order() {
    let Some(stage) = stage() else { return };
    for order in ["deployment first", "service first"] {
        let shop = stage.namespace("guarded");
        apply(&shop, WEB).ok();
        stage.until_warned(&shop, SERVICE, "SVC004");
        silent(apply(&shop, &good_service()));
        std::thread::sleep(GRACE);
        let pods = WEB.replace("{name: http,", "{name: www,");
        let service = good_service().replace("targetPort: http", "targetPort: www");
        let both = if order == "deployment first" {
            format!("{pods}---{service}")
        } else {
            format!("{service}---{pods}")
        };
        let tried = try_out(&shop, &both).ok();
        assert!(tried.stderr.contains("SVC004"), "{order}: {}", tried.stderr);
        let done = apply(&shop, &both).ok();
        assert!(
            done.stdout.contains("service/web configured"),
            "{order}: {}",
            done.stdout
        );
        // Nothing is left of it, for the webhook and for the auditor.
        std::thread::sleep(GRACE);
        assert_eq!(events(&shop), [""; 0], "{order}");
    }
}

#[test]
fn what_one_apply_brings_is_seen_by_the_rest_of_it() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("advisory");
    for name in ["one", "two", "three", "four", "five"] {
        let named = |manifest: &str| {
            manifest
                .replace("name: web", &format!("name: {name}"))
                .replace("app: web", &format!("app: {name}"))
        };
        let whole = [
            named(WEB),
            named(&good_service()),
            named(&ingress(name, "name: http")),
        ];
        let output = apply(&shop, &whole.join("---")).ok();
        for code in ["SVC001", "SVC002", "SVC004", "ING001"] {
            assert!(!output.stderr.contains(code), "{name}: {}", output.stderr);
        }
    }
}
