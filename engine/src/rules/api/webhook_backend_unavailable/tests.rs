use super::RULE;
use crate::{
    model::Kind,
    testkit::{check, check_page, check_with, forbid, lint},
};

/// A cluster with one webhook configuration; `service` is its reference, `objects` whatever else is there.
fn with(service: &str, objects: &str) -> String {
    format!(
        "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {{name: policy, creationTimestamp: '2025-12-01T00:00:00Z'}}
webhooks:
  - name: a.policy.example.com
    failurePolicy: Fail
    clientConfig: {{{service}}}
    rules: [{{operations: [CREATE, UPDATE], apiGroups: ['', apps], apiVersions: ['*'], resources: [pods]}}]
---
apiVersion: v1
kind: Namespace
metadata: {{name: policy-system}}
{objects}"
    )
}

const REFERENCE: &str = "service: {namespace: policy-system, name: policy-webhook}";

const SERVICE: &str = "---
apiVersion: v1
kind: Service
metadata: {name: policy-webhook, namespace: policy-system, creationTimestamp: '2025-12-01T00:00:00Z'}
spec: {clusterIP: 10.96.3.4, selector: {app: policy}, ports: [{name: https, port: 443, targetPort: 9443}]}
";

const READY: &str = "---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: policy-webhook-1, namespace: policy-system, labels: {kubernetes.io/service-name: policy-webhook}}
addressType: IPv4
ports: [{name: https, port: 9443, protocol: TCP}]
endpoints: [{addresses: [10.1.0.1], conditions: {ready: true}}]
";

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn a_missing_service_a_missing_port_and_nothing_ready_are_told_apart() {
    let ran = check(&with(REFERENCE, ""));
    let finding = ran.one("API002");
    assert!(
        finding.message.contains("does not exist"),
        "{}",
        finding.message
    );
    assert!(
        finding
            .notes
            .iter()
            .any(|note| note.contains("CREATE, UPDATE of pods, pods.apps")),
        "{:?}",
        finding.notes
    );
    let ran = check(&with(
        REFERENCE,
        &format!("{}{READY}", SERVICE.replace("port: 443", "port: 8443")),
    ));
    assert!(ran.one("API002").message.contains("port 443 of Service"));
    let ran = check(&with(REFERENCE, SERVICE));
    assert!(ran.one("API002").message.contains("no ready endpoint"));
    check(&with(REFERENCE, &format!("{SERVICE}{READY}"))).none("API002");
}

#[test]
fn a_stated_port_is_a_service_port() {
    let reference = "service: {namespace: policy-system, name: policy-webhook, port: 9443}";
    check(&with(reference, &format!("{SERVICE}{READY}"))).one("API002");
    let ran = lint(&with(reference, SERVICE));
    assert!(
        ran.one("API002").labels[0]
            .pointer
            .ends_with("/service/port")
    );
}

#[test]
fn an_address_outside_is_not_judged() {
    check(&with("url: 'https://policy.example.com'", "")).none("API002");
}

#[test]
fn ignore_only_warns_and_offers_no_break_glass() {
    let ran = check(&with(REFERENCE, "").replace("failurePolicy: Fail", "failurePolicy: Ignore"));
    let finding = ran.one("API002");
    assert_eq!(finding.severity.as_str(), "warning");
    assert_eq!(finding.fixes.len(), 1);
    let ran = check(&with(REFERENCE, "").replace("    failurePolicy: Fail\n", ""));
    let finding = ran.one("API002");
    assert_eq!(finding.severity.as_str(), "error");
    let command = finding.fixes.last().and_then(|fix| fix.command.as_deref());
    assert!(command.is_some_and(|command| command.contains("/webhooks/0/failurePolicy")));
}

#[test]
fn headless_and_external_names_depend_on_a_flag_nobody_can_read() {
    let headless = SERVICE.replace("clusterIP: 10.96.3.4", "clusterIP: None");
    check(&with(REFERENCE, &headless))
        .none("API002")
        .unknown("API002", "aggregator-routing");
    let external = SERVICE.replace(
        "clusterIP: 10.96.3.4, selector: {app: policy}",
        "type: ExternalName, externalName: a.example",
    );
    check(&with(REFERENCE, &external))
        .none("API002")
        .unknown("API002", "ExternalName");
}

#[test]
fn several_webhooks_of_one_service_are_one_finding() {
    let second = "  - name: b.policy.example.com
    failurePolicy: Ignore
    clientConfig: {service: {namespace: policy-system, name: policy-webhook}}
---
apiVersion: v1
kind: Namespace";
    let ran = check(&with(REFERENCE, "").replace("---\napiVersion: v1\nkind: Namespace", second));
    let finding = ran.one("API002");
    assert_eq!(
        (finding.labels.len(), finding.severity.as_str()),
        (2, "error")
    );
}

#[test]
fn what_was_just_created_is_settling() {
    let young = with(REFERENCE, "").replace("2025-12-01T00:00:00Z", "2026-01-01T11:59:30Z");
    check(&young).none("API002").unknown("API002", "settling");
    let service = SERVICE.replace("2025-12-01T00:00:00Z", "2026-01-01T11:59:30Z");
    check(&with(REFERENCE, &service))
        .none("API002")
        .unknown("API002", "settling");
}

#[test]
fn a_403_is_not_missing() {
    check_with(&with(REFERENCE, ""), |builder| {
        forbid(builder, Kind::Service);
    })
    .none("API002")
    .unknown("API002", "cannot list services");
    check_with(&with(REFERENCE, SERVICE), |builder| {
        forbid(builder, Kind::EndpointSlice);
    })
    .none("API002")
    .unknown("API002", "cannot list endpointslices");
}

#[test]
fn in_files_the_service_may_come_from_elsewhere() {
    lint(&with(REFERENCE, ""))
        .none("API002")
        .skipped("API002", "not in this input");
    let other = SERVICE.replace("name: policy-webhook", "name: metrics");
    assert_eq!(
        lint(&with(REFERENCE, &other))
            .one("API002")
            .severity
            .as_str(),
        "warning"
    );
    let near = SERVICE.replace("name: policy-webhook", "name: policy-webhooks");
    assert_eq!(
        lint(&with(REFERENCE, &near))
            .one("API002")
            .severity
            .as_str(),
        "error"
    );
    let implied = SERVICE.replace(", namespace: policy-system", "");
    lint(&with(REFERENCE, &implied))
        .none("API002")
        .skipped("API002", "namespace not stated");
    lint(&with(REFERENCE, SERVICE)).none("API002");
}

#[test]
fn a_conversion_is_a_webhook_too() {
    let definition = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com, creationTimestamp: '2025-12-01T00:00:00Z'}
spec:
  group: example.com
  conversion:
    strategy: Webhook
    webhook: {conversionReviewVersions: [v1], clientConfig: {service: {namespace: w, name: w}}}
";
    let ran = check(definition);
    assert!(
        ran.one("API002")
            .message
            .contains("conversion of CustomResourceDefinition `widgets.example.com`")
    );
    check(&definition.replace("strategy: Webhook", "strategy: None")).none("API002");
}

#[test]
fn a_service_that_an_operator_makes_is_not_missing() {
    let other = SERVICE.replace("metadata: {name: ", "metadata: {name: another-");
    let broken = with(REFERENCE, &other);
    let operator = "---\napiVersion: operators.coreos.com/v1alpha1\nkind: Subscription\nmetadata: {name: op, namespace: policy-system}\nspec: {}\n";
    let before = lint(&broken).one("API002").severity;
    let after = lint(&(broken + operator)).one("API002").severity;
    assert!(after < before, "{before:?} {after:?}");
}
