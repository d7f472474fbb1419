//! `ingress-backend-port-missing`

use super::{Reference, references};
use crate::{
    context::{Context, Reporter},
    finding::{Fix, FixClass},
    model::{BackendPort, Ingress, IntOrString, Kind, Object as _, Service, ServicePort},
    near,
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
};
use serde_json::{Value, json};

pub(super) static RULE: Rule = Rule {
    code: "ING002",
    name: "ingress-backend-port-missing",
    summary: "an Ingress names a port that its Service does not have",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    admit: Some(Action::Deny),
    confidence: Confidence::Certain,
    evidence: Evidence::Contra,
    needs: &[Kind::Service],
    triggers: &[Kind::Service],
    reads: &["/spec/defaultBackend", "/spec/backend", "/spec/rules"],
    page: include_str!("ingress_backend_port_missing.md"),
    file: file!(),
    on: &[Check::Ingress(check)],
    ..Rule::BASE
};

fn check(cx: &Context<'_>, ingress: &Ingress, report: &mut Reporter) {
    let references = references(ingress, |backend, port| backend.port == *port);
    if references.is_empty() || ingress.meta.deleting() {
        return report.not_applicable();
    }
    let namespace = &*ingress.meta.namespace;
    for reference in references {
        let services = cx.named::<Service>(namespace, reference.service);
        // A missing Service is ING001; an ExternalName has no ports of its own.
        let Some(first) = services.first() else {
            continue;
        };
        let satisfied = |service: &Service| {
            service.is_external_name() || find_port(service, reference.port).is_some()
        };
        // The API server refuses a backend without a port, and a Service without one that has an address.
        if *reference.port == BackendPort::Unset
            || services
                .iter()
                .any(|service| satisfied(service) || service.ports.is_empty())
        {
            continue;
        }
        if cx.may_be_here::<Service>(&ingress.meta, |service| {
            *service.meta.name == *reference.service && satisfied(service)
        }) {
            report.skip(format!(
                "namespace not stated: another Service `{}` has that port",
                reference.service
            ));
            continue;
        }
        report_port(ingress, first, &reference, report);
    }
}

/// The port of a Service that a backend means: by number, or by name. A port without a name has no name that an unset
/// one could equal.
pub(super) fn find_port<'a>(service: &'a Service, wanted: &BackendPort) -> Option<&'a ServicePort> {
    service.ports.iter().find(|port| match wanted {
        BackendPort::Unset => false,
        BackendPort::Number(number) => port.port == *number,
        BackendPort::Name(name) => port.name.as_deref().is_some_and(|own| own == &**name),
    })
}

fn report_port(
    ingress: &Ingress,
    service: &Service,
    reference: &Reference<'_>,
    report: &mut Reporter,
) {
    let labels: Vec<String> = service.ports.iter().map(ServicePort::label).collect();
    let kind = match reference.port {
        BackendPort::Name(_) => "a port named ",
        BackendPort::Number(_) | BackendPort::Unset => "port ",
    };
    let finding = report.find(format!(
        "Ingress `{}` sends {} to {kind}`{}` of Service `{}`, which has only {}",
        ingress.meta,
        reference.routes(),
        reference.port,
        reference.service,
        labels.join(", ")
    ));
    finding
        .key(format!("{}:{}", reference.service, reference.port))
        .looked_for(Kind::Service, &service.meta.namespace, reference.service);
    for (index, pointer) in reference.port_pointers().enumerate() {
        finding.at(pointer, if index == 0 { "no such port" } else { "" });
    }
    finding.label(service.reference(), "/spec/ports", "the ports it has");
    finding.note("the ingress controller finds no endpoint for it and answers 503 or 404");
    let meant = target_of(service, reference.port);
    if let Some(port) = meant {
        finding.note(format!(
            "`{}` is where the Pods listen (targetPort); an Ingress uses the Service's own port, {}",
            reference.port, port.port
        ));
    }
    finding.fix(fix(ingress, service, reference, meant));
}

/// The one port that leads to the number or name, where somebody wrote the container's port instead of the Service's.
fn target_of<'a>(service: &'a Service, wanted: &BackendPort) -> Option<&'a ServicePort> {
    let leads = |port: &&ServicePort| match (port.target(), wanted) {
        (IntOrString::Int(target), BackendPort::Number(number)) => target == *number,
        (IntOrString::Text(target), BackendPort::Name(name)) => target == *name,
        _ => false,
    };
    let mut found = service.ports.iter().filter(leads);
    found.next().filter(|_| found.next().is_none())
}

fn fix(
    ingress: &Ingress,
    service: &Service,
    reference: &Reference<'_>,
    meant: Option<&ServicePort>,
) -> Fix {
    let candidate = meant.or_else(|| nearest(service, reference.port));
    let Some(port) = candidate else {
        let ports: Vec<String> = service
            .ports
            .iter()
            .map(|port| format!("`{}`", port.stable_key()))
            .collect();
        return Fix::manual(format!(
            "name a port that the Service has: {}",
            ports.join(", ")
        ))
        .command(format!(
            "kubectl -n {} describe service {}",
            service.meta.namespace, service.meta.name
        ));
    };
    // Whoever wrote a name keeps a name, if the port has one.
    let name = port.name.as_deref().filter(|name| !name.is_empty());
    let by_name = name.filter(|_| matches!(reference.port, BackendPort::Name(_)));
    let (old, new): (Value, Value) = match (by_name, reference.legacy) {
        (Some(name), false) => (written(reference.port), json!({ "name": name })),
        (None, false) => (written(reference.port), json!({ "number": port.port })),
        (Some(name), true) => (plain(reference.port), json!(name)),
        (None, true) => (plain(reference.port), json!(port.port)),
    };
    let title = match by_name {
        Some(name) => format!("use port `{name}`"),
        None => format!("use port `{}`", port.port),
    };
    let mut fix = Fix::patch(FixClass::Review, title, ingress.reference());
    for pointer in reference.name_pointers() {
        fix = fix.test(&pointer, reference.service);
    }
    for pointer in reference.port_pointers() {
        fix = fix
            .test(&pointer, old.clone())
            .replace(&pointer, new.clone());
    }
    fix
}

