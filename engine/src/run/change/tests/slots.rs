//! A small cluster in any of many forms.

use crate::model::Kind;
use proptest::{prelude::*, sample::select, strategy::Union};
use serde_json::{Value, json};

/// One object that may be there in any of many forms, or not.
pub(super) type Slot = BoxedStrategy<Option<Value>>;

fn labels() -> impl Strategy<Value = Value> + Clone {
    select(vec![
        json!({"app": "web"}),
        json!({"app": "web"}),
        json!({"app": "api"}),
        json!({"app": "web", "tier": "front"}),
        json!({"role": "db"}),
    ])
}

fn pod_spec() -> impl Strategy<Value = Value> {
    let port = (
        select(vec![Some("http"), Some("web"), None]),
        select(vec![80, 8080]),
        select(vec!["TCP", "UDP"]),
    );
    let ports = prop::collection::vec(port, 0..3);
    let dns = select(vec!["ClusterFirst", "Default"]);
    let probe = select(vec![json!(null), json!({"tcpSocket": {"port": "web"}})]);
    (ports, any::<bool>(), dns, probe).prop_map(|(ports, host, dns, probe)| {
        let ports: Vec<Value> = ports
            .into_iter()
            .map(|(name, number, protocol)| {
                json!({"name": name, "containerPort": number, "protocol": protocol})
            })
            .collect();
        let args = json!(["--db=db.b.svc"]);
        json!({"hostNetwork": host, "dnsPolicy": dns,
               "containers": [{"name": "c", "image": "c", "args": args, "ports": ports, "readinessProbe": probe}]})
    })
}

fn object(kind: Kind, namespace: &str, name: &str, mut rest: Value) -> Value {
    rest["apiVersion"] = kind.api_version().into();
    rest["kind"] = kind.name().into();
    rest["metadata"]["name"] = name.into();
    if kind.namespaced() {
        rest["metadata"]["namespace"] = namespace.into();
    }
    rest
}

fn maybe(
    kind: Kind,
    namespace: &'static str,
    name: &'static str,
    rest: impl Strategy<Value = Value> + 'static,
) -> Slot {
    prop::option::weighted(0.8, rest)
        .prop_map(move |rest| rest.map(|rest| object(kind, namespace, name, rest)))
        .boxed()
}

fn workload(kind: Kind, namespace: &'static str, name: &'static str) -> Slot {
    let rest = (labels(), pod_spec(), 0..4).prop_map(|(labels, spec, replicas)| {
        json!({"spec": {"replicas": replicas, "selector": {"matchLabels": labels},
               "template": {"metadata": {"labels": labels}, "spec": spec}}})
    });
    maybe(kind, namespace, name, rest)
}

/// What a Deployment made before: it may look otherwise than the template does now.
fn made(kind: Kind, name: &'static str, owner: (Kind, &'static str)) -> Slot {
    let rest = (labels(), pod_spec()).prop_map(move |(labels, spec)| {
        let meta = json!({"labels": labels, "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": owner.0.name(), "name": owner.1, "uid": "u", "controller": true}]});
        if kind == Kind::Pod {
            json!({"metadata": meta, "spec": spec, "status": {"phase": "Running"}})
        } else {
            json!({"metadata": meta, "spec": {"replicas": 1, "template": {"metadata": {"labels": labels}, "spec": spec}}})
        }
    });
    maybe(kind, "a", name, rest)
}

fn bare_pod() -> Slot {
    let rest = (labels(), pod_spec())
        .prop_map(|(labels, spec)| json!({"metadata": {"labels": labels}, "spec": spec}));
    maybe(Kind::Pod, "a", "solo", rest)
}

fn service(namespace: &'static str, name: &'static str) -> Slot {
    let target = select(vec![json!("http"), json!("web"), json!(80), json!(8080)]);
    let port = (select(vec![80, 8080]), target, select(vec!["TCP", "UDP"]));
    let port = port.prop_map(|(port, target, protocol)| {
        json!({"name": "p", "port": port, "targetPort": target, "protocol": protocol})
    });
    let selecting = (labels(), port, select(vec![json!(null), json!("None")])).prop_map(
        |(selector, port, ip)| json!({"spec": {"selector": selector, "ports": [port], "clusterIP": ip}}),
    );
    let bare = Just(json!({"spec": {"ports": [{"port": 80}]}}));
    let outside = select(vec![
        "web.a.svc",
        "api.a.svc.cluster.local",
        "localhost",
        "x.test",
    ]);
    let outside =
        outside.prop_map(|host| json!({"spec": {"type": "ExternalName", "externalName": host}}));
    let rest = Union::new_weighted(vec![
        (4, selecting.boxed()),
        (1, bare.boxed()),
        (2, outside.boxed()),
    ]);
    maybe(Kind::Service, namespace, name, rest)
}

fn slice() -> Slot {
    let rest = select(vec!["web", "api"]).prop_map(|service| {
        json!({"metadata": {"labels": {"kubernetes.io/service-name": service}}, "addressType": "IPv4",
               "endpoints": [{"addresses": ["192.0.2.1"]}], "ports": [{"port": 80}]})
    });
    maybe(Kind::EndpointSlice, "a", "hand-written", rest)
}

