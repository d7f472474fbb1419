use super::*;
use netdoctor_engine::config::Annotations;

fn error(text: &str) -> String {
    Policy::parse(text).unwrap_err().to_string()
}

#[test]
fn everything_has_a_default() {
    for text in ["", "\n", "# nothing yet\n", "{}"] {
        let policy = Policy::parse(text).unwrap();
        assert_eq!(policy.profile, Profile::Advisory, "{text:?}");
        assert_eq!(policy.grace, SignedDuration::from_secs(60));
        assert_eq!(
            (policy.deletions, policy.scale),
            (Asked::Warned, Asked::Warned),
            "who sends them wants to hear"
        );
        assert!(policy.warnings.is_empty() && policy.overrides.is_empty());
    }
}

#[test]
fn the_whole_of_it() {
    let text = "
profile: guarded
rules: {SVC018: {severity: off}}
overrides:
  - {code: SVC004, namespaces: [legacy-*], mode: warn}
  - {code: host-network-replicas-can-share-a-node, case: ports-declared, mode: off}
  - {code: SVC006, mode: deny}
exemptions:
  - {code: HST002, object: deployment/edge, namespace: edge, reason: 'one node pool', expires: 2027-03-31}
annotations: ignored
gracePeriod: 2m
deletions: ignored
scale: ignored
facts: {clusterDomain: example.test}
exclude: {namespaces: [sandbox-*]}
";
    let policy = Policy::parse(text).unwrap();
    assert_eq!(policy.profile, Profile::Guarded);
    assert_eq!(policy.overrides.len(), 3);
    assert_eq!(&*policy.overrides[1].code, "HST002");
    assert_eq!(policy.overrides[1].mode, None);
    assert_eq!(policy.overrides[2].mode, Some(Action::Deny));
    assert_eq!(policy.config.annotations, Annotations::Ignored);
    assert_eq!(policy.grace, SignedDuration::from_secs(120));
    assert_eq!(
        (policy.deletions, policy.scale),
        (Asked::Ignored, Asked::Ignored)
    );
    assert_eq!(policy.config.exclude_namespaces.len(), 1);
    assert_eq!(policy.facts.cluster_domain.as_deref(), Some("example.test"));
    let exemption = policy.exemptions().next().unwrap();
    assert_eq!(exemption.place, AllowedIn::Exemption(9));
    assert_eq!(exemption.reason.as_deref(), Some("one node pool"));
}

#[test]
fn mistakes_name_their_place() {
    for (text, wanted) in [
        (
            "profil: strict",
            "line 1, column 1: there is no key `profil`",
        ),
        (
            "profile: strickt",
            "line 1, column 10: `strickt` is none of advisory, guarded, strict",
        ),
        (
            "a: 1\nprofile: strict",
            "line 1, column 1: there is no key `a`",
        ),
        (
            "overrides:\n  - {code: SVC004, mode: refuse}",
            "line 2, column 26: `refuse` is none of off",
        ),
        ("overrides:\n  - {code: SVC004, mod: warn}", "line 2"),
        (
            "overrides: [{code: SVC004, case: headles, mode: warn}]",
            "SVC004 has no case `headles`",
        ),
        (
            "overrides: [{code: ING001, mode: deny}]",
            "ING001 never refuses",
        ),
        (
            "overrides: [{code: SVC004, mode: warn, namespaces: ['[']}]",
            "is no pattern",
        ),
        ("exemptions: [{code: HST002, reason: x}]", "does not expire"),
        (
            "exemptions: [{code: HST002, expires: 2027-01-01}]",
            "gives no reason",
        ),
        (
            "exemptions: [{code: HST002, reason: x, expires: soon}]",
            "is no date",
        ),
        (
            "exemptions: [{code: HST002, reason: x, expires: 2027-01-01, object: edge}]",
            "KIND/NAME",
        ),
        ("gracePeriod: soon", "line 1, column 14"),
        ("deletions: maybe", "is none of ignored, warned"),
        ("annotations: yes", "is none of honoured, ignored"),
        ("profile: guarded\nprofile: strict", "line 2"),
        ("profile: [", "line 1"),
        ("- profile", "line 1"),
    ] {
        let found = error(text);
        assert!(found.contains(wanted), "{text:?}: {found}");
    }
}

#[test]
fn a_rule_that_is_gone_is_no_reason_to_throw_everything_away() {
    let text = "
overrides: [{code: SVC999, mode: warn}, {code: SVC003, mode: warn}]
exemptions: [{code: OLD001, reason: x, expires: 2027-01-01}]
";
    let policy = Policy::parse(text).unwrap();
    assert!(policy.overrides.is_empty() && policy.config.allow.is_empty());
    assert_eq!(
        policy.warnings,
        [
            "line 2: there is no rule `SVC999`",
            "line 2: SVC003 does not run at admission",
            "line 3: there is no rule `OLD001`"
        ]
    );
}

#[test]
fn an_exemption_that_has_expired_is_a_problem() {
    let text = "exemptions: [{code: HST002, reason: x, expires: 2026-01-01}]";
    let policy = Policy::parse(text).unwrap();
    let at = |text: &str| policy.problems(text.parse().unwrap());
    assert_eq!(at("2026-01-01T23:59:59Z"), [""; 0], "the last day counts");
    let problems = at("2026-01-02T00:00:00Z");
    assert_eq!(
        problems,
        ["exemption from HST002 in the configuration (line 1) expired on 2026-01-01"]
    );
}

#[test]
fn an_allow_without_an_end_is_a_problem_where_it_exempts_from_a_refusal() {
    let problems = |entry: &str| {
        let policy = Policy::parse(&format!("allow: [{entry}]")).unwrap();
        assert_eq!(policy.config.allow.len(), 1, "it counts all the same");
        policy.problems("2026-01-01T00:00:00Z".parse().unwrap())
    };
    assert_eq!(
        problems("{code: hst002, reason: x}"),
        ["allow hst002 in the configuration (line 1) never ends: an exemption needs `until`"]
    );
    // In `strict` only, and by a case only.
    assert_eq!(problems("{code: SVC006, reason: x}").len(), 1);
    assert_eq!(problems("{code: SVC019, reason: x}").len(), 1);
    for fine in [
        "{code: HST002, reason: x, until: 2027-01-01}",
        // Never refused, or not asked at admission at all.
        "{code: ING001, reason: x}",
        "{code: SVC003, reason: x}",
    ] {
        assert_eq!(problems(fine), [""; 0], "{fine}");
    }
}

#[test]
fn a_namespace_may_say_how_strict_it_is() {
    let policy = Policy {
        profile: Profile::Guarded,
        ..Policy::default()
    };
    let namespace = |value: &str| {
        let mut namespace = Namespace::default();
        namespace.meta.labels = [(PROFILE_LABEL, value)].into_iter().collect();
        namespace
    };
    assert_eq!(
        policy.profile_of(Some(&namespace("strict"))),
        Profile::Strict
    );
    assert_eq!(
        policy.profile_of(Some(&namespace("advisory"))),
        Profile::Advisory
    );
    // A typing error must not make a namespace stricter or milder than the rest.
    assert_eq!(
        policy.profile_of(Some(&namespace("Strict"))),
        Profile::Guarded
    );
    assert_eq!(policy.profile_of(None), Profile::Guarded);
}
