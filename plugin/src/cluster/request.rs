//! One request: time limit, retries, and what kind of failure it was.

use std::time::{Duration, Instant};

use http::header::{ACCEPT, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use kube::client::Body;
use serde::Deserialize;

use super::error::{ApiError, Cause, ConnectFailure};
use super::log::{HEADERS, REQUESTS, header_lines, warning_texts};
use super::{Cluster, PAGE_LIMIT};

/// Waiting times between attempts when the server names none.
const BACKOFF: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// Attempts when the server says how long to wait.
const MAX_ATTEMPTS: usize = 10;

/// Full objects.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Lists of names, labels and annotations only; a server that cannot do it is told to refuse.
const METADATA_LIST: HeaderValue =
    HeaderValue::from_static("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The JSON text.
    pub(crate) body: Vec<u8>,
    /// The server's clock, from its `Date` header.
    pub(crate) date: Option<Timestamp>,
    /// 200, or 201 for something new.
    pub(crate) status: u16,
    /// What the server warned about.
    pub(crate) warnings: Vec<String>,
}

/// What is sent.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) path_and_query: String,
    pub(super) accept: HeaderValue,
    /// Media type and text of the body.
    pub(super) body: Option<(HeaderValue, Vec<u8>)>,
    /// Whether warnings of the answer are kept to be shown, besides being in the answer.
    pub(super) show_warnings: bool,
}

impl Call {
    fn get(path_and_query: &str, accept: HeaderValue) -> Self {
        Self {
            method: Method::GET,
            path_and_query: path_and_query.to_owned(),
            accept,
            body: None,
            show_warnings: true,
        }
    }
}

/// One attempt's answer, before it is judged.
struct Attempt {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What the API server says about a failure.
#[derive(Debug, Default, Deserialize)]
struct Status {
    kind: Option<String>,
    message: Option<String>,
}

impl Cluster {
    /// Reads a path such as `/api/v1/pods?limit=500`. Answers 429 and 503 are tried again as long as the time
    /// limit for one page allows; the wait is the server's `Retry-After` where it gives one.
    pub(crate) async fn get_bytes(&self, path_and_query: &str) -> Result<Answer, ApiError> {
        self.exchange(&Call::get(path_and_query, JSON)).await
    }

    /// As [`Cluster::get_bytes`], for what may never be answered although the server is well.
    pub(crate) async fn get_within(
        &self,
        path_and_query: &str,
        limit: Duration,
    ) -> Result<Answer, ApiError> {
        self.exchange_within(&Call::get(path_and_query, JSON), limit)
            .await
    }

    /// As [`Cluster::get_bytes`], for lists of which only the metadata is read (Secrets).
    pub(crate) async fn get_metadata(&self, path_and_query: &str) -> Result<Answer, ApiError> {
        self.exchange(&Call::get(path_and_query, METADATA_LIST))
            .await
    }

    /// Sends a request, again where the server asks for that, until there is an answer or the time for one page is over.
    pub(super) async fn exchange(&self, call: &Call) -> Result<Answer, ApiError> {
        self.exchange_within(call, PAGE_LIMIT).await
    }

    pub(super) async fn exchange_within(
        &self,
        call: &Call,
        longest: Duration,
    ) -> Result<Answer, ApiError> {
        let limit = self
            .request_timeout
            .map_or(longest, |timeout| timeout.min(longest));
        let deadline = Instant::now() + limit;
        let mut attempt = 0;
        loop {
            let started = Instant::now();
            let result = tokio::time::timeout_at(deadline.into(), self.send(call)).await;
            let result = match result {
                Ok(result) => result,
                Err(_) => Err(ApiError::Timeout {
                    server: self.authority.clone(),
                    after: limit,
                }),
            };
            self.log_attempt(call, started.elapsed(), &result);
            let answer = result?;
            if let Some(wait) = wait_before_retry(&answer, attempt)
                && Instant::now() + wait < deadline
            {
                self.log.line(REQUESTS, || {
                    format!("trying again in {}ms", wait.as_millis())
                });
                tokio::time::sleep(wait).await;
                attempt += 1;
                continue;
            }
            return self.judge(answer);
        }
    }

    async fn send(&self, call: &Call) -> Result<Attempt, ApiError> {
        let mut request = Request::builder()
            .method(&call.method)
            .uri(&call.path_and_query)
            .header(ACCEPT, &call.accept);
        let body = match &call.body {
            None => Body::empty(),
            Some((media_type, bytes)) => {
                request = request.header(CONTENT_TYPE, media_type);
                Body::from(bytes.clone())
            }
        };
        let request = request
            .body(body)
            .map_err(|error| self.connect_failure(Cause::Other(error.to_string())))?;
        self.log.line(HEADERS, || {
            let lines = header_lines(request.headers()).join("\n");
            format!(
                "{} {} with {}, user agent {}",
                call.method,
                call.path_and_query,
                lines.trim(),
                super::user_agent()
            )
        });
        let response = self
            .client
            .send(request)
            .await
            .map_err(|error| self.no_answer(&error))?;
        let (head, mut body) = response.into_parts();
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| ApiError::Cut {
                server: self.authority.clone(),
            })?;
            if let Ok(data) = frame.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        if call.show_warnings {
            for text in warning_texts(&head.headers) {
                self.log.warn(&text);
            }
        }
        Ok(Attempt {
            status: head.status,
            headers: head.headers,
            body: bytes,
        })
    }

