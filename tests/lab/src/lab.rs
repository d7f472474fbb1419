//! A running lab.

mod cluster;
mod lifecycle;
mod raise;
mod settle;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow};
use ipnet::{Ipv4Net, Ipv6Net};

use crate::host::Host;
use crate::network::{self, wiring};
use crate::spec::{HostName, Spec};
use crate::state::{Holder, RunFolder};
use crate::tls::Authority;

/// A running lab.
pub struct Lab {
    spec: Spec,
    logs: PathBuf,
    folder: RunFolder,
    holders: BTreeMap<HostName, Holder>,
    /// What ends the lab with this value; none if the lab is to stay.
    owner: Option<Owner>,
    /// Whether somebody will want to read the logs of an owned lab after its end.
    keep_logs: AtomicBool,
}

/// The process that clears up in the end, and the pipe that says when.
struct Owner {
    guard: Child,
    pipe: Option<ChildStdin>,
}

/// One line of `lab status`.
#[derive(Debug, Clone)]
pub struct Running {
    /// Tells it from others.
    pub name: String,
    /// What was asked for; unknown if it died while it was being set up.
    pub spec: Option<Spec>,
    /// Whether the processes are there. If not, `down` clears away what a killed run left.
    pub alive: bool,
    /// The folder with its logs, if that is known.
    pub logs: Option<PathBuf>,
}

impl Lab {
    /// What was asked for.
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The folder of this run: every log, every command.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// A folder on the machine for notes about this lab that have to outlive this process. It ends with the lab.
    pub fn notes(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the logs of an owned lab when it ends. Errors of this type do that by themselves.
    pub fn keep_logs(&self) {
        self.keep_logs.store(true, Ordering::Relaxed);
    }

    /// An error that names the folder with the logs, and keeps it.
    pub fn failure(&self, text: &str) -> Error {
        self.keep_logs();
        anyhow!("{text}\nthe logs are in {}", self.logs.display())
    }

    /// One of the hosts.
    pub const fn host(&self, name: HostName) -> Host<'_> {
        Host::new(self, name)
    }

    /// Node 1 and so on.
    pub fn nodes(&self) -> impl Iterator<Item = HostName> + use<> {
        (1..=self.spec.nodes).map(HostName::Node)
    }

    /// All hosts, the nodes last.
    pub fn hosts(&self) -> impl Iterator<Item = HostName> + use<> {
        self.spec.hosts()
    }

    /// The IPv4 address of a host.
    pub const fn address(&self, host: HostName) -> Ipv4Addr {
        network::address(host)
    }

    /// The IPv6 address of a host; it has one only with [`Spec::dual_stack`].
    pub const fn address6(&self, host: HostName) -> Ipv6Addr {
        network::address6(host)
    }

    /// The IPv4 pod range of a node.
    pub fn pod_cidr(&self, node: u8) -> Ipv4Net {
        network::pod_cidr(node)
    }

    /// The IPv6 pod range of a node; it has one only with [`Spec::dual_stack`].
    pub fn pod_cidr6(&self, node: u8) -> Ipv6Net {
        network::pod_cidr6(node)
    }

    /// Lays the overlay of a node anew: tunnel device, forwarding entries, neighbours, routes, masquerading. Heals most of
    /// what can be done to them. The script stays on the node, for faults that lay it wrong.
    pub fn lay_overlay(&self, node: u8) -> Result<()> {
        let host = self.host(HostName::Node(node));
        let file = wiring::OVERLAY_FILE;
        host.write(file, &wiring::overlay(&self.spec, node))?;
        host.run(&format!("sh -e {file}")).map(drop)
    }

    /// Signs what the cluster trusts, for faults that replace a certificate. Those of a host are in `/etc/kubernetes/pki`
    /// there.
    pub fn authority(&self) -> Result<Authority> {
        crate::control_plane::authority(self)
    }

    /// Polls until there is a value. The error says what was waited for, with the last error of the attempts, and names
    /// the folder with the logs.
    pub fn wait<T>(
        &self,
        what: &str,
        patience: Duration,
        mut attempt: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let start = Instant::now();
        // An attempt that fails is no failure of the lab if a later one succeeds.
        let kept = self.keep_logs.load(Ordering::Relaxed);
        loop {
            let last = match attempt() {
                Ok(Some(value)) => {
                    self.keep_logs.store(kept, Ordering::Relaxed);
                    return Ok(value);
                }
                Ok(None) => String::new(),
                Err(error) => format!("; the last error was: {error:#}"),
            };
            if start.elapsed() > patience {
                let seconds = patience.as_secs();
                return Err(self.failure(&format!("waited {seconds} s for {what}{last}")));
            }
            thread::sleep(Duration::from_millis(25));
        }
    }

    pub(crate) fn holder(&self, host: HostName) -> Holder {
        // All hosts of the spec are looked up before there is a value of this type. Asking for another one gets an id
        // that no process has, and so an error from whatever is done with it.
        self.holders.get(&host).copied().unwrap_or(Holder {
            outside: 0,
            inside: 0,
        })
    }

    /// Runs something for each of these hosts at the same time. The first error in the order of hosts counts.
    pub(crate) fn on_each(
        &self,
        hosts: impl Iterator<Item = HostName>,
        act: impl Fn(Host<'_>) -> Result<()> + Sync,
    ) -> Result<()> {
        let act = &act;
        thread::scope(|scope| {
            let running: Vec<_> = hosts
                .map(|host| (host, scope.spawn(move || act(self.host(host)))))
                .collect();
            let mut outcome = Ok(());
            for (host, thread) in running {
                let one = thread
                    .join()
                    .unwrap_or_else(|_| Err(anyhow!("a thread panicked")))
                    .with_context(|| format!("on {host}"));
                outcome = outcome.and(one);
            }
            outcome
        })
    }
}
