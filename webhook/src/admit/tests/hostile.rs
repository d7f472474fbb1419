//! Bytes that nobody meant well.

use super::kit::{Cluster, DEPLOYMENT, Request, host_network, wrong_port};
use crate::{admit::BadReview, fuzzing};
use proptest::prelude::*;
use serde_json::{Value, json};

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        fuzzing::admit(&bytes);
    }

    #[test]
    fn reviews_that_are_cut_or_damaged(at in 0_usize..3_000, byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = Request::update(&host_network(), &wrong_port()).bytes();
        let at = at % bytes.len();
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        fuzzing::admit(&bytes);
    }

    #[test]
    fn fields_of_any_form(seed in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzzing::admit(&fuzzing::review(&seed));
    }
}

#[test]
fn nesting_costs_no_stack() {
    let cluster = Cluster::of(&[DEPLOYMENT]).strict();
    for depth in [100, 127, 128, 129, 10_000, 200_000] {
        let deep = format!(
            "{}{}",
            "{\"spec\":".repeat(depth),
            "1".to_owned() + &"}".repeat(depth)
        );
        for kind in ["Deployment", "Thing"] {
            let mut request = Request::create(DEPLOYMENT);
            request.0["request"]["kind"]["kind"] = kind.into();
            request.0["request"]["object"] = "@".into();
            let bytes = request.0.to_string().replace("\"@\"", &deep).into_bytes();
            let decision = cluster
                .world(|world| crate::admit::validate(&bytes, world))
                .unwrap();
            assert!(super::kit::Answer::of(decision).allowed());
            let decision = cluster
                .world(|world| crate::admit::mutate(&bytes, world))
                .unwrap();
            assert!(super::kit::Answer::of(decision).allowed());
        }
    }
}

#[test]
fn a_megabyte_of_labels_and_names() {
    let labels: serde_json::Map<String, Value> = (0..20_000)
        .map(|number| (format!("label-{number:020}"), json!("x".repeat(30))))
        .collect();
    let mut object = super::kit::parsed(&host_network());
    object["metadata"]["labels"] = Value::Object(labels.clone());
    object["spec"]["template"]["metadata"]["labels"] = Value::Object(labels);
    object["metadata"]["name"] = "n".repeat(1 << 20).into();
    let request = Request::new(crate::admit::Operation::Create, None, Some(object));
    let answer = Cluster::of(&[DEPLOYMENT]).strict().ask(&request);
    assert!(
        answer.decision.body.len() < 2 << 20,
        "{}",
        answer.decision.body.len()
    );
    assert!(!answer.allowed());
}

#[test]
fn texts_of_an_object_cannot_break_out_of_a_line() {
    let mut object = super::kit::parsed(&wrong_port());
    object["spec"]["ports"][0]["targetPort"] = "a\r\nX-Evil: 1\u{0}\"\\\u{2028}\u{1F980}`".into();
    object["metadata"]["name"] = "na\nme\u{7f}".into();
    let request = Request::new(crate::admit::Operation::Create, None, Some(object));
    let answer = Cluster::of(&[DEPLOYMENT]).guarded().ask(&request);
    answer.denies("SVC004");
    assert!(answer.message().contains("X-Evil"), "{}", answer.message());
}

#[test]
fn no_review_is_not_answered() {
    let cluster = Cluster::of(&[]);
    let ask = |bytes: &[u8]| cluster.world(|world| crate::admit::validate(bytes, world));
    assert!(matches!(ask(b""), Err(BadReview::NotAReview(_))));
    assert!(matches!(ask(b"\xff\xfe{"), Err(BadReview::NotAReview(_))));
    let mut request = Request::create(DEPLOYMENT);
    request.0["request"] = Value::Null;
    assert_eq!(ask(&request.bytes()), Err(BadReview::NoRequest));
    request.0["apiVersion"] = "admission.k8s.io/v2".into();
    assert!(matches!(ask(&request.bytes()), Err(BadReview::Version(_))));
}
