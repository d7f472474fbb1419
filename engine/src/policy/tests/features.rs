//! One table for each feature of the API: who may connect under which policy.

use super::{asked, verdict, word};
use crate::{
    model::Protocol,
    policy::{Allow, Direction, Miss, Verdict},
    snapshot::{Snapshot, Source},
    testkit::read,
};

/// Pods `shop/web`, `shop/db`, `shop/host` (host network), `data/db`, `bare/db` (its Namespace object is not here), all
/// with port `http` = 8080/TCP except `data/db`, where `http` is 9090.
const CLUSTER: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: Namespace
metadata: {name: data, labels: {team: b}}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: n1, containers: [{name: a, image: a, ports: [{name: http, containerPort: 8080}]}]}
status: {podIPs: [{ip: 10.1.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db, tier: back}}
spec: {containers: [{name: a, image: a, ports: [{name: http, containerPort: 8080}]}]}
status: {podIPs: [{ip: 10.1.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: host, namespace: shop, labels: {app: web}}
spec: {hostNetwork: true, containers: [{name: a, image: a}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: data, labels: {app: db}}
spec: {containers: [{name: a, image: a, ports: [{name: http, containerPort: 9090}]}]}
status: {podIPs: [{ip: 10.1.0.3}, {ip: 'fd00::3'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: bare, labels: {app: db}}
spec: {containers: [{name: a, image: a}]}
";

fn with(policies: &str) -> Snapshot {
    read(&format!("{CLUSTER}{policies}"), Source::Cluster, |_| {}).0
}

fn policy(name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"
    )
}

/// Each row: source, destination, port, expected.
fn table(policies: &str, rows: &[(&str, &str, i32, &str)]) {
    table_of(policies, &Protocol::Tcp, rows);
}

fn table_of(policies: &str, protocol: &Protocol, rows: &[(&str, &str, i32, &str)]) {
    let snapshot = with(policies);
    asked(&snapshot, |cx| {
        for (source, destination, port, expected) in rows {
            let verdict = verdict(cx, source, destination, *port, protocol.clone());
            assert_eq!(
                word(&verdict),
                *expected,
                "{source} -> {destination}:{port} {verdict:?}"
            );
        }
    });
}

#[test]
fn without_policies_everything_passes() {
    table(
        "",
        &[
            ("shop/web", "data/db", 1, "allowed"),
            ("198.51.100.1", "shop/db", 1, "allowed"),
            ("shop/web", "198.51.100.1", 1, "allowed"),
        ],
    );
}

#[test]
fn missing_empty_and_open_rules_differ() {
    for denies in [
        "{podSelector: {}}",
        "{podSelector: {}, ingress: []}",
        "{podSelector: {}, policyTypes: [Ingress]}",
        "{podSelector: {}, ingress: null}",
    ] {
        table(
            &policy("p", "shop", denies),
            &[
                ("shop/web", "shop/db", 80, "denied"),
                ("shop/web", "data/db", 80, "allowed"),
            ],
        );
    }
    for allows in [
        "[{}]",
        "[{from: []}]",
        "[{from: [], ports: []}]",
        "[{ports: null}]",
    ] {
        let open = policy(
            "p",
            "shop",
            &format!("{{podSelector: {{}}, ingress: {allows}}}"),
        );
        table(
            &open,
            &[
                ("data/db", "shop/db", 80, "allowed"),
                ("198.51.100.1", "shop/db", 80, "allowed"),
            ],
        );
    }
}

#[test]
fn policy_types_have_defaults() {
    let egress = "egress: [{to: [{podSelector: {}}]}]";
    // Egress rules without types: both directions.
    table(
        &policy("p", "shop", &format!("{{podSelector: {{}}, {egress}}}")),
        &[
            ("shop/web", "data/db", 80, "denied"),
            ("data/db", "shop/web", 80, "denied"),
        ],
    );
    table(
        &policy(
            "p",
            "shop",
            &format!("{{podSelector: {{}}, policyTypes: [Egress], {egress}}}"),
        ),
        &[
            ("shop/web", "data/db", 80, "denied"),
            ("data/db", "shop/web", 80, "allowed"),
        ],
    );
    // Types without Egress: the rules do nothing.
    table(
        &policy(
            "p",
            "shop",
            &format!("{{podSelector: {{}}, policyTypes: [Ingress], {egress}}}"),
        ),
        &[("shop/web", "data/db", 80, "allowed")],
    );
    // An empty list of egress rules without types does not isolate.
    table(
        &policy("p", "shop", "{podSelector: {}, egress: []}"),
        &[("shop/web", "data/db", 80, "allowed")],
    );
    table(
        &policy("p", "shop", "{podSelector: {}, policyTypes: [Both]}"),
        &[("shop/web", "data/db", 80, "unknown")],
    );
}

#[test]
fn peers_by_label_and_namespace() {
    let from = |peers: &str| {
        policy(
            "p",
            "shop",
            &format!(
                "{{podSelector: {{matchLabels: {{app: db}}}}, ingress: [{{from: [{peers}]}}]}}"
            ),
        )
    };
    // Pods alone: of the policy's own namespace.
    table(
        &from("{podSelector: {}}"),
        &[
            ("shop/web", "shop/db", 1, "allowed"),
            ("data/db", "shop/db", 1, "denied"),
            ("data/db", "shop/web", 1, "allowed"),
        ],
    );
    table(
        &from("{namespaceSelector: {matchLabels: {team: b}}}"),
        &[
            ("data/db", "shop/db", 1, "allowed"),
            ("shop/web", "shop/db", 1, "denied"),
        ],
    );
    // Both: AND. Two items: OR.
    table(
        &from(
            "{namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: db}}}",
        ),
        &[
            ("shop/web", "shop/db", 1, "denied"),
            ("data/db", "shop/db", 1, "denied"),
        ],
    );
    table(
        &from(
            "{namespaceSelector: {matchLabels: {team: b}}}, {podSelector: {matchLabels: {app: web}}}",
        ),
        &[
            ("shop/web", "shop/db", 1, "allowed"),
            ("data/db", "shop/db", 1, "allowed"),
        ],
    );
    table(
        &from("{namespaceSelector: {}}"),
        &[
            ("bare/db", "shop/db", 1, "allowed"),
            ("198.51.100.1", "shop/db", 1, "denied"),
        ],
    );
    table(
        &from("{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [db]}]}}"),
        &[("shop/web", "shop/db", 1, "allowed")],
    );
    table(&from("{}"), &[("shop/web", "shop/db", 1, "unknown")]);
}

#[test]
fn the_name_of_a_namespace_is_a_label_with_and_without_its_object() {
    let from = |name: &str| {
        policy(
            "p",
            "shop",
            &format!(
                "{{podSelector: {{}}, ingress: [{{from: [{{namespaceSelector: {{matchLabels: {{{name}}}}}}}]}}]}}"
            ),
        )
    };
    table(
        &from("kubernetes.io/metadata.name: data"),
        &[
            ("data/db", "shop/db", 1, "allowed"),
            ("bare/db", "shop/db", 1, "denied"),
        ],
    );
    table(
        &from("kubernetes.io/metadata.name: bare"),
        &[
            ("bare/db", "shop/db", 1, "allowed"),
            ("data/db", "shop/db", 1, "denied"),
        ],
    );
    // Other labels of a namespace that is not here are not known.
    table(
        &from("team: c"),
        &[
            ("bare/db", "shop/db", 1, "unknown"),
            ("data/db", "shop/db", 1, "denied"),
        ],
    );
}

#[test]
fn blocks_with_holes_in_both_families() {
    let block = "[{from: [{ipBlock: {cidr: 198.51.100.0/24, except: [198.51.100.128/25]}}, {ipBlock: {cidr: '2001:db8::/32'}}]}]";
    table(
        &policy(
            "p",
            "shop",
            &format!("{{podSelector: {{}}, ingress: {block}}}"),
        ),
        &[
            ("198.51.100.1", "shop/db", 1, "allowed"),
            ("198.51.100.200", "shop/db", 1, "denied"),
            ("203.0.113.1", "shop/db", 1, "denied"),
            ("2001:db8::1", "shop/db", 1, "allowed"),
            ("2001:db9::1", "shop/db", 1, "denied"),
            // Pods: only where the block covers the address is it up to the plugin.
            ("shop/web", "shop/db", 1, "denied"),
            ("bare/db", "shop/db", 1, "unknown"),
        ],
    );
    table(
        &policy(
            "p",
            "shop",
            "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.1.0.1/32}}]}]}",
        ),
        &[
            ("shop/web", "shop/db", 1, "unknown"),
            ("data/db", "shop/db", 1, "denied"),
        ],
    );
    for odd in ["10.0.0.0", "ten", "10.0.0.0/64", ""] {
        let text = policy(
            "p",
            "shop",
            &format!(
                "{{podSelector: {{}}, ingress: [{{from: [{{ipBlock: {{cidr: '{odd}'}}}}]}}]}}"
            ),
        );
        table(
            &text,
            &[
                ("198.51.100.1", "shop/db", 1, "unknown"),
                ("shop/web", "shop/db", 1, "unknown"),
            ],
        );
    }
}

#[test]
fn names_resolve_on_the_destination() {
    let ingress = "{podSelector: {}, ingress: [{ports: [{port: http}]}]}";
    let both = policy("a", "shop", ingress) + &policy("b", "data", ingress);
    table(
        &both,
        &[
            ("shop/web", "shop/db", 8080, "allowed"),
            ("shop/web", "shop/db", 9090, "denied"),
            ("shop/web", "data/db", 9090, "allowed"),
            ("shop/web", "data/db", 8080, "denied"),
        ],
    );
    let egress = policy(
        "p",
        "shop",
        "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}",
    );
    table(
        &egress,
        &[
            ("shop/web", "data/db", 9090, "allowed"),
            ("shop/web", "data/db", 8080, "denied"),
            ("shop/web", "198.51.100.1", 8080, "denied"),
        ],
    );
    // Name and protocol must match.
    table(
        &policy(
            "p",
            "shop",
            "{podSelector: {}, ingress: [{ports: [{port: http, protocol: UDP}]}]}",
        ),
        &[("shop/web", "shop/db", 8080, "denied")],
    );
}

#[test]
fn ranges_and_protocols() {
    let rules = |ports: &str| {
        policy(
            "p",
            "shop",
            &format!("{{podSelector: {{}}, ingress: [{{ports: [{ports}]}}]}}"),
        )
    };
    table(
        &rules("{port: 8000, endPort: 8080}"),
        &[
            ("shop/web", "shop/db", 7999, "denied"),
            ("shop/web", "shop/db", 8000, "allowed"),
            ("shop/web", "shop/db", 8080, "allowed"),
            ("shop/web", "shop/db", 8081, "denied"),
        ],
    );
    table(
        &rules("{port: 80}"),
        &[("shop/web", "shop/db", 80, "allowed")],
    );
    for (protocol, expected) in [
        (Protocol::Udp, "denied"),
        (Protocol::Sctp, "denied"),
        (Protocol::Other("DCCP".into()), "unknown"),
    ] {
        table_of(
            &rules("{port: 80}"),
            &protocol,
            &[("shop/web", "shop/db", 80, expected)],
        );
    }
    table_of(
        &rules("{port: 80, protocol: SCTP}"),
        &Protocol::Sctp,
        &[
            ("shop/web", "shop/db", 80, "allowed"),
            ("shop/web", "shop/db", 81, "denied"),
        ],
    );
    table_of(
        &rules("{protocol: UDP}"),
        &Protocol::Udp,
        &[("shop/web", "shop/db", 5, "allowed")],
    );
    for odd in [
        "{port: 90, endPort: 80}",
        "{endPort: 80}",
        "{port: http, endPort: 80}",
    ] {
        table(&rules(odd), &[("shop/web", "shop/db", 85, "unknown")]);
    }
}

#[test]
fn policies_unite() {
    let two = policy("a", "shop", "{podSelector: {}}")
        + &policy(
            "b",
            "shop",
            "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}",
        );
    table(
        &two,
        &[
            ("shop/web", "shop/db", 80, "allowed"),
            ("shop/db", "shop/web", 80, "denied"),
            ("data/db", "shop/db", 80, "denied"),
        ],
    );
}

#[test]
fn both_ends_must_agree() {
    let egress = policy(
        "out",
        "shop",
        "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}]}]}",
    );
    table(&egress, &[("shop/web", "data/db", 80, "allowed")]);
    table(
        &(egress + &policy("in", "data", "{podSelector: {}}")),
        &[("shop/web", "data/db", 80, "denied")],
    );
}

#[test]
fn host_network_itself_and_the_own_node() {
    let deny = policy(
        "deny",
        "shop",
        "{podSelector: {}, policyTypes: [Ingress, Egress]}",
    );
    table(
        &deny,
        &[
            ("shop/host", "shop/web", 80, "unknown"),
            ("shop/web", "shop/host", 80, "unknown"),
            ("shop/web", "shop/web", 80, "allowed"),
            ("192.0.2.1", "shop/web", 80, "allowed"),
            ("shop/web", "192.0.2.1", 80, "allowed"),
            ("192.0.2.1", "shop/db", 80, "denied"),
        ],
    );
    let snapshot = with(&deny);
    asked(&snapshot, |cx| {
        let by_address = verdict(cx, "192.0.2.9", "shop/db", 80, Protocol::Tcp);
        assert!(
            matches!(
                by_address,
                Verdict::Denied {
                    except_own_node: true,
                    ..
                }
            ),
            "{by_address:?}"
        );
        let by_pod = verdict(cx, "data/db", "shop/db", 80, Protocol::Tcp);
        assert!(
            matches!(
                by_pod,
                Verdict::Denied {
                    except_own_node: false,
                    ..
                }
            ),
            "{by_pod:?}"
        );
        let own = verdict(cx, "192.0.2.1", "shop/web", 80, Protocol::Tcp);
        assert!(
            matches!(
                own,
                Verdict::Allowed {
                    ingress: Allow::OwnNode,
                    ..
                }
            ),
            "{own:?}"
        );
    });
}

#[test]
fn policies_of_a_plugin_leave_it_open() {
    let cilium = |namespace: &str| {
        format!(
            "\n---\napiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {{name: c, namespace: {namespace}}}\nspec: {{}}\n"
        )
    };
    table(
        &cilium("data"),
        &[
            ("shop/web", "data/db", 80, "unknown"),
            ("shop/web", "shop/db", 80, "allowed"),
        ],
    );
    let wide = "\n---\napiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: c}\nspec: {}\n";
    table(wide, &[("shop/web", "shop/db", 80, "unknown")]);
}

#[test]
fn what_cannot_be_read_leaves_it_open() {
    table(
        &policy("p", "shop", "{podSelector: {}, ingress: [{from: 7}]}"),
        &[("shop/web", "shop/db", 80, "unknown")],
    );
    table(
        &policy(
            "p",
            "shop",
            "{podSelector: {matchExpressions: [{key: app, operator: Like, values: [db]}]}}",
        ),
        &[("shop/web", "shop/db", 80, "unknown")],
    );
    // Something else surely admits it.
    let sure = policy("p", "shop", "{podSelector: {}, ingress: [{from: 7}]}")
        + &policy("q", "shop", "{podSelector: {}, ingress: [{}]}");
    table(&sure, &[("shop/web", "shop/db", 80, "allowed")]);
}

#[test]
fn a_denial_names_the_policies_and_the_closest_rule() {
    let snapshot = with(
        &(policy("a", "shop", "{podSelector: {}}")
            + &policy(
                "b",
                "shop",
                "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: c}}}], ports: [{port: 80}]}, {from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 80}]}]}",
            )),
    );
    asked(&snapshot, |cx| {
        let Verdict::Denied {
            direction,
            isolating,
            closest,
            ..
        } = verdict(cx, "shop/web", "shop/db", 80, Protocol::Tcp)
        else {
            panic!("should be denied");
        };
        assert_eq!(direction, Direction::Ingress);
        assert_eq!(
            isolating
                .iter()
                .map(|policy| &*policy.meta.name)
                .collect::<Vec<_>>(),
            ["a", "b"]
        );
        let closest = closest.expect("there are rules");
        assert_eq!((&*closest.policy.meta.name, closest.rule), ("b", 1));
        assert_eq!(closest.miss, Miss::Labels("app=api".to_owned()));
        assert_eq!(closest.pointer, "/spec/ingress/1/from/0/podSelector");
    });
}

#[test]
fn a_port_is_closer_than_a_label_and_an_allowance_names_its_rule() {
    let rules = "{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: api}}}]}, {from: [{podSelector: {}}], ports: [{port: 80}, {port: 8000, endPort: 8080, protocol: UDP}]}]}";
    let snapshot = with(&policy("p", "shop", rules));
    asked(&snapshot, |cx| {
        let Verdict::Denied {
            closest: Some(closest),
            ..
        } = verdict(cx, "shop/web", "shop/db", 81, Protocol::Tcp)
        else {
            panic!("should be denied");
        };
        assert_eq!(closest.miss, Miss::Port("80/TCP, 8000-8080/UDP".to_owned()));
        let Verdict::Allowed {
            egress: Allow::NotIsolated,
            ingress: Allow::Rule(policy, 1),
        } = verdict(cx, "shop/web", "shop/db", 80, Protocol::Tcp)
        else {
            panic!("should be allowed");
        };
        assert_eq!(&*policy.meta.name, "p");
    });
}
