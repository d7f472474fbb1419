//! What the webhook does not know it does not judge, and it says so when that is its own fault.

use super::kit::{Cluster, DEPLOYMENT, Request, SERVICE, host_network, wrong_port};
use crate::admit::{self, FailOpen, Freshness, Outcome, Verdict};
use netdoctor_engine::{model::Kind, testkit::forbid};

#[test]
fn a_cache_that_is_not_ready_judges_nothing_that_needs_it() {
    for (freshness, reason) in [
        (Freshness::Never, FailOpen::UnsyncedCache),
        (Freshness::Stale, FailOpen::StaleCache),
    ] {
        for kind in [Kind::Pod, Kind::Deployment] {
            let cluster = Cluster::of(&[DEPLOYMENT]).strict().fresh(kind, freshness);
            let answer = cluster.create(&wrong_port());
            answer.fails_open(reason);
            assert_eq!(answer.decision.verdict, Verdict::FailOpen(reason), "{kind}");
            assert!(
                answer
                    .decision
                    .rules
                    .contains(&("SVC004", Outcome::Unknown))
            );
            assert!(
                answer.warnings()[0].contains("SVC004"),
                "{:?}",
                answer.warnings()
            );
        }
    }
}

#[test]
fn what_one_object_shows_by_itself_needs_no_cache() {
    let mut cluster = Cluster::of(&[]).guarded();
    for (kind, freshness) in &mut cluster.synced.0 {
        if *kind != Kind::Namespace {
            *freshness = Freshness::Never;
        }
    }
    let answer = cluster.create(&host_network());
    answer.denies("HST002");
    // The denial stands, and what could not be asked is said beside it.
    assert!(answer.decision.fail_open.contains(&FailOpen::UnsyncedCache));
    let warnings = answer.warnings();
    let last = warnings.last().unwrap();
    assert!(
        last.starts_with("not checked by netdoctor for ") && !last.contains("HST002"),
        "{last}"
    );
}

/// Its label says how strict to be, and wins: a namespace that nobody could read may have said "not at all".
#[test]
fn an_unknown_namespace_is_refused_nothing() {
    let lenient = "apiVersion: v1\nkind: Namespace\nmetadata: {name: legacy, labels: {netdoctor.io/profile: advisory}}\n";
    let probe = host_network().replace("namespace: shop", "namespace: legacy");
    let warned = |cluster: &Cluster, why: &str| {
        let answer = cluster.create(&probe);
        answer.warns(&["HST002"]);
        let told = "not denied while the labels of its namespace are not known";
        let said = answer.warnings()[0].contains(told);
        assert!(said, "{why}: {:?}", answer.warnings());
        assert_eq!(answer.annotation("mode"), "guarded", "{why}");
    };
    // It was created a moment ago, in the same apply, and its watch has not told yet.
    warned(&Cluster::of(&[]).guarded(), "not seen yet");
    for freshness in [Freshness::Never, Freshness::Stale] {
        let known = Cluster::of(&[&lenient.replace("advisory", "guarded")]).guarded();
        let cluster = known.fresh(Kind::Namespace, freshness);
        warned(&cluster, "what is cached may be over");
    }
    let forbidden = Cluster::adjusted(&[], |builder| forbid(builder, Kind::Namespace)).guarded();
    warned(&forbidden, "a missing right");
    // Where it is known it decides, in either direction.
    let answer = Cluster::of(&[lenient]).guarded().create(&probe);
    answer.warns(&["HST002"]);
    assert_eq!(answer.annotation("mode"), "advisory");
    Cluster::of(&[&lenient.replace("advisory", "guarded")])
        .create(&probe)
        .denies("HST002");
    // What would not be refused anyway needs no excuse.
    let mild = Cluster::of(&[]).create(&probe);
    assert!(
        !mild.warnings()[0].contains("not known"),
        "{:?}",
        mild.warnings()
    );
}

#[test]
fn a_rule_about_others_needs_them_to_be_known() {
    let renamed = DEPLOYMENT.replace("name: http", "name: web");
    let cluster = Cluster::of(&[DEPLOYMENT, SERVICE]).fresh(Kind::Service, Freshness::Stale);
    cluster
        .update(DEPLOYMENT, &renamed)
        .fails_open(FailOpen::StaleCache);
    // The object itself came with the request.
    let cluster = Cluster::of(&[DEPLOYMENT])
        .guarded()
        .fresh(Kind::Service, Freshness::Stale);
    cluster.create(&wrong_port()).denies("SVC004");
}

#[test]
fn a_missing_right_is_counted_without_a_warning() {
    let cluster = Cluster::adjusted(&[DEPLOYMENT], |builder| forbid(builder, Kind::Pod)).strict();
    let answer = cluster.create(&wrong_port());
    answer.silent();
    assert!(
        answer
            .decision
            .rules
            .contains(&("SVC004", Outcome::Unknown))
    );
    assert!(answer.decision.fail_open.is_empty());
}

#[test]
fn letting_through_says_why() {
    for reason in [
        FailOpen::Panic,
        FailOpen::UnsyncedCache,
        FailOpen::StaleCache,
        FailOpen::UnknownKind,
        FailOpen::Deadline,
        FailOpen::Shed,
    ] {
        let answer = super::kit::Answer::of(admit::fail_open("uid-1", reason));
        answer.fails_open(reason);
        assert_eq!(answer.json["response"]["uid"], "uid-1");
        assert_eq!(answer.decision.verdict, Verdict::FailOpen(reason));
    }
}

#[test]
fn the_uid_of_the_request_is_the_uid_of_the_answer() {
    let request = Request::create(SERVICE).with("uid", "a \"quoted\" uid\u{1F980}");
    let answer = Cluster::of(&[DEPLOYMENT]).ask(&request);
    assert_eq!(answer.json["response"]["uid"], "a \"quoted\" uid\u{1F980}");
}
