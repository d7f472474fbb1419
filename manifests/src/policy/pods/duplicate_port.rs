//! HST005: containers that share the node's network declare one port twice.

use super::super::Names;
use super::super::cel::{host_network, message, protocol, text};
use super::{effective, per_port, written};

/// The second one is a regular container: the API server refuses the Pods.
pub(super) fn of_containers(names: &Names) -> String {
    found(names, &format!("!{}", later_is_sidecar(names)))
}

/// The second one is a sidecar: it fails to bind.
pub(super) fn of_sidecars(names: &Names) -> String {
    found(names, &later_is_sidecar(names))
}

/// Both: what is a sidecar now may have been a container before.
pub(super) fn either(names: &Names) -> String {
    found(names, "true")
}

/// Findings stand at the first declaration `p` in container `c`; the second one is in the same container or in the first
/// other one that has it.
fn found(names: &Names, case: &str) -> String {
    let serving = names.serving;
    let number = format!("string({}) + '/' + {}", effective("p"), protocol("p"));
    let address = "(has(p.hostIP) ? p.hostIP : '')";
    let first = format!(
        "{serving}.filter(d, has(d.ports) && d.ports.exists(q, {same}))[0].name == c.name && c.ports.filter(q, {same})[0] == p",
        same = same_place("q", "p")
    );
    let (others, twice) = (others(names), twice_here(names));
    let condition =
        format!("p.containerPort > 0 && {first} && ({twice} || size({others}) > 0) && {case}");
    let who = format!(
        "({twice} ? \"container \" + c.name + \" declares\" : \"containers \" + c.name + \" and \" + {others}[0].name + \" declare\")"
    );
    let fact = format!(
        "{who} + \" port \" + {number} + \" twice in \" + variables.subject + \", which shares the node's network\""
    );
    let fix =
        text("give each process a port of its own, or declare the port once if it is one process");
    let key = format!("{number} + ({address} == '' ? '' : '/' + {address})");
    let found = per_port(serving, &condition, &key, &message("HST005", &fact, &fix));
    format!("!{} ? [] : {found}", host_network(names.pod))
}

/// The same number, protocol and address. The API server compares the address as text.
fn same_place(q: &str, p: &str) -> String {
    let address = |port: &str| format!("(has({port}.hostIP) ? {port}.hostIP : '')");
    format!(
        "{} == {} && {} == {} && {} == {}",
        effective(q),
        effective(p),
        protocol(q),
        protocol(p),
        address(q),
        address(p)
    )
}

/// Names are unique in a Pod, and a regular container may have a `restartPolicy` too.
fn is_sidecar(pod: &str, container: &str) -> String {
    format!(
        "(has({pod}.initContainers) && {pod}.initContainers.exists(i, i.name == {container}.name))"
    )
}

/// Whether the container itself declares the place again. With both host ports written out the API server refuses the
/// object by itself, unless a sidecar is the later one.
fn twice_here(names: &Names) -> String {
    let same = same_place("q", "p");
    format!(
        "(size(c.ports.filter(q, {same})) > 1 && ({} || !{} || c.ports.exists(q, {same} && !{})))",
        is_sidecar(names.pod, "c"),
        written("p"),
        written("q")
    )
}

/// The other containers that declare the place.
fn others(names: &Names) -> String {
    format!(
        "{}.filter(d, d.name != c.name && has(d.ports) && d.ports.exists(q, {} && ({} || !{} || !{})))",
        names.serving,
        same_place("q", "p"),
        is_sidecar(names.pod, "d"),
        written("p"),
        written("q")
    )
}

fn later_is_sidecar(names: &Names) -> String {
    let other = format!("{}[0]", others(names));
    format!(
        "({} ? {} : {})",
        twice_here(names),
        is_sidecar(names.pod, "c"),
        is_sidecar(names.pod, &other)
    )
}
