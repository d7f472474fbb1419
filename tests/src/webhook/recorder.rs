//! What the API server asks and what the webhook answers, word for word: a TLS server between the two.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use netdoctor_lab::tls;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::Webhook;
use crate::ApiServer;
use crate::rest::{self, Endpoint};
use crate::runtime::runtime;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Path and query of the call.
    pub target: String,
    /// The `AdmissionReview` with the request.
    pub review: Value,
    /// The one with the response.
    pub answer: Value,
}

impl Exchange {
    /// The `request` of the review.
    pub fn request(&self) -> &Value {
        &self.review["request"]
    }

    /// The `response` of the answer.
    pub fn response(&self) -> &Value {
        &self.answer["response"]
    }
}

/// A server that passes calls on to a webhook and remembers them. It stops listening when it is dropped.
pub struct Recorder {
    port: u16,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    upstream: Endpoint,
    exchanges: Mutex<Vec<Exchange>>,
}

impl Recorder {
    /// A recorder in front of this webhook: [`Webhook::guard_through`] takes its port.
    pub fn start(server: &ApiServer, webhook: &Webhook) -> Self {
        let cannot = |error: &dyn std::fmt::Display| -> ! { panic!("recorder: {error}") };
        let upstream = Endpoint::new("127.0.0.1", webhook.port(), &server.authority_pem());
        let state = Arc::new(State {
            upstream: upstream.unwrap_or_else(|error| cannot(&error)),
            exchanges: Mutex::default(),
        });
        let tls = tls::server_config(&server.loopback_identity());
        let acceptor = TlsAcceptor::from(tls.unwrap_or_else(|error| cannot(&error)));
        let listener = runtime().block_on(TcpListener::bind(("127.0.0.1", 0)));
        let listener = listener.unwrap_or_else(|error| cannot(&error));
        let address = listener.local_addr();
        Self {
            port: address.unwrap_or_else(|error| cannot(&error)).port(),
            state: Arc::clone(&state),
            accepting: runtime().spawn(accept(listener, acceptor, state)),
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Takes out the calls about objects of a namespace, in the order of their answers.
    pub fn take(&self, namespace: &str) -> Vec<Exchange> {
        let mut exchanges = lock(&self.state.exchanges);
        let (taken, left) = exchanges
            .drain(..)
            .partition(|exchange| exchange.request()["namespace"] == namespace);
        *exchanges = left;
        taken
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        // A caller that goes away in the middle is not this side's problem.
        tokio::spawn(serve(stream, acceptor.clone(), Arc::clone(&state)));
    }
}

async fn serve(stream: TcpStream, acceptor: TlsAcceptor, state: Arc<State>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let stream = TokioIo::new(acceptor.accept(stream).await?);
    let service = service_fn(|request| pass(request, &state));
    http1::Builder::new()
        .serve_connection(stream, service)
        .await?;
    Ok(())
}

/// An error here closes the connection without an answer.
async fn pass(request: Request<Incoming>, state: &State) -> Result<Response<Full<Bytes>>, Error> {
    let (parts, body) = request.into_parts();
    let question = rest::collect(body).await?;
    let mut sender = state.upstream.connect::<Full<Bytes>>().await?;
    let call = Request::builder()
        .method(parts.method)
        .uri(parts.uri.clone())
        .header(HOST, state.upstream.authority())
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(question.clone()))?;
    let (parts_of_answer, body) = sender.send_request(call).await?.into_parts();
    let answer = rest::collect(body).await?;
    lock(&state.exchanges).push(Exchange {
        target: parts.uri.to_string(),
        review: serde_json::from_slice(&question).unwrap_or_default(),
        answer: serde_json::from_slice(&answer).unwrap_or_default(),
    });
    let response = Response::builder()
        .status(parts_of_answer.status)
        .header(CONTENT_TYPE, "application/json");
    Ok(response.body(Full::from(answer))?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
