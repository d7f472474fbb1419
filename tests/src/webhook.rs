//! The webhook beside a real API server: the program itself, with the rights that the manifests give it, asked by the API
//! server through the configurations of the manifests.
//!
//! ```text
//! kubectl ──► ApiServer ──https──► netdoctor-webhook      Webhook::start, Webhook::guard
//!                 ▲ ──list, watch───────┘ ▲
//!                 └──Events── netdoctor-webhook audit     Webhook::audit
//! ```
//!
//! One thing differs from an installation: nobody routes Services on loopback, so that the configurations name an address
//! in the place of a Service, and the certificate for it comes from files.

pub mod account;
mod program;
mod recorder;

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use netdoctor_manifests::{Options, names, render};
use serde_json::{Value, json};

use crate::ApiServer;
use program::Program;

pub use recorder::{Exchange, Recorder};

/// How long anything here may take before the test fails. Ten times what a busy two-core machine needs.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is particular about a webhook.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The text of the configuration. None leaves the `ConfigMap` as it is, or absent.
    pub configuration: Option<String>,
    /// Further flags of the program.
    pub flags: Vec<String>,
    /// What the manifests are rendered with.
    pub options: Options,
    /// Credentials other than those of the account of the manifests.
    pub kubeconfig: Option<PathBuf>,
    /// Whether to wait until every kind has been listed or refused.
    pub settled: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            configuration: None,
            flags: Vec::new(),
            options: Options::default(),
            kubeconfig: None,
            settled: true,
        }
    }
}

/// A running webhook, or the background auditor. It is killed when the value is dropped, and with the server.
pub struct Webhook {
    program: Program,
    options: Options,
    authority: String,
}

impl Webhook {
    /// Starts one, and waits until it is ready and its caches are filled. The API server does not know of it before
    /// [`Self::guard`]. Several are replicas of one another.
    pub fn start(server: &ApiServer, settings: Settings) -> Self {
        account::install_with(server, &settings.options);
        let (number, stem) = numbered(names::WEBHOOK);
        let folder = server.folder().join(format!("{stem}-tls"));
        let identity = server.loopback_identity();
        fs::create_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for (name, text) in [("tls.crt", identity.certificate), ("tls.key", identity.key)] {
            let file = folder.join(name);
            fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
        let folder = folder.display().to_string();
        let pod = format!("{}-{number}", names::WEBHOOK);
        let flags = [
            ["--certificates", "files"],
            ["--tls-dir", &folder],
            ["--pod-name", &pod],
            ["--port", "0"],
        ];
        Self::run(server, settings, "serve", &stem, &flags.concat())
    }

    /// Starts the background auditor with the rights of its own account.
    pub fn audit(server: &ApiServer, settings: Settings) -> Self {
        account::install_with(server, &settings.options);
        let (number, stem) = numbered(names::AUDITOR);
        let pod = format!("{}-{number}", names::AUDITOR);
        Self::run(server, settings, "audit", &stem, &["--pod-name", &pod])
    }

    fn run(
        server: &ApiServer,
        settings: Settings,
        command: &str,
        stem: &str,
        flags: &[&str],
    ) -> Self {
        if let Some(text) = &settings.configuration {
            server.apply(&account::configuration(text));
        }
        let account = match command {
            "audit" => names::AUDITOR,
            _ => names::WEBHOOK,
        };
        let kubeconfig = settings.kubeconfig;
        let kubeconfig = kubeconfig.unwrap_or_else(|| account::kubeconfig(server, account));
        let further = settings.flags.iter().map(String::as_str);
        let flags: Vec<&str> = flags.iter().copied().chain(further).collect();
        let program = Program::start(server, stem, &kubeconfig, command, &flags);
        program.wait("it to be ready", || program.answers("health", "/readyz"));
        let started = Self {
            program,
            options: settings.options,
            authority: server.authority_pem(),
        };
        if settings.settled {
            started.wait("its caches", || started.is_settled());
        }
        started
    }

    /// Where reviews go: `https://127.0.0.1:PORT/validate`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}/validate", self.port())
    }

    /// The port for reviews.
    pub fn port(&self) -> u16 {
        self.program.port("reviews")
    }

    /// The configurations of the manifests, whose calls go to this port of this machine.
    pub fn configuration(&self, port: u16) -> Vec<Value> {
        self.aimed(render(&self.options), port)
    }

