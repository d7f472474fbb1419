//! `host-network-duplicate-port`

use super::is_template;
use crate::{
    context::{Context, Reporter},
    finding::Fix,
    model::{ContainerPort, PodSpec, Workload},
    rule::{Action, Actions, Check, Rule, Severity, Surface},
};
use std::collections::BTreeMap;

pub(super) static RULE: Rule = Rule {
    code: "HST005",
    name: "host-network-duplicate-port",
    summary: "containers that share the node's network declare one port twice",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    admit: Some(Action::Deny),
    admit_cases: &[("sidecar", Actions::both(Action::Warn))],
    cases: &[("sidecar", Severity::Warning)],
    reads: &[
        "/spec/hostNetwork",
        "/spec/containers/*/ports",
        "/spec/initContainers/*/ports",
        "/spec/template/spec/hostNetwork",
        "/spec/template/spec/containers/*/ports",
        "/spec/template/spec/initContainers/*/ports",
        "/spec/jobTemplate/spec/template/spec/hostNetwork",
        "/spec/jobTemplate/spec/template/spec/containers/*/ports",
        "/spec/jobTemplate/spec/template/spec/initContainers/*/ports",
    ],
    page: include_str!("host_network_duplicate_port.md"),
    file: file!(),
    on: &[Check::Workload(check)],
    ..Rule::BASE
};

/// A declaration and where it stands.
struct Declared<'p> {
    pointer: String,
    container: &'p str,
    port: &'p ContainerPort,
    sidecar: bool,
}

fn check<'a>(cx: &Context<'a>, workload: Workload<'a>, report: &mut Reporter) {
    let spec = workload.spec();
    if !spec.host_network {
        return report.not_applicable();
    }
    let mut first: BTreeMap<String, Declared<'_>> = BTreeMap::new();
    let mut told: Vec<String> = Vec::new();
    for declared in declarations(spec) {
        let port = declared.port;
        let number = port.host_port().unwrap_or(port.container_port);
        let ip = port.host_ip.as_deref().unwrap_or("");
        let key = format!("{number}/{}", port.protocol);
        // The API server compares the address as text.
        let place = format!("{key}/{ip}");
        let Some(earlier) = first.get(&place) else {
            first.insert(place, declared);
            continue;
        };
        let written = earlier.port.host_port().is_some() && port.host_port().is_some();
        // With both host ports written out the API server refuses the template itself.
        let refused = written && !declared.sidecar && cx.surface != Surface::Lint;
        // Reserved ports of one sidecar declared twice are refused as well; that is not about two processes.
        if refused || told.contains(&place) {
            continue;
        }
        report_pair(workload, &key, earlier, &declared, report);
        told.push(place);
    }
}

fn declarations(spec: &PodSpec) -> impl Iterator<Item = Declared<'_>> {
    spec.serving_containers().flat_map(|(at, container)| {
        let sidecar = at.starts_with("/initContainers");
        let ports = container.ports.iter().enumerate();
        ports
            .filter(|(_, port)| port.container_port > 0)
            .map(move |(index, port)| Declared {
                pointer: format!("{at}/ports/{index}"),
                container: &container.name,
                port,
                sidecar,
            })
    })
}

fn report_pair(
    workload: Workload<'_>,
    key: &str,
    earlier: &Declared<'_>,
    later: &Declared<'_>,
    report: &mut Reporter,
) {
    let base = workload.spec_pointer();
    let who = if earlier.container == later.container {
        format!("container `{}` declares", later.container)
    } else {
        format!(
            "containers `{}` and `{}` declare",
            earlier.container, later.container
        )
    };
    let finding = report.find(format!(
        "{who} port {key} twice in {}, which shares the node's network",
        workload.reference()
    ));
    let ip = later.port.host_ip.as_deref().filter(|ip| !ip.is_empty());
    finding.key(ip.map_or_else(|| key.to_owned(), |ip| format!("{key}/{ip}")));
    finding.at(
        format!("{base}{}/containerPort", later.pointer),
        "the second time",
    );
    finding.at(
        format!("{base}{}/containerPort", earlier.pointer),
        "the first time",
    );
    if later.sidecar {
        finding.case("sidecar").severity(Severity::Warning);
        finding.note("the Pod is accepted; the process that starts last cannot bind the port");
    } else if is_template(workload) {
        finding.note("the template is accepted, and every Pod made from it is refused: `Duplicate value` for its host port");
    } else {
        finding.note("the API server refuses the Pod: `Duplicate value` for its host port");
    }
    finding.fix(Fix::manual(
        "give each process a port of its own, or declare the port once if it is one process",
    ));
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::testkit::{check, check_page, lint};

    const BROKEN: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: edge, namespace: shop}
spec:
  selector: {matchLabels: {app: edge}}
  template:
    metadata: {labels: {app: edge}}
    spec:
      hostNetwork: true
      dnsPolicy: ClusterFirstWithHostNet
      containers:
        - {name: a, image: a, ports: [{name: http, containerPort: 8080}]}
        - {name: b, image: b, ports: [{name: web, containerPort: 8080}]}
";

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn one_container_under_two_names_counts_as_well() {
        let one = BROKEN
            .replace(
                "{name: http, containerPort: 8080}",
                "{name: http, containerPort: 8080}, {name: metrics, containerPort: 8080}",
            )
            .replace("{name: web, containerPort: 8080}", "{containerPort: 9090}");
        assert!(
            lint(&one)
                .one("HST005")
                .message
                .starts_with("container `a` declares")
        );
        assert_eq!(check(&one).one("HST005").severity.as_str(), "error");
    }

    #[test]
    fn another_protocol_or_address_is_another_port() {
        lint(&BROKEN.replace("{name: web, ", "{name: web, protocol: UDP, ")).none("HST005");
        lint(&BROKEN.replace("{name: web, ", "{name: web, hostIP: 10.0.0.1, ")).none("HST005");
        lint(&BROKEN.replace("hostNetwork: true", "hostNetwork: false")).none("HST005");
    }

    #[test]
    fn written_host_ports_are_refused_by_the_server_and_found_in_files_only() {
        let written = BROKEN.replace("containerPort: 8080", "containerPort: 8080, hostPort: 8080");
        lint(&written).one("HST005");
        check(&written).none("HST005");
        // One of the two written out passes the server, and the Pods are refused.
        let half = BROKEN.replacen(
            "containerPort: 8080",
            "containerPort: 8080, hostPort: 8080",
            1,
        );
        check(&half).one("HST005");
    }

    #[test]
    fn a_sidecar_is_not_refused_but_fails_to_bind() {
        let sidecar = |restart: &str| {
            BROKEN.replace("        - {name: b, image: b, ports: [{name: web, containerPort: 8080}]}\n", "")
                .replace("      containers:", &format!("      initContainers: [{{name: s, image: s, {restart} ports: [{{containerPort: 8080}}]}}]\n      containers:"))
        };
        let ran = lint(&sidecar("restartPolicy: Always,"));
        assert_eq!(ran.one("HST005").severity.as_str(), "warning");
        // A container that ends before the others start shares no port with them.
        lint(&sidecar("")).none("HST005");
    }

    #[test]
    fn three_times_is_still_one_finding() {
        let three =
            format!("{BROKEN}        - {{name: c, image: c, ports: [{{containerPort: 8080}}]}}\n");
        lint(&three).one("HST005");
    }
}
