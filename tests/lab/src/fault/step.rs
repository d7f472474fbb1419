//! What is done to inject a fault or to heal it: a script on some hosts, a component stopped, objects changed.

mod raw;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

pub(super) use raw::Raw;

use super::certificate;
use super::variables::Variables;
use crate::{Host, HostName, Lab};

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What is done.
    pub action: Action,
    /// For how long it is repeated until it succeeds. Zero: it has to succeed at once.
    pub within: Duration,
}

/// What a step does. Scripts get the variables of [`Variables`] in their environment; elsewhere `${NAME}` is replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A shell script.
    Run(On, String),
    /// `kubectl ARGUMENT...`
    Kubectl(Vec<String>),
    /// `kubectl apply` of a manifest.
    Apply(String),
    /// `kubectl delete` of a manifest. What is not there is fine.
    Delete(String),
    /// Stops a component, `kubelet` for instance.
    Stop(On, String),
    /// Starts it.
    Start(On, String),
    /// Stops it and starts it.
    Restart(On, String),
    /// Replaces a certificate by one that has ended, `kubelet-client` or `kubelet-server`. The kubelet reads it when it
    /// is restarted.
    Expire(On, String),
    /// Replaces a certificate by a good one.
    Renew(On, String),
    /// Lays something anew that nodes have of the lab: `overlay`, that is tunnel, neighbours, routes, masquerading.
    Lay(On, String),
}

/// Where a step happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// On this host.
    Host(HostName),
    /// On the node that the fault is about.
    Node,
    /// On the other node, where it is about two.
    Peer,
    /// On every node.
    Nodes,
    /// On every node but the one it is about.
    Others,
}

impl On {
    /// The hosts meant.
    pub(super) fn hosts(self, variables: &Variables, lab: &Lab) -> Result<Vec<HostName>> {
        Ok(match self {
            Self::Host(host) => vec![host],
            Self::Node => vec![variables.node()?],
            Self::Peer => vec![variables.peer()?],
            Self::Nodes => lab.nodes().collect(),
            Self::Others => {
                let node = variables.node()?;
                lab.nodes().filter(|other| *other != node).collect()
            }
        })
    }
}

impl FromStr for On {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "node" => Self::Node,
            "peer" => Self::Peer,
            "nodes" => Self::Nodes,
            "others" => Self::Others,
            _ => Self::Host(text.parse().map_err(|_| {
                format!(
                    "`{text}` is nowhere: there are node, peer, nodes, others, control-plane, switch, internet, node-1 and so on"
                )
            })?),
        })
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => host.fmt(f),
            Self::Node => f.write_str("the node"),
            Self::Peer => f.write_str("the peer"),
            Self::Nodes => f.write_str("every node"),
            Self::Others => f.write_str("the other nodes"),
        }
    }
}

impl Step {
    /// Does it.
    pub(super) fn run(&self, lab: &Lab, variables: &Variables) -> Result<()> {
        if self.within.is_zero() {
            return self.once(lab, variables);
        }
        let mut last = None;
        let outcome = lab.wait(&self.to_string(), self.within, || {
            match self.once(lab, variables) {
                Ok(()) => Ok(Some(())),
                Err(error) => {
                    last = Some(error);
                    Ok(None)
                }
            }
        });
        // What it failed with says more than that it did not happen in time.
        outcome.with_context(|| last.map_or_else(|| self.to_string(), |error| format!("{error:#}")))
    }

    fn once(&self, lab: &Lab, variables: &Variables) -> Result<()> {
        match &self.action {
            Action::Run(on, script) => on.each(lab, variables, |host| {
                let variables = variables.of_scripts(host.name());
                host.run_with(script, &variables).map(drop)
            }),
            Action::Kubectl(arguments) => {
                let arguments: Vec<String> = arguments
                    .iter()
                    .map(|text| variables.expand(text))
                    .collect::<Result<_>>()?;
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let output = lab.kubectl(&arguments)?;
                ensure!(
                    output.code == 0,
                    "exit code {}: {}{}",
                    output.code,
                    output.stdout,
                    output.stderr
                );
                Ok(())
            }
            Action::Apply(manifest) => lab.apply(&variables.expand(manifest)?),
            Action::Delete(manifest) => lab.delete(&variables.expand(manifest)?),
            Action::Stop(on, component) => on.each(lab, variables, |host| host.stop(component)),
            Action::Start(on, component) => on.each(lab, variables, |host| host.start(component)),
            Action::Restart(on, component) => {
                on.each(lab, variables, |host| host.restart(component))
            }
            Action::Expire(on, which) => on.each(lab, variables, |host| {
                certificate::replace(lab, host, which, true)
            }),
            Action::Renew(on, which) => on.each(lab, variables, |host| {
                certificate::replace(lab, host, which, false)
            }),
            Action::Lay(on, _) => on.each(lab, variables, |host| match host.name() {
                HostName::Node(number) => lab.lay_overlay(number),
                other => bail!("{other} is no part of the overlay"),
            }),
        }
        .with_context(|| self.to_string())
    }
}

impl On {
    fn each(
        self,
        lab: &Lab,
        variables: &Variables,
        act: impl Fn(Host<'_>) -> Result<()>,
    ) -> Result<()> {
        for host in self.hosts(variables, lab)? {
            act(lab.host(host)).with_context(|| format!("on {host}"))?;
        }
        Ok(())
    }
}

/// A step as a report names it: the first line of it has to do.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = |text: &str| {
            let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            lines.next().unwrap_or_default().to_owned()
        };
        match &self.action {
            Action::Run(on, script) => write!(f, "running `{}` on {on}", first(script)),
            Action::Kubectl(arguments) => write!(f, "running `kubectl {}`", arguments.join(" ")),
            Action::Apply(_) => f.write_str("applying the objects of the fault"),
            Action::Delete(_) => f.write_str("deleting the objects of the fault"),
            Action::Stop(on, component) => write!(f, "stopping {component} on {on}"),
            Action::Start(on, component) => write!(f, "starting {component} on {on}"),
            Action::Restart(on, component) => write!(f, "restarting {component} on {on}"),
            Action::Expire(on, which) => write!(f, "letting {which} expire on {on}"),
            Action::Renew(on, which) => write!(f, "renewing {which} on {on}"),
            Action::Lay(on, what) => write!(f, "laying the {what} anew on {on}"),
        }
    }
}
