//! Every rule that has an action at admission, with the example of its own page.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::stage::{Run, Stage, stage, wait, warnings_of};
use netdoctor_engine::rule::{Action, Rule, Surface};
use netdoctor_engine::rules::RULES;
use netdoctor_tests::Namespace;
use serde_json::{Value, json};

/// What does not come out as the page says, and why.
const OTHERWISE: &[(&str, &str)] = &[
    (
        "SVC013",
        "it is about nodes without a ready endpoint, and nothing runs here",
    ),
    (
        "HST001",
        "the API server refuses the object by itself, before any validating webhook",
    ),
    ("TLS001", "it needs Secrets, which the webhook may not read"),
];

/// The objects of an example, in the namespace of the story: the marked ones, and those that they need.
fn example(rule: &Rule, namespace: &str) -> (Vec<Value>, Vec<Value>) {
    let (_, rest) = rule
        .page
        .split_once("## Example (fails)")
        .expect("the section");
    let (_, rest) = rest.split_once("```yaml\n").expect("the example");
    let (text, _) = rest.split_once("```").expect("its end");
    let mark = format!(": {}", rule.code);
    let documents = text.split("\n---\n").map(|text| {
        let mut object: Value = serde_saphyr::from_str(text).expect("YAML");
        if object["metadata"]["namespace"].is_string() {
            object["metadata"]["namespace"] = namespace.into();
        }
        (text.contains(&mark), object)
    });
    let (marked, others): (Vec<_>, Vec<_>) = documents.partition(|(marked, _)| *marked);
    let objects = |pairs: Vec<(bool, Value)>| pairs.into_iter().map(|(_, object)| object).collect();
    (objects(marked), objects(others))
}

/// What the answers said about a rule: what became of it, and under which case.
fn outcome(
    stage: &Stage,
    namespace: &Namespace<'_>,
    rule: &Rule,
) -> Option<(Option<String>, String)> {
    let calls = stage.calls(namespace);
    let said = calls.iter().rev().find_map(|call| {
        let rules = call.response()["auditAnnotations"]["rules"]
            .as_str()?
            .to_owned();
        let of_rule = |word: &&str| {
            word.split(['/', '='])
                .next()
                .is_some_and(|code| code == rule.code)
        };
        rules.split(' ').find(of_rule).map(str::to_owned)
    })?;
    let (name, outcome) = said.split_once('=').expect("a pair");
    let case = name.split_once('/').map(|(_, case)| case.to_owned());
    Some((case, outcome.to_owned()))
}

/// Writes an example into a new namespace, the marked objects last, and returns what became of the rule.
fn tell(stage: &Stage, rule: &Rule, profile: &str) -> Option<(Option<String>, String)> {
    let shop = stage.namespace(profile);
    let (marked, others) = example(rule, &shop);
    for object in &others {
        let answer = stage.post(&shop, object, Run::Real);
        assert!(
            [201, 409].contains(&answer.status),
            "{}: {}",
            rule.code,
            String::from_utf8_lossy(&answer.body)
        );
    }
    let (last, before) = marked.split_last().expect("something is marked");
    for object in before {
        stage.post(&shop, object, Run::Real).ok();
    }
    // The cache follows the API server, and never by much.
    let seen = (0..100).any(|_| {
        stage.post(&shop, last, Run::Dry);
        let said = outcome(stage, &shop, rule).is_some();
        if !said {
            std::thread::sleep(Duration::from_millis(50));
        }
        said
    });
    let answer = stage.post(&shop, last, Run::Real);
    let said = outcome(stage, &shop, rule).filter(|_| seen)?;
    let warned = warnings_of(&answer)
        .iter()
        .any(|text| text.starts_with(rule.code));
    match &*said.1 {
        "deny" => {
            assert_eq!(answer.status, 403, "{}", rule.code);
            let causes = answer.json()["details"]["causes"].clone();
            let causes = causes.as_array().expect("causes");
            let cause = causes.iter().find(|cause| cause["reason"] == rule.code);
            let cause = cause.unwrap_or_else(|| panic!("{}: {causes:?}", rule.code));
            assert!(
                !cause["field"].as_str().expect("a field").is_empty(),
                "{}",
                rule.code
            );
        }
        "warn" => assert!(warned, "{}: {:?}", rule.code, warnings_of(&answer)),
        "audit" => assert!(!warned, "{}: {:?}", rule.code, warnings_of(&answer)),
        other => panic!("{}: {other}", rule.code),
    }
    // What belongs to no namespace would be there for the other rules.
    for class in others
        .iter()
        .filter(|object| object["metadata"]["namespace"].is_null())
    {
        let text = |pointer: &str| {
            class
                .pointer(pointer)
                .and_then(Value::as_str)
                .expect("a text")
        };
        let delete = ["delete", text("/kind"), text("/metadata/name")];
        stage.server.kubectl(&delete).ok();
    }
    Some(said)
}

