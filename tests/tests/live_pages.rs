//! The examples of every rule that `check` runs, as real objects on a real API server: defaulted, validated, with the
//! status written as controllers write it, and with the endpoint slices that the real controller makes.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail where the test does"
)]

#[path = "live_pages/cluster.rs"]
mod cluster;
#[path = "live_pages/examples.rs"]
mod examples;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use examples::{Example, Subject, subject};
use jiff::{SignedDuration, Timestamp};
use netdoctor_engine::model::Kind;
use netdoctor_engine::rule::{Rule, Surface};
use netdoctor_engine::rules::RULES;
use netdoctor_tests::cmd::netdoctor;
use netdoctor_tests::{ApiServer, Spec};
use serde_json::{Value, json};

/// Certificates cannot be moved in time: their examples are judged at the clock that they were written for.
const FIXED_CLOCK: [&str; 1] = ["TLS003"];

/// The clock of all pages.
const CLOCK: &str = "2026-01-01T12:00:00Z";

/// Failing examples that an API server does not accept, with its reason.
const REFUSED: [(&str, &str); 1] = [(
    "HST001",
    "must match `containerPort` when `hostNetwork` is true",
)];

/// Failing examples whose workload an API server accepts, and whose pods it refuses: there are none.
const WITHOUT_PODS: [&str; 1] = ["HST005"];

/// How long controllers may take to catch up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A cluster for examples, one after the other.
struct Lab {
    server: ApiServer,
    namespaces: BTreeSet<String>,
}

impl Lab {
    fn open() -> Option<Self> {
        let server = ApiServer::start(&Spec::default())?;
        let groups = [
            "cert-manager.io",
            "acme.cert-manager.io",
            "gateway.networking.k8s.io",
            "traefik.io",
        ];
        let kinds: Vec<Kind> = Kind::all()
            .filter(|kind| groups.contains(&kind.group()))
            .collect();
        server.apply(&cluster::definitions(kinds.iter().copied()));
        for kind in kinds {
            let name = format!("crd/{}", kind.resource());
            server
                .kubectl(&[
                    "wait",
                    "--for=condition=Established",
                    "--timeout=60s",
                    &name,
                ])
                .ok();
        }
        let namespaces = ["kube-system", "default"].map(str::to_owned).into();
        Some(Self { server, namespaces })
    }

    /// Applies objects, asks until the answer satisfies, and takes the objects away again. Returns the last answer where
    /// none did.
    fn play(
        &mut self,
        objects: &[Value],
        now: &str,
        satisfies: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        for object in objects {
            let namespace = subject(object).1;
            if !namespace.is_empty() && self.namespaces.insert(namespace.clone()) {
                let _ = self.server.namespace_called(&namespace);
            }
        }
        // An example that cannot be played does not hide the others.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.apply(objects);
            self.ask(now, satisfies)
        }));
        self.clear(objects);
        outcome.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>();
            Some(Value::from(text.map_or("panicked", |text| text)))
        })
    }

    /// Events need the uids of their pods, and a webhook decides about pods as soon as it is there: both come last.
    fn apply(&self, objects: &[Value]) {
        let of = |object: &Value, part: &str| object["kind"].as_str().unwrap().ends_with(part);
        let late = |object: &&Value| of(object, "Event") || of(object, "WebhookConfiguration");
        let (late, early): (Vec<&Value>, Vec<&Value>) = objects.iter().partition(late);
        let early: Vec<Value> = early.into_iter().cloned().collect();
        self.server.apply_status(&list(&early));
        for object in late {
            let object = if of(object, "Event") {
                self.about_real_pod(object.clone())
            } else {
                object.clone()
            };
            self.server.apply(&object.to_string());
        }
    }

    fn ask(&self, now: &str, satisfies: impl Fn(&Value) -> bool) -> Option<Value> {
        let start = Instant::now();
        loop {
            let report = self.check(now);
            if satisfies(&report) {
                return None;
            }
            if start.elapsed() > PATIENCE {
                return Some(report);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn check(&self, now: &str) -> Value {
        let output = netdoctor()
            .kubeconfig(self.server.kubeconfig())
            .args(["check", "-A", "-o", "json", "--now", now])
            .run();
        assert!(matches!(output.code, Some(0 | 1)), "{output:?}");
        output.json()
    }

    fn about_real_pod(&self, mut event: Value) -> Value {
        let (namespace, name) = (
            &event["involvedObject"]["namespace"],
            &event["involvedObject"]["name"],
        );
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}",
            namespace.as_str().unwrap(),
            name.as_str().unwrap()
        );
        let pod = self.server.rest().get(&path).unwrap().ok().json();
        event["involvedObject"]["uid"] = pod["metadata"]["uid"].clone();
        event
    }

    fn clear(&self, objects: &[Value]) {
        for object in objects {
            let path = format!(
                "{}?gracePeriodSeconds=0&propagationPolicy=Background",
                path(object)
            );
            let answer = self.server.rest().delete(&path).unwrap();
            assert!(
                answer.status < 300 || answer.status == 404,
                "{path}: {}",
                answer.status
            );
        }
    }
}

fn list(objects: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}

