//! One object through both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Instant;

use netdoctor_engine::config::Config;
use netdoctor_engine::context::Change;
use netdoctor_engine::finding::Finding;
use netdoctor_engine::model::{Kind, Origin, decode, decode::Any};
use netdoctor_engine::rule::Rule;
use netdoctor_engine::rules::RULES;
use netdoctor_engine::run::judge;
use netdoctor_engine::snapshot::{Builder, Snapshot, Source};
use netdoctor_manifests::policy::{Expressed, expressed};
use netdoctor_manifests::{Mode, Options, render, yaml};
use netdoctor_tests::{ApiServer, Spec};
use serde_json::{Value, json};

use crate::words;

/// A namespace that the policies judge.
const JUDGED: &str = "judged";
/// Another one, in which a dataplane runs.
pub(crate) const DATAPLANE: &str = "calico-system";
/// One that opted out: here the server fills in its defaults and nobody objects.
const PLAIN: &str = "plain";

/// What makes the namespace that of a dataplane.
const AGENT: &str = "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: calico-node, namespace: calico-system}, \
    spec: {template: {spec: {containers: [{name: calico-node, image: calico/node}]}}}}";
/// Who manages objects in these tests.
const MANAGER: &str = "manager";

/// A server with every policy bound to warn, so that one request shows all of them.
pub(crate) struct Lab {
    server: ApiServer,
}

impl Lab {
    pub(crate) fn open() -> Option<Self> {
        let server = ApiServer::start(&Spec::default())?;
        for name in [JUDGED, PLAIN, DATAPLANE] {
            let _ = server.namespace_called(name);
        }
        let label = [
            "label",
            "namespace",
            PLAIN,
            "netdoctor.io/admission=disabled",
        ];
        server.kubectl(&label).ok();
        let mut objects = render(&Options {
            mode: Mode::Policy,
            ..Options::default()
        });
        // One binding per policy that warns everywhere.
        let mut bound = BTreeSet::new();
        objects.retain_mut(|object| {
            if object["kind"] != "ValidatingAdmissionPolicyBinding" {
                return true;
            }
            object["spec"]["validationActions"] = json!(["Warn"]);
            object["spec"]
                .as_object_mut()
                .unwrap()
                .remove("matchResources");
            bound.insert(object["spec"]["policyName"].as_str().unwrap().to_owned())
        });
        server.apply(&yaml::stream(&objects));
        let lab = Self { server };
        let probe = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": "probe"},
            "spec": {"type": "ExternalName", "externalName": "a.example", "selector": {"a": "b"}},
        });
        let started = Instant::now();
        while lab.post(JUDGED, &probe).1.is_empty() {
            assert!(
                started.elapsed().as_secs() < 60,
                "the policies never took effect"
            );
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        Some(lab)
    }

    /// The object as the server would keep it, and what policies say; `None` where the server refuses it by itself.
    fn post(&self, namespace: &str, object: &Value) -> (Option<Value>, BTreeMap<String, String>) {
        let path = format!("{}?dryRun=All", collection(namespace, object));
        let answer = self
            .server
            .rest()
            .post(&path, &placed(namespace, object))
            .unwrap();
        answered(&answer)
    }

    fn put(&self, namespace: &str, object: &Value) -> (Option<Value>, BTreeMap<String, String>) {
        let name = object["metadata"]["name"].as_str().unwrap();
        let path = format!("{}/{name}?dryRun=All", collection(namespace, object));
        let answer = self
            .server
            .rest()
            .put(&path, &placed(namespace, object))
            .unwrap();
        answered(&answer)
    }
}

fn answered(answer: &netdoctor_tests::rest::Response) -> (Option<Value>, BTreeMap<String, String>) {
    let warnings = answer.headers.get_all("warning").iter();
    let policies = warnings
        .filter_map(|warning| policy_warning(&String::from_utf8_lossy(warning.as_bytes())))
        .collect();
    let object = (answer.status < 300).then(|| answer.json());
    (object, policies)
}

/// `299 - "Validation failed for ValidatingAdmissionPolicy 'NAME' with binding 'B': TEXT"`.
fn policy_warning(header: &str) -> Option<(String, String)> {
    let text = header
        .split_once('"')?
        .1
        .trim_end_matches('"')
        .replace("\\\"", "\"");
    let rest = text.strip_prefix("Validation failed for ValidatingAdmissionPolicy '")?;
    let (name, rest) = rest.split_once('\'')?;
    let (_, text) = rest.split_once("': ")?;
    Some((name.to_owned(), text.to_owned()))
}

