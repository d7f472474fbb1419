//! Rules about Pods and what makes them.

mod duplicate_port;
mod named_port;
mod privileged_port;
mod replicas;

use netdoctor_engine::model::Kind;
use netdoctor_engine::rule::Severity;
use netdoctor_engine::rules::NETWORK_IMAGES;

use super::cel::{finding, host_network, list, message, only_if, or, protocol, text, windows};
use super::{Expressed, Names};

/// Every kind that runs Pods.
const WORKLOADS: &[Kind] = &[
    Kind::Pod,
    Kind::Deployment,
    Kind::StatefulSet,
    Kind::DaemonSet,
    Kind::ReplicaSet,
    Kind::ReplicationController,
    Kind::Job,
    Kind::CronJob,
];

/// What is expressed, in code order.
pub(super) const EXPRESSED: &[Expressed] = &[
    Expressed {
        code: "HST001",
        case: None,
        severity: Severity::Warning,
        kinds: WORKLOADS,
        found: host_port_differs,
        known: None,
        leaves_out: "",
    },
    Expressed {
        code: "HST002",
        case: Some("ports-not-declared"),
        severity: Severity::Warning,
        kinds: replicas::REPLICATED,
        found: replicas::without_ports,
        known: None,
        leaves_out: "the minimum of an autoscaler",
    },
    Expressed {
        code: "HST002",
        case: Some("ports-declared"),
        severity: Severity::Info,
        kinds: replicas::REPLICATED,
        found: replicas::with_ports,
        known: Some(replicas::either),
        leaves_out: "the minimum of an autoscaler; a port is listed as often as it is declared",
    },
    Expressed {
        code: "HST004",
        case: None,
        severity: Severity::Warning,
        kinds: WORKLOADS,
        found: without_cluster_dns,
        known: None,
        leaves_out: "the name that does not resolve, which may stand in a ConfigMap",
    },
    Expressed {
        code: "HST005",
        case: None,
        severity: Severity::Error,
        kinds: WORKLOADS,
        found: duplicate_port::of_containers,
        known: None,
        leaves_out: "",
    },
    Expressed {
        code: "HST005",
        case: Some("sidecar"),
        severity: Severity::Warning,
        kinds: WORKLOADS,
        found: duplicate_port::of_sidecars,
        known: Some(duplicate_port::either),
        leaves_out: "",
    },
    Expressed {
        code: "HST009",
        case: None,
        severity: Severity::Warning,
        kinds: WORKLOADS,
        found: privileged_port::without_capability,
        known: None,
        leaves_out: "",
    },
    Expressed {
        code: "HST009",
        case: Some("capability-without-effect"),
        severity: Severity::Info,
        kinds: WORKLOADS,
        found: privileged_port::with_capability,
        known: Some(privileged_port::either),
        leaves_out: "",
    },
    Expressed {
        code: "PRB001",
        case: None,
        severity: Severity::Error,
        kinds: WORKLOADS,
        found: named_port::of_probes,
        known: None,
        leaves_out: "the name that was probably meant",
    },
    Expressed {
        code: "PRB001",
        case: Some("pre-stop"),
        severity: Severity::Warning,
        kinds: WORKLOADS,
        found: named_port::of_pre_stop,
        known: None,
        leaves_out: "the name that was probably meant",
    },
];

/// Findings per container: `each` is CEL about one container `c`.
fn per_container(containers: &str, each: &str) -> String {
    format!("{containers}.map(c, {each})")
}

/// Findings per port of a container: `condition`, `key` and `text` are CEL about a port `p` of a container `c`.
fn per_port(containers: &str, condition: &str, key: &str, text: &str) -> String {
    let found = finding(key, text);
    per_container(
        containers,
        &format!("!has(c.ports) ? [] : c.ports.filter(p, {condition}).map(p, {found})"),
    )
}

/// The port on the node, where one is written.
fn written(port: &str) -> String {
    format!("(has({port}.hostPort) && {port}.hostPort != 0)")
}

/// The port on the node with host networking.
fn effective(port: &str) -> String {
    format!(
        "({} ? {port}.hostPort : {port}.containerPort)",
        written(port)
    )
}

fn host_port_differs(names: &Names) -> String {
    let (pod, all) = (names.pod, names.all);
    let (written, proto) = (written("p"), protocol("p"));
    let clash = format!(
        "{all}.exists(d, has(d.ports) && d.ports.exists(q, (d.name != c.name || q != p) && {} == {proto} && {} == p.containerPort))",
        protocol("q"),
        effective("q"),
    );
    let fact = "\"container \" + c.name + \" of \" + variables.subject + \" shares the node's network and asks for hostPort \" + string(p.hostPort) + \" with containerPort \" + string(p.containerPort)";
    let fix = format!(
        "({clash} ? \"decide which port the process binds: another port of the Pod already claims \" + string(p.containerPort) + '/' + {proto} : \"set hostPort to \" + string(p.containerPort))"
    );
    let found = per_port(
        all,
        &format!("{written} && p.hostPort != p.containerPort"),
        &format!("c.name + '/' + string(p.hostPort) + '/' + {proto}"),
        &message("HST001", fact, &fix),
    );
    format!("!{} ? [] : {found}", host_network(pod))
}

fn without_cluster_dns(names: &Names) -> String {
    let pod = names.pod;
    let condition = format!(
        "{} && {} == 'ClusterFirst' && !(has({pod}.dnsConfig) && has({pod}.dnsConfig.nameservers) && size({pod}.dnsConfig.nameservers) > 0) && !{} && !{}",
        host_network(pod),
        or(pod, "dnsPolicy", "'ClusterFirst'"),
        windows(pod),
        carries_the_network(pod),
    );
    let fact = "variables.subject + \" shares the node's network and uses the node's resolver instead of the cluster's DNS\"";
    let fix = text("set dnsPolicy: ClusterFirstWithHostNet");
    only_if(&condition, "''", &message("HST004", fact, &fix))
}

/// Workloads that the cluster's DNS itself depends on: a word of the list stands, as a whole part, in the name of an
/// image or of its owner.
fn carries_the_network(pod: &str) -> String {
    let words = NETWORK_IMAGES.join("|");
    let name = format!(
        "(^|/)([^/:@]*[^A-Za-z0-9/:@])?({words})([^A-Za-z0-9/:@][^/:@]*)?(:[^/@]*)?(@.*)?$"
    );
    let owner =
        format!("(^|/)([^/:.@]*[^A-Za-z0-9/:.@])?({words})([^A-Za-z0-9/:.@][^/:.@]*)?/[^/]*$");
    format!(
        "(has({pod}.containers) && {pod}.containers.exists(c, has(c.image) && {}.exists(r, c.image.matches(r))))",
        list([name.as_str(), owner.as_str()])
    )
}
