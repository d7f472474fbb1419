//! What a text says about the network, without the text: numbers that may be ports, and names of cluster hosts.

use super::Text;
use serde::Deserialize;
use std::collections::BTreeSet;

/// Tokens found in arguments, environment values and configuration data.
///
/// The texts themselves may hold credentials, so they are dropped while decoding and only these tokens stay: a rule
/// can tell that `--listen :8080` names port 8080, a reader of a bundle learns nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(default)]
pub struct Mentions {
    /// Numbers from 1 to 65535 that stand alone in the text, sorted.
    pub ports: Vec<u16>,
    /// Host names that can only mean a cluster Service (`db.shop.svc`, `db.shop.svc.cluster.local`), sorted.
    pub hosts: Vec<Text>,
    /// Words that look like short Service names in an address position (`http://db:5432`, `db:5432`), sorted.
    pub names: Vec<Text>,
    /// Those of a short list of flags that are set, without dashes and values (`watch-ingress-without-class`), sorted.
    pub flags: Vec<Text>,
}

/// Flags that rules read: how an ingress controller treats Ingresses and classes. A flag set to `false` is not kept.
const READ_FLAGS: &[&str] = &[
    "watch-ingress-without-class",
    "providers.kubernetesingress.ingressclass",
    "ingress-class",
    "ingress-class-name",
    "ingress.class",
];

impl Mentions {
    /// Whether one of the flags that rules read is set. The name is lower case, without dashes.
    pub fn flag(&self, name: &str) -> bool {
        self.flags.iter().any(|flag| **flag == *name)
    }

    /// Whether the number stands in one of the texts.
    pub fn port(&self, port: i32) -> bool {
        u16::try_from(port).is_ok_and(|port| self.ports.binary_search(&port).is_ok())
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty()
            && self.hosts.is_empty()
            && self.names.is_empty()
            && self.flags.is_empty()
    }

    /// Reads every text and keeps the tokens.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut collector = Collector::default();
        for text in texts {
            collector.read(text);
        }
        collector.finish()
    }

    /// Joins two sets of tokens.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        let mut collector = Collector::default();
        for mentions in [self, other] {
            collector.ports.extend(mentions.ports);
            collector.hosts.extend(mentions.hosts);
            collector.names.extend(mentions.names);
            collector.flags.extend(mentions.flags);
        }
        collector.finish()
    }
}

/// Whether a variable or setting of this name holds a credential, so that not even numbers in it may be kept.
pub(crate) fn names_a_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    TELLTALES.iter().any(|telltale| name.contains(telltale))
}

/// Words in the names of settings that hold credentials.
pub(crate) const TELLTALES: [&str; 9] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "authorization",
    "credential",
];

/// Large data (dashboards, scripts) would otherwise fill the snapshot with every number below 65536.
const MOST_TOKENS: usize = 4096;

#[derive(Default)]
struct Collector {
    ports: BTreeSet<u16>,
    hosts: BTreeSet<Text>,
    names: BTreeSet<Text>,
    flags: BTreeSet<Text>,
}

impl Collector {
    fn read(&mut self, text: &str) {
        self.flags(text);
        for word in text.split(|c: char| {
            !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/'))
        }) {
            if word.is_empty() {
                continue;
            }
            self.numbers(word);
            self.addresses(word);
        }
    }

    fn flags(&mut self, text: &str) {
        // Flags are short; large configuration data is not searched for them word by word.
        if text.len() > 4096 || !text.contains("--") {
            return;
        }
        for word in text.split_whitespace() {
            let Some(flag) = word.trim_matches(['"', '\'']).strip_prefix("--") else {
                continue;
            };
            let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
            let name = name.to_ascii_lowercase();
            if value != "false" && READ_FLAGS.contains(&&*name) {
                self.flags.insert(name.into());
            }
        }
    }

    fn numbers(&mut self, word: &str) {
        let bytes = word.as_bytes();
        let mut end = 0;
        while let Some(start) = bytes[end..]
            .iter()
            .position(u8::is_ascii_digit)
            .map(|at| end + at)
        {
            let length = bytes[start..]
                .iter()
                .take_while(|b| b.is_ascii_digit())
                .count();
            end = start + length;
            // `v2` and `30s` are no ports; `-p8080` is one.
            let letter = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphabetic);
            let attached =
                letter(start.checked_sub(1).and_then(|at| bytes.get(at))) || letter(bytes.get(end));
            if length > 5 || attached && length < 4 || self.ports.len() >= MOST_TOKENS {
                continue;
            }
            if let Ok(port @ 1..) = word[start..end].parse::<u16>() {
                self.ports.insert(port);
            }
        }
    }

    fn addresses(&mut self, word: &str) {
        for part in word.split('/') {
            let (host, port) = part
                .split_once(':')
                .map_or((part, None), |(host, port)| (host, Some(port)));
            if host.is_empty() || !host.starts_with(|c: char| c.is_ascii_alphabetic()) {
                continue;
            }
            if self.hosts.len() + self.names.len() >= MOST_TOKENS {
                return;
            }
            if is_cluster_host(host) {
                self.hosts.insert(host.into());
            } else if port.is_some_and(|port| port.starts_with(|c: char| c.is_ascii_digit()))
                && is_label_path(host)
            {
                self.names.insert(host.into());
            }
        }
    }

    fn finish(self) -> Mentions {
        Mentions {
            ports: self.ports.into_iter().collect(),
            hosts: self.hosts.into_iter().collect(),
            names: self.names.into_iter().collect(),
            flags: self.flags.into_iter().collect(),
        }
    }
}

/// `NAME.NAMESPACE.svc`, with or without a cluster domain after it.
fn is_cluster_host(host: &str) -> bool {
    let mut parts = host.split('.');
    let named = parts.next().is_some_and(is_label) && parts.next().is_some_and(is_label);
    named
        && host.split('.').skip(2).any(|part| part == "svc")
        && host
            .split('.')
            .all(|part| is_label(part) || part.is_empty())
}

fn is_label_path(host: &str) -> bool {
    host.split('.').count() <= 2 && host.split('.').all(is_label)
}

fn is_label(part: &str) -> bool {
    !part.is_empty()
        && part.len() <= 63
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_hosts_and_names_are_found_and_nothing_else() {
        let mentions = Mentions::of([
            "--listen=:8080",
            "postgres://user:s3cret@db.shop.svc.cluster.local:5432/app",
            "http://cart:8000/health",
            "timeout 30s, 123456, v1.2.3",
        ]);
        assert!(mentions.port(8080) && mentions.port(5432) && mentions.port(8000));
        assert!(!mentions.port(12345));
        assert_eq!(mentions.hosts, ["db.shop.svc.cluster.local"]);
        assert_eq!(mentions.names, ["cart"]);
    }

    #[test]
    fn flags_that_rules_read_are_kept_without_their_values() {
        let mentions = Mentions::of([
            "--watch-ingress-without-class=true",
            "--providers.kubernetesIngress.ingressClass=traefik",
            "--ingress-class=false",
            "--password=s3cret",
        ]);
        assert_eq!(
            mentions.flags,
            [
                "providers.kubernetesingress.ingressclass",
                "watch-ingress-without-class"
            ]
        );
        assert!(mentions.flag("watch-ingress-without-class"));
    }

    #[test]
    fn public_names_are_not_cluster_names() {
        let mentions = Mentions::of(["https://api.example.com/v1", "registry.example.org"]);
        assert!(mentions.hosts.is_empty() && mentions.names.is_empty());
    }
}