#[test]
fn every_rule_does_what_its_page_and_its_profile_say() {
    let Some(stage) = stage() else { return };
    let admitted = RULES.iter().copied().filter(|rule| rule.admit.is_some());
    let otherwise: BTreeMap<&str, &str> = OTHERWISE.iter().copied().collect();
    let mut wrong = Vec::new();
    for rule in admitted.filter(|rule| !otherwise.contains_key(rule.code)) {
        for profile in ["advisory", "strict"] {
            let Some((case, outcome)) = tell(stage, rule, profile) else {
                let label = format!("rule=\"{}\"", rule.code);
                let lines = stage.webhook.metrics();
                let lines: Vec<&str> = lines.lines().filter(|line| line.contains(&label)).collect();
                wrong.push(format!("{} in {profile}: not a word; {lines:?}", rule.code));
                continue;
            };
            let severity = case.as_deref().and_then(|case| {
                let cases = rule.cases.iter();
                cases
                    .filter(|(name, _)| *name == case)
                    .map(|(_, severity)| *severity)
                    .next()
            });
            let severity = severity
                .or(rule.severity(Surface::Admit))
                .expect("it has one");
            let actions = rule
                .actions(case.as_deref(), severity)
                .expect("it has some");
            let expected = match profile {
                // Its objects are new here.
                "strict" if rule.additive => actions.strict.min(Action::Warn),
                "strict" => actions.strict,
                _ => actions.guarded.min(Action::Warn),
            };
            if outcome != expected.as_str() {
                wrong.push(format!(
                    "{} {case:?} in {profile}: {outcome}, not {}",
                    rule.code,
                    expected.as_str()
                ));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn what_the_webhook_may_not_read_is_unknown_and_says_nothing() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("strict");
    let rule = netdoctor_engine::rules::find("TLS001").expect("the rule");
    let unknown = || {
        let labels = ["rule=\"TLS001\"", "verdict=\"unknown\""];
        stage
            .webhook
            .count("netdoctor_admission_rule_verdicts_total", &labels)
    };
    let before = unknown();
    let (marked, _) = example(rule, &shop);
    let answer = stage.post(&shop, &marked[0], Run::Real).ok();
    assert!(
        warnings_of(&answer)
            .iter()
            .all(|text| !text.contains("TLS001"))
    );
    assert!(unknown() > before);
}

#[test]
fn what_the_api_server_refuses_by_itself_never_gets_here() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("strict");
    stage.calls(&shop);
    let rule = netdoctor_engine::rules::find("HST001").expect("the rule");
    let (marked, _) = example(rule, &shop);
    let answer = stage.post(&shop, &marked[0], Run::Real);
    assert_eq!(answer.status, 422);
    assert_eq!(stage.calls(&shop), []);
    // Of init containers it says nothing; those stay ours.
    let mut object = marked[0].clone();
    let spec = &mut object["spec"]["template"]["spec"];
    let mut sidecar = spec["containers"][0].clone();
    sidecar["name"] = "sidecar".into();
    sidecar["restartPolicy"] = "Always".into();
    spec["initContainers"] = Value::Array(vec![sidecar]);
    spec["containers"][0]["ports"] = Value::Array(Vec::new());
    let answer = stage.post(&shop, &object, Run::Dry).ok();
    let said = warnings_of(&answer);
    assert!(
        said.iter().any(|text| text.starts_with("HST001")),
        "{said:?}"
    );
}

/// Whoever comes second is told, whichever of the two that is.
#[test]
fn a_port_that_two_workloads_claim_is_found_from_either_side() {
    let Some(stage) = stage() else { return };
    let rule = netdoctor_engine::rules::find("HST006").expect("the rule");
    for first in [0, 1] {
        let shop = stage.namespace("advisory");
        let (marked, _) = example(rule, &shop);
        stage.post(&shop, &marked[first], Run::Real).ok();
        let second = &marked[1 - first];
        wait("the first to be seen", || {
            stage.post(&shop, second, Run::Dry).ok();
            outcome(stage, &shop, rule).is_some()
        });
        let said = warnings_of(&stage.post(&shop, second, Run::Dry).ok());
        let of_rule = said.iter().find(|text| text.starts_with("HST006"));
        let name = second["metadata"]["name"].as_str().expect("a name");
        assert!(of_rule.is_some_and(|text| text.contains(name)), "{said:?}");
    }
}

#[test]
fn every_kind_of_workload_is_refused_for_what_its_pods_have() {
    let Some(stage) = stage() else { return };
    let shop = stage.namespace("guarded");
    let labels = json!({"app": "web"});
    let pod = json!({"containers": [{"name": "a", "image": "a", "livenessProbe": {"httpGet": {"port": "health"}}}]});
    let template = json!({"metadata": {"labels": labels}, "spec": pod});
    let selector = json!({"matchLabels": labels});
    let mut job = template.clone();
    job["spec"]["restartPolicy"] = "Never".into();
    for (version, kind, spec, place) in [
        ("v1", "Pod", pod, "spec"),
        (
            "v1",
            "ReplicationController",
            json!({"selector": labels, "template": template}),
            "spec.template.spec",
        ),
        (
            "apps/v1",
            "ReplicaSet",
            json!({"selector": selector, "template": template}),
            "spec.template.spec",
        ),
        (
            "apps/v1",
            "Deployment",
            json!({"selector": selector, "template": template}),
            "spec.template.spec",
        ),
        (
            "apps/v1",
            "StatefulSet",
            json!({"selector": selector, "template": template, "serviceName": "web"}),
            "spec.template.spec",
        ),
        (
            "apps/v1",
            "DaemonSet",
            json!({"selector": selector, "template": template}),
            "spec.template.spec",
        ),
        (
            "batch/v1",
            "Job",
            json!({"template": job}),
            "spec.template.spec",
        ),
        (
            "batch/v1",
            "CronJob",
            json!({"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": job}}}),
            "spec.jobTemplate.spec.template.spec",
        ),
    ] {
        let object =
            json!({"apiVersion": version, "kind": kind, "metadata": {"name": "web"}, "spec": spec});
        let answer = stage.post(&shop, &object, Run::Real);
        assert_eq!(
            answer.status,
            403,
            "{kind}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        let cause = answer.json()["details"]["causes"][0].clone();
        assert_eq!(cause["reason"], "PRB001", "{kind}");
        let field = format!("{place}.containers[0].livenessProbe.httpGet.port");
        assert_eq!(cause["field"], *field, "{kind}");
    }
}
