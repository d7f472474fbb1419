//! The API server of a kubeconfig, over connections of one's own.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use kube::client::ConfigExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::LoadError;

/// A connection that carries one call at a time.
pub(super) type Connection = SendRequest<Full<Bytes>>;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

pub(super) struct Server {
    url: Uri,
    host: String,
    port: u16,
    /// None: plain HTTP.
    tls: Option<Arc<ClientConfig>>,
    authorization: Option<String>,
}

impl Server {
    /// Reads certificates and tokens; programs that fetch credentials are not run.
    pub(super) async fn from_kubeconfig(path: &Path) -> Result<Self, LoadError> {
        let place = |error: kube::config::KubeconfigError| {
            LoadError::new(format!("{}: {error}", path.display()))
        };
        let kubeconfig = Kubeconfig::read_from(path).map_err(place)?;
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options);
        let config = config.await.map_err(place)?;
        let url = config.cluster_url.clone();
        let secure = url.scheme_str() == Some("https");
        let tls = secure.then(|| config.rustls_client_config());
        // Written out, credentials are plain text, as in the file that they came from.
        let user = serde_json::to_value(&config.auth_info).map_err(LoadError::new)?;
        let authorization = user["token"]
            .as_str()
            .map(|token| format!("Bearer {token}"));
        let host = url.host().unwrap_or_default();
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            tls: tls.transpose().map_err(LoadError::new)?.map(Arc::new),
            authorization,
            url,
        })
    }

    pub(super) async fn connect(&self) -> Result<Connection, Box<dyn Error + Send + Sync>> {
        tokio::time::timeout(CONNECT, self.dial()).await?
    }

    async fn dial(&self) -> Result<Connection, Box<dyn Error + Send + Sync>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            return Ok(sender);
        };
        let name = ServerName::try_from(self.host.clone())?;
        let stream = TlsConnector::from(Arc::clone(tls))
            .connect(name, stream)
            .await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // An error of the connection shows at the call that uses it.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// A request for a path with query.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Request<Full<Bytes>> {
        let host = self
            .url
            .authority()
            .map_or("", |authority| authority.as_str());
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, host)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, content_type);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        request
            .body(Full::new(body))
            .unwrap_or_else(|error| panic!("{path} is no request: {error}"))
    }

    /// Makes a namespace; one that is exempt is not the webhook's business.
    pub(super) async fn make_namespace(&self, name: &str, exempt: bool) -> Result<(), LoadError> {
        let labels = if exempt {
            json!({netdoctor_manifests::names::ADMISSION_LABEL: "disabled"})
        } else {
            json!({})
        };
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        let status = self.ask(Method::POST, "/api/v1/namespaces", &object).await;
        match status.map_err(LoadError::new)? {
            201 => Ok(()),
            status => Err(LoadError::new(format!(
                "namespace {name} could not be made: {status}"
            ))),
        }
    }

    /// Deletes it, as far as that is possible at the end.
    pub(super) async fn delete_namespace(&self, name: &str) {
        let path = format!("/api/v1/namespaces/{name}");
        // Its name says where it comes from.
        let _ = self.ask(Method::DELETE, &path, &Value::Null).await;
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<u16, Box<dyn Error + Send + Sync>> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut connection = self.connect().await?;
        let request = self.request(method, path, "application/json", body.into());
        let answer = connection.send_request(request).await?;
        Ok(answer.status().as_u16())
    }
}
