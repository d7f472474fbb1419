//! What the profiles do with the two refusals that this guard is known for (decision 31), and how to get past them.

use std::time::Duration;

use crate::manifests::{EDGE, SERVICE, WEB, good_service};
use crate::stage::{GRACE, apply, refused, silent, stage, try_out, wait, warned, warnings};
use serde_json::json;

#[test]
fn advisory_lets_everything_through_and_names_the_line_that_fixes_it() {
    let Some(stage) = stage() else { return };
    let shop = stage.server.namespace();
    let edge = apply(&shop, EDGE).ok();
    let said = warnings(&edge);
    assert_eq!(
        said[0],
        format!(
            "HST002: two of the 3 Pods of Deployment {shop}/edge may share a node and its network, and no port is \
             declared. Fix: keep its Pods on different nodes by required anti-affinity."
        )
    );
    assert_eq!(
        said[1],
        "HST002 fix: in spec.template.spec: affinity: {podAntiAffinity: \
         {requiredDuringSchedulingIgnoredDuringExecution: [{labelSelector: {matchLabels: {app: edge}}, topologyKey: \
         kubernetes.io/hostname}]}}"
    );
    assert_eq!(said.len(), 3, "{said:?}");

    apply(&shop, WEB).ok();
    stage.until_warned(&shop, SERVICE, "SVC004");
    std::thread::sleep(GRACE);
    let said = warned(apply(&shop, SERVICE), "SVC004");
    assert_eq!(
        said,
        format!(
            "SVC004: port http (80/TCP) of Service {shop}/web targets htpp, and no selected Pod declares a port of that \
             name. Fix: target http (in spec.ports[0]: targetPort: http)."
        )
    );
}

#[test]
fn guarded_refuses_pods_that_may_share_a_node() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("guarded");
    let counted = |verdict: &str| {
        let labels = ["rule=\"HST002\"", &format!("verdict=\"{verdict}\"")];
        stage
            .webhook
            .count("netdoctor_admission_rule_verdicts_total", &labels)
    };
    let before = counted("deny");
    let edge = refused(apply(&shop, EDGE), "HST002");
    assert!(edge.stderr.contains("Forbidden"), "{}", edge.stderr);
    // The line does not fit into the message.
    assert_eq!(warnings(&edge).len(), 2, "{}", edge.stderr);
    shop.kubectl(&["get", "deployment", "edge"]).exits(1);
    assert!(counted("deny") > before);

    // What a program gets.
    let path = format!("/apis/apps/v1/namespaces/{shop}/deployments");
    let object: serde_json::Value = serde_saphyr::from_str(EDGE).expect("a manifest");
    let answer = stage.server.rest().post(&path, &object).expect("an answer");
    assert_eq!(answer.status, 403);
    let status = answer.json();
    let cause = &status["details"]["causes"][0];
    assert_eq!(cause["field"], "spec.template.spec.hostNetwork");
    assert_eq!(cause["reason"], "HST002");
    let message = cause["message"].as_str().expect("a message");
    assert!(message.contains("affinity: {podAntiAffinity:"), "{message}");
    assert_eq!(status["details"]["kind"], "Deployment");
    assert!(answer.headers.get_all("warning").iter().count() == 2);

    // One Pod shares with nobody, and a DaemonSet has one on each node.
    silent(apply(&shop, &EDGE.replace("replicas: 3", "replicas: 1")));
}

