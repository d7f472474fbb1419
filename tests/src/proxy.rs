//! A TLS proxy in front of a real API server that does to chosen requests what a real server cannot be made to do on
//! demand: refuse, lie, stall, break off. Everything else passes through unchanged, and every request is on record.
//!
//! Clients authenticate with bearer tokens, which pass through. A client certificate would end at the proxy.

mod fault;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Channel, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING, USER_AGENT,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use netdoctor_lab::kubeconfig::{Credentials, Kubeconfig};
use netdoctor_lab::tls;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

pub use fault::{Fault, Rule};

use crate::ApiServer;
use crate::rest::{self, Endpoint, Rest};
use crate::runtime::runtime;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Body = BoxBody<Bytes, Error>;

/// A request as it reached the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// `GET` and so on.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query, empty when there is none.
    pub query: String,
    /// What the client calls itself.
    pub user_agent: String,
}

/// A running proxy. It stops listening when it is dropped.
pub struct FaultProxy<'a> {
    server: &'a ApiServer,
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    upstream: Endpoint,
    rules: Mutex<Vec<Rule>>,
    log: Mutex<Vec<Recorded>>,
}

impl<'a> FaultProxy<'a> {
    /// A proxy without faults in front of this server.
    pub fn start(server: &'a ApiServer) -> Self {
        let state = Arc::new(State {
            upstream: server.rest().endpoint().clone(),
            rules: Mutex::default(),
            log: Mutex::default(),
        });
        let tls = tls::server_config(&server.loopback_identity())
            .unwrap_or_else(|error| panic!("proxy: {error}"));
        let acceptor = TlsAcceptor::from(tls);
        let listener = runtime()
            .block_on(TcpListener::bind(("127.0.0.1", 0)))
            .unwrap_or_else(|error| panic!("proxy: {error}"));
        let address = listener
            .local_addr()
            .unwrap_or_else(|error| panic!("proxy: {error}"));
        let accepting = runtime().spawn(accept(listener, acceptor, Arc::clone(&state)));
        Self {
            server,
            address,
            state,
            accepting,
        }
    }

    /// Adds a rule. The first one that matches a request decides, in the order of adding.
    pub fn add(&self, rule: Rule) -> &Self {
        lock(&self.state.rules).push(rule);
        self
    }

    /// Forgets all rules and all requests.
    pub fn reset(&self) {
        lock(&self.state.rules).clear();
        lock(&self.state.log).clear();
    }

    /// All requests so far, in the order of their arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.state.log).clone()
    }

    /// An administrator's kubeconfig that leads through the proxy.
    pub fn kubeconfig(&self, namespace: &str) -> PathBuf {
        self.kubeconfig_for_token(namespace, self.server.rest().token())
    }

    /// Anybody's kubeconfig that leads through the proxy.
    pub fn kubeconfig_for_token(&self, namespace: &str, token: &str) -> PathBuf {
        let server = format!("https://{}", self.address);
        let authority = self.server.authority_file();
        let credentials = Credentials::Token(token);
        Kubeconfig {
            server: &server,
            authority: &authority,
            credentials,
            namespace,
        }
        .write(self.server.new_file("proxy"))
    }

    /// The API through the proxy, as administrator.
    pub fn rest(&self) -> Rest {
        let authority = std::fs::read_to_string(self.server.authority_file())
            .unwrap_or_else(|error| panic!("the proxy's authority: {error}"));
        let endpoint = Endpoint::new(
            &self.address.ip().to_string(),
            self.address.port(),
            &authority,
        )
        .unwrap_or_else(|error| panic!("the proxy's address: {error}"));
        Rest::new(endpoint, self.server.rest().token())
    }
}

impl Drop for FaultProxy<'_> {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        // A client that goes away in the middle is not this side's problem.
        tokio::spawn(serve(stream, acceptor.clone(), Arc::clone(&state)));
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, state: Arc<State>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let stream = TokioIo::new(acceptor.accept(stream).await?);
    let service = service_fn(|request| answer(request, &state));
    http1::Builder::new()
        .serve_connection(stream, service)
        .await?;
    Ok(())
}

/// An error here closes the connection without an answer.
async fn answer(request: Request<Incoming>, state: &State) -> Result<Response<Body>, Error> {
    match state.fault_for(&request) {
        None => forward(request, state).await,
        Some(Fault::Kill) => Err("killed on purpose".into()),
        Some(Fault::Answer {
            status,
            content_type,
            body,
            retry_after,
        }) => {
            let mut response = Response::builder()
                .status(status)
                .header("Content-Type", content_type);
            if let Some(seconds) = retry_after {
                response = response.header("Retry-After", seconds);
            }
            Ok(response.body(whole(body.into()))?)
        }
        Some(Fault::Stall(pause)) => {
            tokio::time::sleep(pause).await;
            forward(request, state).await
        }
        Some(Fault::Cut { after }) => {
            let (mut response, bytes) = forward_plain(request, state).await?;
            let kept = bytes.slice(..after.min(bytes.len()));
            // The client is promised all of it, and so can tell that something is missing.
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
            Ok(response.map(|()| cut(kept)))
        }
        Some(Fault::Item { index, item }) => {
            let (mut response, bytes) = forward_plain(request, state).await?;
            let mut list: Value = serde_json::from_slice(&bytes)?;
            let place = list.get_mut("items").and_then(|items| items.get_mut(index));
            *place.ok_or("the list has no item to replace")? = item;
            let body = list.to_string();
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            Ok(response.map(|()| whole(body.into())))
        }
    }
}

impl State {
    fn fault_for(&self, request: &Request<Incoming>) -> Option<Fault> {
        let header = |name| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let recorded = Recorded {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
            user_agent: header(USER_AGENT).to_owned(),
        };
        let fault = lock(&self.rules)
            .iter_mut()
            .find_map(|rule| rule.apply(&recorded));
        lock(&self.log).push(recorded);
        fault
    }
}

async fn forward(request: Request<Incoming>, state: &State) -> Result<Response<Body>, Error> {
    let response = send(request, state).await?;
    Ok(response.map(|body| body.map_err(Error::from).boxed()))
}

/// Forwards a request whose answer will be changed: complete and not compressed.
async fn forward_plain(
    mut request: Request<Incoming>,
    state: &State,
) -> Result<(Response<()>, Bytes), Error> {
    request.headers_mut().remove(ACCEPT_ENCODING);
    let (mut parts, body) = send(request, state).await?.into_parts();
    parts.headers.remove(TRANSFER_ENCODING);
    Ok((Response::from_parts(parts, ()), rest::collect(body).await?))
}

async fn send(mut request: Request<Incoming>, state: &State) -> Result<Response<Incoming>, Error> {
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .parse()?;
    *request.uri_mut() = target;
    request
        .headers_mut()
        .insert(HOST, HeaderValue::try_from(state.upstream.authority())?);
    let mut sender = state.upstream.connect().await?;
    Ok(sender.send_request(request).await?)
}

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// A body that breaks off after these bytes.
fn cut(bytes: Bytes) -> Body {
    let (mut sender, body) = Channel::new(1);
    tokio::spawn(async move {
        if sender.send_data(bytes).await.is_ok() {
            // Long enough for what was sent to leave the buffers first.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        sender.abort(Error::from("cut on purpose"));
    });
    body.boxed()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
