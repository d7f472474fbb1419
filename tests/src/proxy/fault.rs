//! Which requests are interfered with, and how.

use std::time::Duration;

use serde_json::{Value, json};

use super::Recorded;

/// What happens to a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Something else answers.
    Answer {
        /// The status.
        status: u16,
        /// The media type of the body.
        content_type: &'static str,
        /// The body.
        body: String,
        /// `Retry-After`, in seconds.
        retry_after: Option<u32>,
    },
    /// The server's answer, broken off after so many bytes of its body.
    Cut {
        /// Bytes that still arrive.
        after: usize,
    },
    /// The server's answer, late.
    Stall(Duration),
    /// The connection closes without an answer.
    Kill,
    /// The server's list, with one item replaced.
    Item {
        /// The position, from 0.
        index: usize,
        /// What stands there instead.
        item: Value,
    },
}

impl Fault {
    /// 429, as from priority and fairness.
    pub fn too_many_requests(retry_after: u32) -> Self {
        Self::status(429, "TooManyRequests", Some(retry_after))
    }

    /// 503, as from a server that is going down.
    pub fn unavailable() -> Self {
        Self::status(503, "ServiceUnavailable", None)
    }

    /// 500, as when the store behind the server fails.
    pub fn internal_error() -> Self {
        Self::status(500, "InternalError", None)
    }

    /// 401, as for a token that has expired.
    pub fn unauthorized() -> Self {
        Self::status(401, "Unauthorized", None)
    }

    /// 403, as from an authorizer.
    pub fn forbidden() -> Self {
        Self::status(403, "Forbidden", None)
    }

    /// 404, as for a kind that is not installed.
    pub fn not_found() -> Self {
        Self::status(404, "NotFound", None)
    }

    /// 410, as for a continue token that is older than the store's history.
    pub fn expired() -> Self {
        Self::status(410, "Expired", None)
    }

    /// A page for humans, as from a load balancer, a captive portal or a login form.
    pub fn html(status: u16) -> Self {
        let body = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><h1>Sign in</h1></body></html>\n";
        Self::Answer {
            status,
            content_type: "text/html; charset=utf-8",
            body: body.to_owned(),
            retry_after: None,
        }
    }

    fn status(code: u16, reason: &str, retry_after: Option<u32>) -> Self {
        let body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": format!("{reason}, says the test"),
            "reason": reason,
            "code": code,
        });
        Self::Answer {
            status: code,
            content_type: "application/json",
            body: body.to_string(),
            retry_after,
        }
    }
}

/// A fault and the requests that it is for: those that meet every condition.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    prefix: String,
    resource: Option<String>,
    query: String,
    skip: usize,
    times: Option<usize>,
}

impl Rule {
    /// A rule for every request.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            prefix: String::new(),
            resource: None,
            query: String::new(),
            skip: 0,
            times: None,
        }
    }

    /// Only paths that begin so.
    #[must_use]
    pub fn path(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// Only lists of this resource, in one namespace or in all: paths that end in `/pods`.
    #[must_use]
    pub fn resource(mut self, plural: &str) -> Self {
        self.resource = Some(format!("/{plural}"));
        self
    }

    /// Only queries that contain this: `continue=` for all pages but the first.
    #[must_use]
    pub fn query(mut self, part: &str) -> Self {
        part.clone_into(&mut self.query);
        self
    }

    /// Not the first so many of these requests.
    #[must_use]
    pub fn skip(mut self, count: usize) -> Self {
        self.skip = count;
        self
    }

    /// No more than so many of these requests.
    #[must_use]
    pub fn times(mut self, count: usize) -> Self {
        self.times = Some(count);
        self
    }

    /// The fault for this request, which is counted.
    pub(super) fn apply(&mut self, request: &Recorded) -> Option<Fault> {
        let meant = request.path.starts_with(&self.prefix)
            && self
                .resource
                .as_ref()
                .is_none_or(|end| request.path.ends_with(end))
            && request.query.contains(&self.query);
        if !meant {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        if let Some(times) = &mut self.times {
            *times = times.checked_sub(1)?;
        }
        Some(self.fault.clone())
    }
}
