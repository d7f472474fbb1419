//! What the webhook does with each case, as one table: a change here is a change of what clusters refuse.

use super::RULES;
use crate::{
    model::Kind,
    rule::{Action, Confidence, Evidence, Rule, Severity, Surface},
};

/// Code and case (`-` for a finding without a case) · action in `guarded` · in `strict`.
const TABLE: &str = "
DNS008 - warn deny
DNS008 udp warn deny
DNS008 tcp audit audit
HST001 - warn warn
HST001 init-container warn warn
HST002 ports-not-declared deny deny
HST002 ports-declared warn deny
HST003 - warn warn
HST003 daemonset warn warn
HST003 pinned warn warn
HST004 - warn warn
HST004 no-cluster-name warn warn
HST005 - deny deny
HST005 sidecar warn warn
HST006 - warn warn
HST006 placement-not-known audit audit
HST009 - warn warn
HST009 capability-without-effect audit audit
HST010 - warn warn
HST010 autoscaler warn warn
HST011 - warn warn
ING001 - warn warn
ING002 - deny deny
ING004 - warn warn
ING004 no-class warn warn
ING004 several-defaults warn warn
POL004 subject warn warn
POL004 peer audit audit
POL005 - warn deny
POL007 - deny deny
PRB001 - deny deny
PRB001 pre-stop warn warn
SVC001 - warn warn
SVC002 - warn warn
SVC002 other-namespace warn warn
SVC004 - deny deny
SVC004 headless warn warn
SVC005 - warn warn
SVC006 - warn deny
SVC008 name deny deny
SVC008 number audit audit
SVC011 - audit audit
SVC013 - audit audit
SVC013 load-balancer audit audit
SVC018 - warn warn
SVC019 address warn warn
SVC019 localhost deny deny
SVC019 loop warn warn
SVC019 selector audit audit
TLS001 - audit audit
";

/// Rules of which every finding has a case.
const ALWAYS_A_CASE: &[&str] = &["HST002", "POL004", "SVC008", "SVC019"];

fn admitted() -> impl Iterator<Item = &'static Rule> {
    RULES
        .iter()
        .copied()
        .filter(|rule| rule.runs_on(Surface::Admit))
}

/// The cases of a rule with the severity that findings of each have by default.
fn cases(rule: &'static Rule) -> Vec<(Option<&'static str>, Severity)> {
    let usual = rule.severity(Surface::Admit).unwrap();
    let plain = (!ALWAYS_A_CASE.contains(&rule.code)).then_some((None, usual));
    let named = rule
        .cases
        .iter()
        .map(|(name, severity)| (Some(*name), *severity));
    plain.into_iter().chain(named).collect()
}

#[test]
fn actions_at_admission() {
    let mut found = String::from("\n");
    for rule in admitted() {
        for (case, severity) in cases(rule) {
            let actions = rule.actions(case, severity).unwrap();
            found.push_str(&format!(
                "{} {} {} {}\n",
                rule.code,
                case.unwrap_or("-"),
                actions.guarded.as_str(),
                actions.strict.as_str()
            ));
        }
    }
    assert_eq!(found, TABLE);
}

#[test]
fn what_a_guard_made_information_is_only_recorded() {
    for rule in admitted() {
        let usual = rule.severity(Surface::Admit).unwrap();
        let actions = rule.actions(None, Severity::Info).unwrap();
        let expected = usual == Severity::Info || actions.guarded == Action::Audit;
        assert!(expected, "{}: {actions:?}", rule.code);
    }
}

#[test]
fn only_what_is_sure_and_present_is_refused() {
    for rule in admitted() {
        for (case, severity) in cases(rule) {
            let actions = rule.actions(case, severity).unwrap();
            let who = format!("{} {case:?}", rule.code);
            assert!(
                actions.strict >= actions.guarded,
                "{who} is milder in strict"
            );
            if actions.strict < Action::Deny {
                continue;
            }
            // What is missing may be on its way, and status never comes with a request.
            assert!(
                matches!(rule.evidence, Evidence::Own | Evidence::Contra),
                "{who}"
            );
            assert!(rule.confidence > Confidence::Hint, "{who}");
            assert!(severity > Severity::Info || rule.code == "HST002", "{who}");
            let guarded = actions.guarded == Action::Deny;
            assert!(
                !guarded || rule.confidence == Confidence::Certain || rule.code == "HST002",
                "{who}"
            );
        }
    }
}

#[test]
fn cases_with_actions_exist_and_other_surfaces_have_none() {
    for rule in RULES.iter() {
        for (name, _) in rule.admit_cases {
            assert!(
                rule.cases.iter().any(|(case, _)| case == name),
                "{}: {name}",
                rule.code
            );
        }
        if rule.admit.is_none() {
            assert!(rule.strict.is_none() && rule.admit_cases.is_empty());
            assert_eq!(rule.actions(None, Severity::Error), None, "{}", rule.code);
        }
    }
}

#[test]
fn every_judged_rule_says_what_it_reads() {
    for rule in admitted() {
        assert!(!rule.reads.is_empty(), "{} reads nothing", rule.code);
        let mut triggers: Vec<Kind> = rule.triggers.to_vec();
        triggers.sort_unstable();
        triggers.dedup();
        assert_eq!(triggers.len(), rule.triggers.len(), "{}", rule.code);
    }
}