#[test]
fn guarded_refuses_a_service_whose_pods_have_another_port() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("guarded");
    apply(&shop, WEB).ok();
    // A moment ago the Pods did not exist: perhaps the port is about to be renamed as well.
    stage.until_warned(&shop, SERVICE, "SVC004");
    std::thread::sleep(GRACE);
    let service = refused(apply(&shop, SERVICE), "SVC004");
    assert!(
        service
            .stderr
            .contains("Fix: target http (in spec.ports[0]: targetPort: http)"),
        "{}",
        service.stderr
    );
    let call = stage.calls(&shop).pop().expect("a call");
    let causes = &call.response()["status"]["details"]["causes"];
    assert_eq!(causes[0]["field"], "spec.ports[0].targetPort");
    silent(apply(&shop, &good_service()));

    // An update may be one half of an edit: only `strict` is sure.
    let wrong = r#"{"spec": {"ports": [{"name": "http", "port": 80, "targetPort": "htpp"}]}}"#;
    let patch = ["patch", "service", "web", "--type=merge", "-p", wrong];
    let said = warned(shop.kubectl(&patch), "SVC004");
    assert!(said.contains("looked at again"), "{said}");
    silent(apply(&shop, &good_service()));
    stage.profile(&shop, "strict");
    refused(shop.kubectl(&patch), "SVC004");
    let kept = shop.kubectl(&[
        "get",
        "service",
        "web",
        "-o",
        "jsonpath={.spec.ports[0].targetPort}",
    ]);
    assert_eq!(kept.ok().stdout, "http");
}

#[test]
fn lint_and_explain_say_what_the_refusal_said() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("guarded");
    apply(&shop, WEB).ok();
    stage.until_warned(&shop, SERVICE, "SVC004");
    std::thread::sleep(GRACE);
    for (manifest, code) in [(SERVICE, "SVC004"), (EDGE, "HST002")] {
        stage.calls(&shop);
        refused(apply(&shop, manifest), code);
        let call = stage.calls(&shop).pop().expect("a call");
        let causes = &call.response()["status"]["details"]["causes"];
        let told = causes[0]["message"].as_str().expect("a message");

        let file = stage.server.folder().join(format!("{code}.yaml"));
        std::fs::write(&file, manifest).expect("a file");
        let file = file.display().to_string();
        let lint = [
            "lint",
            "--with-cluster",
            "-n",
            &shop,
            "-o",
            "json",
            "-f",
            &file,
        ];
        let report = stage.netdoctor(&lint).json();
        let findings = report["findings"].as_array().expect("findings");
        let finding = findings.iter().find(|finding| finding["code"] == code);
        let finding = finding.unwrap_or_else(|| panic!("{report:#}"));
        let plain = |text: &serde_json::Value| text.as_str().expect("a text").replace('`', "");
        let (message, fix) = (
            plain(&finding["message"]),
            plain(&finding["fixes"][0]["title"]),
        );
        assert!(
            told.starts_with(&format!("{message}. Fix: {fix}")),
            "{told}\n{message}\n{fix}"
        );

        let explained = stage.netdoctor(&["explain", code]).ok().stdout;
        let rule = netdoctor_engine::rules::find(code).expect("the rule");
        assert!(
            explained.contains(rule.summary) && explained.contains("admission: deny"),
            "{explained}"
        );
        assert!(explained.contains("How to fix"), "{explained}");
    }
}

