//! `certificate-not-issued`

use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix},
    model::{
        Certificate, CertificateRequest, Challenge, Condition, Issuer, Kind, Meta, Object as _,
        ObjectRef, Order,
    },
    rule::{Check, Confidence, Evidence, Rule, Severity},
    snapshot::{Absence, Stored},
};
use jiff::{SignedDuration, Timestamp};

#[cfg(test)]
mod tests;

/// How long issuing may take before it counts.
const PATIENCE_SECONDS: i64 = 600;

pub(super) static RULE: Rule = Rule {
    code: "TLS007",
    name: "certificate-not-issued",
    summary: "cert-manager has not issued a Certificate",
    check: Some(Severity::Error),
    confidence: Confidence::Certain,
    evidence: Evidence::Status,
    wants: &[
        Kind::Issuer,
        Kind::ClusterIssuer,
        Kind::CertificateRequest,
        Kind::Order,
        Kind::Challenge,
    ],
    reads: &["/spec/issuerRef", "/spec/secretName", "/status"],
    page: include_str!("certificate_not_issued.md"),
    file: file!(),
    on: &[Check::Certificate(check)],
    ..Rule::BASE
};

/// The first link of the chain that is not in order.
struct Link {
    object: ObjectRef,
    pointer: &'static str,
    /// Stands alone: what is wrong with it.
    text: String,
    /// cert-manager does not get over it by waiting.
    failed: bool,
}

fn check(cx: &Context<'_>, certificate: &Certificate, report: &mut Reporter) {
    if certificate.meta.deleting() {
        return report.not_applicable();
    }
    let status = &certificate.status;
    let condition = |kind: &str| Condition::find(&status.conditions, kind);
    let ready = condition("Ready").is_some_and(Condition::is_true);
    // Set when issuing failed, cleared when it succeeds.
    let failing = status.last_failure_time.is_some();
    if ready && !failing {
        return;
    }
    let issuing = condition("Issuing").filter(|condition| condition.is_true());
    let expired = status.not_after.is_some_and(|until| until <= cx.now);
    let since = issuing
        .or_else(|| condition("Ready"))
        .and_then(|condition| condition.last_transition_time)
        .or(certificate.meta.creation_timestamp);
    let waited = since.map(|since| cx.now.as_second() - since.as_second());
    let young = waited.is_some_and(|waited| waited < PATIENCE_SECONDS);
    let link = first_broken_link(cx, certificate);
    let failed = failing || link.as_ref().is_some_and(|link| link.failed);
    if expired && young && !failed {
        return; // it is being renewed: `certificate-expired-or-expiring` speaks
    }
    let message = format!(
        "Certificate `{}` is not issued: {}",
        certificate.meta,
        match &link {
            Some(link) => link.text.clone(),
            None => own_words(certificate),
        }
    );
    let message = if ready {
        message.replacen("is not issued", "is not renewed", 1)
    } else {
        message
    };
    let finding = report.find(message);
    finding.key(&*certificate.spec.secret_name).at(
        if status.conditions.is_empty() {
            "/spec/secretName"
        } else {
            "/status/conditions"
        },
        "not issued",
    );
    if let Some(link) = &link {
        finding.label(link.object.clone(), link.pointer, "stops here");
    }
    if young && !failed {
        finding.severity(Severity::Info);
    } else if ready {
        finding.severity(Severity::Warning);
    }
    notes(cx, certificate, ready, waited, finding);
    fixes(certificate, link.as_ref(), finding);
}

/// The Certificate's own conditions, where no other object tells more.
fn own_words(certificate: &Certificate) -> String {
    let conditions = &certificate.status.conditions;
    let telling = Condition::find(conditions, "Issuing")
        .filter(|condition| condition.message.is_some())
        .or_else(|| Condition::find(conditions, "Ready"));
    match telling {
        None => "cert-manager has written no status".to_owned(),
        Some(condition) => words(condition),
    }
}

