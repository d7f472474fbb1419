//! As much of an API server as a load needs, over plain HTTP, that misbehaves on demand.

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Behaviour {
    Answer,
    /// With a warning of this code.
    Warn(&'static str),
    Status(u16),
    /// As an API server whose webhook denies.
    Deny,
    /// Nobody is answered before this.
    Stall(Instant),
    Hang,
    /// The connection ends without an answer.
    Reset,
    /// The same, and no other is let in.
    Refuse,
}

/// A server that runs until it is dropped.
pub(crate) struct Server {
    behaviour: Arc<Mutex<Behaviour>>,
    folder: TempDir,
    _runtime: Runtime,
}

impl Server {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)));
        let listener = listener.expect("a port");
        let folder = tempfile::tempdir().expect("a folder");
        let address = listener.local_addr().expect("an address");
        let kubeconfig = format!(
            "{{apiVersion: v1, kind: Config, current-context: c, contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
             clusters: [{{name: c, cluster: {{server: 'http://{address}'}}}}], users: [{{name: u, user: {{token: none}}}}]}}"
        );
        std::fs::write(folder.path().join("kubeconfig"), kubeconfig).expect("a file");
        let behaviour = Arc::new(Mutex::new(behaviour));
        runtime.spawn(serve(listener, Arc::clone(&behaviour)));
        Self {
            behaviour,
            folder,
            _runtime: runtime,
        }
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.behaviour.lock().expect("no panic") = behaviour;
    }
}

async fn serve(listener: TcpListener, behaviour: Arc<Mutex<Behaviour>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let now = *behaviour.lock().expect("no panic");
        if matches!(now, Behaviour::Refuse) {
            continue;
        }
        let behaviour = Arc::clone(&behaviour);
        let service = service_fn(move |request| {
            let now = *behaviour.lock().expect("no panic");
            answer(request, now)
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(
    request: Request<Incoming>,
    behaviour: Behaviour,
) -> io::Result<Response<Full<Bytes>>> {
    let body = request
        .into_body()
        .collect()
        .await
        .map_err(io::Error::other)?;
    let mut response = Response::new(Full::new(body.to_bytes()));
    match behaviour {
        Behaviour::Answer => {}
        Behaviour::Warn(code) => {
            let warning = format!("299 - \"{code}: something is wrong\"");
            response
                .headers_mut()
                .insert("warning", warning.parse().expect("a header"));
        }
        Behaviour::Status(status) => {
            *response.status_mut() = status.try_into().expect("a status");
        }
        Behaviour::Deny => {
            *response.status_mut() = hyper::StatusCode::FORBIDDEN;
            *response.body_mut() =
                Full::from("{\"message\": \"admission webhook denied the request\"}");
        }
        Behaviour::Stall(until) => tokio::time::sleep_until(until.into()).await,
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Reset | Behaviour::Refuse => return Err(io::ErrorKind::ConnectionReset.into()),
    }
    Ok(response)
}
