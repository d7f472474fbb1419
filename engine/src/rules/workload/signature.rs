//! What the last words of a container say about the network. Log lines may hold credentials: only a port, or the host
//! and port of a connection, ever leaves this module.

use crate::{context::Context, model::Service};
use std::net::IpAddr;

/// A network fault that a log line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rules) enum Signature {
    /// Another process listens on the port.
    AddressInUse(Option<u16>),
    /// Listening on a port below 1024 was not permitted.
    PermissionDenied(u16),
    /// A name could not be resolved.
    NameLookup(Option<String>),
    /// A connection was refused.
    Refused(Option<Target>),
    /// A connection timed out.
    TimedOut(Option<Target>),
    /// `CoreDNS` found that its queries come back to it.
    ForwardingLoop,
}

/// Where a connection went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rules) struct Target {
    pub host: String,
    pub port: u16,
}

/// The last line that names a network fault.
pub(in crate::rules) fn signature(text: &str) -> Option<Signature> {
    text.lines().rev().find_map(of_line)
}

fn of_line(line: &str) -> Option<Signature> {
    let lower = line.to_ascii_lowercase();
    let any = |patterns: &[&str]| {
        let found = patterns.iter().filter_map(|pattern| lower.find(pattern));
        found.min()
    };
    if lower.contains("plugin/loop: loop") {
        return Some(Signature::ForwardingLoop);
    }
    let in_use = ["address already in use", "eaddrinuse", "was already in use"];
    if any(&in_use).is_some() {
        return Some(Signature::AddressInUse(listen_port(line)));
    }
    if any(&["permission denied", "eacces"]).is_some() && any(&["bind", "listen"]).is_some() {
        return listen_port(line)
            .filter(|port| *port < 1024)
            .map(Signature::PermissionDenied);
    }
    let lookup = [
        "no such host",
        "enotfound",
        "eai_again",
        "name or service not known",
        "temporary failure in name resolution",
        "server misbehaving",
        "unknownhostexception",
        "could not translate host name",
        "name does not resolve",
    ];
    if let Some(at) = any(&lookup) {
        return Some(Signature::NameLookup(looked_up(line, at)));
    }
    if let Some(at) = any(&["connection refused", "econnrefused"]) {
        return Some(Signature::Refused(target(line, at)));
    }
    let timeouts = [
        "i/o timeout",
        "etimedout",
        "connection timed out",
        "connect timed out",
    ];
    any(&timeouts).map(|at| Signature::TimedOut(target(line, at)))
}

fn words(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | ')' | ',' | '=' | ';'))
        .map(|word| word.trim_end_matches(['.', ':']))
        .filter(|word| !word.is_empty())
}

/// The port of a listening address (`:80`, `0.0.0.0:80`, `[::]:80`), or the number after the word `port`.
fn listen_port(line: &str) -> Option<u16> {
    let mut after_port = false;
    for word in words(line) {
        if after_port && let Ok(port @ 1..) = word.parse() {
            return Some(port);
        }
        after_port = word.eq_ignore_ascii_case("port");
        let Some((host, port)) = word.rsplit_once(':') else {
            continue;
        };
        let any_address = matches!(host, "" | "*" | "::" | "localhost")
            || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if let (true, Ok(port @ 1..)) = (any_address, port.parse()) {
            return Some(port);
        }
    }
    None
}

/// The connection that a line speaks of: the last one before the complaint, else the first one after it.
fn target(line: &str, complaint: usize) -> Option<Target> {
    // Lower-casing ASCII keeps positions.
    let (before, after) = (line.get(..complaint)?, line.get(complaint..)?);
    words(before)
        .rev()
        .find_map(host_and_port)
        .or_else(|| words(after).find_map(host_and_port))
}

fn host_and_port(word: &str) -> Option<Target> {
    let word = word.rsplit("->").next()?;
    let word = word.split_once("://").map_or(word, |(_, rest)| rest);
    let word = word.split('/').next()?;
    let word = word.rsplit('@').next()?;
    let (host, port) = word.rsplit_once(':')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let host = host.trim_matches(['[', ']']);
    (host.parse::<IpAddr>().is_ok() || is_name(host)).then(|| Target {
        host: host.to_owned(),
        port,
    })
}

