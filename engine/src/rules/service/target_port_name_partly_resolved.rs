//! `target-port-name-partly-resolved`

use super::backends;
use crate::{
    context::{Context, Reporter},
    finding::Fix,
    model::{IntOrString, Kind, Labels, Service, ServicePort, Workload},
    ports::{self, Resolved},
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
};

pub(super) static RULE: Rule = Rule {
    code: "SVC005",
    name: "target-port-name-partly-resolved",
    summary: "targetPort names a port that only some of the selected workloads declare",
    check: Some(Severity::Warning),
    lint: Some(Severity::Warning),
    admit: Some(Action::Warn),
    confidence: Confidence::Certain,
    evidence: Evidence::Contra,
    needs: &[Kind::Pod],
    wants: super::PORT_WANTS,
    triggers: super::PORT_TRIGGERS,
    reads: super::PORT_READS,
    page: include_str!("target_port_name_partly_resolved.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    let selected = backends::serving(cx, service);
    if selected.is_empty() {
        return report.not_applicable();
    }
    if selected.iter().any(|backend| cx.mesh_injects(*backend)) {
        return report.skip(backends::INJECTED);
    }
    let groups = backends::by_owner(cx, &selected);
    for (index, port) in service.ports.iter().enumerate() {
        let Some(IntOrString::Text(wanted)) = port.target_port.as_ref() else {
            continue;
        };
        let resolves = |workload: &Workload<'a>| {
            matches!(
                ports::resolve_name(workload.spec(), wanted, &port.protocol),
                Resolved::Port(_)
            )
        };
        let mut with = Vec::new();
        let mut without = Vec::new();
        let mut rolling = false;
        for (place, members) in &groups {
            let resolving = members.iter().filter(|member| resolves(member)).count();
            if resolving == 0 && !(members.len() > 1 && two_revisions(members)) {
                without.push(*place);
            } else {
                // Old and new pods of one workload may disagree until the rollout ends. Variants in files count once.
                rolling |= cx.on_cluster() && resolving < members.len();
                with.push(*place);
            }
        }
        if without.is_empty() && rolling {
            report.skip("a rollout is replacing Pods that differ in this port");
        } else if !with.is_empty() && !without.is_empty() {
            report_port(service, index, port, wanted, &with, &without, report);
        }
    }
}

/// Pods of one workload from two revisions of its template.
fn two_revisions(members: &[Workload<'_>]) -> bool {
    let revision = |labels: &Labels| -> Option<String> {
        [
            "pod-template-hash",
            "controller-revision-hash",
            "rollouts-pod-template-hash",
        ]
        .iter()
        .find_map(|key| labels.get(key))
        .map(str::to_owned)
    };
    let mut revisions = members
        .iter()
        .filter_map(|member| revision(member.pod_labels()));
    let first = revisions.next();
    first.is_some() && revisions.any(|other| Some(other) != first)
}

/// A list that grows with the cluster helps nobody.
const MOST: usize = 5;

fn report_port<'a>(
    service: &Service,
    index: usize,
    port: &ServicePort,
    wanted: &str,
    with: &[Workload<'a>],
    without: &[Workload<'a>],
    report: &mut Reporter,
) {
    let Some(first) = without.first() else { return };
    let finding = report.find(format!(
        "{} targets `{wanted}`, which {} does not declare",
        backends::port_of(service, port),
        first.reference()
    ));
    finding.key(port.stable_key()).at(
        format!("/spec/ports/{index}/targetPort"),
        format!(
            "resolves on {} of {} workloads",
            with.len(),
            with.len() + without.len()
        ),
    );
    for workload in without.iter().take(MOST) {
        let declared: Vec<String> = workload
            .spec()
            .declared_ports()
            .map(|(_, port)| ports::describe(port))
            .collect();
        let has = match &declared[..] {
            [] => "declares no port".to_owned(),
            declared => format!("declares {}", declared.join(", ")),
        };
        finding.note(format!("{} {has}", workload.reference()));
        finding.label(
            workload.reference(),
            format!("{}/containers/0/ports", workload.spec_pointer()),
            format!("no `{wanted}`"),
        );
    }
    if let Some(other) = with.first() {
        finding.note(format!("{} declares it", other.reference()));
    }
    finding.note("the Pods without it get no traffic on this port");
    finding.looked_through(Kind::Pod, &service.meta.namespace);
    finding.fix(
        Fix::manual(format!(
            "name the port `{wanted}` in {}, or leave it out of the selector",
            first.reference()
        ))
        .command(format!(
            "kubectl -n {} edit {}",
            service.meta.namespace,
            first.reference().type_name()
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

    const SERVICE: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}\n";

    fn workload(kind: &str, name: &str, port: &str) -> String {
        format!(
            "---\napiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\nspec: {{template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: c, image: c, ports: [{port}]}}]}}}}}}\n"
        )
    }

    fn pod(name: &str, hash: &str, port: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: web, pod-template-hash: {hash}}}, ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: web-r, uid: r, controller: true}}]}}\nspec: {{containers: [{{name: c, image: c, ports: [{port}]}}]}}\nstatus: {{phase: Running}}\n"
        )
    }

    const NAMED: &str = "{name: http, containerPort: 8080}";
    const OTHER: &str = "{name: web, containerPort: 8080}";
    const SET: &str = "---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: web-r, namespace: shop}\nspec: {template: {metadata: {labels: {app: web}}, spec: {containers: []}}}\n";

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn two_workloads_that_disagree() {
        let ran = lint(
            &(SERVICE.to_owned()
                + &workload("Deployment", "stable", NAMED)
                + &workload("Deployment", "canary", OTHER)),
        );
        let finding = ran.one("SVC005");
        assert!(
            finding
                .message
                .contains("Deployment shop/canary does not declare"),
            "{}",
            finding.message
        );
        ran.none("SVC004");
        lint(
            &(SERVICE.to_owned()
                + &workload("Deployment", "stable", NAMED)
                + &workload("Deployment", "canary", NAMED)),
        )
        .none("SVC005");
    }

    #[test]
    fn popeye_one_pod_is_not_a_sample() {
        // A rollout that renames the port: both revisions are alive.
        let rolling = SERVICE.to_owned() + SET + &pod("a", "h1", NAMED) + &pod("b", "h2", OTHER);
        check(&rolling).none("SVC005").none("SVC004");
        // The old revision is gone and another workload never had the name.
        let finished = SERVICE.to_owned()
            + SET
            + &pod("a", "h1", NAMED)
            + &workload("StatefulSet", "other", OTHER);
        check(&finished).one("SVC005");
    }

    #[test]
    fn jobs_and_hooks_with_the_same_labels_serve_nothing() {
        let job = workload("Job", "migrate", OTHER).replace("apps/v1", "batch/v1");
        lint(&(SERVICE.to_owned() + &workload("Deployment", "web", NAMED) + &job)).none("SVC005");
    }

    #[test]
    fn variants_in_files_never_accuse_each_other() {
        lint(
            &(SERVICE.to_owned()
                + &workload("Deployment", "web", NAMED)
                + &workload("Deployment", "web", OTHER)),
        )
        .none("SVC005");
    }

    #[test]
    fn radar_846_pods_that_could_not_be_listed() {
        let yaml = SERVICE.to_owned()
            + &workload("Deployment", "stable", NAMED)
            + &workload("Deployment", "canary", OTHER);
        check_with(&yaml, |builder| forbid(builder, Kind::Pod))
            .none("SVC005")
            .unknown("SVC005", "forbidden");
    }
}
