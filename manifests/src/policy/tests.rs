use super::*;
use netdoctor_engine::rule::Evidence;
use netdoctor_engine::rules::RULES;
use std::collections::BTreeSet;

fn policies(profile: Profile) -> Vec<Value> {
    objects(&Options {
        profile,
        ..Options::default()
    })
}

fn of_kind(objects: &[Value], kind: &str) -> Vec<Value> {
    let found = objects.iter().filter(|object| object["kind"] == kind);
    found.cloned().collect()
}

#[test]
fn every_rule_that_needs_nothing_but_the_object_is_expressed() {
    let own: BTreeSet<&str> = RULES
        .iter()
        .filter(|rule| rule.admit.is_some() && rule.evidence == Evidence::Own)
        .map(|rule| rule.code)
        .collect();
    let here: BTreeSet<&str> = expressed().map(|one| one.code).collect();
    assert_eq!(here, own);
    for (rule, reason) in not_expressed() {
        assert_ne!(rule.evidence, Evidence::Own, "{}", rule.code);
        assert!(!reason.as_str().is_empty());
    }
}

#[test]
fn cases_and_kinds_are_those_of_the_rule() {
    for one in expressed() {
        let rule = rules::find(one.code).unwrap();
        if let Some(case) = one.case {
            assert!(
                rule.cases.iter().any(|(name, _)| *name == case),
                "{} {case}",
                one.code
            );
        }
        let judged: Vec<&Kind> = rule.on.iter().flat_map(|check| check.kinds()).collect();
        for kind in one.kinds {
            assert!(judged.contains(&kind), "{} {kind}", one.code);
        }
    }
}

#[test]
fn advisory_refuses_nothing_unless_a_namespace_asks_for_it() {
    for binding in of_kind(
        &policies(Profile::Advisory),
        "ValidatingAdmissionPolicyBinding",
    ) {
        let denies = binding["spec"]["validationActions"][0] == "Deny";
        let selector =
            &binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"][0];
        if denies {
            assert_eq!(selector["operator"], "In", "{binding}");
            assert_eq!(selector["key"], names::PROFILE_LABEL);
        }
    }
    let guarded = policies(Profile::Guarded);
    let denied: Vec<String> = of_kind(&guarded, "ValidatingAdmissionPolicyBinding")
        .iter()
        .filter(|binding| binding["spec"]["validationActions"][0] == "Deny")
        .filter(|binding| binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"][0]["operator"] != "In")
        .map(|binding| binding["spec"]["policyName"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        denied,
        [
            "netdoctor-hst002-ports-not-declared",
            "netdoctor-hst005",
            "netdoctor-prb001",
            "netdoctor-pol007",
            "netdoctor-svc019-localhost",
        ]
    );
}

/// What a controller manages is warned of in every profile, and never refused.
#[test]
fn what_is_refused_has_a_milder_policy_for_managed_objects() {
    let objects = policies(Profile::Strict);
    let conditions = |policy: &Value| -> BTreeSet<String> {
        let list = policy["spec"]["matchConditions"].as_array().unwrap();
        let names = list
            .iter()
            .map(|condition| condition["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    let mut refusing = 0;
    for policy in of_kind(&objects, "ValidatingAdmissionPolicy") {
        let name = policy["metadata"]["name"].as_str().unwrap();
        let bindings = of_kind(&objects, "ValidatingAdmissionPolicyBinding");
        let mut own = bindings
            .iter()
            .filter(|binding| binding["spec"]["policyName"] == name);
        let refuses = own.any(|binding| binding["spec"]["validationActions"][0] == "Deny");
        let conditions = conditions(&policy);
        assert_eq!(refuses, conditions.contains("not-managed"), "{name}");
        assert_eq!(
            name.ends_with("-owned"),
            conditions.contains("managed"),
            "{name}"
        );
        refusing += usize::from(refuses);
    }
    let names = of_kind(&objects, "ValidatingAdmissionPolicy");
    let owned = names.iter().filter(|policy| {
        policy["metadata"]["name"]
            .as_str()
            .unwrap()
            .ends_with("-owned")
    });
    assert_eq!(owned.count(), refusing);
    assert!(refusing >= 5, "{refusing}");
}

/// For each label that a namespace may have, and for none, exactly one binding of a policy applies.
#[test]
fn a_namespace_has_one_profile() {
    for profile in PROFILES {
        let objects = policies(profile);
        for policy in of_kind(&objects, "ValidatingAdmissionPolicy") {
            let name = &policy["metadata"]["name"];
            for label in [
                None,
                Some("advisory"),
                Some("guarded"),
                Some("strict"),
                Some("odd"),
            ] {
                let bound = of_kind(&objects, "ValidatingAdmissionPolicyBinding");
                let applies = bound.iter().filter(|binding| {
                    binding["spec"]["policyName"] == *name && selects(binding, label)
                });
                assert_eq!(applies.count(), 1, "{name} {label:?}");
            }
        }
    }
}

fn selects(binding: &Value, label: Option<&str>) -> bool {
    let expression = &binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"][0];
    let Some(values) = expression["values"].as_array() else {
        return true;
    };
    let listed = label.is_some_and(|label| values.iter().any(|value| value == label));
    (expression["operator"] == "In") == listed
}

/// Policies are stored first: only what binds them can hold them to one namespace, with every profile.
#[test]
fn a_beginning_in_one_namespace_is_said_by_every_binding() {
    let narrow = objects(&Options {
        only_namespace: Some("try".to_owned()),
        ..Options::default()
    });
    let wide = policies(Profile::Advisory);
    let policies = "ValidatingAdmissionPolicy";
    assert_eq!(of_kind(&narrow, policies), of_kind(&wide, policies));
    for binding in of_kind(&narrow, "ValidatingAdmissionPolicyBinding") {
        let expressions =
            &binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"];
        let last = expressions.as_array().and_then(|list| list.last());
        let only =
            json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["try"]});
        assert_eq!(last, Some(&only), "{binding}");
    }
}

#[test]
fn the_scope_is_that_of_the_webhook() {
    let webhook = configuration::validating(&Options::default())["webhooks"][0].clone();
    for policy in of_kind(&policies(Profile::Advisory), "ValidatingAdmissionPolicy") {
        let spec = &policy["spec"];
        let list = |of: &Value| {
            of["namespaceSelector"]["matchExpressions"]
                .as_array()
                .unwrap()
                .clone()
        };
        let (mine, its) = (list(&spec["matchConstraints"]), list(&webhook));
        assert_eq!(mine[..its.len()], its[..]);
        assert_eq!(spec["failurePolicy"], "Ignore");
        let conditions = spec["matchConditions"].as_array().unwrap();
        let shared = webhook["matchConditions"].as_array().unwrap();
        assert_eq!(conditions[..shared.len()], shared[..]);
        assert!(spec.get("paramKind").is_none());
        for rule in spec["matchConstraints"]["resourceRules"]
            .as_array()
            .unwrap()
        {
            let group = &rule["apiGroups"];
            let known = webhook["rules"].as_array().unwrap().iter().any(|known| {
                known["apiGroups"] == *group && known["apiVersions"] == rule["apiVersions"]
            });
            assert!(known, "{rule}");
        }
    }
}
