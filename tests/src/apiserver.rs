//! A real Kubernetes API server, and what a test does with one.

mod access;
mod control_plane;
mod external;
mod objects;

use std::env;
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use netdoctor_lab::components;
use netdoctor_lab::kubeconfig::{Credentials, Kubeconfig};
use netdoctor_lab::tls::{Authority, Identity};
use serde_json::json;

pub use access::Rules;

use crate::cmd::{self, Output};
use crate::janitor::Janitor;
use crate::rest::Rest;
use crate::skip;

/// How long anything here may take before the test fails. Ten times what a busy two-core machine needs.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is particular about an API server.
#[derive(Debug, Clone)]
pub struct Spec {
    /// `--service-cluster-ip-range`: one range, or two separated by a comma for dual stack.
    pub service_cidr: String,
    /// Further flags of kube-apiserver. The last of several equal flags wins.
    pub api_server_flags: Vec<String>,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            service_cidr: "10.96.0.0/16".to_owned(),
            api_server_flags: Vec::new(),
        }
    }
}

/// An API server with etcd below it and a controller manager beside it.
///
/// The controllers are those that a test needs to see real endpoint slices and a clean namespace, and none that rewrites
/// nodes or pods: those are objects which the test writes, status included.
pub struct ApiServer {
    rest: Rest,
    kubectl: PathBuf,
    kubeconfig: PathBuf,
    folder: PathBuf,
    /// Signs the certificates of proxies, and all others of a server started here.
    authority: Authority,
    administrator: Administrator,
    janitor: Mutex<Janitor>,
    /// kube-apiserver; none for a cluster that was there before.
    process: Option<control_plane::Process>,
    files: AtomicU32,
}

/// The credentials in the kubeconfigs of administrators.
enum Administrator {
    Certificate { certificate: PathBuf, key: PathBuf },
    Token,
}

