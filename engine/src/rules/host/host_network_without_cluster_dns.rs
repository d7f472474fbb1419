//! `host-network-without-cluster-dns`

use super::{is_windows, target};
use crate::{
    context::{Context, Reporter},
    finding::{Fix, FixClass},
    model::{Kind, Namespace, Object as _, PodSpec, Service, Workload},
    rule::{Action, Actions, Check, Confidence, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "HST004",
    name: "host-network-without-cluster-dns",
    summary: "a Pod with host networking cannot resolve the cluster names that it uses",
    check: Some(Severity::Warning),
    lint: Some(Severity::Warning),
    admit: Some(Action::Warn),
    admit_cases: &[("no-cluster-name", Actions::both(Action::Warn))],
    confidence: Confidence::Likely,
    wants: &[Kind::Service, Kind::ConfigMap, Kind::Namespace],
    cases: &[("no-cluster-name", Severity::Info)],
    // Names of the cluster may stand anywhere in a container, and own Services are found by labels.
    reads: &[
        "/spec/hostNetwork",
        "/spec/dnsPolicy",
        "/spec/dnsConfig",
        "/spec/containers",
        "/spec/initContainers",
        "/spec/volumes",
        "/spec/template",
        "/spec/jobTemplate/spec/template",
    ],
    page: include_str!("host_network_without_cluster_dns.md"),
    file: file!(),
    on: &[Check::Workload(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, workload: Workload<'a>, report: &mut Reporter) {
    let spec = workload.spec();
    let exempt = !spec.host_network
        || is_windows(spec)
        || cx.is_system_namespace(&workload.meta().namespace)
        || carries_the_network(spec);
    if exempt {
        return report.not_applicable();
    }
    if spec.dns_policy() != "ClusterFirst" || !spec.nameservers.is_empty() {
        return;
    }
    let reference = workload.reference();
    let base = workload.spec_pointer();
    let used = cluster_name(cx, workload);
    let message = match &used {
        Some(name) => format!(
            "{reference} shares the node's network and uses the node's resolver, which does not know `{name}`"
        ),
        None => format!(
            "{reference} shares the node's network and uses the node's resolver instead of the cluster's DNS"
        ),
    };
    let finding = report.find(message);
    let written = spec.dns_policy.is_some();
    if written {
        finding.at(
            format!("{base}/dnsPolicy"),
            "acts like `Default` with host networking",
        );
        finding.at(format!("{base}/hostNetwork"), "shares the node's network");
    } else {
        finding.at(
            format!("{base}/hostNetwork"),
            "without `dnsPolicy`, names are resolved as on the node",
        );
    }
    match used {
        Some(name) => finding.note(format!(
            "look-ups of `{name}` and of every other Service name fail in its containers"
        )),
        None => finding
            .case("no-cluster-name")
            .severity(Severity::Info)
            .note(
                "nothing in its arguments, environment or configuration refers to a cluster name",
            ),
    };
    finding.fix(
        Fix::patch(
            FixClass::Review,
            "set `dnsPolicy: ClusterFirstWithHostNet`",
            workload.reference(),
        )
        .test(&format!("{base}/hostNetwork"), true)
        .add(&format!("{base}/dnsPolicy"), "ClusterFirstWithHostNet")
        .command(format!("kubectl edit {}", target(workload)))
        .mutating(),
    );
}

/// A name of the cluster that the workload uses, other than the names it goes by itself.
fn cluster_name(cx: &Context<'_>, workload: Workload<'_>) -> Option<String> {
    let namespace = &*workload.meta().namespace;
    let own: Vec<&str> = cx
        .services_selecting(namespace, workload.pod_labels())
        .iter()
        .map(|service| &*service.meta.name)
        .collect();
    // A server's own name stands in its arguments for its certificate; it is not looked up.
    let foreign = |host: &str| {
        let mut parts = host.split('.');
        let name = parts.next().unwrap_or_default();
        let of = parts.next().unwrap_or(namespace);
        !(of == namespace && own.contains(&name))
    };
    let spec = workload.spec();
    let containers = || spec.all_containers().map(|(_, container)| container);
    let hosts = containers().flat_map(|container| &container.mentions.hosts);
    let words = containers()
        .flat_map(|container| &container.mentions.names)
        .filter(|name| is_service(cx, namespace, name));
    let direct = hosts.chain(words).find(|host| foreign(host));
    if let Some(host) = direct {
        return Some(host.to_string());
    }
    let maps = cx.config_maps_of(workload);
    maps.iter()
        .flat_map(|map| &map.mentions.hosts)
        .find(|host| foreign(host))
        .map(ToString::to_string)
}

/// Whether `NAME` or `NAME.NAMESPACE`, in the position of an address, can only be a Service.
fn is_service(cx: &Context<'_>, namespace: &str, host: &str) -> bool {
    match host.split_once('.') {
        None => cx.get::<Service>(namespace, host).is_some(),
        Some((name, of)) => {
            cx.get::<Service>(of, name).is_some()
                || of == namespace
                || cx
                    .get::<Namespace>("", of)
                    .is_some_and(|found| !found.meta().deleting())
        }
    }
}

/// Words in the names of images that carry the cluster's network or its DNS.
pub const NETWORK_IMAGES: &[&str] = &[
    "antrea",
    "aws-k8s-cni",
    "amazon-k8s-cni",
    "azure-cni",
    "azure-cns",
    "azure-npm",
    "calico",
    "cilium",
    "cni-plugins",
    "coredns",
    "dnsmasq",
    "flannel",
    "frr",
    "ip-masq-agent",
    "k8s-dns",
    "kindnet",
    "klipper-lb",
    "kube-dns",
    "kube-ovn",
    "kube-proxy",
    "kube-router",
    "kube-vip",
    "metallb",
    "multus",
    "netd",
    "network-node-manager",
    "node-cache",
    "ovn",
    "ovnkube",
    "openvswitch",
    "romana",
    "spiderpool",
    "sriov",
    "tigera",
    "typha",
    "weave-kube",
    "weave-npc",
    "whereabouts",
];

/// Workloads that the cluster's DNS itself depends on: they must not depend on it.
fn carries_the_network(spec: &PodSpec) -> bool {
    spec.containers.iter().any(|container| {
        let image = &*container.image;
        let bare = image.split('@').next().unwrap_or(image);
        // The owner and the name, without registry and tag: `calico/node`.
        let mut parts = bare.rsplit('/');
        let name = parts.next().unwrap_or(bare);
        let name = name.split(':').next().unwrap_or(name);
        let owner = parts.next().filter(|owner| !owner.contains(['.', ':']));
        let said = |text: &str| NETWORK_IMAGES.iter().any(|word| is_part(text, word));
        said(name) || owner.is_some_and(said)
    })
}

/// Whether `word` stands in a dashed name as whole parts: `calico` in `calico-node`, not `frr` in `afrrx`.
fn is_part(name: &str, word: &str) -> bool {
    name.match_indices(word).any(|(at, _)| {
        let before = name[..at].chars().next_back();
        let after = name[at + word.len()..].chars().next();
        let edge = |neighbour: Option<char>| neighbour.is_none_or(|c| !c.is_ascii_alphanumeric());
        edge(before) && edge(after)
    })
}

#[cfg(test)]
mod tests {
    use super::{RULE, is_part};
    use crate::testkit::{check, check_page, check_with, fix_clears, forbid, lint};

    const BROKEN: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      hostNetwork: true
      containers: [{name: web, image: web, env: [{name: DB, value: 'db.data.svc:5432'}]}]
";

    fn with_value(value: &str) -> String {
        BROKEN.replace("db.data.svc:5432", value)
    }

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn the_fix_clears_it_whether_the_field_is_written_or_not() {
        fix_clears(BROKEN, "HST004");
        let written = BROKEN.replace(
            "hostNetwork: true",
            "hostNetwork: true\n      dnsPolicy: ClusterFirst",
        );
        fix_clears(&written, "HST004");
        assert!(lint(BROKEN).one("HST004").fixes[0].mutating);
    }

    #[test]
    fn bare_pods_and_cron_jobs_have_their_fields_elsewhere() {
        let pod = "
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: shop}
spec: {hostNetwork: true, containers: [{name: a, image: a, args: ['--to=db.data.svc']}]}
";
        fix_clears(pod, "HST004");
        let cron = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: c, namespace: shop}
spec:
  schedule: '* * * * *'
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, hostNetwork: true, containers: [{name: a, image: a, args: ['db.data.svc']}]}}}}
";
        fix_clears(cron, "HST004");
    }

    #[test]
    fn other_policies_and_own_nameservers_are_fine() {
        for fields in [
            "dnsPolicy: ClusterFirstWithHostNet",
            "dnsPolicy: Default",
            "dnsConfig: {nameservers: [10.96.0.10]}",
        ] {
            let other = BROKEN.replace(
                "hostNetwork: true",
                &format!("hostNetwork: true\n      {fields}"),
            );
            lint(&other).none("HST004");
        }
        lint(&BROKEN.replace("hostNetwork: true", "hostNetwork: false")).none("HST004");
    }

    #[test]
    fn without_a_cluster_name_it_is_an_info() {
        for value in [
            "https://api.example.com/v1",
            "node-1:9100",
            "10.0.0.1:80",
            "localhost:8080",
        ] {
            let ran = lint(&with_value(value));
            assert_eq!(ran.one("HST004").severity.as_str(), "info", "{value}");
        }
    }

    #[test]
    fn short_names_count_when_they_can_only_be_a_service() {
        let service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: cart, namespace: shop}\nspec: {selector: {app: cart}, ports: [{port: 80}]}\n";
        let loud = |text: &str| lint(text).one("HST004").severity.as_str() == "warning";
        assert!(loud(&format!("{}{service}", with_value("http://cart:80"))));
        assert!(!loud(&with_value("http://cart:80")), "no such Service here");
        assert!(
            loud(&with_value("cart.shop:80")),
            "the namespace is its own"
        );
        assert!(!loud(&with_value("cart.example:80")));
    }

    #[test]
    fn a_servers_own_name_is_not_looked_up() {
        let own = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n";
        let text = format!("{}{own}", with_value("web.shop.svc"));
        assert_eq!(lint(&text).one("HST004").severity.as_str(), "info");
        assert_eq!(
            lint(&with_value("web.shop.svc"))
                .one("HST004")
                .severity
                .as_str(),
            "warning"
        );
    }

    #[test]
    fn a_mounted_configuration_counts() {
        let map = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf, namespace: shop}\ndata: {out: 'host elasticsearch.logging.svc.cluster.local'}\n";
        let text = with_value("none").replace(
            "containers:",
            "volumes: [{name: v, configMap: {name: conf}}]\n      containers:",
        );
        let ran = lint(&format!("{text}{map}"));
        assert!(
            ran.one("HST004")
                .message
                .contains("elasticsearch.logging.svc.cluster.local")
        );
    }

    #[test]
    fn the_network_itself_windows_and_system_namespaces_are_left_alone() {
        lint(&BROKEN.replace("image: web", "image: docker.io/calico/node:v3")).none("HST004");
        for image in [
            "quay.io/calico/calico-node:v3",
            "coredns/coredns:1.11",
            "registry.test/kube-proxy@sha256:0",
        ] {
            lint(&BROKEN.replace("image: web", &format!("image: '{image}'"))).none("HST004");
        }
        lint(&BROKEN.replace("namespace: shop", "namespace: kube-system")).none("HST004");
        lint(&BROKEN.replace(
            "hostNetwork: true",
            "hostNetwork: true\n      nodeSelector: {kubernetes.io/os: windows}",
        ))
        .none("HST004");
    }

    #[test]
    fn it_needs_nothing_but_the_workload() {
        let ran = check_with(BROKEN, |builder| {
            forbid(builder, crate::model::Kind::Service);
        });
        assert_eq!(ran.one("HST004").severity.as_str(), "warning");
        check(BROKEN).one("HST004");
    }

    #[test]
    fn words_are_whole_parts_of_an_image_name() {
        assert!(is_part("mirrored-flannel-cni", "flannel") && is_part("ovn", "ovn"));
        assert!(!is_part("provider", "ovn") && !is_part("afrrx", "frr"));
    }
}
