//! The witness: what packets really do, measured without the product.
//!
//! ```text
//! client-node-1 ──┐ agnhost connect, nslookup, ping ┌── server-node-1   agnhost netexec, behind a Service of its own
//! node-1 itself ──┤ ──────────────────────────────► ├── server-node-2   and behind one that has all servers;
//! control-plane ──┤    one script per place         ├── server-node-3   nftables count the UDP that arrives
//! internet ───────┘                                 └── DNS, API server, internet host
//! ```
//!
//! Scripts enter the network namespaces of pods from their node, not through API server and kubelet: a node that is cut
//! off is measured like any other. All probes of a table run at the same time, each with a timeout of two seconds, so a
//! table takes three at most.

mod cell;
mod column;
mod measure;
mod plan;
mod roster;
mod table;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

pub use cell::{Cell, Pattern, Sign, Signs};
pub use column::{COLUMNS, Column, Targets};
pub(crate) use measure::Try;
pub(crate) use plan::Place;
pub use roster::{Addresses, NodePods, Pod, Roster, Service};
pub use table::{Difference, Expected, Grid, Mistake, Table};

use crate::spec::HostName;
use crate::{Lab, image};

/// The namespace of the witness's pods and Services.
pub const NAMESPACE: &str = "witness";

const WORKLOAD: &str = include_str!("../witness/workload.yaml");
const NODE: &str = include_str!("../witness/node.yaml");
const SERVICE: &str = include_str!("../witness/service.yaml");

/// Services that were there before a fault.
const STANDING: &str = "server";

/// IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

/// The tables of a lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// IPv4
    pub v4: Table,
    /// IPv6, in a lab that has it.
    pub v6: Option<Table>,
}

/// The measuring workload of a lab.
pub struct Witness<'lab> {
    lab: &'lab Lab,
    roster: Roster,
}

/// A measured table, and what in it is not as expected.
#[derive(Debug, Clone)]
pub struct Measured {
    /// The table of the last try.
    pub tables: Tables,
    /// What is not as expected in it. Empty: all is.
    pub differences: Vec<Difference>,
    /// How often it was measured.
    pub tries: u32,
}

impl<'lab> Witness<'lab> {
    /// Brings the workload into the lab, unless it is there, and waits until it runs.
    pub fn deploy(lab: &'lab Lab) -> Result<Self> {
        let missing = match Roster::read(lab, STANDING)? {
            Some(roster) => return Ok(Self { lab, roster }),
            None => lab
                .nodes()
                .map(|node| fill(NODE, node, STANDING))
                .collect::<String>(),
        };
        lab.apply(&format!(
            "{WORKLOAD}---\n{missing}{}",
            services(lab, STANDING)
        ))?;
        let ready = || Roster::read(lab, STANDING);
        let roster = lab.wait("the witness's pods to run", Duration::from_mins(1), ready)?;
        let witness = Self { lab, roster };
        witness.count_arrivals()?;
        Ok(witness)
    }

    /// Who is where.
    pub const fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The same witness with Services that are made now. A kube-proxy that died shows with them only.
    pub fn with_fresh_services(&self) -> Result<Self> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let prefix = format!(
            "fresh-{}",
            now.context("the clock is before 1970")?.as_millis()
        );
        self.lab.apply(&services(self.lab, &prefix))?;
        let ready = || Roster::read(self.lab, &prefix);
        let roster = self.lab.wait(
            "fresh Services to get endpoints",
            Duration::from_secs(20),
            ready,
        )?;
        Ok(Self {
            lab: self.lab,
            roster,
        })
    }

    /// Removes what [`Self::with_fresh_services`] made.
    pub fn remove_fresh_services(&self) -> Result<()> {
        let stranger = format!("prefix,prefix!={STANDING}");
        let output = self
            .lab
            .kubectl(&["-n", NAMESPACE, "delete", "services", "-l", &stranger])?;
        ensure!(
            output.code == 0,
            "deleting fresh Services: {}",
            output.stderr
        );
        Ok(())
    }

    /// Measures until everything is as expected, or until time is up: a change needs a moment to reach every node.
    pub fn expect(&self, expected: &Expected, patience: Duration) -> Result<Measured> {
        self.until(patience, |tables| tables.v4.differences(expected))
    }

    /// The same for a healthy cluster, in both families.
    pub fn expect_healthy(&self, patience: Duration) -> Result<Measured> {
        let nodes: Vec<String> = self.lab.nodes().map(|node| node.to_string()).collect();
        let healthy = |family| Expected::healthy(&nodes, family);
        self.until(patience, |tables| {
            let v4 = tables.v4.differences(&healthy(Family::V4));
            let v6 = tables.v6.iter();
            let v6 = v6.flat_map(|table| table.differences(&healthy(Family::V6)));
            v4.into_iter().chain(v6).collect()
        })
    }

    fn until(
        &self,
        patience: Duration,
        judge: impl Fn(&Tables) -> Vec<Difference>,
    ) -> Result<Measured> {
        let start = Instant::now();
        for tries in 1.. {
            let tables = self.measure()?;
            let differences = judge(&tables);
            if differences.is_empty() || start.elapsed() > patience {
                return Ok(Measured {
                    tables,
                    differences,
                    tries,
                });
            }
            std::thread::sleep(Duration::from_millis(300));
        }
        unreachable!("the loop has no end")
    }
}

/// The one-endpoint Services with this prefix.
fn services(lab: &Lab, prefix: &str) -> String {
    lab.nodes()
        .map(|node| fill(SERVICE, node, prefix))
        .collect()
}

/// One document of a template.
fn fill(template: &str, node: HostName, prefix: &str) -> String {
    let filled = template
        .replace("${NODE}", &node.to_string())
        .replace("${PREFIX}", prefix)
        .replace("${IMAGE}", &image::agnhost());
    format!("{filled}---\n")
}

#[cfg(test)]
mod tests;
