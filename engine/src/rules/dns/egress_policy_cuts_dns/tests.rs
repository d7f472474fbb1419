use super::RULE;
use crate::model::Kind;
use crate::rule::Surface;
use crate::testkit::{check, check_page, check_with, fix_clears, fix_clears_on, forbid, lint};

/// The DNS of a stock cluster.
const DNS: &str = "
---
apiVersion: v1
kind: Namespace
metadata: {name: kube-system}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  clusterIP: 10.96.0.10
  selector: {k8s-app: kube-dns}
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
---
apiVersion: v1
kind: Pod
metadata: {name: coredns-1, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {dnsPolicy: Default, containers: [{name: coredns, image: coredns, ports: [{name: dns, containerPort: 53, protocol: UDP}]}]}
status: {phase: Running, podIP: 10.244.0.2, podIPs: [{ip: 10.244.0.2}]}
";

const POD: &str = "
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web, image: web, env: [{name: DB, value: 'postgres://db:5432'}]}]}
";

fn policy(name: &str, selector: &str, egress: &str) -> String {
    format!(
        "
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: shop}}
spec:
  podSelector: {selector}
  policyTypes: [Egress]
  egress: {egress}
"
    )
}

fn rule(egress: &str) -> String {
    policy("out", "{matchLabels: {app: web}}", egress) + POD
}

const DB: &str = "[{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]";
const KUBE_DNS: &str = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}, podSelector: {matchLabels: {k8s-app: kube-dns}}";

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn it_is_an_error_on_a_cluster_and_a_warning_in_files() {
    let ran = check(&(rule(DB) + DNS));
    assert_eq!(
        (ran.one("DNS008").severity.as_str(), ran.one("DNS008").case),
        ("error", Some("udp"))
    );
    assert_eq!(lint(&rule(DB)).one("DNS008").severity.as_str(), "warning");
}

#[test]
fn the_fix_clears_it() {
    fix_clears(&rule(DB), "DNS008");
    fix_clears(&rule("[]"), "DNS008");
    fix_clears(&(policy("all", "{}", "null") + POD), "DNS008");
    fix_clears_on(&(rule(DB) + DNS), "DNS008", Surface::Check);
}

#[test]
fn several_policies_give_one_finding_and_one_fix() {
    let two = policy("all", "{}", "[]") + &rule(DB);
    let ran = lint(&two);
    assert_eq!(ran.one("DNS008").subject.name, "all");
    fix_clears(&two, "DNS008");
}

#[test]
fn a_port_without_a_protocol_is_tcp_and_does_cut() {
    let tcp_only = rule(&format!(
        "[{{to: [{{{KUBE_DNS}}}], ports: [{{port: 53}}]}}]"
    ));
    for ran in [lint(&tcp_only), check(&(tcp_only.clone() + DNS))] {
        let notes = ran.one("DNS008").notes.join("\n");
        assert!(notes.contains("means TCP"), "{notes}");
    }
}

#[test]
fn udp_alone_is_information() {
    let udp_only = rule(&format!(
        "[{{to: [{{{KUBE_DNS}}}], ports: [{{port: 53, protocol: UDP}}]}}]"
    ));
    for ran in [lint(&udp_only), check(&(udp_only.clone() + DNS))] {
        let finding = ran.one("DNS008");
        assert_eq!(
            (finding.severity.as_str(), finding.case),
            ("info", Some("tcp"))
        );
    }
    fix_clears(&udp_only, "DNS008");
}

#[test]
fn the_union_counts() {
    let ports = "ports: [{port: 53, protocol: UDP}, {port: 53}]";
    let dns_for_all = policy(
        "allow-dns",
        "{}",
        &format!("[{{to: [{{{KUBE_DNS}}}], {ports}}}]"),
    );
    let halves = policy("udp", "{}", "[{ports: [{port: 53, protocol: UDP}]}]")
        + &policy(
            "tcp",
            "{matchLabels: {app: web}}",
            "[{ports: [{port: 53}]}]",
        );
    for text in [
        policy("deny", "{}", "[]") + &dns_for_all + POD,
        policy("deny", "{}", "[]") + &halves + POD,
    ] {
        lint(&text).none("DNS008");
        check(&(text + DNS)).none("DNS008");
    }
}

