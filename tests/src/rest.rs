//! A small client of the Kubernetes API that shares no code with the client under test.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use netdoctor_lab::tls;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::runtime::runtime;

/// What can go wrong below HTTP: no connection, a bad certificate, an answer that ends too early.
#[derive(Debug)]
pub struct RestError(Box<dyn Error + Send + Sync>);

impl fmt::Display for RestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut link: Option<&(dyn Error + 'static)> = Some(&*self.0);
        let mut separator = "";
        while let Some(error) = link {
            write!(formatter, "{separator}{error}")?;
            separator = ": ";
            link = error.source();
        }
        Ok(())
    }
}

impl Error for RestError {}

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, complete.
    pub body: Vec<u8>,
}

#[expect(
    clippy::return_self_not_must_use,
    reason = "called for the assertion as well"
)]
impl Response {
    /// The body as JSON. Panics, showing the body, when it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }

    /// The answer itself, if its status says that the request succeeded. Panics otherwise.
    pub fn ok(self) -> Self {
        assert!(
            (200..300).contains(&self.status),
            "{}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        self
    }
}

/// Where an API server listens and how to know it.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Arc<ClientConfig>,
}

impl Endpoint {
    pub(crate) fn new(host: &str, port: u16, authority_pem: &str) -> Result<Self, RestError> {
        let tls = tls::client_config(authority_pem).map_err(RestError)?;
        Ok(Self {
            host: host.to_owned(),
            port,
            tls,
        })
    }

    /// What the `Host` field and URLs say.
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        format!("{host}:{}", self.port)
    }

    /// A connection of its own.
    pub(crate) async fn connect<B>(&self) -> Result<SendRequest<B>, RestError>
    where
        B: hyper::body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let connected: Result<_, Box<dyn Error + Send + Sync>> = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::try_from(self.host.clone())?;
            let stream = TlsConnector::from(self.tls.clone())
                .connect(name, stream)
                .await?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            // An error of the connection shows at the request that uses it.
            tokio::spawn(connection);
            Ok(sender)
        }
        .await;
        connected.map_err(RestError)
    }
}

/// A client with a bearer token. A connection per request, except in [`Self::post_all`].
#[derive(Clone)]
pub struct Rest {
    endpoint: Endpoint,
    token: String,
}

impl Rest {
    pub(crate) fn new(endpoint: Endpoint, token: &str) -> Self {
        Self {
            endpoint,
            token: token.to_owned(),
        }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// The same server as somebody else.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            endpoint: self.endpoint.clone(),
            token: token.to_owned(),
        }
    }

    /// `GET path`, path with query.
    pub fn get(&self, path: &str) -> Result<Response, RestError> {
        self.request(&Method::GET, path, "application/json", None)
    }

    /// `POST path`.
    pub fn post(&self, path: &str, object: &Value) -> Result<Response, RestError> {
        self.request(&Method::POST, path, "application/json", Some(object))
    }

    /// `PUT path`.
    pub fn put(&self, path: &str, object: &Value) -> Result<Response, RestError> {
        self.request(&Method::PUT, path, "application/json", Some(object))
    }

    /// `DELETE path`.
    pub fn delete(&self, path: &str) -> Result<Response, RestError> {
        self.request(&Method::DELETE, path, "application/json", None)
    }

    /// `PATCH path` with a merge patch.
    pub fn merge(&self, path: &str, fields: &Value) -> Result<Response, RestError> {
        self.request(
            &Method::PATCH,
            path,
            "application/merge-patch+json",
            Some(fields),
        )
    }

    /// Creates many objects fast, over eight connections, and panics unless every one is accepted.
    pub fn post_all(&self, path: &str, objects: &[Value]) {
        let outcome: Result<(), RestError> = runtime().block_on(async {
            let mut workers = Vec::new();
            for lane in objects.chunks(objects.len().div_ceil(8).max(1)) {
                let (rest, path, lane) = (self.clone(), path.to_owned(), lane.to_vec());
                workers.push(tokio::spawn(async move {
                    let mut sender = rest.endpoint.connect().await?;
                    for object in &lane {
                        let request =
                            rest.build(&Method::POST, &path, "application/json", Some(object));
                        exchange(&mut sender, request).await?.ok();
                    }
                    Ok(())
                }));
            }
            for worker in workers {
                worker.await.map_err(|error| RestError(error.into()))??;
            }
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("creating objects at {path}: {error}"));
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Result<Response, RestError> {
        runtime().block_on(async {
            let mut sender = self.endpoint.connect().await?;
            exchange(&mut sender, self.build(method, path, content_type, body)).await
        })
    }

    fn build(
        &self,
        method: &Method,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Request<Full<Bytes>> {
        let body = body.map(Value::to_string).unwrap_or_default();
        Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.endpoint.authority())
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, content_type)
            .body(Full::from(body))
            .unwrap_or_else(|error| panic!("{method} {path} is no request: {error}"))
    }
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Response, RestError> {
    let wrap = |error: hyper::Error| RestError(error.into());
    sender.ready().await.map_err(wrap)?;
    let (parts, body) = sender
        .send_request(request)
        .await
        .map_err(wrap)?
        .into_parts();
    let body = collect(body).await?;
    Ok(Response {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: body.to_vec(),
    })
}

/// The whole body, or the reason why it ended early.
pub(crate) async fn collect(body: Incoming) -> Result<Bytes, RestError> {
    Ok(body
        .collect()
        .await
        .map_err(|error| RestError(error.into()))?
        .to_bytes())
}

/// Whether an answer says that the object is there already.
pub(crate) fn is_conflict(response: &Response) -> bool {
    response.status == StatusCode::CONFLICT.as_u16()
}
