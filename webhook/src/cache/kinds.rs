//! Which kinds are watched: those that the enabled rules read, and no others.

use netdoctor_engine::{config::Config, model::Kind, rule::Rule};
use netdoctor_manifests::scope;
use std::collections::BTreeSet;

/// Kinds of the rules that have an action at admission and that the configuration leaves on: subjects, what they need
/// and want, and what can break them. Namespaces are always among them, since their labels choose the profile.
///
/// Never more than the manifests ask the right for ([`scope::watched`]): no Secrets, no `ConfigMaps`. Rules that would
/// like to see them cope, or are unknown.
pub fn kinds(rules: &[&'static Rule], config: &Config) -> BTreeSet<Kind> {
    let enabled = rules
        .iter()
        .filter(|rule| rule.admit.is_some() && config.selects(rule));
    let read = enabled.flat_map(|rule| {
        let triggers = rule.triggers.iter().copied();
        rule.kinds().into_iter().chain(triggers)
    });
    let granted = scope::watched();
    let mut kinds: BTreeSet<Kind> = read.filter(|kind| granted.contains(kind)).collect();
    if !kinds.is_empty() {
        kinds.insert(Kind::Namespace);
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use netdoctor_engine::rules::RULES;

    #[test]
    fn all_rules_together_need_all_rights() {
        assert_eq!(kinds(&RULES, &Config::default()), scope::watched());
    }

    #[test]
    fn secrets_are_never_watched() {
        let wanting = RULES
            .iter()
            .any(|rule| rule.admit.is_some() && rule.kinds().contains(&Kind::Secret));
        assert!(
            wanting,
            "no rule asks for them any more: nothing is tested here"
        );
        assert!(!kinds(&RULES, &Config::default()).contains(&Kind::Secret));
    }

    #[test]
    fn a_rule_that_is_switched_off_brings_no_watch() {
        let all = kinds(&RULES, &Config::default());
        let only = Config {
            only: vec!["ING001".into()],
            ..Config::default()
        };
        let few = kinds(&RULES, &only);
        assert!(few.is_subset(&all) && few.len() < all.len());
        assert!(few.contains(&Kind::Ingress) && few.contains(&Kind::Service));
        assert!(!few.contains(&Kind::NetworkPolicy), "{few:?}");
    }

    #[test]
    fn no_rule_at_all_needs_no_watch() {
        let none = Config {
            only: vec!["no-such-rule".into()],
            ..Config::default()
        };
        assert!(kinds(&RULES, &none).is_empty());
    }

    #[test]
    fn what_is_watched_is_known_to_the_letter() {
        let names: Vec<&str> = kinds(&RULES, &Config::default())
            .into_iter()
            .map(Kind::name)
            .collect();
        insta::assert_snapshot!(names.join("\n"));
    }
}
