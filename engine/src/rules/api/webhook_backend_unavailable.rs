//! `webhook-backend-unavailable`

use crate::{
    context::{Context, Reporter},
    endpoints::{self, Behind},
    finding::{Finding, Fix},
    model::{
        CustomResourceDefinition, Kind, Meta, Namespace, Object as _, Service, ServicePort,
        ServiceReference, Webhook, WebhookConfiguration,
    },
    near,
    rule::{Check, Confidence, Evidence, Rule, Severity},
    snapshot::Absence,
};
use std::collections::BTreeMap;

mod words;

use words::{break_glass, scope};

#[cfg(test)]
mod tests;

pub(super) static RULE: Rule = Rule {
    code: "API002",
    name: "webhook-backend-unavailable",
    summary: "the API server calls a webhook Service that is missing or has nothing ready behind it",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    confidence: Confidence::Certain,
    evidence: Evidence::Miss,
    // The Services lie in namespaces of their own, so what could be listed is looked at for each of them.
    wants: &[
        Kind::Service,
        Kind::EndpointSlice,
        Kind::Pod,
        Kind::Namespace,
    ],
    triggers: &[Kind::Service, Kind::EndpointSlice],
    reads: &[
        "/webhooks/*/clientConfig",
        "/webhooks/*/failurePolicy",
        "/spec/conversion",
    ],
    page: include_str!("webhook_backend_unavailable.md"),
    file: file!(),
    on: &[
        Check::WebhookConfiguration(check_configuration),
        Check::CustomResourceDefinition(check_definition),
    ],
    ..Rule::BASE
};

/// One Service that the API server calls for a subject.
struct Call<'a> {
    subject: &'a Meta,
    /// Kind and name, as messages begin.
    caller: String,
    service: &'a ServiceReference,
    /// JSON pointers to the references.
    pointers: Vec<String>,
    /// Whether requests are refused while the call fails.
    refuses: bool,
    /// What suffers.
    consequence: String,
    /// The command that takes the webhook out of the way.
    break_glass: Option<(&'static str, String)>,
}

impl Call<'_> {
    fn port(&self) -> i32 {
        self.service.port.unwrap_or(443)
    }

    fn full_name(&self) -> String {
        format!("{}/{}", self.service.namespace, self.service.name)
    }
}

/// A webhook and its position in the configuration.
type Numbered<'a> = (usize, &'a Webhook);

fn check_configuration(
    cx: &Context<'_>,
    configuration: &WebhookConfiguration,
    report: &mut Reporter,
) {
    let mut calls: BTreeMap<(&str, &str, i32), Vec<Numbered<'_>>> = BTreeMap::new();
    for (index, webhook) in configuration.webhooks.iter().enumerate() {
        let Some(service) = &webhook.client_config.service else {
            continue; // an address outside the cluster
        };
        let port = service.port.unwrap_or(443);
        calls
            .entry((&service.namespace, &service.name, port))
            .or_default()
            .push((index, webhook));
    }
    if calls.is_empty() || configuration.meta.deleting() {
        return report.not_applicable();
    }
    for webhooks in calls.values() {
        let Some((_, first)) = webhooks.first() else {
            continue;
        };
        let Some(service) = &first.client_config.service else {
            continue;
        };
        let refusing: Vec<Numbered<'_>> = webhooks
            .iter()
            .copied()
            .filter(|(_, webhook)| webhook.failure_policy.as_deref() != Some("Ignore"))
            .collect();
        let consequence = if refusing.is_empty() {
            "failurePolicy is Ignore: requests pass without being checked, after waiting for the call"
                .to_owned()
        } else {
            format!(
                "the API server refuses {} while this lasts",
                scope(&refusing)
            )
        };
        judge(
            cx,
            &Call {
                subject: &configuration.meta,
                caller: format!("{} `{}`", configuration.kind(), configuration.meta.name),
                service,
                pointers: webhooks
                    .iter()
                    .map(|(index, _)| format!("/webhooks/{index}/clientConfig/service"))
                    .collect(),
                refuses: !refusing.is_empty(),
                consequence,
                break_glass: Some(break_glass(configuration, &refusing)),
            },
            report,
        );
    }
}

