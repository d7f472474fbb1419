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
