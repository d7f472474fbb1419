//! What kind of cluster a lab is.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, bail, ensure};

/// What is particular about a lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Tells labs on one machine apart: lower-case letters, digits and hyphens, at most 16 of them.
    pub name: String,
    /// How many nodes run pods, from 1 to 9. The control plane is a host of its own and runs none.
    pub nodes: u8,
    /// How packets between pods of different nodes travel.
    pub overlay: Overlay,
    /// How kube-proxy programs Services.
    pub proxy: ProxyMode,
    /// IPv6 beside IPv4, for pods, nodes and Services.
    pub dual_stack: bool,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            name: "lab".to_owned(),
            nodes: 3,
            overlay: Overlay::Vxlan,
            proxy: ProxyMode::Iptables,
            dual_stack: false,
        }
    }
}

impl Spec {
    /// The same with another name, if that can be one.
    pub fn named(mut self, name: &str) -> Result<Self, Error> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            (1..=16).contains(&name.len())
                && name.chars().all(allowed)
                && !name.starts_with('-')
                && !name.ends_with('-'),
            "`{name}` cannot be the name of a lab: it takes 1 to 16 lower-case letters, digits and hyphens"
        );
        name.clone_into(&mut self.name);
        Ok(self)
    }

    /// Whether there can be such a lab.
    pub(crate) fn check(&self) -> Result<(), Error> {
        ensure!(
            (1..=9).contains(&self.nodes),
            "a lab has 1 to 9 nodes, not {}",
            self.nodes
        );
        self.clone().named(&self.name).map(drop)
    }

    /// All hosts, the nodes last.
    pub fn hosts(&self) -> impl Iterator<Item = HostName> + use<> {
        let others = [HostName::Switch, HostName::ControlPlane, HostName::Internet];
        others
            .into_iter()
            .chain((1..=self.nodes).map(HostName::Node))
    }
}

impl fmt::Display for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name: _,
            nodes,
            overlay,
            proxy,
            dual_stack,
        } = self;
        write!(f, "--nodes {nodes} --overlay {overlay} --proxy {proxy}")?;
        if *dual_stack {
            f.write_str(" --dual-stack")?;
        }
        Ok(())
    }
}

/// How packets between pods of different nodes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlay {
    /// In VXLAN, as flannel's default backend lays it out: VNI 1, UDP port 8472, MTU 1450.
    Vxlan,
    /// Routed between nodes as they are, as flannel's `host-gw` backend does.
    HostGw,
}

/// How kube-proxy programs Services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyMode {
    /// `mode: iptables`
    Iptables,
    /// `mode: nftables`
    Nftables,
}

/// One machine of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostName {
    /// The wires between all others: bridges, and forwards to the internet host. A provider's firewall is here.
    Switch,
    /// etcd, API server, controller manager, scheduler.
    ControlPlane,
    /// A host outside of the cluster: a web server and the upstream DNS.
    Internet,
    /// A node, counted from 1.
    Node(u8),
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch => f.write_str("switch"),
            Self::ControlPlane => f.write_str("control-plane"),
            Self::Internet => f.write_str("internet"),
            Self::Node(number) => write!(f, "node-{number}"),
        }
    }
}

macro_rules! words {
    ($type:ty, $what:literal, $($word:literal => $value:expr),+) => {
        impl FromStr for $type {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                match text {
                    $($word => Ok($value),)+
                    _ => bail!(concat!("`{}` is not ", $what, "; there is ", $($word, " "),+), text),
                }
            }
        }
    };
}

impl fmt::Display for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vxlan => "vxlan",
            Self::HostGw => "host-gw",
        })
    }
}

impl fmt::Display for ProxyMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Iptables => "iptables",
            Self::Nftables => "nftables",
        })
    }
}

words!(Overlay, "an overlay", "vxlan" => Self::Vxlan, "host-gw" => Self::HostGw);
words!(ProxyMode, "a mode of kube-proxy", "iptables" => Self::Iptables, "nftables" => Self::Nftables);

impl FromStr for HostName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let node = || text.strip_prefix("node-")?.parse::<u8>().ok();
        match text {
            "switch" => Ok(Self::Switch),
            "control-plane" => Ok(Self::ControlPlane),
            "internet" => Ok(Self::Internet),
            _ => match node() {
                Some(number @ 1..=9) => Ok(Self::Node(number)),
                _ => bail!(
                    "no host is called `{text}`; there is node-1 and so on, control-plane, switch, internet"
                ),
            },
        }
    }
}
