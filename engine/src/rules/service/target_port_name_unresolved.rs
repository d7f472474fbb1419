//! `target-port-name-unresolved`

use super::backends::{self, Running};
use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix, FixClass},
    model::{IntOrString, Kind, Object as _, Service, ServicePort, Workload},
    near,
    ports::{self, Resolved},
    rule::{Action, Actions, Check, Confidence, Evidence, Rule, Severity},
};
use serde_json::Value;

pub(super) static RULE: Rule = Rule {
    code: "SVC004",
    name: "target-port-name-unresolved",
    summary: "targetPort names a port that no selected Pod declares",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    admit: Some(Action::Deny),
    admit_cases: &[("headless", Actions::both(Action::Warn))],
    confidence: Confidence::Certain,
    evidence: Evidence::Contra,
    needs: &[Kind::Pod],
    wants: super::PORT_WANTS,
    triggers: super::PORT_TRIGGERS,
    cases: &[("headless", Severity::Warning)],
    reads: super::PORT_READS,
    page: include_str!("target_port_name_unresolved.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    let selected = backends::serving(cx, service);
    if selected.is_empty() {
        return report.not_applicable(); // `service-selector-matches-nothing` reports that
    }
    if selected.iter().any(|backend| cx.mesh_injects(*backend)) {
        return report.skip(backends::INJECTED);
    }
    for (index, port) in service.ports.iter().enumerate() {
        let Some(IntOrString::Text(wanted)) = port.target_port.as_ref() else {
            continue;
        };
        // A quoted number is no name: the API server refuses it.
        if wanted.is_empty() || wanted.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // Somewhere it resolves (SVC005), or with another protocol (SVC008).
        let unresolved = selected.iter().all(|backend| {
            ports::resolve_name(backend.spec(), wanted, &port.protocol) == Resolved::NoSuchName
        });
        if !unresolved {
            continue;
        }
        let running = backends::running(cx, service, port);
        if running != Running::Injected {
            let finding = report_port(cx, service, index, (port, wanted), &selected, report);
            if running == Running::Differs {
                backends::doubt(finding);
            }
        }
    }
}

fn report_port<'a, 'r>(
    cx: &Context<'a>,
    service: &Service,
    index: usize,
    (port, wanted): (&ServicePort, &str),
    selected: &[Workload<'a>],
    report: &'r mut Reporter,
) -> &'r mut Finding {
    let pointer = format!("/spec/ports/{index}/targetPort");
    let finding = report.find(format!(
        "{} targets `{wanted}`, and no selected Pod declares a port of that name",
        backends::port_of(service, port)
    ));
    finding.key(port.stable_key()).at(
        pointer.clone(),
        format!("resolves on 0 of {}", selected.len()),
    );
    finding.at("/spec/selector", "selects them");
    if service.is_headless() {
        finding.case("headless").severity(Severity::Warning);
        finding.note("clients dial the pods themselves; SRV records and readers of EndpointSlices lose this port");
    } else {
        finding.note(format!(
            "every connection to `{}:{}` is refused",
            service.meta, port.port
        ));
    }
    if selected.iter().any(|backend| {
        backend.kind() == Kind::CustomWorkload && !is_known(&backend.reference().kind)
    }) {
        finding.confidence(Confidence::Likely);
        finding.note("an operator makes the Pods, and may add ports to them");
    }
    let place = cx.place_to_fix(selected[0]);
    let declared: Vec<String> = place
        .spec()
        .declared_ports()
        .map(|(_, port)| ports::describe(port))
        .collect();
    finding.label(
        place.reference(),
        format!("{}/containers/0/ports", place.spec_pointer()),
        "declares the ports",
    );
    finding.note(match &declared[..] {
        [] => format!("{} declares no port", place.reference()),
        declared => format!("{} declares {}", place.reference(), declared.join(", ")),
    });
    finding.looked_through(Kind::Pod, &service.meta.namespace);
    let Some(target) = meant(selected, port, wanted) else {
        finding.fix(
            Fix::manual(format!(
                "name a port `{wanted}` in {}, or target one that it declares",
                place.reference()
            ))
            .command(format!(
                "kubectl -n {} edit service {}",
                service.meta.namespace, service.meta.name
            )),
        );
        return finding;
    };
    let fix = Fix::patch(
        FixClass::Review,
        match &target {
            Value::String(name) => format!("target `{name}`"),
            number => format!("target {number}"),
        },
        service.reference(),
    );
    finding.fix(backends::still_there(fix, index, port).add(&pointer, target.clone()))
}

/// Custom workloads whose pods are their template.
fn is_known(kind: &str) -> bool {
    matches!(
        kind,
        "Rollout" | "Experiment" | "CloneSet" | "StatefulSet" | "DaemonSet" | "Deployment"
    )
}

/// What the port was meant to target: the nearest name that every backend declares for the protocol, the only such
/// name, or the only such number where the pods name nothing.
fn meant(selected: &[Workload<'_>], port: &ServicePort, wanted: &str) -> Option<Value> {
    let declared = |backend: &Workload<'_>| -> Vec<(String, i32)> {
        ports::declared(backend.spec(), &port.protocol)
            .map(|port| {
                let name = port.name.as_deref().unwrap_or_default();
                (name.to_owned(), port.container_port)
            })
            .collect()
    };
    let mut names = declared(selected.first()?);
    let mut numbers = names.clone();
    names.retain(|(name, _)| !name.is_empty());
    for backend in selected {
        let others = declared(backend);
        names.retain(|(name, _)| others.iter().any(|(other, _)| other == name));
        numbers.retain(|(_, number)| others.iter().any(|(_, other)| other == number));
    }
    numbers.dedup_by_key(|(_, number)| *number);
    let near = near::name(wanted, names.iter().map(|(name, _)| &**name));
    match (near, &names[..], &numbers[..]) {
        (Some(name), ..) => Some(name.into()),
        (None, [(only, _)], _) => Some(only.clone().into()),
        (None, [], [(_, only)]) => Some((*only).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::{
        model::Kind,
        testkit::{check, check_page, check_with, fix_clears, forbid, lint},
    };

    const BROKEN: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: htpp}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]}]}
