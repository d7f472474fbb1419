//! `external-traffic-local-gap`

use crate::{
    context::{Context, Reporter},
    finding::Fix,
    model::{EndpointSlice, Kind, Node, Service, Workload},
    rule::{Action, Check, Confidence, Evidence, Rule, Severity},
};
use std::collections::BTreeSet;

pub(super) static RULE: Rule = Rule {
    code: "SVC013",
    name: "external-traffic-local-gap",
    summary: "externalTrafficPolicy Local, and nodes without a ready endpoint",
    check: Some(Severity::Warning),
    lint: Some(Severity::Info),
    admit: Some(Action::Audit),
    confidence: Confidence::Certain,
    evidence: Evidence::Status,
    needs: &[Kind::Node, Kind::EndpointSlice, Kind::Pod],
    wants: &[Kind::DaemonSet, Kind::Deployment, Kind::StatefulSet],
    triggers: &[Kind::EndpointSlice, Kind::Node],
    cases: &[("load-balancer", Severity::Info)],
    reads: &[
        "/spec/type",
        "/spec/selector",
        "/spec/externalTrafficPolicy",
        "/spec/healthCheckNodePort",
    ],
    page: include_str!("external_traffic_local_gap.md"),
    file: file!(),
    on: &[Check::Service(check)],
    ..Rule::BASE
};

fn check<'a>(cx: &Context<'a>, service: &'a Service, report: &mut Reporter) {
    let local = service.external_traffic_policy.as_deref() == Some("Local");
    if !local || !service.is_on_nodes() || service.meta.deleting() {
        return report.not_applicable();
    }
    let backends = cx.backends(service);
    if !backends.is_empty() && backends.iter().all(|backend| on_every_node(cx, *backend)) {
        return; // a DaemonSet puts an endpoint on every node that may run it
    }
    if !cx.on_cluster() {
        if backends.is_empty() {
            return report.skip("not in this input: what the Service selects");
        }
        return in_files(cx, service, &backends, report);
    }
    let slices = cx.slices_of(service);
    let serving = serving_nodes(&slices);
    if serving.is_empty() {
        return report.not_applicable(); // `service-has-no-ready-endpoints`
    }
    let (with, without): (Vec<&'a Node>, Vec<&'a Node>) = cx
        .all::<Node>()
        .filter(|node| node.ready() && !excluded(node))
        .partition(|node| serving.contains(&*node.meta.name));
    if !without.is_empty() {
        on_nodes(service, with.len(), &without, report);
    }
}

/// The pods of a `DaemonSet`, or its template.
fn on_every_node(cx: &Context<'_>, backend: Workload<'_>) -> bool {
    let by_daemon_set = backend
        .meta()
        .controller()
        .is_some_and(|owner| &*owner.kind == "DaemonSet");
    by_daemon_set || cx.place_to_fix(backend).kind() == Kind::DaemonSet
}

/// Nodes with an endpoint that gets traffic: ready, or serving while it terminates (KEP-1669).
fn serving_nodes<'a>(slices: &[&'a EndpointSlice]) -> BTreeSet<&'a str> {
    slices
        .iter()
        .flat_map(|slice| &slice.endpoints)
        .filter(|endpoint| endpoint.ready() || endpoint.serving_terminating())
        .filter_map(|endpoint| endpoint.node_name.as_deref())
        .collect()
}

fn excluded(node: &Node) -> bool {
    node.meta
        .labels
        .get("node.kubernetes.io/exclude-from-external-load-balancers")
        .is_some()
}

/// Large clusters: a few names are enough to check.
const MOST: usize = 5;

fn on_nodes(service: &Service, with: usize, without: &[&Node], report: &mut Reporter) {
    let finding = report.find(format!(
        "Service `{}` drops outside traffic on {} of {} ready nodes, which have no ready endpoint of it",
        service.meta,
        without.len(),
        without.len() + with
    ));
    finding.key("externalTrafficPolicy").at(
        "/spec/externalTrafficPolicy",
        "only endpoints of the same node",
    );
    let names: Vec<&str> = without
        .iter()
        .take(MOST)
        .map(|node| &*node.meta.name)
        .collect();
    let more = without.len().saturating_sub(MOST);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    finding.note(format!("without endpoint: {}{more}", names.join(", ")));
    finding.note("packets to these nodes are dropped, and clients time out");
    if service.service_type() == "LoadBalancer" && service.health_check_node_port.is_some() {
        finding.case("load-balancer").severity(Severity::Info);
        finding.note("a load balancer that asks the health check port leaves these nodes out; one that does not know it loses packets");
    }
    finding.looked_through(Kind::EndpointSlice, &service.meta.namespace);
    finding.fix(to_cluster(service));
}

