//! `service-proxy-not-programming`

use crate::{
    context::{Context, Reporter},
    facts::agent::is_kube_proxy,
    finding::Fix,
    model::{Kind, Node, Object as _},
    rule::{Check, Confidence, Evidence, Reach, Rule, Severity},
    rules::{
        node::agent::{Agent, on_node},
        workload::trouble::trouble,
    },
};

pub(super) static RULE: Rule = Rule {
    code: "KPX002",
    name: "service-proxy-not-programming",
    summary: "nothing keeps Service addresses up to date on a node",
    check: Some(Severity::Error),
    confidence: Confidence::Likely,
    evidence: Evidence::Status,
    reach: Reach::Cluster,
    needs: &[Kind::Pod, Kind::DaemonSet],
    reads: &["/metadata/labels", "/spec/taints"],
    page: include_str!("service_proxy_not_programming.md"),
    file: file!(),
    on: &[Check::Node(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, node: &'a Node, report: &mut Reporter) {
    let mode = cx.facts().proxy_mode.as_ref().map(|fact| &*fact.value);
    if matches!(mode, None | Some("embedded" | "replaced")) {
        return report.not_applicable(); // no kube-proxy of its own
    }
    let is_static = |pod: &crate::model::Pod| is_kube_proxy(&pod.meta.labels, &pod.spec);
    let state = on_node(cx, node, &cx.facts().proxy_agents, is_static);
    let name = &node.meta.name;
    let finding = match state {
        Agent::Fine => return,
        Agent::Settling(reason) => return report.unknown(reason),
        Agent::NotReady(pod) => {
            let why = trouble(cx, pod);
            let finding = report.find(format!("kube-proxy on node `{name}` is not Ready: {why}"));
            finding.at("/metadata/name", "").label(
                pod.reference(),
                "/status",
                "kube-proxy of this node",
            );
            let (namespace, pod) = (&pod.meta.namespace, &pod.meta.name);
            let logs = format!("kubectl -n {namespace} logs {pod} --tail=50");
            finding.fix(Fix::manual("read what kube-proxy complains about").command(logs));
            let delete = format!("kubectl -n {namespace} delete pod {pod}");
            finding
                .fix(Fix::manual("then delete its Pod, so that it is made again").command(delete))
        }
        Agent::Absent(set) => {
            let finding = report.find(format!(
                "kube-proxy is missing on node `{name}`: DaemonSet `{}` has no Pod there",
                set.meta
            ));
            finding
                .at("/metadata/name", "")
                .label(set.reference(), "/status", "counts one too few")
                .looked_through(Kind::Pod, &set.meta.namespace);
            let (namespace, set) = (&set.meta.namespace, &set.meta.name);
            let describe = format!("kubectl -n {namespace} describe daemonset {set}");
            finding
                .fix(Fix::manual("see in its events why the Pod is not created").command(describe))
        }
    };
    finding.note("Services that change now keep their old endpoints on this node, new ones do not work there");
    finding.because(&["NOD001"], node.reference());
}

#[cfg(test)]
mod tests;
