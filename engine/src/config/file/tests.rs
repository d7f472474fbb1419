use super::*;
use crate::testkit::{lint, lint_with};

const BROKEN: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: htpp}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]}]}
";

fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn mistakes_name_their_place() {
    assert!(
        error("rules:\n  SVC004: {severty: off}\n").starts_with("line 2"),
        "{}",
        error("rules:\n  SVC004: {severty: off}\n")
    );
    assert!(error("rules: {SVC999: {severity: off}}").contains("no rule `SVC999`"));
    assert!(error("allow: [{code: SVC004}]").contains("gives no reason"));
    assert!(error("allow: [{code: SVC004, reason: x, until: soon}]").contains("no date"));
    assert!(error("facts: {nodePortRange: 5-1}").contains("no range"));
    assert!(error("failOn: loud").contains("no severity"));
    assert!(parse("").is_ok());
    let unknown = error("failOn: error\n  \nalow: []\n");
    assert!(
        unknown.starts_with("line 3, column 1: there is no key `alow`"),
        "{unknown}"
    );
    assert!(error("[]").contains("line 1"), "{}", error("[]"));
    assert!(error("failOn: error\nfailOn: warning\n").starts_with("line 2"));
    assert!(parse("# nothing but a comment\n").is_ok());
    assert!(parse_beside("profile: strict\nfailOn: error", &["profile"]).is_ok());
}

#[test]
fn severity_can_be_off_or_other_by_namespace() {
    let off = parse("rules: {SVC004: {severity: off}}").unwrap().config;
    lint_with(BROKEN, &off).none("SVC004");
    let elsewhere = parse("rules: {SVC004: {severity: off, namespaces: ['prod-*']}}")
        .unwrap()
        .config;
    lint_with(BROKEN, &elsewhere).one("SVC004");
    let softer = parse("rules: {target-port-name-unresolved: {severity: info, namespaces: [sh*]}}")
        .unwrap()
        .config;
    lint_with(BROKEN, &softer).quiet("SVC004");
}

#[test]
fn an_allow_suppresses_until_it_expires_and_is_reported_when_unused() {
    let allowed =
        parse("allow: [{code: SVC004, object: service/we*, namespace: shop, reason: known}]")
            .unwrap();
    let ran = lint_with(BROKEN, &allowed.config);
    assert_eq!(ran.0.suppressed.len(), 1);
    assert_eq!(ran.0.suppressed[0].by, "config");
    let expired = parse("allow: [{code: SVC004, reason: known, until: 2025-12-31}]").unwrap();
    let ran = lint_with(BROKEN, &expired.config);
    ran.one("SVC004");
    assert!(
        ran.0.warnings[0].contains("expired on 2025-12-31"),
        "{:?}",
        ran.0.warnings
    );
    let unused = parse("allow: [{code: SVC004, namespace: other, reason: known}]").unwrap();
    assert!(lint_with(BROKEN, &unused.config).0.warnings[0].contains("matched nothing"));
}

#[test]
fn annotations_need_a_reason_and_a_known_rule() {
    let with = |key: &str, value: &str| {
        lint(&BROKEN.replacen(
            "namespace: shop}",
            &format!("namespace: shop, annotations: {{'netdoctor.io/{key}': '{value}'}}}}"),
            1,
        ))
    };
    let allowed = with(
        "allow-SVC004",
        "until 2027-01-01: port comes with the next image",
    );
    assert_eq!(
        allowed.none("SVC004").0.suppressed[0].reason.as_deref(),
        Some("port comes with the next image")
    );
    for no_reason in ["", "until 2027-01-01", "until 2027-01-01: "] {
        assert!(with("allow-SVC004", no_reason).0.warnings[0].contains("no reason"));
    }
    assert!(with("allow-SVC004", "until 2025-01-01: old").0.warnings[0].contains("expired"));
    assert!(with("allow-SVC998", "typo").0.warnings[0].contains("no such rule"));
    with("allow-SVC004.other-case", "narrower").one("SVC004");
    for no_day in [
        "until 2020-02-31: later",
        "until 2027-13-01: later",
        "until 20270101: later",
        "until 2027-1-1: later",
        "until 2027-01-01T00: later",
        "until the next image",
        " until\t2027-01-32: later",
    ] {
        let ran = with("allow-SVC004", no_day);
        ran.one("SVC004");
        let said = "annotation allow-SVC004 on Service shop/web has no day of the calendar after `until` and is ignored";
        assert_eq!(ran.0.warnings, [said], "{no_day:?}");
    }
    for counts in [
        "until 2027-01-01: later",
        " until \t2027-01-01 : later",
        "until 2028-02-29: later",
        "untilled land",
        "known until 2020-02-31: later",
    ] {
        with("allow-SVC004", counts).none("SVC004");
    }
}
