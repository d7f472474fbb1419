//! `judge` finds exactly what a full run over the changed cluster finds and a full run over the old one does not, as far
//! as the change is followed: about the object itself, and about those that its kind triggers a rule for.

use super::{
    super::at_least,
    slots::{fixed, slots},
};
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
use proptest::prelude::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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
        // What becomes worse is told about the object itself.
        let known = |finding: &Finding| before.iter().any(|old| {
            old.fingerprint == finding.fingerprint
                && (at_least(old.actions, finding.actions) || finding.subject != reference)
        });
        let renamed = |finding: &Finding| before.iter().any(|old| {
            family(old.rule.code) == "SVC001" && family(finding.rule.code) == "SVC001"
                && old.subject == finding.subject
        });
        // A full run leaves out what something here owns.
        let owned = changed.meta().controller().is_some();
        let expected = seen(after.iter().filter(|finding| {
            !known(finding) && !renamed(finding)
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
