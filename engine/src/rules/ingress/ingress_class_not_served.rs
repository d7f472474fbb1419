//! `ingress-class-not-served`

use crate::{
    context::{Context, Reporter},
    finding::{Finding, Fix},
    ingress::{self, KnownController},
    model::{Controller, IngressClass, Kind, Node, Object as _, Pod, Workload},
    rule::{Check, Confidence, Evidence, Rule, Severity},
};

#[cfg(test)]
mod tests;

const SETTLING: &str = "just-started";
/// How long routes may still be read after a controller's Pods became Ready.
const SYNC_SECONDS: i64 = 120;

pub(super) static RULE: Rule = Rule {
    code: "ING005",
    name: "ingress-class-not-served",
    summary: "no Pod of the controller behind an IngressClass is ready",
    check: Some(Severity::Error),
    confidence: Confidence::Likely,
    evidence: Evidence::Status,
    reach: crate::rule::Reach::Cluster,
    needs: &[Kind::Pod],
    wants: &[
        Kind::Ingress,
        Kind::Deployment,
        Kind::DaemonSet,
        Kind::StatefulSet,
        Kind::ReplicaSet,
        Kind::Node,
    ],
    triggers: &[Kind::Pod],
    cases: &[(SETTLING, Severity::Info)],
    reads: &["/spec/controller"],
    page: include_str!("ingress_class_not_served.md"),
    file: file!(),
    on: &[Check::IngressClass(check)],
    ..Rule::BASE
};

/// Findings that say why a controller's Pod is not ready, or was never made.
const CAUSES: &[&str] = &[
    "NOD001", "WKL001", "WKL002", "HST012", "HST006", "HST002", "PRB001", "PRB002",
];

fn check(cx: &Context<'_>, class: &IngressClass, report: &mut Reporter) {
    if class.meta.deleting() || class.controller.is_empty() {
        return report.not_applicable();
    }
    if ingress::runs_outside(&class.controller) {
        return report.unknown(format!(
            "controller `{}` runs outside the cluster, where its state cannot be read",
            class.controller
        ));
    }
    let Some(known) = ingress::by_controller(&class.controller) else {
        return report.unknown(format!(
            "nothing tells which Pods run the controller `{}`",
            class.controller
        ));
    };
    let (pods, workloads) = cx.ingress_controller_workloads(known);
    let ready: Vec<&Pod> = pods.iter().copied().filter(|pod| pod.ready()).collect();
    if !ready.is_empty() {
        return just_started(cx, class, known, &ready, report);
    }
    let grace = |age: Option<i64>| age.is_some_and(|age| age < cx.grace_seconds());
    if grace(class.meta.age_seconds(cx.now)) {
        return report.unknown(format!(
            "settling: IngressClass `{}` is younger than {} seconds",
            class.meta.name,
            cx.grace_seconds()
        ));
    }
    not_served(cx, class, known, &pods, &workloads, report);
}

fn just_started(
    cx: &Context<'_>,
    class: &IngressClass,
    known: &KnownController,
    ready: &[&Pod],
    report: &mut Reporter,
) {
    let ages = ready.iter().map(|pod| {
        let condition = pod.status.ready.as_ref();
        let since = condition.and_then(|condition| condition.last_transition_time)?;
        Some(cx.now.as_second() - since.as_second())
    });
    // Without a time nothing says that the Pod is new.
    let Some(oldest) = ages
        .collect::<Option<Vec<i64>>>()
        .and_then(|ages| ages.into_iter().max())
    else {
        return;
    };
    if !(0..SYNC_SECONDS).contains(&oldest) {
        return;
    }
    let finding = report.find(format!(
        "every Pod of {}, which serves IngressClass `{}`, became Ready less than {SYNC_SECONDS} seconds ago",
        known.name, class.meta.name
    ));
    finding
        .case(SETTLING)
        .severity(Severity::Info)
        .key(&*class.controller)
        .at("/spec/controller", "");
    for pod in ready.iter().take(3) {
        finding.label(
            pod.reference(),
            "/status/conditions",
            "became Ready just now",
        );
    }
    finding.note("routes may still be missing, so that hosts answer 404 for a moment");
    finding.fix(Fix::manual("wait a minute and ask again").command("kubectl netdoctor check"));
}

