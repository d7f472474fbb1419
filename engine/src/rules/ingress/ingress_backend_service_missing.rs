//! `ingress-backend-service-missing`

use super::{Reference, references};
use crate::{
    context::{Context, Reporter},
    finding::{Fix, FixClass},
    model::{Controller, Ingress, Kind, Object, Service},
    near,
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "ING001",
    name: "ingress-backend-service-missing",
    summary: "an Ingress sends requests to a Service that does not exist",
    check: Some(Severity::Error),
    lint: Some(Severity::Error),
    admit: Some(Action::Warn),
    confidence: Confidence::Certain,
    evidence: Evidence::Miss,
    needs: &[Kind::Service],
    wants: &[Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet],
    triggers: &[Kind::Service],
    reads: &["/spec/defaultBackend", "/spec/backend", "/spec/rules"],
    page: include_str!("ingress_backend_service_missing.md"),
    file: file!(),
    on: &[Check::Ingress(check)],
    ..Rule::BASE
};

fn check(cx: &Context<'_>, ingress: &Ingress, report: &mut Reporter) {
    let references = references(ingress, |_, _| true);
    if references.is_empty() || ingress.meta.deleting() {
        return report.not_applicable();
    }
    let namespace = &*ingress.meta.namespace;
    for reference in references {
        let name = reference.service;
        if !cx.named::<Service>(namespace, name).is_empty() {
            continue;
        }
        if cx.may_be_here::<Service>(&ingress.meta, |service| *service.meta.name == *name) {
            report.skip(format!(
                "namespace not stated: Service `{name}` may be in `{namespace}`"
            ));
            continue;
        }
        if !report.proven(
            cx.absence(Kind::Service, namespace),
            &format!("Service `{namespace}/{name}`"),
        ) {
            continue;
        }
        report_missing(cx, ingress, &reference, report);
    }
}

fn report_missing(
    cx: &Context<'_>,
    ingress: &Ingress,
    reference: &Reference<'_>,
    report: &mut Reporter,
) {
    let (namespace, name) = (&*ingress.meta.namespace, reference.service);
    let services: Vec<&Service> = cx.in_namespace::<Service>(namespace).collect();
    let near = near::names(name, services.iter().map(|service| &*service.meta.name));
    let absent = if cx.on_cluster() {
        "does not exist"
    } else {
        "is not among the manifests"
    };
    let finding = report.find(format!(
        "Ingress `{}` sends {} to Service `{name}`, which {absent}",
        ingress.meta,
        reference.routes()
    ));
    finding.key(name).looked_for(Kind::Service, namespace, name);
    for (index, pointer) in reference.name_pointers().enumerate() {
        let text = if index == 0 { "no such Service" } else { "" };
        finding.at(pointer, text);
    }
    finding.note("the ingress controller answers these requests itself, with 503 or 404");
    let workload = cx
        .named::<Controller>(namespace, name)
        .into_iter()
        // What a custom workload is called, its operator may call a Service.
        .find(|controller| cx.is_top_level(controller) && controller.custom.is_none());
    if let Some(workload) = workload {
        let reference = workload.reference();
        finding.note(format!("{reference} has that name, but no Service"));
        finding.label(reference, "/metadata/name", "has that name");
    }
    // In files the Service may be somebody else's: only a sign that it belongs here makes an error of it.
    if !cx.on_cluster() && near.is_empty() && workload.is_none() {
        let custom = cx.named::<Controller>(namespace, name).into_iter().next();
        let maker = custom
            .map(Object::reference)
            .or_else(|| cx.maker_for(&ingress.meta).map(Object::reference));
        if let Some(maker) = maker {
            finding.severity(Severity::Info);
            finding.note(format!("{maker} of the input may make it"));
        } else {
            finding.severity(Severity::Warning);
            finding.note("it may be installed from elsewhere");
        }
    }
    for other in near.iter().take(3) {
        finding.note(format!(
            "Service `{namespace}/{other}` exists and has a similar name"
        ));
    }
    if let Some(service) = cx.elsewhere::<Service>(namespace, name) {
        finding.note(format!(
            "Service `{}` exists, but an Ingress reaches Services of its own namespace only",
            service.meta
        ));
    }
    finding.fix(fix(ingress, reference, &near, &services));
}