    fn no_answer(&self, error: &kube::Error) -> ApiError {
        match Cause::of(error) {
            // The connection was there: the server gave up while it answered.
            Cause::Other(text) if text.contains("connection closed before message completed") => {
                ApiError::Cut {
                    server: self.authority.clone(),
                }
            }
            cause => self.connect_failure(cause),
        }
    }

    fn connect_failure(&self, cause: Cause) -> ApiError {
        ApiError::Connect(ConnectFailure {
            server: self.authority.clone(),
            proxy: self.proxy.clone(),
            cause,
        })
    }

    fn judge(&self, answer: Attempt) -> Result<Answer, ApiError> {
        let Attempt {
            status,
            headers,
            body,
        } = answer;
        if status.is_success() && !looks_like_markup(&headers, &body) {
            return Ok(Answer {
                date: date(&headers),
                status: status.as_u16(),
                warnings: warning_texts(&headers),
                body,
            });
        }
        let message = message(status, &headers, &body);
        match status {
            StatusCode::TOO_MANY_REQUESTS => Err(ApiError::TooManyRequests {
                message,
                retry_after: retry_after(&headers),
            }),
            status if status.is_server_error() => Err(ApiError::Server {
                status: status.as_u16(),
                message,
            }),
            status if status.is_redirection() || looks_like_markup(&headers, &body) => {
                Err(ApiError::NotJson {
                    server: self.authority.clone(),
                    status: status.as_u16(),
                    content_type: describe_content(status, &headers),
                })
            }
            StatusCode::NOT_FOUND => Err(ApiError::NotFound { message }),
            StatusCode::FORBIDDEN => Err(ApiError::Forbidden { message }),
            StatusCode::UNAUTHORIZED => Err(ApiError::Unauthorized { message }),
            StatusCode::GONE => Err(ApiError::Gone { message }),
            status => Err(ApiError::Status {
                status: status.as_u16(),
                message,
            }),
        }
    }

    fn log_attempt(&self, call: &Call, took: Duration, result: &Result<Attempt, ApiError>) {
        let Call {
            method,
            path_and_query,
            ..
        } = call;
        let url = || format!("{}{path_and_query}", self.server.trim_end_matches('/'));
        let milliseconds = took.as_millis();
        match result {
            Ok(answer) => {
                self.log.line(REQUESTS, || {
                    format!(
                        "{method} {} {} in {milliseconds} milliseconds",
                        url(),
                        answer.status
                    )
                });
                if self.log.shows(HEADERS) {
                    for line in header_lines(&answer.headers) {
                        self.log.notice(&line);
                    }
                }
            }
            Err(error) => {
                self.log.line(REQUESTS, || {
                    format!(
                        "{method} {} failed in {milliseconds} milliseconds: {error}",
                        url()
                    )
                });
            }
        }
    }
}

/// How long to wait before another attempt; `None` when another one is of no use.
fn wait_before_retry(answer: &Attempt, attempt: usize) -> Option<Duration> {
    let named = retry_after(&answer.headers);
    match answer.status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {}
        status if status.is_server_error() && named.is_some() => {}
        _ => return None,
    }
    match named {
        Some(wait) => (attempt + 1 < MAX_ATTEMPTS).then_some(wait),
        None => BACKOFF.get(attempt).copied(),
    }
}

/// API servers give whole seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get(RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
        .map(Duration::from_secs)
}

fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let text = headers.get(DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text)
        .ok()
}

/// A login page or an error page of something in between.
fn looks_like_markup(headers: &HeaderMap, body: &[u8]) -> bool {
    let is_html = headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    is_html || body.trim_ascii_start().starts_with(b"<")
}

fn describe_content(status: StatusCode, headers: &HeaderMap) -> String {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if status.is_redirection() {
        // Parameters of a login page may hold secrets.
        let target = header(http::header::LOCATION)
            .and_then(|url| url.split('?').next())
            .unwrap_or("elsewhere");
        return format!("a redirect to {target}");
    }
    match header(CONTENT_TYPE) {
        Some(kind) if !kind.starts_with("text/html") => format!("{kind} that is markup"),
        _ => "a web page".to_owned(),
    }
}

/// The message of a `Status` object, or the first line of a text, or the status's name.
fn message(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    let parsed: Status = serde_json::from_slice(body).unwrap_or_default();
    if parsed.kind.as_deref() == Some("Status")
        && let Some(message) = parsed.message.filter(|message| !message.is_empty())
    {
        return message;
    }
    let name = status
        .canonical_reason()
        .unwrap_or("unknown status")
        .to_owned();
    if looks_like_markup(headers, body) {
        return name;
    }
    let text = String::from_utf8_lossy(body);
    match text.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) if !line.starts_with('{') => line.chars().take(200).collect(),
        _ => name,
    }
}

#[cfg(test)]
mod tests;