/// A DNS name, not the name of a source file with a line number behind it.
fn is_name(host: &str) -> bool {
    const SOURCES: &[&str] = &[
        "go", "js", "ts", "mjs", "py", "java", "rb", "rs", "c", "cc", "cpp", "php", "kt", "scala",
        "cs",
    ];
    let mut labels = host.split('.');
    let last = host.rsplit('.').next().unwrap_or_default();
    host.contains(|c: char| c.is_ascii_alphabetic())
        && !SOURCES.contains(&last)
        && labels.all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// The name after `lookup`, `ENOTFOUND` and the like.
fn looked_up(line: &str, complaint: usize) -> Option<String> {
    let mut wanted = false;
    for word in words(line.get(..complaint)?).chain(words(line.get(complaint..)?)) {
        if wanted && is_name(word) {
            return Some(word.to_owned());
        }
        wanted = matches!(
            word.to_ascii_lowercase().as_str(),
            "lookup" | "enotfound" | "eai_again" | "name"
        ) || word.ends_with("UnknownHostException");
    }
    None
}

impl Signature {
    /// What happened, for a message.
    pub(in crate::rules) fn describe(&self, cx: &Context<'_>, namespace: &str) -> String {
        let to = |target: &Option<Target>| match target {
            Some(target) if is_public(cx, namespace, &target.host) => {
                format!("`{}:{}`", target.host, target.port)
            }
            Some(target) => format!("port {}", target.port),
            None => "another host".to_owned(),
        };
        match self {
            Self::AddressInUse(Some(port)) => format!("port {port} is already in use"),
            Self::AddressInUse(None) => "the address it listens on is already in use".to_owned(),
            Self::PermissionDenied(port) => {
                format!("it may not listen on port {port} (permission denied)")
            }
            Self::NameLookup(Some(name)) if is_public(cx, namespace, name) => {
                format!("the name `{name}` cannot be resolved")
            }
            Self::NameLookup(_) => "a name cannot be resolved".to_owned(),
            Self::Refused(target) => format!("a connection to {} is refused", to(target)),
            Self::TimedOut(target) => format!("a connection to {} times out", to(target)),
            Self::ForwardingLoop => "DNS queries are forwarded in a loop".to_owned(),
        }
    }
}

/// Whether a host may be printed: an address, or a name that can only be a host name. `admin:1234` has the shape of a
/// host and port too.
fn is_public(cx: &Context<'_>, namespace: &str, host: &str) -> bool {
    host.parse::<IpAddr>().is_ok()
        || host == "localhost"
        || host.matches('.').count() >= 2
        || service(cx, namespace, host).is_some()
}

/// The Service that a host name means in a namespace: `db`, `db.shop`, `db.shop.svc…`.
pub(in crate::rules) fn service<'a>(
    cx: &Context<'a>,
    namespace: &str,
    host: &str,
) -> Option<&'a Service> {
    let mut labels = host.split('.');
    let name = labels.next()?;
    let of = labels.next().unwrap_or(namespace);
    if labels.next().is_some_and(|label| label != "svc") {
        return None;
    }
    cx.snapshot.objects.services.named(of, name).first()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, port: u16) -> Target {
        Target {
            host: host.to_owned(),
            port,
        }
    }

    #[test]
    fn servers_that_cannot_listen() {
        for line in [
            "listen tcp :8080: bind: address already in use",
            "[emerg] 1#1: bind() to 0.0.0.0:8080 failed (98: Address already in use)",
            "Error: listen EADDRINUSE: address already in use :::8080",
            "Web server failed to start. Port 8080 was already in use.",
        ] {
            assert_eq!(
                signature(line),
                Some(Signature::AddressInUse(Some(8080))),
                "{line}"
            );
        }
        let java = "java.net.BindException: Address already in use";
        assert_eq!(signature(java), Some(Signature::AddressInUse(None)));
        for line in [
            "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)",
            "Error: listen EACCES: permission denied 0.0.0.0:80",
            "listen tcp :80: bind: permission denied",
        ] {
            assert_eq!(
                signature(line),
                Some(Signature::PermissionDenied(80)),
                "{line}"
            );
        }
        assert_eq!(signature("listen tcp :8080: bind: permission denied"), None);
        assert_eq!(signature("open /data: permission denied"), None);
    }

    #[test]
    fn clients_that_cannot_connect() {
        for line in [
            "main.go:42: dial tcp 10.0.0.1:5432: connect: connection refused",
            "Get \"http://api:80/x\": dial tcp 10.0.0.1:5432: connect: connection refused",
            "Error: connect ECONNREFUSED 10.0.0.1:5432",
        ] {
            assert_eq!(
                signature(line),
                Some(Signature::Refused(Some(target("10.0.0.1", 5432)))),
                "{line}"
            );
        }
        let timeout = "read tcp 10.1.1.1:43210->10.2.2.2:443: i/o timeout";
        assert_eq!(
            signature(timeout),
            Some(Signature::TimedOut(Some(target("10.2.2.2", 443))))
        );
        let java = "at Main.java:17 Connection refused";
        assert_eq!(signature(java), Some(Signature::Refused(None)));
    }

    #[test]
    fn names_that_do_not_resolve() {
        for line in [
            "dial tcp: lookup db.shop.svc on 10.96.0.10:53: no such host",
            "Error: getaddrinfo ENOTFOUND db.shop.svc",
            "could not translate host name \"db.shop.svc\" to address: Name or service not known",
        ] {
            let expected = Signature::NameLookup(Some("db.shop.svc".to_owned()));
            assert_eq!(signature(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn the_last_complaint_counts_and_ordinary_lines_say_nothing() {
        let text = "dial tcp 10.0.0.1:1: connect: connection refused\nlisten tcp :80: bind: address already in use\nbye";
        assert_eq!(signature(text), Some(Signature::AddressInUse(Some(80))));
        assert_eq!(signature("12:00:00 started, 0 errors"), None);
        assert_eq!(signature(""), None);
        let multibyte = "ärger äöü connection refused";
        assert_eq!(signature(multibyte), Some(Signature::Refused(None)));
    }

    #[test]
    fn credentials_are_no_host() {
        let line = "postgres://admin:5ecret@db.shop.svc:5432/app: connection refused";
        assert_eq!(
            signature(line),
            Some(Signature::Refused(Some(target("db.shop.svc", 5432))))
        );
    }
}