fn path(object: &Value) -> String {
    let version = object["apiVersion"].as_str().unwrap();
    let (kind, namespace, name) = subject(object);
    let kind = Kind::of(version, &kind).unwrap_or_else(|| panic!("{version} {kind}"));
    let root = if kind.group().is_empty() {
        "/api"
    } else {
        "/apis"
    };
    let place = if kind.namespaced() {
        let namespace = if namespace.is_empty() {
            "default"
        } else {
            &namespace
        };
        format!("/namespaces/{namespace}")
    } else {
        String::new()
    };
    format!("{root}/{version}{place}/{}/{name}", kind.plural())
}

/// The objects of an example as the cluster would hold them, and the clock to judge them at: an hour after they appear.
fn staged(rule: &Rule, example: &Example) -> (Vec<Value>, String) {
    let written: Timestamp = CLOCK.parse().unwrap();
    let now = Timestamp::from_second(Timestamp::now().as_second() + 3600).unwrap();
    let (now, shift) = if FIXED_CLOCK.contains(&rule.code) {
        (written, SignedDuration::ZERO)
    } else {
        (now, now.duration_since(written))
    };
    let mut objects = example.objects.clone();
    for object in &mut objects {
        examples::transplant(object, shift);
    }
    // What stands in a repository, a cluster turns into pods. The other examples are a whole cluster already.
    if rule.runs_on(Surface::Lint) && !WITHOUT_PODS.contains(&rule.code) {
        objects = cluster::bring_to_life(&objects);
    }
    (objects, now.to_string())
}

/// The objects in which the findings of a code have their main place, and those that they are about.
fn accused(report: &Value, code: &str) -> BTreeSet<Subject> {
    let findings = report["findings"].as_array().into_iter().flatten();
    let findings = findings.filter(|finding| finding["code"] == code);
    findings
        .flat_map(|finding| [&finding["subject"], &finding["labels"][0]["object"]])
        .map(|object| {
            let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
            (text("kind"), text("namespace"), text("name"))
        })
        .collect()
}

fn checked() -> impl Iterator<Item = &'static Rule> {
    let only = std::env::var("NETDOCTOR_TEST_RULES").unwrap_or_default();
    RULES
        .iter()
        .copied()
        .filter(|rule| rule.runs_on(Surface::Check))
        .filter(move |rule| only.is_empty() || only.split(',').any(|code| code == rule.code))
}

fn brief(report: &Value) -> String {
    let mut text = report.as_str().unwrap_or_default().to_owned();
    for finding in report["findings"].as_array().into_iter().flatten() {
        text += &format!("    {} {}\n", finding["code"], finding["message"]);
    }
    for entry in report["notChecked"].as_array().into_iter().flatten() {
        if entry["outcome"] != "skipped" {
            text += &format!("    {entry}\n");
        }
    }
    text
}

#[test]
fn what_a_page_says_fails_is_found_on_a_cluster() {
    let Some(mut lab) = Lab::open() else { return };
    let mut wrong = String::new();
    for rule in checked().filter(|rule| REFUSED.iter().all(|(code, _)| code != &rule.code)) {
        for example in examples::of(rule, "Example (fails)") {
            let (objects, now) = staged(rule, &example);
            let found = |report: &Value| example.marked.is_subset(&accused(report, rule.code));
            if let Some(report) = lab.play(&objects, &now, found) {
                let (marked, accused) = (&example.marked, accused(&report, rule.code));
                wrong += &format!(
                    "{}: not {accused:?} but {marked:?}\n{}",
                    rule.code,
                    brief(&report)
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn what_the_server_refuses_is_refused_for_the_reason_that_the_rule_gives() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    let namespace = server.namespace_called("shop");
    for (code, reason) in REFUSED {
        let rule = checked().find(|rule| rule.code == code);
        for example in rule
            .into_iter()
            .flat_map(|rule| examples::of(rule, "Example (fails)"))
        {
            let output = namespace
                .kubectl_with_input(&["apply", "-f", "-"], &list(&example.objects))
                .exits(1);
            assert!(output.stderr.contains(reason), "{code}: {}", output.stderr);
        }
    }
}

#[test]
fn a_host_port_that_the_server_lets_pass_is_found() {
    let Some(server) = ApiServer::start(&Spec::default()) else {
        return;
    };
    // The server looks at regular containers only.
    server.namespace_called("shop").apply(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: edge}
spec:
  selector: {matchLabels: {app: edge}}
  template:
    metadata: {labels: {app: edge}}
    spec:
      hostNetwork: true
      dnsPolicy: ClusterFirstWithHostNet
      initContainers:
        - name: proxy
          image: example.test/proxy:1
          restartPolicy: Always
          ports: [{name: http, containerPort: 8080, hostPort: 80}]
      containers: [{name: web, image: 'example.test/web:1'}]
",
    );
    let output = netdoctor()
        .kubeconfig(server.kubeconfig())
        .args(["check", "-n", "shop", "-o", "json"])
        .run();
    let wanted = ["DaemonSet", "shop", "edge"].map(str::to_owned);
    assert_eq!(accused(&output.json(), "HST001"), [wanted.into()].into());
}

#[test]
fn what_a_page_says_passes_is_not_accused_on_a_cluster() {
    let Some(mut lab) = Lab::open() else { return };
    let mut wrong = String::new();
    for rule in checked() {
        for example in examples::of(rule, "Instead (passes)") {
            let (objects, now) = staged(rule, &example);
            let silent = |report: &Value| accused(report, rule.code).is_empty();
            if let Some(report) = lab.play(&objects, &now, silent) {
                wrong += &format!("{}:\n{}", rule.code, brief(&report));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