fn ingress(name: &'static str) -> Slot {
    let port = select(vec![
        json!({"number": 80}),
        json!({"number": 8080}),
        json!({"name": "p"}),
    ]);
    let class = select(vec![json!(null), json!("nginx")]);
    let rest = (select(vec!["web", "api"]), port, class).prop_map(|(service, port, class)| {
        json!({"spec": {"ingressClassName": class,
               "defaultBackend": {"service": {"name": service, "port": port}}}})
    });
    maybe(Kind::Ingress, "a", name, rest)
}

fn class(name: &'static str) -> Slot {
    let rest = any::<bool>().prop_map(|default| {
        let mark = if default { "true" } else { "false" };
        json!({"metadata": {"annotations": {"ingressclass.kubernetes.io/is-default-class": mark}},
               "spec": {"controller": "example.test/c"}})
    });
    maybe(Kind::IngressClass, "", name, rest)
}

fn policy(namespace: &'static str, name: &'static str) -> Slot {
    let pods = select(vec![
        json!({}),
        json!({"matchLabels": {"app": "web"}}),
        json!({"matchLabels": {"role": "db"}}),
    ]);
    let place = select(vec![
        json!(null),
        json!({}),
        json!({"matchLabels": {"team": "x"}}),
        json!({"matchLabels": {"kubernetes.io/metadata.name": "b"}}),
        json!({"matchLabels": {"dns": "here"}}),
    ]);
    let peer =
        (place, prop::option::of(pods.clone())).prop_map(|(place, pods)| match (&place, &pods) {
            (Value::Null, None) => json!({"podSelector": {}}),
            (Value::Null, _) => json!({"podSelector": pods}),
            (_, None) => json!({"namespaceSelector": place}),
            _ => json!({"namespaceSelector": place, "podSelector": pods}),
        });
    let ports = select(vec![
        json!([]),
        json!([{"port": 80}]),
        json!([{"port": 80}]),
        json!([{"port": 53, "protocol": "UDP"}]),
        json!([{"port": 53, "protocol": "UDP"}, {"port": 53}]),
    ]);
    let rule = (prop::collection::vec(peer, 0..2), ports);
    let rules = prop::collection::vec(rule, 0..3);
    let types = select(vec![
        json!(null),
        json!(["Egress"]),
        json!(["Ingress"]),
        json!(["Ingress", "Egress"]),
    ]);
    let rest = (pods, types, rules.clone(), rules).prop_map(|(pods, types, ingress, egress)| {
        let list = |rules: Vec<(Vec<Value>, Value)>, field: &str| -> Vec<Value> {
            let rules = rules.into_iter();
            rules
                .map(|(peers, ports)| json!({field: peers, "ports": ports}))
                .collect()
        };
        json!({"spec": {"podSelector": pods, "policyTypes": types,
               "ingress": list(ingress, "from"), "egress": list(egress, "to")}})
    });
    maybe(Kind::NetworkPolicy, namespace, name, rest)
}

fn autoscaler() -> Slot {
    let target = select(vec![
        ("Deployment", "web"),
        ("Deployment", "api"),
        ("DaemonSet", "agent"),
    ]);
    let rest = (target, 1..4, 1..6).prop_map(|((kind, name), least, most)| {
        json!({"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": name},
               "minReplicas": least, "maxReplicas": most}})
    });
    maybe(Kind::HorizontalPodAutoscaler, "a", "web", rest)
}

fn namespace(name: &'static str) -> Slot {
    let labels = select(vec![
        json!({}),
        json!({"team": "x"}),
        json!({"dns": "here"}),
        json!({"istio-injection": "enabled"}),
    ]);
    let rest = labels.prop_map(|labels| json!({"metadata": {"labels": labels}}));
    maybe(Kind::Namespace, "", name, rest)
}

pub(super) fn slots() -> Vec<Slot> {
    vec![
        namespace("a"),
        namespace("b"),
        namespace("kube-system"),
        workload(Kind::Deployment, "a", "web"),
        workload(Kind::Deployment, "a", "api"),
        workload(Kind::StatefulSet, "b", "db"),
        workload(Kind::DaemonSet, "a", "agent"),
        made(Kind::ReplicaSet, "web-1", (Kind::Deployment, "web")),
        made(Kind::Pod, "web-1-x", (Kind::ReplicaSet, "web-1")),
        bare_pod(),
        service("a", "web"),
        service("a", "api"),
        service("b", "db"),
        slice(),
        ingress("one"),
        ingress("two"),
        class("nginx"),
        class("other"),
        policy("a", "p1"),
        policy("a", "p2"),
        policy("b", "p3"),
        autoscaler(),
    ]
}

/// What does not change: a node, and the cluster's DNS.
pub(super) fn fixed() -> Vec<Value> {
    let labels = json!({"k8s-app": "kube-dns"});
    let ports =
        json!([{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "tcp", "port": 53}]);
    let containers = json!([{"name": "c", "image": "coredns", "ports": [
        {"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]}]);
    vec![
        object(
            Kind::Node,
            "",
            "n1",
            json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}}),
        ),
        object(
            Kind::Service,
            "kube-system",
            "kube-dns",
            json!({"metadata": {"labels": labels}, "spec": {"clusterIP": "10.96.0.10", "selector": labels, "ports": ports}}),
        ),
        object(
            Kind::Deployment,
            "kube-system",
            "coredns",
            json!({"spec": {"template": {"metadata": {"labels": labels}, "spec": {"containers": containers}}}}),
        ),
    ]
}