fn words(condition: &Condition) -> String {
    let reason = condition.reason.as_deref().unwrap_or_default();
    let message = condition.message.as_deref().unwrap_or_default().trim();
    match (reason, message.trim_end_matches('.')) {
        ("", "") => format!("condition {} is {}", condition.kind, condition.status),
        (reason, "") => reason.to_owned(),
        ("", message) => message.to_owned(),
        (reason, message) => format!("{reason}, {message}"),
    }
}

fn first_broken_link(cx: &Context<'_>, certificate: &Certificate) -> Option<Link> {
    issuer(cx, certificate).or_else(|| requests(cx, certificate))
}

/// An issuer that is missing or not ready stops everything behind it.
fn issuer(cx: &Context<'_>, certificate: &Certificate) -> Option<Link> {
    let wanted = &certificate.spec.issuer_ref;
    let default_kind = wanted
        .kind
        .as_deref()
        .is_none_or(|kind| kind.is_empty() || kind == "Issuer");
    if !wanted.is_cert_manager()
        || wanted.name.is_empty()
        || !(default_kind || wanted.is_cluster_issuer())
    {
        return None;
    }
    let (kind, namespace) = if wanted.is_cluster_issuer() {
        (Kind::ClusterIssuer, "")
    } else {
        (Kind::Issuer, &*certificate.meta.namespace)
    };
    let found = cx
        .named::<Issuer>(namespace, &wanted.name)
        .into_iter()
        .find(|issuer| issuer.kind() == kind);
    let Some(issuer) = found else {
        return (cx.absence(kind, namespace) == Absence::Proven).then(|| Link {
            object: certificate.reference(),
            pointer: "/spec/issuerRef",
            text: format!("its {kind} `{}` does not exist", wanted.name),
            failed: true,
        });
    };
    let ready = Condition::find(&issuer.conditions, "Ready");
    if ready.is_some_and(Condition::is_true) {
        return None;
    }
    let why = ready.map_or_else(|| "it has no status".to_owned(), words);
    Some(Link {
        object: issuer.reference(),
        pointer: if ready.is_some() {
            "/status/conditions"
        } else {
            "/metadata/name"
        },
        text: format!("its {kind} `{}` is not ready ({why})", wanted.name),
        failed: ready.is_some_and(Condition::is_false),
    })
}

/// `CertificateRequest`, then Order, then Challenge: the deepest one that says why.
fn requests(cx: &Context<'_>, certificate: &Certificate) -> Option<Link> {
    let request = newest_owned::<CertificateRequest>(cx, &certificate.meta, "Certificate")?;
    let conditions = &request.status.conditions;
    let bad = ["InvalidRequest", "Denied"]
        .into_iter()
        .find_map(|kind| Condition::find(conditions, kind).filter(|condition| condition.is_true()));
    let ready = Condition::find(conditions, "Ready");
    if ready.is_some_and(Condition::is_true) {
        return None;
    }
    let failed = ready.is_some_and(|ready| ready.reason.as_deref() == Some("Failed"));
    let own = || {
        let condition = bad.or(ready);
        Link {
            object: request.reference(),
            pointer: if condition.is_some() {
                "/status/conditions"
            } else {
                "/metadata/name"
            },
            text: format!(
                "CertificateRequest `{}` {}",
                request.meta.name,
                condition.map_or_else(
                    || "has no status".to_owned(),
                    |condition| format!("is not ready ({})", words(condition))
                )
            ),
            failed: failed || bad.is_some(),
        }
    };
    if bad.is_some() {
        return Some(own());
    }
    Some(order(cx, request).unwrap_or_else(own))
}

fn order(cx: &Context<'_>, request: &CertificateRequest) -> Option<Link> {
    let order = newest_owned::<Order>(cx, &request.meta, "CertificateRequest")?;
    let state = &*order.status.state;
    if state == "valid" {
        return None;
    }
    if let Some(link) = challenge(cx, order) {
        return Some(link);
    }
    Some(Link {
        object: order.reference(),
        pointer: "/status",
        text: format!(
            "Order `{}` is {}",
            order.meta.name,
            state_and_reason(state, order.status.reason.as_deref())
        ),
        failed: matches!(state, "invalid" | "errored" | "expired"),
    })
}