    /// The webhook configurations among the objects of an installation, whose calls go to this port of this machine.
    pub fn aimed(&self, mut objects: Vec<Value>, port: u16) -> Vec<Value> {
        objects.retain(|object| {
            let kind = object["kind"].as_str().unwrap_or_default();
            kind.ends_with("WebhookConfiguration")
        });
        for object in &mut objects {
            let hooks = object["webhooks"].as_array_mut().into_iter().flatten();
            for hook in hooks {
                let path = hook["clientConfig"]["service"]["path"].as_str();
                let url = format!("https://127.0.0.1:{port}{}", path.unwrap_or_default());
                let bundle = STANDARD.encode(&self.authority);
                hook["clientConfig"] = json!({"url": url, "caBundle": bundle});
            }
        }
        objects
    }

    /// Has the API server ask this webhook, and waits until it does.
    pub fn guard(&self, server: &ApiServer) {
        self.guard_through(server, self.port());
    }

    /// The same through something on another port that passes calls on.
    pub fn guard_through(&self, server: &ApiServer, port: u16) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": self.configuration(port)});
        server.apply(&list.to_string());
        let pods = "/api/v1/namespaces/default/pods?dryRun=All";
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "self-test-"},
            "spec": {"containers": [{"name": "a", "image": "a"}]},
        });
        self.wait("the API server to ask", || {
            let before = self.reviews();
            let answer = server.rest().post(pods, &pod);
            answer.is_ok_and(|answer| answer.status == 201) && self.reviews() > before
        });
    }

    /// Writes another configuration, and waits until it is in use, or refused.
    pub fn configure(&self, server: &ApiServer, text: &str) {
        let before = self.configurations();
        server.apply(&account::configuration(text));
        self.wait("the configuration", || self.configurations() > before);
    }

    /// `/metrics`.
    pub fn metrics(&self) -> String {
        self.program.get("metrics", "/metrics").unwrap_or_default()
    }

    /// The sum of all samples of a metric whose labels contain each of these texts (`rule="SVC004"`).
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.metrics();
        let samples = text.lines().filter_map(|line| {
            let (sample, value) = line.rsplit_once(' ')?;
            let rest = sample.strip_prefix(name)?;
            let whole = rest.is_empty() || rest.starts_with('{');
            let fits = whole && labels.iter().all(|label| rest.contains(label));
            fits.then(|| value.parse::<f64>().ok())?
        });
        samples.sum()
    }

    /// The same of what is counted in whole numbers.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counters and gauges of the webhook that are no times are whole and not negative"
    )]
    pub fn count(&self, name: &str, labels: &[&str]) -> u64 {
        self.metric(name, labels) as u64
    }

    /// Everything it has logged, one object per line.
    pub fn logs(&self) -> String {
        self.program.logs()
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.program.id()
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&self) {
        self.program.signal("KILL");
        self.await_end();
    }

    /// Asks it to end, as a kubelet does, and does not wait.
    pub fn terminate(&self) {
        self.program.signal("TERM");
    }

    /// Waits until it has ended.
    pub fn await_end(&self) {
        self.wait("its end", || self.program.has_ended());
    }

    /// Polls until `done`, and fails with its log when that takes too long.
    pub fn wait(&self, what: &str, done: impl FnMut() -> bool) {
        self.program.wait(what, done);
    }

    fn reviews(&self) -> f64 {
        self.metric("netdoctor_admission_requests_total", &[])
    }

    /// How often a configuration was taken in or refused.
    fn configurations(&self) -> usize {
        let said = ["configuration in use", "the configuration cannot be used"];
        let lines = self.program.lines();
        let about = |line: &&Value| {
            let message = line["message"].as_str().unwrap_or_default();
            said.iter().any(|said| message.starts_with(said))
        };
        lines.iter().filter(about).count()
    }

    /// Whether every kind has been listed, or refused, which it says once.
    fn is_settled(&self) -> bool {
        let refused: Vec<String> = self
            .program
            .lines()
            .iter()
            .filter(|line| line["message"] == "not watched; rules about it are unknown")
            .filter_map(|line| Some(line["kind"].as_str()?.to_owned()))
            .collect();
        let text = self.metrics();
        let mut kinds = text
            .lines()
            .filter_map(|line| line.strip_prefix("netdoctor_cache_synced{kind=\""))
            .filter_map(|rest| rest.split_once("\"} "))
            .peekable();
        kinds.peek().is_some()
            && kinds.all(|(kind, synced)| {
                // The name alone: what is refused is logged without its group.
                let name = kind.split('.').next().unwrap_or(kind);
                synced == "1" || refused.iter().any(|refused| refused == name)
            })
    }
}

/// A number that no other program of this test has, and a name with it.
fn numbered(name: &str) -> (u32, String) {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    (number, format!("{name}-{number}"))
}
