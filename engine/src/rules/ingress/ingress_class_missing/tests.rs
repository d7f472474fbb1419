use super::RULE;
use crate::{
    model::Kind,
    testkit::{check, check_page, check_with, fix_clears, fix_clears_on, forbid, lint},
};

fn ingress(spec: &str) -> String {
    format!(
        "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web, namespace: shop, creationTimestamp: '2025-12-01T00:00:00Z'}}
spec: {{{spec}defaultBackend: {{resource: {{kind: A, name: a}}}}}}
"
    )
}

fn class(name: &str, controller: &str, extra: &str) -> String {
    format!(
        "---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {{name: {name}{extra}}}
spec: {{controller: {controller}}}
"
    )
}

fn default_class(name: &str, created: &str) -> String {
    let extra = format!(
        ", creationTimestamp: '{created}', annotations: {{ingressclass.kubernetes.io/is-default-class: 'true'}}"
    );
    class(name, "k8s.io/ingress-nginx", &extra)
}

/// A pod of a controller.
fn controller(image: &str, args: &str) -> String {
    format!(
        "---
apiVersion: v1
kind: Pod
metadata: {{name: edge-1, namespace: kube-system, labels: {{app: edge}}}}
spec: {{containers: [{{name: edge, image: '{image}', args: [{args}]}}]}}
status: {{phase: Running, conditions: [{{type: Ready, status: 'True', lastTransitionTime: '2025-12-01T00:00:00Z'}}]}}
"
    )
}

const NGINX: &str = "ingressClassName: nginx, ";

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn traefik_does_not_take_a_class_that_does_not_exist() {
    let ran = check(
        &(ingress("ingressClassName: traefik, ")
            + &controller("rancher/mirrored-library-traefik:2.11", "")),
    );
    let finding = ran.one("ING004");
    assert_eq!(finding.severity.as_str(), "error");
    assert!(
        finding
            .notes
            .iter()
            .any(|note| note.contains("Traefik runs here")),
        "{:?}",
        finding.notes
    );
    let command = finding.fixes[0].command.as_deref().unwrap_or_default();
    assert!(
        command.contains("traefik.io/ingress-controller"),
        "{command}"
    );
}

#[test]
fn the_only_class_is_offered_as_on_microk8s() {
    let yaml = ingress(NGINX) + &class("public", "k8s.io/ingress-nginx", "");
    fix_clears(&yaml, "ING004");
    assert_eq!(check(&yaml).one("ING004").severity.as_str(), "error");
    assert_eq!(lint(&yaml).one("ING004").severity.as_str(), "warning");
}

#[test]
fn two_equal_classes_give_no_patch_and_a_similar_name_does() {
    let two = ingress(NGINX)
        + &class("public", "a.example/a", "")
        + &class("internal", "a.example/a", "");
    let ran = check(&two);
    assert!(ran.one("ING004").fixes[0].patch.0.is_empty());
    let near = two.replace("name: public", "name: ngnix");
    assert_eq!(lint(&near).one("ING004").severity.as_str(), "error");
    fix_clears(&near, "ING004");
}

#[test]
fn k8sgpt_1668_a_403_is_not_missing() {
    for spec in [NGINX, ""] {
        check_with(&ingress(spec), |builder| {
            forbid(builder, Kind::IngressClass);
        })
        .none("ING004")
        .unknown("ING004", "cannot list ingressclasses");
    }
}

#[test]
fn the_annotation_needs_no_object() {
    let annotated = ingress("").replace(
        "namespace: shop,",
        "namespace: shop, annotations: {kubernetes.io/ingress.class: nginx},",
    );
    check(&annotated).none("ING004");
    check(&ingress("")).one("ING004");
}

#[test]
fn a_controller_that_compares_names_needs_no_object() {
    let contour = ingress("ingressClassName: contour, ")
        + &controller("ghcr.io/projectcontour/contour:v1.29", "");
    check(&contour).quiet("ING004").one("ING004");
    check_with(&contour, |builder| forbid(builder, Kind::Pod))
        .none("ING004")
        .unknown("ING004", "Contour takes this class");
    assert_eq!(
        check(&ingress("ingressClassName: contour, "))
            .one("ING004")
            .severity
            .as_str(),
        "error"
    );
}

