use super::RULE;
use crate::model::Kind;
use crate::testkit::{check, check_page, check_with, fix_clears, forbid, lint};

fn set(rules: &str, service: &str, pod: &str) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: web}}}}
  {rules}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{app: web}}
  {service}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {pod}
"
    )
}

const RULES: &str = "ingress: [{ports: [{port: 443}]}]";
const SERVICE: &str = "ports: [{port: 443, targetPort: 9443}]";
const POD: &str = "{containers: [{name: web, image: web, ports: [{containerPort: 9443}]}]}";

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn the_fix_names_the_target_port() {
    fix_clears(&set(RULES, SERVICE, POD), "POL005");
    assert_eq!(
        check(&set(RULES, SERVICE, POD))
            .one("POL005")
            .severity
            .as_str(),
        "error"
    );
}

#[test]
fn a_named_target_resolves_on_the_pod() {
    let named = set(
        RULES,
        "ports: [{port: 443, targetPort: https}]",
        "{containers: [{name: web, image: web, ports: [{name: https, containerPort: 9443}]}]}",
    );
    assert!(lint(&named).one("POL005").message.contains("9443"));
    fix_clears(&named, "POL005");
}

#[test]
fn a_number_that_the_pods_serve_is_right() {
    lint(&set(
        RULES,
        SERVICE,
        &POD.replace(
            "[{containerPort: 9443}]",
            "[{containerPort: 9443}, {containerPort: 443}]",
        ),
    ))
    .none("POL005");
    lint(&set(
        RULES,
        "ports: [{name: a, port: 443, targetPort: 9443}, {name: b, port: 444, targetPort: 443}]",
        POD,
    ))
    .none("POL005");
    lint(&set(
        RULES,
        SERVICE,
        &POD.replace("image: web,", "image: web, args: ['--listen=:443'],"),
    ))
    .none("POL005");
    lint(&set(
        RULES,
        SERVICE,
        &POD.replace(
            "image: web,",
            "image: web, readinessProbe: {tcpSocket: {port: 443}},",
        ),
    ))
    .none("POL005");
    lint(&set(
        RULES,
        "ports: [{port: 443}]",
        "{containers: [{name: web, image: web}]}",
    ))
    .none("POL005");
}

#[test]
fn the_protocol_must_be_that_of_the_service() {
    lint(&set(
        "ingress: [{ports: [{port: 443, protocol: UDP}]}]",
        SERVICE,
        POD,
    ))
    .none("POL005");
}

#[test]
fn an_unresolved_target_gives_no_verdict() {
    let open = set(
        RULES,
        "ports: [{port: 443, targetPort: https}]",
        "{containers: [{name: web, image: web}]}",
    );
    lint(&open).none("POL005").unknown("POL005", "not known");
}

#[test]
fn host_network_pods_are_skipped() {
    lint(&set(
        RULES,
        SERVICE,
        &POD.replace("{containers", "{hostNetwork: true, containers"),
    ))
    .none("POL005")
    .skipped("POL005", "host network");
}

#[test]
fn both_ports_side_by_side_do_no_harm() {
    lint(&set(
        "ingress: [{ports: [{port: 443}, {port: 9443}]}]",
        SERVICE,
        POD,
    ))
    .none("POL005");
    lint(&set(
        "ingress: [{ports: [{port: 443}]}, {from: [{podSelector: {}}], ports: [{port: 9443}]}]",
        SERVICE,
        POD,
    ))
    .one("POL005");
    let beside = "
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: shop}
spec: {podSelector: {}, ingress: [{ports: [{port: 9000, endPort: 9999}]}]}
";
    lint(&(set(RULES, SERVICE, POD) + beside)).none("POL005");
}

#[test]
fn ranges_names_and_headless_services_are_not_judged() {
    lint(&set(
        "ingress: [{ports: [{port: 400, endPort: 500}]}]",
        SERVICE,
        POD,
    ))
    .none("POL005");
    lint(&set("ingress: [{ports: [{port: https}]}]", SERVICE, POD)).none("POL005");
    lint(&set(
        RULES,
        "clusterIP: None\n  ports: [{port: 443, targetPort: 9443}]",
        POD,
    ))
    .none("POL005");
}

#[test]
fn egress_looks_at_the_pods_of_the_peers() {
    let egress = |to: &str, port: i32| {
        set(
            &format!(
                "policyTypes: [Egress]\n  egress: [{{to: [{to}], ports: [{{port: {port}}}]}}]"
            ),
            SERVICE,
            POD,
        )
    };
    lint(&egress("{podSelector: {matchLabels: {app: web}}}", 443)).one("POL005");
    lint(&egress("{podSelector: {matchLabels: {app: web}}}", 9443)).none("POL005");
    let by_name = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}";
    lint(&egress(by_name, 443)).one("POL005");
    lint(&egress("{ipBlock: {cidr: 0.0.0.0/0}}", 443)).none("POL005");
    lint(&egress("{namespaceSelector: {}}", 443)).none("POL005");
    lint(&set(
        "policyTypes: [Egress]\n  egress: [{ports: [{port: 443}]}]",
        SERVICE,
        POD,
    ))
    .none("POL005");
}

#[test]
fn a_direction_that_the_policy_does_not_isolate_is_not_judged() {
    lint(&set(
        "policyTypes: [Egress]\n  ingress: [{ports: [{port: 443}]}]",
        SERVICE,
        POD,
    ))
    .none("POL005");
}

#[test]
fn two_targets_give_no_patch() {
    let mut two = set(RULES, SERVICE, POD);
    two.push_str("---\napiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: shop}\nspec: {selector: {app: web}, ports: [{port: 443, targetPort: 8443}]}\n");
    let ran = lint(&two);
    assert!(
        ran.one("POL005")
            .fixes
            .iter()
            .all(|fix| fix.patch.0.is_empty())
    );
}

#[test]
fn forbidden_lists_accuse_nobody() {
    for kind in [Kind::Pod, Kind::Service] {
        check_with(&set(RULES, SERVICE, POD), |b| forbid(b, kind))
            .none("POL005")
            .unknown("POL005", "forbidden");
    }
}
