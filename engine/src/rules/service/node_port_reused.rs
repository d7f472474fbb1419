//! `node-port-reused`

use super::backends;
use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix, FixClass},
    model::{Kind, Object as _, Origin, Service, ServicePort},
    rule::{Check, Confidence, Evidence, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "SVC023",
    name: "node-port-reused",
    summary: "a nodePort is asked for twice, or lies outside the range",
    lint: Some(Severity::Error),
    confidence: Confidence::Certain,
    evidence: Evidence::Contra,
    triggers: &[Kind::Service],
    cases: &[
        ("other-service", Severity::Error),
        ("same-service", Severity::Error),
        ("out-of-range", Severity::Warning),
    ],
    reads: &[
        "/spec/type",
        "/spec/healthCheckNodePort",
        "/spec/ports/*/nodePort",
        "/spec/ports/*/port",
        "/spec/ports/*/name",
        "/spec/ports/*/protocol",
    ],
    page: include_str!("node_port_reused.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

/// `--service-node-port-range` of the API server, when nobody set it.
const DEFAULT_RANGE: (i32, i32) = (30000, 32767);

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    if !service.is_on_nodes() {
        return report.not_applicable();
    }
    for (index, port) in service.ports.iter().enumerate() {
        let Some(number) = port.node_port() else {
            continue;
        };
        out_of_range(cx, service, (index, port, number), report);
        let earlier = service.ports.iter().take(index).find(|other| {
            other.node_port() == Some(number)
                && (other.port != port.port || other.protocol == port.protocol)
        });
        if let Some(earlier) = earlier {
            same_service(service, (index, port, number), earlier, report);
        } else if service
            .ports
            .iter()
            .take(index)
            .all(|other| other.node_port() != Some(number))
        {
            other_service(cx, service, (index, port, number), report);
        }
    }
    if let Some(number) = service.health_check_node_port
        && let Some(other) = clash(cx, service, number)
    {
        let finding = report.find(format!(
            "Service `{}` asks for node port {number} for its health check, Service `{}` has it too",
            service.meta, other.meta
        ));
        finding
            .case("other-service")
            .key("healthCheckNodePort")
            .at("/spec/healthCheckNodePort", "asked for twice");
        explain_clash(other, number, finding);
        finding.fix(
            Fix::patch(
                FixClass::Review,
                "let the API server choose the number",
                service.reference(),
            )
            .test("/spec/healthCheckNodePort", number)
            .remove("/spec/healthCheckNodePort"),
        );
    }
}

/// The first other Service that asks for the number. Of two, only the later one is reported; variants of one Service
/// never accuse each other.
fn clash<'a>(cx: &Context<'a>, service: &Service, number: i32) -> Option<&'a Service> {
    let key = |service: &Service| (service.meta.namespace.clone(), service.meta.name.clone());
    let own = key(service);
    let first = cx
        .services_on_node_port(number)
        .into_iter()
        .min_by_key(|other| key(other))?;
    (key(first) < own).then_some(first)
}

fn other_service(
    cx: &Context<'_>,
    service: &Service,
    (index, port, number): (usize, &ServicePort, i32),
    report: &mut Reporter,
) {
    let Some(other) = clash(cx, service, number) else {
        return;
    };
    let finding = report.find(format!(
        "{} asks for node port {number}, Service `{}` has it too",
        backends::port_of(service, port),
        other.meta
    ));
    finding
        .case("other-service")
        .key(port.stable_key())
        .at(format!("/spec/ports/{index}/nodePort"), "asked for twice");
    explain_clash(other, number, finding);
    if environments(cx, service, other) {
        finding
            .severity(Severity::Info)
            .confidence(Confidence::Likely);
        finding.note("they have one name and lie in different directories: if these are environments with a cluster each, the number is free");
    }
    finding.fix(drop_number(service, index, port, number));
}

/// `dev/service.yaml` and `prod/service.yaml`: one Service for several environments, which often have a cluster each.
fn environments(cx: &Context<'_>, service: &Service, other: &Service) -> bool {
    let directory = |service: &Service| match service.meta.origin {
        Origin::File { file, .. } => {
            let name = cx.snapshot.files.get(usize::try_from(file).ok()?)?;
            name.rsplit_once(['/', '\\'])
                .map(|(directory, _)| directory)
        }
        Origin::Live => None,
    };
    service.meta.name == other.meta.name
        && service.meta.namespace != other.meta.namespace
        && directory(service) != directory(other)
}

fn explain_clash(other: &Service, number: i32, finding: &mut Finding) {
    let at = other
        .ports
        .iter()
        .position(|port| port.node_port() == Some(number))
        .map_or_else(
            || "/spec/healthCheckNodePort".to_owned(),
            |index| format!("/spec/ports/{index}/nodePort"),
        );
    finding.label(other.reference(), at, "asked for here");
    finding.note(
        "the numbers are one pool for the whole cluster, whatever the namespace and the protocol",
    );
    finding.note("the API server refuses the Service that is applied second");
    finding.looked_for(Kind::Service, &other.meta.namespace, &other.meta.name);
}

fn same_service(
    service: &Service,
    (index, port, number): (usize, &ServicePort, i32),
    earlier: &ServicePort,
    report: &mut Reporter,
) {
    let finding = report.find(format!(
        "Service `{}` asks for node port {number} twice, for {} and for {}",
        service.meta,
        earlier.label(),
        port.label()
    ));
    finding
        .case("same-service")
        .key(port.stable_key())
        .at(format!("/spec/ports/{index}/nodePort"), "asked for twice");
    finding.note("one number may serve TCP and UDP of the same port, nothing else");
    finding.fix(drop_number(service, index, port, number));
}

