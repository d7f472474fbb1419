//! `certificate-expired-or-expiring`

use super::user_of;
use crate::{
    cert::CertificateFacts,
    context::{Context, Reporter},
    finding::{Finding, Fix},
    model::{Certificate, Kind, Object as _, Secret},
    rule::{Check, Confidence, Evidence, Rule, Severity},
};
use jiff::Timestamp;

#[cfg(test)]
mod tests;

const DAY: i64 = 24 * 60 * 60;
/// Warned about this long before the end, or in the last third of a shorter life.
const SOON_SECONDS: i64 = 14 * DAY;
/// Clocks of issuers differ a little.
const SKEW_SECONDS: i64 = 300;
/// Renewal is given this long after the moment it was planned for.
const LATE_SECONDS: i64 = 3600;

pub(super) static RULE: Rule = Rule {
    code: "TLS003",
    name: "certificate-expired-or-expiring",
    summary: "a certificate has expired, is not valid yet, or expires soon",
    check: Some(Severity::Error),
    lint: Some(Severity::Warning),
    confidence: Confidence::Certain,
    evidence: Evidence::Status,
    wants: &[
        Kind::Certificate,
        Kind::Ingress,
        Kind::Gateway,
        Kind::IngressRoute,
    ],
    reads: &["/data", "/stringData", "/type", "/status"],
    page: include_str!("certificate_expired_or_expiring.md"),
    file: file!(),
    on: &[
        Check::Secret(check_secret),
        Check::Certificate(check_certificate),
    ],
    ..Rule::BASE
};

/// What is wrong with a validity at a moment.
#[derive(Clone, Copy)]
enum Trouble {
    Expired(Timestamp),
    NotYet(Timestamp),
    Soon(Timestamp),
}

impl Trouble {
    fn of(from: Option<Timestamp>, until: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        let until = until?;
        if until <= now {
            return Some(Self::Expired(until));
        }
        if let Some(from) = from.filter(|from| from.as_second() > now.as_second() + SKEW_SECONDS) {
            return Some(Self::NotYet(from));
        }
        let left = until.as_second() - now.as_second();
        let life = from.map_or(i64::MAX, |from| until.as_second() - from.as_second());
        (left < SOON_SECONDS.min(life / 3)).then_some(Self::Soon(until))
    }

    fn text(self, now: Timestamp) -> String {
        match self {
            Self::Expired(until) => format!("expired on {until}"),
            Self::NotYet(from) => format!("is not valid before {from}"),
            Self::Soon(until) => {
                let left = until.as_second() - now.as_second();
                let left = if left >= 2 * DAY {
                    format!("{} days", left / DAY)
                } else {
                    format!("{} hours", left / 3600)
                };
                format!("expires in {left}, on {until}")
            }
        }
    }

    fn consequence(self) -> &'static str {
        match self {
            Self::Expired(_) | Self::NotYet(_) => {
                "clients that check certificates refuse the connection"
            }
            Self::Soon(_) => "clients that check certificates will refuse the connection then",
        }
    }
}

fn check_secret(cx: &Context<'_>, secret: &Secret, report: &mut Reporter) {
    let Some(Ok(chain)) = secret
        .certificate
        .as_ref()
        .filter(|_| !secret.meta.deleting())
    else {
        return report.not_applicable(); // no certificate, or one that cannot be read: another rule
    };
    let Some((certificate, place, trouble)) = worst(chain, cx.now) else {
        return;
    };
    let managed = managed_by(cx, secret);
    if let (Trouble::Soon(_), Some(certificate)) = (trouble, managed)
        && !late(certificate, cx.now)
    {
        return;
    }
    let what = match place {
        0 => "the certificate",
        _ => "an intermediate certificate",
    };
    let finding = report.find(format!(
        "{what} in Secret `{}` {}",
        secret.meta,
        trouble.text(cx.now)
    ));
    finding
        .key(if place == 0 { "leaf" } else { "intermediate" })
        .at(secret.certificate_pointer(), "");
    if matches!(trouble, Trouble::Soon(_)) || place > 1 {
        finding.severity(finding.severity.min(Severity::Warning));
    }
    finding.note(format!("its subject is `{}`", certificate.subject));
    used(cx, secret, managed, trouble, finding);
    if let Some(certificate) = managed {
        finding.because(&["TLS003", "TLS007"], certificate.reference());
        finding.fix(renew(certificate));
    } else {
        let (namespace, name) = (&secret.meta.namespace, &secret.meta.name);
        finding.fix(Fix::manual("put a new certificate and its key into the Secret").command(format!(
            "kubectl -n {namespace} create secret tls {name} --cert=tls.crt --key=tls.key --dry-run=client -o yaml | kubectl apply -f -"
        )));
    }
}