";

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn the_fix_clears_it_and_changes_nothing_else() {
        fix_clears(BROKEN, "SVC004");
    }

    #[test]
    fn a_sidecar_counts_and_another_init_container_does_not() {
        let with = |restart: &str| {
            BROKEN.replace(
                "spec: {containers:",
                &format!("spec: {{initContainers: [{{name: p, image: p, {restart} ports: [{{name: htpp, containerPort: 1}}]}}], containers:"),
            )
        };
        lint(&with("restartPolicy: Always,")).none("SVC004");
        lint(&with("")).one("SVC004");
    }

    #[test]
    fn mesh_injection_may_add_the_port() {
        let with = |labels: &str, annotations: &str| {
            lint(&BROKEN.replace(
                "metadata: {labels: {app: web}}",
                &format!(
                    "metadata: {{labels: {{app: web{labels}}}, annotations: {{{annotations}}}}}"
                ),
            ))
        };
        for (labels, annotations) in [
            (", sidecar.istio.io/inject: 'true'", ""),
            (", istio.io/rev: stable", ""),
            ("", "dapr.io/enabled: 'true'"),
            ("", "sidecar.opentelemetry.io/inject: 'true'"),
            ("", "sidecar.opentelemetry.io/inject: collector"),
        ] {
            with(labels, annotations)
                .none("SVC004")
                .skipped("SVC004", "mesh");
        }
        with(
            ", sidecar.istio.io/inject: 'false', istio.io/rev: stable",
            "",
        )
        .one("SVC004");
        with("", "sidecar.opentelemetry.io/inject: 'false'").one("SVC004");
        for (annotation, skipped) in [
            ("linkerd.io/inject: enabled", true),
            ("linkerd.io/inject: ingress", true),
            ("linkerd.io/inject: disabled", false),
            ("sidecar.opentelemetry.io/inject: 'true'", true),
            ("sidecar.opentelemetry.io/inject: 'False'", false),
        ] {
            let namespace = format!(
                "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, annotations: {{{annotation}}}}}\n"
            );
            let ran = lint(&(BROKEN.to_owned() + &namespace));
            assert_eq!(ran.of("SVC004").is_empty(), skipped, "{annotation}");
        }
    }

    #[test]
    fn headless_only_warns() {
        let headless = BROKEN.replace(
            "  selector: {app: web}\n  ports",
            "  clusterIP: None\n  selector: {app: web}\n  ports",
        );
        assert_eq!(lint(&headless).one("SVC004").severity.as_str(), "warning");
    }

    #[test]
    fn a_name_with_another_protocol_is_another_rule() {
        lint(&BROKEN.replace(
            "name: http, containerPort",
            "name: htpp, protocol: UDP, containerPort",
        ))
        .none("SVC004");
    }

    #[test]
    fn the_nearest_name_or_the_only_number_is_offered() {
        let ports = |ports: &str| BROKEN.replace("{name: http, containerPort: 8080}", ports);
        fix_clears(
            &ports("{name: http, containerPort: 8080}, {name: metrics, containerPort: 9090}"),
            "SVC004",
        );
        fix_clears(&ports("{containerPort: 8080}"), "SVC004");
        let two = lint(&ports(
            "{name: alpha, containerPort: 1}, {name: omega, containerPort: 2}",
        ));
        assert!(
            two.one("SVC004")
                .fixes
                .iter()
                .all(|fix| fix.patch.0.is_empty())
        );
    }

    #[test]
    fn a_quoted_number_is_no_name() {
        lint(&BROKEN.replace("htpp", "'8080'")).none("SVC004");
    }

    #[test]
    fn popeye_every_pod_is_read() {
        let pod = |name: &str, port: &str| {
            format!(
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: web}}}}\nspec: {{containers: [{{name: c, image: c, ports: [{{name: {port}, containerPort: 80}}]}}]}}\nstatus: {{phase: Running}}\n"
            )
        };
        let service = BROKEN.split("---").next().unwrap_or_default().to_owned();
        check(&(service.clone() + &pod("a", "web") + &pod("b", "htpp"))).none("SVC004");
        check(&(service + &pod("a", "web") + &pod("b", "web"))).one("SVC004");
    }

    #[test]
    fn a_patch_document_without_image_and_ports_says_nothing() {
        lint(&BROKEN.replace(
            "image: web, ports: [{name: http, containerPort: 8080}]",
            "env: []",
        ))
        .none("SVC004");
    }

    #[test]
    fn radar_846_pods_that_could_not_be_listed() {
        check_with(BROKEN, |builder| forbid(builder, Kind::Pod))
            .none("SVC004")
            .unknown("SVC004", "forbidden");
    }
}
