//! `selectorless-service-without-endpoints`

use crate::{
    context::{Context, Reporter},
    finding::Fix,
    model::{Kind, Service},
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "SVC011",
    name: "selectorless-service-without-endpoints",
    summary: "a Service without selector has no EndpointSlice",
    check: Some(Severity::Warning),
    lint: Some(Severity::Info),
    admit: Some(Action::Audit),
    confidence: Confidence::Certain,
    evidence: Evidence::Miss,
    needs: &[Kind::EndpointSlice],
    triggers: &[Kind::EndpointSlice],
    reads: &[
        "/spec/selector",
        "/spec/type",
        "/spec/clusterIP",
        "/spec/ports",
    ],
    page: include_str!("selectorless_without_endpoints.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    let api_server = &*service.meta.namespace == "default" && &*service.meta.name == "kubernetes";
    if service.is_external_name()
        || !service.selector.is_empty()
        || service.meta.deleting()
        || api_server
    {
        return report.not_applicable();
    }
    if !cx.slices_of(service).is_empty() {
        return;
    }
    let (namespace, name) = (&service.meta.namespace, &service.meta.name);
    if cx.on_cluster() {
        let young = service.meta.age_seconds(cx.now);
        if young.is_some_and(|age| age < cx.grace_seconds()) {
            return report.unknown("settling: the Service is too young to judge");
        }
    } else {
        let completed = cx
            .named::<Service>(namespace, name)
            .iter()
            .any(|variant| !variant.selector.is_empty());
        if completed || (service.ports.is_empty() && !service.is_headless()) {
            return report.skip("the document only changes another one");
        }
    }
    let finding = report.find(format!(
        "Service `{}` has no selector, and no EndpointSlice belongs to it",
        service.meta
    ));
    finding.key("endpoints").at("/spec", "no selector");
    if !service.meta.owner_references.is_empty() {
        finding.severity(Severity::Info);
        finding.note("the Service has an owner, which may write the endpoints later");
    } else if service.is_headless() {
        finding.severity(Severity::Info);
        finding.note("a headless Service without selector often only holds a name, for example for leader election");
    } else {
        finding
            .note("connections to its address are refused until somebody writes an EndpointSlice");
    }
    if !cx.on_cluster() {
        finding.note("the EndpointSlice may come from elsewhere: it is not in this input");
    }
    finding.looked_through(Kind::EndpointSlice, namespace);
    let ports: Vec<String> = service
        .ports
        .iter()
        .map(|port| {
            let name = port.name.as_deref().unwrap_or_default();
            format!("`{name}` {}/{}", port.target(), port.protocol)
        })
        .collect();
    if !ports.is_empty() {
        finding.note(format!(
            "the ports of the EndpointSlice have to be {}",
            ports.join(", ")
        ));
    }
    finding.fix(
        Fix::manual(format!(
            "write an EndpointSlice with the label `kubernetes.io/service-name: {name}`, or give the Service a selector"
        ))
        .command(format!(
            "kubectl -n {namespace} get endpointslices -l kubernetes.io/service-name={name}"
        )),
    );
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::{
        model::Kind,
        testkit::{check, check_page, check_with, forbid, lint},
    };

    const SERVICE: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\nspec: {ports: [{name: sql, port: 5432}]}\n";
    const SLICE: &str = "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: x, namespace: shop, labels: {kubernetes.io/service-name: db}}\naddressType: IPv4\nendpoints: [{addresses: [192.0.2.1]}]\n";

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn a_slice_makes_it_whole() {
        assert_eq!(check(SERVICE).one("SVC011").severity.as_str(), "warning");
        check(&(SERVICE.to_owned() + SLICE)).none("SVC011");
        check(&(SERVICE.to_owned() + &SLICE.replace("name: db", "name: other"))).one("SVC011");
    }

    #[test]
    fn kube_linter_746_no_selector_is_legal() {
        let slice = SERVICE.to_owned() + SLICE;
        lint(&slice).none("SVC011").none("SVC001");
        let endpoints = "---\napiVersion: v1\nkind: Endpoints\nmetadata: {name: db, namespace: shop}\nsubsets: [{addresses: [{ip: 192.0.2.1}], ports: [{port: 5432}]}]\n";
        lint(&(SERVICE.to_owned() + endpoints)).none("SVC011");
        assert_eq!(lint(SERVICE).one("SVC011").severity.as_str(), "info");
    }

    #[test]
    fn owners_and_leader_election_are_context_only() {
        let owned = SERVICE.replace(
            "namespace: shop}",
            "namespace: shop, ownerReferences: [{apiVersion: x/v1, kind: Database, name: d, uid: u}]}",
        );
        assert_eq!(check(&owned).one("SVC011").severity.as_str(), "info");
        let headless = SERVICE.replace("spec: {", "spec: {clusterIP: None, ");
        assert_eq!(check(&headless).one("SVC011").severity.as_str(), "info");
    }

    #[test]
    fn the_api_server_and_external_names_are_something_else() {
        check(&SERVICE.replace(
            "name: db, namespace: shop",
            "name: kubernetes, namespace: default",
        ))
        .none("SVC011");
        check(&SERVICE.replace(
            "spec: {",
            "spec: {type: ExternalName, externalName: db.example.test, ",
        ))
        .none("SVC011");
    }

    #[test]
    fn a_young_service_and_a_patch_document_say_nothing() {
        check(&SERVICE.replace(
            "namespace: shop}",
            "namespace: shop, creationTimestamp: '2026-01-01T11:59:50Z'}",
        ))
        .none("SVC011")
        .unknown("SVC011", "settling");
        lint("{apiVersion: v1, kind: Service, metadata: {name: db}, spec: {type: LoadBalancer}}")
            .none("SVC011");
        let base = SERVICE.replace("spec: {", "spec: {selector: {app: db}, ");
        lint(&(SERVICE.to_owned() + &base)).none("SVC011");
    }

    #[test]
    fn slices_that_could_not_be_listed() {
        check_with(SERVICE, |builder| forbid(builder, Kind::EndpointSlice))
            .none("SVC011")
            .unknown("SVC011", "forbidden");
    }
}
