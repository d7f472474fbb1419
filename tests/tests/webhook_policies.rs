//! Policy mode against the engine: the same objects go through CEL on a real API server and through the rules, and both say
//! the same.
//!
//! ```text
//!  object --POST, dry run--> API server: defaults --+--> policies, all bound to warn --> warnings: policy -> text
//!                                                   `--> engine: judge(old, new) ------> findings: code, case -> message
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails where it cannot go on, and says what it did"
)]

#[path = "webhook_policies/compare.rs"]
mod compare;
#[path = "webhook_policies/corpus.rs"]
mod corpus;
#[path = "live_pages/examples.rs"]
#[allow(dead_code, reason = "another test uses the rest")]
mod examples;
#[path = "webhook_policies/generate.rs"]
mod generate;
#[path = "webhook_policies/words.rs"]
mod words;

use std::collections::BTreeSet;
use std::time::Instant;

use compare::{Judge, Lab};
use netdoctor_engine::rule::Evidence;
use netdoctor_engine::rules::RULES;
use netdoctor_manifests::{Component, Mode, Options, Profile, render, yaml};
use netdoctor_tests::cmd::Output;
use netdoctor_tests::{ApiServer, Spec};
use serde_json::{Value, json};

#[test]
fn pages_of_rules_give_the_same_verdict() {
    let Some(lab) = Lab::open() else { return };
    let mut judge = Judge::new(&lab);
    let own = RULES
        .iter()
        .filter(|rule| rule.admit.is_some() && rule.evidence == Evidence::Own);
    let mut fails = 0;
    for rule in own {
        for heading in ["Example (fails)", "Instead (passes)"] {
            for example in examples::of(rule, heading) {
                for object in example.objects {
                    let said = judge.create(&object);
                    fails += usize::from(said.is_some_and(|policies| {
                        let prefix = format!("netdoctor-{}", rule.code.to_ascii_lowercase());
                        policies.iter().any(|policy| policy.starts_with(&prefix))
                    }));
                }
            }
        }
    }
    // HST001 fails in a way that the API server refuses by itself.
    assert!(fails >= 9, "only {fails} failing examples were found");
    judge.finish("objects of pages", 20);
}

/// Somebody's operator is warned and never stopped, and where a dataplane runs nothing is said about host networking.
#[test]
fn managed_objects_and_dataplanes_give_the_same_verdict() {
    let Some(lab) = Lab::open() else { return };
    let mut judge = Judge::new(&lab);
    let mut random = generate::Random::new(20_260_303);
    let mut spoke = BTreeSet::new();
    for number in 0..150 {
        let object = generate::object(&mut random, number);
        spoke.extend(
            judge
                .create(&compare::managed(&object))
                .into_iter()
                .flatten(),
        );
        let beside = judge.create_in(compare::DATAPLANE, &object);
        let about_nodes = ["hst002", "hst004", "hst009"].map(|code| format!("netdoctor-{code}"));
        let silent = |policy: &String| !about_nodes.iter().any(|code| policy.starts_with(code));
        assert!(beside.iter().flatten().all(silent), "{beside:?}");
    }
    for policy in ["hst002-ports-not-declared", "hst005", "prb001"] {
        let name = format!("netdoctor-{policy}-owned");
        assert!(spoke.contains(&name), "{name}: {spoke:?}");
        assert!(!spoke.contains(&format!("netdoctor-{policy}")), "{spoke:?}");
    }
    judge.finish("managed objects and objects beside a dataplane", 200);
}

#[test]
fn made_up_objects_give_the_same_verdict() {
    let Some(lab) = Lab::open() else { return };
    let mut judge = Judge::new(&lab);
    let mut random = generate::Random::new(20_260_101);
    for number in 0..500 {
        judge.create(&generate::object(&mut random, number));
    }
    judge.finish("made-up objects", 300);
    assert_eq!(judge.silent_policies(), Vec::<String>::new());
}

#[test]
fn updates_are_judged_by_what_is_new() {
    let Some(lab) = Lab::open() else { return };
    let mut judge = Judge::new(&lab);
    let mut random = generate::Random::new(20_260_202);
    for number in 0..150 {
        let old = generate::object(&mut random, number);
        let new = generate::changed(&mut random, &old);
        judge.update(&old, &new);
    }
    judge.finish("updates", 80);
}

#[test]
fn published_manifests_give_the_same_verdict() {
    let Some(folder) = corpus::folder() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "the published manifests are not here"
        );
        println!("skipped: the published manifests are not beside the checkout");
        return;
    };
    let Some(lab) = Lab::open() else { return };
    let mut judge = Judge::new(&lab);
    for object in corpus::objects(&folder) {
        judge.create(&object);
    }
    judge.finish("published objects", 300);
}

