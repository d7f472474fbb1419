use super::RULE;
use crate::{
    model::Kind,
    snapshot::{Coverage, Gap, GapCause},
    testkit::{check, check_page, check_with, forbid, lint},
};

const INGRESS: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop, creationTimestamp: '2025-12-01T00:00:00Z'}
spec:
  ingressClassName: nginx
  tls: [{hosts: [shop.example.com], secretName: web-tls}, {hosts: [www.example.com], secretName: web-tls}]
  defaultBackend: {resource: {kind: A, name: a}}
";

fn secret(name: &str) -> String {
    format!("---\n{{apiVersion: v1, kind: Secret, metadata: {{name: {name}, namespace: shop}}}}\n")
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn a_secret_known_by_its_name_alone_is_enough() {
    check(&(INGRESS.to_owned() + &secret("web-tls"))).none("TLS001");
    let ran = check(INGRESS);
    let finding = ran.one("TLS001");
    assert_eq!(
        (finding.severity.as_str(), finding.labels.len()),
        ("error", 2)
    );
}

#[test]
fn k8sgpt_1668_a_403_a_429_and_a_timeout_are_not_missing() {
    check_with(INGRESS, |builder| forbid(builder, Kind::Secret))
        .none("TLS001")
        .unknown("TLS001", "cannot list secrets");
    for cause in [GapCause::TooManyRequests, GapCause::Timeout] {
        check_with(INGRESS, |builder| {
            let gap = Gap {
                cause,
                ..Gap::not_read(Kind::Secret)
            };
            *builder.coverage(Kind::Secret) = Coverage {
                gaps: vec![gap],
                ..Coverage::default()
            };
        })
        .none("TLS001")
        .unknown("TLS001", "cannot list secrets");
    }
}

#[test]
fn a_certificate_that_is_not_issued_explains_it() {
    let certificate = "---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: web, namespace: shop, creationTimestamp: '2025-12-01T00:00:00Z'}
spec: {secretName: web-tls, issuerRef: {name: le}}
status: {conditions: [{type: Ready, status: 'False', reason: DoesNotExist, lastTransitionTime: '2025-12-01T00:00:00Z'}]}
";
    check(&(INGRESS.to_owned() + certificate)).folded("TLS001", "TLS007");
    lint(&(INGRESS.to_owned() + certificate + &secret("other")))
        .none("TLS001")
        .skipped("TLS001", "cert-manager writes");
}

#[test]
fn an_annotation_without_cert_manager_is_told() {
    let annotated = INGRESS.replace(
        "namespace: shop,",
        "namespace: shop, annotations: {cert-manager.io/cluster-issuer: le},",
    );
    let ran = check_with(&annotated, |builder| {
        builder.coverage(Kind::Certificate).not_installed = true;
    });
    let notes = &ran.one("TLS001").notes;
    assert!(
        notes.iter().any(|note| note.contains("not installed")),
        "{notes:?}"
    );
    lint(&(annotated + &secret("other"))).none("TLS001");
}

#[test]
fn an_entry_without_a_name_asks_for_the_default_certificate() {
    check(&INGRESS.replace(", secretName: web-tls", "")).none("TLS001");
    check(&INGRESS.replace("web-tls", "certs/web-tls")).none("TLS001");
}

#[test]
fn an_aws_load_balancer_reads_no_secrets() {
    let class = "---
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx}, spec: {controller: ingress.k8s.aws/alb}}
";
    check(&(INGRESS.to_owned() + class))
        .none("TLS001")
        .skipped("TLS001", "ACM");
}

#[test]
fn a_new_ingress_is_settling() {
    let young = INGRESS.replace("2025-12-01T00:00:00Z", "2026-01-01T11:59:30Z");
    check(&young).none("TLS001").unknown("TLS001", "settling");
}

#[test]
fn in_files_it_is_context_at_most() {
    lint(INGRESS)
        .none("TLS001")
        .skipped("TLS001", "not in this input");
    lint(&(INGRESS.to_owned() + &secret("other")))
        .quiet("TLS001")
        .one("TLS001");
    let implied = secret("web-tls").replace(", namespace: shop", "");
    lint(&(INGRESS.to_owned() + &implied)).none("TLS001");
}

fn gateway(reference: &str, mode: &str) -> String {
    format!(
        "
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {{name: edge, namespace: shop}}
spec:
  gatewayClassName: x
  listeners: [{{name: https, port: 443, protocol: HTTPS, tls: {{mode: {mode}, certificateRefs: [{reference}]}}}}]
"
    )
}

#[test]
fn a_gateway_names_secrets_of_its_own_or_another_namespace() {
    check(&(gateway("{name: web-tls}", "Terminate") + &secret("web-tls"))).none("TLS001");
    check(&gateway("{name: web-tls}", "Terminate")).one("TLS001");
    let ran =
        check(&(gateway("{name: web-tls, namespace: certs}", "Terminate") + &secret("web-tls")));
    assert!(ran.one("TLS001").message.contains("`certs/web-tls`"));
    check(&gateway("{kind: ConfigMap, name: web-tls}", "Terminate")).none("TLS001");
    check(&gateway("{name: web-tls}", "Passthrough")).none("TLS001");
}

#[test]
fn a_namespace_that_may_not_be_read_is_unknown_for_its_references_only() {
    let yaml = gateway("{name: a, namespace: certs}", "Terminate") + "---" + INGRESS;
    let ran = check_with(&yaml, |builder| {
        *builder.coverage(Kind::Secret) = Coverage {
            namespaces: ["shop".into()].into(),
            ..Coverage::default()
        };
    });
    assert_eq!(&*ran.one("TLS001").subject.kind, "Ingress");
    ran.unknown("TLS001", "secrets");
}

#[test]
fn a_traefik_route_names_one_too() {
    let route = "
apiVersion: traefik.io/v1alpha1
kind: IngressRoute
metadata: {name: web, namespace: shop}
spec: {routes: [], tls: {secretName: web-tls}}
";
    assert_eq!(
        check(route).one("TLS001").labels[0].pointer,
        "/spec/tls/secretName"
    );
    check(&(route.to_owned() + &secret("web-tls"))).none("TLS001");
    check(&route.replace("secretName: web-tls", "certResolver: le")).none("TLS001");
}
