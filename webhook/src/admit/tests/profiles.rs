//! How strict: profiles, labels, overrides, exemptions, annotations.

use super::kit::{Cluster, DEPLOYMENT, NODES, SERVICE, host_network, wrong_port};
use crate::admit::{Outcome, Verdict};

fn namespace(labels: &str) -> String {
    format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{{labels}}}}}\n")
}

#[test]
fn the_two_refusals_this_guard_is_known_for() {
    let empty = Cluster::of(&[]).guarded();
    let answer = empty.create(&host_network());
    answer.denies("HST002");
    assert!(
        answer
            .message()
            .contains("Fix: keep its Pods on different nodes by required anti-affinity")
    );
    let cause = &answer.json["response"]["status"]["details"]["causes"][0];
    assert_eq!(cause["field"], "spec.template.spec.hostNetwork");
    let with_pods = Cluster::of(&[DEPLOYMENT]).guarded();
    let answer = with_pods.create(&wrong_port());
    answer.denies("SVC004");
    assert_eq!(
        answer.message(),
        "SVC004: port http (80/TCP) of Service shop/web targets htpp, and no selected Pod declares a port of that name. \
         Fix: target http (in spec.ports[0]: targetPort: http)."
    );
}

#[test]
fn look_alikes_pass() {
    let guarded = Cluster::of(&[DEPLOYMENT]).guarded();
    guarded.create(SERVICE).silent();
    guarded
        .create(&SERVICE.replace("targetPort: http", "targetPort: 8080"))
        .silent();
    guarded
        .create(&SERVICE.replace("targetPort: http", "targetPort: '8080'"))
        .silent();
    let one = host_network().replace("replicas: 3", "replicas: 1");
    guarded
        .create(&one.replace("name: web,", "name: one,"))
        .silent();
    let apart = host_network().replace(
        "hostNetwork: true",
        "hostNetwork: true, affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: web}}}]}}",
    );
    guarded.create(&apart).silent();
    let daemons = host_network().replace("kind: Deployment", "kind: DaemonSet");
    guarded
        .create(&daemons.replace("replicas: 3", "minReadySeconds: 3"))
        .silent();
}

#[test]
fn advisory_refuses_nothing() {
    let advisory = Cluster::of(&[DEPLOYMENT]);
    let answer = advisory.create(&host_network());
    answer.warns(&["HST002"]);
    assert_eq!(answer.annotation("mode"), "advisory");
    advisory.create(&wrong_port()).warns(&["SVC004"]);
    let alias = "apiVersion: v1\nkind: Service\nmetadata: {name: a, namespace: shop}\nspec: {type: ExternalName, externalName: localhost}\n";
    advisory.create(alias).warns(&["SVC019"]);
    Cluster::of(&[]).guarded().create(alias).denies("SVC019");
}

#[test]
fn strict_refuses_more() {
    let declared =
        host_network().replace("image: web", "image: web, ports: [{containerPort: 8080}]");
    let guarded = Cluster::of(&[NODES]).guarded();
    guarded.create(&declared).warns(&["HST002"]);
    let strict = Cluster::of(&[]).strict();
    strict.create(&declared).denies("HST002");
    // With a second sign: the port is declared, its target is not.
    let numbers = SERVICE.replace("port: 80, targetPort: http", "port: 8080, targetPort: 80");
    Cluster::of(&[DEPLOYMENT])
        .guarded()
        .create(&numbers)
        .warns(&["SVC006"]);
    Cluster::of(&[DEPLOYMENT])
        .strict()
        .create(&numbers)
        .denies("SVC006");
    // Without one it is information, and nothing is said.
    let open = SERVICE.replace("targetPort: http", "targetPort: 9999");
    let answer = Cluster::of(&[DEPLOYMENT]).strict().create(&open);
    assert!(
        answer.warnings().is_empty() && answer.allowed(),
        "{}",
        answer.json
    );
    assert_eq!(answer.annotation("rules"), "SVC006=audit");
    assert_eq!(answer.decision.verdict, Verdict::Allow);
    // What is missing is never refused.
    let miss = SERVICE.replace("app: web", "app: nothing");
    assert!(Cluster::of(&[DEPLOYMENT]).strict().create(&miss).allowed());
}

#[test]
fn a_policy_that_denies_everything_is_not_refused() {
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: shop}\nspec: {podSelector: {}, policyTypes: [Egress]}\n";
    let answer = Cluster::of(&[DEPLOYMENT]).strict().create(policy);
    answer.warns(&["DNS008"]);
    // The policy that admits DNS comes next, also for Pods that speak of hosts by name.
    let asking = DEPLOYMENT.replace(
        "image: web,",
        "image: web, env: [{name: DB, value: 'postgres://db:5432'}],",
    );
    let strict = Cluster::of(&[&asking]).strict();
    strict.create(policy).warns(&["DNS008"]);
}

