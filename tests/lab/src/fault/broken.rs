//! Injecting and healing, and the record of what is in.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::file::Fault;
use super::variables::{Targets, Variables};
use crate::Lab;
use crate::witness::Witness;

/// The record of an injected fault.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// `AREA/NAME`
    pub fault: String,
    /// Whether all of it is in: an injection that was broken off has to be healed first.
    pub complete: bool,
    pub(super) variables: Variables,
}

impl Record {
    /// The nodes that it is about here.
    pub const fn targets(&self) -> Targets {
        self.variables.targets()
    }

    /// The fault and its nodes, for people.
    pub fn on(&self) -> String {
        let Targets { node, peer } = self.targets();
        let option = |name: &str, number: Option<u8>| {
            number.map_or_else(String::new, |number| format!(" --{name} {number}"))
        };
        format!(
            "{}{}{}",
            self.fault,
            option("node", node),
            option("peer", peer)
        )
    }
}

/// A fault that is in. It is healed when this goes.
#[must_use = "the fault is healed when this is dropped"]
pub struct Broken<'lab> {
    lab: &'lab Lab,
    fault: Fault,
    /// Or never to be.
    healed: bool,
}

impl Broken<'_> {
    /// The fault.
    pub const fn fault(&self) -> &Fault {
        &self.fault
    }

    /// Heals it and says if that failed, which a drop cannot.
    pub fn heal(mut self) -> Result<()> {
        self.healed = true;
        self.lab.heal(&self.fault.id()).map(drop)
    }
}

impl Drop for Broken<'_> {
    fn drop(&mut self) {
        if self.healed {
            return;
        }
        if let Err(error) = self.lab.heal(&self.fault.id()) {
            // The record stays, so that nobody takes the lab for healthy.
            let note = format!("healing {} failed: {error:#}\n", self.fault.id());
            let _ = fs::write(self.lab.logs().join("not-healed.txt"), note);
        }
    }
}

impl Lab {
    /// Injects a fault with the targets of its file.
    pub fn fault(&self, name: &str) -> Result<Broken<'_>> {
        let fault = super::find(name)?;
        let healed = fault.labs.own;
        // The guard is there first: what breaks off half-way is healed as well.
        let broken = Broken {
            lab: self,
            fault,
            healed,
        };
        self.inject(&broken.fault, Targets::default())?;
        Ok(broken)
    }

    /// Injects a fault, which stays in until [`Lab::heal`], also when this process ends. The same one with the same
    /// targets may be in already; another one may not.
    pub fn inject(&self, fault: &Fault, targets: Targets) -> Result<()> {
        let id = fault.id();
        ensure!(
            fault.labs.fit(self.spec()),
            "{id} means nothing in this lab: it needs one with {}",
            fault.labs
        );
        let witness = Witness::deploy(self)?;
        let node = fault.node.map(|own| targets.node.unwrap_or(own));
        let peer = fault.peer.map(|own| targets.peer.unwrap_or(own));
        if let (Some(node), Some(peer)) = (node, peer) {
            ensure!(
                node != peer,
                "{id} is about two nodes, and node-{node} would be both: choose another with --peer or --node"
            );
        }
        ensure!(
            targets.node.is_none() || node.is_some(),
            "{id} is about no node: it takes no --node"
        );
        ensure!(
            targets.peer.is_none() || peer.is_some(),
            "{id} is not about two nodes: it takes no --peer"
        );
        let variables = Variables::new(self, witness.roster(), node, peer)?;
        match self.broken()? {
            Some(there) if there.fault != id || there.targets() != variables.targets() => bail!(
                "this lab is broken by {} already; heal that first",
                there.on()
            ),
            Some(there) if there.complete => return Ok(()),
            Some(_) => bail!("{id} was injected half-way before; heal it first"),
            None => {}
        }
        // Before anything is done, so that what breaks off half-way is healed as well.
        let mut record = Record {
            fault: id,
            complete: false,
            variables,
        };
        self.record(&record)?;
        for step in fault.inject.iter().chain(&fault.settle) {
            step.run(self, &record.variables)
                .with_context(|| format!("injecting {}", record.fault))?;
        }
        record.complete = true;
        self.record(&record)
    }

    /// Heals a fault. Says whether it was in.
    pub fn heal(&self, name: &str) -> Result<bool> {
        let fault = super::find(name)?;
        let id = fault.id();
        let Some(record) = self.broken()?.filter(|record| record.fault == id) else {
            return Ok(false);
        };
        ensure!(
            !fault.labs.own,
            "{id} damages the cluster for good: take the lab down and up again"
        );
        for step in &fault.heal {
            step.run(self, &record.variables)
                .with_context(|| format!("healing {id}"))?;
        }
        let file = self.record_file();
        fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))?;
        Ok(true)
    }

    /// Heals whatever is in, and says what that was.
    pub fn heal_all(&self) -> Result<Option<String>> {
        let Some(record) = self.broken()? else {
            return Ok(None);
        };
        self.heal(&record.fault)?;
        Ok(Some(record.fault))
    }

    /// The fault that is in, if one is.
    pub fn broken(&self) -> Result<Option<Record>> {
        let file = self.record_file();
        match fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
        }
        .with_context(|| format!("reading {}", file.display()))
    }

    fn record(&self, record: &Record) -> Result<()> {
        let file = self.record_file();
        let text = serde_json::to_string(record).context("writing down a fault")?;
        // Whole or not at all: who is killed while writing must not keep others from healing.
        let unfinished = file.with_extension("new");
        fs::write(&unfinished, text)
            .and_then(|()| fs::rename(&unfinished, &file))
            .with_context(|| format!("writing {}", file.display()))
    }

    fn record_file(&self) -> PathBuf {
        self.notes().join("broken.json")
    }
}
