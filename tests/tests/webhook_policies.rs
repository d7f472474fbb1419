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

use std::time::Instant;

use compare::{Judge, Lab};
use netdoctor_engine::rule::Evidence;
use netdoctor_engine::rules::RULES;
use netdoctor_manifests::{Component, Mode, Options, Profile, render, yaml};
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
    ratchet(&server, &bare);
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