fn check_definition(
    cx: &Context<'_>,
    definition: &CustomResourceDefinition,
    report: &mut Reporter,
) {
    let conversion = &definition.spec.conversion;
    let webhook = conversion
        .webhook
        .as_ref()
        .filter(|_| &*conversion.strategy == "Webhook");
    let service = webhook.and_then(|webhook| webhook.client_config.service.as_ref());
    let Some(service) = service.filter(|_| !definition.meta.deleting()) else {
        return report.not_applicable();
    };
    judge(
        cx,
        &Call {
            subject: &definition.meta,
            caller: format!(
                "the conversion of CustomResourceDefinition `{}`",
                definition.meta.name
            ),
            service,
            pointers: vec!["/spec/conversion/webhook/clientConfig/service".to_owned()],
            refuses: true,
            consequence: format!(
                "objects of `{}` that are stored in another version can be neither read nor written",
                definition.meta.name
            ),
            break_glass: None,
        },
        report,
    );
}

fn judge(cx: &Context<'_>, call: &Call<'_>, report: &mut Reporter) {
    let (namespace, name) = (&*call.service.namespace, &*call.service.name);
    if namespace.is_empty() || name.is_empty() {
        return report.skip("the reference names no Service");
    }
    let services = cx.named::<Service>(namespace, name);
    let Some(service) = services.first().copied() else {
        return missing(cx, call, report);
    };
    if let Err(Absence::Unknown(reason)) = cx.known(Kind::Service, namespace) {
        return report.unknown(reason);
    }
    if services
        .iter()
        .any(|service| service.is_headless() || service.is_external_name())
    {
        return report.unknown(format!(
            "Service `{}` is {}: whether the API server can call it depends on --enable-aggregator-routing",
            call.full_name(),
            if service.is_headless() { "headless" } else { "an ExternalName" }
        ));
    }
    let port = |service: &&'_ Service| service.ports.iter().any(|port| port.port == call.port());
    if !services.iter().any(port) {
        return port_missing(call, service, report);
    }
    let found = service.ports.iter().find(|port| port.port == call.port());
    if let Some(port) = found.filter(|_| cx.on_cluster()) {
        not_ready(cx, call, service, port, report);
    }
}

fn missing(cx: &Context<'_>, call: &Call<'_>, report: &mut Reporter) {
    let (namespace, name) = (&*call.service.namespace, &*call.service.name);
    if cx.may_be_here::<Service>(call.subject, |service| *service.meta.name == *name) {
        return report.skip(format!(
            "namespace not stated: Service `{name}` may be in `{namespace}`"
        ));
    }
    if !report.proven(
        cx.absence(Kind::Service, namespace),
        &format!("Service `{}`", call.full_name()),
    ) {
        return;
    }
    if young(cx, call.subject) {
        return settling(cx, call, report);
    }
    let absent = if cx.on_cluster() {
        "does not exist"
    } else {
        "is not among the manifests"
    };
    let near = near::names(
        name,
        cx.in_namespace::<Service>(namespace)
            .map(|service| &*service.meta.name),
    );
    let finding = report.find(format!(
        "{} calls Service `{}`, which {absent}",
        call.caller,
        call.full_name()
    ));
    places(finding, call, "/name", "no such Service");
    if cx.known(Kind::Namespace, "").is_ok()
        && cx.on_cluster()
        && cx.named::<Namespace>("", namespace).is_empty()
    {
        finding.note(format!("namespace `{namespace}` does not exist either"));
    }
    for other in near.iter().take(3) {
        finding.note(format!(
            "Service `{namespace}/{other}` exists and has a similar name"
        ));
    }
    // In files the Service may be somebody else's.
    if !cx.on_cluster() && near.is_empty() {
        if let Some(maker) = cx.maker_in(namespace, false) {
            finding.severity(Severity::Info);
            finding.note(format!("{} of the input may make it", maker.reference()));
        } else {
            finding.severity(Severity::Warning);
            finding.note("it may be installed from elsewhere");
        }
    }
    note_consequence(finding, call);
    finding.fix(
        Fix::manual(format!("install what serves `{}` again", call.full_name()))
            .command(format!("kubectl -n {namespace} get services,deployments")),
    );
    remedy(cx, finding, call);
}

