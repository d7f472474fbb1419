//! Where a Service port leads, as the `EndpointSlice` controller decides it.
//!
//! Source: `pkg/controller/util/endpoint` and `k8s.io/component-helpers/... FindPort` in Kubernetes: a name must match
//! name *and* protocol, in regular containers first, then in restartable init containers (KEP-753). A number is used
//! as it is: `containerPort` is informational.

use crate::model::{ContainerPort, IntOrString, PodSpec, Protocol, ServicePort};

/// What a `targetPort` becomes on one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// Traffic goes to this port.
    Port(i32),
    /// The pod declares no port of that name and protocol: it gets no endpoint for this Service port.
    NoSuchName,
    /// The pod declares the name, but only with another protocol.
    OtherProtocol(i32),
}

/// Resolves a Service port on a pod.
pub fn resolve(spec: &PodSpec, port: &ServicePort) -> Resolved {
    match port.target() {
        IntOrString::Int(number) => Resolved::Port(number),
        IntOrString::Text(name) => resolve_name(spec, &name, &port.protocol),
    }
}

/// Resolves a port name on a pod, as Services and policies do.
pub fn resolve_name(spec: &PodSpec, name: &str, protocol: &Protocol) -> Resolved {
    let mut other = None;
    for (_, port) in spec.declared_ports() {
        if port.name.as_deref() != Some(name) {
            continue;
        }
        if port.protocol == *protocol {
            return Resolved::Port(port.container_port);
        }
        other = other.or(Some(port.container_port));
    }
    other.map_or(Resolved::NoSuchName, Resolved::OtherProtocol)
}

/// Whether a serving container declares the number with the protocol.
pub fn declares(spec: &PodSpec, number: i32, protocol: &Protocol) -> bool {
    spec.declared_ports()
        .any(|(_, port)| port.container_port == number && port.protocol == *protocol)
}

/// Ports that serving containers declare with a protocol.
pub fn declared<'a>(
    spec: &'a PodSpec,
    protocol: &'a Protocol,
) -> impl Iterator<Item = &'a ContainerPort> {
    spec.declared_ports()
        .map(|(_, port)| port)
        .filter(move |port| port.protocol == *protocol)
}

/// How messages name a declared port: `http=8080` or `8080`, with the protocol unless it is TCP.
pub fn describe(port: &ContainerPort) -> String {
    let number = match &port.protocol {
        Protocol::Tcp => port.container_port.to_string(),
        protocol => format!("{}/{protocol}", port.container_port),
    };
    match port.name.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => format!("{name}={number}"),
        None => number,
    }
}

/// A port on the node that pods of a specification ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostPort<'a> {
    /// Position in [`PodSpec::declared_ports`].
    pub position: usize,
    /// The container's declaration.
    pub declared: &'a ContainerPort,
    /// Port on the node.
    pub port: i32,
}

impl<'a> HostPort<'a> {
    /// Address on the node; `None` means all of them.
    pub fn ip(self) -> Option<&'a str> {
        self.declared
            .host_ip
            .as_deref()
            .filter(|ip| !ip.is_empty() && *ip != "0.0.0.0")
    }

    /// Whether a node cannot serve both, as the scheduler's `HostPortInfo` decides it.
    pub fn clashes(self, other: HostPort<'_>) -> bool {
        self.port == other.port
            && self.declared.protocol == other.declared.protocol
            && self
                .ip()
                .is_none_or(|ip| other.ip().is_none_or(|other| ip == other))
    }

    /// `80/TCP`.
    pub fn key(self) -> String {
        format!("{}/{}", self.port, self.declared.protocol)
    }

    /// Pointer to the declaration, below the pod specification.
    pub fn pointer(self, spec: &PodSpec) -> String {
        spec.declared_ports()
            .nth(self.position)
            .map(|(pointer, _)| pointer)
            .unwrap_or_default()
    }
}

/// Ports on the node that the scheduler reserves for pods of a specification: written host ports, and with host
/// networking every declared port, because the API server fills in `hostPort` when it creates the pod. Serving
/// containers only (`GetHostPorts` in kube-scheduler).
pub fn on_node(spec: &PodSpec) -> Vec<HostPort<'_>> {
    let asks = |container: &crate::model::Container| {
        spec.host_network && !container.ports.is_empty()
            || container
                .ports
                .iter()
                .any(|port| port.host_port().is_some())
    };
    // Most pods ask for none, and clusters have many pods.
    if !spec.containers.iter().any(asks) && !spec.init_containers.iter().any(asks) {
        return Vec::new();
    }
    let declared = spec.declared_ports().map(|(_, port)| port).enumerate();
    declared
        .filter_map(|(position, declared)| {
            let port = match declared.host_port() {
                Some(port) => port,
                None if spec.host_network => declared.container_port,
                None => return None,
            };
            (1..=65_535).contains(&port).then_some(HostPort {
                position,
                declared,
                port,
            })
        })
        .collect()
}

/// Host ports as messages list them, each once: `80/TCP, 443/TCP`.
pub fn list(ports: &[HostPort<'_>]) -> String {
    let mut keys: Vec<String> = Vec::new();
    for port in ports {
        let key = port.key();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &str) -> PodSpec {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn ports_on_the_node_are_written_ones_and_with_host_networking_all() {
        let ports = r#""containers":[{"ports":[{"containerPort":80},{"containerPort":81,"hostPort":8081}]}],
            "initContainers":[{"ports":[{"containerPort":1,"hostPort":1}]},
                {"restartPolicy":"Always","ports":[{"containerPort":2,"hostPort":2}]}]"#;
        let numbers = |spec: &PodSpec| on_node(spec).iter().map(|p| p.port).collect::<Vec<_>>();
        assert_eq!(numbers(&spec(&format!("{{{ports}}}"))), [8081, 2]);
        assert_eq!(
            numbers(&spec(&format!(r#"{{"hostNetwork":true,{ports}}}"#))),
            [80, 8081, 2]
        );
        let odd = spec(r#"{"hostNetwork":true,"containers":[{"ports":[{"containerPort":-1}]}]}"#);
        assert!(on_node(&odd).is_empty());
    }

    #[test]
    fn a_port_on_all_addresses_clashes_with_one_on_any() {
        let spec = spec(
            r#"{"containers":[{"ports":[{"containerPort":80,"hostPort":80},{"containerPort":80,"hostPort":80,"hostIP":"127.0.0.1"},
                {"containerPort":80,"hostPort":80,"hostIP":"10.0.0.1"},{"containerPort":80,"hostPort":80,"protocol":"UDP"}]}]}"#,
        );
        let ports = on_node(&spec);
        assert!(ports[0].clashes(ports[1]) && ports[1].clashes(ports[0]));
        assert!(!ports[1].clashes(ports[2]) && !ports[0].clashes(ports[3]));
        assert_eq!(ports[2].pointer(&spec), "/containers/0/ports/2");
        assert_eq!(list(&ports), "80/TCP, 80/UDP");
    }
}
