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
}

impl Mentions {
    /// Whether the number stands in one of the texts.
    pub fn port(&self, port: i32) -> bool {
        u16::try_from(port).is_ok_and(|port| self.ports.binary_search(&port).is_ok())
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty() && self.hosts.is_empty() && self.names.is_empty()
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
        }
        collector.finish()
    }
}

/// Large data (dashboards, scripts) would otherwise fill the snapshot with every number below 65536.
const MOST_TOKENS: usize = 4096;

#[derive(Default)]
struct Collector {
    ports: BTreeSet<u16>,
    hosts: BTreeSet<Text>,
    names: BTreeSet<Text>,
}

impl Collector {
    fn read(&mut self, text: &str) {
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

    fn numbers(&mut self, word: &str) {
        for digits in word.split(|c: char| !c.is_ascii_digit()) {
            if digits.is_empty() || digits.len() > 5 || self.ports.len() >= MOST_TOKENS {
                continue;
            }
            if let Ok(port @ 1..) = digits.parse::<u16>() {
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
        assert_eq!(mentions.hosts, ["db.shop.svc.cluster.local".into()]);
        assert_eq!(mentions.names, ["cart".into()]);
    }

    #[test]
    fn public_names_are_not_cluster_names() {
        let mentions = Mentions::of(["https://api.example.com/v1", "registry.example.org"]);
        assert!(mentions.hosts.is_empty() && mentions.names.is_empty());
    }
}
