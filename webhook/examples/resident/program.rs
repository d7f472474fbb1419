//! The program under measurement: `netdoctor-webhook serve`, as it runs in a Pod.

use anyhow::{Context as _, ensure};
use http_body_util::{BodyExt as _, Empty};
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use netdoctor_manifests::names;
use std::{
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
};

pub(crate) struct Program {
    child: Child,
    metrics: SocketAddr,
    health: SocketAddr,
    _folder: tempfile::TempDir,
}

/// Memory in MiB.
pub(crate) struct Memory {
    pub(crate) resident: f64,
    pub(crate) peak: f64,
}

impl Program {
    /// Starts it with a kubeconfig for the API server at this address, and a certificate of its own.
    pub(crate) fn start(api: SocketAddr) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, kubeconfig_for(api))?;
        let pair = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
        std::fs::write(folder.path().join("tls.crt"), pair.cert.pem())?;
        std::fs::write(
            folder.path().join("tls.key"),
            pair.signing_key.serialize_pem(),
        )?;
        let mut ports = free_ports()?.into_iter();
        let mut port = || ports.next().unwrap_or_default().to_string();
        let (reviews, health, metrics) = (port(), port(), port());
        let program = std::env::current_exe()?;
        let program = program.parent().and_then(|examples| examples.parent());
        let program = program
            .context("the example lies nowhere")?
            .join("netdoctor-webhook");
        let child = Command::new(&program)
            .args(["serve", "--certificates", "files", "--tls-dir"])
            .arg(folder.path())
            .args([
                "--port",
                &reviews,
                "--health-port",
                &health,
                "--metrics-port",
                &metrics,
            ])
            .args(["--address", "127.0.0.1", "--log", "warn"])
            .env("KUBECONFIG", kubeconfig)
            .env(names::ALLOCATOR.0, names::ALLOCATOR.1)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        Ok(Self {
            child,
            metrics: SocketAddr::from(([127, 0, 0, 1], metrics.parse()?)),
            health: SocketAddr::from(([127, 0, 0, 1], health.parse()?)),
            _folder: folder,
        })
    }

    /// What the kernel says about its memory.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let mib = |field: &str| -> anyhow::Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let text = line.context("the kernel says nothing about memory")?;
            Ok(text.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
        };
        Ok(Memory {
            resident: mib("VmRSS:")?,
            peak: mib("VmHWM:")?,
        })
    }

    /// Processor time of all its threads so far.
    pub(crate) fn processor_seconds(&self) -> anyhow::Result<f64> {
        let mut nanos = 0.0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            nanos += text.split(' ').next().unwrap_or("0").parse().unwrap_or(0.0);
        }
        Ok(nanos / 1e9)
    }

    /// How many objects it has cached.
    pub(crate) async fn objects(&self) -> anyhow::Result<usize> {
        let text = self.metrics().await?;
        let lines = text
            .lines()
            .filter(|line| line.starts_with("netdoctor_cache_objects{"));
        let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
        Ok(counts.sum())
    }

    /// One metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let text = self.metrics().await?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value
            .with_context(|| format!("no metric {name}"))?
            .parse()?)
    }

    /// Whether it says that it is ready.
    pub(crate) async fn is_ready(&self) -> bool {
        get(self.health, "/readyz").await.is_ok()
    }

    async fn metrics(&self) -> anyhow::Result<String> {
        get(self.metrics, "/metrics").await
    }
}

/// The body of an answer that is a success.
async fn get(address: SocketAddr, path: &str) -> anyhow::Result<String> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = hyper::Request::get(path)
        .header("host", "localhost")
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    ensure!(answer.status().is_success(), "{path}: {}", answer.status());
    let body = answer.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

impl Drop for Program {
    fn drop(&mut self) {
        // A program that is gone already needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn kubeconfig_for(api: SocketAddr) -> String {
    format!(
        "apiVersion: v1
kind: Config
current-context: c
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
clusters: [{{name: c, cluster: {{server: 'http://{api}'}}}}]
users: [{{name: u, user: {{token: none}}}}]
"
    )
}

/// Three ports that nobody listens on now.
fn free_ports() -> anyhow::Result<Vec<u16>> {
    let held = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)));
    held.into_iter()
        .map(|listener| Ok(listener?.local_addr()?.port()))
        .collect()
}
