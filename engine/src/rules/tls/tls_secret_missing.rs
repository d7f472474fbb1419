//! `tls-secret-missing`

use super::{SecretReference, of_gateway, of_ingress, of_route};
use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix},
    model::{
        Certificate, Gateway, Ingress, IngressClass, IngressRoute, Kind, Meta, Object as _, Secret,
    },
    near,
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
    snapshot::Absence,
};
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

pub(super) static RULE: Rule = Rule {
    code: "TLS001",
    name: "tls-secret-missing",
    summary: "a TLS Secret that traffic should be served with does not exist",
    check: Some(Severity::Error),
    lint: Some(Severity::Info),
    admit: Some(Action::Audit),
    confidence: Confidence::Certain,
    evidence: Evidence::Miss,
    // Gateways name Secrets of other namespaces, so what could be listed is looked at for each reference.
    wants: &[Kind::Secret, Kind::Certificate, Kind::IngressClass],
    triggers: &[Kind::Secret],
    reads: &[
        "/spec/tls",
        "/spec/listeners",
        "/spec/ingressClassName",
        "/metadata/annotations",
    ],
    page: include_str!("tls_secret_missing.md"),
    file: file!(),
    on: &[
        Check::Ingress(check_ingress),
        Check::Gateway(check_gateway),
        Check::IngressRoute(check_route),
    ],
    ..Rule::BASE
};

fn check_ingress(cx: &Context<'_>, ingress: &Ingress, report: &mut Reporter) {
    let controller = ingress
        .class_name
        .as_deref()
        .and_then(|name| cx.get::<IngressClass>("", name))
        .map(|class| &*class.controller);
    let by_alb = matches!(
        controller,
        Some("ingress.k8s.aws/alb" | "eks.amazonaws.com/alb")
    ) || ingress.class_annotation() == Some("alb");
    if by_alb && !ingress.tls.is_empty() {
        return report
            .skip("an AWS load balancer takes its certificates from ACM, not from Secrets");
    }
    judge(cx, &ingress.meta, of_ingress(ingress), report);
}

fn check_gateway(cx: &Context<'_>, gateway: &Gateway, report: &mut Reporter) {
    judge(cx, &gateway.meta, of_gateway(gateway), report);
}

fn check_route(cx: &Context<'_>, route: &IngressRoute, report: &mut Reporter) {
    judge(cx, &route.meta, of_route(route), report);
}

fn judge(
    cx: &Context<'_>,
    subject: &Meta,
    references: Vec<SecretReference<'_>>,
    report: &mut Reporter,
) {
    if references.is_empty() || subject.deleting() {
        return report.not_applicable();
    }
    let mut places: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for reference in references {
        places
            .entry((reference.namespace, reference.name))
            .or_default()
            .push(reference.pointer);
    }
    for ((namespace, name), pointers) in places {
        if !cx.named::<Secret>(namespace, name).is_empty() {
            continue;
        }
        if cx.may_be_here::<Secret>(subject, |secret| *secret.meta.name == *name) {
            report.skip(format!(
                "namespace not stated: Secret `{name}` may be in `{namespace}`"
            ));
            continue;
        }
        let certificate = writer_of(cx, namespace, name);
        if !cx.on_cluster() && (certificate.is_some() || asks_for_certificate(subject)) {
            report.skip(format!("cert-manager writes Secret `{namespace}/{name}`"));
            continue;
        }
        if !report.proven(
            cx.absence(Kind::Secret, namespace),
            &format!("Secret `{namespace}/{name}`"),
        ) {
            continue;
        }
        if subject
            .age_seconds(cx.now)
            .is_some_and(|age| age < cx.grace_seconds())
        {
            report.unknown(format!(
                "settling: `{subject}` is younger than {} seconds",
                cx.grace_seconds()
            ));
            continue;
        }
        report_missing(
            cx,
            subject,
            (namespace, name),
            &pointers,
            certificate,
            report,
        );
    }
}

fn report_missing(
    cx: &Context<'_>,
    subject: &Meta,
    (namespace, name): (&str, &str),
    pointers: &[String],
    certificate: Option<&Certificate>,
    report: &mut Reporter,
) {
    let absent = if cx.on_cluster() {
        "does not exist"
    } else {
        "is not among the manifests"
    };
    let finding = report.find(String::new());
    finding.message = format!(
        "{} `{subject}` serves with TLS Secret `{namespace}/{name}`, which {absent}",
        finding.subject.kind
    );
    finding
        .key(format!("{namespace}/{name}"))
        .looked_for(Kind::Secret, namespace, name);
    for (index, pointer) in pointers.iter().enumerate() {
        finding.at(
            pointer.clone(),
            if index == 0 { "no such Secret" } else { "" },
        );
    }
    finding.note(
        "most controllers answer with their default certificate then, which clients refuse because of its name",
    );
    let secrets: Vec<&Secret> = cx
        .in_namespace::<Secret>(namespace)
        .filter(|secret| matches!(&*secret.type_name, "" | "kubernetes.io/tls"))
        .collect();
    for other in near::names(name, secrets.iter().map(|secret| &*secret.meta.name))
        .iter()
        .take(3)
    {
        finding.note(format!(
            "Secret `{namespace}/{other}` exists and has a similar name"
        ));
    }
    match certificate {
        Some(certificate) => {
            let reference = certificate.reference();
            finding.note(format!("{reference} is to write it"));
            finding.label(reference.clone(), "/spec/secretName", "is to write it");
            finding.because(&["TLS007"], reference);
            finding.fix(
                Fix::manual("see why the Certificate is not issued").command(format!(
                    "cmctl status certificate {} -n {namespace}",
                    certificate.meta.name
                )),
            );
        }
        None => without_certificate(cx, subject, (namespace, name), finding),
    }
}

fn without_certificate(
    cx: &Context<'_>,
    subject: &Meta,
    (namespace, name): (&str, &str),
    finding: &mut Finding,
) {
    if asks_for_certificate(subject) {
        match cx.known(Kind::Certificate, namespace) {
            Err(Absence::NotInstalled) => {
                finding.note(
                    "an annotation asks cert-manager for it, but cert-manager is not installed",
                );
            }
            Ok(()) => {
                finding.note("an annotation asks cert-manager for it, but there is no Certificate with this Secret");
            }
            Err(_) => {
                finding
                    .note("an annotation asks cert-manager for it; Certificates could not be read");
            }
        }
    }
    finding.fix(
        Fix::manual("create the Secret from a certificate and its key").command(format!(
            "kubectl -n {namespace} create secret tls {name} --cert=tls.crt --key=tls.key"
        )),
    );
}

fn writer_of<'a>(cx: &Context<'a>, namespace: &str, name: &str) -> Option<&'a Certificate> {
    cx.in_namespace::<Certificate>(namespace)
        .find(|certificate| *certificate.spec.secret_name == *name)
}

/// Annotations by which cert-manager makes a Certificate for the object.
fn asks_for_certificate(subject: &Meta) -> bool {
    [
        "cert-manager.io/issuer",
        "cert-manager.io/cluster-issuer",
        "kubernetes.io/tls-acme",
    ]
    .into_iter()
    .any(|key| {
        subject
            .annotations
            .get(key)
            .is_some_and(|value| !value.is_empty() && value != "false")
    })
}