fn in_files<'a>(
    cx: &Context<'a>,
    service: &Service,
    backends: &[Workload<'a>],
    report: &mut Reporter,
) {
    let Some(place) = backends
        .iter()
        .map(|backend| cx.place_to_fix(*backend))
        .find(|place| place.kind() != Kind::DaemonSet)
    else {
        return;
    };
    let finding = report.find(format!(
        "Service `{}` takes outside traffic only on nodes that run a Pod of {}, which does not run on every node",
        service.meta,
        place.reference()
    ));
    finding.key("externalTrafficPolicy").at(
        "/spec/externalTrafficPolicy",
        "only endpoints of the same node",
    );
    finding.label(place.reference(), "/spec", "runs on some nodes");
    finding.note("packets to other nodes are dropped; a load balancer has to ask the health check port to know");
    finding.fix(to_cluster(service));
}

fn to_cluster(service: &Service) -> Fix {
    Fix::manual("run the backend as a DaemonSet, spread its Pods over the nodes, or use `Cluster` and lose the client's address")
        .command(format!(
            "kubectl -n {} patch service {} -p '{{\"spec\":{{\"externalTrafficPolicy\":\"Cluster\"}}}}'",
            service.meta.namespace, service.meta.name
        ))
}

#[cfg(test)]
mod tests {
    use super::RULE;
    use crate::{
        model::Kind,
        testkit::{check, check_page, check_with, forbid, lint},
    };

    const SERVICE: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {type: NodePort, externalTrafficPolicy: Local, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}\n";

    fn node(name: &str, labels: &str, ready: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: Node\nmetadata: {{name: {name}, labels: {{{labels}}}}}\nstatus: {{conditions: [{{type: Ready, status: '{ready}'}}]}}\n"
        )
    }

    fn slice(node: &str, conditions: &str) -> String {
        format!(
            "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: web-{node}, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}\naddressType: IPv4\nendpoints: [{{addresses: [10.0.0.1], nodeName: {node}, conditions: {{{conditions}}}}}]\n"
        )
    }

    fn pod(owner: &str) -> String {
        format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: web-1, namespace: shop, labels: {{app: web}}, ownerReferences: [{{apiVersion: apps/v1, kind: {owner}, name: web, uid: u, controller: true}}]}}\nspec: {{containers: [{{name: c, image: c}}]}}\nstatus: {{phase: Running}}\n"
        )
    }

    fn two_nodes() -> String {
        node("n1", "", "True") + &node("n2", "", "True") + &slice("n1", "ready: true")
    }

    #[test]
    fn the_page_holds() {
        check_page(&RULE);
    }

    #[test]
    fn a_ready_node_without_endpoint() {
        let ran = check(&(SERVICE.to_owned() + &two_nodes() + &pod("ReplicaSet")));
        let finding = ran.one("SVC013");
        assert_eq!(finding.severity.as_str(), "warning");
        assert!(
            finding
                .notes
                .iter()
                .any(|note| note == "without endpoint: n2"),
            "{:?}",
            finding.notes
        );
        check(&(SERVICE.to_owned() + &two_nodes() + &slice("n2", "ready: true"))).none("SVC013");
        check(&(SERVICE.replace("Local", "Cluster") + &two_nodes())).none("SVC013");
    }

    #[test]
    fn nodes_that_take_no_outside_traffic() {
        let excluded = node(
            "n2",
            "node.kubernetes.io/exclude-from-external-load-balancers: ''",
            "True",
        );
        let rest = node("n1", "", "True") + &slice("n1", "ready: true");
        check(&(SERVICE.to_owned() + &rest + &excluded)).none("SVC013");
        check(&(SERVICE.to_owned() + &rest + &node("n2", "", "False"))).none("SVC013");
    }

    #[test]
    fn terminating_endpoints_that_serve_are_a_fallback() {
        let fallback = slice("n2", "ready: false, serving: true, terminating: true");
        check(&(SERVICE.to_owned() + &two_nodes() + &fallback)).none("SVC013");
    }

    #[test]
    fn a_daemon_set_is_meant_for_this() {
        check(&(SERVICE.to_owned() + &two_nodes() + &pod("DaemonSet"))).none("SVC013");
    }

    #[test]
    fn a_health_check_takes_the_node_out() {
        let balancer = SERVICE.replace("NodePort,", "LoadBalancer, healthCheckNodePort: 31000,");
        let ran = check(&(balancer + &two_nodes() + &pod("ReplicaSet")));
        assert_eq!(ran.one("SVC013").severity.as_str(), "info");
    }

    #[test]
    fn no_endpoint_at_all_is_another_rule() {
        check(&(SERVICE.to_owned() + &node("n1", "", "True") + &slice("n1", "ready: false")))
            .none("SVC013");
    }

    #[test]
    fn files_show_no_nodes() {
        lint(SERVICE)
            .none("SVC013")
            .skipped("SVC013", "not in this input");
    }

    #[test]
    fn what_could_not_be_listed() {
        for kind in [Kind::Node, Kind::EndpointSlice] {
            check_with(&(SERVICE.to_owned() + &two_nodes()), |builder| {
                forbid(builder, kind);
            })
            .none("SVC013")
            .unknown("SVC013", "forbidden");
        }
    }
}