/// The first certificate that is in trouble on the way from the leaf upwards, with its distance from the leaf.
///
/// A root in the chain does not count (clients use their own), nor does a certificate that signed none of the others.
fn worst(
    chain: &[CertificateFacts],
    now: Timestamp,
) -> Option<(&CertificateFacts, usize, Trouble)> {
    let mut soon = None;
    let mut current = chain.first()?;
    for place in 0..chain.len() {
        let trouble = Trouble::of(current.not_before, current.not_after, now);
        match trouble {
            Some(trouble @ Trouble::Soon(_)) => {
                soon = soon.or(Some((current, place, trouble)));
            }
            Some(trouble) => return Some((current, place, trouble)),
            None => {}
        }
        let issuer = chain
            .iter()
            .skip(1)
            .find(|above| above.subject == current.issuer && above.subject != above.issuer);
        match issuer {
            Some(issuer) if !std::ptr::eq(issuer, current) => current = issuer,
            _ => break,
        }
    }
    soon
}

fn managed_by<'a>(cx: &Context<'a>, secret: &Secret) -> Option<&'a Certificate> {
    let namespace = &*secret.meta.namespace;
    let writes = |certificate: &&Certificate| certificate.spec.secret_name == secret.meta.name;
    let annotated = secret
        .meta
        .annotations
        .get("cert-manager.io/certificate-name");
    annotated
        .and_then(|name| cx.get::<Certificate>(namespace, name))
        .filter(writes)
        .or_else(|| cx.in_namespace::<Certificate>(namespace).find(writes))
}

/// Whether the planned renewal did not come. Without a plan nothing excuses it.
fn late(certificate: &Certificate, now: Timestamp) -> bool {
    certificate
        .status
        .renewal_time
        .is_none_or(|planned| planned.as_second() + LATE_SECONDS < now.as_second())
}

fn used(
    cx: &Context<'_>,
    secret: &Secret,
    managed: Option<&Certificate>,
    trouble: Trouble,
    finding: &mut Finding,
) {
    let namespace = &*secret.meta.namespace;
    if let Some((user, pointer)) = user_of(cx, namespace, &secret.meta.name) {
        finding.note(format!("{user} serves with it; {}", trouble.consequence()));
        finding.label(user, pointer, "serves with it");
    } else if managed.is_none() {
        finding.severity(Severity::Info);
        finding.note(if cx.known(Kind::Ingress, namespace).is_ok() {
            "no Ingress, Gateway or IngressRoute names it; a Pod may mount it"
        } else {
            "whether an Ingress names it could not be read"
        });
    }
}

fn renew(certificate: &Certificate) -> Fix {
    Fix::manual("renew it now").command(format!(
        "cmctl renew {} -n {}",
        certificate.meta.name, certificate.meta.namespace
    ))
}

fn check_certificate(cx: &Context<'_>, certificate: &Certificate, report: &mut Reporter) {
    let status = &certificate.status;
    if status.not_after.is_none() || certificate.meta.deleting() {
        return report.not_applicable(); // never issued: `certificate-not-issued`
    }
    let Some(trouble) = Trouble::of(status.not_before, status.not_after, cx.now) else {
        return;
    };
    if matches!(trouble, Trouble::Soon(_)) && !late(certificate, cx.now) {
        return;
    }
    let finding = report.find(format!(
        "Certificate `{}` {}",
        certificate.meta,
        trouble.text(cx.now)
    ));
    finding.key("status").at("/status/notAfter", "");
    if matches!(trouble, Trouble::Soon(_)) {
        finding.severity(finding.severity.min(Severity::Warning));
    }
    if let Some(planned) = status.renewal_time {
        finding.note(format!("its renewal was planned for {planned}"));
    }
    finding.note(trouble.consequence());
    if let Some((user, pointer)) = user_of(
        cx,
        &certificate.meta.namespace,
        &certificate.spec.secret_name,
    ) {
        finding.note(format!("{user} serves with it"));
        finding.label(user, pointer, "serves with it");
    }
    finding.because(&["TLS007"], certificate.reference());
    finding.fix(renew(certificate));
}
