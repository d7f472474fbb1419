//! One API server, one webhook and one auditor for all stories, which keep apart by namespace.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use netdoctor_engine::model::Kind;
use netdoctor_manifests::{Component, Options};
use netdoctor_tests::cmd::{self, Output};
use netdoctor_tests::rest::Response;
use netdoctor_tests::webhook::{Exchange, Recorder, Settings, Webhook};
use netdoctor_tests::{ApiServer, Namespace, Spec};
use serde_json::{Value, json};

/// What the cluster is configured with unless a story says otherwise. Two seconds are long enough to see that a
/// referent has just changed, and short enough to wait for.
pub(crate) const CONFIGURATION: &str = "profile: advisory\ngracePeriod: 2s\n";

/// Longer than the grace period of [`CONFIGURATION`].
pub(crate) const GRACE: Duration = Duration::from_millis(3_100);

pub(crate) struct Stage {
    pub(crate) server: ApiServer,
    pub(crate) webhook: Webhook,
    pub(crate) auditor: Webhook,
    recorder: Recorder,
    configuring: Mutex<()>,
}

/// The stage of this test binary; none, said on stderr, where there is nothing to start.
pub(crate) fn stage() -> Option<&'static Stage> {
    static STAGE: OnceLock<Option<Stage>> = OnceLock::new();
    STAGE.get_or_init(Stage::build).as_ref()
}

impl Stage {
    fn build() -> Option<Self> {
        let server = ApiServer::start(&Spec {
            api_server_flags: vec![
                format!("--audit-policy-file={}", audit_policy().display()),
                format!("--audit-log-path={AUDIT_LOG}"),
            ],
            ..Spec::default()
        })?;
        server.apply_status(NODE);
        // Put there by the API server, to be taken away by a controller that does not run here.
        let taint = "node.kubernetes.io/not-ready:NoSchedule-";
        server.kubectl(&["taint", "node", "node-1", taint]).ok();
        let rollouts = "rollouts.v1alpha1.argoproj.io".parse();
        let options = Options {
            custom_workloads: vec![rollouts.expect("a resource")],
            components: [Component::Mutate].into(),
            ..Options::default()
        };
        let settings = |configuration: Option<&str>| Settings {
            configuration: configuration.map(str::to_owned),
            options: options.clone(),
            ..Settings::default()
        };
        let webhook = Webhook::start(&server, settings(Some(CONFIGURATION)));
        let auditor = Webhook::audit(&server, settings(None));
        let recorder = Recorder::start(&server, &webhook);
        webhook.guard_through(&server, recorder.port());
        Some(Self {
            server,
            webhook,
            auditor,
            recorder,
            configuring: Mutex::default(),
        })
    }

    /// A namespace whose label chooses this profile.
    pub(crate) fn namespace(&self, profile: &str) -> Namespace<'_> {
        let namespace = self.server.namespace();
        self.profile(&namespace, profile);
        namespace
    }

    /// Labels a namespace with a profile, and waits until the webhook goes by it.
    pub(crate) fn profile(&self, namespace: &Namespace<'_>, profile: &str) {
        self.label(namespace, &format!("netdoctor.io/profile={profile}"));
        wait("the profile", || {
            try_out(namespace, PROBE);
            let calls = self.calls(namespace);
            let answer = calls.last().map(Exchange::response);
            answer.is_some_and(|answer| answer["auditAnnotations"]["mode"] == profile)
        });
    }

    /// Labels a namespace.
    pub(crate) fn label(&self, namespace: &Namespace<'_>, label: &str) {
        let arguments = ["label", "--overwrite", "namespace", namespace, label];
        self.server.kubectl(&arguments).ok();
    }

    /// Waits until a dry run of a manifest brings a warning that begins like this: the cache follows the API server, and
    /// never by much.
    pub(crate) fn until_warned(&self, namespace: &Namespace<'_>, manifest: &str, code: &str) {
        wait(code, || {
            let output = try_out(namespace, manifest).ok();
            warnings(&output)
                .iter()
                .any(|warning| warning.starts_with(code))
        });
        self.calls(namespace);
    }

    /// The webhook configurations among the objects of an installation, which lead through the recorder.
    pub(crate) fn aimed(&self, objects: Vec<Value>) -> Vec<Value> {
        self.webhook.aimed(objects, self.recorder.port())
    }

    /// Creates an object without kubectl, in the namespace.
    pub(crate) fn post(&self, namespace: &Namespace<'_>, object: &Value, run: Run) -> Response {
        let dry = match run {
            Run::Dry => "?dryRun=All",
            Run::Real => "",
        };
        let path = format!("{}{dry}", collection(namespace, object));
        self.server.rest().post(&path, object).expect("an answer")
    }

    /// The calls about a namespace since the last time.
    pub(crate) fn calls(&self, namespace: &Namespace<'_>) -> Vec<Exchange> {
        self.recorder.take(namespace)
    }

    /// Configures the webhook differently until the value is dropped. Stories wait for one another here.
    pub(crate) fn configure(&self, text: &str) -> Configured<'_> {
        let turn = self
            .configuring
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.webhook.configure(&self.server, text);
        Configured {
            stage: self,
            _turn: turn,
        }
    }

    /// The plugin as administrator.
    pub(crate) fn netdoctor(&self, arguments: &[&str]) -> Output {
        cmd::netdoctor()
            .kubeconfig(self.server.kubeconfig())
            .args(arguments)
            .run()
    }

    /// Audit annotations of the API server about requests in a namespace, in the order of the requests.
    pub(crate) fn audited(&self, namespace: &Namespace<'_>) -> Vec<Value> {
        let log = self.server.folder().join(AUDIT_LOG);
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines
            .filter(|line: &Value| line["objectRef"]["namespace"] == **namespace)
            .collect()
    }
}