fn port_missing(call: &Call<'_>, service: &Service, report: &mut Reporter) {
    let labels: Vec<String> = service.ports.iter().map(ServicePort::label).collect();
    let finding = report.find(format!(
        "{} calls port {} of Service `{}`, which has {}",
        call.caller,
        call.port(),
        call.full_name(),
        if labels.is_empty() {
            "no port".to_owned()
        } else {
            format!("only {}", labels.join(", "))
        }
    ));
    let field = if call.service.port.is_some() {
        "/port"
    } else {
        ""
    };
    places(finding, call, field, "no such port");
    finding.label(service.reference(), "/spec/ports", "the ports it has");
    if call.service.port.is_none() {
        finding.note("the reference names no port, which means 443");
    }
    note_consequence(finding, call);
    let ports: Vec<String> = service
        .ports
        .iter()
        .map(|port| port.port.to_string())
        .collect();
    finding.fix(
        Fix::manual(format!(
            "call a port that the Service has ({}), or give the Service port {}",
            ports.join(", "),
            call.port()
        ))
        .command(format!(
            "kubectl -n {} describe service {}",
            call.service.namespace, call.service.name
        )),
    );
}

fn not_ready(
    cx: &Context<'_>,
    call: &Call<'_>,
    service: &Service,
    port: &ServicePort,
    report: &mut Reporter,
) {
    let namespace = &*call.service.namespace;
    if let Err(Absence::Unknown(reason)) = cx.known(Kind::EndpointSlice, namespace) {
        return report.unknown(reason);
    }
    let behind = endpoints::behind(cx, service, port);
    if behind == Behind::Ready {
        return;
    }
    if young(cx, call.subject) || endpoints::settling(cx, service) {
        return settling(cx, call, report);
    }
    let finding = report.find(format!(
        "{} calls Service `{}`, which has no ready endpoint for port {}",
        call.caller,
        call.full_name(),
        call.port()
    ));
    places(finding, call, "", "nothing is ready behind it");
    finding.label(service.reference(), "/spec/ports", "has no ready endpoint");
    match behind {
        Behind::Terminating => {
            finding.severity(Severity::Warning);
            finding.note("Pods that are being deleted still serve until they end");
        }
        Behind::NotReady(count) => {
            finding.note(format!(
                "{count} endpoints are listed, none of them is ready"
            ));
        }
        Behind::Nothing | Behind::Ready => {
            finding.note("its EndpointSlices list no endpoint for this port");
        }
    }
    note_consequence(finding, call);
    finding.looked_through(Kind::EndpointSlice, namespace);
    finding.because(endpoints::CAUSES, service.reference());
    finding.fix(Fix::manual("see why no Pod is ready").command(format!(
        "kubectl -n {namespace} describe service {}",
        service.meta.name
    )));
    remedy(cx, finding, call);
}

fn young(cx: &Context<'_>, subject: &Meta) -> bool {
    subject
        .age_seconds(cx.now)
        .is_some_and(|age| age < cx.grace_seconds())
}

fn settling(cx: &Context<'_>, call: &Call<'_>, report: &mut Reporter) {
    report.unknown(format!(
        "settling: {} or Service `{}` is younger than {} seconds",
        call.caller,
        call.full_name(),
        cx.grace_seconds()
    ));
}

fn places(finding: &mut Finding, call: &Call<'_>, field: &str, text: &str) {
    finding.key(format!("{}:{}", call.full_name(), call.port()));
    for (index, pointer) in call.pointers.iter().enumerate() {
        finding.at(
            format!("{pointer}{field}"),
            if index == 0 { text } else { "" },
        );
    }
}

fn note_consequence(finding: &mut Finding, call: &Call<'_>) {
    if !call.refuses {
        finding.severity(finding.severity.min(Severity::Warning));
    }
    finding.note(call.consequence.clone());
    finding.looked_for(Kind::Service, &call.service.namespace, &call.service.name);
}

/// The way out when nothing can be created because of this webhook.
fn remedy(cx: &Context<'_>, finding: &mut Finding, call: &Call<'_>) {
    if let Some((title, command)) = call
        .break_glass
        .clone()
        .filter(|_| call.refuses && cx.on_cluster())
    {
        finding.fix(Fix::manual(title).command(command));
    }
}
