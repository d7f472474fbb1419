//! Logs: one JSON object per line on standard output, with the uid of the request and its trace context.
//!
//! What objects contain never gets here: kind, namespace, name and uid are all that is said about them. Not even the
//! message of a panic is logged, since it may quote what was being read; its place in the source is enough.
//!
//! Whoever logs does not wait for whoever reads: lines that are not taken in time are dropped, and counted.

use axum::http::HeaderMap;
use std::panic;
use tracing_subscriber::{EnvFilter, fmt};

mod lines;

pub use lines::{Flush, dropped};

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// One JSON object per line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// The client's crate says of every single request that it failed, some ten lines a second while the API server is away.
/// Whoever asked says so once, in words of its own.
const CLIENT: &str = "kube_client";

/// Starts logging for the whole process, until the end of which the result is kept.
///
/// `filter` is a level or a list of `target=level`.
///
/// # Errors
/// When the filter cannot be read, or something else in the process already logs.
pub fn start(filter: &str, format: Format) -> anyhow::Result<Flush> {
    let (lines, flush) = lines::Lines::to(std::io::stdout(), dropped())?;
    let builder = fmt().with_env_filter(quieter(filter)?).with_writer(lines);
    let started = match format {
        Format::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
        Format::Text => builder.try_init(),
    };
    started.map_err(|error| anyhow::anyhow!(error))?;
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        tracing::error!(place, "panic");
    }));
    Ok(flush)
}

/// The filter, with nothing of the client's crate unless it is asked for.
fn quieter(filter: &str) -> anyhow::Result<EnvFilter> {
    let parsed: EnvFilter = filter.parse()?;
    if filter.contains(CLIENT) {
        return Ok(parsed);
    }
    Ok(parsed.add_directive(format!("{CLIENT}=off").parse()?))
}

/// Where a request comes from, in the words of W3C Trace Context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: String,
    parent_id: String,
}

impl TraceContext {
    /// Reads `traceparent`. A header that breaks the rules is treated as absent, as the specification asks.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let header = values.next()?.to_str().ok()?;
        if values.next().is_some() {
            return None;
        }
        let mut parts = header.splitn(4, '-');
        let (version, trace_id) = (parts.next()?, parts.next()?);
        let (parent_id, flags) = (parts.next()?, parts.next()?);
        // Later versions may add parts after the flags; version 00 may not, and ff is forbidden.
        let flags = if version == "00" {
            flags
        } else {
            flags.split('-').next()?
        };
        let sound = is_hex(version, 2)
            && version != "ff"
            && is_identifier(trace_id, 32)
            && is_identifier(parent_id, 16)
            && is_hex(flags, 2);
        sound.then(|| Self {
            trace_id: trace_id.to_owned(),
            parent_id: parent_id.to_owned(),
        })
    }

    /// 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// 16 hexadecimal digits: the caller's span.
    pub fn parent_id(&self) -> &str {
        &self.parent_id
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_identifier(text: &str, length: usize) -> bool {
    is_hex(text, length) && text.bytes().any(|b| b != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn read(values: &[&str]) -> Option<TraceContext> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", HeaderValue::from_str(value).unwrap());
        }
        TraceContext::of(&headers)
    }

    #[test]
    fn reads_the_trace_context_of_the_specification() {
        let context = read(&["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]).unwrap();
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(context.parent_id(), "00f067aa0ba902b7");
        let later = read(&["cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes"]);
        assert_eq!(later, Some(context), "later versions may say more");
    }

    #[test]
    fn the_client_is_quiet_unless_it_is_asked_for() {
        for (filter, wanted) in [
            ("info", "kube_client=off,info"),
            ("warn,kube_client=debug", "kube_client=debug,warn"),
            ("kube_client::client=trace", "kube_client::client=trace"),
        ] {
            assert_eq!(quieter(filter).unwrap().to_string(), wanted);
        }
        assert!(quieter("loud=very").is_err());
    }

    #[test]
    fn treats_what_breaks_the_rules_as_absent() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(read(&[]), None);
        assert_eq!(read(&[good, good]), None);
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x",
        ] {
            assert_eq!(read(&[bad]), None, "{bad}");
        }
    }
}
