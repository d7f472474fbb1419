//! Edits of two objects pass through a state in which they contradict each other (webhook.md 2.4, 2.5).

use super::kit::{Cluster, DEPLOYMENT, Request, SERVICE, host_network, wrong_port};
use netdoctor_engine::model::Kind;

#[test]
fn a_contradiction_is_refused_on_create_once_the_other_object_has_settled() {
    let quiet = Cluster::of(&[DEPLOYMENT]).guarded();
    quiet.create(&wrong_port()).denies("SVC004");
    let old_change = Cluster::of(&[DEPLOYMENT])
        .guarded()
        .changed("Deployment shop/web", 60);
    old_change.create(&wrong_port()).denies("SVC004");
    let fresh_change = Cluster::of(&[DEPLOYMENT])
        .guarded()
        .changed("Deployment shop/web", 59);
    let answer = fresh_change.create(&wrong_port());
    answer.warns(&["SVC004"]);
    assert!(answer.warnings()[0].contains("would be denied if the referent had not just changed"));
    let deferred = &answer.decision.deferred[0];
    assert_eq!(
        (deferred.code, deferred.object.to_string()),
        ("SVC004", "Service shop/web".to_owned())
    );
    assert_eq!(deferred.due.as_second() - fresh_change.now.as_second(), 60);
    // Another object's change is no excuse.
    let other = Cluster::of(&[DEPLOYMENT])
        .guarded()
        .changed("Deployment shop/api", 1);
    other.create(&wrong_port()).denies("SVC004");
    // Strict does not wait.
    let strict = Cluster::of(&[DEPLOYMENT])
        .strict()
        .changed("Deployment shop/web", 1);
    strict.create(&wrong_port()).denies("SVC004");
    // The configured grace period counts.
    let short = Cluster::of(&[DEPLOYMENT])
        .policy("profile: guarded\ngracePeriod: 10s")
        .changed("Deployment shop/web", 11);
    short.create(&wrong_port()).denies("SVC004");
}

#[test]
fn an_object_that_was_just_created_has_not_settled() {
    let young = DEPLOYMENT.replace(
        "namespace: shop}",
        "namespace: shop, creationTimestamp: '2026-01-01T11:59:30Z'}",
    );
    Cluster::of(&[&young])
        .guarded()
        .create(&wrong_port())
        .warns(&["SVC004"]);
    let grown = young.replace("11:59:30", "11:58:30");
    Cluster::of(&[&grown])
        .guarded()
        .create(&wrong_port())
        .denies("SVC004");
}

#[test]
fn updates_of_one_of_two_objects_only_warn() {
    let guarded = Cluster::of(&[DEPLOYMENT, SERVICE]).guarded();
    let answer = guarded.update(SERVICE, &wrong_port());
    answer.warns(&["SVC004"]);
    assert_eq!(answer.decision.deferred.len(), 1);
    let strict = Cluster::of(&[DEPLOYMENT, SERVICE]).strict();
    strict.update(SERVICE, &wrong_port()).denies("SVC004");
    // From the workload's side it is somebody else who is at fault.
    let renamed = DEPLOYMENT.replace("name: http", "name: web");
    let answer = strict.update(DEPLOYMENT, &renamed);
    answer.warns(&["SVC004"]);
    assert_eq!(
        answer.decision.deferred.len(),
        0,
        "a denial that is none is not deferred"
    );
    // What one object shows by itself is refused on updates too.
    let before = host_network().replace("replicas: 3", "replicas: 1");
    Cluster::of(&[&before])
        .guarded()
        .update(&before, &host_network())
        .denies("HST002");
}

/// An application that looks up its database.
fn asking() -> String {
    DEPLOYMENT.replace(
        "image: web,",
        "image: web, env: [{name: DB, value: 'postgres://db:5432'}],",
    )
}

/// A policy that lets it talk to the database, and to whatever else.
fn egress(born: &str, more: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: out, namespace: shop{born}}}\n\
         spec: {{podSelector: {{matchLabels: {{app: web}}}}, policyTypes: [Egress], egress: [{{to: [{{podSelector: \
         {{matchLabels: {{app: db}}}}}}], ports: [{{port: 5432}}]}}{more}]}}\n"
    )
}

const TO_DNS: &str = ", {to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}], ports: [{port: 53, protocol: UDP}, {port: 53}]}";

/// Policies add up: the one that lets names through may be the next in the file.
#[test]
fn a_new_policy_is_not_refused_for_what_the_next_one_may_admit() {
    let asking = asking();
    let forgetful = egress("", "");
    let answer = Cluster::of(&[&asking]).strict().create(&forgetful);
    answer.warns(&["DNS008"]);
    let said = answer.warnings();
    assert!(
        said[0].contains("(not denied while it is new: another object may add what it leaves out)"),
        "{said:?}"
    );
    let deferred = &answer.decision.deferred[0];
    assert_eq!(
        (deferred.code, deferred.object.to_string()),
        ("DNS008", "NetworkPolicy shop/out".to_owned())
    );
    // A dry run, which nothing follows up, is told the same.
    let tried = Cluster::of(&[&asking])
        .strict()
        .ask(&Request::create(&forgetful).dry_run());
    tried.warns(&["DNS008"]);
    assert_eq!(tried.warnings(), said);
    assert!(tried.decision.deferred.is_empty());
    // Whoever makes the rule refuse in another profile gets no other answer.
    Cluster::of(&[&asking])
        .policy("profile: guarded\noverrides: [{code: DNS008, mode: deny}]")
        .create(&forgetful)
        .warns(&["DNS008"]);
    Cluster::of(&[&asking])
        .strict()
        .create(&egress("", TO_DNS))
        .warns(&[]);
}

