//! A server in this process, and clients for it.

use jiff::Timestamp;
use netdoctor_webhook::{
    admit::{BadReview, Decision, Operation, Verdict},
    metrics::{Metrics, Webhook},
    server::{Admission, Gate, Judge, Limits, Listener, Phases, Times, bind, router},
    tls::{Callers, Pair, Serving, Tls},
};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    client::Resumption,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The name that the API server asks for.
pub(crate) const NAME: &str = "netdoctor-webhook.netdoctor-system.svc";

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Chain and key for the server.
    pub(crate) fn server(&self) -> (String, String) {
        let mut params = CertificateParams::new([NAME.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// Chain and key for the server, valid for this long from now (or until so long ago).
    pub(crate) fn server_until(&self, seconds: i64) -> (String, String) {
        let mut params = CertificateParams::new([NAME.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let end = Timestamp::now().as_second() + seconds;
        params.not_before = epoch;
        params.not_after = epoch + Duration::from_secs(u64::try_from(end).unwrap());
        self.sign(&params)
    }

    /// Chain and key for a client of this name.
    pub(crate) fn client(&self, name: &str) -> (String, String) {
        let mut params = CertificateParams::new([]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// Judges with a function.
pub(crate) struct By<F>(pub(crate) F);

impl<F: Fn(Webhook, &[u8]) -> Result<Decision, BadReview> + Send + Sync + 'static> Judge for By<F> {
    fn judge(&self, webhook: Webhook, review: &[u8]) -> Result<Decision, BadReview> {
        (self.0)(webhook, review)
    }
}

/// Allows what has a uid.
pub(crate) fn allow(_: Webhook, review: &[u8]) -> Result<Decision, BadReview> {
    let review: Value =
        serde_json::from_slice(review).map_err(|error| BadReview::NotAReview(error.to_string()))?;
    let uid = review["request"]["uid"].as_str().ok_or(BadReview::NoUid)?;
    Ok(Decision {
        body: answer(uid).to_string().into_bytes(),
        verdict: Verdict::Allow,
        operation: Operation::Create,
        kind: None,
        dry_run: false,
        rules: Vec::new(),
        fail_open: BTreeSet::new(),
        deferred: Vec::new(),
    })
}

fn answer(uid: &str) -> Value {
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": uid, "allowed": true}})
}

/// A review as the API server sends it, padded to about this many bytes.
pub(crate) fn review(uid: &str, bytes: usize) -> String {
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"{uid}","kind":{{"group":"apps","version":"v1","kind":"Deployment"}},"name":"web","namespace":"shop","operation":"CREATE","userInfo":{{}},"object":{{"x":"{}"}},"dryRun":false}}}}"#,
        "x".repeat(bytes)
    )
}

/// How to start a server.
pub(crate) struct Start {
    pub(crate) judge: Arc<dyn Judge>,
    pub(crate) limits: Limits,
    pub(crate) times: Times,
    pub(crate) connections: usize,
    pub(crate) workers: usize,
    pub(crate) queue: usize,
    pub(crate) callers: Option<Arc<Callers>>,
}

impl Default for Start {
    fn default() -> Self {
        Self {
            judge: Arc::new(By(allow)),
            // A busy machine must not make a review late that is not meant to be.
            limits: Limits {
                validate: Duration::from_secs(30),
                mutate: Duration::from_secs(30),
                arrival: Duration::from_secs(30),
                ..Limits::default()
            },
            times: Times::default(),
            connections: 1_000,
            workers: 2,
            queue: 1_000,
            callers: None,
        }
    }
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) authority: Authority,
    pub(crate) serving: Arc<Serving>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) phases: Arc<Phases>,
    pub(crate) served: JoinHandle<usize>,
}

impl Start {
    /// Starts it with a certificate of its own authority.
    pub(crate) async fn start(self) -> Running {
        let running = self.start_without_certificate().await;
        let (chain, key) = running.authority.server();
        running.take(&chain, &key);
        running
    }

