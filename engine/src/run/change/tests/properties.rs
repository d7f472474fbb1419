//! `judge` finds exactly what a full run over the changed cluster finds and a full run over the old one does not, as far
//! as the change is followed: about the object itself, and about those that its kind triggers a rule for.

use crate::{
    config::Config,
    context::Change,
    finding::Finding,
    model::{Kind, Origin, decode, decode::Any},
    rule::{Rule, Surface},
    rules::RULES,
    run::{judge, run},
    snapshot::{Builder, Snapshot, Source},
    testkit::clock,
};
use proptest::{prelude::*, sample::select, strategy::Union};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// One object that may be there in any of many forms, or not.
type Slot = BoxedStrategy<Option<Value>>;

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

fn slots() -> Vec<Slot> {
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
fn fixed() -> Vec<Value> {
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

/// What a garbage collector takes away: pods and revisions whose owner is not here.
fn collected(mut state: Vec<Option<Value>>) -> Vec<Option<Value>> {
    for (kind, name, owned) in [
        ("Deployment", "web", "web-1"),
        ("ReplicaSet", "web-1", "web-1-x"),
    ] {
        let here = |value: &Value| value["kind"] == kind && value["metadata"]["name"] == name;
        if !state.iter().flatten().any(here) {
            for slot in &mut state {
                if slot
                    .as_ref()
                    .is_some_and(|value| value["metadata"]["name"] == owned)
                {
                    *slot = None;
                }
            }
        }
    }
    state
}

fn decoded(value: &Value) -> Any {
    decode::from_value(value.clone(), Origin::Live)
        .expect("every slot makes an object that rules read")
}

fn snapshot(state: &[Option<Value>]) -> Snapshot {
    let mut builder = Builder::new(Source::Cluster);
    for kind in Kind::all() {
        builder.coverage(kind).everywhere = true;
    }
    for value in state.iter().flatten().chain(&fixed()) {
        builder.insert(decoded(value));
    }
    builder.seal()
}

type Seen = BTreeMap<String, (String, &'static str)>;

fn full(state: &[Option<Value>]) -> Vec<Finding> {
    let config = Config::default();
    run(&RULES, &snapshot(state), &config, clock(), Surface::Admit).findings
}

fn seen<'f>(findings: impl IntoIterator<Item = &'f Finding>) -> Seen {
    let entry = |finding: &Finding| {
        let text = format!(
            "{} {}: {}",
            finding.rule.code, finding.subject, finding.message
        );
        (finding.fingerprint.clone(), (text, finding.rule.code))
    };
    findings.into_iter().map(entry).collect()
}

/// The two rules about selectors that match nothing tell one defect, more or less exactly.
fn family(code: &str) -> &str {
    if code == "SVC002" { "SVC001" } else { code }
}

/// Places that differ, each the topmost that differs as a whole.
fn places(old: &Value, new: &Value, at: &str, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let place = crate::pointer::join(at, key);
                match (old.get(key), new.get(key)) {
                    (Some(old), Some(new)) => places(old, new, &place, found),
                    _ => found.push(place),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                places(old, new, &format!("{at}/{index}"), found);
            }
        }
        (old, new) if old == new => {}
        _ => found.push(at.to_owned()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_change_brings_what_two_full_runs_differ_by(
        (state, other, at) in (slots(), slots(), 0..slots().len())
    ) {
        let state = collected(state);
        let mut after = state.clone();
        after[at].clone_from(&other[at]);
        let after = collected(after);
        let (old, new) = (state[at].as_ref().map(decoded), after[at].as_ref().map(decoded));
        let Some(changed) = new.as_ref().or(old.as_ref()) else { return Ok(()) };
        let (kind, reference) = (changed.kind(), changed.reference());
        let (before, after) = (full(&state), full(&after));
        let known: BTreeSet<&str> = before.iter().map(|finding| &*finding.fingerprint).collect();
        let renamed = |finding: &Finding| before.iter().any(|old| {
            family(old.rule.code) == "SVC001" && family(finding.rule.code) == "SVC001"
                && old.subject == finding.subject
        });
        // A full run leaves out what something here owns.
        let owned = changed.meta().controller().is_some();
        let expected = seen(after.iter().filter(|finding| {
            !known.contains(&*finding.fingerprint) && !renamed(finding)
                && (finding.subject == reference || finding.rule.triggered_by(kind))
        }));

        let change = Change { old: old.as_ref(), new: new.as_ref() };
        let config = Config::default();
        let judged = judge(&RULES, &snapshot(&state), change, &|_| true, &config, clock());
        let found = seen(judged.report.findings.iter().filter(|finding| {
            !renamed(finding) && (!owned || finding.subject != reference)
        }));
        prop_assert_eq!(found, expected, "change of {}", reference);
    }

    #[test]
    fn a_rule_that_reads_nothing_of_what_changed_has_nothing_new_to_say(
        (state, other, at) in (slots(), slots(), 0..slots().len())
    ) {
        let state = collected(state);
        let (Some(old), Some(new)) = (&state[at], &other[at]) else { return Ok(()) };
        if old["kind"] == "Pod" {
            return Ok(()); // of a pod only labels can change, and they are read by those who select it
        }
        let mut changed = Vec::new();
        places(old, new, "", &mut changed);
        let (old, new) = (decoded(old), decoded(new));
        let change = Change { old: Some(&old), new: Some(&new) };
        let (snapshot, config) = (snapshot(&state), Config::default());
        let asked = |rule: &Rule| changed.iter().any(|place| rule.reads_at(place));
        let all = judge(&RULES, &snapshot, change, &|_| true, &config, clock());
        let some = judge(&RULES, &snapshot, change, &asked, &config, clock());
        prop_assert_eq!(seen(&some.report.findings), seen(&all.report.findings), "{:?}", changed);
    }
}
