//! `service-protocol-mismatch`

use super::backends::{self, Running};
use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix, FixClass},
    model::{IntOrString, Kind, Object as _, Protocol, Service, ServicePort, Workload},
    ports::{self, Resolved},
    rule::{Action, Actions, Check, Confidence, Evidence, Rule, Severity},
};
use serde_json::Value;

pub(super) static RULE: Rule = Rule {
    code: "SVC008",
    name: "service-protocol-mismatch",
    summary: "the target port exists with another protocol only",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    admit: Some(Action::Deny),
    admit_cases: &[("number", Actions::both(Action::Audit))],
    confidence: Confidence::Certain,
    evidence: Evidence::Contra,
    needs: &[Kind::Pod],
    wants: super::PORT_WANTS,
    triggers: super::PORT_TRIGGERS,
    cases: &[("name", Severity::Error), ("number", Severity::Info)],
    reads: super::PORT_READS,
    page: include_str!("protocol_mismatch.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    let selected = backends::serving(cx, service);
    if selected.is_empty() {
        return report.not_applicable();
    }
    if selected.iter().any(|backend| cx.mesh_injects(*backend)) {
        return report.skip(backends::INJECTED);
    }
    for (index, port) in service.ports.iter().enumerate() {
        if let Protocol::Other(_) = port.protocol {
            continue;
        }
        let Some((backend, number, declared)) = other_protocol(&selected, port) else {
            continue;
        };
        let running = backends::running(cx, service, port);
        if running != Running::Injected {
            let declared = (number, declared);
            let finding = report_port(cx, service, index, port, backend, declared, report);
            if running == Running::Differs {
                backends::doubt(finding);
            }
        }
    }
}

/// A backend that declares the target with another protocol, when none declares it with the right one.
pub(super) fn other_protocol<'a>(
    selected: &[Workload<'a>],
    port: &ServicePort,
) -> Option<(Workload<'a>, i32, &'a Protocol)> {
    let target = port.target();
    let right = |workload: &Workload<'a>| match &target {
        IntOrString::Int(number) => ports::declares(workload.spec(), *number, &port.protocol),
        IntOrString::Text(name) => matches!(
            ports::resolve_name(workload.spec(), name, &port.protocol),
            Resolved::Port(_)
        ),
    };
    if selected.iter().any(right) {
        return None;
    }
    selected.iter().find_map(|workload| {
        let (_, declared) =
            workload
                .spec()
                .declared_ports()
                .find(|(_, declared)| match &target {
                    IntOrString::Int(number) => declared.container_port == *number,
                    IntOrString::Text(name) => {
                        !name.is_empty() && declared.name.as_deref() == Some(&**name)
                    }
                })?;
        Some((*workload, declared.container_port, &declared.protocol))
    })
}

fn report_port<'a, 'r>(
    cx: &Context<'a>,
    service: &Service,
    index: usize,
    port: &ServicePort,
    backend: Workload<'a>,
    (number, declared): (i32, &Protocol),
    report: &'r mut Reporter,
) -> &'r mut Finding {
    let target = port.target();
    let place = cx.place_to_fix(backend);
    let finding = report.find(format!(
        "{} targets `{target}` with {}, {} declares it with {declared}",
        backends::port_of(service, port),
        port.protocol,
        place.reference()
    ));
    let by_name = target.text().is_some();
    finding
        .case(if by_name { "name" } else { "number" })
        .key(port.stable_key())
        .at(
            format!("/spec/ports/{index}/protocol"),
            format!("{}", port.protocol),
        );
    let at = place
        .spec()
        .declared_ports()
        .find(|(_, port)| port.container_port == number && port.protocol == *declared);
    if let Some((at, _)) = at {
        finding.label(
            place.reference(),
            format!("{}{at}", place.spec_pointer()),
            format!("{declared}"),
        );
    }
    if by_name {
        finding.note("a name is resolved together with the protocol: this port of the Service has no endpoint");
    } else {
        finding.severity(Severity::Info);
        finding.note(
            "the number in a Pod's port list is informational: the process may listen on both",
        );
    }
    finding.looked_through(Kind::Pod, &service.meta.namespace);
    let taken = service
        .ports
        .iter()
        .any(|other| other.port == port.port && other.protocol == *declared);
    if taken || matches!(declared, Protocol::Other(_)) {
        finding.fix(
            Fix::manual("declare the protocol that the process uses, on both sides").command(
                format!(
                    "kubectl -n {} edit {}",
                    service.meta.namespace,
                    place.reference().type_name()
                ),
            ),
        );
        return finding;
    }
    let value = Value::from(declared.as_str());
    let fix = Fix::patch(
        FixClass::Review,
        format!("use {declared}"),
        service.reference(),
    );
    finding.fix(
        backends::still_there(fix, index, port)
            .add(&format!("/spec/ports/{index}/protocol"), value.clone()),
    )
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::{
        model::Kind,
        testkit::{check_page, check_with, fix_clears, forbid, lint},
    };

    fn state(service: &str, ports: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: dns, namespace: shop}}\nspec: {{selector: {{app: dns}}, ports: [{service}]}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: dns, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{app: dns}}}}, spec: {{containers: [{{name: c, image: c, ports: [{ports}]}}]}}}}}}\n"
        )
    }

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn a_name_needs_both() {
        let broken = state(
            "{name: dns, port: 53, targetPort: dns}",
            "{name: dns, containerPort: 5353, protocol: UDP}",
        );
        let ran = lint(&broken);
        assert_eq!(ran.one("SVC008").severity.as_str(), "error");
        ran.none("SVC004");
        fix_clears(&broken, "SVC008");
    }

    #[test]
    fn a_number_is_only_information() {
        let broken = state("{port: 53}", "{containerPort: 53, protocol: UDP}");
        let ran = lint(&broken);
        assert_eq!(ran.one("SVC008").severity.as_str(), "info");
        ran.none("SVC006");
        fix_clears(&broken, "SVC008");
    }

    #[test]
    fn both_protocols_declared_is_fine() {
        for target in ["dns", "5353"] {
            lint(&state(
                &format!("{{name: a, port: 53, targetPort: {target}}}, {{name: b, port: 53, targetPort: {target}, protocol: UDP}}"),
                "{name: dns, containerPort: 5353, protocol: UDP}, {name: dns, containerPort: 5353}",
            ))
            .none("SVC008");
        }
    }

    #[test]
    fn no_patch_when_the_service_has_that_port_already() {
        let ran = lint(&state(
            "{name: a, port: 53, targetPort: dns}, {name: b, port: 53, targetPort: dns, protocol: UDP}",
            "{name: dns, containerPort: 5353, protocol: UDP}",
        ));
        assert!(
            ran.one("SVC008")
                .fixes
                .iter()
                .all(|fix| fix.patch.0.is_empty())
        );
    }

    #[test]
    fn an_unknown_protocol_accuses_nobody() {
        lint(&state(
            "{name: a, port: 53, targetPort: dns, protocol: QUIC}",
            "{name: dns, containerPort: 5353, protocol: UDP}",
        ))
        .none("SVC008");
    }

    #[test]
    fn pods_that_could_not_be_listed() {
        let yaml = state(
            "{name: dns, port: 53, targetPort: dns}",
            "{name: dns, containerPort: 53, protocol: UDP}",
        );
        check_with(&yaml, |builder| forbid(builder, Kind::Pod))
            .none("SVC008")
            .unknown("SVC008", "forbidden");
    }
}
