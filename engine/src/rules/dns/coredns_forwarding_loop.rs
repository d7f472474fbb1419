//! `coredns-forwarding-loop`

use crate::{
    context::{Context, Reporter},
    facts::Distribution,
    finding::{Finding, Fix},
    model::{Kind, Object as _, Pod},
    rule::{Check, Evidence, Reach, Rule, Severity},
    rules::workload::{
        crash::{Crash, crashes},
        signature::Signature,
    },
};

pub(super) static RULE: Rule = Rule {
    code: "DNS003",
    name: "coredns-forwarding-loop",
    summary: "CoreDNS forwards queries to itself and exits",
    check: Some(Severity::Error),
    evidence: Evidence::Status,
    reach: Reach::Cluster,
    wants: &[Kind::Service, Kind::Event],
    reads: &["/status/containerStatuses"],
    page: include_str!("coredns_forwarding_loop.md"),
    file: file!(),
    on: &[Check::Pod(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, pod: &'a Pod, report: &mut Reporter) {
    let crashes = crashes(cx, pod);
    // Most pods do not crash; the question whose pods they are is for the few that do.
    if crashes.is_empty() || !pod.alive() || !is_dns(cx, pod) {
        return report.not_applicable();
    }
    for crash in crashes {
        match crash.signature() {
            Some(Signature::ForwardingLoop) => return report_loop(cx, pod, &crash, report),
            // Its last words say something else.
            Some(_) => {}
            None if crash.out_of_memory() => {}
            None => report.unknown(format!(
                "the last output of container {} of Pod {} was not read (needs `--logs` and get pods/log)",
                crash.status.name, pod.meta
            )),
        }
    }
}

/// `CoreDNS`, by label or image, wherever it runs: a nested cluster's DNS loops as well.
fn is_dns(cx: &Context<'_>, pod: &Pod) -> bool {
    let image = |image: &str| {
        image
            .split([':', '@'])
            .any(|part| part.ends_with("coredns"))
    };
    pod.meta.labels.get("k8s-app") == Some("kube-dns")
        || pod
            .spec
            .containers
            .iter()
            .any(|container| image(&container.image))
        || cx
            .services_selecting(&pod.meta.namespace, &pod.meta.labels)
            .iter()
            .any(|service| {
                cx.facts()
                    .is_dns_service(&service.meta.namespace, &service.meta.name)
            })
}

fn report_loop<'a>(cx: &Context<'a>, pod: &'a Pod, crash: &Crash<'a>, report: &mut Reporter) {
    let finding = report.find(format!(
        "CoreDNS in Pod `{}` exits because its own queries come back to it",
        pod.meta
    ));
    finding
        .at(&*crash.pointer, "its state")
        .note("the last line it printed is `plugin/loop: Loop ... detected`")
        .note("it forwards to the resolver of its node, usually systemd-resolved at 127.0.0.53, which leads back to CoreDNS");
    fixes(cx, finding);
    // Every replica runs into the same loop: the first one by name speaks for all.
    let first = first_sibling(cx, pod);
    if first.meta.name != pod.meta.name {
        finding.because(&["DNS003"], first.reference());
    }
}

fn first_sibling<'a>(cx: &Context<'a>, pod: &'a Pod) -> &'a Pod {
    let pods = cx.selected_pods(&pod.meta.namespace, &pod.meta.labels);
    let looping = |pod: &&Pod| {
        let mut crashes = crashes(cx, pod).into_iter();
        crashes.any(|crash| crash.signature() == Some(Signature::ForwardingLoop))
    };
    pods.into_iter().find(looping).unwrap_or(pod)
}

fn fixes(cx: &Context<'_>, finding: &mut Finding) {
    let distribution = cx.facts().distribution.as_ref().map(|fact| fact.value);
    let resolver = "/run/systemd/resolve/resolv.conf";
    let title = match distribution {
        Some(Distribution::K3s | Distribution::K3d) => {
            format!("start the nodes with `--resolv-conf {resolver}`")
        }
        Some(Distribution::Rke2) => {
            format!("set `kubelet-arg: [resolv-conf={resolver}]` in the nodes' configuration")
        }
        _ => format!("set `resolvConf: {resolver}` in the kubelet's configuration on every node"),
    };
    finding.fix(Fix::manual(format!(
        "{title}, then restart the kubelets and CoreDNS"
    )));
    finding.fix(Fix::manual(
        "or name a resolver outside the node in the Corefile, as in `forward . 9.9.9.9`",
    ));
}

#[cfg(test)]
mod tests;
