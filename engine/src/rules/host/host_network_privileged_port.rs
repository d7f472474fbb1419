//! `host-network-privileged-port`

use super::is_windows;
use crate::{
    context::{Context, Reporter},
    finding::Fix,
    model::{Container, PodSpec, Workload},
    rule::{Action, Check, Confidence, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "HST009",
    name: "host-network-privileged-port",
    summary: "a non-root container binds a port below 1024 on the node",
    check: Some(Severity::Warning),
    lint: Some(Severity::Warning),
    admit: Some(Action::Warn),
    confidence: Confidence::Likely,
    cases: &[("capability-without-effect", Severity::Info)],
    reads: &[
        "/spec/hostNetwork",
        "/spec/securityContext",
        "/spec/containers/*/ports",
        "/spec/containers/*/securityContext",
        "/spec/initContainers/*/ports",
        "/spec/initContainers/*/securityContext",
        "/spec/template/spec/hostNetwork",
        "/spec/template/spec/securityContext",
        "/spec/template/spec/containers/*/ports",
        "/spec/template/spec/containers/*/securityContext",
        "/spec/template/spec/initContainers/*/ports",
        "/spec/template/spec/initContainers/*/securityContext",
        "/spec/jobTemplate/spec/template/spec",
    ],
    page: include_str!("host_network_privileged_port.md"),
    file: file!(),
    on: &[Check::Workload(check)],
    ..Rule::BASE
};

/// Ports below this one need a privilege on the node (`net.ipv4.ip_unprivileged_port_start`).
const FIRST_UNPRIVILEGED: i32 = 1024;

fn check<'a>(cx: &Context<'a>, workload: Workload<'a>, report: &mut Reporter) {
    let spec = workload.spec();
    if !spec.host_network || is_windows(spec) || cx.is_system_namespace(&workload.meta().namespace)
    {
        return report.not_applicable();
    }
    for (at, container) in spec.serving_containers() {
        let Some(user) = non_root(spec, container) else {
            continue;
        };
        let security = &container.security_context;
        let capable = security.privileged
            || security.added_capabilities.iter().any(|capability| {
                let name = capability.strip_prefix("CAP_").unwrap_or(capability);
                matches!(name, "NET_BIND_SERVICE" | "ALL")
            });
        let effective = security.privileged || security.allow_privilege_escalation != Some(false);
        if capable && effective {
            continue;
        }
        for (index, port) in container.ports.iter().enumerate() {
            let number = port.container_port;
            if !(1..FIRST_UNPRIVILEGED).contains(&number) {
                continue;
            }
            let finding = report.find(format!(
                "container `{}` of {} declares port {number} on the node's network and runs {user}",
                container.name,
                workload.reference()
            ));
            finding.key(format!("{}/{number}/{}", container.name, port.protocol));
            let base = workload.spec_pointer();
            finding.at(
                format!("{base}{at}/ports/{index}/containerPort"),
                "needs a privilege on the node",
            );
            finding.note("binding it fails with `permission denied` (EACCES): only in a Pod's own network do runtimes open ports below 1024 to everybody");
            if capable {
                finding
                    .case("capability-without-effect")
                    .severity(Severity::Info);
                finding.note("`NET_BIND_SERVICE` is added, but `allowPrivilegeEscalation: false` keeps a non-root process from gaining it from its file");
            }
            finding.fix(Fix::manual(
                "let the process listen on a port above 1023 and reach it through a Service, or run it as root with every capability dropped except `NET_BIND_SERVICE`",
            ));
        }
    }
}

/// How the container is known not to run as root; `None` where the image decides, or it is root.
fn non_root(spec: &PodSpec, container: &Container) -> Option<String> {
    let (pod, own) = (&spec.security_context, &container.security_context);
    match own.run_as_user.or(pod.run_as_user) {
        Some(0) => None,
        Some(user) => Some(format!("as user {user}")),
        None => own
            .run_as_non_root
            .or(pod.run_as_non_root)
            .filter(|non_root| *non_root)
            .map(|_| "as non-root".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::testkit::{check_page, lint};

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
      containers: [{name: web, image: web, securityContext: {runAsUser: 101}, ports: [{containerPort: 80}]}]
";

    fn with(security: &str) -> String {
        BROKEN.replace("{runAsUser: 101}", security)
    }

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn either_way_of_saying_non_root_counts_and_the_container_outranks_the_pod() {
        lint(BROKEN).one("HST009");
        lint(&with("{runAsNonRoot: true}")).one("HST009");
        let pod = |own: &str| {
            with(own).replace(
                "hostNetwork: true",
                "hostNetwork: true\n      securityContext: {runAsUser: 101}",
            )
        };
        lint(&pod("{}")).one("HST009");
        lint(&pod("{runAsUser: 0}")).none("HST009");
    }

    #[test]
    fn a_user_set_by_the_image_is_not_guessed() {
        lint(&with("{}")).none("HST009");
        lint(&with("{runAsNonRoot: false}")).none("HST009");
    }

    #[test]
    fn high_ports_and_pods_with_their_own_network_are_fine() {
        lint(&BROKEN.replace("containerPort: 80}", "containerPort: 1024}")).none("HST009");
        lint(&BROKEN.replace("hostNetwork: true", "hostNetwork: false")).none("HST009");
    }

    #[test]
    fn the_capability_helps_unless_escalation_is_forbidden() {
        let add = "capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}";
        lint(&with(&format!("{{runAsUser: 101, {add}}}"))).none("HST009");
        lint(&with("{runAsUser: 101, privileged: true}")).none("HST009");
        let denied = with(&format!(
            "{{runAsUser: 101, allowPrivilegeEscalation: false, {add}}}"
        ));
        assert_eq!(lint(&denied).one("HST009").severity.as_str(), "info");
    }

    #[test]
    fn windows_and_system_namespaces_are_left_alone() {
        lint(&BROKEN.replace(
            "hostNetwork: true",
            "hostNetwork: true\n      os: {name: windows}",
        ))
        .none("HST009");
        lint(&BROKEN.replace("namespace: shop", "namespace: kube-system")).none("HST009");
    }
}
