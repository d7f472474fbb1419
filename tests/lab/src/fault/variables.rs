//! The names that the steps of a fault file use instead of addresses.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::spec::HostName;
use crate::witness::Roster;
use crate::{Lab, image, network};

/// Which nodes a fault is about. What is not said here is as the file says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Targets {
    /// Instead of the file's `node`.
    pub node: Option<u8>,
    /// Instead of the file's `peer`.
    pub peer: Option<u8>,
}

/// What is known about each of the nodes, behind the prefixes `NODE` (the node of the fault), `PEER` (its peer) and
/// `THIS` (in scripts: the node that the script runs on).
const OF_A_NODE: [&str; 7] = ["", "_IP", "_IP6", "_PODS", "_PODS6", "_CLIENT", "_SERVER"];

/// What is the same everywhere.
const OF_THE_LAB: [&str; 12] = [
    "NODES",
    "NODE_IPS",
    "SWITCH_IP",
    "CONTROL_PLANE_IP",
    "INTERNET_IP",
    "POD_RANGE",
    "SERVICE_RANGE",
    "DNS_IP",
    "API_IP",
    "OUTSIDE_NAME",
    "SCENARIO",
    "IMAGE",
];

/// The variables of one injection. They are recorded with it, so that healing needs neither the API server nor the pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Variables {
    node: Option<u8>,
    peer: Option<u8>,
    values: BTreeMap<String, String>,
    /// Per node, by the suffixes of [`OF_A_NODE`].
    nodes: BTreeMap<u8, BTreeMap<String, String>>,
}

impl Variables {
    pub(super) fn new(
        lab: &Lab,
        roster: &Roster,
        node: Option<u8>,
        peer: Option<u8>,
    ) -> Result<Self> {
        let nodes: BTreeMap<u8, _> = (1..=lab.spec().nodes)
            .map(|number| Ok((number, of_node(lab, roster, number)?)))
            .collect::<Result<_>>()?;
        let each = |suffix: &str| -> String {
            let values: Vec<&str> = nodes
                .values()
                .map(|values| values[suffix].as_str())
                .collect();
            values.join(" ")
        };
        let address = |host| lab.address(host).to_string();
        let values = [
            each(""),
            each("_IP"),
            address(HostName::Switch),
            address(HostName::ControlPlane),
            address(HostName::Internet),
            network::POD_RANGE.to_owned(),
            network::SERVICE_RANGE.to_owned(),
            network::CLUSTER_DNS.to_string(),
            network::API_SERVICE.to_string(),
            network::OUTSIDE_NAME.to_owned(),
            super::NAMESPACE.to_owned(),
            image::agnhost(),
        ];
        let mut values: BTreeMap<String, String> = OF_THE_LAB
            .into_iter()
            .map(str::to_owned)
            .zip(values)
            .collect();
        for (prefix, number) in [("NODE", node), ("PEER", peer)] {
            let Some(number) = number else { continue };
            let of_it = nodes
                .get(&number)
                .with_context(|| format!("there is no node-{number} in this lab"))?;
            values.extend(
                of_it
                    .iter()
                    .map(|(suffix, value)| (format!("{prefix}{suffix}"), value.clone())),
            );
        }
        Ok(Self {
            node,
            peer,
            values,
            nodes,
        })
    }

    pub(super) const fn targets(&self) -> Targets {
        Targets {
            node: self.node,
            peer: self.peer,
        }
    }

    pub(super) fn node(&self) -> Result<HostName> {
        self.node
            .map(HostName::Node)
            .context("this fault is about no node")
    }

    pub(super) fn peer(&self) -> Result<HostName> {
        self.peer
            .map(HostName::Node)
            .context("this fault has no peer")
    }

    /// The variables of a script that runs on this host.
    pub(super) fn of_scripts(&self, on: HostName) -> Vec<(String, String)> {
        let this = match on {
            HostName::Node(number) => self.nodes.get(&number),
            HostName::Switch | HostName::ControlPlane | HostName::Internet => None,
        };
        let this = this
            .into_iter()
            .flatten()
            .map(|(suffix, value)| (format!("THIS{suffix}"), value.clone()));
        let all = self.values.iter();
        all.map(|(name, value)| (name.clone(), value.clone()))
            .chain(this)
            .collect()
    }

    /// The same as the first lines of a script that runs in a pod, which has an environment of its own.
    pub(super) fn assignments(&self, on: HostName) -> String {
        // None of them has a quote in it: they are names, addresses and ranges.
        let line = |(name, value)| format!("{name}='{value}'\n");
        self.of_scripts(on).into_iter().map(line).collect()
    }

    /// The text with every `${NAME}` replaced.
    pub(super) fn expand(&self, text: &str) -> Result<String> {
        let mut expanded = String::new();
        for part in parts(text) {
            match part {
                Part::Text(text) => expanded.push_str(text),
                Part::Name(name) => match self.values.get(name) {
                    Some(value) => expanded.push_str(value),
                    None => bail!("`${{{name}}}` has no value here"),
                },
            }
        }
        Ok(expanded)
    }
}

fn of_node(lab: &Lab, roster: &Roster, number: u8) -> Result<BTreeMap<String, String>> {
    let host = HostName::Node(number);
    let pods = roster.node(host)?;
    let values = [
        host.to_string(),
        lab.address(host).to_string(),
        lab.address6(host).to_string(),
        lab.pod_cidr(number).to_string(),
        lab.pod_cidr6(number).to_string(),
        pods.client.ipv4()?.to_string(),
        pods.server.ipv4()?.to_string(),
    ];
    Ok(OF_A_NODE
        .into_iter()
        .map(str::to_owned)
        .zip(values)
        .collect())
}

/// Fails on a `${NAME}` that no injection of a fault with these targets has.
pub(super) fn known(text: &str, node: bool, peer: bool) -> Result<(), String> {
    let has = |prefix: &str, name: &str| {
        let suffix = name.strip_prefix(prefix);
        suffix.is_some_and(|suffix| OF_A_NODE.contains(&suffix))
    };
    for part in parts(text) {
        let Part::Name(name) = part else { continue };
        let known = OF_THE_LAB.contains(&name)
            || (node && has("NODE", name))
            || (peer && has("PEER", name));
        if !known {
            return Err(format!("there is no variable `${{{name}}}` in this fault"));
        }
    }
    Ok(())
}

enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// Cuts a text at its `${NAME}`s. A `$` without braces is text.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        parts.push(Part::Text(before));
        parts.push(Part::Name(name));
        rest = after;
    }
    parts.push(Part::Text(rest));
    parts
}