fn placed(namespace: &str, object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["namespace"] = namespace.into();
    let metadata = object["metadata"].as_object_mut().unwrap();
    for field in ["uid", "creationTimestamp", "deletionTimestamp"] {
        metadata.remove(field);
    }
    if !is_managed(&Value::Object(metadata.clone())) {
        metadata.remove("ownerReferences");
    }
    object.as_object_mut().unwrap().remove("status");
    object
}

/// The object as an operator would write it.
pub(crate) fn managed(object: &Value) -> Value {
    let mut object = object.clone();
    object["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "example.com/v1", "kind": "App", "name": MANAGER, "uid": MANAGER, "controller": true,
    }]);
    object
}

fn is_managed(metadata: &Value) -> bool {
    metadata["ownerReferences"][0]["name"] == MANAGER
}

fn kind_of(object: &Value) -> Option<Kind> {
    Kind::of(object["apiVersion"].as_str()?, object["kind"].as_str()?)
}

fn collection(namespace: &str, object: &Value) -> String {
    let kind = kind_of(object).unwrap();
    let version = object["apiVersion"].as_str().unwrap();
    let root = if version.contains('/') { "apis" } else { "api" };
    format!("/{root}/{version}/namespaces/{namespace}/{}", kind.plural())
}

/// Compares, object by object, and remembers what differs.
pub(crate) struct Judge<'l> {
    lab: &'l Lab,
    rules: Vec<&'static Rule>,
    snapshot: Snapshot,
    compared: usize,
    refused: usize,
    findings: usize,
    spoke: BTreeSet<String>,
    wrong: String,
}

impl<'l> Judge<'l> {
    pub(crate) fn new(lab: &'l Lab) -> Self {
        let codes: BTreeSet<&str> = expressed().map(|one| one.code).collect();
        let rules = RULES.iter().copied();
        let mut builder = Builder::new(Source::Cluster);
        for kind in Kind::all() {
            builder.coverage(kind).everywhere = true;
        }
        let agent = serde_saphyr::from_str(AGENT).unwrap();
        builder.insert(decode::from_value(agent, Origin::Live).unwrap());
        Self {
            lab,
            rules: rules.filter(|rule| codes.contains(rule.code)).collect(),
            snapshot: builder.seal(),
            compared: 0,
            refused: 0,
            findings: 0,
            spoke: BTreeSet::new(),
            wrong: String::new(),
        }
    }

    /// Creates an object in a dry run. Returns the policies that spoke; `None` when the server refuses it by itself.
    pub(crate) fn create(&mut self, object: &Value) -> Option<BTreeSet<String>> {
        self.create_in(JUDGED, object)
    }

    pub(crate) fn create_in(
        &mut self,
        namespace: &str,
        object: &Value,
    ) -> Option<BTreeSet<String>> {
        if !is_judged(object) {
            return None;
        }
        let (Some(plain), silence) = self.lab.post(PLAIN, object) else {
            self.refused += 1;
            return None;
        };
        assert!(
            silence.is_empty(),
            "a namespace that opted out is judged: {silence:?}"
        );
        let (_, said) = self.lab.post(namespace, object);
        let new = stored(namespace, &plain);
        let change = Change {
            old: None,
            new: Some(&new),
        };
        Some(self.compare(change, &said, object))
    }

    /// Replaces an object in a dry run; the old one is really there.
    pub(crate) fn update(&mut self, old: &Value, new: &Value) {
        let path = collection(JUDGED, old);
        let name = old["metadata"]["name"].as_str().unwrap();
        let rest = self.lab.server.rest();
        let created = rest.post(&path, &placed(JUDGED, old)).unwrap();
        if created.status >= 300 {
            self.refused += 1;
            return;
        }
        let before = created.json();
        let mut wanted = new.clone();
        wanted["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"].clone();
        for field in ["clusterIP", "clusterIPs"] {
            if let Some(value) = before["spec"].get(field)
                && new["spec"]["type"] != "ExternalName"
                && new["spec"].get(field).is_none()
            {
                wanted["spec"][field] = value.clone();
            }
        }
        let (after, said) = self.lab.put(JUDGED, &wanted);
        match after {
            Some(after) => {
                let (old, new) = (stored(JUDGED, &before), stored(JUDGED, &after));
                let change = Change {
                    old: Some(&old),
                    new: Some(&new),
                };
                self.compare(change, &said, &wanted);
            }
            None => self.refused += 1,
        }
        rest.delete(&format!(
            "{path}/{name}?gracePeriodSeconds=0&propagationPolicy=Background"
        ))
        .unwrap();
        let started = Instant::now();
        while rest.get(&format!("{path}/{name}")).unwrap().status != 404 {
            assert!(started.elapsed().as_secs() < 30, "{name} does not go");
        }
    }