#[test]
fn an_old_policy_that_begins_to_cut_dns_is_refused_in_strict() {
    let (asking, namespaces) = (
        asking(),
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
    );
    let changed = |born: &str, policy: &str| {
        let born = format!(", creationTimestamp: '2026-01-01T{born}Z'");
        let (before, after) = (egress(&born, TO_DNS), egress(&born, ""));
        let cluster = Cluster::of(&[namespaces, &asking, &before]).policy(policy);
        // That somebody touched it a moment ago makes it no younger.
        cluster
            .changed("NetworkPolicy shop/out", 1)
            .update(&before, &after)
    };
    changed("11:59:00", "profile: strict").denies("DNS008");
    changed("11:59:01", "profile: strict").warns(&["DNS008"]);
    changed("11:59:01", "profile: strict\ngracePeriod: 10s").denies("DNS008");
    changed("11:59:00", "profile: guarded").warns(&["DNS008"]);
    // What was wrong before is no news.
    let known = egress("", "");
    let relabelled = known.replace("port: 5432", "port: 5433");
    Cluster::of(&[&asking, &known])
        .strict()
        .update(&known, &relabelled)
        .silent();
}

/// A wrong word stays wrong, whatever follows.
#[test]
fn what_a_new_object_says_against_another_one_is_refused_all_the_same() {
    let strict = || Cluster::of(&[DEPLOYMENT, SERVICE]).strict();
    strict()
        .create(&wrong_port().replace("{name: web, n", "{name: new, n"))
        .denies("SVC004");
    let numbered = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: in, namespace: shop}\nspec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{ports: [{port: 80}]}]}\n";
    strict().create(numbered).denies("POL005");
}

/// What only an autoscaler asks for may change in the same apply.
#[test]
fn the_minimum_of_an_autoscaler_refuses_nothing() {
    let scaler = |least: u8| {
        format!(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web, namespace: shop}}\nspec: {{scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}, minReplicas: {least}, maxReplicas: 9}}\n"
        )
    };
    let host =
        |replicas: u8| host_network().replace("replicas: 3", &format!("replicas: {replicas}"));
    for cluster in [
        Cluster::of(&[DEPLOYMENT, &scaler(2)]).guarded(),
        Cluster::of(&[DEPLOYMENT, &scaler(2)]).strict(),
    ] {
        for dry in [false, true] {
            let request = Request::update(DEPLOYMENT, &host(1)).with("dryRun", dry);
            cluster.ask(&request).warns(&["HST002"]);
        }
        // Replicas of its own are its own.
        cluster.update(DEPLOYMENT, &host(2)).denies("HST002");
        // An autoscaler leaves alone what is scaled to zero.
        cluster.update(DEPLOYMENT, &host(0)).silent();
    }
    Cluster::of(&[DEPLOYMENT, &scaler(1)])
        .guarded()
        .update(DEPLOYMENT, &host(1))
        .silent();
}

#[test]
fn dry_runs_are_never_refused_for_what_may_change_in_the_same_apply() {
    for cluster in [
        Cluster::of(&[DEPLOYMENT]).guarded(),
        Cluster::of(&[DEPLOYMENT]).strict(),
    ] {
        let answer = cluster.ask(&Request::create(&wrong_port()).dry_run());
        answer.warns(&["SVC004"]);
        assert!(
            answer.warnings()[0]
                .contains("would be denied unless the referent changes in the same apply"),
            "{:?}",
            answer.warnings()
        );
        assert!(answer.decision.dry_run && answer.decision.deferred.is_empty());
        // What one object shows by itself is answered as in the real request.
        cluster
            .ask(&Request::create(&host_network()).dry_run())
            .denies("HST002");
    }
    let advisory = Cluster::of(&[DEPLOYMENT]).ask(&Request::create(&wrong_port()).dry_run());
    assert!(!advisory.warnings()[0].contains("would be denied"));
}

#[test]
fn what_is_missing_warns_and_is_looked_at_again() {
    let ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: edge, namespace: shop}\nspec: {ingressClassName: outer, defaultBackend: {service: {name: web, port: {number: 80}}}}\n";
    let class = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: outer}\nspec: {controller: a/b}\n";
    let strict = Cluster::of(&[class]).strict();
    let answer = strict.create(ingress);
    answer.warns(&["ING001"]);
    assert_eq!(answer.decision.deferred[0].code, "ING001");
    let there = Cluster::of(&[class, DEPLOYMENT, SERVICE]).guarded();
    there.create(ingress).silent();
    let other_port = ingress.replace("number: 80", "number: 81");
    there.create(&other_port).denies("ING002");
    // Removing the Service is seen from the other side.
    let used = || Cluster::of(&[class, DEPLOYMENT, SERVICE, ingress]);
    let ignoring = used().policy("profile: strict\ndeletions: ignored");
    ignoring.ask(&Request::delete(SERVICE)).silent();
    let answer = used().strict().ask(&Request::delete(SERVICE));
    answer.warns(&["ING001"]);
    assert_eq!(answer.decision.kind, Some(Kind::Service));
}
