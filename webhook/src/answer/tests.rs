//! The words and the limits of answers.

use crate::admit::{
    Verdict,
    tests::kit::{Cluster, DEPLOYMENT, Request, SERVICE, host_network, wrong_port},
};
use netdoctor_engine::{
    config::Config,
    manifest,
    model::Kind,
    rule::Surface,
    rules::RULES,
    run::run,
    snapshot::Source,
    testkit::{clock, read},
};
use serde_json::{Value, json};

#[test]
fn the_message_of_a_refusal_stands_alone_in_its_first_120_characters() {
    let answer = Cluster::of(&[]).guarded().create(&host_network());
    let message = answer.message();
    let (fact, fix) = message.split_once(". Fix: ").unwrap();
    assert!(fact.len() <= 120, "{} {fact}", fact.len());
    assert_eq!(
        fact,
        "HST002: two of the 3 Pods of Deployment shop/web may share a node and its network, and no port is declared"
    );
    assert!(fix.starts_with("keep its Pods on different nodes"), "{fix}");
}

#[test]
fn the_line_that_fixes_it_can_be_pasted() {
    let answer = Cluster::of(&[]).guarded().create(&host_network());
    let warnings = answer.warnings();
    let affinity = "HST002 fix: in spec.template.spec: affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: \
        [{labelSelector: {matchLabels: {app: web}}, topologyKey: kubernetes.io/hostname}]}}";
    let same = |text: &String| {
        let sorted = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            letters
        };
        sorted(text) == sorted(affinity)
    };
    assert!(warnings.iter().any(same), "{warnings:#?}");
    let strategy = "HST002 fix: in spec: strategy: ";
    assert!(
        warnings.iter().any(|text| text.starts_with(strategy)),
        "{warnings:#?}"
    );
    // In a warning it stands beside the fact when there is room for both.
    let warned = Cluster::of(&[DEPLOYMENT]).create(&wrong_port());
    assert!(
        warned.warnings()[0].ends_with("Fix: target http (in spec.ports[0]: targetPort: http).")
    );
}

/// Writes what the lines of a finding say into the object.
fn pasted(warnings: &[String], code: &str, object: &mut Value) -> usize {
    let prefix = format!("{code} fix: in ");
    let lines: Vec<&str> = warnings
        .iter()
        .filter_map(|text| text.strip_prefix(&prefix))
        .collect();
    for line in &lines {
        let (place, field) = line.split_once(": ").unwrap();
        let mut at = &mut *object;
        for token in place.replace('[', ".[").split('.') {
            at = match token.strip_prefix('[') {
                None => &mut at[token],
                Some(index) => {
                    let index: usize = index.trim_end_matches(']').parse().unwrap();
                    if at.is_null() {
                        *at = json!([]);
                    }
                    let items = at.as_array_mut().unwrap();
                    items.resize(items.len().max(index + 1), json!({}));
                    &mut items[index]
                }
            };
        }
        let field: serde_json::Map<String, Value> = serde_saphyr::from_str(field).unwrap();
        for (key, value) in field {
            at[&key] = value;
        }
    }
    lines.len()
}

