//! The engine against a plain evaluation of the raw objects, pod by pod, that shares no code with it.

use super::{asked, cluster, verdict, word};
use crate::{
    model::Protocol,
    policy::{Cell, Policies},
};
use proptest::prelude::*;
use serde_json::{Value, json};

const PORTS: [i64; 3] = [80, 443, 8080];

// ---- The oracle: `Some` is an answer, `None` is "up to the plugin". ----

fn has(labels: &Value, key: &str) -> Option<String> {
    labels.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn selected(selector: &Value, labels: &Value) -> bool {
    let pairs = selector.get("matchLabels").and_then(Value::as_object);
    let pairs = pairs
        .into_iter()
        .flatten()
        .all(|(key, value)| has(labels, key).as_deref() == value.as_str());
    let expressions = selector.get("matchExpressions").and_then(Value::as_array);
    let expressions = expressions.into_iter().flatten().all(|expression| {
        let found = has(labels, expression["key"].as_str().unwrap());
        let listed = expression["values"].as_array().is_some_and(|values| {
            values
                .iter()
                .any(|value| value.as_str() == found.as_deref())
        });
        match expression["operator"].as_str().unwrap() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => found.is_some(),
            _ => found.is_none(),
        }
    });
    pairs && expressions
}

fn in_range(address: &str, cidr: &str) -> bool {
    let number = |text: &str| {
        text.split('.')
            .fold(0u64, |sum, part| sum * 256 + part.parse::<u64>().unwrap())
    };
    let (network, length) = cidr.split_once('/').unwrap();
    let width = 1u64 << (32 - length.parse::<u32>().unwrap());
    number(address) / width == number(network) / width
}

/// Whether a peer is the other pod.
fn is_peer(peer: &Value, own: &str, other: &Value, namespaces: &[Value]) -> Option<bool> {
    if let Some(block) = peer.get("ipBlock") {
        let address = other["status"]["podIPs"][0]["ip"].as_str().unwrap();
        let out = block["except"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|hole| in_range(address, hole.as_str().unwrap()));
        return if in_range(address, block["cidr"].as_str().unwrap()) && !out {
            None
        } else {
            Some(false)
        };
    }
    let namespace = other["metadata"]["namespace"].as_str().unwrap();
    let place = match peer.get("namespaceSelector") {
        None => namespace == own,
        Some(selector) => {
            let object = namespaces
                .iter()
                .find(|object| object["metadata"]["name"] == namespace)
                .unwrap();
            let mut labels = object["metadata"]["labels"].clone();
            labels["kubernetes.io/metadata.name"] = namespace.into();
            selected(selector, &labels)
        }
    };
    Some(
        place
            && peer
                .get("podSelector")
                .is_none_or(|selector| selected(selector, &other["metadata"]["labels"])),
    )
}

fn is_port(wanted: &Value, destination: &Value, port: i64, protocol: &str) -> bool {
    let of = |value: &Value| {
        value
            .get("protocol")
            .and_then(Value::as_str)
            .unwrap_or("TCP")
            .to_owned()
    };
    if of(wanted) != protocol {
        return false;
    }
    match (
        wanted.get("port"),
        wanted.get("endPort").and_then(Value::as_i64),
    ) {
        (None, _) => true,
        (Some(Value::String(name)), _) => destination["spec"]["containers"][0]["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|declared| {
                declared["name"] == **name
                    && declared["containerPort"] == port
                    && of(declared) == protocol
            }),
        (Some(first), last) => {
            let first = first.as_i64().unwrap();
            (first..=last.unwrap_or(first)).contains(&port)
        }
    }
}

struct Ask<'v> {
    source: &'v Value,
    destination: &'v Value,
    port: i64,
    protocol: &'v str,
}

fn direction(
    policies: &[Value],
    namespaces: &[Value],
    ask: &Ask<'_>,
    egress: bool,
) -> Option<bool> {
    let (own, other) = if egress {
        (ask.source, ask.destination)
    } else {
        (ask.destination, ask.source)
    };
    let (field, peers, name) = if egress {
        ("egress", "to", "Egress")
    } else {
        ("ingress", "from", "Ingress")
    };
    let mut isolated = false;
    let mut open = false;
    let mut perhaps = false;
    for policy in policies {
        let (spec, namespace) = (&policy["spec"], &policy["metadata"]["namespace"]);
        let rules = spec
            .get(field)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let applies = match spec.get("policyTypes") {
            Some(types) => types.as_array().unwrap().iter().any(|text| text == name),
            None => !egress || !rules.is_empty(),
        };
        if !applies
            || *namespace != own["metadata"]["namespace"]
            || !selected(&spec["podSelector"], &own["metadata"]["labels"])
        {
            continue;
        }
        isolated = true;
        for rule in rules {
            let list = |key: &str| {
                rule.get(key)
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default()
            };
            let ports = list("ports");
            if !ports.is_empty()
                && !ports
                    .iter()
                    .any(|port| is_port(port, ask.destination, ask.port, ask.protocol))
            {
                continue;
            }
            let peers = list(peers);
            open |= peers.is_empty();
            for peer in peers {
                match is_peer(&peer, namespace.as_str().unwrap(), other, namespaces) {
                    Some(fits) => open |= fits,
                    None => perhaps = true,
                }
            }
        }
    }
    match (isolated, open, perhaps) {
        (false, _, _) | (_, true, _) => Some(true),
        (true, false, true) => None,
        (true, false, false) => Some(false),
    }
}

