//! Clients that a server meets when its port is open to everybody: they are many, slow, and send too much. None of it may
//! be felt by the API server.

use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http_body_util::BodyExt as _;
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use netdoctor_lab::tls;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::drills::{flawless, load, under};
use crate::inside::{Running, Task, body};
use crate::stage::Stage;
use crate::{contains, say};

/// The name that the API server asks for.
const NAME: &str = "netdoctor-webhook.netdoctor-system.svc";
/// The port of the Pods.
const PORT: u16 = 10_250;
/// How long a drill lasts: longer than the time that a handshake has, and than the one that a head has.
const LASTS: Duration = Duration::from_secs(7);
/// Eight MiB and more.
const TOO_LARGE: usize = 9 << 20;

/// A kind of client.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Crowd {
    /// More connections than the server takes, on which nothing is ever sent.
    Silent,
    /// A `ClientHello` that arrives byte by byte.
    Slow,
    /// Bodies that no review can have.
    Large,
}

impl Crowd {
    /// Clients of each replica.
    fn heads(self) -> usize {
        match self {
            Self::Silent => 1_200,
            Self::Slow => 300,
            Self::Large => 4,
        }
    }
}

/// What the clients have seen.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    connected: AtomicU64,
    /// The server ended a connection.
    ended: AtomicU64,
    /// The server answered 400.
    refused: AtomicU64,
}

impl Counts {
    pub(crate) fn json(&self) -> Value {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        json!({
            "connected": count(&self.connected), "ended": count(&self.ended), "refused": count(&self.refused),
        })
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// More connections than either replica takes, and none of them says anything.
pub(crate) fn silent(stage: &Stage) -> Result<()> {
    let counts = drill(stage, "silent clients", Crowd::Silent)?;
    ensure!(counts["connected"].as_u64() >= Some(2_400), "{counts}");
    ensure!(counts["ended"].as_u64() > Some(0), "{counts}");
    Ok(())
}

/// Each body is refused, and none of them is kept.
pub(crate) fn large_bodies(stage: &Stage) -> Result<()> {
    let counts = drill(stage, "large bodies", Crowd::Large)?;
    ensure!(counts["refused"].as_u64() >= Some(8), "{counts}");
    Ok(())
}

/// Each handshake is ended after the time that it has.
pub(crate) fn slow_handshakes(stage: &Stage) -> Result<()> {
    let counts = drill(stage, "slow handshakes", Crowd::Slow)?;
    ensure!(counts["ended"].as_u64() >= Some(600), "{counts}");
    Ok(())
}

/// Troubles both replicas under load, which must not feel it, and neither must they.
fn drill(stage: &Stage, name: &str, crowd: Crowd) -> Result<Value> {
    stage.installed()?;
    let before = stage.replicas()?;
    ensure!(before.len() == 2, "{before:?}");
    let addresses = before.iter().map(|replica| replica.address.clone());
    let task = Task::Trouble {
        crowd,
        addresses: addresses.collect(),
        authority: stage.authority()?,
    };
    let (counts, account) = under(stage, name, &load(stage)?, || {
        let trouble = Running::start(stage, &task)?;
        std::thread::sleep(LASTS);
        trouble.finish()
    })?;
    say(&format!("  {counts}"));
    flawless(&account)?;
    ensure!(
        stage.replicas()? == before,
        "a replica was restarted, or is not Ready"
    );
    Ok(counts)
}

/// Starts the clients, which go on until the runtime ends.
pub(crate) fn begin(
    runtime: &Runtime,
    crowd: Crowd,
    addresses: &[String],
    authority: &str,
) -> Result<Arc<Counts>> {
    let counts = Arc::new(Counts::default());
    let config = config(authority)?;
    for address in addresses {
        for _ in 0..crowd.heads() {
            let (address, config, counts) = (address.clone(), config.clone(), counts.clone());
            runtime.spawn(async move {
                loop {
                    // What becomes of it is counted on the way; an error is one more way to be shown the door.
                    let _ = once(crowd, &address, &config, &counts).await;
                    sleep(Duration::from_millis(200)).await;
                }
            });
        }
    }
    Ok(counts)
}

fn config(authority: &str) -> Result<Arc<ClientConfig>> {
    tls::client_config(authority).map_err(|error| anyhow::anyhow!("the authority: {error}"))
}

async fn once(
    crowd: Crowd,
    address: &str,
    config: &Arc<ClientConfig>,
    counts: &Counts,
) -> Result<()> {
    let mut stream = TcpStream::connect((address, PORT)).await?;
    count(&counts.connected);
    match crowd {
        Crowd::Silent => {
            // It says nothing either: this returns with the end of the connection.
            _ = stream.read_u8().await;
            count(&counts.ended);
        }
        Crowd::Slow => {
            byte_by_byte(&mut stream, &hello(config)?).await;
            count(&counts.ended);
        }
        Crowd::Large => {
            let stream = secure(stream, config).await?;
            if refuses(stream).await? {
                count(&counts.refused);
            }
        }
    }
    Ok(())
}

/// The first flight of a handshake.
fn hello(config: &Arc<ClientConfig>) -> Result<Vec<u8>> {
    let mut connection = ClientConnection::new(config.clone(), ServerName::try_from(NAME)?)?;
    let mut bytes = Cursor::new(Vec::new());
    connection.write_tls(&mut bytes)?;
    Ok(bytes.into_inner())
}

/// Sends until the server has had enough.
async fn byte_by_byte(stream: &mut TcpStream, bytes: &[u8]) {
    for byte in bytes {
        let closed = timeout(Duration::from_millis(500), stream.read_u8()).await;
        if closed.is_ok() || stream.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

/// Whether a body that is too large is answered with 400. The server need not read all of it for that.
async fn refuses(mut stream: TlsStream<TcpStream>) -> Result<bool> {
    let head = format!(
        "POST /validate?timeout=2s HTTP/1.1\r\nHost: {NAME}\r\nContent-Type: application/json\r\nContent-Length: {TOO_LARGE}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let (mut read, mut write) = tokio::io::split(stream);
    let answer = async {
        let mut start = [0; 12];
        read.read_exact(&mut start).await.map(|_| start)
    };
    let body = async {
        let piece = vec![b' '; 64 << 10];
        for _ in 0..TOO_LARGE / piece.len() {
            if write.write_all(&piece).await.is_err() {
                break;
            }
        }
        // Whoever is refused waits for the answer, not for the end of the body.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = timeout(Duration::from_secs(5), answer) => Ok(&answer?? == b"HTTP/1.1 400"),
        () = body => Ok(false),
    }
}

async fn secure(stream: TcpStream, config: &Arc<ClientConfig>) -> Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(NAME)?;
    Ok(TlsConnector::from(config.clone())
        .connect(name, stream)
        .await?)
}

/// Asks a replica for its opinion, as the API server would.
pub(crate) async fn review(address: &str, authority: &str, review: &Value) -> Result<Value> {
    let stream = TcpStream::connect((address, PORT)).await?;
    let stream = secure(stream, &config(authority)?).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::post("/validate?timeout=2s")
        .header("Host", NAME)
        .header("Content-Type", "application/json")
        .body(body(serde_json::to_vec(review)?))?;
    let answer = sender.send_request(request).await?;
    let bytes: Bytes = answer.into_body().collect().await?.to_bytes();
    let text = String::from_utf8_lossy(&bytes);
    contains(&text, "AdmissionReview")?;
    serde_json::from_slice(&bytes).context("reading the answer")
}