fn out_of_range(
    cx: &Context<'_>,
    service: &Service,
    (index, port, number): (usize, &ServicePort, i32),
    report: &mut Reporter,
) {
    let stated = cx.facts().node_port_range;
    let (first, last) = stated.unwrap_or(DEFAULT_RANGE);
    if (first..=last).contains(&number) {
        return;
    }
    let finding = report.find(format!(
        "{} asks for node port {number}, which is outside {first}-{last}",
        backends::port_of(service, port)
    ));
    finding
        .case("out-of-range")
        .key(port.stable_key())
        .at(format!("/spec/ports/{index}/nodePort"), "outside the range");
    if stated.is_none() {
        finding
            .severity(Severity::Warning)
            .confidence(Confidence::Likely);
        finding
            .note("the API server may be started with another range (--service-node-port-range)");
    }
    finding.note("the API server refuses numbers outside its range");
    finding.fix(drop_number(service, index, port, number));
}

fn drop_number(service: &Service, index: usize, port: &ServicePort, number: i32) -> Fix {
    let at = format!("/spec/ports/{index}/nodePort");
    let fix = Fix::patch(
        FixClass::Review,
        "let the API server choose the number",
        service.reference(),
    );
    backends::still_there(fix, index, port)
        .test(&at, number)
        .remove(&at)
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::{
        load::{self, Place},
        rule::Surface,
        snapshot::{Builder, Source},
        testkit::{Ran, check_page, clock, fix_clears, lint},
    };

    fn service(namespace: &str, name: &str, more: &str, ports: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{type: NodePort, {more}ports: [{ports}]}}\n"
        )
    }

    fn two(first: &str, second: &str) -> String {
        service("a", "one", "", first) + &service("b", "two", "", second)
    }

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn namespaces_and_protocols_do_not_separate() {
        let broken = two(
            "{port: 80, nodePort: 30080}",
            "{port: 90, nodePort: 30080, protocol: UDP}",
        );
        let ran = lint(&broken);
        let finding = ran.one("SVC023");
        assert_eq!(
            (&*finding.subject.name, finding.severity.as_str()),
            ("two", "error")
        );
        fix_clears(&broken, "SVC023");
        lint(&two(
            "{port: 80, nodePort: 30080}",
            "{port: 80, nodePort: 30081}",
        ))
        .none("SVC023");
        lint(&two("{port: 80, nodePort: 0}", "{port: 80, nodePort: 0}")).none("SVC023");
    }

    #[test]
    fn tcp_and_udp_of_one_port_may_share() {
        let both = "{name: t, port: 53, nodePort: 30053}, {name: u, port: 53, protocol: UDP, nodePort: 30053}";
        lint(&service("a", "dns", "", both)).none("SVC023");
        let broken = service("a", "dns", "", &both.replacen("port: 53", "port: 54", 1));
        assert_eq!(lint(&broken).one("SVC023").case, Some("same-service"));
        fix_clears(&broken, "SVC023");
    }

    #[test]
    fn the_health_check_uses_the_same_pool() {
        let health = service(
            "b",
            "two",
            "externalTrafficPolicy: Local, healthCheckNodePort: 30080, ",
            "{port: 80}",
        )
        .replace("NodePort,", "LoadBalancer,");
        let broken = service("a", "one", "", "{port: 80, nodePort: 30080}") + &health;
        lint(&broken).one("SVC023");
        fix_clears(&broken, "SVC023");
    }

    #[test]
    fn outside_the_default_range_is_a_warning() {
        let broken = service("a", "one", "", "{port: 80, nodePort: 8080}");
        let ran = lint(&broken);
        assert_eq!(ran.one("SVC023").severity.as_str(), "warning");
        fix_clears(&broken, "SVC023");
        lint(&service(
            "a",
            "one",
            "",
            "{port: 80, nodePort: 30000}, {name: b, port: 81, nodePort: 32767}",
        ))
        .none("SVC023");
    }

    #[test]
    fn variants_and_services_without_node_ports_are_silent() {
        let one = service("a", "one", "", "{port: 80, nodePort: 30080}");
        lint(&(one.clone() + &one)).none("SVC023");
        lint(
            &(one
                + &service("b", "two", "", "{port: 80, nodePort: 30080}")
                    .replace("NodePort,", "ClusterIP,")),
        )
        .none("SVC023");
    }

    #[test]
    fn one_service_in_the_directories_of_two_environments_is_information() {
        let severity = |directories: [&str; 2], name: &str| {
            let mut builder = Builder::new(Source::Files);
            let port = "{port: 80, nodePort: 30080}";
            let texts = [
                service("dev", "one", "", port),
                service("prod", name, "", port),
            ];
            for (directory, text) in directories.into_iter().zip(texts) {
                let file = Some(builder.file(&format!("{directory}/service.yaml")));
                for document in crate::manifest::parse(text.as_bytes()).documents {
                    let place = Place {
                        file,
                        namespace: "default",
                    };
                    load::document(place, document.index, document.value, &mut |any| {
                        builder.insert(any);
                    });
                }
            }
            let ran = Ran(crate::run::run(
                &crate::rules::RULES,
                &builder.seal(),
                &crate::config::Config::default(),
                clock(),
                Surface::Lint,
            ));
            ran.one("SVC023").severity.as_str()
        };
        assert_eq!(severity(["dev", "prod"], "one"), "info");
        assert_eq!(severity(["all", "all"], "one"), "error");
        assert_eq!(severity(["dev", "prod"], "two"), "error");
    }
}