fn oracle(policies: &[Value], namespaces: &[Value], ask: &Ask<'_>) -> &'static str {
    let same = ask.source["metadata"]["name"] == ask.destination["metadata"]["name"];
    let host = |pod: &Value| pod["spec"]["hostNetwork"] == true;
    if same {
        return "allowed";
    }
    if host(ask.source) || host(ask.destination) {
        return "unknown";
    }
    match (
        direction(policies, namespaces, ask, true),
        direction(policies, namespaces, ask, false),
    ) {
        (Some(false), _) | (_, Some(false)) => "denied",
        (None, _) | (_, None) => "unknown",
        (Some(true), Some(true)) => "allowed",
    }
}

// ---- Clusters ----

fn labels() -> impl Strategy<Value = Value> {
    (prop::option::of("[xy]"), prop::option::of("[12]")).prop_map(|(app, tier)| {
        let mut labels = json!({});
        if let Some(app) = app {
            labels["app"] = app.into();
        }
        if let Some(tier) = tier {
            labels["tier"] = tier.into();
        }
        labels
    })
}

fn selector() -> impl Strategy<Value = Value> {
    let operator = prop::sample::select(vec!["In", "NotIn", "Exists", "DoesNotExist"]);
    let expression =
        ("app|tier", operator, "[xy12]").prop_map(|(key, operator, value)| match operator {
            "In" | "NotIn" => json!({"key": key, "operator": operator, "values": [value]}),
            _ => json!({"key": key, "operator": operator}),
        });
    prop_oneof![
        Just(json!({})),
        labels().prop_map(|labels| json!({"matchLabels": labels})),
        (labels(), expression).prop_map(
            |(labels, expression)| json!({"matchLabels": labels, "matchExpressions": [expression]})
        ),
    ]
}

fn peer(blocks: bool) -> impl Strategy<Value = Value> {
    let namespaces = prop_oneof![
        Just(json!({})),
        "[ab]".prop_map(|name| json!({"matchLabels": {"kubernetes.io/metadata.name": name}})),
        "[pq]".prop_map(|team| json!({"matchLabels": {"team": team}})),
        "[pq]".prop_map(|team| json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": [team]}]})),
    ];
    let block = (0u8..8, prop::option::of(0u8..8)).prop_map(|(net, hole)| match hole {
        Some(hole) => {
            json!({"ipBlock": {"cidr": "10.0.0.0/28", "except": [format!("10.0.0.{hole}/32")]}})
        }
        None => json!({"ipBlock": {"cidr": format!("10.0.0.{}/31", net & !1)}}),
    });
    prop_oneof![
        3 => selector().prop_map(|pods| json!({"podSelector": pods})),
        2 => namespaces.clone().prop_map(|namespaces| json!({"namespaceSelector": namespaces})),
        2 => (namespaces, selector()).prop_map(|(namespaces, pods)| json!({"namespaceSelector": namespaces, "podSelector": pods})),
        u32::from(blocks) => block,
    ]
}

fn protocol() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["TCP", "UDP", "SCTP"])
}

fn port() -> impl Strategy<Value = Value> {
    let number = prop::sample::select(PORTS.to_vec());
    (prop::option::of(protocol()), 0..4u8, number, "http|dns").prop_map(
        |(protocol, form, number, name)| {
            let mut port = json!({});
            match form {
                0 => {}
                1 => port["port"] = name.into(),
                2 => {
                    port["port"] = number.into();
                    port["endPort"] = (number + 400).into();
                }
                _ => port["port"] = number.into(),
            }
            if let Some(protocol) = protocol {
                port["protocol"] = protocol.into();
            }
            port
        },
    )
}

fn rules(peers: &'static str, blocks: bool) -> impl Strategy<Value = Option<Value>> {
    let list = (
        prop::option::of(prop::collection::vec(peer(blocks), 0..3)),
        prop::option::of(prop::collection::vec(port(), 0..3)),
    );
    let rule = list.prop_map(move |(from, ports)| {
        let mut rule = json!({});
        if let Some(from) = from {
            rule[peers] = from.into();
        }
        if let Some(ports) = ports {
            rule["ports"] = ports.into();
        }
        rule
    });
    prop::option::of(prop::collection::vec(rule, 0..3).prop_map(Value::from))
}

