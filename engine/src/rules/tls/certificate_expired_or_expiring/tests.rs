use super::RULE;
use crate::{
    model::Kind,
    testkit::{Ran, check, check_page, check_with, forbid, lint},
};

// Made by hand with `openssl ca`; the keys were thrown away. The clock of all tests is 2026-01-01T12:00:00Z.

/// 2025-10-01 to 2025-12-30.
const EXPIRED: &str = "-----BEGIN CERTIFICATE-----
MIIBYjCCAQmgAwIBAgIBATAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBBzaG9wLmV4
YW1wbGUuY29tMB4XDTI1MTAwMTAwMDAwMFoXDTI1MTIzMDAwMDAwMFowGzEZMBcG
A1UEAwwQc2hvcC5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BGw2ME1wwvnGviruVGbkinEOScTc6TnqD9n79rlr5Tl0+Qh4WsNmPyxczIia/ED3
3xZYr2qpKtIqYJNcO9/0LQ+jPjA8MBsGA1UdEQQUMBKCEHNob3AuZXhhbXBsZS5j
b20wHQYDVR0OBBYEFAWk4kHjDVzYE0S9DRJEb8R2JKbnMAoGCCqGSM49BAMCA0cA
MEQCIDncZU6iPCVU8xl3uIpabI8rqZPW4AmKu4o1ZrWuzx05AiAQEvUYnqM4K+Dh
+EPHqWU7hMbQq36wIwIoEJSErhacXQ==
-----END CERTIFICATE-----
";
/// 2025-10-10 to 2026-01-08.
const EXPIRING: &str = "-----BEGIN CERTIFICATE-----
MIIBYzCCAQmgAwIBAgIBATAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBBzaG9wLmV4
YW1wbGUuY29tMB4XDTI1MTAxMDAwMDAwMFoXDTI2MDEwODAwMDAwMFowGzEZMBcG
A1UEAwwQc2hvcC5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BH8dBOJGl6vS9IYOBIGRZrJOufbHIsINhPVaHjJPU/7LctLzmO3O4ZOxIwTatWjr
rDvK5JW3o46gkH7Dn5CB8LijPjA8MBsGA1UdEQQUMBKCEHNob3AuZXhhbXBsZS5j
b20wHQYDVR0OBBYEFIpOf0Lwe2LAoVXqkJdg9LHkyGJqMAoGCCqGSM49BAMCA0gA
MEUCICOKszE8ZHxQaQ17SJaP0/tXiewSoJAAReVFH08eYvUdAiEAr4Opa1mGiyM6
0mo7JGVRMcENU9JaefAGf9mfgpinvrE=
-----END CERTIFICATE-----
";
/// 2025-12-01 to 2027-01-01.
const VALID: &str = "-----BEGIN CERTIFICATE-----
MIIBYzCCAQmgAwIBAgIBATAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBBzaG9wLmV4
YW1wbGUuY29tMB4XDTI1MTIwMTAwMDAwMFoXDTI3MDEwMTAwMDAwMFowGzEZMBcG
A1UEAwwQc2hvcC5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BKJWM7dK6HUbUXNBgpfXv1CJzy8PBznvzIDKOUM3JCGuRSL6lcs7BFA2BZdRRIQX
MnyJQWV9dVAvttFeBUiiQBCjPjA8MBsGA1UdEQQUMBKCEHNob3AuZXhhbXBsZS5j
b20wHQYDVR0OBBYEFFhF4pIDWru/J3mZ42obyjNE2HfIMAoGCCqGSM49BAMCA0gA
MEUCIQC4d1j4GQLwhTk4GhwaAcz6sQigVSUoI5S4Sxm7iOpKPAIgAkZcRwgc+13t
+bO9v6aWfthqzeddBYP3Ac/ZrqIBNmQ=
-----END CERTIFICATE-----
";
/// 2026-03-01 to 2027-01-01.
const FUTURE: &str = "-----BEGIN CERTIFICATE-----
MIIBYzCCAQmgAwIBAgIBATAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBBzaG9wLmV4
YW1wbGUuY29tMB4XDTI2MDMwMTAwMDAwMFoXDTI3MDEwMTAwMDAwMFowGzEZMBcG
A1UEAwwQc2hvcC5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BGldhbdGVDFMF0bQLKnM25wwjQV9Xi/bg72eVj7zZVlmLMa/jPzguW1+PHqdf811
/dVGHQyN+LG4okqMLW3XWLajPjA8MBsGA1UdEQQUMBKCEHNob3AuZXhhbXBsZS5j
b20wHQYDVR0OBBYEFMlEt7ISY2J+PcMgX8hxl+6gFb70MAoGCCqGSM49BAMCA0gA
MEUCIFZo+TLDS3rEBLpeU2EaDrafMjAaVoFBEs2PiVKKb8h2AiEA2fW7o7mDsevR
qE51PLZBbs1G4zdIi7RIKwAEpgCuJRk=
-----END CERTIFICATE-----
";
/// 2026-01-01 to 2026-01-02.
const ONE_DAY: &str = "-----BEGIN CERTIFICATE-----
MIIBYjCCAQmgAwIBAgIBATAKBggqhkjOPQQDAjAbMRkwFwYDVQQDDBBzaG9wLmV4
YW1wbGUuY29tMB4XDTI2MDEwMTAwMDAwMFoXDTI2MDEwMjAwMDAwMFowGzEZMBcG
A1UEAwwQc2hvcC5leGFtcGxlLmNvbTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
BLF28N/lX/L7tzr7eW9AVCS0tV/EsxhilrISqQOBPJPEtHRoYbUZnikG7HQBIa+3
HayyGKod7rg4jLYziFG/2wmjPjA8MBsGA1UdEQQUMBKCEHNob3AuZXhhbXBsZS5j
b20wHQYDVR0OBBYEFMrV9LU7XJLHbDy90mmwjWsDcYFNMAoGCCqGSM49BAMCA0cA
MEQCIDLrlCS95uQ8gEUoJWq2+V0nr+T98Ce/GkpFCbtzw6qLAiAiH/vS+3CIRqrH
Dys2mAbIgAu2aMP6L2HwTEeeXcaUeQ==
-----END CERTIFICATE-----
";
/// 2025-12-01 to 2027-01-01, issued by the next one.
const LEAF: &str = "-----BEGIN CERTIFICATE-----
MIIBgTCCASagAwIBAgIBATAKBggqhkjOPQQDAjAXMRUwEwYDVQQDDAxpbnRlcm1l
ZGlhdGUwHhcNMjUxMjAxMDAwMDAwWhcNMjcwMTAxMDAwMDAwWjAbMRkwFwYDVQQD
DBBzaG9wLmV4YW1wbGUuY29tMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1nuL
OrR5Kne36LbZSrBncIqdGxpGNoBH7gMe8Wsh3QZVjf9BgwcRY18U6MfTpwJN8V81
/lgJpsoL9pRf1LFF96NfMF0wGwYDVR0RBBQwEoIQc2hvcC5leGFtcGxlLmNvbTAd
BgNVHQ4EFgQUzXGD+Red7pepdX8H49SNIzhfutcwHwYDVR0jBBgwFoAULBcYFa0H
EZexYEYW/+flg3VRLNUwCgYIKoZIzj0EAwIDSQAwRgIhAPh+6ru7AzZG2M+dWQs+
7ltJg47uzvO68SbKy2ICB4NiAiEAmZxs4HaUDaF9Cs7GVTMSvTM/V+M67yX5yaoI
UjHqDQM=
-----END CERTIFICATE-----
";
/// 2024-01-01 to 2025-12-20.
const INTERMEDIATE: &str = "-----BEGIN CERTIFICATE-----
MIIBaDCCAQ6gAwIBAgIBATAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARyb290MB4X
DTI0MDEwMTAwMDAwMFoXDTI1MTIyMDAwMDAwMFowFzEVMBMGA1UEAwwMaW50ZXJt
ZWRpYXRlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWXvyL9T7jb9/1h+bQ3KG
wr++CxcVuH7zn0cihCPvANIzQqYR8RX3eZEymNRmJZY+mQ2bpLK84gf2V0KBdBSu
/KNTMFEwDwYDVR0TAQH/BAUwAwEB/zAdBgNVHQ4EFgQULBcYFa0HEZexYEYW/+fl
g3VRLNUwHwYDVR0jBBgwFoAUM9x/siZ+hRiHG7X++Iy7D+LSb0owCgYIKoZIzj0E
AwIDSAAwRQIhAJ5VK1GKpLTsQyh/eG/j9CPlhnQTTdOAjxJPzHo+B1DtAiBHe5Hv
W+tTdjE3TwpBH9hsK8eeWbJiDKazgdwyBtd2bg==
-----END CERTIFICATE-----
";
/// 2024-01-01 to 2025-12-20, issued nothing here.
const STRAY: &str = "-----BEGIN CERTIFICATE-----
MIIBYjCCAQegAwIBAgIBATAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARyb290MB4X
DTI0MDEwMTAwMDAwMFoXDTI1MTIyMDAwMDAwMFowEDEOMAwGA1UEAwwFc3RyYXkw
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARWjoBheNau6onKZAfwmcvIxp9+LFqR
5IRc3d6obOZdTdpbofiJij7AOKf+wwoXVICv9H9mS7OaYLYKJk7K/eFxo1MwUTAP
BgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBQNK49Etpptl2bsmfxlgfIGLkW1MTAf
BgNVHSMEGDAWgBQz3H+yJn6FGIcbtf74jLsP4tJvSjAKBggqhkjOPQQDAgNJADBG
AiEApuw/jgB7YJPKo2oGLoLl0A7sH7dB5Svq9FQnA3hzQrUCIQDCsL3ezi6z/MC4
I9ViOMWFdVMVS//ffno3zJZ1EAalQg==
-----END CERTIFICATE-----
";

