//! One test per way from a change to somebody else, and what `judge` does with what was wrong before.

use crate::{
    config::{self, Config},
    context::Change,
    manifest,
    model::{Origin, decode, decode::Any},
    rule::Rule,
    rules::RULES,
    run::{Judgement, judge},
    snapshot::Source,
    testkit::{clock, read},
};

pub(super) const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]}]}
";

fn decoded(yaml: &str) -> Option<Any> {
    let document = manifest::parse(yaml.as_bytes())
        .documents
        .into_iter()
        .next()?;
    decode::from_value(document.value, Origin::Live).ok()
}

pub(super) fn judge_with(
    cluster: &[&str],
    (old, new): (&str, &str),
    asked: &dyn Fn(&Rule) -> bool,
    config: &Config,
) -> Judgement {
    let (snapshot, _) = read(&cluster.join("\n---\n"), Source::Cluster, |_| {});
    let (old, new) = (decoded(old), decoded(new));
    let change = Change {
        old: old.as_ref(),
        new: new.as_ref(),
    };
    judge(&RULES, &snapshot, change, asked, config, clock())
}

/// `CODE Kind ns/name` of everything that a change brings; the old object is part of the cluster.
fn brings(rest: &[&str], old: &str, new: &str) -> Vec<String> {
    let mut cluster = rest.to_vec();
    cluster.extend((!old.is_empty()).then_some(old));
    let judged = judge_with(&cluster, (old, new), &|_| true, &Config::default());
    let findings = judged.report.findings.iter();
    findings
        .map(|finding| format!("{} {}", finding.rule.code, finding.subject))
        .collect()
}

pub(super) fn service(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{{spec}}}\n"
    )
}

fn policy(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{{spec}}}\n"
    )
}

fn namespace(name: &str, labels: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {name}, labels: {{{labels}}}}}\n")
}

fn ingress(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: edge, namespace: shop}}\nspec: {{{spec}}}\n"
    )
}

#[test]
fn a_service_leads_to_the_ingresses_that_name_it() {
    let ingress = ingress(
        "ingressClassName: outer, defaultBackend: {service: {name: web, port: {number: 80}}}",
    );
    let class = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: outer}\nspec: {controller: x/y}\n";
    let old = service(
        "web",
        "selector: {app: web}, ports: [{port: 80, targetPort: http}]",
    );
    let new = old.replace("port: 80", "port: 81");
    let rest = [WEB, &ingress, class];
    assert_eq!(brings(&rest, &old, &new), ["ING002 Ingress shop/edge"]);
    assert_eq!(brings(&rest, &old, ""), ["ING001 Ingress shop/edge"]);
    // Without the class its Ingresses are nobody's.
    let rest = [WEB, &ingress, &old];
    assert_eq!(brings(&rest, class, ""), ["ING004 Ingress shop/edge"]);
}

#[test]
fn a_default_class_leads_to_the_ingresses_without_one() {
    let ingress = ingress("defaultBackend: {service: {name: web, port: {number: 80}}}");
    let service = service(
        "web",
        "selector: {app: web}, ports: [{port: 80, targetPort: http}]",
    );
    let class = |default: bool| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {{name: n, annotations: {{ingressclass.kubernetes.io/is-default-class: '{default}'}}}}\nspec: {{controller: x/y}}\n"
        )
    };
    let rest = [WEB, &service, &ingress];
    assert_eq!(
        brings(&rest, &class(true), &class(false)),
        ["ING004 Ingress shop/edge"]
    );
}

#[test]
fn an_autoscaler_leads_to_its_target() {
    let host = WEB
        .replace(
            "spec: {containers",
            "spec: {hostNetwork: true, dnsPolicy: Default, containers",
        )
        .replace(", ports: [{name: http, containerPort: 8080}]", "");
    let scaler = |least: u8| {
        format!(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web, namespace: shop}}\nspec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}, minReplicas: {least}, maxReplicas: 9}}\n"
        )
    };
    assert_eq!(
        brings(&[&host], &scaler(1), &scaler(2)),
        ["HST002 Deployment shop/web"]
    );
    assert_eq!(
        brings(&[&host], &scaler(2), &scaler(3)),
        [""; 0],
        "it was like that before"
    );
}

const DNS: &str = "
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {clusterIP: 10.96.0.10, selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system}
spec: {template: {metadata: {labels: {k8s-app: kube-dns}}, spec: {containers: [{name: c, image: coredns, ports: [{containerPort: 53, protocol: UDP}, {containerPort: 53}]}]}}}
";