fn not_served(
    cx: &Context<'_>,
    class: &IngressClass,
    known: &KnownController,
    pods: &[&Pod],
    workloads: &[&Controller],
    report: &mut Reporter,
) {
    let name = &class.meta.name;
    let finding = report.find(match (pods, workloads) {
        ([], []) => format!(
            "IngressClass `{name}` is served by {}, of which no Pod exists",
            known.name
        ),
        ([], [workload, ..]) => format!(
            "IngressClass `{name}` is served by {}, and {} has no Pod",
            known.name,
            workload.reference()
        ),
        _ => format!(
            "IngressClass `{name}` is served by {}, and none of its {} Pods is Ready",
            known.name,
            pods.len()
        ),
    });
    finding
        .key(&*class.controller)
        .at("/spec/controller", "nobody serves it")
        .looked_through(Kind::Pod, "");
    for pod in pods.iter().take(3) {
        finding.label(pod.reference(), "/status", "not Ready");
    }
    for workload in workloads.iter().take(3) {
        finding.label(workload.reference(), "/spec", "runs the controller");
    }
    consequence(cx, class, finding);
    explain(cx, pods, workloads, finding);
    finding.fix(fix(known, pods, workloads));
}

/// Who suffers. A class that nobody uses is a leftover at most.
fn consequence(cx: &Context<'_>, class: &IngressClass, finding: &mut Finding) {
    let users = cx.ingresses_of_class(&class.meta.name);
    if let Some(first) = users.first() {
        finding.note(format!(
            "{} Ingresses name the class, among them `{}`; nobody answers for their hosts",
            users.len(),
            first.meta
        ));
    } else if class.is_default() {
        finding.note("it is the default class: new Ingresses without a class get it");
    } else if cx.known(Kind::Ingress, "").is_ok() {
        finding.severity(Severity::Info);
        finding.note("no Ingress names the class");
    }
}

fn explain(cx: &Context<'_>, pods: &[&Pod], workloads: &[&Controller], finding: &mut Finding) {
    // Siblings share what explains them.
    const MOST: usize = 16;
    for pod in pods.iter().take(MOST) {
        if let Some(node) = pod
            .node_name
            .as_deref()
            .and_then(|name| cx.get::<Node>("", name))
        {
            finding.because(CAUSES, node.reference());
        }
        let owner = cx.place_to_fix(Workload::Pod(pod)).reference();
        finding
            .because(CAUSES, owner)
            .because(CAUSES, pod.reference());
    }
    for workload in workloads {
        finding.because(CAUSES, workload.reference());
    }
}

fn fix(known: &KnownController, pods: &[&Pod], workloads: &[&Controller]) -> Fix {
    if let Some(pod) = pods.first() {
        return Fix::manual("see why its Pods are not Ready").command(format!(
            "kubectl -n {} describe pod {}",
            pod.meta.namespace, pod.meta.name
        ));
    }
    if let Some(workload) = workloads.first() {
        let reference = workload.reference();
        let (namespace, name) = (&reference.namespace, reference.type_name());
        return if workload.wanted_replicas() == Some(0) {
            Fix::manual("scale the controller up")
                .command(format!("kubectl -n {namespace} scale {name} --replicas=1"))
        } else {
            Fix::manual("see why it has no Pod")
                .command(format!("kubectl -n {namespace} describe {name}"))
        };
    }
    Fix::manual(format!(
        "install {}, or delete the class if it is a leftover",
        known.name
    ))
    .command("kubectl get pods -A")
}
