//! Second signs that an undeclared target port is a mistake. The number alone proves nothing: a port list is
//! informational (kubernetes/kubernetes issue 73049).

use crate::{
    context::Context,
    model::{Container, ContainerPort, IntOrString, Service, Workload},
};

/// A sign, with the declared port that it points to.
pub(super) struct Sign {
    /// The port that was probably meant.
    pub(super) meant: i32,
    /// One fact.
    pub(super) text: String,
}

/// Every sign that holds for a port of the Service.
pub(super) fn collect<'a>(
    cx: &Context<'a>,
    service: &Service,
    index: usize,
    target: i32,
    selected: &[Workload<'a>],
) -> Vec<Sign> {
    let Some(port) = service.ports.get(index) else {
        return Vec::new();
    };
    // What another port of the Service leads to is not what this one was meant for.
    let taken = |declared: &ContainerPort| {
        service.ports.iter().enumerate().any(|(other, port)| {
            other != index
                && port.protocol == declared.protocol
                && match port.target() {
                    IntOrString::Int(number) => number == declared.container_port,
                    IntOrString::Text(name) => declared.name.as_deref() == Some(&*name),
                }
        })
    };
    let mut declared: Vec<&ContainerPort> = selected
        .iter()
        .flat_map(|workload| workload.spec().declared_ports())
        .map(|(_, declared)| declared)
        .filter(|declared| declared.protocol == port.protocol)
        .collect();
    declared.sort_by_key(|declared| declared.container_port);
    declared.dedup_by_key(|declared| declared.container_port);
    let free: Vec<&ContainerPort> = declared
        .iter()
        .copied()
        .filter(|declared| !taken(declared) && !is_side_port(declared))
        .collect();
    let mut signs = Vec::new();
    let mut sign = |meant: i32, text: String| signs.push(Sign { meant, text });
    let unset = matches!(port.target_port, None | Some(IntOrString::Int(0)))
        || port.target_port.as_ref().and_then(IntOrString::text) == Some("");
    if let ([only], [_]) = (&free[..], &declared[..]) {
        let number = only.container_port;
        if unset {
            sign(
                number,
                format!(
                    "`targetPort` is not set, and {number} is the only port that the Pods declare"
                ),
            );
        }
        if let Some(what) = names_only(cx, selected, number) {
            sign(
                number,
                format!("{what} names {number}, and nothing names {target}"),
            );
        }
        if selected.iter().all(|workload| workload.spec().host_network) {
            sign(
                number,
                format!(
                    "the Pods are on the host network, and {target} is not among the ports that they hold there"
                ),
            );
        }
    }
    for declared in free {
        let number = declared.container_port;
        if number == port.port {
            sign(
                number,
                format!("the Pods declare {number}, which is the `port` of the Service"),
            );
        }
        if declared.host_port() == Some(target) {
            sign(
                number,
                format!(
                    "{target} is the host port of {number}: it leads to the node, not into the Pod"
                ),
            );
        }
        if one_slip(target, number) {
            sign(
                number,
                format!("{target} and the declared {number} are one slip apart"),
            );
        }
    }
    signs
}

/// Names of ports that are declared for somebody else than the clients of a Service.
const SIDE_PORTS: &[&str] = &[
    "metric", "health", "prom", "probe", "live", "ready", "debug", "pprof", "admin", "monitor",
];

fn is_side_port(port: &ContainerPort) -> bool {
    port.name
        .as_deref()
        .is_some_and(|name| SIDE_PORTS.iter().any(|side| name.contains(side)))
}

/// Programs that people put in front of the container that declares the port.
const SERVERS: &[&str] = &[
    "nginx",
    "httpd",
    "apache",
    "caddy",
    "haproxy",
    "envoy",
    "traefik",
    "openresty",
    "varnish",
    "proxy",
];

/// A web server beside other containers that declares no port at all: php-fpm declares 9000, the nginx before it nothing.
pub(super) fn silent_server<'a>(selected: &[Workload<'a>]) -> Option<&'a str> {
    let containers = selected
        .iter()
        .flat_map(|workload| &workload.spec().containers);
    containers
        .filter(|container| container.ports.is_empty())
        .find(|container| {
            let image = container.image.rsplit('/').next().unwrap_or_default();
            SERVERS
                .iter()
                .any(|server| image.contains(server) || container.name.contains(server))
        })
        .map(|container| &*container.name)
}

/// Whether a probe or a hook connects to the number.
pub(super) fn probes(workload: Workload<'_>, number: i32) -> bool {
    workload
        .spec()
        .all_containers()
        .any(|(_, container)| probed(container, number))
}

fn probed(container: &Container, number: i32) -> bool {
    container.probes().any(|(_, probe)| {
        probe.port().is_some_and(|(_, port)| match port {
            IntOrString::Int(port) => *port == number,
            IntOrString::Text(name) => container
                .ports
                .iter()
                .any(|port| port.name.as_deref() == Some(&**name) && port.container_port == number),
        })
    })
}

/// The only container of every backend names the declared port, by probe, argument or variable. That nothing names the
/// target was seen before.
fn names_only(cx: &Context<'_>, selected: &[Workload<'_>], number: i32) -> Option<&'static str> {
    let mut what = None;
    for workload in selected {
        let mut containers = workload.spec().serving_containers();
        let (_, container) = containers.next()?;
        if containers.next().is_some() {
            return None;
        }
        what = Some(if probed(container, number) {
            "a probe"
        } else if cx.mentions_port(*workload, number) {
            "the configuration of the container"
        } else {
            return None;
        });
    }
    what
}

/// Two numbers that people mistake: swapped neighbours, a digit left out or typed twice, 80 for 8080, 443 for 8443.
pub(super) fn one_slip(a: i32, b: i32) -> bool {
    let (a, b) = (a.to_string(), b.to_string());
    let (short, long) = if a.len() <= b.len() {
        (&a, &b)
    } else {
        (&b, &a)
    };
    if matches!((&**short, &**long), ("80", "8080") | ("443", "8443")) {
        return true;
    }
    let (short, long) = (short.as_bytes(), long.as_bytes());
    if short.len() == long.len() {
        let different: Vec<usize> = (0..short.len())
            .filter(|at| short[*at] != long[*at])
            .collect();
        return matches!(different[..], [first, second]
            if second == first + 1 && short[first] == long[second] && short[second] == long[first]);
    }
    // One digit more: numbers of two digits have too little to lose.
    short.len() > 2
        && long.len() == short.len() + 1
        && (0..long.len()).any(|out| {
            let without = long.iter().enumerate().filter(|(at, _)| *at != out);
            without.map(|(_, digit)| digit).eq(short.iter())
        })
}