#[test]
fn the_suggested_patch_is_one_that_the_api_server_takes() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("guarded");
    apply(&shop, WEB).ok();
    stage.until_warned(&shop, SERVICE, "SVC004");
    std::thread::sleep(GRACE);
    for (manifest, code, resource) in [
        (SERVICE, "SVC004", "/api/v1/namespaces/NS/services"),
        (EDGE, "HST002", "/apis/apps/v1/namespaces/NS/deployments"),
    ] {
        refused(apply(&shop, manifest), code);
        let mut patch = None;
        wait("the audit log", || {
            let lines = stage.audited(&shop);
            let said = lines.iter().rev().find_map(|line| {
                let notes = &line["annotations"];
                let rules = notes["validate.netdoctor.io/rules"].as_str()?;
                rules
                    .contains(code)
                    .then(|| notes["validate.netdoctor.io/patch"].clone())
            });
            patch = said;
            patch.is_some()
        });
        let patch = patch.expect("a patch");
        let patch: json_patch::Patch =
            serde_json::from_str(patch.as_str().expect("a text")).expect("a JSON patch");
        // The patch is for the object as the webhook saw it.
        let call = stage.calls(&shop).pop().expect("a call");
        let mut object = call.request()["object"].clone();
        json_patch::patch(&mut object, &patch).expect("it applies");
        object["metadata"] = json!({"name": object["metadata"]["name"]});
        let resource = resource.replace("NS", &shop);
        let answer = stage
            .server
            .rest()
            .post(&resource, &object)
            .expect("an answer")
            .ok();
        assert!(
            answer.headers.get("warning").is_none(),
            "{:?}",
            answer.headers
        );
    }

    // And on an object that was there before, with kubectl.
    let other = stage.server.namespace();
    apply(&other, EDGE).ok();
    let call = stage.calls(&other).pop().expect("a call");
    let patch = call.response()["auditAnnotations"]["patch"]
        .as_str()
        .expect("a patch");
    silent(other.kubectl(&["patch", "deployment", "edge", "--type=json", "-p", patch]));
    stage.profile(&other, "strict");
    let stored = other
        .kubectl(&["get", "deployment", "edge", "-o", "json"])
        .ok()
        .stdout;
    let mut stored: serde_json::Value = serde_json::from_str(&stored).expect("an object");
    stored["metadata"] = json!({"name": "again"});
    silent(apply(&other, &stored.to_string()));
}

#[test]
fn a_patch_reaches_keys_with_slashes() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("strict");
    apply(
        &shop,
        &WEB.replace("{app: web}", "{app.kubernetes.io/name: web}"),
    )
    .ok();
    let near = good_service().replace("{app: web}", "{app.kubernetes.io/name: wbe}");
    stage.until_warned(&shop, &near, "SVC002");
    apply(&shop, &near).ok();
    let call = stage.calls(&shop).pop().expect("a call");
    let patch = call.response()["auditAnnotations"]["patch"]
        .as_str()
        .expect("a patch");
    assert!(
        patch.contains("/spec/selector/app.kubernetes.io~1name"),
        "{patch}"
    );
    silent(shop.kubectl(&["patch", "service", "web", "--type=json", "-p", patch]));
    let name = "jsonpath={.spec.selector.app\\.kubernetes\\.io/name}";
    assert_eq!(
        shop.kubectl(&["get", "service", "web", "-o", name])
            .ok()
            .stdout,
        "web"
    );
}

#[test]
fn an_object_may_say_why_it_is_right() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("strict");
    let allowed = EDGE.replace(
        "{name: edge}\nspec:\n  replicas",
        "{name: edge, annotations: {netdoctor.io/allow-HST002: one replica per site}}\nspec:\n  replicas",
    );
    silent(apply(&shop, &allowed));
    let call = stage.calls(&shop).pop().expect("a call");
    assert_eq!(
        call.response()["auditAnnotations"]["rules"],
        "HST002=allowed"
    );
    // Without the reason it is refused as before.
    refused(
        try_out(
            &shop,
            &EDGE.replace("name: edge}\nspec:\n  rep", "name: edg}\nspec:\n  rep"),
        ),
        "HST002",
    );
    let typo = EDGE.replace(
        "{name: edge}\nspec:\n  replicas",
        "{name: other, annotations: {netdoctor.io/allow-HST0002: one replica per site}}\nspec:\n  replicas",
    );
    let output = refused(try_out(&shop, &typo), "HST002");
    assert!(output.stderr.contains("HST0002"), "{}", output.stderr);
}

#[test]
fn a_namespace_that_is_switched_off_is_not_asked_about() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("strict");
    refused(try_out(&shop, EDGE), "HST002");
    stage.label(&shop, "netdoctor.io/admission=disabled");
    wait("the way out", || try_out(&shop, EDGE).code == Some(0));
    // The API server may ask a moment longer; the webhook knows the label as well.
    std::thread::sleep(Duration::from_millis(500));
    stage.calls(&shop);
    silent(apply(&shop, EDGE));
    assert_eq!(stage.calls(&shop), []);
}
