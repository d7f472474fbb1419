//! `host-port-differs-from-container-port`

use crate::{
    context::{Context, Reporter},
    finding::{Fix, FixClass},
    model::{Container, ContainerPort, Workload},
    rule::{Action, Check, Rule, Severity, Surface},
};

pub(super) static RULE: Rule = Rule {
    code: "HST001",
    name: "host-port-differs-from-container-port",
    summary: "with host networking, hostPort differs from containerPort",
    check: Some(Severity::Warning),
    lint: Some(Severity::Error),
    admit: Some(Action::Warn),
    cases: &[("init-container", Severity::Warning)],
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
    page: include_str!("host_port_differs_from_container_port.md"),
    file: file!(),
    on: &[Check::Workload(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, workload: Workload<'a>, report: &mut Reporter) {
    let spec = workload.spec();
    if !spec.host_network {
        return report.not_applicable();
    }
    for (at, container) in spec.all_containers() {
        for (index, port) in container.ports.iter().enumerate() {
            let Some(wanted) = port.host_port().filter(|host| *host != port.container_port) else {
                continue;
            };
            let pointer = format!("{}{at}/ports/{index}", workload.spec_pointer());
            let place = Place {
                pointer: &pointer,
                container,
                port,
                wanted,
                init: at.starts_with("/initContainers"),
            };
            report_port(cx, workload, &place, report);
        }
    }
}

struct Place<'p> {
    pointer: &'p str,
    container: &'p Container,
    port: &'p ContainerPort,
    wanted: i32,
    init: bool,
}

fn report_port<'a>(
    cx: &Context<'a>,
    workload: Workload<'a>,
    place: &Place<'_>,
    report: &mut Reporter,
) {
    let (port, wanted) = (place.port, place.wanted);
    let (actual, protocol) = (port.container_port, &port.protocol);
    let name = &place.container.name;
    let finding = report.find(format!(
        "container `{name}` of {} shares the node's network and asks for `hostPort` {wanted} with `containerPort` {actual}",
        workload.reference()
    ));
    finding.key(format!("{name}/{wanted}/{protocol}"));
    finding.at(format!("{}/hostPort", place.pointer), "no port is mapped");
    finding.at(
        format!("{}/containerPort", place.pointer),
        "what the process binds on the node",
    );
    finding.note(format!(
        "nothing listens on {wanted} of the node unless the process binds it by itself"
    ));
    if place.init {
        // The API server does not look at init containers.
        finding.case("init-container").severity(Severity::Warning);
        finding.note(format!(
            "the scheduler keeps {wanted} free on the node, not {actual}"
        ));
    } else if cx.surface == Surface::Lint {
        finding.note(
            "the API server refuses the object: both numbers must be equal with host networking",
        );
    }
    if clashes_after(workload, place) {
        finding.fix(Fix::manual(format!(
            "decide which port the process binds: another port of the Pod already claims {actual}/{protocol}"
        )));
        return;
    }
    let title = format!("set `hostPort` to {actual}");
    let fix = Fix::patch(FixClass::Safe, title, workload.reference())
        .test(&format!("{}/hostNetwork", workload.spec_pointer()), true)
        .test(&format!("{}/containerPort", place.pointer), actual)
        .replace(&format!("{}/hostPort", place.pointer), actual);
    // What the API server accepts is not changed behind the user's back.
    finding.fix(if place.init { fix } else { fix.mutating() });
}

/// Whether another port of the pod already stands for the number that the patch would write.
fn clashes_after(workload: Workload<'_>, place: &Place<'_>) -> bool {
    let spec = workload.spec();
    let others = spec
        .all_containers()
        .flat_map(|(_, container)| &container.ports)
        .filter(|other| !std::ptr::eq(*other, place.port));
    others
        .filter(|other| other.protocol == place.port.protocol)
        .any(|other| other.host_port().unwrap_or(other.container_port) == place.port.container_port)
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::testkit::{check, check_page, fix_clears, lint};

    const BROKEN: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: edge, namespace: shop}
spec:
  selector: {matchLabels: {app: edge}}
  template:
    metadata: {labels: {app: edge}}
    spec:
      hostNetwork: true
      dnsPolicy: ClusterFirstWithHostNet
      containers: [{name: web, image: web, ports: [{containerPort: 8080, hostPort: 80}]}]
";

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn the_fix_clears_it_for_every_shape_of_workload() {
        fix_clears(BROKEN, "HST001");
        let (_, template) = BROKEN.split_once("  template:\n").unwrap();
        let cron = format!(
            "apiVersion: batch/v1\nkind: CronJob\nmetadata: {{name: c, namespace: shop}}\nspec:\n  schedule: '* * * * *'\n  jobTemplate:\n    spec:\n      template:\n{}",
            template
                .replace("\n    ", "\n        ")
                .replace("    metadata", "        metadata")
        );
        fix_clears(&cron, "HST001");
        let pod = "
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: shop}
spec: {hostNetwork: true, dnsPolicy: Default, containers: [{name: a, image: a, ports: [{containerPort: 1234, hostPort: 99}]}]}
";
        fix_clears(pod, "HST001");
        assert!(lint(BROKEN).one("HST001").fixes[0].mutating);
    }

    #[test]
    fn equal_unset_and_zero_host_ports_are_fine() {
        lint(&BROKEN.replace("hostPort: 80}", "hostPort: 8080}")).none("HST001");
        lint(&BROKEN.replace(", hostPort: 80}", "}")).none("HST001");
        lint(&BROKEN.replace("hostPort: 80}", "hostPort: 0}")).none("HST001");
    }

    #[test]
    fn without_host_networking_ports_are_mapped() {
        lint(&BROKEN.replace("hostNetwork: true", "hostNetwork: false")).none("HST001");
    }

    #[test]
    fn init_containers_pass_the_api_server_and_are_a_warning_everywhere() {
        for restart in ["", "restartPolicy: Always, "] {
            let init = BROKEN
                .replace("8080, hostPort: 80}", "8080}")
                .replace(
                    "containers: [",
                    &format!("initContainers: [{{name: i, {restart}image: i, ports: [{{containerPort: 9090, hostPort: 90}}]}}]\n      containers: ["),
                );
            let ran = lint(&init);
            assert_eq!(ran.one("HST001").severity.as_str(), "warning");
            assert_eq!(check(&init).one("HST001").severity.as_str(), "warning");
            assert!(!ran.one("HST001").fixes[0].mutating);
            fix_clears(&init, "HST001");
        }
    }

    #[test]
    fn no_patch_when_the_number_is_taken_in_the_pod() {
        let two = BROKEN.replace("hostPort: 80}", "hostPort: 80}, {containerPort: 8080}");
        assert!(lint(&two).one("HST001").fixes[0].patch.0.is_empty());
    }
}
