//! Probes of one scenario, beside the table that all have.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result};

use super::file::Fault;
use super::step::On;
use super::variables::Variables;
use crate::witness::{Cell, Pattern, Place, Sign, Try, Witness};
use crate::{HostName, Lab};

/// Something that is tried while the fault is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioProbe {
    /// What a report calls it.
    pub name: String,
    /// From where.
    pub from: From,
    /// A command of `tests/lab/witness/probe.sh`, say `tcp 10.96.77.1:80`, or a script that prints one sign.
    pub run: String,
    /// How often. With one try the result is a sign, with more a count.
    pub tries: u8,
    /// What should come of it.
    pub expect: Pattern,
}

/// Where a probe stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// On a host.
    Host(On),
    /// In the network of the witness's client pod on this node.
    Client(On),
    /// In the network of the pod of this name in the namespace of scenarios.
    Pod(String),
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The name of the probe.
    pub name: String,
    /// What should have been there.
    pub expected: Pattern,
    /// What was.
    pub measured: Cell,
}

impl Outcome {
    /// Whether it is as expected.
    pub fn holds(&self) -> bool {
        self.expected.matches(&self.measured)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: expected {}, measured {}",
            self.name, self.expected, self.measured
        )
    }
}

impl ScenarioProbe {
    /// The tries, each a script at a place.
    fn tries(&self, lab: &Lab, variables: &Variables) -> Result<Vec<Try>> {
        let host = |on: On| -> Result<HostName> {
            let hosts = on.hosts(variables, lab)?;
            hosts
                .first()
                .copied()
                .context("a probe that stands nowhere")
        };
        let (place, on) = match &self.from {
            From::Host(on) => (Place::Host(host(*on)?), host(*on)?),
            From::Client(on) => (Place::Client(host(*on)?), host(*on)?),
            From::Pod(name) => (Place::Pod(name.clone()), HostName::ControlPlane),
        };
        let script = format!("{}{}", variables.assignments(on), self.run);
        let one = || Try {
            place: place.clone(),
            script: Some(script.clone()),
        };
        Ok((0..self.tries).map(|_| one()).collect())
    }

    fn outcome(&self, signs: &[Sign]) -> Outcome {
        let worked = signs.iter().filter(|sign| **sign == Sign::Works).count();
        let measured = match signs {
            [_] => Cell::Signs(signs.to_vec()),
            _ => Cell::Count {
                worked: u8::try_from(worked).unwrap_or(u8::MAX),
                tries: self.tries,
            },
        };
        Outcome {
            name: self.name.clone(),
            expected: self.expect.clone(),
            measured,
        }
    }
}

impl Lab {
    /// Tries the probes of the fault that is in. All of them run at the same time.
    pub fn scenario(&self, witness: &Witness<'_>, fault: &Fault) -> Result<Vec<Outcome>> {
        let record = self.broken()?.filter(|record| record.fault == fault.id());
        let record = record.with_context(|| format!("{} is not in", fault.id()))?;
        let mut tries = Vec::new();
        for probe in &fault.probes {
            tries.extend(probe.tries(self, &record.variables)?);
        }
        let signs = witness.try_all(tries)?;
        let mut signs = &signs[..];
        let outcome = |probe: &ScenarioProbe| {
            let (own, rest) = signs.split_at(usize::from(probe.tries));
            signs = rest;
            probe.outcome(own)
        };
        Ok(fault.probes.iter().map(outcome).collect())
    }
}

impl FromStr for From {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(' ') {
            Some(("client", node)) => match node.parse()? {
                on @ (On::Node | On::Peer | On::Host(HostName::Node(_))) => Ok(Self::Client(on)),
                _ => Err(format!(
                    "`{text}`: clients are on node, peer, node-1 and so on"
                )),
            },
            Some(("pod", name)) => Ok(Self::Pod(name.to_owned())),
            _ => match text.parse()? {
                On::Nodes | On::Others => Err(format!("`{text}`: a probe stands at one place")),
                on => Ok(Self::Host(on)),
            },
        }
    }
}
