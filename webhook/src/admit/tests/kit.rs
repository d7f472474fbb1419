//! A cluster from YAML, and requests to it.

use crate::{
    admit::{self, Decision, Freshness, Operation, Synced, Verdict, World},
    policy::Policy,
};
use jiff::{SignedDuration, Timestamp};
use netdoctor_engine::{
    manifest,
    model::{Kind, ObjectRef},
    snapshot::{Builder, Snapshot, Source},
    testkit::{clock, read},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 8080}]}]}
";

pub(crate) const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
";

/// The namespaces of the examples, which say nothing about themselves.
const NAMESPACES: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: other}
";

/// Nodes enough for every example.
pub(crate) const NODES: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
status: {conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Node
metadata: {name: n3}
status: {conditions: [{type: Ready, status: 'True'}]}
---
apiVersion: v1
kind: Node
metadata: {name: n4}
status: {conditions: [{type: Ready, status: 'True'}]}
";

/// The first refusal that this webhook is known for: replicas that may meet on one node.
pub(crate) fn host_network() -> String {
    DEPLOYMENT
        .replace("replicas: 1", "replicas: 3")
        .replace(
            "spec: {containers",
            "spec: {hostNetwork: true, dnsPolicy: Default, containers",
        )
        .replace(", ports: [{name: http, containerPort: 8080}]", "")
}

/// The second: a target port that no pod declares.
pub(crate) fn wrong_port() -> String {
    SERVICE.replace("targetPort: http", "targetPort: htpp")
}

pub(crate) struct Cluster {
    pub(crate) snapshot: Snapshot,
    pub(crate) synced: Synced,
    pub(crate) policy: Policy,
    pub(crate) changed: BTreeMap<String, Timestamp>,
    pub(crate) now: Timestamp,
}

impl Cluster {
    pub(crate) fn of(objects: &[&str]) -> Self {
        Self::adjusted(objects, |_| {})
    }

    pub(crate) fn adjusted(objects: &[&str], adjust: impl FnOnce(&mut Builder)) -> Self {
        let mut objects = objects.to_vec();
        if !objects.iter().any(|text| text.contains("kind: Namespace")) {
            objects.push(NAMESPACES);
        }
        let (snapshot, _) = read(&objects.join("\n---\n"), Source::Cluster, adjust);
        Self {
            snapshot,
            synced: Synced(Kind::all().map(|kind| (kind, Freshness::Fresh)).collect()),
            policy: Policy::default(),
            changed: BTreeMap::new(),
            now: clock(),
        }
    }

    pub(crate) fn policy(mut self, text: &str) -> Self {
        self.policy = Policy::parse(text).expect("a configuration that can be read");
        self
    }

    pub(crate) fn guarded(self) -> Self {
        self.policy("profile: guarded")
    }

    pub(crate) fn strict(self) -> Self {
        self.policy("profile: strict")
    }

    /// An object was last seen to change so many seconds ago.
    pub(crate) fn changed(mut self, object: &str, ago: i64) -> Self {
        let at = self.now - SignedDuration::from_secs(ago);
        self.changed.insert(object.to_owned(), at);
        self
    }

    pub(crate) fn fresh(mut self, kind: Kind, freshness: Freshness) -> Self {
        self.synced.0.insert(kind, freshness);
        self
    }

    pub(crate) fn world<T>(&self, then: impl FnOnce(&World<'_>) -> T) -> T {
        let changed = |object: &ObjectRef| self.changed.get(&object.to_string()).copied();
        then(&World {
            snapshot: &self.snapshot,
            synced: &self.synced,
            policy: &self.policy,
            config: &self.policy.config,
            now: self.now,
            changed: &changed,
        })
    }

    pub(crate) fn ask(&self, request: &Request) -> Answer {
        let bytes = request.bytes();
        let decision = self.world(|world| admit::validate(&bytes, world));
        Answer::of(decision.expect("a review that can be answered"))
    }

    pub(crate) fn mutate(&self, request: &Request) -> Answer {
        let bytes = request.bytes();
        let decision = self.world(|world| admit::mutate(&bytes, world));
        Answer::of(decision.expect("a review that can be answered"))
    }

    pub(crate) fn create(&self, object: &str) -> Answer {
        self.ask(&Request::create(object))
    }

    pub(crate) fn update(&self, old: &str, new: &str) -> Answer {
        self.ask(&Request::update(old, new))
    }
}

/// A review as an API server writes it.
#[derive(Clone)]
pub(crate) struct Request(pub(crate) Value);

pub(crate) fn parsed(yaml: &str) -> Value {
    let mut documents = manifest::parse(yaml.as_bytes()).documents;
    assert_eq!(documents.len(), 1, "one object: {yaml}");
    documents.remove(0).value
}

impl Request {
    pub(crate) fn create(object: &str) -> Self {
        Self::new(Operation::Create, None, Some(parsed(object)))
    }

    pub(crate) fn update(old: &str, new: &str) -> Self {
        Self::new(Operation::Update, Some(parsed(old)), Some(parsed(new)))
    }

    pub(crate) fn delete(object: &str) -> Self {
        Self::new(Operation::Delete, Some(parsed(object)), None)
    }

    pub(crate) fn new(operation: Operation, old: Option<Value>, new: Option<Value>) -> Self {
        let object = new.as_ref().or(old.as_ref()).expect("an object");
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let kind = object["kind"].as_str().unwrap_or_default();
        let known = Kind::of(api_version, kind);
        let namespace = match known {
            Some(Kind::Namespace) => object["metadata"]["name"].clone(),
            Some(kind) if !kind.namespaced() => Value::Null,
            _ => object["metadata"]["namespace"].clone(),
        };
        let mut review = json!({
            "kind": "AdmissionReview",
            "apiVersion": "admission.k8s.io/v1",
            "request": {
                "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
                "kind": {"group": group, "version": version, "kind": kind},
                "resource": {"group": group, "version": version, "resource": known.map(Kind::plural)},
                "name": object["metadata"]["name"],
                "namespace": namespace,
                "operation": operation.as_str(),
                "userInfo": {"username": "ann", "groups": ["system:authenticated"]},
                "dryRun": false,
            },
        });
        review["request"]["object"] = new.unwrap_or_default();
        review["request"]["oldObject"] = old.unwrap_or_default();
        Self(review)
    }

    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0["request"][key] = value.into();
        self
    }

    pub(crate) fn dry_run(self) -> Self {
        self.with("dryRun", true)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.to_string().into_bytes()
    }
}

/// An answer as an API server reads it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) decision: Decision,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn of(decision: Decision) -> Self {
        let json: Value = serde_json::from_slice(&decision.body).expect("an answer is JSON");
        assert_eq!(json["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(json["kind"], "AdmissionReview");
        let answer = Self { decision, json };
        answer.limits();
        answer
    }

    /// What every answer must keep.
    fn limits(&self) {
        let denied = self.decision.verdict == Verdict::Deny;
        assert_eq!(self.allowed(), !denied, "{}", self.json);
        assert_eq!(self.json["response"]["status"].is_null(), !denied);
        let warnings = self.warnings();
        assert!(warnings.len() <= 9, "{warnings:#?}");
        let total: usize = warnings.iter().map(String::len).sum();
        assert!(total <= 4096, "{total}");
        for text in warnings.iter().chain(&[self.message()]) {
            assert!(text.len() <= 256, "{} bytes: {text}", text.len());
            assert!(
                text.bytes().all(|byte| matches!(byte, b' '..=b'~')),
                "{text}"
            );
            assert!(
                !text.contains('`') && !text.starts_with("Warning"),
                "{text}"
            );
        }
    }

    pub(crate) fn allowed(&self) -> bool {
        self.json["response"]["allowed"]
            .as_bool()
            .expect("a decision")
    }

    pub(crate) fn message(&self) -> String {
        let message = &self.json["response"]["status"]["message"];
        message.as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let list = self.json["response"]["warnings"].as_array();
        let texts = list.into_iter().flatten();
        texts
            .map(|text| text.as_str().expect("a text").to_owned())
            .collect()
    }

    pub(crate) fn annotation(&self, key: &str) -> &str {
        let annotations = &self.json["response"]["auditAnnotations"];
        annotations[key].as_str().unwrap_or_default()
    }

    /// Nothing was said at all.
    pub(crate) fn silent(&self) -> &Self {
        assert_eq!(self.decision.verdict, Verdict::Allow, "{}", self.json);
        assert!(self.warnings().is_empty(), "{}", self.json);
        assert!(
            self.json["response"]["auditAnnotations"].is_null(),
            "{}",
            self.json
        );
        self
    }

    /// Allowed, with these codes among the warnings, each once, in any order.
    pub(crate) fn warns(&self, codes: &[&str]) -> &Self {
        assert!(self.allowed(), "{}", self.json);
        self.warned(codes)
    }

    /// These codes are among the warnings, and no others.
    pub(crate) fn warned(&self, codes: &[&str]) -> &Self {
        let warnings = self.warnings();
        let mut found: Vec<&str> = warnings
            .iter()
            .filter_map(|text| text.split_once(':'))
            .map(|(code, _)| code)
            .filter(|code| code.len() == 6)
            .collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found, codes, "{warnings:#?}");
        self
    }

    /// Refused for this code.
    pub(crate) fn denies(&self, code: &str) -> &Self {
        assert_eq!(self.decision.verdict, Verdict::Deny, "{}", self.json);
        let status = &self.json["response"]["status"];
        assert_eq!(
            (&status["code"], &status["reason"]),
            (&json!(403), &json!("Forbidden"))
        );
        assert_eq!(status["details"]["causes"][0]["reason"], code, "{status}");
        assert!(
            self.message().starts_with(&format!("{code}: ")),
            "{}",
            self.message()
        );
        self
    }

    /// Let through without having been judged, and said so.
    pub(crate) fn fails_open(&self, reason: admit::FailOpen) -> &Self {
        assert!(self.allowed(), "{}", self.json);
        assert!(
            self.decision.fail_open.contains(&reason),
            "{:?}",
            self.decision
        );
        let warnings = self.warnings();
        let said = warnings
            .iter()
            .any(|text| text.starts_with("not checked by netdoctor"));
        assert!(said, "{warnings:?}");
        self
    }
}