#[test]
fn the_dns_rule_of_one_of_several_policies_is_taken_away() {
    let deny = policy("a-deny", "podSelector: {}, policyTypes: [Egress]");
    let dns = policy(
        "dns",
        "podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {dns: here}}}], ports: [{port: 53, protocol: UDP}, {port: 53}]}]",
    );
    let labelled = namespace("kube-system", "dns: here");
    let without = dns.replace(", egress: [{to: [{namespaceSelector: {matchLabels: {dns: here}}}], ports: [{port: 53, protocol: UDP}, {port: 53}]}]", "");
    let rest = [DNS, WEB, &deny, &labelled];
    // The policy that speaks for all is the other one.
    assert_eq!(
        brings(&rest, &dns, &without),
        ["DNS008 NetworkPolicy shop/a-deny"]
    );
    assert_eq!(
        brings(&rest, &dns, ""),
        ["DNS008 NetworkPolicy shop/a-deny"]
    );
    let rest = [DNS, WEB, &deny, &dns];
    let found = brings(&rest, &labelled, &namespace("kube-system", ""));
    assert_eq!(
        found,
        [
            "DNS008 NetworkPolicy shop/a-deny",
            "POL004 NetworkPolicy shop/dns"
        ]
    );
}

#[test]
fn a_namespace_that_leaves_the_mesh_leads_to_its_services() {
    let service = service(
        "web",
        "selector: {app: web}, ports: [{port: 80, targetPort: nope}]",
    );
    let meshed = namespace("shop", "istio-injection: enabled");
    let found = brings(&[WEB, &service], &meshed, &namespace("shop", ""));
    assert_eq!(found, ["SVC004 Service shop/web"]);
}

#[test]
fn the_template_speaks_for_the_pods_that_still_run() {
    let owned = |kind: &str, name: &str| {
        format!(
            "ownerReferences: [{{apiVersion: apps/v1, kind: {kind}, name: {name}, uid: u, controller: true}}]"
        )
    };
    let replica_set = format!(
        "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {{name: web-1, namespace: shop, {}}}\nspec: {{replicas: 1, template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: web, ports: [{{name: http, containerPort: 8080}}]}}]}}}}}}\n",
        owned("Deployment", "web")
    );
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: web-1-x, namespace: shop, labels: {{app: web}}, {}}}\nspec: {{containers: [{{name: web, image: web, ports: [{{name: http, containerPort: 8080}}]}}]}}\n",
        owned("ReplicaSet", "web-1")
    );
    let service = service(
        "web",
        "selector: {app: web}, ports: [{port: 80, targetPort: http}]",
    );
    let rest = [&*service, &replica_set, &pod];
    let renamed = WEB.replace("name: http", "name: web");
    assert_eq!(brings(&rest, WEB, &renamed), ["SVC004 Service shop/web"]);
    let moved = WEB.replace("app: web", "app: shop-window");
    assert_eq!(brings(&rest, WEB, &moved), ["SVC001 Service shop/web"]);
    // With the Deployment goes what it made.
    assert_eq!(brings(&rest, WEB, ""), ["SVC001 Service shop/web"]);
    // A Service for what the next revision declares is right, whatever still runs.
    let next = service
        .replace("http", "web")
        .replace("{name: web, n", "{name: web2, n");
    assert_eq!(brings(&[&renamed, &replica_set, &pod], "", &next), [""; 0]);
}

#[test]
fn aliases_that_close_a_circle_lead_to_all_of_it() {
    let alias = |name: &str, host: &str| {
        service(name, &format!("type: ExternalName, externalName: {host}"))
    };
    let there = alias("a", "b.shop.svc.cluster.local");
    let found = brings(&[&there], "", &alias("b", "a.shop.svc.cluster.local"));
    assert_eq!(found, ["SVC019 Service shop/a", "SVC019 Service shop/b"]);
}

#[test]
fn endpoints_lead_to_their_service() {
    let bare = service("db", "ports: [{port: 5432}]");
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db}}\naddressType: IPv4\nendpoints: [{addresses: [192.0.2.1]}]\n";
    assert_eq!(brings(&[&bare], slice, ""), ["SVC011 Service shop/db"]);
}

#[test]
fn a_secret_leads_to_those_who_serve_with_it() {
    let ingress = ingress("ingressClassName: outer, tls: [{hosts: [a.test], secretName: cert}]");
    let class = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: outer}\nspec: {controller: x/y}\n";
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: cert, namespace: shop}\ntype: kubernetes.io/tls\n";
    assert_eq!(
        brings(&[&ingress, class], secret, ""),
        ["TLS001 Ingress shop/edge"]
    );
}

