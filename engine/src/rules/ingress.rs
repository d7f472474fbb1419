//! Ingress (ING).

use crate::{
    model::{Backend, BackendPort, Ingress},
    rule::Rule,
};

mod ingress_backend_has_no_ready_endpoint;
mod ingress_backend_port_missing;
mod ingress_backend_service_missing;
mod ingress_class_missing;
mod ingress_class_not_served;

pub(super) static RULES: &[&Rule] = &[
    &ingress_backend_service_missing::RULE,
    &ingress_backend_port_missing::RULE,
    &ingress_backend_has_no_ready_endpoint::RULE,
    &ingress_class_missing::RULE,
    &ingress_class_not_served::RULE,
];

/// The places of an Ingress that lead to one Service, and where it matters to one port of it.
struct Reference<'a> {
    service: &'a str,
    port: &'a BackendPort,
    /// The form of the removed beta API.
    legacy: bool,
    /// JSON pointers to the backends.
    pointers: Vec<String>,
    /// `HOST/PATH` of the first place.
    route: String,
}

impl Reference<'_> {
    /// Pointers to the Service's name.
    fn name_pointers(&self) -> impl Iterator<Item = String> {
        let field = if self.legacy {
            "serviceName"
        } else {
            "service/name"
        };
        self.pointers
            .iter()
            .map(move |pointer| format!("{pointer}/{field}"))
    }

    /// Pointers to the port.
    fn port_pointers(&self) -> impl Iterator<Item = String> {
        let field = if self.legacy {
            "servicePort"
        } else {
            "service/port"
        };
        self.pointers
            .iter()
            .map(move |pointer| format!("{pointer}/{field}"))
    }

    /// The first route, and how many more there are.
    fn routes(&self) -> String {
        match self.pointers.len() {
            0 | 1 => format!("`{}`", self.route),
            2 => format!("`{}` and 1 more path", self.route),
            many => format!("`{}` and {} more paths", self.route, many - 1),
        }
    }
}

/// Backends that are Services, grouped by Service, and by port too if `same` says so.
///
/// Left out: the Ingresses that cert-manager makes for a challenge, whose Service lives for seconds, and backends with
/// the port name `use-annotation`, where the AWS load balancer controller reads the name of an action instead.
fn references<'a>(
    ingress: &'a Ingress,
    same: impl Fn(&Backend, &BackendPort) -> bool,
) -> Vec<Reference<'a>> {
    let mut found: Vec<Reference<'a>> = Vec::new();
    if ingress
        .meta
        .labels
        .get("acme.cert-manager.io/http01-solver")
        == Some("true")
    {
        return found;
    }
    for (pointer, backend, host, path) in ingress.backends() {
        let Some(service) = backend.service.as_deref().filter(|name| !name.is_empty()) else {
            continue;
        };
        if matches!(&backend.port, BackendPort::Name(name) if &**name == "use-annotation") {
            continue;
        }
        let known = found.iter_mut().find(|known| {
            known.service == service && known.legacy == backend.legacy && same(backend, known.port)
        });
        if let Some(known) = known {
            known.pointers.push(pointer);
            continue;
        }
        found.push(Reference {
            service,
            port: &backend.port,
            legacy: backend.legacy,
            route: route(&pointer, host, path),
            pointers: vec![pointer],
        });
    }
    found
}

fn route(pointer: &str, host: &str, path: &str) -> String {
    if pointer == "/spec/defaultBackend" {
        return "the default backend".to_owned();
    }
    let host = if host.is_empty() { "*" } else { host };
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{host}{slash}{path}")
}