    pub(crate) async fn start_without_certificate(self) -> Running {
        let metrics = Arc::new(Metrics::new());
        let serving = Arc::new(Serving::new(metrics.clone()));
        let phases = Arc::new(Phases::default());
        let gate = Gate::new(self.workers, self.queue);
        let admission = Admission::new(self.judge, gate, self.limits, metrics.clone());
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let listener = Listener::new(
            listener,
            Some(Tls::new(serving.clone(), self.callers).unwrap()),
            router(admission),
            (self.times, self.connections),
            phases.follow(),
            metrics.clone(),
        );
        Running {
            address,
            authority: Authority::new("first"),
            serving,
            metrics,
            phases,
            served: tokio::spawn(listener.serve()),
        }
    }
}

impl Running {
    /// Serves with this pair from now on.
    pub(crate) fn take(&self, chain: &str, key: &str) {
        let pair = Pair::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
        self.serving.replace(pair);
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address, &trusting(&[&self.authority.pem()], None))
            .await
            .unwrap()
    }

    /// The value of a sample that is a whole number, 0 when there is none. Without labels: the sum over all of them.
    pub(crate) fn metric(&self, sample: &str) -> i64 {
        let text = self.metrics.render(Timestamp::now());
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(sample)?;
            let (labels, value) = rest.rsplit_once(' ')?;
            (labels.is_empty() || labels.starts_with('{')).then(|| value.parse::<i64>().ok())?
        });
        values.sum()
    }

    /// Waits until a sample has a value.
    pub(crate) async fn until_metric(&self, sample: &str, value: i64) {
        self.until(|server| server.metric(sample) >= value).await;
    }

    /// Waits until the metrics say so.
    pub(crate) async fn until(&self, done: impl Fn(&Self) -> bool) {
        for _ in 0..500 {
            if done(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("waited in vain\n{}", self.metrics.render(Timestamp::now()));
    }
}

/// Trusts these authorities, remembers no session (it would hide a new certificate), and may show a certificate.
pub(crate) fn trusting(
    authorities: &[&str],
    identity: Option<(String, String)>,
) -> Arc<ClientConfig> {
    trusting_by(rustls::DEFAULT_VERSIONS, authorities, identity)
}

/// The same with these versions of TLS only.
pub(crate) fn trusting_by(
    versions: &[&'static SupportedProtocolVersion],
    authorities: &[&str],
    identity: Option<(String, String)>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for pem in authorities {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        roots.add(certificate).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// One connection.
pub(crate) struct Client {
    pub(crate) stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn closes(&self) -> bool {
        self.head
            .to_ascii_lowercase()
            .contains("\r\nconnection: close")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Client {
    pub(crate) async fn connect(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(NAME).unwrap();
        let stream = TlsConnector::from(config.clone())
            .connect(name, tcp)
            .await?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    pub(crate) async fn post(&mut self, path: &str, body: &str) -> io::Result<Response> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {NAME}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.write_all(body.as_bytes()).await?;
        self.stream.flush().await?;
        self.response().await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads one answer.
    pub(crate) async fn response(&mut self) -> io::Result<Response> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            self.fill().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        let length = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            })
            .unwrap_or(0);
        while self.buffer.len() < end + length {
            self.fill().await?;
        }
        let rest = self.buffer.split_off(end + length);
        let body = String::from_utf8_lossy(&self.buffer[end..]).into_owned();
        self.buffer = rest;
        Ok(Response {
            status: head[9..12].parse().unwrap(),
            head,
            body,
        })
    }

    async fn fill(&mut self) -> io::Result<()> {
        let mut piece = vec![0; 16 << 10];
        let read = self.stream.read(&mut piece).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.buffer.extend_from_slice(&piece[..read]);
        Ok(())
    }

    /// Waits until the server closes the connection, and says what it sent before.
    pub(crate) async fn closed(&mut self) -> Vec<u8> {
        loop {
            if self.fill().await.is_err() {
                return std::mem::take(&mut self.buffer);
            }
        }
    }
}
