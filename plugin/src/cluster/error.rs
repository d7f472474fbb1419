//! Why the cluster could not be asked, or gave no usable answer: one sentence each, in kubectl's words
//! where people know them, with what to do about it.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::terminal::sanitize_line;

mod cause;

pub(crate) use cause::{Cause, ConnectFailure};

/// Exit code of a run that could not be completed.
pub(crate) const COULD_NOT_COMPLETE: u8 = 3;

/// Why there is no client. `Display` is the whole line for standard error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// `--kubeconfig` names a file that does not exist.
    #[error("error: stat {}: no such file or directory", .0.display())]
    KubeconfigMissing(PathBuf),
    /// A kubeconfig file that cannot be read or understood.
    #[error("error: error loading config file \"{}\": {reason}", .path.display())]
    KubeconfigUnreadable { path: PathBuf, reason: String },
    /// The kubeconfig contradicts itself; kubectl's list of what is wrong.
    #[error("Error in configuration: {}", one_or_list(.0))]
    Configuration(Vec<String>),
    /// Flags or files that cannot be used.
    #[error("error: {0}")]
    Invalid(String),
    /// Nothing says where the API server is.
    #[error("error: no configuration has been provided: {}; name a file with --kubeconfig, or check files with lint", looked_at(.0))]
    NoConfiguration(Vec<PathBuf>),
    /// A credential plugin did not deliver.
    #[error("Unable to connect to the server: getting credentials: {0}")]
    Credentials(String),
}

fn one_or_list(problems: &[String]) -> String {
    match problems {
        [problem] => problem.clone(),
        _ => problems.iter().fold(String::new(), |list, problem| {
            format!("{list}\n* {problem}")
        }),
    }
}

fn looked_at(paths: &[PathBuf]) -> String {
    if paths.is_empty() {
        return "KUBECONFIG and HOME are not set".to_owned();
    }
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let verb = if paths.len() == 1 {
        "does not exist or is empty"
    } else {
        "do not exist or are empty"
    };
    format!("{} {verb}", paths.join(" and "))
}

/// Why a request has no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ApiError {
    /// 404: the object or the kind does not exist.
    NotFound { message: String },
    /// 403: the user may not read this.
    Forbidden { message: String },
    /// 401: the server does not know who asks.
    Unauthorized { message: String },
    /// 410: the continue token is too old; the list must start again.
    Gone { message: String },
    /// 429 until the time for the page was over.
    TooManyRequests {
        message: String,
        retry_after: Option<Duration>,
    },
    /// 5xx.
    Server { status: u16, message: String },
    /// Any other status that is not a success.
    Status { status: u16, message: String },
    /// No complete answer in time.
    Timeout { server: String, after: Duration },
    /// The answer ended before it was complete.
    Cut { server: String },
    /// Something that is not an API server answered, with a web page as a rule.
    NotJson {
        server: String,
        status: u16,
        content_type: String,
    },
    /// No connection.
    Connect(ConnectFailure),
}

impl ApiError {
    /// Whether asking for something else would fail in the same way, so that the run ends here.
    pub(crate) fn ends_the_run(&self) -> bool {
        match self {
            Self::Unauthorized { .. } | Self::NotJson { .. } | Self::Connect(_) => true,
            Self::NotFound { .. }
            | Self::Forbidden { .. }
            | Self::Gone { .. }
            | Self::TooManyRequests { .. }
            | Self::Server { .. }
            | Self::Status { .. }
            | Self::Timeout { .. }
            | Self::Cut { .. } => false,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { message } => write!(
                f,
                "Error from server (NotFound): {}",
                sanitize_line(message)
            ),
            Self::Forbidden { message } => write!(
                f,
                "Error from server (Forbidden): {}",
                sanitize_line(message)
            ),
            Self::Unauthorized { message } => write!(
                f,
                "error: You must be logged in to the server ({}); renew the credentials of this context, or choose \
                 another with --context",
                sanitize_line(message)
            ),
            Self::Gone { message } => {
                write!(f, "Error from server (Expired): {}", sanitize_line(message))
            }
            Self::TooManyRequests { message, .. } => {
                write!(
                    f,
                    "Error from server (TooManyRequests): {}; try again later",
                    sanitize_line(message)
                )
            }
            Self::Server { status, message } | Self::Status { status, message } => {
                write!(
                    f,
                    "Error from server: {} (HTTP {status})",
                    sanitize_line(message)
                )
            }
            Self::Timeout { server, after } => write!(
                f,
                "Unable to connect to the server: {server} gave no complete answer within {}; the server or the \
                 network to it is overloaded",
                show_duration(*after)
            ),
            Self::Cut { server } => write!(
                f,
                "Unable to connect to the server: {server} ended its answer before it was complete; try again, and \
                 look at the server or the proxy in front of it if it happens again"
            ),
            Self::NotJson {
                server,
                status,
                content_type,
            } => write!(
                f,
                "Unable to connect to the server: {server} answered with {} (HTTP {status}) where an API server \
                 answers JSON; check the server address, or log in to the proxy in front of it",
                sanitize_line(content_type)
            ),
            Self::Connect(failure) => failure.fmt(f),
        }
    }
}

impl Error for ApiError {}

/// `10s`, `1m30s` or `250ms`.
fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, 0) => format!("{}ms", duration.as_millis()),
        (0, seconds) => format!("{seconds}s"),
        (minutes, 0) => format!("{minutes}m"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests;
