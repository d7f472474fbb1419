//! Claims in namespaces that were not asked for, or could not be read.

use super::*;
use crate::{
    model::{Origin, decode},
    snapshot::{Coverage, Gap, GapCause},
};

fn any(yaml: &str) -> decode::Any {
    let documents = crate::manifest::parse(yaml.as_bytes()).documents;
    let document = documents.into_iter().next().unwrap();
    decode::from_value(document.value, Origin::Live).unwrap()
}

#[test]
fn only_what_takes_a_port_of_a_node_wants_other_namespaces() {
    let wants = RULE.elsewhere.unwrap();
    let taken = workload(W("Deployment", "a", ""));
    assert!(wants(&any(&taken)));
    let plain = taken.replace(", hostPort: 80", "");
    assert!(!wants(&any(&plain)));
    assert!(wants(&any(&format!("{plain}      hostNetwork: true\n"))));
    let off = taken.replace("  selector:", "  replicas: 0\n  selector:");
    assert!(!wants(&any(&off)));
    assert!(!wants(&any(
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
    )));
}

/// The namespace was read, and all of them could not be.
fn narrowed(kind: Kind) -> Coverage {
    Coverage {
        namespaces: ["shop".into()].into(),
        gaps: vec![Gap {
            verb: "list".into(),
            resource: kind.resource().into(),
            namespace: None,
            cause: GapCause::Forbidden,
        }],
        ..Coverage::default()
    }
}

/// Rules that are left open although one namespace could be read.
fn open(yaml: &str, coverage: &Coverage) -> Vec<&'static str> {
    let ran = check_with(&format!("{yaml}{}", nodes(&[""])), |builder| {
        *builder.coverage(Kind::Pod) = coverage.clone();
    });
    ran.0.not_checked.iter().map(|entry| entry.code).collect()
}

#[test]
fn what_could_not_be_seen_leaves_this_rule_open_and_no_other() {
    let both = pair(W("DaemonSet", "a", ""), W("DaemonSet", "b", ""));
    let narrowed = narrowed(Kind::Pod);
    let ran = check_with(&format!("{both}{}", nodes(&[""])), |builder| {
        *builder.coverage(Kind::Pod) = narrowed.clone();
    });
    assert_eq!(loud(&ran).len(), 2, "what is seen is told");
    ran.unknown("HST006", "list pods -A");

    // Rules about the Pods of kube-system have not seen them in either case.
    let not_asked = Coverage {
        gaps: Vec::new(),
        ..narrowed.clone()
    };
    let mut expected = open(&both, &not_asked);
    assert!(!expected.contains(&"HST006"), "{expected:?}");
    let free = both.replace(", hostPort: 80", "");
    assert_eq!(open(&free, &narrowed), expected);
    expected.push("HST006");
    expected.sort_unstable();
    assert_eq!(open(&both, &narrowed), expected);
}

#[test]
fn what_is_about_to_be_created_comes_after_what_is_there() {
    let there = workload(W("DaemonSet", "b", "")).replace(
        "namespace: shop",
        "namespace: shop, creationTimestamp: '2026-01-01T00:00:00Z'",
    );
    let new = workload(W("DaemonSet", "a", ""));
    let ran = check(&format!("{there}{new}{}", nodes(&[""])));
    let mut headlines = ran.0.headlines().filter(|f| f.rule.code == "HST006");
    assert_eq!(
        headlines.next().unwrap().subject.to_string(),
        "DaemonSet shop/a"
    );
    assert!(headlines.next().is_none());
}