fn secret(chain: &[&str]) -> String {
    let lines: Vec<&str> = chain.iter().flat_map(|pem| pem.lines()).collect();
    let indented = lines.join("\n    ");
    format!(
        "---
apiVersion: v1
kind: Secret
metadata: {{name: web-tls, namespace: shop}}
type: kubernetes.io/tls
stringData:
  tls.crt: |
    {indented}
"
    )
}

const INGRESS: &str = "---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  tls: [{hosts: [shop.example.com], secretName: web-tls}]
  defaultBackend: {resource: {kind: A, name: a}}
";

fn certificate(status: &str) -> String {
    format!(
        "---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {{name: web, namespace: shop}}
spec: {{secretName: web-tls, issuerRef: {{name: le, group: example.com}}}}
status: {{{status}, conditions: [{{type: Ready, status: 'True'}}]}}
"
    )
}

fn served(chain: &[&str]) -> Ran {
    check(&(secret(chain) + INGRESS))
}

fn severity(ran: &Ran) -> &'static str {
    ran.one("TLS003").severity.as_str()
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn expired_not_yet_valid_and_expiring_are_told_apart() {
    let ran = served(&[EXPIRED]);
    assert_eq!(severity(&ran), "error");
    assert!(
        ran.one("TLS003").message.contains("expired on 2025-12-30"),
        "{}",
        ran.describe()
    );
    let ran = served(&[FUTURE]);
    assert_eq!(severity(&ran), "error");
    assert!(
        ran.one("TLS003")
            .message
            .contains("not valid before 2026-03-01")
    );
    let ran = served(&[EXPIRING]);
    assert_eq!(severity(&ran), "warning");
    assert!(ran.one("TLS003").message.contains("expires in 6 days"));
    served(&[VALID]).none("TLS003");
}