fn written(port: &BackendPort) -> Value {
    match port {
        BackendPort::Name(name) => json!({ "name": name }),
        BackendPort::Number(number) => json!({ "number": number }),
        BackendPort::Unset => json!({}),
    }
}

fn plain(port: &BackendPort) -> Value {
    match port {
        BackendPort::Name(name) => json!(name),
        BackendPort::Number(number) => json!(number),
        BackendPort::Unset => Value::Null,
    }
}

/// The only port, or the one with the most similar name.
fn nearest<'a>(service: &'a Service, wanted: &BackendPort) -> Option<&'a ServicePort> {
    if let [only] = &service.ports[..] {
        return Some(only);
    }
    let BackendPort::Name(wanted) = wanted else {
        return None;
    };
    let names = service.ports.iter().filter_map(|port| port.name.as_deref());
    let name = near::name(wanted, names)?;
    service
        .ports
        .iter()
        .find(|port| port.name.as_deref() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::{
        model::Kind,
        testkit::{check, check_page, check_with, fix_clears, forbid, lint},
    };

    /// An Ingress that wants `port` of a Service with `ports`.
    fn with(port: &str, ports: &str) -> String {
        format!(
            "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: web, namespace: shop}}
spec:
  ingressClassName: nginx
  defaultBackend: {{service: {{name: web, port: {port}}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec: {{ports: {ports}}}
"
        )
    }

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn the_fix_clears_it() {
        fix_clears(
            &with(
                "{number: 8080}",
                "[{name: http, port: 80, targetPort: 8080}]",
            ),
            "ING002",
        );
        fix_clears(
            &with(
                "{name: htpp}",
                "[{name: http, port: 80}, {name: metrics, port: 90}]",
            ),
            "ING002",
        );
        fix_clears(
            &with(
                "{number: 8080}",
                "[{name: a, port: 1, targetPort: 8080}, {name: b, port: 2}]",
            ),
            "ING002",
        );
    }

    #[test]
    fn a_number_among_several_ports_is_not_guessed() {
        let ran = lint(&with(
            "{number: 8080}",
            "[{name: a, port: 1}, {name: b, port: 2}]",
        ));
        assert!(ran.one("ING002").fixes[0].patch.0.is_empty());
    }

    #[test]
    fn number_and_name_both_count() {
        lint(&with("{number: 80}", "[{name: http, port: 80}]")).none("ING002");
        lint(&with("{name: http}", "[{name: http, port: 80}]")).none("ING002");
        lint(&with("{name: '80'}", "[{name: http, port: 80}]")).one("ING002");
    }

    #[test]
    fn popeye_and_kube_score_an_unnamed_port_never_equals_an_unset_name() {
        let ran = lint(&with("{number: 8080}", "[{port: 80}]"));
        assert!(ran.one("ING002").message.contains("`8080`"));
        lint(&with("{number: 8080, name: ''}", "[{name: '', port: 80}]")).one("ING002");
    }

    #[test]
    fn external_names_and_missing_ports_are_other_rules() {
        let external = with("{number: 8080}", "[{port: 80}]").replace(
            "spec: {ports",
            "spec: {type: ExternalName, externalName: a.example, ports",
        );
        lint(&external).none("ING002");
        lint(&with("{}", "[{port: 80}]")).none("ING002");
    }

    #[test]
    fn target_ports_are_not_service_ports() {
        let ran = lint(&with("{number: 8080}", "[{port: 80, targetPort: 8080}]"));
        let notes = &ran.one("ING002").notes;
        assert!(
            notes.iter().any(|note| note.contains("targetPort")),
            "{notes:?}"
        );
    }

    #[test]
    fn one_variant_with_the_port_is_enough() {
        let two = with("{number: 8080}", "[{port: 80}]")
            + "
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {ports: [{port: 8080}]}}
";
        lint(&two).none("ING002");
    }

    #[test]
    fn the_beta_form_is_fixed_in_its_own_shape() {
        let beta = with("{number: 8080}", "[{port: 80}]").replace(
            "defaultBackend: {service: {name: web, port: {number: 8080}}}",
            "rules: [{http: {paths: [{backend: {serviceName: web, servicePort: 8080}}]}}]",
        );
        fix_clears(&beta, "ING002");
    }

    #[test]
    fn k8sgpt_1668_a_403_is_not_missing() {
        check(&with("{number: 8080}", "[{port: 80}]")).one("ING002");
        check_with(&with("{number: 8080}", "[{port: 80}]"), |builder| {
            forbid(builder, Kind::Service);
        })
        .none("ING002")
        .unknown("ING002", "cannot list services");
    }
}
