mod elsewhere;

use super::RULE;
use crate::{
    facts::StatedFacts,
    model::Kind,
    rule::Surface,
    testkit::{Ran, check, check_page, check_with, clock, forbid, lint, read},
};

struct W(&'static str, &'static str, &'static str);

/// A workload with host port 80: kind, name, and further fields of its pod specification.
fn workload(W(kind, name, fields): W) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      containers: [{{name: c, image: c, ports: [{{containerPort: 8080, hostPort: 80}}]}}]\n{fields}"
    )
}

fn pair(a: W, b: W) -> String {
    format!("{}{}", workload(a), workload(b))
}

fn nodes(labels: &[&str]) -> String {
    let node = |(i, labels): (usize, &&str)| {
        format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: n{i}, labels: {{{labels}}}}}\nstatus: {{conditions: [{{type: Ready, status: 'True'}}]}}\n"
        )
    };
    labels.iter().enumerate().map(node).collect()
}

fn loud(ran: &Ran) -> Vec<String> {
    let found = ran.of("HST006").into_iter();
    found
        .filter(|finding| finding.severity.as_str() == "warning")
        .map(|finding| finding.subject.to_string())
        .collect()
}

#[test]
fn the_page_holds() {
    check_page(&RULE);
}

#[test]
fn two_daemonsets_clash_wherever_they_meet() {
    let both = pair(W("DaemonSet", "a", ""), W("DaemonSet", "b", ""));
    let ran = lint(&both);
    assert_eq!(loud(&ran), ["DaemonSet shop/a", "DaemonSet shop/b"]);
    let headlines = ran
        .0
        .headlines()
        .filter(|f| f.rule.code == "HST006")
        .count();
    assert_eq!(
        headlines,
        1,
        "one conflict is one headline:\n{}",
        ran.describe()
    );
    assert_eq!(
        loud(&check(&format!("{both}{}", nodes(&["", ""])))).len(),
        2
    );
}

#[test]
fn selectors_that_contradict_each_other_keep_them_apart() {
    let both = pair(
        W(
            "DaemonSet",
            "a",
            "      nodeSelector: {kubernetes.io/os: linux}\n",
        ),
        W(
            "DaemonSet",
            "b",
            "      nodeSelector: {kubernetes.io/os: windows}\n",
        ),
    );
    lint(&both).none("HST006");
    check(&format!(
        "{both}{}",
        nodes(&["kubernetes.io/os: linux", "kubernetes.io/os: windows"])
    ))
    .none("HST006");
}

#[test]
fn another_address_protocol_or_port_is_no_conflict() {
    let both = pair(W("DaemonSet", "a", ""), W("DaemonSet", "b", ""));
    let second = |to: &str| {
        let (first, rest) = both.split_at(both.rfind("hostPort: 80").unwrap());
        format!("{first}{}", rest.replace("hostPort: 80", to))
    };
    lint(&second("hostPort: 81")).none("HST006");
    lint(&second("hostPort: 80, protocol: UDP")).none("HST006");
    assert_eq!(
        loud(&lint(&second("hostPort: 80, hostIP: 10.0.0.1"))).len(),
        2,
        "all addresses overlap one"
    );
    let addresses = second("hostPort: 80, hostIP: 10.0.0.1").replacen(
        "hostPort: 80}",
        "hostPort: 80, hostIP: 10.0.0.2}",
        1,
    );
    lint(&addresses).none("HST006");
}

#[test]
fn a_port_of_a_host_network_pod_counts() {
    let host = workload(W(
        "DaemonSet",
        "b",
        "      hostNetwork: true\n      dnsPolicy: Default\n",
    ))
    .replace("8080, hostPort: 80", "80");
    assert_eq!(
        loud(&lint(&format!(
            "{}{host}",
            workload(W("DaemonSet", "a", ""))
        )))
        .len(),
        2
    );
}

#[test]
fn a_daemonset_on_all_nodes_leaves_no_room() {
    let both = pair(W("DaemonSet", "a", ""), W("Deployment", "b", ""));
    assert_eq!(
        loud(&lint(&both)),
        ["DaemonSet shop/a", "Deployment shop/b"]
    );
    assert_eq!(
        loud(&check(&format!("{both}{}", nodes(&["", ""])))).len(),
        2
    );
    let narrow = pair(
        W("DaemonSet", "a", "      nodeSelector: {edge: 'yes'}\n"),
        W("Deployment", "b", ""),
    );
    let ran = lint(&narrow);
    assert!(
        loud(&ran).is_empty() && ran.of("HST006").len() == 2,
        "placement is not known:\n{}",
        ran.describe()
    );
    check(&format!("{narrow}{}", nodes(&["edge: 'yes'", ""]))).none("HST006");
    assert_eq!(
        loud(&check(&format!("{narrow}{}", nodes(&["edge: 'yes'"])))).len(),
        2
    );
}

