//! The configuration, changed while the webhook runs.

use crate::manifests::{EDGE, SERVICE, WEB};
use crate::stage::{CONFIGURATION, apply, refused, silent, stage, try_out, wait, warned, warnings};
use netdoctor_manifests::names;

#[test]
fn a_rule_is_made_milder_or_switched_off_without_a_restart() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("guarded");
    refused(try_out(&shop, EDGE), "HST002");
    let process = stage.webhook.id();
    let entry = |mode: &str| {
        format!(
            "{CONFIGURATION}overrides:\n  - {{code: HST002, namespaces: [\"{shop}\"], mode: {mode}}}\n"
        )
    };
    let configured = stage.configure(&entry("warn"));
    warned(try_out(&shop, EDGE), "HST002");
    // Elsewhere it is as it was.
    let other = stage.namespace("guarded");
    refused(try_out(&other, EDGE), "HST002");

    configured.change(&entry("audit"));
    stage.calls(&shop);
    silent(try_out(&shop, EDGE));
    let call = stage.calls(&shop).pop().expect("a call");
    assert_eq!(
        call.response()["auditAnnotations"]["rules"],
        "HST002/ports-not-declared=audit"
    );
    configured.change(&entry("off"));
    silent(try_out(&shop, EDGE));
    let call = stage.calls(&shop).pop().expect("a call");
    assert!(call.response()["auditAnnotations"].is_null(), "{call:?}");

    drop(configured);
    refused(try_out(&shop, EDGE), "HST002");
    assert_eq!(stage.webhook.id(), process);
}

#[test]
fn an_exemption_holds_until_its_last_day_and_then_says_that_it_ended() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("guarded");
    let entry = |until: &str| {
        format!(
            "{CONFIGURATION}exemptions:\n  - {{code: HST002, object: deployment/edge, namespace: \"{shop}\", \
             reason: one node pool, expires: {until}}}\n"
        )
    };
    let configured = stage.configure(&entry("2999-12-31"));
    silent(try_out(&shop, EDGE));
    let call = stage.calls(&shop).pop().expect("a call");
    assert_eq!(
        call.response()["auditAnnotations"]["rules"],
        "HST002=allowed"
    );
    // It is about that one object.
    refused(
        try_out(&shop, &EDGE.replace("{name: edge}", "{name: rim}")),
        "HST002",
    );

    configured.change(&entry("2020-12-31"));
    let output = refused(try_out(&shop, EDGE), "HST002");
    let ended = warnings(&output)
        .into_iter()
        .find(|line| line.contains("expired"));
    let ended = ended.unwrap_or_else(|| panic!("{}", output.stderr));
    assert!(
        ended.contains("2020-12-31") && ended.contains("HST002"),
        "{ended}"
    );
    assert!(stage.webhook.logs().contains("expired on 2020-12-31"));

    // Neither a reason nor a day, and the whole configuration is refused.
    configured.change(&format!(
        "{CONFIGURATION}exemptions:\n  - {{code: HST002, object: deployment/edge}}\n"
    ));
    assert_eq!(stage.webhook.count("netdoctor_config_valid", &[]), 0);
    // A code that nobody knows is no reason to stop.
    configured.change(&entry("2999-12-31").replace("HST002", "HST999"));
    assert_eq!(stage.webhook.count("netdoctor_config_valid", &[]), 1);
    assert!(stage.webhook.logs().contains("HST999"));
}

#[test]
fn a_broken_configuration_changes_nothing_and_everybody_is_told() {
    let Some(stage) = stage() else { return };
    let shop = stage.server.namespace();
    let strict = format!(
        "{CONFIGURATION}overrides:\n  - {{code: HST004, namespaces: [\"{shop}\"], mode: off}}\n"
    );
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {hostNetwork: true, containers: [{name: a, image: a}]}}";
    let configured = stage.configure(&strict);
    silent(try_out(&shop, pod));
    let refusals = || {
        stage
            .webhook
            .count("netdoctor_config_reload_failures_total", &[])
    };
    let before = refusals();
    configured.change("profile: severe\n");
    assert_eq!(stage.webhook.count("netdoctor_config_valid", &[]), 0);
    assert!(refusals() > before);
    silent(try_out(&shop, pod));
    apply(&shop, WEB).ok();
    stage.until_warned(&shop, SERVICE, "SVC004");

    let own = ["get", "events", "-n", names::NAMESPACE];
    let told = |word: &str| {
        let events = stage.server.kubectl(&own).ok().stdout;
        let refused = events
            .lines()
            .filter(|line| line.contains("ConfigurationRefused"));
        refused
            .filter(|line| line.contains("configmap/netdoctor-config") && line.contains(word))
            .count()
    };
    wait("the Event", || told("severe") == 1);
    // Whoever mends that and writes the next mistake is told of it as well, and no longer of the first one.
    configured.change("profile: advisory\nprofil: hard\n");
    wait("the next Event", || told("profil`") == 1);
    assert_eq!(told("severe"), 1);
    configured.change(&strict);
    assert_eq!(stage.webhook.count("netdoctor_config_valid", &[]), 1);
}
