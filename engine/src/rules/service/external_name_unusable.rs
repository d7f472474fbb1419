//! `external-name-unusable`

use crate::{
    context::{Context, Reporter},
    finding::Fix,
    model::{Kind, Object as _, Service},
    rule::{Action, Actions, Check, Confidence, Evidence, Rule, Severity},
};
use std::net::IpAddr;

pub(super) static RULE: Rule = Rule {
    code: "SVC019",
    name: "external-name-unusable",
    summary: "the name of an ExternalName Service is an address, the client itself, or a loop",
    check: Some(Severity::Warning),
    lint: Some(Severity::Warning),
    admit: Some(Action::Warn),
    admit_cases: &[("localhost", Actions::both(Action::Deny))],
    confidence: Confidence::Certain,
    evidence: Evidence::Own,
    triggers: &[Kind::Service],
    cases: &[
        ("address", Severity::Warning),
        ("localhost", Severity::Warning),
        ("loop", Severity::Warning),
        ("selector", Severity::Info),
    ],
    reads: &["/spec/type", "/spec/externalName", "/spec/selector"],
    page: include_str!("external_name_unusable.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    if !service.is_external_name() {
        return report.not_applicable();
    }
    if !service.selector.is_empty() {
        ignored_selector(service, report);
    }
    let Some(name) = service.external_name.as_deref() else {
        return;
    };
    let host = name.trim_end_matches('.').to_ascii_lowercase();
    if host.parse::<IpAddr>().is_ok() {
        address(service, name, report);
    } else if host == "localhost" || host.ends_with(".localhost") || host == "localhost.localdomain"
    {
        localhost(service, name, report);
    } else if let Some(chain) = cycle(cx, service) {
        circle(service, &chain, report);
    }
}

fn address(service: &Service, name: &str, report: &mut Reporter) {
    let finding = report.find(format!(
        "Service `{}` has the address `{name}` as its external name",
        service.meta
    ));
    finding
        .case("address")
        .key("externalName")
        .at("/spec/externalName", "an address, not a name");
    finding.note("DNS answers with an alias to a host of that name, which does not exist");
    finding.fix(
        Fix::manual("use a Service without selector and an EndpointSlice that holds the address")
            .command("kubectl explain endpointslice.endpoints"),
    );
}

fn localhost(service: &Service, name: &str, report: &mut Reporter) {
    let finding = report.find(format!(
        "Service `{}` has `{name}` as its external name",
        service.meta
    ));
    finding
        .case("localhost")
        .key("externalName")
        .at("/spec/externalName", "every client reaches itself");
    finding.note("the name leads each client back to its own Pod");
    finding.fix(
        Fix::manual("name the host that serves, or delete the Service").command(format!(
            "kubectl -n {} edit service {}",
            service.meta.namespace, service.meta.name
        )),
    );
}

fn ignored_selector(service: &Service, report: &mut Reporter) {
    let finding = report.find(format!(
        "Service `{}` of type ExternalName has a selector, which nothing reads",
        service.meta
    ));
    finding
        .case("selector")
        .key("selector")
        .severity(Severity::Info)
        .at("/spec/selector", "ignored");
    finding.fix(
        Fix::manual("remove the selector, or the type").command(format!(
            "kubectl -n {} edit service {}",
            service.meta.namespace, service.meta.name
        )),
    );
}

/// The Services that names lead through, from this one back to itself. What only leads into a circle of others is not at
/// fault.
fn cycle<'a>(cx: &Context<'a>, service: &'a Service) -> Option<Vec<&'a Service>> {
    let (chain, back) = followed(cx, service);
    back.is_some_and(|back| std::ptr::eq(back, service))
        .then_some(chain)
}

/// The Services that names lead through from this one, which is the first, and the one where they come back to the chain.
pub(crate) fn followed<'a>(
    cx: &Context<'a>,
    service: &'a Service,
) -> (Vec<&'a Service>, Option<&'a Service>) {
    let mut chain = vec![service];
    let mut at = service;
    // Resolvers give up after about a dozen aliases.
    for _ in 0..16 {
        let name = at
            .external_name
            .as_deref()
            .filter(|_| at.is_external_name());
        let Some((namespace, name)) = name.and_then(|name| cluster_name(cx, name)) else {
            break;
        };
        let same =
            |other: &&Service| *other.meta.name == *name && *other.meta.namespace == *namespace;
        if let Some(back) = chain.iter().copied().find(same) {
            return (chain, Some(back));
        }
        let found = cx.named::<Service>(&namespace, &name);
        let [next] = found[..] else { break };
        chain.push(next);
        at = next;
    }
    (chain, None)
}