#[test]
fn the_scheduler_keeps_deployments_apart_while_nodes_are_left() {
    let both = pair(W("Deployment", "a", ""), W("Deployment", "b", ""));
    lint(&both).quiet("HST006");
    check(&format!("{both}{}", nodes(&["", ""]))).none("HST006");
    assert_eq!(loud(&check(&format!("{both}{}", nodes(&[""])))).len(), 2);
    let three = format!("{both}{}", workload(W("StatefulSet", "c", "")));
    assert_eq!(
        loud(&check(&format!("{three}{}", nodes(&["", ""])))).len(),
        3
    );
    check(&format!("{three}{}", nodes(&["", "", ""]))).none("HST006");
    let pool = check(&format!("{both}{}", nodes(&["karpenter.sh/nodepool: p"])));
    pool.quiet("HST006");
}

#[test]
fn a_stated_number_of_nodes_counts_in_files() {
    let both = pair(W("Deployment", "a", ""), W("Deployment", "b", ""));
    let stated = |count| {
        let (snapshot, _) = read(&both, crate::snapshot::Source::Files, |builder| {
            builder.state(StatedFacts {
                nodes: Some(count),
                ..StatedFacts::default()
            });
        });
        let config = crate::config::Config::default();
        Ran(crate::run::run(
            &crate::rules::RULES,
            &snapshot,
            &config,
            clock(),
            Surface::Lint,
        ))
    };
    assert_eq!(loud(&stated(1)).len(), 2);
    stated(2).none("HST006");
}

#[test]
fn states_that_pass_do_not_make_conflicts() {
    let both = pair(W("Deployment", "a", ""), W("Deployment", "b", ""));
    let cordoned = nodes(&["", ""]).replacen("status:", "spec: {unschedulable: true, taints: [{key: node.kubernetes.io/unschedulable, effect: NoSchedule}]}\nstatus:", 1);
    check(&format!("{both}{cordoned}")).none("HST006");
    check(&format!(
        "{both}{}",
        nodes(&["", ""]).replacen("'True'", "'False'", 1)
    ))
    .none("HST006");
}

#[test]
fn variants_and_revisions_of_one_workload_never_accuse_each_other() {
    let both = pair(W("DaemonSet", "a", ""), W("Deployment", "a", ""));
    lint(&both).none("HST006");
    let labels = pair(W("DaemonSet", "a", ""), W("DaemonSet", "b", ""))
        .replace("labels: {app: b}", "labels: {app: a}");
    lint(&labels).none("HST006");
    let twice = pair(W("DaemonSet", "a", ""), W("DaemonSet", "a", ""));
    lint(&twice).none("HST006");
}

#[test]
fn two_files_of_one_application_are_alternatives() {
    let files = |texts: [String; 2]| {
        let mut builder = crate::snapshot::Builder::new(crate::snapshot::Source::Files);
        for text in texts {
            let file = Some(builder.file("x.yaml"));
            for document in crate::manifest::parse(text.as_bytes()).documents {
                let place = crate::load::Place {
                    file,
                    namespace: "default",
                };
                crate::load::document(place, document.index, document.value, &mut |any| {
                    builder.insert(any);
                });
            }
        }
        let config = crate::config::Config::default();
        Ran(crate::run::run(
            &crate::rules::RULES,
            &builder.seal(),
            &config,
            clock(),
            Surface::Lint,
        ))
    };
    let (a, b) = (
        workload(W("DaemonSet", "a", "")),
        workload(W("DaemonSet", "b", "")),
    );
    files([a.clone(), b.replace("image: c", "image: c:2")]).quiet("HST006");
    assert_eq!(
        loud(&files([a.clone(), b.replace("image: c", "image: other")])).len(),
        2
    );
    assert_eq!(
        loud(&files([
            a,
            b.replace("namespace: shop", "namespace: tools")
        ]))
        .len(),
        2
    );
}

#[test]
fn an_incoming_workload_meets_what_is_there() {
    let there = format!("{}{}", workload(W("DaemonSet", "a", "")), nodes(&[""]));
    let ran = incoming(&there, &workload(W("Deployment", "b", "")));
    assert_eq!(loud(&ran), ["Deployment shop/b"]);
    let told = &ran.one("HST006").message;
    assert!(told.ends_with("by DaemonSet shop/a"), "{told}");
    // Whoever may write into `shop` learns that the port is taken, not by whom elsewhere.
    let ran = incoming(
        &there.replace("namespace: shop", "namespace: billing"),
        &workload(W("Deployment", "b", "")),
    );
    let told = &ran.one("HST006").message;
    assert!(
        told.ends_with("by a DaemonSet of another namespace"),
        "{told}"
    );
}

fn incoming(there: &str, incoming: &str) -> Ran {
    let (snapshot, _) = read(there, crate::snapshot::Source::Cluster, |_| {});
    let value = crate::manifest::parse(incoming.as_bytes())
        .documents
        .remove(0)
        .value;
    let new = crate::model::decode::from_value(value, crate::model::Origin::Live).unwrap();
    let change = crate::context::Change {
        old: None,
        new: Some(&new),
    };
    let config = crate::config::Config::default();
    Ran(crate::run::run_for(
        &crate::rules::RULES,
        &snapshot,
        change,
        &config,
        clock(),
        Surface::Admit,
    ))
}