#[test]
fn the_deny_all_of_a_namespace_with_dns_for_other_pods_only_still_cuts() {
    let other = policy(
        "dns",
        "{matchLabels: {app: api}}",
        "[{ports: [{port: 53, protocol: UDP}]}]",
    );
    check(&(policy("deny", "{}", "[]") + &other + POD + DNS)).one("DNS008");
}

#[test]
fn cyclonus_dns_inside_the_cluster_is_enough() {
    let inside = rule(&format!(
        "[{{to: [{{{KUBE_DNS}}}], ports: [{{port: 53, protocol: UDP}}, {{port: 53, protocol: TCP}}]}}]"
    ));
    lint(&inside).none("DNS008");
    check(&(inside + DNS)).none("DNS008");
}

#[test]
fn any_rule_that_could_mean_dns_counts_in_files() {
    for to in [
        "{namespaceSelector: {}}",
        "{namespaceSelector: {matchLabels: {name: kube-system}}}",
        "{namespaceSelector: {matchLabels: {team: platform}}}",
        "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: openshift-dns}}}",
        "{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: coredns}}}",
        "{namespaceSelector: {}, podSelector: {matchLabels: {dns.operator.openshift.io/daemonset-dns: default}}}",
        "{ipBlock: {cidr: 10.0.0.0/8}}",
        "{ipBlock: {cidr: 0.0.0.0/0}}",
        "{ipBlock: {cidr: 169.254.20.10/32}}",
        "{ipBlock: {cidr: odd}}",
    ] {
        lint(&rule(&format!("[{{to: [{to}]}}]"))).none("DNS008");
    }
    lint(&rule(
        "[{ports: [{port: 5353, protocol: UDP}, {port: 5353}]}]",
    ))
    .none("DNS008");
    lint(&rule(
        "[{ports: [{port: 1, endPort: 1024, protocol: UDP}, {port: 1, endPort: 1024}]}]",
    ))
    .none("DNS008");
    lint(&rule("[{}]")).none("DNS008");
}

#[test]
fn rules_that_cannot_mean_dns_do_not_count() {
    for to in [
        "{podSelector: {}}",
        "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: data}}}",
        "{namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}",
        "{ipBlock: {cidr: 203.0.113.0/24}}",
        "{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]}}",
    ] {
        lint(&rule(&format!("[{{to: [{to}]}}]"))).one("DNS008");
    }
    lint(&rule("[{ports: [{port: 443}]}]")).one("DNS008");
}

#[test]
fn openshift_dns_listens_on_another_port() {
    let openshift = DNS
        .replace("kube-system", "openshift-dns")
        .replace("name: kube-dns,", "name: dns-default,")
        .replace("port: 53,", "port: 53, targetPort: 5353,");
    let to = |port: i32| {
        rule(&format!(
            "[{{to: [{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: openshift-dns}}}}}}], ports: [{{port: {port}, protocol: UDP}}, {{port: {port}}}]}}]"
        ))
    };
    check(&(to(5353) + &openshift)).none("DNS008");
    check(&(to(53) + &openshift)).one("DNS008");
    fix_clears_on(&(to(443) + &openshift), "DNS008", Surface::Check);
}

#[test]
fn the_node_local_address_helps_where_the_cache_runs() {
    let local = rule(
        "[{to: [{ipBlock: {cidr: 169.254.20.10/32}}], ports: [{port: 53, protocol: UDP}, {port: 53}]}]",
    );
    check(&(local.clone() + DNS)).one("DNS008");
    let cache = "
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node-local-dns, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: node-local-dns}}
  template:
    metadata: {labels: {k8s-app: node-local-dns}}
    spec: {hostNetwork: true, dnsPolicy: Default, containers: [{name: cache, image: cache}]}
