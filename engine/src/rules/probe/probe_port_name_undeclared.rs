//! `probe-port-name-undeclared`

use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix, FixClass},
    model::{Container, IntOrString, PortAction, Workload},
    near, ports,
    rule::{Action, Actions, Check, Evidence, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "PRB001",
    name: "probe-port-name-undeclared",
    summary: "a probe or hook names a port that its container does not declare",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    admit: Some(Action::Deny),
    admit_cases: &[("pre-stop", Actions::both(Action::Warn))],
    evidence: Evidence::Own,
    cases: &[("pre-stop", Severity::Warning)],
    reads: &[
        "/spec/containers",
        "/spec/initContainers",
        "/spec/template/spec/containers",
        "/spec/template/spec/initContainers",
        "/spec/jobTemplate/spec/template/spec/containers",
        "/spec/jobTemplate/spec/template/spec/initContainers",
    ],
    page: include_str!("probe_port_name_undeclared.md"),
    file: file!(),
    on: &[Check::Workload(check)],
    ..Rule::BASE
};

fn check<'a>(_cx: &Context<'a>, workload: Workload<'a>, report: &mut Reporter) {
    if workload.reference().group() == "serving.knative.dev" {
        return report.skip("Knative adds ports to the containers");
    }
    for (at, container) in workload.spec().serving_containers() {
        let container_at = format!("{}{at}", workload.spec_pointer());
        for named in named_ports(container) {
            if !declares(container, named.port) {
                report_port(workload, container, &container_at, &named, report);
            }
        }
    }
}

/// A port that is given by name.
struct Named<'a> {
    /// Pointer below the container.
    at: String,
    /// Field of the container: `readinessProbe`, `lifecycle.preStop`.
    field: &'static str,
    port: &'a str,
}

fn named_ports(container: &Container) -> Vec<Named<'_>> {
    let probes = container.probes().flat_map(|(field, probe)| {
        [
            ("httpGet", &probe.http_get),
            ("tcpSocket", &probe.tcp_socket),
        ]
        .map(|(action, port)| (field, format!("/{field}/{action}/port"), port))
    });
    let lifecycle = &container.lifecycle;
    let hooks = [
        ("lifecycle.postStart", "postStart", &lifecycle.post_start),
        ("lifecycle.preStop", "preStop", &lifecycle.pre_stop),
    ];
    let hooks = hooks.into_iter().filter_map(|(field, name, hook)| {
        let hook = hook.as_ref()?;
        Some(
            [("httpGet", &hook.http_get), ("tcpSocket", &hook.tcp_socket)]
                .map(|(action, port)| (field, format!("/lifecycle/{name}/{action}/port"), port)),
        )
    });
    probes
        .chain(hooks.flatten())
        .filter_map(|(field, at, action)| {
            let port = name_of(action.as_ref()?)?;
            Some(Named { at, field, port })
        })
        .collect()
}

/// The name, unless it is a number in quotes: the API server refuses that, which is another matter.
fn name_of(action: &PortAction) -> Option<&str> {
    let name = action.port.as_ref().and_then(IntOrString::text)?;
    (!name.is_empty() && name.parse::<i64>().is_err()).then_some(name)
}

/// The kubelet compares names only, whatever the protocol.
fn declares(container: &Container, name: &str) -> bool {
    container
        .ports
        .iter()
        .any(|port| port.name.as_deref() == Some(name))
}

fn report_port(
    workload: Workload<'_>,
    container: &Container,
    container_at: &str,
    named: &Named<'_>,
    report: &mut Reporter,
) {
    let (name, port) = (&container.name, named.port);
    let finding = report.find(format!(
        "{} of container `{name}` of {} uses port `{port}`, which the container does not declare",
        named.field,
        workload.reference()
    ));
    finding
        .key(format!("{name}/{}", named.field))
        .at(format!("{container_at}{}", named.at), "names the port");
    let declared: Vec<String> = container.ports.iter().map(ports::describe).collect();
    if declared.is_empty() {
        finding.at(container_at, "declares no port");
    } else {
        finding.at(
            format!("{container_at}/ports"),
            format!("declares {}", declared.join(", ")),
        );
    }
    finding.note(match named.field {
        "readinessProbe" => "it never passes: the Pod never becomes Ready and gets no traffic",
        "startupProbe" => "it never passes: the container is killed and restarted again and again",
        "livenessProbe" => {
            "the kubelet cannot run it and drops the result: a hanging container is never restarted"
        }
        "lifecycle.postStart" => {
            "the hook fails and the container is killed and restarted again and again"
        }
        _ => "the hook never runs when the container is stopped",
    });
    if named.field == "lifecycle.preStop" {
        finding.case("pre-stop").severity(Severity::Warning);
    }
    fix(workload, container, container_at, named, finding);
}

fn fix(
    workload: Workload<'_>,
    container: &Container,
    container_at: &str,
    named: &Named<'_>,
    finding: &mut Finding,
) {
    let pointer = format!("{container_at}{}", named.at);
    let patch = |title: String, value: serde_json::Value| {
        Fix::patch(FixClass::Review, title, workload.reference())
            .test(&pointer, named.port)
            .replace(&pointer, value)
    };
    let declared = container
        .ports
        .iter()
        .filter_map(|port| port.name.as_deref());
    let meant = near::name(named.port, declared);
    let fix = match (meant, &container.ports[..]) {
        (Some(name), _) => patch(format!("use `{name}`"), name.into()),
        // A single port is the one that is meant, whatever it is called.
        (None, [only]) => match only.name.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => patch(format!("use `{name}`"), name.into()),
            None => patch(
                format!("use port {}", only.container_port),
                only.container_port.into(),
            ),
        },
        (None, []) => Fix::manual(format!(
            "declare port `{}` in container `{}`, or give the number",
            named.port, container.name
        )),
        (None, _) => Fix::manual(format!(
            "use one of the declared ports of container `{}`, or a number",
            container.name
        )),
    };
    finding.fix(fix);
}

#[cfg(test)]
mod tests;
