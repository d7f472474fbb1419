//! The program as a child process, and the fake API server that it talks to.

use crate::fake_api::FakeApi;
use axum::{Router, body::Body, http::Request};
use jiff::Timestamp;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::NamedTempFile;
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
        BufReader, Lines,
    },
    net::TcpStream,
    process::{Child, ChildStdout, Command},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

pub(crate) const SECRET: &str = "/api/v1/namespaces/netdoctor-system/secrets/netdoctor-webhook-ca";
pub(crate) const VALIDATING: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/netdoctor-validating";
pub(crate) const TLS_NAME: &str = "netdoctor-webhook.netdoctor-system.svc";

/// A cluster with an API server that is a fake, and a kubeconfig for it.
pub(crate) struct Cluster {
    pub(crate) api: FakeApi,
    kubeconfig: NamedTempFile,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        let api = FakeApi::new(Timestamp::now);
        api.with(|store| {
            let webhook = json!({"name": "validate.netdoctor.io", "clientConfig": {"service": {}}});
            store.put(VALIDATING, json!({"metadata": {}, "webhooks": [webhook]}));
        });
        let answering = api.clone();
        let router = Router::new().fallback(async move |request: Request<Body>| {
            answering
                .clone()
                .answer(request)
                .await
                .unwrap()
                .map(Body::new)
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "fake", "user": {}}],
            "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        });
        let kubeconfig = NamedTempFile::new().unwrap();
        std::fs::write(kubeconfig.path(), config.to_string()).unwrap();
        Self { api, kubeconfig }
    }

    /// What a configuration trusts.
    pub(crate) fn bundle(&self, path: &str) -> String {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let object = self.api.object(path).unwrap();
        let text = object["webhooks"][0]["clientConfig"]["caBundle"].as_str();
        String::from_utf8(STANDARD.decode(text.unwrap_or_default()).unwrap()).unwrap()
    }

    /// The program, with nothing of this process' environment.
    pub(crate) fn command(&self, part: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_netdoctor-webhook"));
        let ports: &[&str] = &[
            "--address",
            "127.0.0.1",
            "--health-port",
            "0",
            "--metrics-port",
            "0",
        ];
        command
            .env_clear()
            .env("KUBECONFIG", self.kubeconfig.path())
            .env("NETDOCTOR_LOG", "info,netdoctor_webhook=debug")
            .arg(part)
            .args(ports)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if part == "serve" && !arguments.contains(&"--port") {
            command.args(["--port", "0"]);
        }
        command
    }
}

/// The program while it runs.
pub(crate) struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    log: String,
    started: Instant,
    reviews: Option<SocketAddr>,
    pub(crate) health: SocketAddr,
    pub(crate) metrics: SocketAddr,
}

impl Program {
    /// Starts it, and reads from its log where it listens.
    pub(crate) async fn start(cluster: &Cluster, part: &str, arguments: &[&str]) -> Self {
        Self::run(cluster.command(part, arguments)).await
    }

    /// Starts a server that may have this many files open.
    pub(crate) async fn start_with_files(
        cluster: &Cluster,
        files: u32,
        arguments: &[&str],
    ) -> Self {
        let program = cluster.command("serve", arguments);
        let program = program.as_std();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("ulimit -n {files}; exec \"$0\" \"$@\"")])
            .arg(program.get_program())
            .args(program.get_args())
            .env_clear()
            .envs(
                program
                    .get_envs()
                    .filter_map(|(key, value)| Some((key, value?))),
            )
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Self::run(shell).await
    }

    async fn run(mut command: Command) -> Self {
        let started = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut log = String::new();
        let mut addresses: BTreeMap<String, SocketAddr> = BTreeMap::new();
        while !addresses.contains_key("metrics") {
            let line = lines
                .next_line()
                .await
                .unwrap()
                .expect("it ended before it listened");
            let said: Value = serde_json::from_str(&line).unwrap();
            if said["message"] == "listening" {
                let address = said["address"].as_str().unwrap().parse().unwrap();
                addresses.insert(said["purpose"].as_str().unwrap().to_owned(), address);
            }
            log.push_str(&line);
            log.push('\n');
        }
        Self {
            child,
            lines,
            log,
            started,
            reviews: addresses.get("reviews").copied(),
            health: addresses["health"],
            metrics: addresses["metrics"],
        }
    }

    /// Waits until it is ready, and says how long that took from the start.
    pub(crate) async fn ready(&self) -> Duration {
        for _ in 0..2_000 {
            if get(self.health, "/readyz").await.0 == 200 {
                return self.started.elapsed();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never becomes ready");
    }

    /// Sends a review to whom `bundle` trusts.
    pub(crate) async fn review(&self, bundle: &str, review: &Value, headers: &str) -> Value {
        let body = review.to_string();
        let head = format!(
            "POST /validate?timeout=20s HTTP/1.1\r\nHost: {TLS_NAME}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        let stream = self.secure(bundle).await;
        let (status, body) = exchange(stream, format!("{head}{body}").as_bytes()).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Sends any body: status and text of the answer.
    pub(crate) async fn send(
        &self,
        bundle: &str,
        path: &str,
        content_type: &str,
        body: &[u8],
    ) -> (u16, String) {
        let length = body.len();
        let head = format!(
            "POST {path}?timeout=20s HTTP/1.1\r\nHost: {TLS_NAME}\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        );
        let stream = self.secure(bundle).await;
        exchange(stream, &[head.as_bytes(), body].concat()).await
    }

    /// A connection to whom `bundle` trusts.
    pub(crate) async fn secure(&self, bundle: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(self.reviews.unwrap()).await.unwrap();
        let name = ServerName::try_from(TLS_NAME).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.unwrap()
    }

    /// The most that it has had in memory.
    pub(crate) fn peak_mib(&self) -> u64 {
        let file = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(file).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kib >> 10
    }

    /// A connection that says nothing.
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.reviews.unwrap()).await.unwrap()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let process = self.child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", signal, &process])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end: exit code and everything it said.
    pub(crate) async fn ended(&mut self) -> (Option<i32>, String) {
        let wait = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                self.log.push_str(&line);
                self.log.push('\n');
            }
            self.child.wait().await.unwrap().code()
        };
        let code = tokio::time::timeout(Duration::from_secs(30), wait).await;
        (code.expect("it never ends"), self.log.clone())
    }
}

/// Asks a plain port.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    exchange(stream, request.as_bytes()).await
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &[u8],
) -> (u16, String) {
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

/// Waits for something to become true.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what} never comes");
}