";
    check(&(local + DNS + cache)).none("DNS008");
}

#[test]
fn the_service_address_by_block_counts() {
    check(&(rule("[{to: [{ipBlock: {cidr: 10.96.0.0/12}}]}]") + DNS)).none("DNS008");
    let holes = "[{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}]";
    check(&(rule(holes) + DNS)).one("DNS008");
}

#[test]
fn pods_that_do_not_ask_the_cluster_are_skipped() {
    for setting in [
        "hostNetwork: true, dnsPolicy: ClusterFirstWithHostNet",
        "dnsPolicy: Default",
        "dnsPolicy: None",
    ] {
        let text = rule(DB).replace("{containers", &format!("{{{setting}, containers"));
        lint(&text).none("DNS008").skipped("DNS008", "do not ask");
        check(&(text + DNS)).none("DNS008");
    }
}

#[test]
fn engine_policies_leave_it_open() {
    let cilium = "
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: dns, namespace: shop}
spec: {}
";
    check(&(rule(DB) + DNS + cilium))
        .none("DNS008")
        .unknown("DNS008", "CiliumNetworkPolicy");
    check(&(rule(DB) + DNS + &cilium.replace("shop", "other"))).one("DNS008");
    check_with(&(rule(DB) + DNS), |b| forbid(b, Kind::GlobalNetworkPolicy))
        .none("DNS008")
        .unknown("DNS008", "globalnetworkpolicies");
}

#[test]
fn forbidden_lists_accuse_nobody() {
    check_with(&(rule(DB) + DNS), |b| forbid(b, Kind::Pod))
        .none("DNS008")
        .unknown("DNS008", "forbidden");
}

#[test]
fn a_reader_of_one_namespace_still_sees_it() {
    // The DNS pods are not readable: nothing that any cluster calls DNS is admitted.
    check_with(&rule(DB), |b| forbid(b, Kind::Service)).one("DNS008");
    let by_label = rule("[{to: [{namespaceSelector: {matchLabels: {team: platform}}}]}]");
    check_with(&by_label, |b| forbid(b, Kind::Namespace)).none("DNS008");
}

#[test]
fn nothing_admitted_and_no_host_spoken_of_may_be_meant() {
    let silent = rule("[]").replace(", env: [{name: DB, value: 'postgres://db:5432'}]", "");
    assert_eq!(lint(&silent).one("DNS008").severity.as_str(), "info");
    assert_eq!(
        check(&(silent + DNS)).one("DNS008").severity.as_str(),
        "warning"
    );
    assert_eq!(
        check(&(rule("[]") + DNS)).one("DNS008").severity.as_str(),
        "error"
    );
}

#[test]
fn a_fresh_policy_warns_at_most() {
    let fresh = (rule(DB) + DNS).replace(
        "{name: out,",
        "{name: out, creationTimestamp: '2026-01-01T11:59:50Z',",
    );
    assert_eq!(check(&fresh).one("DNS008").severity.as_str(), "warning");
}

#[test]
fn policies_without_pods_say_nothing() {
    lint(&policy("out", "{}", "[]"))
        .none("DNS008")
        .skipped("DNS008", "not in this input");
    check(&(policy("out", "{}", "[]") + DNS)).none("DNS008");
}

#[test]
fn ingress_policies_do_not_touch_dns() {
    lint(&rule("[]").replace("[Egress]", "[Ingress]")).none("DNS008");
}

#[test]
fn an_unreadable_policy_leaves_it_open() {
    let odd = policy("odd", "{}", "[{to: 7}]");
    lint(&(odd + &rule(DB)))
        .none("DNS008")
        .unknown("DNS008", "could not be read");
}