/// What the test above takes from warnings, once for real: profiles, labels of namespaces, annotations, ratcheting.
#[test]
fn profiles_labels_and_annotations_decide() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let options = Options {
        mode: Mode::Policy,
        profile: Profile::Guarded,
        components: [Component::LabelGuard].into(),
        ..Options::default()
    };
    server.apply(&yaml::stream(&render(&options)));
    let names = ["plain", "lenient", "out"];
    for name in names {
        let _ = server.namespace_called(name);
    }
    server
        .kubectl(&[
            "label",
            "namespace",
            "lenient",
            "netdoctor.io/profile=advisory",
        ])
        .ok();
    server
        .kubectl(&[
            "label",
            "namespace",
            "out",
            "netdoctor.io/admission=disabled",
        ])
        .ok();
    let policy = |annotation: &str| {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "p", "annotations": {"netdoctor.io/allow-POL007": annotation}},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "egress": [{}]},
        })
    };
    let create = |namespace: &str, object: &Value| {
        let arguments = ["create", "--dry-run=server", "-n", namespace, "-f", "-"];
        server.kubectl_with_input(&arguments, &object.to_string())
    };
    let mut bare = policy("");
    bare["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("annotations");
    let started = Instant::now();
    let refused = loop {
        let output = create("plain", &bare);
        if output.code != Some(0) {
            break output;
        }
        assert!(
            started.elapsed().as_secs() < 60,
            "the policy never took effect"
        );
    };
    let words = "POL007: egress of NetworkPolicy p has 1 rule, but policyTypes is [Ingress], so they do nothing. Fix: add Egress to policyTypes";
    assert!(refused.stderr.contains(words), "{}", refused.stderr);
    let lenient = create("lenient", &bare).ok();
    assert!(lenient.stderr.contains(words), "{}", lenient.stderr);
    assert_eq!(create("out", &bare).ok().stderr, "");
    // A reason is needed, and a day that is over no longer counts.
    for (annotation, allowed) in [
        ("known, see the page of the team", true),
        ("until 2099-12-31: known", true),
        (" until 2099-12-31 : known", true),
        ("", false),
        ("  ", false),
        ("until 2020-01-01: known", false),
        ("until 9999-12-31: known", true),
        ("until 2096-02-29: known", true),
        // No such day: what fails must not let anything through.
        ("until 2020-02-31: known", false),
        ("until 2099-02-29: known", false),
        ("until 2099-13-01: known", false),
        ("until next year: known", false),
        ("until next year", false),
        ("untilled ground", true),
        ("until 2099-12-31:", false),
    ] {
        let output = create("plain", &policy(annotation));
        assert_eq!(
            output.code == Some(0),
            allowed,
            "{annotation:?}: {}",
            output.stderr
        );
    }
    spellings(&bare, &create);
    managed_objects_are_warned_of(&create);
    ratchet(&server, &bare);
}

/// The code of a rule counts in any case, names as they are spelt.
fn spellings(wrong: &Value, create: &dyn Fn(&str, &Value) -> Output) {
    for (key, allowed) in [
        ("allow-pol007", true),
        ("allow-Pol007", true),
        ("allow-policy-rules-ignored-by-types", true),
        ("allow-Policy-rules-ignored-by-types", false),
        ("allow-POL0071", false),
        ("Allow-POL007", false),
    ] {
        let mut object = wrong.clone();
        object["metadata"]["annotations"][format!("netdoctor.io/{key}")] = "known".into();
        let output = create("plain", &object);
        assert_eq!(output.code == Some(0), allowed, "{key}: {}", output.stderr);
    }
}

/// An operator writes what the user would be refused.
fn managed_objects_are_warned_of(create: &dyn Fn(&str, &Value) -> Output) {
    let wrong = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {"selector": {"matchLabels": {"app": "db"}}, "template": {
            "metadata": {"labels": {"app": "db"}},
            "spec": {"containers": [{"name": "db", "image": "db", "readinessProbe": {"tcpSocket": {"port": "sql"}}}]},
        }},
    });
    let told = "PRB001: readinessProbe of container db of StatefulSet plain/db uses port sql";
    let refused = create("plain", &wrong).exits(1);
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
    let warned = create("plain", &compare::managed(&wrong)).ok();
    assert!(warned.stderr.contains(told), "{}", warned.stderr);
    // An owner that does not manage it changes nothing.
    let mut loose = compare::managed(&wrong);
    loose["metadata"]["ownerReferences"][0]["controller"] = false.into();
    let refused = create("plain", &loose).exits(1);
    assert!(refused.stderr.contains(told), "{}", refused.stderr);
}

/// What was wrong before may stay, and be edited.
fn ratchet(server: &ApiServer, wrong: &Value) {
    server
        .kubectl(&["label", "namespace", "out", "netdoctor.io/admission-"])
        .ok();
    let here = ["-n", "out"];
    server
        .kubectl(&[
            "label",
            "namespace",
            "out",
            "netdoctor.io/admission=disabled",
        ])
        .ok();
    let created =
        server.kubectl_with_input(&["create", "-n", "out", "-f", "-"], &wrong.to_string());
    created.ok();
    server
        .kubectl(&["label", "namespace", "out", "netdoctor.io/admission-"])
        .ok();
    let patch = |patch: &str| {
        server.kubectl(
            &[
                &["patch", "networkpolicy/p", "--type=merge", "-p", patch],
                &here[..],
            ]
            .concat(),
        )
    };
    patch("{\"spec\":{\"podSelector\":{\"matchLabels\":{\"a\":\"b\"}}}}").ok();
    let worse = "{\"spec\":{\"policyTypes\":[\"Egress\"],\"ingress\":[{}]}}";
    let refused = patch(worse).exits(1);
    assert!(
        refused.stderr.contains("POL007: ingress"),
        "{}",
        refused.stderr
    );
}
