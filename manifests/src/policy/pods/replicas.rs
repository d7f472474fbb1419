//! HST002: nothing keeps two Pods with host networking off the same node.

use netdoctor_engine::model::Kind;

use super::super::Names;
use super::super::cel::{host_network, message, only_if, or, protocol, text};
use super::{effective, per_container};

/// Kinds with a number of replicas that may share a node.
pub(super) const REPLICATED: &[Kind] = &[Kind::Deployment, Kind::StatefulSet, Kind::ReplicaSet];

/// No port is declared.
pub(super) fn without_ports(names: &Names) -> String {
    found(names, &format!("{} == ''", keys(names)))
}

/// Declared ports keep the Pods apart.
pub(super) fn with_ports(names: &Names) -> String {
    found(names, &format!("{} != ''", keys(names)))
}

/// Both: one that declares its ports now was worse before.
pub(super) fn either(names: &Names) -> String {
    found(names, "true")
}

fn found(names: &Names, case: &str) -> String {
    let (object, pod) = (names.object, names.pod);
    let replicas = format!(
        "(has({object}.spec) ? {} : 1)",
        or(&format!("{object}.spec"), "replicas", "1")
    );
    let condition = format!(
        "{} && {replicas} >= 2 && !{} && {case}",
        host_network(pod),
        kept_apart(names)
    );
    let keys = keys(names);
    let fact = format!(
        "({keys} == '' ? \"two of the \" + string({replicas}) + \" Pods of \" + variables.subject + \" may share a node and its network, and no port is declared\" \
         : \"only host port \" + {keys} + \" keeps the \" + string({replicas}) + \" Pods of \" + variables.subject + \" on different nodes\")"
    );
    let fix = text("keep its Pods on different nodes by required anti-affinity");
    only_if(&condition, "''", &message("HST002", &fact, &fix))
}

/// The ports that the scheduler reserves on the node: `80/TCP, 443/TCP`.
fn keys(names: &Names) -> String {
    let number = effective("p");
    let of_container = format!(
        "!has(c.ports) ? '' : c.ports.filter(p, {number} > 0 && {number} < 65536).map(p, string({number}) + '/' + {}).join(', ')",
        protocol("p")
    );
    format!(
        "{}.filter(s, s != '').join(', ')",
        per_container(names.serving, &of_container)
    )
}

/// Whether a required term keeps the Pods away from each other. Every node label counts as the name of a node or of
/// something wider.
fn kept_apart(names: &Names) -> String {
    let pod = names.pod;
    let terms = "podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution";
    let namespace = "(!has(t.namespaces) || size(t.namespaces) == 0) && !has(t.namespaceSelector) || has(t.namespaceSelector) || has(t.namespaces) && request.namespace in t.namespaces";
    let selects = selects("t.labelSelector", names.labels);
    format!(
        "(has({pod}.affinity) && has({pod}.affinity.podAntiAffinity) && has({pod}.affinity.{terms}) \
         && {pod}.affinity.{terms}.exists(t, has(t.topologyKey) && t.topologyKey != '' && has(t.labelSelector) && ({namespace}) && {selects}))"
    )
}

/// Whether a selector matches labels. An operator of a later version counts as matching.
fn selects(selector: &str, labels: &str) -> String {
    let value = format!("(e.key in {labels} && has(e.values) && {labels}[e.key] in e.values)");
    format!(
        "(!has({selector}.matchLabels) || {selector}.matchLabels.all(k, k in {labels} && {labels}[k] == {selector}.matchLabels[k])) \
         && (!has({selector}.matchExpressions) || {selector}.matchExpressions.all(e, e.operator == 'In' ? {value} : e.operator == 'NotIn' ? !{value} \
         : e.operator == 'Exists' ? e.key in {labels} : e.operator == 'DoesNotExist' ? !(e.key in {labels}) : true))"
    )
}