/// Events of the auditor about objects of a namespace, as `reason name`.
pub(crate) fn events(namespace: &Namespace<'_>) -> Vec<String> {
    let columns = "custom-columns=R:.reason,N:.involvedObject.name,C:.reportingComponent";
    let said = namespace.kubectl(&["get", "events", "--no-headers", "-o", columns]);
    let lines = said.ok().stdout;
    let ours = lines.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (reason, name, controller) = (words.next()?, words.next()?, words.next()?);
        (controller == netdoctor_webhook::auditor::CONTROLLER).then(|| format!("{reason} {name}"))
    });
    ours.collect()
}

/// Whether a request is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    Real,
    Dry,
}

/// Where objects of this kind live.
fn collection(namespace: &str, object: &Value) -> String {
    let text = |key: &str| object[key].as_str().expect("a text");
    let kind = Kind::of(text("apiVersion"), text("kind")).expect("a kind of ours");
    let root = match text("apiVersion") {
        core @ "v1" => format!("/api/{core}"),
        other => format!("/apis/{other}"),
    };
    let plural = kind.plural();
    if kind.namespaced() {
        format!("{root}/namespaces/{namespace}/{plural}")
    } else {
        format!("{root}/{plural}")
    }
}

/// Warnings of an answer, without the code and agent in front of each.
pub(crate) fn warnings_of(response: &Response) -> Vec<String> {
    let fields = response.headers.get_all("warning").iter();
    let texts = fields.map(|field| {
        let text = field.to_str().expect("ASCII");
        let quoted = text
            .strip_prefix("299 - \"")
            .and_then(|rest| rest.strip_suffix('"'));
        quoted
            .unwrap_or_else(|| panic!("{text}"))
            .replace("\\\"", "\"")
    });
    texts.collect()
}

/// See [`Stage::configure`].
pub(crate) struct Configured<'s> {
    stage: &'s Stage,
    _turn: MutexGuard<'s, ()>,
}

impl Configured<'_> {
    /// Yet another configuration.
    pub(crate) fn change(&self, text: &str) {
        self.stage.webhook.configure(&self.stage.server, text);
    }
}

impl Drop for Configured<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.change(CONFIGURATION);
        }
    }
}

/// A place for the Pods of all stories.
const NODE: &str = "
apiVersion: v1
kind: Node
metadata: {name: node-1, labels: {kubernetes.io/hostname: node-1, kubernetes.io/os: linux}}
status:
  conditions: [{type: Ready, status: 'True'}]
  allocatable: {cpu: '4', memory: 8Gi, pods: '110'}
  nodeInfo:
    {machineID: a, systemUUID: a, bootID: a, kernelVersion: '6.8', osImage: a, containerRuntimeVersion: a, kubeletVersion: v1.35.4,
     kubeProxyVersion: v1.35.4, operatingSystem: linux, architecture: amd64}
";

/// In the folder of the server.
const AUDIT_LOG: &str = "audit.jsonl";

/// Metadata of every request, which is where annotations are.
fn audit_policy() -> PathBuf {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("webhook-admission-audit.yaml");
    let policy = json!({
        "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "verbs": ["get", "list", "watch"]},
            {"level": "Metadata"},
        ],
    });
    std::fs::write(&file, policy.to_string()).expect("the folder for such files");
    file
}

/// A Pod about which one rule has something to say, whatever else the cluster holds.
const PROBE: &str = "
apiVersion: v1
kind: Pod
metadata: {name: probe}
spec: {hostNetwork: true, containers: [{name: a, image: a}]}
";

/// `kubectl apply -f -`.
pub(crate) fn apply(namespace: &Namespace<'_>, manifest: &str) -> Output {
    namespace.kubectl_with_input(&["apply", "-f", "-"], manifest)
}

/// `kubectl apply --dry-run=server -f -`.
pub(crate) fn try_out(namespace: &Namespace<'_>, manifest: &str) -> Output {
    namespace.kubectl_with_input(&["apply", "--dry-run=server", "-f", "-"], manifest)
}

/// Asserts that the webhook refused a request on account of a rule.
#[track_caller]
pub(crate) fn refused(output: Output, code: &str) -> Output {
    let output = output.exits(1);
    let said = format!("admission webhook \"validate.netdoctor.io\" denied the request: {code}");
    assert!(output.stderr.contains(&said), "{}", output.stderr);
    output
}

/// Asserts that a request went through without a word.
#[track_caller]
pub(crate) fn silent(output: Output) -> Output {
    let output = output.ok();
    assert_eq!(warnings(&output), [""; 0]);
    output
}

/// Asserts that a request went through with one warning about a rule; returns the warning.
#[track_caller]
pub(crate) fn warned(output: Output, code: &str) -> String {
    let output = output.ok();
    let said = warnings(&output);
    let [first, rest @ ..] = said.as_slice() else {
        panic!("not a word: {output:?}")
    };
    assert!(first.starts_with(&format!("{code}: ")), "{first}");
    let fix = format!("{code} fix: ");
    assert!(rest.iter().all(|line| line.starts_with(&fix)), "{rest:?}");
    (*first).to_owned()
}

/// Polls until `done`.
pub(crate) fn wait(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(
            start.elapsed() < Duration::from_mins(1),
            "waited too long for {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Warnings as kubectl shows them.
pub(crate) fn warnings(output: &Output) -> Vec<&str> {
    output
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("Warning: "))
        .collect()
}
