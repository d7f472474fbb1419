//! Clients of the webhook's port that are not the API server.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use netdoctor_tests::webhook::Webhook;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// One byte more than the webhook reads.
const TOO_LARGE: usize = (8 << 20) + 1;

/// What a client does, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Connects, and says nothing until it is sent away.
    Silent,
    /// The same after a TLS handshake.
    SilentInTls,
    /// Sends the first bytes of a handshake, one by one.
    SlowHandshake,
    /// Sends a body that is too large, and must hear so.
    TooLarge,
}

/// Attacks go on until the value is dropped.
pub(crate) struct Hostile {
    runtime: Runtime,
    way: Way,
    done: Arc<Mutex<BTreeMap<Kind, usize>>>,
}

/// How the webhook is reached.
#[derive(Clone)]
struct Way {
    port: u16,
    tls: Arc<ClientConfig>,
}

impl Hostile {
    pub(crate) fn new(webhook: &Webhook) -> Self {
        let port = webhook.port();
        let configuration = webhook.configuration(port);
        let bundle = &configuration[0]["webhooks"][0]["clientConfig"]["caBundle"];
        let bundle = STANDARD.decode(bundle.as_str().expect("a bundle"));
        let authority = String::from_utf8(bundle.expect("base64")).expect("PEM");
        let tls = netdoctor_lab::tls::client_config(&authority).expect("a certificate");
        Self {
            runtime: Runtime::new().expect("a runtime"),
            way: Way { port, tls },
            done: Arc::default(),
        }
    }

    /// So many clients at once.
    pub(crate) fn attack(&self, kind: Kind, clients: usize) {
        for _ in 0..clients {
            let (way, done) = (self.way.clone(), Arc::clone(&self.done));
            self.runtime.spawn(async move {
                loop {
                    // Being sent away, in whatever manner, is what such clients live with.
                    let _ = way.once(kind, &done).await;
                    sleep(Duration::from_millis(500)).await;
                }
            });
        }
    }

    /// How often it has been done: connected, or answered.
    pub(crate) fn done(&self, kind: Kind) -> usize {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.get(&kind).copied().unwrap_or(0)
    }

    /// Asks what the API server would ask.
    pub(crate) fn review(&self, review: &Value) -> Value {
        let body = review.to_string();
        let answer = self.runtime.block_on(async {
            let mut stream = self.way.tls().await?;
            stream.write_all(head(body.len()).as_bytes()).await?;
            stream.write_all(body.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            io::Result::Ok(answer)
        });
        let answer = answer.expect("an answer");
        let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
        serde_json::from_str(body).expect("JSON")
    }
}

fn head(length: usize) -> String {
    format!(
        "POST /validate HTTP/1.1\r\nHost: webhook\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {length}\r\n\r\n"
    )
}

impl Way {
    async fn tcp(&self) -> io::Result<TcpStream> {
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await
    }

    async fn tls(&self) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        connector.connect(name, self.tcp().await?).await
    }

    async fn once(&self, kind: Kind, done: &Mutex<BTreeMap<Kind, usize>>) -> io::Result<()> {
        let count = || {
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            *done.entry(kind).or_default() += 1;
        };
        match kind {
            Kind::Silent => {
                let stream = self.tcp().await?;
                count();
                until_closed(stream).await
            }
            Kind::SilentInTls => {
                let stream = self.tls().await?;
                count();
                until_closed(stream).await
            }
            Kind::SlowHandshake => {
                let mut stream = self.tcp().await?;
                count();
                // The head of a record with a ClientHello of 512 bytes, and what follows.
                for byte in [0x16, 0x03, 0x01, 0x02, 0x00]
                    .into_iter()
                    .chain([0x01; 512])
                {
                    stream.write_all(&[byte]).await?;
                    sleep(Duration::from_millis(400)).await;
                }
                Ok(())
            }
            Kind::TooLarge => {
                let mut stream = self.tls().await?;
                stream.write_all(head(TOO_LARGE).as_bytes()).await?;
                stream.write_all(&vec![b' '; TOO_LARGE]).await?;
                let mut status = [0; 12];
                stream.read_exact(&mut status).await?;
                assert_eq!(&status, b"HTTP/1.1 400");
                count();
                Ok(())
            }
        }
    }
}

async fn until_closed(mut stream: impl AsyncRead + Unpin) -> io::Result<()> {
    while stream.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}