#[test]
fn a_changed_service_leads_to_policies_that_name_its_port() {
    let allow = policy(
        "allow",
        "podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{ports: [{port: 80}]}]",
    );
    let old = service(
        "web",
        "selector: {app: web}, ports: [{port: 80, targetPort: 80}]",
    );
    let new = old.replace("targetPort: 80", "targetPort: 8080");
    assert_eq!(
        brings(&[WEB, &allow], &old, &new),
        ["POL005 NetworkPolicy shop/allow"]
    );
}

#[test]
fn what_was_wrong_before_is_not_told_again() {
    let broken = service(
        "web",
        "selector: {app: web}, ports: [{port: 80, targetPort: nope}]",
    );
    assert_eq!(brings(&[WEB], "", &broken), ["SVC004 Service shop/web"]);
    let more = broken
        .replace(
            "targetPort: nope}",
            "targetPort: nope}, {name: b, port: 81, targetPort: http}",
        )
        .replace("[{port: 80", "[{name: a, port: 80");
    let again = broken.replace("[{port: 80", "[{name: a, port: 80");
    assert_eq!(brings(&[WEB], &again, &more), [""; 0]);
    let worse = again.replace(
        "targetPort: nope}",
        "targetPort: nope}, {name: b, port: 81, targetPort: none}",
    );
    assert_eq!(brings(&[WEB], &again, &worse), ["SVC004 Service shop/web"]);
}

#[test]
fn rules_that_are_not_asked_about_the_object_are_asked_about_others() {
    let broken = service(
        "web",
        "selector: {app: web}, ports: [{port: 80, targetPort: http}]",
    );
    let renamed = WEB.replace("name: http", "name: web");
    let none: &dyn Fn(&Rule) -> bool = &|_| false;
    let config = Config::default();
    let judged = judge_with(&[WEB, &broken], (WEB, &renamed), none, &config);
    assert_eq!(judged.report.findings.len(), 1);
    let judged = judge_with(&[WEB], ("", &broken.replace("http", "nope")), none, &config);
    assert_eq!(judged.report.findings.len(), 0);
}

#[test]
fn a_milder_form_of_the_same_defect_is_marked() {
    let worse = WEB
        .replace("replicas: 1", "replicas: 2")
        .replace(
            "spec: {containers",
            "spec: {hostNetwork: true, dnsPolicy: Default, containers",
        )
        .replace(", ports: [{name: http, containerPort: 8080}]", "");
    let milder = worse.replace("image: web", "image: web, ports: [{containerPort: 8080}]");
    let config = Config::default();
    let there = |old: &str, new: &str| {
        let judged = judge_with(&[old], (old, new), &|_| true, &config);
        let finding = judged
            .report
            .findings
            .into_iter()
            .find(|f| f.rule.code == "HST002");
        let finding = finding.expect("two replicas share the host network");
        (finding.case, judged.milder.contains(&finding.fingerprint))
    };
    assert_eq!(there(&worse, &milder), (Some("ports-declared"), true));
    assert_eq!(there(&milder, &worse), (Some("ports-not-declared"), false));
}

#[test]
fn annotations_count_on_the_incoming_object_and_unused_ones_are_no_news() {
    let broken = service(
        "web",
        "selector: {app: web}, ports: [{port: 80, targetPort: nope}]",
    );
    let annotated = |key: &str| {
        broken.replace(
            "namespace: shop}",
            &format!("namespace: shop, annotations: {{netdoctor.io/{key}: known}}}}"),
        )
    };
    let config = Config::default();
    let allowed = judge_with(&[WEB], ("", &annotated("allow-SVC004")), &|_| true, &config);
    assert_eq!(allowed.report.findings.len(), 0);
    assert_eq!(allowed.report.suppressed.len(), 1);
    let other = judge_with(&[WEB], ("", &annotated("allow-SVC018")), &|_| true, &config);
    assert_eq!(
        (other.report.findings.len(), other.report.warnings.len()),
        (1, 0)
    );
    let unknown = judge_with(&[WEB], ("", &annotated("allow-SVC999")), &|_| true, &config);
    assert!(unknown.report.warnings[0].contains("no such rule"));
    let ignored = Config {
        annotations: config::Annotations::Ignored,
        ..Config::default()
    };
    let kept = judge_with(
        &[WEB],
        ("", &annotated("allow-SVC004")),
        &|_| true,
        &ignored,
    );
    assert_eq!(kept.report.findings.len(), 1);
    assert!(kept.report.warnings[0].contains("does not count here"));
}
