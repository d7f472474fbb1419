//! One GET to the API server: a complete answer, or lines as they arrive, and what kind of failure it was.

use http_body_util::BodyExt as _;
use kube::client::Body;
use netdoctor_engine::snapshot::GapCause;
use serde::Deserialize;
use std::time::Duration;

/// How long the head of an answer, or a whole page, may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// No event is longer: the API server takes objects of 3 MiB at most, and JSON escapes no more than doubles that.
const LONGEST_LINE: usize = 16 << 20;

/// Why nothing, or nothing more, came back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("forbidden (403)")]
    Forbidden,
    #[error("unauthorized (401)")]
    Unauthorized,
    #[error("not found (404)")]
    NotFound,
    /// The state that was asked for is too old: list again.
    #[error("expired (410)")]
    Expired,
    #[error("the API server is busy (429)")]
    Busy(Option<Duration>),
    #[error("the API server failed ({0})")]
    Server(u16),
    #[error("no answer in time")]
    Timeout,
    #[error("the connection failed")]
    Connection,
    #[error("the answer ended in the middle")]
    Cut,
    #[error("the answer did not come from a Kubernetes API server")]
    NotKubernetes,
}

impl Failure {
    /// What the snapshot says about a kind that could not be read for this reason.
    pub(super) fn gap(&self) -> GapCause {
        match self {
            Self::Forbidden => GapCause::Forbidden,
            Self::Unauthorized => GapCause::Unauthorized,
            Self::Expired => GapCause::Expired,
            Self::Busy(_) => GapCause::TooManyRequests,
            Self::Server(code) => GapCause::Server(*code),
            Self::Timeout => GapCause::Timeout,
            Self::Connection => GapCause::Connection,
            Self::Cut => GapCause::Cut,
            Self::NotFound | Self::NotKubernetes => GapCause::NotKubernetes,
        }
    }

    /// How a `Status` object names the same thing.
    pub(super) fn of_code(code: u16) -> Self {
        match code {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            410 => Self::Expired,
            429 => Self::Busy(None),
            500.. => Self::Server(code),
            _ => Self::NotKubernetes,
        }
    }
}

/// Begins a GET; the answer says 200.
async fn begin(client: &kube::Client, path: &str) -> Result<hyper::http::Response<Body>, Failure> {
    let request = hyper::http::Request::get(path)
        .header(hyper::http::header::ACCEPT, "application/json")
        // A compressed watch arrives in lumps.
        .header(hyper::http::header::ACCEPT_ENCODING, "identity")
        .header(
            hyper::http::header::USER_AGENT,
            concat!("netdoctor-webhook/", env!("CARGO_PKG_VERSION")),
        )
        .body(Body::empty())
        .map_err(|_| Failure::Connection)?;
    let answer = client.send(request);
    let answer = tokio::time::timeout(PATIENCE, answer)
        .await
        .map_err(|_| Failure::Timeout)?
        .map_err(|error| {
            tracing::debug!(path, error = &error as &dyn std::error::Error, "no answer");
            Failure::Connection
        })?;
    if answer.status() == hyper::http::StatusCode::OK {
        return Ok(answer);
    }
    let failure = Failure::of_code(answer.status().as_u16());
    Err(match failure {
        Failure::Busy(_) => {
            let wait = answer.headers().get(hyper::http::header::RETRY_AFTER);
            let wait = wait.and_then(|text| text.to_str().ok()?.trim().parse().ok());
            Failure::Busy(wait.map(Duration::from_secs))
        }
        failure => failure,
    })
}

/// A complete answer.
pub(super) async fn get(client: &kube::Client, path: &str) -> Result<bytes::Bytes, Failure> {
    let body = begin(client, path).await?.into_body();
    let collected = tokio::time::timeout(PATIENCE, body.collect()).await;
    let collected = collected.map_err(|_| Failure::Timeout)?;
    Ok(collected.map_err(|_| Failure::Cut)?.to_bytes())
}

/// An answer that goes on and on, line by line.
pub(super) struct Lines {
    body: Body,
    buffer: Vec<u8>,
    /// Where in `buffer` the next line begins.
    from: usize,
    /// Up to where `buffer` is known to hold no further line.
    searched: usize,
}

impl Lines {
    pub(super) async fn open(client: &kube::Client, path: &str) -> Result<Self, Failure> {
        Ok(Self::of(begin(client, path).await?.into_body()))
    }

    fn of(body: Body) -> Self {
        Self {
            body,
            buffer: Vec::new(),
            from: 0,
            searched: 0,
        }
    }

    /// The next line without its end; `None` when the server has said everything.
    ///
    /// # Errors
    /// When the connection broke, nothing arrived for `idle`, or a line does not end.
    pub(super) async fn next(&mut self, idle: Duration) -> Result<Option<&[u8]>, Failure> {
        loop {
            let rest = &self.buffer[self.searched..];
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let (from, end) = (self.from, self.searched + end);
                self.from = end + 1;
                self.searched = end + 1;
                return Ok(Some(&self.buffer[from..end]));
            }
            self.buffer.drain(..self.from);
            self.from = 0;
            self.searched = self.buffer.len();
            if self.searched > LONGEST_LINE {
                return Err(Failure::NotKubernetes);
            }
            // One long event must not stay the size of the buffer for ever.
            if self.buffer.is_empty() && self.buffer.capacity() > 64 << 10 {
                self.buffer = Vec::new();
            }
            let frame = tokio::time::timeout(idle, self.body.frame()).await;
            match frame.map_err(|_| Failure::Timeout)? {
                None if self.buffer.is_empty() => return Ok(None),
                None | Some(Err(_)) => return Err(Failure::Cut),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
            }
        }
    }
}

/// A `Status` object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) code: u16,
    pub(super) reason: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &'static str) -> Vec<Result<Option<String>, Failure>> {
        let mut lines = Lines::of(Body::from(text.as_bytes().to_vec()));
        let mut all = Vec::new();
        loop {
            let next = lines.next(Duration::from_secs(1)).await;
            let next = next.map(|line| line.map(|line| String::from_utf8_lossy(line).into_owned()));
            let last = !matches!(next, Ok(Some(_)));
            all.push(next);
            if last {
                return all;
            }
        }
    }

    #[tokio::test]
    async fn lines_are_lines_wherever_they_are_cut() {
        let some = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(lines("").await, [Ok(None)]);
        assert_eq!(lines("a\nbc\n").await, [some("a"), some("bc"), Ok(None)]);
        assert_eq!(lines("a\n\n").await, [some("a"), some(""), Ok(None)]);
    }

    #[tokio::test]
    async fn half_a_line_is_no_line() {
        assert_eq!(
            lines("a\nhal").await,
            [Ok(Some("a".to_owned())), Err(Failure::Cut)]
        );
    }

    #[test]
    fn a_code_says_what_to_do() {
        assert_eq!(Failure::of_code(410), Failure::Expired);
        assert_eq!(Failure::of_code(504), Failure::Server(504));
        assert_eq!(Failure::of_code(302), Failure::NotKubernetes);
    }
}
