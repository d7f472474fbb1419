use super::*;
use crate::object::text;

mod choices;

fn webhook(options: &Options) -> Value {
    find(options, "ValidatingWebhookConfiguration", names::VALIDATING)["webhooks"][0].clone()
}

fn find(options: &Options, kind: &str, name: &str) -> Value {
    let found = render(options)
        .into_iter()
        .find(|object| text(object, "/kind") == kind && text(object, "/metadata/name") == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

fn with(component: Component) -> Options {
    Options {
        components: [component].into(),
        ..Options::default()
    }
}

/// Every object of every component alone, and of every pair.
fn everything() -> Vec<Value> {
    let mut objects = render(&Options::default());
    for first in component::ALL {
        for second in component::ALL {
            objects.extend(render(&Options {
                components: [first, second].into(),
                ..Options::default()
            }));
        }
    }
    objects
}

fn each_string(value: &Value, see: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(items) => items.iter().for_each(|item| each_string(item, see)),
        Value::Object(fields) => {
            for (key, item) in fields {
                see(key);
                each_string(item, see);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn a76_the_webhooks_are_declared_as_the_api_asks() {
    for (kind, name, limit) in [
        ("ValidatingWebhookConfiguration", names::VALIDATING, 2),
        ("MutatingWebhookConfiguration", names::MUTATING, 1),
    ] {
        let object = find(&with(Component::Mutate), kind, name);
        let webhooks = object["webhooks"].as_array().unwrap();
        assert_eq!(webhooks.len(), 1, "each entry costs every request");
        let webhook = &webhooks[0];
        assert_eq!(webhook["sideEffects"], "None");
        assert_eq!(webhook["timeoutSeconds"], limit);
        assert_eq!(
            webhook["admissionReviewVersions"],
            serde_json::json!(["v1"])
        );
        assert_eq!(webhook["matchPolicy"], "Equivalent");
        assert!(text(webhook, "/name").split('.').count() >= 3);
        assert!(webhook["matchConditions"].as_array().unwrap().len() <= 64);
    }
}

#[test]
fn a77_it_fails_open_and_leaves_the_control_plane_alone() {
    let webhook = webhook(&Options::default());
    assert_eq!(webhook["failurePolicy"], "Ignore");
    let expressions = &webhook["namespaceSelector"]["matchExpressions"];
    let never = &expressions[0];
    assert_eq!(never["key"], "kubernetes.io/metadata.name");
    assert_eq!(never["operator"], "NotIn");
    let names = never["values"].as_array().unwrap();
    for name in [
        "kube-system",
        "kube-public",
        "kube-node-lease",
        "netdoctor-system",
    ] {
        assert!(names.iter().any(|value| value == name), "{name}");
    }
    assert_eq!(expressions[1]["key"], names::ADMISSION_LABEL);
}

#[test]
fn a78_nobody_can_opt_an_object_out() {
    for object in everything() {
        for webhook in object["webhooks"].as_array().into_iter().flatten() {
            assert!(webhook.get("objectSelector").is_none());
        }
    }
}

#[test]
fn no_manifest_holds_a_ca_bundle() {
    for object in everything() {
        each_string(&object, &mut |text| assert_ne!(text, "caBundle"));
    }
}

#[test]
fn what_a_cluster_needs_to_start_is_never_matched() {
    let never = [
        "nodes",
        "certificatesigningrequests",
        "leases",
        "events",
        "tokenreviews",
        "subjectaccessreviews",
        "endpointslices",
        "secrets",
        "configmaps",
        "namespaces",
    ];
    for object in everything() {
        for webhook in object["webhooks"].as_array().into_iter().flatten() {
            for rule in webhook["rules"].as_array().unwrap() {
                each_string(rule, &mut |text| {
                    // The one subresource is asked for by name.
                    let main = text.strip_suffix("/scale").unwrap_or(text);
                    assert!(
                        !text.contains('*') && !main.contains('/') && !never.contains(&main),
                        "{rule}"
                    );
                });
            }
        }
    }
}

#[test]
fn a89_rights_are_the_least() {
    for object in everything() {
        let kind = text(&object, "/kind");
        if kind != "ClusterRole" && kind != "Role" {
            continue;
        }
        for rule in object["rules"].as_array().unwrap() {
            each_string(rule, &mut |text| assert!(!text.contains('*'), "{rule}"));
            let has = |field: &str, wanted: &str| {
                let items = rule[field].as_array();
                items.into_iter().flatten().any(|item| item == wanted)
            };
            if kind == "ClusterRole" {
                assert!(
                    !has("resources", "secrets") && !has("resources", "configmaps"),
                    "{rule}"
                );
            }
            let writes = ["create", "update", "patch", "delete"]
                .iter()
                .any(|verb| has("verbs", verb));
            let own = rule.get("resourceNames").is_some();
            // `create` cannot be limited to a name.
            let first = has("verbs", "create") && kind == "Role";
            let events =
                has("resources", "events") && text(&object, "/metadata/name") == names::AUDITOR;
            assert!(!writes || own || first || events, "{object}");
            assert!(
                !has("verbs", "delete") && !has("verbs", "deletecollection"),
                "{rule}"
            );
        }
    }
}

#[test]
fn rights_are_the_kinds_that_are_watched() {
    let role = find(&Options::default(), "ClusterRole", names::WEBHOOK);
    let mut granted: Vec<(String, String)> = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        assert_eq!(rule["verbs"], serde_json::json!(["list", "watch"]));
        for resource in rule["resources"].as_array().unwrap() {
            granted.push((
                text(rule, "/apiGroups/0").to_owned(),
                resource.as_str().unwrap().to_owned(),
            ));
        }
    }
    let mut watched: Vec<(String, String)> = scope::watched()
        .into_iter()
        .map(|kind| (kind.group().to_owned(), kind.plural().to_owned()))
        .collect();
    granted.sort();
    watched.sort();
    assert_eq!(granted, watched);
}

#[test]
fn a86_every_object_has_the_labels_and_selectors_use_three() {
    for object in everything() {
        for key in [
            "name",
            "instance",
            "version",
            "component",
            "part-of",
            "managed-by",
        ] {
            let pointer = format!("/metadata/labels/app.kubernetes.io~1{key}");
            assert_ne!(text(&object, &pointer), "", "{object}");
        }
        for pointer in [
            "/spec/selector/matchLabels",
            "/spec/podSelector/matchLabels",
        ] {
            let Some(selector) = object.pointer(pointer).and_then(Value::as_object) else {
                continue;
            };
            for key in selector.keys() {
                assert!(
                    ["component", "instance", "name"].contains(&key.rsplit('/').next().unwrap()),
                    "{key}"
                );
            }
        }
    }
}

#[test]
fn a86_a_budget_only_for_several_replicas() {
    let budgets = |replicas| {
        let options = Options {
            replicas,
            ..Options::default()
        };
        let objects = render(&options);
        objects
            .iter()
            .filter(|object| text(object, "/kind") == "PodDisruptionBudget")
            .count()
    };
    assert_eq!([1, 2, 3].map(budgets), [0, 1, 1]);
}

#[test]
fn policies_name_the_ports_of_pods() {
    let options = Options {
        port: 9443,
        ..Options::default()
    };
    let policy = find(&options, "NetworkPolicy", names::WEBHOOK);
    let allowed = &policy["spec"]["ingress"][0];
    assert!(allowed.get("from").is_none(), "the API server is no Pod");
    let ports: Vec<&Value> = allowed["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| &port["port"])
        .collect();
    assert_eq!(ports, [9443, 8081, 8080]);
}

#[test]
fn one_namespace_for_a_beginning() {
    let options = Options {
        only_namespace: Some("try".to_owned()),
        ..Options::default()
    };
    let expressions = webhook(&options)["namespaceSelector"]["matchExpressions"].clone();
    assert_eq!(expressions[2]["operator"], "In");
    assert_eq!(expressions[2]["values"], serde_json::json!(["try"]));
}

#[test]
fn custom_workloads_are_matched_when_somebody_names_them() {
    let options = Options {
        custom_workloads: vec!["rollouts.v1alpha1.argoproj.io".parse().unwrap()],
        ..Options::default()
    };
    let rules = webhook(&options)["rules"].clone();
    let rule = rules.as_array().unwrap().last().unwrap().clone();
    assert_eq!(rule["apiGroups"][0], "argoproj.io");
    assert_eq!(rule["resources"][0], "rollouts");
    for wrong in [
        "rollouts",
        "rollouts.argoproj.io",
        "*.v1.argoproj.io",
        "a/b.v1.x.io",
        "",
    ] {
        assert!(wrong.parse::<options::CustomWorkload>().is_err(), "{wrong}");
    }
}

#[test]
fn the_order_is_that_of_an_installation() {
    let objects = render(&with(Component::Mutate));
    let kinds: Vec<&str> = objects.iter().map(|object| text(object, "/kind")).collect();
    let at = |kind: &str| kinds.iter().position(|known| *known == kind).unwrap();
    assert_eq!(at("Namespace"), 0);
    assert!(at("RoleBinding") < at("Deployment"));
    assert!(at("Deployment") < at("ValidatingWebhookConfiguration"));
    assert_eq!(kinds.last(), Some(&"MutatingWebhookConfiguration"));
}

#[test]
fn on_the_nodes_network_every_port_is_its_own() {
    let deployment = find(&with(Component::HostNetwork), "Deployment", names::WEBHOOK);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let ports: Vec<u64> = container["ports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|port| port["containerPort"].as_u64().unwrap())
        .collect();
    assert_eq!(ports, [9443, 9444, 9445]);
    let mut texts = Vec::new();
    each_string(&deployment, &mut |text| texts.push(text.to_owned()));
    for old in ["10250", "8080", "8081"] {
        assert!(!texts.iter().any(|text| text == old), "{old}");
    }
}

#[test]
fn with_files_nothing_can_write_a_secret() {
    for component in [Component::Files, Component::CertManager] {
        let objects = render(&with(component));
        for object in objects {
            for rule in object["rules"].as_array().into_iter().flatten() {
                each_string(rule, &mut |text| assert_ne!(text, "secrets"));
                each_string(rule, &mut |text| assert_ne!(text, "leases"));
                each_string(rule, &mut |text| {
                    assert_ne!(text, "validatingwebhookconfigurations");
                });
            }
        }
    }
}
