//! PRB001: a probe or hook names a port that its container does not declare.

use super::super::Names;
use super::super::cel::{finding, message};
use super::per_container;

/// Probes, and the hook whose failure kills the container.
const PROBES: [(&str, &str); 4] = [
    ("livenessProbe", "c.livenessProbe"),
    ("readinessProbe", "c.readinessProbe"),
    ("startupProbe", "c.startupProbe"),
    ("lifecycle.postStart", "c.lifecycle.postStart"),
];

/// The hook whose failure is only noticed.
const PRE_STOP: [(&str, &str); 1] = [("lifecycle.preStop", "c.lifecycle.preStop")];

pub(super) fn of_probes(names: &Names) -> String {
    found(names, &PROBES)
}

pub(super) fn of_pre_stop(names: &Names) -> String {
    found(names, &PRE_STOP)
}

/// The kubelet compares names only, whatever the protocol. A number in quotes is refused by the API server.
fn found(names: &Names, fields: &[(&str, &str)]) -> String {
    let uses: Vec<String> = fields
        .iter()
        .flat_map(|(field, place)| {
            ["httpGet", "tcpSocket"].map(|action| used(field, place, action))
        })
        .collect();
    let undeclared = "type(n.port) == string && n.port != '' && !n.port.matches('^[+-]?[0-9]+$') \
        && (!has(c.ports) || !c.ports.exists(q, has(q.name) && q.name == n.port))";
    let fact = "n.field + \" of container \" + c.name + \" of \" + variables.subject + \" uses port \" + n.port + \", which the container does not declare\"";
    let fix = "(has(c.ports) && size(c.ports) == 1 ? (has(c.ports[0].name) && c.ports[0].name != '' ? \"use \" + c.ports[0].name : \"use port \" + string(c.ports[0].containerPort)) \
        : \"declare a port named \" + n.port + \", or use one that the container declares\")";
    let each = format!(
        "({}).filter(n, {undeclared}).map(n, {})",
        uses.join(" + "),
        finding("c.name + '/' + n.field", &message("PRB001", fact, fix))
    );
    per_container(names.serving, &each)
}

/// What a field uses: `{'field', 'port'}`, or nothing.
fn used(field: &str, place: &str, action: &str) -> String {
    let mut there = String::from("has(c.lifecycle) && ");
    if !place.starts_with("c.lifecycle") {
        there.clear();
    }
    format!(
        "({there}has({place}) && has({place}.{action}) ? [{{'field': dyn('{field}'), 'port': dyn({place}.{action}.port)}}] : [])"
    )
}
