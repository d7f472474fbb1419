//! `faults`, `break`, `heal` and `witness`.

use anyhow::{Context, Result};
use netdoctor_lab::fault::{self, Fault, Targets};
use netdoctor_lab::requirements;
use netdoctor_lab::witness::{COLUMNS, Table, Tables, Witness};
use netdoctor_lab::{Lab, Spec};
use serde_json::{Value, json};

use super::{Output, WitnessArgs, choice, print};

pub(super) fn list(name: Option<&str>, long: bool) -> Result<()> {
    print(&listed(&fault::each()?, broken(name)?.as_deref(), long))
}

/// The fault that is in, if there is a lab and this person may look at it. The list is worth having without.
fn broken(name: Option<&str>) -> Result<Option<String>> {
    if requirements::privileges().is_err() {
        return Ok(None);
    }
    let lab = match (choice::running(name), name) {
        (Ok(lab), _) => lab,
        (Err(error), Some(_)) => return Err(error),
        (Err(_), None) => return Ok(None),
    };
    Ok(lab.broken()?.map(|record| record.fault))
}

fn listed(faults: &[(String, Result<Fault>)], broken: Option<&str>, long: bool) -> String {
    let width = faults.iter().map(|(id, _)| id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (id, fault) in faults {
        let mark = if broken == Some(id) { '*' } else { ' ' };
        let said = match fault {
            Ok(fault) => fault.summary.clone(),
            // Somebody is writing it. The others can be used all the same.
            Err(error) => format!("cannot be read: {error:#}"),
        };
        text += &format!("{mark} {id:width$}  {said}\n");
        for line in fault.iter().filter(|_| long).flat_map(details) {
            text += &format!("      {line}\n");
        }
    }
    text
}

/// What a fault imitates and needs.
fn details(fault: &Fault) -> Vec<String> {
    let mut lines: Vec<String> = fault.imitates.lines().map(str::to_owned).collect();
    if !fault.stories.is_empty() {
        lines.push(format!("stories: {}", fault.stories.join(", ")));
    }
    let default = |role: &str, number: Option<u8>| {
        number.map(|number| format!("--{role} node-{number} unless stated"))
    };
    lines.extend(default("node", fault.node));
    lines.extend(default("peer", fault.peer));
    if fault.labs.own {
        lines.push("cannot be healed: the lab has to be made anew".to_owned());
    }
    lines
}

pub(super) fn inject(lab: &Lab, name: &str, node: Option<u8>, peer: Option<u8>) -> Result<()> {
    let fault = fault::find(name)?;
    lab.inject(&fault, Targets { node, peer })?;
    let name = &lab.spec().name;
    let next = if fault.labs.own {
        format!("it cannot be healed: `cargo xtask lab down --name {name}` when you are done")
    } else {
        format!("`cargo xtask lab --name {name} heal` undoes it")
    };
    print(&format!("{}: {}\n{next}\n", fault.id(), fault.summary))
}

pub(super) fn heal(lab: &Lab, name: Option<&str>) -> Result<()> {
    let healed = match name {
        None => lab.heal_all()?,
        Some(name) => {
            let id = fault::find(name)?.id();
            lab.heal(&id)?.then_some(id)
        }
    };
    match (healed, name) {
        (Some(fault), _) => {
            lab.settle()
                .with_context(|| format!("after healing {fault}"))?;
            print(&format!("{fault}: healed\n"))
        }
        (None, Some(name)) => print(&format!("{name} is not in\n")),
        (None, None) => print("nothing is broken\n"),
    }
}

pub(super) fn witness(lab: &Lab, arguments: &WitnessArgs) -> Result<()> {
    let witness = Witness::deploy(lab)?;
    let broken = match lab.broken()? {
        Some(record) => Some((fault::find(&record.fault)?, record.targets())),
        None => None,
    };
    let asked = broken
        .as_ref()
        .is_some_and(|(fault, _)| fault.fresh_services);
    if !arguments.fresh && !asked {
        return look(lab, &witness, broken.as_ref(), arguments.output);
    }
    let fresh = witness.with_fresh_services()?;
    let outcome = look(lab, &fresh, broken.as_ref(), arguments.output);
    witness.remove_fresh_services()?;
    outcome
}

fn look(
    lab: &Lab,
    witness: &Witness<'_>,
    broken: Option<&(Fault, Targets)>,
    output: Output,
) -> Result<()> {
    let tables = witness.measure()?;
    let text = match output {
        Output::Json => format!("{:#}\n", stored(&tables)?),
        Output::Table => {
            let compared = broken.map(|(fault, on)| compared(lab, witness, fault, *on, &tables.v4));
            shown(&tables) + &compared.transpose()?.unwrap_or_default()
        }
    };
    print(&text)
}

/// What of a table, and of the probes of the fault that is in, is not as its file expects.
fn compared(
    lab: &Lab,
    witness: &Witness<'_>,
    fault: &Fault,
    on: Targets,
    table: &Table,
) -> Result<String> {
    let stated = Targets {
        node: fault.node,
        peer: fault.peer,
    };
    // What is expected is written down for these nodes, in the kind of lab that the tests run.
    let comparable =
        on == stated && table.rows().eq(fault.table.rows()) && is_tried_in(lab.spec(), fault);
    let differences = if comparable {
        table.differences(&fault.table)
    } else {
        Vec::new()
    };
    let cells = differences.iter().map(ToString::to_string);
    let probes = lab.scenario(witness, fault)?;
    let failed = probes
        .iter()
        .filter(|probe| !probe.holds())
        .map(ToString::to_string);
    let lines: Vec<String> = cells
        .chain(failed)
        .map(|line| format!("  {line}\n"))
        .collect();
    let verdict = match (comparable, lines.is_empty()) {
        (true, true) => ", and everything is as its file expects",
        (false, true) => "; its file says nothing about these nodes in this kind of lab",
        (_, false) => ", but not everything is as its file expects:",
    };
    Ok(format!("{} is in{verdict}\n{}", fault.id(), lines.concat()))
}

/// Modes of kube-proxy differ in what they do with a packet that leads nowhere.
fn is_tried_in(spec: &Spec, fault: &Fault) -> bool {
    fault.labs.tried_in().is_some_and(|kind| {
        (kind.overlay, kind.proxy, kind.dual_stack) == (spec.overlay, spec.proxy, spec.dual_stack)
    })
}

fn shown(tables: &Tables) -> String {
    match &tables.v6 {
        None => tables.v4.to_string(),
        Some(v6) => format!("IPv4\n{}\nIPv6\n{v6}", tables.v4),
    }
}

fn stored(tables: &Tables) -> Result<Value> {
    let value = |table: &Table| -> Result<Value> { Ok(serde_json::from_str(&table.to_json()?)?) };
    let mut families = json!({"ipv4": value(&tables.v4)?});
    if let Some(v6) = &tables.v6 {
        families["ipv6"] = value(v6)?;
    }
    Ok(families)
}

pub(super) fn columns() -> Result<()> {
    let width = COLUMNS
        .iter()
        .map(|column| column.name.len())
        .max()
        .unwrap_or(0);
    let lines = COLUMNS
        .iter()
        .map(|column| format!("{:width$}  {}\n", column.name, column.meaning));
    print(&lines.collect::<String>())
}