impl ApiServer {
    /// The server of this test binary, started by the first test that asks. Every test has a [`Namespace`] of its own in
    /// it, and nothing else: whatever is not namespaced belongs into a server of its own.
    ///
    /// `None`, with the reason on stderr, where there is nothing to start; with `CI` set that is a failure.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<ApiServer>> = OnceLock::new();
        SHARED
            .get_or_init(|| match env::var_os("NETDOCTOR_TEST_KUBECONFIG") {
                Some(kubeconfig) => Some(external::connect(Path::new(&kubeconfig))),
                None => Self::start(&Spec::default()),
            })
            .as_ref()
    }

    /// A server for one test, which may create nodes, classes, webhook configurations, and may break it. It ends when
    /// the value is dropped.
    ///
    /// `None` as in [`Self::shared`]. `NETDOCTOR_TEST_KUBECONFIG` does not help here: nobody wants these tests in a
    /// cluster of theirs.
    pub fn start(spec: &Spec) -> Option<Self> {
        match control_plane::programs() {
            Ok(programs) => Some(control_plane::start(&programs, spec)),
            Err(missing) => {
                skip(&missing);
                None
            }
        }
    }

    /// A new namespace in which pods can be created at once.
    pub fn namespace(&self) -> Namespace<'_> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        self.namespace_called(&format!("test-{}-{number}", process::id()))
    }

    /// The same with a name that the test chooses, which only a server of its own can allow itself.
    pub fn namespace_called(&self, name: &str) -> Namespace<'_> {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.must(self.rest.post("/api/v1/namespaces", &object))
            .ok();
        self.await_default_account(name);
        Namespace {
            server: self,
            name: name.to_owned(),
            kubeconfig: self.kubeconfig_with_namespace(name),
        }
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.clone()
    }

    /// A folder for files of the test; it goes when the server does.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The API without kubectl, as administrator.
    pub fn rest(&self) -> &Rest {
        &self.rest
    }

    /// Runs the real kubectl as administrator. The namespace is `default` unless `-n` says otherwise.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        self.kubectl_with(&self.kubeconfig, arguments, "")
    }

    /// The same with text on standard input, for `-f -`.
    pub fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Output {
        self.kubectl_with(&self.kubeconfig, arguments, input)
    }

    /// Kills kube-apiserver, as a crash or an eviction would. Connections break at once.
    pub fn kill(&self) {
        let killed = self.process().kill(&mut self.janitor());
        killed.unwrap_or_else(|error| panic!("killing kube-apiserver: {error}"));
    }

    /// Starts it again after [`Self::kill`], with the same state behind the same address, and waits until it answers.
    pub fn start_again(&self) {
        let started = self.process().start_again(&mut self.janitor());
        started.unwrap_or_else(|error| panic!("starting kube-apiserver again: {error}"));
        self.wait_until("the API server to come back", || {
            let answer = self.rest.get("/readyz");
            answer.is_ok_and(|answer| answer.status == 200)
        });
    }

    /// Starts a process that ends with the server; returns it, not to be waited for, and where its output goes.
    pub(crate) fn employ(&self, name: &str, command: &mut Command) -> (Child, PathBuf) {
        let mut janitor = self.janitor();
        let child = janitor.employ(name, command);
        let child = child.unwrap_or_else(|error| panic!("starting {name}: {error}"));
        (child, janitor.log(name))
    }

    fn process(&self) -> &control_plane::Process {
        let Some(process) = &self.process else {
            panic!("a cluster that was not started here is not killed here")
        };
        process
    }

    /// Whom [`Self::loopback_identity`] is signed by.
    pub(crate) fn authority_pem(&self) -> String {
        self.authority.pem()
    }

    pub(crate) fn authority_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A server certificate for something on loopback, signed by what [`Self::authority_file`] holds.
    pub(crate) fn loopback_identity(&self) -> Identity {
        self.authority
            .server(&["127.0.0.1", "localhost"])
            .unwrap_or_else(|error| panic!("signing: {error}"))
    }

    /// A file name that nobody else uses.
    pub(crate) fn new_file(&self, stem: &str) -> PathBuf {
        let number = self.files.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("{stem}-{number}.kubeconfig"))
    }

    fn kubectl_with(&self, kubeconfig: &Path, arguments: &[&str], input: &str) -> Output {
        cmd::Program::new(&self.kubectl)
            .env("KUBECONFIG", kubeconfig)
            .env("KUBECACHEDIR", self.folder.join("kubectl-cache"))
            .args(arguments)
            .stdin(input)
            .run()
    }

    fn kubeconfig_with_namespace(&self, namespace: &str) -> PathBuf {
        let server = format!("https://{}", self.rest.endpoint().authority());
        let credentials = match &self.administrator {
            Administrator::Certificate { certificate, key } => {
                Credentials::Certificate { certificate, key }
            }
            Administrator::Token => Credentials::Token(self.rest.token()),
        };
        let authority = self.server_authority_file();
        Kubeconfig {
            server: &server,
            authority: &authority,
            credentials,
            namespace,
        }
        .write(self.new_file("admin"))
    }

    /// The authority behind the server's own certificate.
    fn server_authority_file(&self) -> PathBuf {
        match self.process {
            Some(_) => self.authority_file(),
            None => self.folder.join(external::AUTHORITY_FILE),
        }
    }

    /// Pods are refused until the controller has made the service account that they run as.
    fn await_default_account(&self, namespace: &str) {
        for path in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
            let path = format!("/api/v1/namespaces/{namespace}/{path}");
            self.wait_until(&path, || {
                self.rest
                    .get(&path)
                    .is_ok_and(|answer| answer.status == 200)
            });
        }
    }

    /// Polls until `done`, and fails with the logs of the server when that takes too long.
    fn wait_until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let start = Instant::now();
        while !done() {
            assert!(
                start.elapsed() < PATIENCE,
                "waited too long for {what}\n{}",
                self.janitor().logs()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The answer, or a panic with the logs of the server.
    fn must<T>(&self, outcome: Result<T, impl fmt::Display>) -> T {
        outcome.unwrap_or_else(|error| panic!("{error}\n{}", self.janitor().logs()))
    }

    fn janitor(&self) -> MutexGuard<'_, Janitor> {
        self.janitor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A namespace of one test.
pub struct Namespace<'a> {
    server: &'a ApiServer,
    name: String,
    kubeconfig: PathBuf,
}

impl Namespace<'_> {
    /// The kubeconfig of an administrator whose context is in this namespace.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig.clone()
    }

    /// Runs the real kubectl in this namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        self.server.kubectl_with(&self.kubeconfig, arguments, "")
    }

    /// The same with text on standard input, for `-f -`.
    pub fn kubectl_with_input(&self, arguments: &[&str], input: &str) -> Output {
        self.server.kubectl_with(&self.kubeconfig, arguments, input)
    }
}

impl Deref for Namespace<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Namespace<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        // A server that was started here takes its namespaces with it. In a cluster of somebody else nothing stays; an
        // error leaves a namespace whose name says where it comes from.
        if self.server.process.is_none() {
            let _ = self
                .server
                .rest
                .delete(&format!("/api/v1/namespaces/{}", self.name));
        }
    }
}

/// Says why a test that needs an API server does nothing.
fn skip(missing: &str) {
    let release = components::KUBERNETES_VERSION;
    skip::skip(&format!(
        "no Kubernetes {release} to test against: {missing}; `cargo xtask test` installs what it needs, \
         NETDOCTOR_TEST_KUBECONFIG names a cluster to use instead"
    ));
}