/// Labels as charts set them are longer than a warning: the lines become more, and remain the whole fix.
#[test]
fn a_fix_is_whole_or_it_is_not_there() {
    let labelled = |labels: &str| host_network().replace("{app: web}", &format!("{{{labels}}}"));
    let chart = "app.kubernetes.io/name: ingress-nginx, app.kubernetes.io/instance: ingress-nginx";
    let cluster = Cluster::of(&[]).guarded();
    for (labels, lines) in [
        ("app: web".to_owned(), 2),
        (chart.to_owned(), 3),
        (
            format!("{chart}, app.kubernetes.io/component: controller"),
            5,
        ),
    ] {
        let mut object = crate::admit::tests::kit::parsed(&labelled(&labels));
        let ask = |object: &Value| {
            cluster.ask(&Request::new(
                crate::admit::Operation::Create,
                None,
                Some(object.clone()),
            ))
        };
        let answer = ask(&object);
        answer.denies("HST002");
        let count = pasted(&answer.warnings(), "HST002", &mut object);
        assert_eq!(count, lines, "{:#?}", answer.warnings());
        ask(&object).silent();
    }
    // What cannot be said in lines of this length, or not in the warnings that are left, is said by the command.
    let command = "HST002 fix: kubectl netdoctor lint --with-cluster -f FILE shows the patch";
    let endless = labelled(&format!("{}/{}: x", "a.".repeat(60) + "b", "c".repeat(63)));
    let crowded = labelled(&format!("{chart}, app.kubernetes.io/component: controller")).replace(
        "image: web",
        "image: web, readinessProbe: {httpGet: {port: a}}, livenessProbe: {httpGet: {port: b}}, startupProbe: {httpGet: {port: c}}, \
         lifecycle: {postStart: {httpGet: {port: d}}, preStop: {httpGet: {port: e}}}",
    );
    for object in [endless, crowded] {
        let warnings = cluster.create(&object).warnings();
        assert!(warnings.iter().any(|text| text == command), "{warnings:#?}");
        let half = warnings
            .iter()
            .any(|text| text.starts_with("HST002 fix: in "));
        assert!(!half, "{warnings:#?}");
    }
}

#[test]
fn what_is_pasted_is_what_the_fix_does() {
    let warned = Cluster::of(&[DEPLOYMENT]).create(&wrong_port());
    let patch: json_patch::Patch = serde_json::from_str(warned.annotation("patch")).unwrap();
    let mut object = manifest::parse(wrong_port().as_bytes())
        .documents
        .remove(0)
        .value;
    json_patch::patch(&mut object, &patch).unwrap();
    assert_eq!(object["spec"]["ports"][0]["targetPort"], "http");
    assert_eq!(warned.annotation("rules"), "SVC004=warn");
    assert_eq!(warned.annotation("mode"), "advisory");
}

#[test]
fn a_refusal_does_not_swallow_the_warnings() {
    let both = host_network().replace("dnsPolicy: Default, ", "").replace(
        "image: web",
        "image: web, env: [{name: DB, value: 'db.data.svc:5432'}]",
    );
    let answer = Cluster::of(&[]).guarded().create(&both);
    answer.denies("HST002").warned(&["HST004"]);
    let two = both.replace(
        "image: web",
        "image: web, readinessProbe: {httpGet: {port: nope}}",
    );
    let answer = Cluster::of(&[]).guarded().create(&two);
    let causes = answer.json["response"]["status"]["details"]["causes"]
        .as_array()
        .unwrap();
    let reasons: Vec<&Value> = causes.iter().map(|cause| &cause["reason"]).collect();
    assert_eq!(reasons, ["PRB001", "HST002"]);
    assert!(
        answer.message().ends_with("(and 1 more)"),
        "{}",
        answer.message()
    );
    answer.denies("PRB001").warned(&["HST002", "HST004"]);
}

#[test]
fn causes_name_the_field_as_the_api_does() {
    let answer = Cluster::of(&[DEPLOYMENT]).guarded().create(&wrong_port());
    let status = &answer.json["response"]["status"];
    assert_eq!(
        status["details"],
        json!({"name": "web", "group": "", "kind": "Service", "causes": [{
            "field": "spec.ports[0].targetPort",
            "message": "port http (80/TCP) of Service shop/web targets htpp, and no selected Pod declares a port of that name. \
                Fix: target http; in spec.ports[0]: targetPort: http",
            "reason": "SVC004",
        }]})
    );
    assert_eq!(
        (&status["code"], &status["status"]),
        (&json!(403), &json!("Failure"))
    );
}

