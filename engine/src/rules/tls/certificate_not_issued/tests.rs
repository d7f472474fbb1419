use super::RULE;
use crate::{
    model::Kind,
    testkit::{Ran, check, check_page, check_with, forbid, lint},
};

fn certificate(conditions: &str, more: &str) -> String {
    format!(
        "
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: web, namespace: shop, uid: c1, creationTimestamp: '2025-12-01T00:00:00Z'}}
spec: {{secretName: web-tls, dnsNames: [shop.example.com], issuerRef: {{name: le, kind: ClusterIssuer}}}}
status: {{{more}conditions: [{conditions}]}}
"
    )
}

const NOT_READY: &str = "{type: Ready, status: 'False', reason: DoesNotExist, lastTransitionTime: '2026-01-01T11:00:00Z'}, \
{type: Issuing, status: 'True', reason: DoesNotExist, lastTransitionTime: '2026-01-01T11:00:00Z'}";
const READY: &str = "{type: Ready, status: 'True', lastTransitionTime: '2025-12-01T00:00:00Z'}";

fn issuer(status: &str) -> String {
    format!(
        "---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: {{name: le}}
status: {{conditions: [{{type: Ready, status: '{status}', reason: ErrRegister, message: 'no contact'}}]}}
"
    )
}

fn request(name: &str, created: &str, reason: &str) -> String {
    format!(
        "---
apiVersion: cert-manager.io/v1
kind: CertificateRequest
metadata: {{name: {name}, namespace: shop, uid: {name}, creationTimestamp: '{created}', \
ownerReferences: [{{apiVersion: cert-manager.io/v1, kind: Certificate, name: web, uid: c1, controller: true}}]}}
spec: {{issuerRef: {{name: le, kind: ClusterIssuer}}}}
status: {{conditions: [{{type: Ready, status: 'False', reason: {reason}, message: 'said so'}}]}}
"
    )
}

const ORDER: &str = "---
apiVersion: acme.cert-manager.io/v1
kind: Order
metadata: {name: web-1-9, namespace: shop, uid: o1, ownerReferences: [{kind: CertificateRequest, name: web-1, uid: web-1, controller: true}]}
status: {state: pending}
";

const CHALLENGE: &str = "---
apiVersion: acme.cert-manager.io/v1
kind: Challenge
metadata: {name: web-1-9-5, namespace: shop, ownerReferences: [{kind: Order, name: web-1-9, uid: o1, controller: true}]}
spec: {type: HTTP-01, dnsName: shop.example.com}
status: {state: pending, reason: 'wrong status code 404, expected 200'}
";

fn message(ran: &Ran) -> &str {
    &ran.one("TLS007").message
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn an_issued_certificate_is_in_order() {
    check(&(certificate(READY, "") + &issuer("True"))).none("TLS007");
    lint(&certificate(NOT_READY, "")).none("TLS007");
}

#[test]
fn the_issuer_comes_first() {
    let chain = request("web-1", "2026-01-01T11:00:00Z", "Pending") + ORDER + CHALLENGE;
    let ran = check(&(certificate(NOT_READY, "") + &chain));
    assert!(
        message(&ran).contains("ClusterIssuer `le` does not exist"),
        "{}",
        message(&ran)
    );
    let ran = check(&(certificate(NOT_READY, "") + &issuer("False") + &chain));
    assert!(
        message(&ran).contains("is not ready (ErrRegister, no contact)"),
        "{}",
        message(&ran)
    );
}

#[test]
fn the_deepest_link_says_why() {
    let base = certificate(NOT_READY, "")
        + &issuer("True")
        + &request("web-1", "2026-01-01T11:00:00Z", "Pending");
    assert!(
        message(&check(&base))
            .contains("CertificateRequest `web-1` is not ready (Pending, said so)")
    );
    let with_order = base + ORDER;
    assert!(message(&check(&with_order)).contains("Order `web-1-9` is pending"));
    let ran = check(&(with_order + CHALLENGE));
    assert!(message(&ran).contains(
        "HTTP-01 Challenge `web-1-9-5` for `shop.example.com` is pending (wrong status code 404"
    ));
    assert_eq!(ran.one("TLS007").severity.as_str(), "error");
}

#[test]
fn only_the_newest_request_counts_and_only_its_own() {
    let base = certificate(NOT_READY, "") + &issuer("True");
    let ran = check(
        &(base.clone()
            + &request("web-1", "2025-12-20T00:00:00Z", "Failed")
            + &request("web-2", "2026-01-01T11:00:00Z", "Pending")),
    );
    assert!(message(&ran).contains("`web-2`"), "{}", message(&ran));
    let foreign = request("web-1", "2026-01-01T11:00:00Z", "Failed").replace("uid: c1", "uid: c2");
    assert!(!message(&check(&(base + &foreign))).contains("web-1"));
}

#[test]
fn ten_minutes_are_given() {
    let young = NOT_READY.replace("11:00:00", "11:55:00");
    let ran = check(&(certificate(&young, "") + &issuer("True")));
    assert_eq!(ran.one("TLS007").severity.as_str(), "info");
    let failed = certificate(&young, "")
        + &issuer("True")
        + &request("web-1", "2026-01-01T11:56:00Z", "Failed");
    assert_eq!(check(&failed).one("TLS007").severity.as_str(), "error");
}

#[test]
fn a_failed_renewal_warns_and_tells_the_next_attempt() {
    let status = "notAfter: '2026-02-01T00:00:00Z', lastFailureTime: '2026-01-01T11:30:00Z', failedIssuanceAttempts: 2, ";
    let ran = check(&(certificate(READY, status) + &issuer("True")));
    let finding = ran.one("TLS007");
    assert_eq!(finding.severity.as_str(), "warning");
    assert!(
        finding.message.contains("is not renewed"),
        "{}",
        finding.message
    );
    assert!(
        finding
            .notes
            .iter()
            .any(|note| note.contains("2026-01-01T13:30:00Z")),
        "{:?}",
        finding.notes
    );
}

#[test]
fn an_expired_certificate_that_is_being_renewed_is_another_rule() {
    let young = NOT_READY.replace("11:00:00", "11:55:00");
    let ran = check(&(certificate(&young, "notAfter: '2026-01-01T00:00:00Z', ") + &issuer("True")));
    ran.none("TLS007").one("TLS003");
}

#[test]
fn issuers_of_other_groups_are_not_looked_for() {
    let other = certificate(NOT_READY, "").replace(
        "kind: ClusterIssuer}",
        "kind: AWSPCAIssuer, group: awspca.cert-manager.io}",
    );
    let ran = check(&other);
    assert!(
        !message(&ran).contains("does not exist"),
        "{}",
        message(&ran)
    );
}

#[test]
fn an_issuer_that_may_not_be_read_is_not_called_missing() {
    let yaml = certificate(NOT_READY, "");
    let ran = check_with(&yaml, |builder| forbid(builder, Kind::ClusterIssuer));
    assert!(
        !message(&ran).contains("does not exist"),
        "{}",
        message(&ran)
    );
    check_with(&yaml, |builder| forbid(builder, Kind::Certificate)).unknown("TLS007", "forbidden");
    check_with(&yaml, |builder| {
        builder.coverage(Kind::Certificate).not_installed = true;
    })
    .skipped("TLS007", "not installed");
}