#[test]
fn a_default_class_older_than_the_ingress_was_filled_in() {
    check(&(ingress("") + &default_class("nginx", "2025-11-01T00:00:00Z"))).none("ING004");
    let ran = check(&(ingress("") + &default_class("nginx", "2025-12-24T00:00:00Z")));
    assert!(
        ran.one("ING004").message.contains("younger"),
        "{}",
        ran.one("ING004").message
    );
}

#[test]
fn some_controllers_take_ingresses_without_a_class() {
    let without = |image: &str, args: &str| ingress("") + &controller(image, args);
    check(&without("traefik:v3.1", ""))
        .quiet("ING004")
        .one("ING004");
    let filtered = without(
        "traefik:v3.1",
        "'--providers.kubernetesingress.ingressclass=traefik'",
    );
    assert_eq!(check(&filtered).one("ING004").severity.as_str(), "error");
    let nginx = "registry.k8s.io/ingress-nginx/controller:v1.11";
    assert_eq!(
        check(&without(nginx, "")).one("ING004").severity.as_str(),
        "error"
    );
    check(&without(nginx, "'--watch-ingress-without-class=true'"))
        .quiet("ING004")
        .one("ING004");
    let kong = check(&without("kong/kubernetes-ingress-controller:3.2", ""));
    assert_eq!(kong.one("ING004").severity.as_str(), "warning");
    check_with(&without("traefik:v3.1", ""), |builder| {
        forbid(builder, Kind::Pod);
    })
    .none("ING004")
    .unknown("ING004", "cannot list pods");
}

#[test]
fn a_controller_nobody_knows_may_take_them_too() {
    let ran = check(&(ingress("") + &class("edge", "example.com/edge", "")));
    assert_eq!(ran.one("ING004").severity.as_str(), "warning");
    fix_clears_on(
        &(ingress("") + &class("edge", "example.com/edge", "")),
        "ING004",
        crate::rule::Surface::Lint,
    );
}

#[test]
fn in_files_nothing_is_missing_unless_there_are_classes() {
    lint(&ingress(NGINX))
        .none("ING004")
        .skipped("ING004", "not in this input");
    lint(&ingress(""))
        .none("ING004")
        .skipped("ING004", "not in this input");
    lint(&(ingress(NGINX) + &class("nginx", "k8s.io/ingress-nginx", ""))).none("ING004");
}

#[test]
fn several_defaults_are_one_headline() {
    let two =
        default_class("a", "2025-11-01T00:00:00Z") + &default_class("b", "2025-11-02T00:00:00Z");
    let ran = check(&two);
    let findings = ran.of("ING004");
    assert_eq!(findings.len(), 2);
    assert_eq!(
        findings
            .iter()
            .filter(|finding| finding.is_headline())
            .count(),
        1
    );
    assert!(
        findings
            .iter()
            .all(|finding| finding.severity.as_str() == "warning")
    );
    check(&default_class("a", "2025-11-01T00:00:00Z")).none("ING004");
}

#[test]
fn the_same_class_in_two_variants_is_one_default() {
    let two =
        default_class("a", "2025-11-01T00:00:00Z") + &default_class("a", "2025-11-02T00:00:00Z");
    lint(&two).none("ING004");
}

#[test]
fn a_class_may_come_with_a_chart_of_the_input() {
    let other = class("tailscale", "tailscale.com/ts-ingress", "");
    let chart = "---\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: edge, namespace: edge}\nspec: {chart: {spec: {chart: ingress-nginx}}}\n";
    for named in [NGINX, ""] {
        let alone = ingress(named) + &other;
        assert_eq!(lint(&alone).one("ING004").severity.as_str(), "warning");
        assert_eq!(
            lint(&(alone + chart)).one("ING004").severity.as_str(),
            "info"
        );
    }
}