#[test]
fn a_namespace_says_how_strict_it_is() {
    let labelled = |labels: &str| Cluster::of(&[&namespace(labels), DEPLOYMENT]);
    labelled("netdoctor.io/profile: guarded")
        .create(&wrong_port())
        .denies("SVC004");
    labelled("netdoctor.io/profile: advisory")
        .guarded()
        .create(&wrong_port())
        .warns(&["SVC004"]);
    labelled("netdoctor.io/profile: Guarded")
        .create(&wrong_port())
        .warns(&["SVC004"]);
    labelled("")
        .guarded()
        .create(&wrong_port())
        .denies("SVC004");
}

#[test]
fn break_glass() {
    let broken =
        Cluster::of(&[&namespace("netdoctor.io/admission: disabled"), DEPLOYMENT]).strict();
    broken.create(&wrong_port()).silent();
    broken.create(&host_network()).silent();
    let spelt_otherwise = Cluster::of(&[&namespace("netdoctor.io/admission: enabled"), DEPLOYMENT]);
    spelt_otherwise
        .guarded()
        .create(&wrong_port())
        .denies("SVC004");
}

#[test]
fn overrides_are_per_rule_and_namespace() {
    let with = |entry: &str| {
        Cluster::of(&[DEPLOYMENT]).policy(&format!("profile: guarded\noverrides: [{entry}]"))
    };
    with("{code: SVC004, namespaces: [sh*], mode: warn}")
        .create(&wrong_port())
        .warns(&["SVC004"]);
    with("{code: SVC004, namespaces: [other], mode: warn}")
        .create(&wrong_port())
        .denies("SVC004");
    with("{code: SVC004, mode: off}")
        .create(&wrong_port())
        .silent();
    let audited = with("{code: SVC004, mode: audit}").create(&wrong_port());
    assert_eq!(audited.annotation("rules"), "SVC004=audit");
    assert!(audited.warnings().is_empty());
    // The last entry counts.
    with("{code: SVC004, mode: off}, {code: SVC004, mode: deny}")
        .create(&wrong_port())
        .denies("SVC004");
    with("{code: SVC004, case: headless, mode: off}")
        .create(&wrong_port())
        .denies("SVC004");
    let numbers = SERVICE.replace("port: 80, targetPort: http", "port: 8080, targetPort: 80");
    with("{code: SVC006, mode: deny}")
        .create(&numbers)
        .denies("SVC006");
    // Advisory refuses nothing, whatever a rule is set to.
    Cluster::of(&[DEPLOYMENT])
        .policy("overrides: [{code: SVC004, mode: deny}]")
        .create(&wrong_port())
        .warns(&["SVC004"]);
}

#[test]
fn exemptions_hold_until_their_day() {
    let with = |until: &str, object: &str| {
        let text = format!(
            "profile: guarded\nexemptions: [{{code: HST002, object: {object}, namespace: shop, reason: one node, expires: {until}}}]"
        );
        Cluster::of(&[]).policy(&text).create(&host_network())
    };
    let exempt = with("2026-01-01", "deployment/web");
    assert!(
        exempt.allowed() && exempt.warnings().is_empty(),
        "{}",
        exempt.json
    );
    assert_eq!(exempt.annotation("rules"), "HST002=allowed");
    assert!(
        exempt
            .decision
            .rules
            .contains(&("HST002", Outcome::Allowed))
    );
    with("2027-01-01", "deployment/other").denies("HST002");
    let expired = with("2025-12-31", "deploy/web");
    expired.denies("HST002");
    assert!(
        expired
            .warnings()
            .iter()
            .any(|text| text.contains("exemption from HST002")
                && text.contains("expired on 2025-12-31")),
        "{:?}",
        expired.warnings()
    );
}

#[test]
fn annotations_count_unless_they_are_ignored() {
    let annotated = |value: &str| {
        wrong_port().replace(
            "namespace: shop}",
            &format!("namespace: shop, annotations: {{netdoctor.io/allow-SVC004: '{value}'}}}}"),
        )
    };
    let guarded = Cluster::of(&[DEPLOYMENT]).guarded();
    let allowed = guarded.create(&annotated("the next image has the port"));
    assert_eq!(allowed.decision.verdict, Verdict::Allow);
    assert_eq!(allowed.annotation("rules"), "SVC004=allowed");
    guarded.create(&annotated("")).denies("SVC004");
    let expired = guarded.create(&annotated("until 2025-01-01: later"));
    assert!(expired.denies("SVC004").warnings()[0].contains("expired on 2025-01-01"));
    let ignoring = Cluster::of(&[DEPLOYMENT]).policy("profile: guarded\nannotations: ignored");
    let refused = ignoring.create(&annotated("known"));
    assert!(refused.denies("SVC004").warnings()[0].contains("does not count here"));
}

#[test]
fn switched_off_rules_and_excluded_namespaces_are_not_judged() {
    for text in [
        "profile: strict\nrules: {SVC004: {severity: off}}",
        "profile: strict\nexclude: {namespaces: [sho?]}",
    ] {
        Cluster::of(&[DEPLOYMENT])
            .policy(text)
            .create(&wrong_port())
            .silent();
    }
    // Another severity is about reports, not about what is refused.
    Cluster::of(&[DEPLOYMENT])
        .policy("profile: guarded\nrules: {SVC004: {severity: info}}")
        .create(&wrong_port())
        .denies("SVC004");
}
