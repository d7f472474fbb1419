use super::{RULE, signs::one_slip};
use crate::{
    model::Kind,
    testkit::{check, check_page, check_with, fix_clears, forbid, lint},
};

fn state(port: &str, containers: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: web, namespace: shop}}\nspec: {{selector: {{app: web}}, ports: [{port}]}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{containers}]}}}}}}\n"
    )
}

fn severity(port: &str, containers: &str) -> &'static str {
    lint(&state(port, containers))
        .one("SVC006")
        .severity
        .as_str()
}

const ONE: &str = "{name: c, image: c, ports: [{containerPort: 3000}]}";
const TWO: &str = "{name: c, image: c, ports: [{containerPort: 3000}, {containerPort: 4000}]}";

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn a_number_alone_is_only_information() {
    assert_eq!(severity("{port: 80, targetPort: 5555}", ONE), "info");
    assert_eq!(severity("{port: 80, targetPort: 5555}", TWO), "info");
}

#[test]
fn each_second_sign_makes_a_warning() {
    // Unset, and one declared port.
    assert_eq!(severity("{port: 80}", ONE), "warning");
    assert_eq!(severity("{port: 80}", TWO), "info");
    // The Service's own port is declared.
    assert_eq!(severity("{port: 3000, targetPort: 5555}", TWO), "warning");
    // One slip.
    assert_eq!(severity("{port: 80, targetPort: 300}", TWO), "warning");
    // Host port taken for the port in the Pod.
    let host = "{name: c, image: c, ports: [{containerPort: 2368, hostPort: 80}]}";
    assert_eq!(severity("{port: 80, targetPort: 80}", host), "warning");
    // Probe, argument, variable of the only container.
    let probe = "{name: c, image: c, ports: [{name: http, containerPort: 3000}], readinessProbe: {httpGet: {port: http}}}";
    assert_eq!(severity("{port: 80, targetPort: 5555}", probe), "warning");
    let variable =
        "{name: c, image: c, ports: [{containerPort: 3000}], env: [{name: PORT, value: '3000'}]}";
    assert_eq!(
        severity("{port: 80, targetPort: 5555}", variable),
        "warning"
    );
    let two = format!("{variable}, {{name: d, image: d}}");
    assert_eq!(severity("{port: 80, targetPort: 5555}", &two), "info");
    // Host network.
    let on_host = state("{port: 80, targetPort: 5555}", ONE)
        .replace("spec: {containers", "spec: {hostNetwork: true, containers");
    assert_eq!(lint(&on_host).one("SVC006").severity.as_str(), "warning");
}

#[test]
fn slips_of_digits() {
    for (a, b) in [
        (8080, 8008),
        (8080, 880),
        (8080, 80),
        (8443, 443),
        (3000, 30000),
        (9090, 9900),
    ] {
        assert!(one_slip(a, b) && one_slip(b, a), "{a} {b}");
    }
    for (a, b) in [
        (2379, 2380),
        (8080, 8081),
        (80, 90),
        (80, 8),
        (8080, 9090),
        (3000, 80),
        (8443, 8444),
    ] {
        assert!(!one_slip(a, b) && !one_slip(b, a), "{a} {b}");
    }
}

#[test]
fn a_port_that_serves_something_else_is_no_sign() {
    // 2379 has its own Service port, as in etcd.
    let etcd = "{name: c, image: c, ports: [{containerPort: 2379}]}";
    assert_eq!(
        lint(&state(
            "{name: client, port: 2379}, {name: peer, port: 2380}",
            etcd
        ))
        .one("SVC006")
        .severity
        .as_str(),
        "info"
    );
    let metrics = "{name: c, image: c, ports: [{name: http-metrics, containerPort: 9090}]}";
    assert_eq!(severity("{port: 80}", metrics), "info");
}