/// Namespace and name of the Service that a host name means: `NAME.NAMESPACE.svc`, with or without the cluster domain.
fn cluster_name(cx: &Context<'_>, host: &str) -> Option<(String, String)> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let (service, rest) = host.split_once('.')?;
    let (namespace, rest) = rest.split_once('.')?;
    let domain = cx
        .facts()
        .cluster_domain
        .as_ref()
        .map_or("cluster.local", |fact| &fact.value);
    let in_cluster = rest
        .strip_prefix("svc")
        .is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.') == Some(domain));
    in_cluster.then(|| (namespace.to_owned(), service.to_owned()))
}

fn circle(service: &Service, chain: &[&Service], report: &mut Reporter) {
    let message = match chain {
        [_] => format!("Service `{}` is its own external name", service.meta),
        chain => {
            let names: Vec<String> = chain
                .iter()
                .skip(1)
                .map(|service| format!("`{}`", service.meta))
                .collect();
            format!(
                "the external name of Service `{}` leads back to it, through {}",
                service.meta,
                names.join(", ")
            )
        }
    };
    let finding = report.find(message);
    finding
        .case("loop")
        .key("externalName")
        .at("/spec/externalName", "leads back here");
    for other in chain.iter().skip(1) {
        finding.label(other.reference(), "/spec/externalName", "leads on");
        finding.looked_for(Kind::Service, &other.meta.namespace, &other.meta.name);
    }
    finding.note("the DNS server follows the aliases until it gives up, and answers with an error");
    finding.fix(Fix::manual("name the host that serves").command(format!(
        "kubectl -n {} edit service {}",
        service.meta.namespace, service.meta.name
    )));
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::testkit::{check, check_page, lint};

    fn service(name: &str, external: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{type: ExternalName, externalName: \"{external}\"}}\n"
        )
    }

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn addresses_are_no_names() {
        for address in ["10.0.0.7", "10.0.0.7.", "2001:db8::1"] {
            assert_eq!(
                lint(&service("db", address)).one("SVC019").case,
                Some("address"),
                "{address}"
            );
        }
        // Digits and dots that are no address, and names that only begin like one.
        for name in [
            "10.0.0",
            "10.0.0.7.example.test",
            "db.example.test",
            "300.1.1.1",
        ] {
            lint(&service("db", name)).none("SVC019");
        }
    }

    #[test]
    fn localhost_is_the_client() {
        assert_eq!(
            lint(&service("db", "localhost")).one("SVC019").case,
            Some("localhost")
        );
        lint(&service("db", "localhost.example.test")).none("SVC019");
    }

    #[test]
    fn circles() {
        let own = lint(&service("db", "db.shop.svc.cluster.local"));
        assert_eq!(
            own.one("SVC019").message,
            "Service `shop/db` is its own external name"
        );
        let two = service("a", "b.shop.svc.cluster.local") + &service("b", "a.shop.svc");
        assert_eq!(check(&two).of("SVC019").len(), 2);
        // Only leads into the circle.
        let three = two + &service("c", "a.shop.svc.cluster.local");
        assert_eq!(lint(&three).of("SVC019").len(), 2);
        lint(&(service("a", "b.shop.svc.cluster.local") + &service("b", "db.example.test")))
            .none("SVC019");
        lint(&service("db", "db.shop.svc.example.test")).none("SVC019");
    }

    #[test]
    fn ports_are_read_by_ingress_controllers_and_a_selector_by_nobody() {
        lint(&service("db", "db.example.test").replace("spec: {", "spec: {ports: [{port: 443}], "))
            .none("SVC019");
        let ran = lint(
            &service("db", "db.example.test").replace("spec: {", "spec: {selector: {app: db}, "),
        );
        assert_eq!(ran.one("SVC019").severity.as_str(), "info");
    }

    #[test]
    fn other_types_and_missing_names_are_silent() {
        lint(&service("db", "localhost").replace("ExternalName,", "ClusterIP,")).none("SVC019");
        lint("{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {type: ExternalName}}")
            .none("SVC019");
    }
}
