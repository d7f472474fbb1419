//! `target-port-name-unresolved`

use crate::{
    context::{Context, Reporter},
    finding::{Fix, FixClass},
    model::{IntOrString, Kind, Object as _, Service, ServicePort, Workload},
    ports::{self, Resolved},
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "SVC004",
    name: "target-port-name-unresolved",
    summary: "targetPort names a port that no selected Pod declares",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    admit: Some(Action::Deny),
    confidence: Confidence::Certain,
    evidence: Evidence::Contra,
    needs: &[Kind::Pod],
    wants: &[
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
        Kind::Namespace,
    ],
    triggers: &[
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
        Kind::Pod,
    ],
    cases: &[("headless", Severity::Warning)],
    reads: &[
        "/spec/selector",
        "/spec/ports/*/targetPort",
        "/spec/ports/*/protocol",
        "/spec/clusterIP",
        "/spec/type",
    ],
    page: include_str!("target_port_name_unresolved.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    let backends = cx.backends(service);
    if backends.is_empty() {
        return report.not_applicable(); // `service-selector-matches-nothing` reports that
    }
    if backends.iter().any(|backend| cx.mesh_injects(*backend)) {
        return report.skip("a mesh injects containers into these pods and may add ports");
    }
    for (index, port) in service.ports.iter().enumerate() {
        let Some(IntOrString::Text(wanted)) = port.target_port.as_ref() else {
            continue;
        };
        let resolved: Vec<Resolved> = backends
            .iter()
            .map(|b| ports::resolve_name(b.spec(), wanted, &port.protocol))
            .collect();
        // Somewhere it resolves (SVC005), or with another protocol (SVC008).
        if wanted.is_empty()
            || resolved
                .iter()
                .any(|resolved| *resolved != Resolved::NoSuchName)
        {
            continue;
        }
        report_port(cx, service, index, port, wanted, &backends, report);
    }
}

fn report_port<'a>(
    cx: &Context<'a>,
    service: &Service,
    index: usize,
    port: &ServicePort,
    wanted: &str,
    backends: &[Workload<'a>],
    report: &mut Reporter,
) {
    let pointer = format!("/spec/ports/{index}/targetPort");
    let finding = report.find(format!(
        "no selected Pod declares a port named `{wanted}` ({})",
        port.protocol
    ));
    finding.key(port.stable_key()).at(
        pointer.clone(),
        format!("resolves on 0 of {}", backends.len()),
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
    let place = cx.place_to_fix(backends[0]);
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
    let Some(name) = common_name(backends, port) else {
        return;
    };
    let test = match port.name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => ("name", serde_json::Value::from(name)),
        None => ("port", serde_json::Value::from(port.port)),
    };
    finding.fix(
        Fix::patch(
            FixClass::Review,
            format!("use `{name}`"),
            service.reference(),
        )
        .test(&format!("/spec/ports/{index}/{}", test.0), test.1)
        .add(&pointer, name),
    );
}

/// The one name that every backend declares for the protocol.
fn common_name<'a>(backends: &[Workload<'a>], port: &ServicePort) -> Option<&'a str> {
    let names = |backend: &Workload<'a>| -> Vec<&'a str> {
        let declared = backend
            .spec()
            .declared_ports()
            .filter(|(_, declared)| declared.protocol == port.protocol);
        declared
            .filter_map(|(_, declared)| declared.name.as_deref())
            .filter(|name| !name.is_empty())
            .collect()
    };
    let mut common = names(backends.first()?);
    for backend in backends {
        let others = names(backend);
        common.retain(|name| others.contains(name));
    }
    match common[..] {
        [only] => Some(only),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::testkit::{check_page, fix_clears, lint};

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
        lint(&BROKEN.replace(
            "metadata: {labels: {app: web}}",
            "metadata: {labels: {app: web, sidecar.istio.io/inject: 'true'}}",
        ))
        .none("SVC004")
        .skipped("SVC004", "mesh");
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
}