fn challenge(cx: &Context<'_>, order: &Order) -> Option<Link> {
    let mut open: Vec<&Challenge> = cx
        .in_namespace::<Challenge>(&order.meta.namespace)
        .filter(|challenge| owned_by(&challenge.meta, &order.meta, "Order"))
        .filter(|challenge| &*challenge.status.state != "valid")
        .collect();
    // One that failed tells more than one that waits.
    let failed = |challenge: &Challenge| {
        matches!(&*challenge.status.state, "invalid" | "errored" | "expired")
    };
    open.sort_by_key(|challenge| (!failed(challenge), challenge.status.reason.is_none()));
    let challenge = open.first()?;
    Some(Link {
        object: challenge.reference(),
        pointer: "/status",
        text: format!(
            "{} Challenge `{}` for `{}` is {}",
            challenge.spec.kind,
            challenge.meta.name,
            challenge.spec.dns_name,
            state_and_reason(&challenge.status.state, challenge.status.reason.as_deref())
        ),
        failed: failed(challenge),
    })
}

fn state_and_reason(state: &str, reason: Option<&str>) -> String {
    let state = if state.is_empty() {
        "not started"
    } else {
        state
    };
    match reason
        .map(|reason| reason.trim().trim_end_matches('.'))
        .filter(|reason| !reason.is_empty())
    {
        Some(reason) => format!("{state} ({reason})"),
        None => state.to_owned(),
    }
}

/// The youngest object of a view that an object owns.
fn newest_owned<'a, T: Stored>(cx: &Context<'a>, owner: &Meta, kind: &str) -> Option<&'a T> {
    cx.in_namespace::<T>(&owner.namespace)
        .filter(|object| owned_by(object.meta(), owner, kind))
        .max_by_key(|object| (object.meta().creation_timestamp, &object.meta().name))
}

fn owned_by(meta: &Meta, owner: &Meta, kind: &str) -> bool {
    meta.owner_references.iter().any(|reference| {
        *reference.kind == *kind
            && reference.name == owner.name
            && (reference.uid.is_empty() || owner.uid.is_empty() || reference.uid == owner.uid)
    })
}

fn notes(
    cx: &Context<'_>,
    certificate: &Certificate,
    ready: bool,
    waited: Option<i64>,
    finding: &mut Finding,
) {
    let status = &certificate.status;
    match status.not_after {
        Some(until) if ready => {
            finding.note(format!("the present certificate is valid until {until}"));
        }
        _ => {
            finding.note(format!(
                "Secret `{}/{}` holds no valid certificate until then",
                certificate.meta.namespace, certificate.spec.secret_name
            ));
        }
    }
    if let Some(minutes) = waited
        .map(|waited| waited / 60)
        .filter(|minutes| *minutes > 0)
    {
        finding.note(format!("in this state for {minutes} minutes"));
    }
    if let Some(next) = next_attempt(certificate).filter(|next| *next > cx.now) {
        finding.note(format!(
            "cert-manager waits after a failure and tries again at {next}"
        ));
    }
}

/// One hour after the first failure, twice as long after every other, 32 hours at most.
fn next_attempt(certificate: &Certificate) -> Option<Timestamp> {
    let status = &certificate.status;
    let attempts = status.failed_issuance_attempts.unwrap_or(1).clamp(1, 6);
    let hours = 1_i64 << (attempts - 1);
    let wait = SignedDuration::from_hours(hours.min(32));
    status.last_failure_time?.checked_add(wait).ok()
}

fn fixes(certificate: &Certificate, link: Option<&Link>, finding: &mut Finding) {
    let (namespace, name) = (&certificate.meta.namespace, &certificate.meta.name);
    if let Some(link) = link {
        let resource = link.object.type_name();
        let place = if link.object.namespace.is_empty() {
            String::new()
        } else {
            format!("-n {} ", link.object.namespace)
        };
        finding.fix(
            Fix::manual("read what the object that stops it says")
                .command(format!("kubectl {place}describe {resource}")),
        );
    }
    finding.fix(
        Fix::manual("see the whole chain (deleting the Certificate is no renewal)")
            .command(format!("cmctl status certificate {name} -n {namespace}")),
    );
}
