//! `ingress-backend-has-no-ready-endpoint`

use super::{Reference, ingress_backend_port_missing::find_port, references};
use crate::{
    context::{Context, Reporter},
    endpoints::{self, Behind},
    finding::Fix,
    model::{Ingress, Kind, Object as _, Service, ServicePort, Workload},
    rule::{Check, Confidence, Evidence, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "ING003",
    name: "ingress-backend-has-no-ready-endpoint",
    summary: "an Ingress sends requests to a Service behind which nothing is ready",
    check: Some(Severity::Error),
    confidence: Confidence::Certain,
    evidence: Evidence::Status,
    needs: &endpoints::KINDS,
    wants: &[
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::HorizontalPodAutoscaler,
    ],
    triggers: &[Kind::Service, Kind::EndpointSlice],
    reads: &["/spec/defaultBackend", "/spec/backend", "/spec/rules"],
    page: include_str!("ingress_backend_has_no_ready_endpoint.md"),
    file: file!(),
    on: &[Check::Ingress(check)],
    ..Rule::BASE
};

fn check(cx: &Context<'_>, ingress: &Ingress, report: &mut Reporter) {
    let references = references(ingress, |backend, port| backend.port == *port);
    if references.is_empty() || ingress.meta.deleting() {
        return report.not_applicable();
    }
    for reference in references {
        let service = cx.get::<Service>(&ingress.meta.namespace, reference.service);
        // A missing Service is ING001, a missing port ING002; an ExternalName has no endpoints.
        let Some(service) = service.filter(|service| !service.is_external_name()) else {
            continue;
        };
        let Some(port) = find_port(service, reference.port) else {
            continue;
        };
        let behind = endpoints::behind(cx, service, port);
        if behind == Behind::Ready {
            continue;
        }
        if endpoints::settling(cx, service) {
            report.unknown(format!(
                "settling: Service `{}` or its Pods are younger than {} seconds",
                service.meta,
                cx.grace_seconds()
            ));
            continue;
        }
        report_backend(cx, ingress, &reference, service, port, behind, report);
    }
}

fn report_backend(
    cx: &Context<'_>,
    ingress: &Ingress,
    reference: &Reference<'_>,
    service: &Service,
    port: &ServicePort,
    behind: Behind,
    report: &mut Reporter,
) {
    let finding = report.find(format!(
        "Ingress `{}` sends {} to port {} of Service `{}`, which has no ready endpoint",
        ingress.meta,
        reference.routes(),
        port.label(),
        reference.service
    ));
    finding.key(format!("{}:{}", reference.service, reference.port));
    for (index, pointer) in reference.name_pointers().enumerate() {
        finding.at(
            pointer,
            if index == 0 {
                "nothing is ready behind it"
            } else {
                ""
            },
        );
    }
    let namespace = &*service.meta.namespace;
    finding
        .label(service.reference(), "/spec/ports", "has no ready endpoint")
        .looked_for(Kind::Service, namespace, reference.service)
        .looked_through(Kind::EndpointSlice, namespace);
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
    finding.note("the ingress controller answers these requests itself, most often with 503");
    if scaled_to_zero_by_autoscaler(cx, service) {
        finding.severity(Severity::Info);
        finding.note("an autoscaler may have scaled the workload to 0 until requests arrive");
    }
    finding.because(endpoints::CAUSES, service.reference());
    finding.fix(Fix::manual("see why no Pod is ready").command(format!(
        "kubectl -n {namespace} describe service {}",
        service.meta.name
    )));
}

fn scaled_to_zero_by_autoscaler(cx: &Context<'_>, service: &Service) -> bool {
    let backends = cx.backends(service);
    !backends.is_empty()
        && backends.iter().all(|backend| match backend {
            Workload::Controller(controller) => {
                controller.wanted_replicas() == Some(0) && !cx.autoscalers_of(controller).is_empty()
            }
            Workload::Pod(_) => false,
        })
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::{
        model::Kind,
        testkit::{check, check_page, check_with, forbid, lint},
    };

    fn with(endpoints: &str) -> String {
        format!(
            "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web, namespace: shop}}
spec:
  ingressClassName: nginx
  defaultBackend: {{service: {{name: web, port: {{name: http}}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop, creationTimestamp: '2025-12-01T00:00:00Z'}}
spec: {{clusterIP: 10.96.0.9, selector: {{app: web}}, ports: [{{name: http, port: 80}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-1, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
ports: [{{name: http, port: 80, protocol: TCP}}]
endpoints: {endpoints}
"
        )
    }

    const READY: &str = "[{addresses: [10.1.0.1], conditions: {ready: true}}]";
    const NOT_READY: &str = "[{addresses: [10.1.0.1], conditions: {ready: false, serving: false}}]";

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn one_ready_endpoint_is_enough_and_absent_means_ready() {
        check(&with(READY)).none("ING003");
        check(&with("[{addresses: [10.1.0.1]}]")).none("ING003");
        check(&with(NOT_READY)).one("ING003");
        check(&with("[]")).one("ING003");
    }

    #[test]
    fn another_port_of_the_slice_does_not_count() {
        let ran = check(&with(READY).replace(
            "{name: http, port: 80, protocol",
            "{name: metrics, port: 80, protocol",
        ));
        ran.one("ING003");
    }

    #[test]
    fn serving_while_terminating_only_warns() {
        let ran = check(&with(
            "[{addresses: [10.1.0.1], conditions: {ready: false, serving: true, terminating: true}}]",
        ));
        assert_eq!(ran.one("ING003").severity.as_str(), "warning");
    }

    #[test]
    fn it_is_folded_under_what_the_service_lacks() {
        let misnamed = with("[]").replace("port: 80}]}\n---", "port: 80, targetPort: htpp}]}\n---")
            + "
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec: {containers: [{name: a, image: a, ports: [{name: http, containerPort: 80}]}]}
status: {phase: Running}
";
        check(&misnamed).folded("ING003", "SVC004");
    }

    #[test]
    fn a_young_service_is_settling() {
        let young = with("[]").replace("2025-12-01T00:00:00Z", "2026-01-01T11:59:30Z");
        check(&young).none("ING003").unknown("ING003", "settling");
    }

    #[test]
    fn a_workload_scaled_to_zero_by_an_autoscaler_is_context() {
        let workload = with("[]")
            + "
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, creationTimestamp: '2025-12-01T00:00:00Z'}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: a, image: a}]}}
";
        assert_eq!(check(&workload).one("ING003").severity.as_str(), "error");
        let scaled = workload
            + "
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web, namespace: shop}
spec: {minReplicas: 0, maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
";
        assert_eq!(check(&scaled).one("ING003").severity.as_str(), "info");
    }

    #[test]
    fn endpoints_that_may_not_be_listed_accuse_nobody() {
        for kind in [Kind::EndpointSlice, Kind::Service, Kind::Pod] {
            check_with(&with("[]"), |builder| forbid(builder, kind))
                .none("ING003")
                .unknown("ING003", "forbidden");
        }
    }

    #[test]
    fn manifests_have_no_endpoints() {
        lint(&with("[]")).none("ING003");
    }

    #[test]
    fn radar_an_empty_ingress_status_proves_nothing() {
        check(&with(READY)).none("ING003").none("ING005");
    }

    #[test]
    fn external_names_and_other_rules_subjects_are_left_alone() {
        let external = with("[]").replace(
            "clusterIP: 10.96.0.9, selector: {app: web}",
            "type: ExternalName, externalName: a.example",
        );
        check(&external).none("ING003");
        check(&with("[]").replace("port: {name: http}", "port: {name: other}")).none("ING003");
    }
}