fn fix(ingress: &Ingress, reference: &Reference<'_>, near: &[&str], services: &[&Service]) -> Fix {
    if let [only] = near {
        let mut fix = Fix::patch(
            FixClass::Review,
            format!("send them to Service `{only}`"),
            ingress.reference(),
        );
        for pointer in reference.name_pointers() {
            fix = fix.test(&pointer, reference.service);
        }
        for pointer in reference.name_pointers() {
            fix = fix.replace(&pointer, *only);
        }
        return fix;
    }
    let candidates: Vec<String> = if near.is_empty() {
        services
            .iter()
            .take(5)
            .map(|service| format!("`{}`", service.meta.name))
            .collect()
    } else {
        near.iter().map(|name| format!("`{name}`")).collect()
    };
    let title = if candidates.is_empty() {
        format!("create Service `{}`", reference.service)
    } else {
        format!(
            "create Service `{}`, or name one that exists: {}",
            reference.service,
            candidates.join(", ")
        )
    };
    Fix::manual(title).command(format!(
        "kubectl -n {} get services",
        ingress.meta.namespace
    ))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::{
        model::Kind,
        testkit::{check, check_page, check_with, fix_clears, forbid, lint},
    };

    const TYPO: &str = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop}
spec:
  ingressClassName: nginx
  rules:
    - host: shop.example.com
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: fronted, port: {number: 80}}}}
          - {path: /x, pathType: Prefix, backend: {service: {name: fronted, port: {number: 80}}}}