#[test]
fn a_certificate_of_one_day_is_not_about_to_expire_at_noon() {
    served(&[ONE_DAY]).none("TLS003");
}

#[test]
fn an_expired_intermediate_counts_and_a_stray_one_does_not() {
    let ran = served(&[LEAF, INTERMEDIATE]);
    assert_eq!(severity(&ran), "error");
    assert!(
        ran.one("TLS003")
            .message
            .starts_with("an intermediate certificate")
    );
    served(&[VALID, STRAY]).none("TLS003");
}

#[test]
fn a_secret_that_nobody_names_is_context() {
    check(&secret(&[EXPIRED])).quiet("TLS003").one("TLS003");
    let ran = check_with(&secret(&[EXPIRED]), |builder| {
        forbid(builder, Kind::Ingress);
    });
    assert!(
        ran.quiet("TLS003")
            .one("TLS003")
            .notes
            .iter()
            .any(|note| note.contains("could not be read"))
    );
}

#[test]
fn a_gateway_is_a_user_too() {
    let gateway = "---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: infra}
spec:
  listeners: [{name: s, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: web-tls, namespace: shop}]}}]
";
    assert_eq!(severity(&check(&(secret(&[EXPIRED]) + gateway))), "error");
}

#[test]
fn manifests_only_warn() {
    assert_eq!(severity(&lint(&(secret(&[EXPIRED]) + INGRESS))), "warning");
    lint(&secret(&[EXPIRED])).quiet("TLS003").one("TLS003");
}

#[test]
fn a_renewal_that_is_still_planned_is_in_time() {
    let planned = certificate(
        "notAfter: '2026-01-08T00:00:00Z', notBefore: '2025-10-10T00:00:00Z', renewalTime: '2026-01-05T00:00:00Z'",
    );
    check(&(secret(&[EXPIRING]) + INGRESS + &planned)).none("TLS003");
    let late = planned.replace("2026-01-05", "2025-12-20");
    let ran = check(&(secret(&[EXPIRING]) + INGRESS + &late));
    let findings = ran.of("TLS003");
    assert_eq!(findings.len(), 2, "{}", ran.describe());
    assert_eq!(
        findings
            .iter()
            .filter(|finding| finding.is_headline())
            .count(),
        1
    );
    assert!(
        findings
            .iter()
            .all(|finding| finding.severity.as_str() == "warning")
    );
}

#[test]
fn an_expired_certificate_object_is_an_error() {
    let ran = check(&certificate(
        "notAfter: '2025-12-30T00:00:00Z', renewalTime: '2025-12-01T00:00:00Z'",
    ));
    assert_eq!(severity(&ran), "error");
    let command = ran.one("TLS003").fixes[0].command.as_deref();
    assert_eq!(command, Some("cmctl renew web -n shop"));
}

#[test]
fn what_cannot_be_read_is_not_judged() {
    check(&(secret(&["nothing\n"]) + INGRESS)).none("TLS003");
    check(
        &("{apiVersion: v1, kind: Secret, metadata: {name: web-tls, namespace: shop}}\n"
            .to_owned()
            + INGRESS),
    )
    .none("TLS003");
    check_with(&(secret(&[EXPIRED]) + INGRESS), |builder| {
        forbid(builder, Kind::Secret);
    })
    .unknown("TLS003", "cannot list secrets");
}