fn policy(blocks: bool) -> impl Strategy<Value = Value> {
    let types = prop::sample::select(vec![
        json!(null),
        json!(["Ingress"]),
        json!(["Egress"]),
        json!(["Ingress", "Egress"]),
    ]);
    ("[ab]", selector(), types, rules("from", blocks), rules("to", blocks)).prop_map(|(namespace, selector, types, ingress, egress)| {
        let mut spec = json!({"podSelector": selector});
        if !types.is_null() {
            spec["policyTypes"] = types;
        }
        if let Some(ingress) = ingress {
            spec["ingress"] = ingress;
        }
        if let Some(egress) = egress {
            spec["egress"] = egress;
        }
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"namespace": namespace}, "spec": spec})
    })
}

fn pod() -> impl Strategy<Value = Value> {
    let port = (prop::sample::select(PORTS.to_vec()), protocol(), "http|dns");
    ("[ab]", labels(), prop::bool::weighted(0.1), port).prop_map(|(namespace, labels, host, (number, protocol, name))| {
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": namespace, "labels": labels},
            "spec": {"hostNetwork": host, "containers": [{"name": "c", "image": "c",
                "ports": [{"name": name, "containerPort": number, "protocol": protocol}]}]},
        })
    })
}

fn numbered(objects: Vec<Value>, prefix: &str) -> Vec<Value> {
    let numbered = objects.into_iter().enumerate().map(|(number, mut object)| {
        object["metadata"]["name"] = format!("{prefix}{number}").into();
        if object["kind"] == "Pod" {
            object["status"] =
                json!({"phase": "Running", "podIPs": [{"ip": format!("10.0.0.{number}")}]});
        }
        object
    });
    numbered.collect()
}

fn namespaces() -> Vec<Value> {
    let object = |name: &str, team: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": team}}});
    vec![object("a", "p"), object("b", "q")]
}

fn compare(pods: &[Value], policies: &[Value], blocks: bool) -> Result<(), TestCaseError> {
    let namespaces = namespaces();
    let all = [pods, policies, &namespaces].concat();
    let snapshot = cluster(all);
    let reference = |pod: &Value| {
        format!(
            "{}/{}",
            pod["metadata"]["namespace"].as_str().unwrap(),
            pod["metadata"]["name"].as_str().unwrap()
        )
    };
    asked(&snapshot, |cx| {
        for (port, name, protocol) in [
            (80, "TCP", Protocol::Tcp),
            (8080, "UDP", Protocol::Udp),
            (443, "SCTP", Protocol::Sctp),
        ] {
            let reach = Policies::new(cx).reach(port, &protocol);
            let class = |pod: &Value| {
                let named = |class: &crate::policy::Class<'_>| {
                    class.members.iter().any(|member| {
                        let meta = member.meta();
                        *meta.name == *pod["metadata"]["name"].as_str().unwrap()
                            && *meta.namespace == *pod["metadata"]["namespace"].as_str().unwrap()
                    })
                };
                reach
                    .classes
                    .iter()
                    .position(named)
                    .expect("every pod is in a class")
            };
            for source in pods {
                for destination in pods {
                    let ask = Ask {
                        source,
                        destination,
                        port: i64::from(port),
                        protocol: name,
                    };
                    let expected = oracle(policies, &namespaces, &ask);
                    let verdict = verdict(
                        cx,
                        &reference(source),
                        &reference(destination),
                        port,
                        protocol.clone(),
                    );
                    prop_assert_eq!(
                        word(&verdict),
                        expected,
                        "{} -> {} {}/{}: {:?}",
                        source,
                        destination,
                        port,
                        name,
                        verdict
                    );
                    // A class may stand for many pods: only a pod itself is exempt, and addresses are not looked at.
                    if source == destination {
                        continue;
                    }
                    let cell = match reach.cell(class(source), class(destination)) {
                        Cell::Allowed => "allowed",
                        Cell::Denied => "denied",
                        Cell::Unknown => "unknown",
                    };
                    prop_assert!(
                        cell == expected || (blocks && cell == "unknown"),
                        "{} -> {}: {} for {}",
                        source,
                        destination,
                        cell,
                        expected
                    );
                }
            }
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_engine_agrees_with_the_oracle(
        pods in prop::collection::vec(pod(), 1..6),
        policies in prop::collection::vec(policy(false), 0..5),
    ) {
        compare(&numbered(pods, "pod"), &numbered(policies, "policy"), false)?;
    }

    #[test]
    fn blocks_that_cover_pods_are_up_to_the_plugin(
        pods in prop::collection::vec(pod(), 1..6),
        policies in prop::collection::vec(policy(true), 0..4),
    ) {
        compare(&numbered(pods, "pod"), &numbered(policies, "policy"), true)?;
    }
}
