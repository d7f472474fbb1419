//! `target-port-not-declared`

use super::{
    backends::{self, Running},
    protocol_mismatch::other_protocol,
};
use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix, FixClass},
    model::{IntOrString, Kind, Object as _, Service, ServicePort, Workload},
    ports,
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
};

mod signs;

use signs::Sign;

pub(super) static RULE: Rule = Rule {
    code: "SVC006",
    name: "target-port-not-declared",
    summary: "targetPort is a number that no selected Pod declares",
    check: Some(Severity::Warning),
    lint: Some(Severity::Warning),
    admit: Some(Action::Warn),
    strict: Some(Action::Deny),
    confidence: Confidence::Likely,
    evidence: Evidence::Contra,
    needs: &[Kind::Pod],
    wants: &[
        Kind::Deployment,
        Kind::StatefulSet,
        Kind::DaemonSet,
        Kind::ReplicaSet,
        Kind::Namespace,
        Kind::ConfigMap,
    ],
    triggers: super::PORT_TRIGGERS,
    reads: super::PORT_READS,
    page: include_str!("target_port_not_declared.md"),
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
    // A pod that declares nothing says nothing about where it listens.
    if selected
        .iter()
        .any(|backend| backend.spec().declared_ports().next().is_none())
    {
        return;
    }
    for (index, port) in service.ports.iter().enumerate() {
        let IntOrString::Int(target) = port.target() else {
            continue;
        };
        let listens = |workload: &Workload<'a>| {
            ports::declares(workload.spec(), target, &port.protocol)
                || signs::probes(*workload, target)
                || cx.mentions_port(*workload, target)
        };
        if selected.iter().any(listens) || other_protocol(&selected, port).is_some() {
            continue;
        }
        let running = backends::running(cx, service, port);
        if running != Running::Injected {
            let finding = report_port(cx, service, index, (port, target), &selected, report);
            if running == Running::Differs {
                backends::doubt(finding);
            }
        }
    }
}

fn report_port<'a, 'r>(
    cx: &Context<'a>,
    service: &'a Service,
    index: usize,
    (port, target): (&ServicePort, i32),
    selected: &[Workload<'a>],
    report: &'r mut Reporter,
) -> &'r mut Finding {
    let signs = signs::collect(cx, service, index, target, selected);
    let place = cx.place_to_fix(selected[0]);
    let finding = report.find(format!(
        "{} targets {target}, which no selected Pod declares",
        backends::port_of(service, port)
    ));
    let field = if port.target_port.is_some() {
        "targetPort"
    } else {
        "port"
    };
    finding.key(port.stable_key()).at(
        format!("/spec/ports/{index}/{field}"),
        format!("{target} is not declared"),
    );
    finding.label(
        place.reference(),
        format!("{}/containers/0/ports", place.spec_pointer()),
        "declares the ports",
    );
    let declared: Vec<String> = place
        .spec()
        .declared_ports()
        .map(|(_, port)| ports::describe(port))
        .collect();
    finding.note(format!(
        "{} declares {}",
        place.reference(),
        declared.join(", ")
    ));
    for sign in &signs {
        finding.note(sign.text.clone());
    }
    if service.is_headless() {
        finding.severity(Severity::Info);
        finding.note("the Service is headless: clients dial the Pods themselves");
    } else if signs.is_empty() {
        finding.severity(Severity::Info);
        finding.note("a port list is informational: the process may listen all the same");
    } else if let Some(server) = signs::silent_server(selected) {
        finding
            .severity(Severity::Info)
            .confidence(Confidence::Hint);
        finding.note(format!(
            "container `{server}` declares no port and looks like a web server: it may listen on {target}"
        ));
    } else if selected
        .iter()
        .any(|backend| unread_configuration(cx, *backend))
    {
        finding
            .severity(Severity::Info)
            .confidence(Confidence::Hint);
        finding.note("a ConfigMap of the Pods is not here, and may name the port");
    }
    finding.looked_through(Kind::Pod, &service.meta.namespace);
    finding.fix(fix(service, index, port, &signs))
}

/// A `ConfigMap` that the workload uses and that could not be read, or is not part of the input.
fn unread_configuration(cx: &Context<'_>, workload: Workload<'_>) -> bool {
    let spec = workload.spec();
    let from_containers = spec
        .all_containers()
        .flat_map(|(_, container)| &container.config_maps);
    spec.config_maps.iter().chain(from_containers).any(|name| {
        cx.named::<crate::model::ConfigMap>(&workload.meta().namespace, name)
            .is_empty()
    })
}

fn fix(service: &Service, index: usize, port: &ServicePort, signs: &[Sign]) -> Fix {
    let mut meant: Vec<i32> = signs.iter().map(|sign| sign.meant).collect();
    meant.sort_unstable();
    meant.dedup();
    let [only] = meant[..] else {
        return Fix::manual("find the port that the process listens on, and target it").command(
            format!(
                "kubectl -n {} describe service {}",
                service.meta.namespace, service.meta.name
            ),
        );
    };
    let fix = Fix::patch(
        FixClass::Review,
        format!("target {only}"),
        service.reference(),
    );
    backends::still_there(fix, index, port).add(&format!("/spec/ports/{index}/targetPort"), only)
}

#[cfg(test)]
mod tests;
