//! What an answer may hold, and what nothing may ever hold.

use crate::manifests::WEB;
use crate::stage::{
    GRACE, Run, Stage, apply, events, refused, stage, try_out, wait, warnings, warnings_of,
};
use netdoctor_tests::Namespace;
use serde_json::{Value, json};

/// A Service with so many ports, all of which name what nobody declares.
fn service(ports: usize, name: &str) -> Value {
    let ports: Vec<Value> = (0..ports)
        .map(|number| json!({"name": format!("p{number}"), "port": 8000 + number, "targetPort": format!("none-{number}")}))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": {"app": "web"}, "ports": ports},
    })
}

fn check(warnings: &[String]) {
    assert!(warnings.len() <= 9, "{warnings:#?}");
    assert!(warnings.iter().map(String::len).sum::<usize>() <= 4096);
    for warning in warnings {
        assert!(warning.len() <= 256, "{} bytes: {warning}", warning.len());
        assert!(
            warning.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{warning}"
        );
        assert!(!warning.starts_with("Warning"), "{warning}");
    }
}

#[test]
fn ten_findings_are_eight_warnings_and_a_number() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("advisory");
    apply(&shop, WEB).ok();
    let ten = service(10, "web");
    stage.until_warned(&shop, &ten.to_string(), "SVC004");
    let answer = stage.post(&shop, &ten, Run::Dry).ok();
    let said = warnings_of(&answer);
    check(&said);
    assert_eq!(said.len(), 9, "{said:#?}");
    assert_eq!(said[8], "+2 more, run: kubectl netdoctor lint");
    for (number, warning) in said[..8].iter().enumerate() {
        let begins = format!(
            "SVC004: port p{number} ({}/TCP) of Service {shop}/web targets none-{number}",
            8000 + number
        );
        assert!(
            warning.starts_with(&begins) && begins.len() <= 120,
            "{warning}"
        );
    }
    // kubectl shows the same.
    let shown = try_out(&shop, &ten.to_string()).ok();
    assert_eq!(warnings(&shown), said);

    stage.profile(&shop, "strict");
    let answer = stage.post(&shop, &ten, Run::Real);
    let status = answer.json();
    let causes = status["details"]["causes"].as_array().expect("causes");
    assert_eq!(causes.len(), 10);
    assert_eq!(causes[9]["field"], "spec.ports[9].targetPort");
    assert_eq!(causes[9]["reason"], "SVC004");
    let message = status["message"].as_str().expect("a message");
    assert!(message.ends_with("(and 9 more)"), "{message}");
    check(&warnings_of(&answer));
}

#[test]
fn the_longest_names_fit() {
    let Some(stage) = stage() else { return };
    let name = "w".repeat(63);
    let shop = stage.server.namespace_called(&"n".repeat(63));
    stage.profile(&shop, "advisory");
    apply(&shop, WEB).ok();
    let long = service(3, &name);
    stage.until_warned(&shop, &long.to_string(), "SVC004");
    let answer = stage.post(&shop, &long, Run::Dry).ok();
    let said = warnings_of(&answer);
    check(&said);
    assert!(
        said[0].starts_with("SVC004: port p0 (8000/TCP) of Service "),
        "{}",
        said[0]
    );
}

const PASSWORD: &str = "hunter2-Zx81";

/// As much wrong as possible, with a password wherever people put one.
fn careless() -> String {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "careless", "annotations": {"token": PASSWORD, "netdoctor.io/allow-HST999": PASSWORD}},
        "spec": {
            "replicas": 3, "selector": {"matchLabels": {"app": "careless"}},
            "template": {
                "metadata": {"labels": {"app": "careless"}, "annotations": {"password": PASSWORD}},
                "spec": {
                    "hostNetwork": true,
                    "containers": [{
                        "name": "a", "image": "a",
                        "command": ["sh", "-c", format!("curl -u me:{PASSWORD} http://db.shop.svc:5432")],
                        "args": [format!("--password={PASSWORD}"), format!("postgres://me:{PASSWORD}@db.shop.svc.cluster.local:5432/a")],
                        "env": [
                            {"name": "PASSWORD", "value": PASSWORD},
                            {"name": "DATABASE_URL", "value": format!("postgres://me:{PASSWORD}@db.shop.svc.cluster.local:5432/a")},
                        ],
                        "livenessProbe": {"httpGet": {
                            "port": "health", "httpHeaders": [{"name": "Authorization", "value": format!("Bearer {PASSWORD}")}],
                        }},
                    }],
                },
            },
        },
    })
    .to_string()
}

fn nothing_leaks(stage: &Stage, shop: &Namespace<'_>) {
    let answers: Vec<Value> = stage
        .calls(shop)
        .into_iter()
        .map(|call| call.answer)
        .collect();
    assert!(!answers.is_empty());
    let events = shop.kubectl(&["get", "events", "-o", "json"]).ok().stdout;
    let audit: Vec<Value> = stage.audited(shop);
    assert!(!audit.is_empty());
    for (place, text) in [
        ("answers", json!(answers).to_string()),
        ("the log", stage.webhook.logs()),
        ("the auditor's log", stage.auditor.logs()),
        (
            "metrics",
            stage.webhook.metrics() + &stage.auditor.metrics(),
        ),
        ("Events", events),
        ("the audit log", json!(audit).to_string()),
    ] {
        assert!(!text.contains("hunter2"), "{place}");
    }
}

#[test]
fn no_secret_gets_into_an_answer_a_log_or_an_event() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("guarded");
    stage.calls(&shop);
    let denied = refused(try_out(&shop, &careless()), "");
    let shown = warnings(&denied).join("\n");
    assert!(shown.contains("HST004"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    nothing_leaks(stage, &shop);

    stage.profile(&shop, "advisory");
    let done = apply(&shop, &careless()).ok();
    let shown = warnings(&done).join("\n");
    assert!(
        shown.contains("PRB001") && !shown.contains("hunter2"),
        "{shown}"
    );
    std::thread::sleep(GRACE);
    wait("an Event", || {
        events(&shop)
            .iter()
            .any(|event| event.starts_with("PRB001"))
    });
    nothing_leaks(stage, &shop);
}
