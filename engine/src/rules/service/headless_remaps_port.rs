//! `headless-service-remaps-port`

use super::backends;
use crate::{
    context::{Context, Reporter},
    finding::{Fix, FixClass},
    model::{IntOrString, Object as _, Service, ServicePort, Workload},
    ports::{self, Resolved},
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "SVC018",
    name: "headless-service-remaps-port",
    summary: "a headless Service has a targetPort other than its port",
    check: Some(Severity::Warning),
    lint: Some(Severity::Warning),
    admit: Some(Action::Warn),
    confidence: Confidence::Certain,
    evidence: Evidence::Own,
    wants: super::PORT_WANTS,
    triggers: super::WORKLOADS,
    reads: super::PORT_READS,
    page: include_str!("headless_remaps_port.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    if !service.is_headless() || !service.selects_pods() {
        return report.not_applicable();
    }
    let selected = backends::serving(cx, service);
    for (index, port) in service.ports.iter().enumerate() {
        if let Some(target) = remapped(port, &selected) {
            report_port(service, index, port, target, &selected, report);
        }
    }
}

/// The number that the port leads to, when it is another one on every pod. A name counts as the number it resolves to.
fn remapped(port: &ServicePort, selected: &[Workload<'_>]) -> Option<i32> {
    let target = match port.target() {
        IntOrString::Int(number) => number,
        IntOrString::Text(name) => {
            let mut numbers = selected.iter().map(|workload| {
                match ports::resolve_name(workload.spec(), &name, &port.protocol) {
                    Resolved::Port(number) => Some(number),
                    Resolved::NoSuchName | Resolved::OtherProtocol(_) => None,
                }
            });
            let first = numbers.next()??;
            if numbers.any(|other| other != Some(first)) {
                return None;
            }
            first
        }
    };
    (target != port.port).then_some(target)
}

fn report_port(
    service: &Service,
    index: usize,
    port: &ServicePort,
    target: i32,
    selected: &[Workload<'_>],
    report: &mut Reporter,
) {
    let finding = report.find(format!(
        "{} leads to {target}, but the Service is headless and nothing translates the port",
        backends::port_of(service, port)
    ));
    finding.key(port.stable_key()).at(
        format!("/spec/ports/{index}/targetPort"),
        format!("not {}", port.port),
    );
    finding.at("/spec/clusterIP", "headless");
    finding.note(format!(
        "DNS answers with the addresses of the Pods: a client that dials port {} reaches port {} of the Pod",
        port.port, port.port
    ));
    if port.name.as_deref().is_some_and(|name| !name.is_empty()) {
        finding.confidence(Confidence::Likely);
        finding.note(format!("clients that read SRV records get {target}"));
    }
    let taken = service
        .ports
        .iter()
        .any(|other| other.port == target && other.protocol == port.protocol);
    let serves_port = !selected.is_empty()
        && selected
            .iter()
            .all(|workload| ports::declares(workload.spec(), port.port, &port.protocol));
    if serves_port {
        let fix = Fix::patch(
            FixClass::Review,
            format!("target {}", port.port),
            service.reference(),
        );
        finding.fix(
            backends::still_there(fix, index, port)
                .add(&format!("/spec/ports/{index}/targetPort"), port.port),
        );
    } else if !taken {
        let fix = Fix::patch(
            FixClass::Review,
            format!("publish the port as {target}"),
            service.reference(),
        );
        finding.fix(
            fix.test(&format!("/spec/ports/{index}/port"), port.port)
                .replace(&format!("/spec/ports/{index}/port"), target),
        );
    }
    finding.fix(
        Fix::manual(
            "create the Service without `clusterIP: None`, so that a proxy translates the port",
        )
        .command(format!(
            "kubectl -n {} get service {} -o yaml",
            service.meta.namespace, service.meta.name
        )),
    );
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::testkit::{check_page, fix_clears, lint};

    fn state(ports: &str, declared: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: db, namespace: shop}}\nspec: {{clusterIP: None, selector: {{app: db}}, ports: [{ports}]}}\n---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: db, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{app: db}}}}, spec: {{containers: [{{name: c, image: c, ports: [{declared}]}}]}}}}}}\n"
        )
    }

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn another_number_is_found_and_published() {
        let broken = state("{port: 80, targetPort: 8080}", "{containerPort: 8080}");
        assert_eq!(lint(&broken).one("SVC018").confidence.as_str(), "certain");
        fix_clears(&broken, "SVC018");
        fix_clears(
            &state(
                "{port: 80, targetPort: 8080}",
                "{containerPort: 80}, {containerPort: 8080}",
            ),
            "SVC018",
        );
    }

    #[test]
    fn equal_unset_or_not_headless_is_fine() {
        lint(&state("{port: 80, targetPort: 80}", "{containerPort: 80}")).none("SVC018");
        lint(&state("{port: 80}", "{containerPort: 80}")).none("SVC018");
        lint(
            &state("{port: 80, targetPort: 8080}", "{containerPort: 8080}")
                .replace("clusterIP: None, ", ""),
        )
        .none("SVC018");
        lint(
            &state("{port: 80, targetPort: 8080}", "{containerPort: 8080}")
                .replace("selector: {app: db}, ", ""),
        )
        .none("SVC018");
    }

    #[test]
    fn a_name_counts_as_its_number() {
        lint(&state(
            "{port: 80, targetPort: http}",
            "{name: http, containerPort: 80}",
        ))
        .none("SVC018");
        lint(&state(
            "{port: 80, targetPort: http}",
            "{name: http, containerPort: 8080}",
        ))
        .one("SVC018");
        lint(&state(
            "{port: 80, targetPort: absent}",
            "{name: http, containerPort: 8080}",
        ))
        .none("SVC018");
    }

    #[test]
    fn a_named_port_has_srv_records() {
        let ran = lint(&state(
            "{name: http, port: 80, targetPort: 8080}",
            "{containerPort: 8080}",
        ));
        assert_eq!(ran.one("SVC018").confidence.as_str(), "likely");
    }

    #[test]
    fn two_services_ports_give_no_patch_onto_each_other() {
        let ran = lint(&state(
            "{name: a, port: 80, targetPort: 8080}, {name: b, port: 8080}",
            "{containerPort: 8080}",
        ));
        assert!(
            ran.one("SVC018")
                .fixes
                .iter()
                .all(|fix| fix.patch.0.is_empty())
        );
    }
}
