//! What a request could not know, and the auditor says later.

use crate::manifests::{SERVICE, WEB, good_service, ingress};
use crate::stage::{apply, events, silent, stage, wait, warned};

#[test]
fn what_stays_missing_or_wrong_is_said_in_an_event_and_what_arrives_is_not() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("guarded");
    apply(&shop, WEB).ok();
    stage.until_warned(&shop, SERVICE, "SVC004");
    silent(apply(&shop, &good_service()));

    // The Ingress comes before its Service; one of the two gets it in time.
    let of = |service: &str| {
        ingress(service, "number: 80")
            .replace("{name: web, ann", &format!("{{name: {service}, ann"))
    };
    warned(apply(&shop, &of("late")), "ING001");
    warned(apply(&shop, &of("never")), "ING001");
    silent(apply(
        &shop,
        &good_service().replace("{name: web}", "{name: late}"),
    ));
    // Half an edit: allowed, and the other half never comes.
    let half = warned(apply(&shop, SERVICE), "SVC004");
    assert!(
        half.contains("looked at again once the referent had time to follow"),
        "{half}"
    );
    assert_eq!(events(&shop), [""; 0]);

    wait("the Events", || {
        let mut said = events(&shop);
        said.sort();
        said == ["ING001 never", "SVC004 web"]
    });
    let found = |rule: &str| {
        let labels = [&*format!("rule=\"{rule}\"")];
        stage.auditor.count("netdoctor_audit_findings", &labels)
    };
    assert!(found("ING001") >= 1 && found("SVC004") >= 1);
    let shown = shop.kubectl(&["get", "events"]).ok().stdout;
    let line = shown
        .lines()
        .find(|line| line.contains("ING001"))
        .expect("the line");
    assert!(
        line.contains("Warning") && line.contains("ingress/never"),
        "{line}"
    );
    let described = shop.kubectl(&["describe", "service", "web"]).ok().stdout;
    assert!(described.contains("htpp"), "{described}");
}