#[test]
fn eight_warnings_and_how_many_more() {
    let port = |number: usize| {
        format!(
            "{{name: p{number}, port: {}, targetPort: none-{number}}}",
            80 + number
        )
    };
    let many = |count: usize| {
        let ports: Vec<String> = (0..count).map(port).collect();
        SERVICE.replace(
            "{name: http, port: 80, targetPort: http}",
            &ports.join(", "),
        )
    };
    let cluster = Cluster::of(&[DEPLOYMENT]);
    let eight = cluster.create(&many(8)).warnings();
    assert_eq!(eight.len(), 8);
    assert!(
        eight.iter().all(|text| text.starts_with("SVC004: ")),
        "{eight:#?}"
    );
    let twenty = cluster.create(&many(20)).warnings();
    assert_eq!(twenty.len(), 9);
    assert_eq!(twenty[8], "+12 more, run: kubectl netdoctor lint");
    // What could not be checked is among them all the same.
    let stale = cluster.fresh(Kind::ConfigMap, crate::admit::Freshness::Stale);
    let twenty = stale.create(&many(20)).warnings();
    assert_eq!(twenty.len(), 9);
    assert!(
        twenty[7].starts_with("not checked by netdoctor for ") && twenty[7].contains("SVC006"),
        "{twenty:#?}"
    );
    assert_eq!(twenty[8], "+13 more, run: kubectl netdoctor lint");
}

#[test]
fn long_names_leave_the_first_120_characters_and_256_bytes() {
    let long = "a".repeat(63);
    let object =
        host_network().replace("name: web, namespace", &format!("name: {long}, namespace"));
    let answer = Cluster::of(&[]).create(&object);
    let first = &answer.warnings()[0];
    assert!(
        first.len() <= 256 && first[..120].contains(&long),
        "{first}"
    );
    let endless = host_network().replace(
        "name: web, namespace",
        &format!("name: {}, namespace", "b".repeat(253)),
    );
    let answer = Cluster::of(&[]).create(&endless);
    assert!(
        answer.warnings()[0].ends_with("..."),
        "{}",
        answer.warnings()[0]
    );
}

/// `lint` and the webhook say the same words about the same thing.
#[test]
fn the_words_are_those_of_lint() {
    let other = host_network()
        .replace("name: web,", "name: other,")
        .replace("app: web", "app: other");
    let text = [DEPLOYMENT, &wrong_port(), &other].join("\n---\n");
    let (snapshot, _) = read(&text, Source::Files, |_| {});
    let linted = run(
        &RULES,
        &snapshot,
        &Config::default(),
        clock(),
        Surface::Lint,
    );
    let said: Vec<String> = [
        Cluster::of(&[DEPLOYMENT]).create(&wrong_port()),
        Cluster::of(&[DEPLOYMENT]).create(&other),
    ]
    .iter()
    .flat_map(super::super::admit::tests::kit::Answer::warnings)
    .collect();
    for code in ["SVC004", "HST002"] {
        let finding = linted
            .findings
            .iter()
            .find(|finding| finding.rule.code == code)
            .unwrap();
        let plain = |text: &str| text.replace('`', "");
        let expected = format!(
            "{code}: {}. Fix: {}",
            plain(&finding.message),
            plain(&finding.fixes[0].title)
        );
        assert!(
            said.iter().any(|text| text.starts_with(&expected)),
            "{expected}\n{said:#?}"
        );
    }
}

#[test]
fn nothing_of_an_environment_or_a_secret_is_in_an_answer() {
    let secret = host_network().replace(
        "image: web",
        "image: web, args: [--password=hunter2], env: [{name: TOKEN, value: s3cr3t}, {name: DB, value: 'postgres://u:pa55@db.data.svc:5432'}]",
    );
    let answer = Cluster::of(&[])
        .strict()
        .create(&secret.replace("dnsPolicy: Default, ", ""));
    let text = answer.json.to_string();
    for word in ["hunter2", "s3cr3t", "pa55"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    assert_eq!(answer.decision.verdict, Verdict::Deny);
}

#[test]
fn an_answer_is_read_by_the_type_of_the_client_library() {
    use kube::core::admission::AdmissionReview;
    let mut request = Request::create(&host_network());
    request.0["request"]["requestKind"] = request.0["request"]["kind"].clone();
    let answer = Cluster::of(&[]).guarded().ask(&request);
    let review: AdmissionReview<kube::core::DynamicObject> =
        serde_json::from_value(answer.json.clone()).unwrap();
    let response = review.response.unwrap();
    assert!(!response.allowed);
    assert_eq!(response.result.code, 403);
    assert_eq!(response.warnings.unwrap(), answer.warnings());
}