#[test]
fn popeye_what_the_configuration_names_is_fine() {
    for more in [
        "args: [--port=5555]",
        "command: [serve, ':5555']",
        "env: [{name: PORT, value: '5555'}]",
        "livenessProbe: {tcpSocket: {port: 5555}}",
    ] {
        let container = format!("{{name: c, image: c, ports: [{{containerPort: 3000}}], {more}}}");
        lint(&state("{port: 3000, targetPort: 5555}", &container)).none("SVC006");
    }
    let container = "{name: c, image: c, ports: [{containerPort: 3000}], envFrom: [{configMapRef: {name: settings}}]}";
    let yaml = state("{port: 3000, targetPort: 5555}", container);
    let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\ndata: {LISTEN: '0.0.0.0:5555'}\n";
    lint(&(yaml.clone() + map)).none("SVC006");
    // A ConfigMap that is not here may name it.
    lint(&yaml).quiet("SVC006").one("SVC006");
    let other = map.replace("5555", "3000");
    assert_eq!(
        lint(&(yaml + &other)).one("SVC006").severity.as_str(),
        "warning"
    );
}

#[test]
fn popeye_no_declared_port_is_no_finding() {
    lint(&state(
        "{port: 80, targetPort: 5555}",
        "{name: c, image: c}",
    ))
    .none("SVC006");
}

#[test]
fn popeye_every_pod_is_read() {
    let pod = |name: &str, port: &str| {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: web}}}}\nspec: {{containers: [{{name: c, image: c, ports: [{{containerPort: {port}}}]}}]}}\nstatus: {{phase: Running}}\n"
        )
    };
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}\n".to_owned();
    check(&(service.clone() + &pod("a", "80") + &pod("b", "8080"))).none("SVC006");
    check(&(service + &pod("a", "80") + &pod("b", "80"))).one("SVC006");
}

#[test]
fn a_mesh_or_an_injected_gateway_may_listen() {
    lint(&state(
        "{port: 80}",
        "{name: istio-proxy, image: auto, ports: [{containerPort: 3000}]}",
    ))
    .none("SVC006")
    .skipped("SVC006", "mesh");
}

#[test]
fn headless_is_only_information() {
    let yaml =
        state("{port: 80}", ONE).replace("spec: {selector", "spec: {clusterIP: None, selector");
    assert_eq!(lint(&yaml).one("SVC006").severity.as_str(), "info");
}

#[test]
fn the_fix_needs_one_candidate() {
    fix_clears(&state("{port: 80}", ONE), "SVC006");
    fix_clears(
        &state(
            "{name: http, port: 80, targetPort: 80}",
            "{name: c, image: c, ports: [{containerPort: 8080}, {containerPort: 9000}]}",
        ),
        "SVC006",
    );
    // 880 is one digit away from both.
    let both = "{name: c, image: c, ports: [{containerPort: 8080}, {containerPort: 8880}]}";
    let ran = lint(&state("{port: 1, targetPort: 880}", both));
    assert!(
        ran.one("SVC006")
            .fixes
            .iter()
            .all(|fix| fix.patch.0.is_empty())
    );
}

#[test]
fn kics_a_missing_target_port_counts() {
    lint(&state("{port: 3000}", ONE)).none("SVC006");
    lint(&state("{port: 80, targetPort: 0}", ONE)).one("SVC006");
}

#[test]
fn radar_846_pods_that_could_not_be_listed() {
    check_with(&state("{port: 80}", ONE), |builder| {
        forbid(builder, Kind::Pod);
    })
    .none("SVC006")
    .unknown("SVC006", "forbidden");
}

#[test]
fn a_web_server_without_ports_may_be_what_listens() {
    let port = "{port: 80}";
    let fpm = "{name: php, image: 'php:8-fpm', ports: [{containerPort: 9000}]}";
    let with = |more: &str| severity(port, &format!("{fpm}, {more}"));
    assert_eq!(
        with("{name: web, image: 'docker.io/library/nginx:1.27'}"),
        "info"
    );
    assert_eq!(
        with("{name: nginx, image: 'registry.example.com/front'}"),
        "info"
    );
    assert_eq!(with("{name: logs, image: 'fluent-bit:3'}"), "warning");
}

/// A command of its own would leave out the test that the port is still the one that was judged.
#[test]
fn the_printed_command_is_the_guarded_patch() {
    let ran = lint(&state("{port: 80}", ONE));
    let fix = &ran.one("SVC006").fixes[0];
    assert_eq!(fix.command, None);
    let first = serde_json::to_value(&fix.patch.0[0]).unwrap();
    assert_eq!(first["op"], "test");
}