    fn compare(
        &mut self,
        change: Change<'_>,
        said: &BTreeMap<String, String>,
        object: &Value,
    ) -> BTreeSet<String> {
        self.compared += 1;
        let now = "2026-01-01T12:00:00Z".parse().unwrap();
        let config = Config::default();
        let judgement = judge(&self.rules, &self.snapshot, change, &|_| true, &config, now);
        let mut wanted: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
        for finding in &judgement.report.findings {
            if !judgement.milder.better.contains(&finding.fingerprint)
                && !is_left_to_the_auditor(object)
            {
                let managed = is_managed(&object["metadata"]);
                let policy = policy_of(finding).name_for(finding.rule, managed);
                wanted.entry(policy).or_default().push(finding);
            }
        }
        self.findings += wanted.len();
        let policies: BTreeSet<String> = said.keys().cloned().collect();
        self.spoke.extend(policies.iter().cloned());
        let expected: BTreeSet<String> = wanted.keys().cloned().collect();
        if policies != expected {
            writeln!(
                self.wrong,
                "policies {policies:?}\n  rules {expected:?}\n  {said:?}\n  {object}"
            )
            .unwrap();
        }
        for (policy, findings) in &wanted {
            let Some(text) = said.get(policy) else {
                continue;
            };
            let told = findings.iter().any(|finding| words::same(text, finding));
            if !told {
                let messages: Vec<&str> =
                    findings.iter().map(|finding| &*finding.message).collect();
                writeln!(self.wrong, "{policy}: {text}\n  rule: {messages:?}").unwrap();
            }
        }
        policies
    }

    /// Policies that never spoke.
    pub(crate) fn silent_policies(&self) -> Vec<String> {
        let all = expressed().map(Expressed::name);
        all.filter(|name| !self.spoke.contains(name)).collect()
    }

    pub(crate) fn finish(&self, what: &str, at_least: usize) {
        println!(
            "{what}: {} compared, {} refused by the server itself, {} findings",
            self.compared, self.refused, self.findings
        );
        assert!(
            self.wrong.is_empty(),
            "{}",
            self.wrong.chars().take(6000).collect::<String>()
        );
        assert!(
            self.compared >= at_least,
            "only {} {what} were compared",
            self.compared
        );
    }
}

/// Whether policies judge the kind.
fn is_judged(object: &Value) -> bool {
    let mut judged = expressed().flat_map(Expressed::kinds);
    kind_of(object).is_some_and(|kind| judged.any(|known| known == kind))
}

/// What controllers make all the time is not judged on its way in.
fn is_left_to_the_auditor(object: &Value) -> bool {
    let made = [
        Kind::Job,
        Kind::Pod,
        Kind::ReplicaSet,
        Kind::ReplicationController,
    ];
    is_managed(&object["metadata"]) && kind_of(object).is_some_and(|kind| made.contains(&kind))
}

/// As the server stores it in the judged namespace.
fn stored(namespace: &str, object: &Value) -> Any {
    let mut object = object.clone();
    object["metadata"]["namespace"] = namespace.into();
    decode::from_value(object, Origin::Live).unwrap()
}

/// The policy that stands for a finding.
fn policy_of(finding: &Finding) -> &'static Expressed {
    let of_code = || expressed().filter(|one| one.code == finding.rule.code);
    of_code()
        .find(|one| one.case.is_some() && one.case == finding.case)
        .or_else(|| of_code().find(|one| one.case.is_none()))
        .unwrap_or_else(|| panic!("{} {:?} has no policy", finding.rule.code, finding.case))
}