---
apiVersion: v1
kind: Service
metadata: {name: frontend, namespace: shop}
spec: {ports: [{port: 80}]}
";

    fn with(name: &str) -> String {
        TYPO.replace("fronted", name)
    }

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn the_fix_renames_every_place_and_clears_it() {
        fix_clears(TYPO, "ING001");
        let ran = lint(TYPO);
        assert_eq!(ran.one("ING001").labels.len(), 2);
        assert_eq!(ran.one("ING001").severity.as_str(), "error");
    }

    #[test]
    fn a_service_that_a_custom_resource_may_make_is_information() {
        let knative = "---\napiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: hello, namespace: shop}\nspec: {template: {spec: {containers: [{image: c}]}}}\n";
        let ran = lint(&(with("hello") + knative));
        assert_eq!(ran.one("ING001").severity.as_str(), "info");
        let elastic = "---\napiVersion: elasticsearch.k8s.elastic.co/v1\nkind: Elasticsearch\nmetadata: {name: quickstart, namespace: shop}\nspec: {}\n";
        let ran = lint(&(with("quickstart-es-http") + elastic));
        assert_eq!(ran.one("ING001").severity.as_str(), "info");
        // A misspelt name is one all the same.
        let ran = lint(&(TYPO.to_owned() + elastic));
        assert_eq!(ran.one("ING001").severity.as_str(), "error");
    }

    #[test]
    fn a_service_that_may_come_from_elsewhere_is_no_error_in_files() {
        let ran = lint(&with("kubernetes-dashboard"));
        assert_eq!(ran.one("ING001").severity.as_str(), "warning");
        assert!(
            ran.one("ING001")
                .fixes
                .iter()
                .all(|fix| fix.patch.0.is_empty())
        );
        let ran = check(&with("kubernetes-dashboard"));
        assert_eq!(ran.one("ING001").severity.as_str(), "error");
    }

    #[test]
    fn a_service_of_another_namespace_is_named_and_one_of_another_name_is_not() {
        let service = |namespace: &str, name: &str| {
            format!(
                "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{ports: [{{port: 80}}]}}\n"
            )
        };
        let note = |others: &str| {
            let ran = check(&(with("catalogue") + others));
            let notes = ran.one("ING001").notes.join("; ");
            notes.contains("of its own namespace only").then_some(notes)
        };
        let others =
            service("zoo", "catalogue") + &service("a", "other") + &service("b", "catalogue");
        let said = note(&others).unwrap();
        assert!(said.contains("Service `b/catalogue` exists"), "{said}");
        assert_eq!(note(&service("b", "catalog")), None);
        assert_eq!(note(""), None);
    }

    #[test]
    fn the_workload_without_its_service_is_an_error_in_files() {
        let yaml = with("cart")
            + "
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template: {metadata: {labels: {app: cart}}, spec: {containers: [{name: a, image: a}]}}
";
        assert_eq!(lint(&yaml).one("ING001").severity.as_str(), "error");
    }

    #[test]
    fn two_equal_candidates_give_no_patch() {
        let yaml = with("cart")
            + "
---
{apiVersion: v1, kind: Service, metadata: {name: carts, namespace: shop}, spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: card, namespace: shop}, spec: {ports: [{port: 80}]}}
";
        let ran = lint(&yaml);
        let fixes = &ran.one("ING001").fixes;
        assert!(fixes[0].patch.0.is_empty() && fixes[0].title.contains("`card`, `carts`"));
    }

    #[test]
    fn no_service_at_all_is_not_in_this_input() {
        let alone = TYPO.split("---").next().unwrap_or_default();
        lint(alone)
            .none("ING001")
            .skipped("ING001", "not in this input");
        check(alone).one("ING001");
    }

    #[test]
    fn a_service_without_a_namespace_may_be_the_one() {
        let yaml = TYPO.to_owned()
            + "
---
{apiVersion: v1, kind: Service, metadata: {name: fronted}, spec: {ports: [{port: 80}]}}
";
        lint(&yaml)
            .none("ING001")
            .skipped("ING001", "namespace not stated");
    }

    #[test]
    fn an_ingress_cannot_cross_namespaces() {
        let yaml = with("cart")
            + "
---
{apiVersion: v1, kind: Service, metadata: {name: cart, namespace: other}, spec: {ports: [{port: 80}]}}
";
        let ran = check(&yaml);
        let notes = &ran.one("ING001").notes;
        assert!(
            notes.iter().any(|note| note.contains("`other/cart`")),
            "{notes:?}"
        );
    }

    #[test]
    fn resources_solvers_and_actions_are_no_services() {
        let resource = TYPO.replace(
            "{service: {name: fronted, port: {number: 80}}}",
            "{resource: {apiGroup: k8s.example.com, kind: StorageBucket, name: fronted}}",
        );
        check(&resource).none("ING001");
        let solver = TYPO.replace(
            "metadata: {name: web,",
            "metadata: {name: web, labels: {acme.cert-manager.io/http01-solver: 'true'},",
        );
        check(&solver).none("ING001");
        let action = TYPO.replace("{number: 80}", "{name: use-annotation}");
        check(&action).none("ING001");
    }

    #[test]
    fn the_beta_form_counts_too() {
        let beta = TYPO
            .replace(
                "{service: {name: fronted, port: {number: 80}}}",
                "{serviceName: fronted, servicePort: 80}",
            )
            .replace("networking.k8s.io/v1", "networking.k8s.io/v1beta1");
        let ran = lint(&beta);
        assert!(
            ran.one("ING001").labels[0]
                .pointer
                .ends_with("/serviceName")
        );
        fix_clears(&beta, "ING001");
    }

    #[test]
    fn k8sgpt_1668_a_403_is_not_missing() {
        check_with(TYPO, |builder| forbid(builder, Kind::Service))
            .none("ING001")
            .unknown("ING001", "cannot list services");
    }
}