#[test]
fn anti_affinity_between_the_two_keeps_them_apart() {
    let term = "      affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: a}}}]}}\n";
    let both = pair(W("Deployment", "a", ""), W("Deployment", "b", ""));
    assert_eq!(lint(&both).of("HST006").len(), 2);
    lint(&format!("{both}{term}")).none("HST006");
}

#[test]
fn what_is_scaled_to_zero_or_finished_claims_nothing() {
    let both = pair(W("Deployment", "a", ""), W("DaemonSet", "b", ""));
    let none = both.replacen("spec:\n", "spec:\n  replicas: 0\n", 1);
    lint(&none).none("HST006");
    let job = "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: j, namespace: shop}\nspec: {template: {metadata: {labels: {x: j}}, spec: {restartPolicy: Never, containers: [{name: c, image: c, ports: [{containerPort: 1, hostPort: 80}]}]}}}\n";
    let daemon = workload(W("DaemonSet", "b", ""));
    let cluster = format!("{daemon}{job}{}", nodes(&[""]));
    assert_eq!(loud(&check(&cluster)).len(), 2);
    check(&cluster.replace("Never, containers: [{name: c, image: c, ports: [{containerPort: 1, hostPort: 80}]}]}}}", "Never, containers: [{name: c, image: c, ports: [{containerPort: 1, hostPort: 80}]}]}}}\nstatus: {conditions: [{type: Complete, status: 'True'}]}")).none("HST006");
}

#[test]
fn pods_stand_behind_their_template_and_strangers_for_themselves() {
    let owned = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: a-1, namespace: shop, labels: {app: a}, ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: a, controller: true}]}\nspec: {nodeName: n0, containers: [{name: c, image: c, ports: [{containerPort: 1, hostPort: 80}]}]}\nstatus: {phase: Running}\n";
    let daemon = workload(W("DaemonSet", "a", ""));
    check(&format!("{daemon}{owned}{}", nodes(&[""]))).none("HST006");
    let stranger = owned
        .replace("name: a-1", "name: s")
        .replace("kind: DaemonSet, name: a,", "kind: Strange, name: s,")
        .replace("app: a}", "app: s}");
    assert_eq!(
        loud(&check(&format!("{daemon}{stranger}{}", nodes(&[""])))).len(),
        2
    );
    let elsewhere = workload(W("Deployment", "b", ""));
    check(&format!("{elsewhere}{stranger}{}", nodes(&["", ""]))).none("HST006");
}

#[test]
fn service_load_balancers_of_k3s_are_named_by_their_service() {
    let lb = |name: &str| {
        workload(W("DaemonSet", "x", ""))
            .replace("name: x, namespace: shop", &format!("name: svclb-{name}-1, namespace: kube-system, labels: {{svccontroller.k3s.cattle.io/svcname: {name}, svccontroller.k3s.cattle.io/svcnamespace: edge}}"))
            .replace("app: x", &format!("app: svclb-{name}"))
    };
    let ran = check(&format!(
        "{}{}{}",
        lb("web"),
        workload(W("Deployment", "b", "")),
        nodes(&[""])
    ));
    assert_eq!(
        loud(&ran),
        ["DaemonSet kube-system/svclb-web-1", "Deployment shop/b"]
    );
    let first = ran.0.headlines().find(|f| f.rule.code == "HST006").unwrap();
    assert_eq!(first.subject.to_string(), "Deployment shop/b");
    assert!(
        first
            .notes
            .iter()
            .any(|note| note.contains("Service `edge/web`")),
        "{:?}",
        first.notes
    );
    let two = check(&format!("{}{}{}", lb("web"), lb("api"), nodes(&[""])));
    assert_eq!(loud(&two).len(), 2);
}

#[test]
fn workloads_of_system_namespaces_are_not_accused() {
    let system =
        workload(W("DaemonSet", "a", "")).replace("namespace: shop", "namespace: kube-system");
    let ran = check(&format!(
        "{system}{}{}",
        workload(W("DaemonSet", "b", "")),
        nodes(&[""])
    ));
    assert_eq!(loud(&ran), ["DaemonSet shop/b"]);
}

#[test]
fn the_next_free_port_is_proposed() {
    let both = pair(W("DaemonSet", "a", ""), W("DaemonSet", "b", ""));
    let third = workload(W("DaemonSet", "c", "")).replace("hostPort: 80", "hostPort: 81");
    let ran = lint(&format!("{both}{third}"));
    assert!(ran.of("HST006")[0].fixes[0].title.contains("82/TCP"));
}

#[test]
fn nodes_that_could_not_be_listed_accuse_nobody() {
    let both = pair(W("DaemonSet", "a", ""), W("DaemonSet", "b", ""));
    let ran = check_with(&both, |builder| forbid(builder, Kind::Node));
    ran.none("HST006").unknown("HST006", "nodes");
    // Nothing to compare, nothing to ask for.
    let alone = check_with(&workload(W("DaemonSet", "a", "")), |builder| {
        forbid(builder, Kind::Node);
    });
    alone.none("HST006");
    assert!(
        alone
            .0
            .not_checked
            .iter()
            .all(|entry| entry.code != "HST006")
    );
}
