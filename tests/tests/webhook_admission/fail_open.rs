//! What the webhook does when it is the one in trouble: it lets through, says so, and counts.

use crate::manifests::{EDGE, SERVICE, WEB};
use crate::own::Own;
use crate::stage::{Run, Stage, apply, silent, stage, try_out, wait, warnings, warnings_of};
use netdoctor_tests::webhook::{Settings, Webhook};
use netdoctor_tests::{Fault, FaultProxy, Namespace, Rule, Rules};
use serde_json::Value;
use std::time::{Duration, Instant};

/// A namespace that this webhook is asked about, and the webhook of the stage is not.
fn apart<'s>(stage: &'s Stage, webhook: &Webhook) -> (Namespace<'s>, Own<'s>) {
    let shop = stage.server.namespace();
    stage.label(&shop, "netdoctor.io/admission=disabled");
    let own = Own::apply(stage, &shop, webhook.configuration(webhook.port()));
    let asked = || webhook.count("netdoctor_admission_requests_total", &[]);
    wait("the API server to ask", || {
        try_out(&shop, EDGE).ok();
        asked() > 0
    });
    (shop, own)
}

#[test]
fn before_the_caches_are_filled_only_what_an_object_says_by_itself_is_judged() {
    let Some(stage) = stage() else { return };
    let proxy = FaultProxy::start(&stage.server);
    let hour = Duration::from_hours(1);
    for path in [
        "/api/v1/",
        "/apis/apps/",
        "/apis/batch/",
        "/apis/networking.k8s.io/",
        "/apis/discovery.k8s.io/",
        "/apis/autoscaling/",
    ] {
        proxy.add(Rule::new(Fault::Stall(hour)).path(path).query("limit="));
    }
    let webhook = Webhook::start(
        &stage.server,
        Settings {
            kubeconfig: Some(proxy.kubeconfig("default")),
            settled: false,
            ..Settings::default()
        },
    );
    let (shop, _own) = apart(stage, &webhook);
    let counted = || {
        let labels = ["reason=\"unsynced-cache\""];
        webhook.count("netdoctor_admission_fail_open_total", &labels)
    };
    silent(apply(
        &shop,
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}",
    ));
    apply(&shop, WEB).ok();
    let before = counted();
    let output = apply(&shop, SERVICE).ok();
    let said = warnings(&output);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("not checked by netdoctor for ")
            && said[0].contains("SVC004")
            && said[0].ends_with(": the cluster's objects have not all been read yet"),
        "{said:?}"
    );
    assert_eq!(counted(), before + 1);
    assert_eq!(
        webhook.count("netdoctor_cache_synced", &["kind=\"Service\""]),
        0
    );
    // The rule about the object itself is asked.
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: a, livenessProbe: {httpGet: {port: health}}}]}}";
    let output = apply(&shop, pod).ok();
    assert!(
        warnings(&output)
            .iter()
            .any(|text| text.starts_with("PRB001")),
        "{}",
        output.stderr
    );

    // Nobody answers any more: that is no reason to fail either, and takes no longer than the timeout.
    webhook.kill();
    let began = Instant::now();
    let service: Value =
        serde_saphyr::from_str(&SERVICE.replace("{name: web}", "{name: more}")).expect("YAML");
    let answer = stage.post(&shop, &service, Run::Real).ok();
    assert_eq!(warnings_of(&answer), [""; 0]);
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn without_rights_rules_are_unknown_and_nobody_is_bothered() {
    let Some(stage) = stage() else { return };
    let account =
        stage
            .server
            .kubeconfig_for_service_account("default", "powerless", &Rules::default());
    let webhook = Webhook::start(
        &stage.server,
        Settings {
            kubeconfig: Some(account),
            ..Settings::default()
        },
    );
    let (shop, _own) = apart(stage, &webhook);
    apply(&shop, WEB).ok();
    silent(apply(&shop, SERVICE));
    let unknown = |rule: &str| {
        let labels = [&*format!("rule=\"{rule}\""), "verdict=\"unknown\""];
        webhook.count("netdoctor_admission_rule_verdicts_total", &labels)
    };
    assert!(unknown("SVC004") > 0);
    assert_eq!(webhook.count("netdoctor_admission_fail_open_total", &[]), 0);
}
