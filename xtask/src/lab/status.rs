//! `status`: which labs there are, what runs in them, and what is broken.

use std::collections::BTreeMap;

use anyhow::Result;
use netdoctor_lab::{HostName, Lab, Running};
use serde_json::Value;

use super::{choice, print};

/// All labs, or the one of this name.
pub(super) fn show(name: Option<&str>) -> Result<()> {
    let mut labs = Lab::list()?;
    if let Some(name) = name {
        let chosen = choice::choose(&labs, Some(name), choice::State::Any)?;
        labs.retain(|lab| lab.name == chosen);
    }
    if labs.is_empty() {
        return print("no lab is running; `cargo xtask lab up` starts one\n");
    }
    for lab in &labs {
        print(&one(lab)?)?;
    }
    Ok(())
}

fn one(running: &Running) -> Result<String> {
    if running.alive
        && let Some(lab) = Lab::attach(&running.name)?
    {
        return of(&lab);
    }
    let logs = running
        .logs
        .iter()
        .map(|logs| format!("  logs    {}\n", logs.display()));
    Ok(format!(
        "{name}: does not run, or not yet; `cargo xtask lab down --name {name}` clears away what is left\n{}",
        logs.collect::<String>(),
        name = running.name,
    ))
}

/// A running lab.
pub(super) fn of(lab: &Lab) -> Result<String> {
    let ready = readiness(lab);
    let mut text = format!("{}: {}\n", lab.spec().name, lab.spec());
    for host in [HostName::ControlPlane]
        .into_iter()
        .chain(lab.nodes())
        .chain([HostName::Internet])
    {
        let (alive, dead) = components(lab, host)?;
        let ready = match (host, &ready) {
            (HostName::Node(_), Some(ready)) => ready
                .get(&host.to_string())
                .map_or("no Node", |ready| if *ready { "Ready" } else { "NotReady" }),
            (HostName::Node(_), None) => "?",
            _ => "",
        };
        let dead = if dead.is_empty() {
            String::new()
        } else {
            format!("; dead: {}", dead.join(", "))
        };
        text += &format!(
            "  {:14} {:13} {ready:9} {}{dead}\n",
            host.to_string(),
            lab.address(host).to_string(),
            alive.join(", ")
        );
    }
    if ready.is_none() {
        text += "  the API server does not answer\n";
    }
    if let Some(record) = lab.broken()? {
        let half = if record.complete {
            ""
        } else {
            ", half-way: heal it"
        };
        text += &format!("  broken  {}{half}\n", record.on());
    }
    text += &format!("  logs    {}\n", lab.logs().display());
    Ok(text)
}

/// Which components of a host run, and which do not.
fn components(lab: &Lab, host: HostName) -> Result<(Vec<&'static str>, Vec<&'static str>)> {
    let host = lab.host(host);
    let (mut alive, mut dead) = (Vec::new(), Vec::new());
    for component in host.components() {
        let list = if host.runs(component)? {
            &mut alive
        } else {
            &mut dead
        };
        list.push(*component);
    }
    Ok((alive, dead))
}

/// Whether each node is Ready, or nothing where nobody can say so.
fn readiness(lab: &Lab) -> Option<BTreeMap<String, bool>> {
    let nodes = lab.get(&["nodes", "--request-timeout=3s"]).ok()?;
    Some(parse_readiness(&nodes))
}

fn parse_readiness(nodes: &Value) -> BTreeMap<String, bool> {
    let items = nodes["items"].as_array().into_iter().flatten();
    let of = |node: &Value| {
        let name = node["metadata"]["name"].as_str()?.to_owned();
        let conditions = node["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten();
        let ready = conditions
            .into_iter()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
        Some((name, ready))
    };
    items.filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_is_ready_when_its_condition_says_so() {
        let node = |name: &str, status: &str| {
            json!({"metadata": {"name": name}, "status": {"conditions": [
                {"type": "MemoryPressure", "status": "True"},
                {"type": "Ready", "status": status},
            ]}})
        };
        let nodes = json!({"items": [
            node("node-1", "True"),
            node("node-2", "Unknown"),
            {"metadata": {"name": "node-3"}},
        ]});
        let expected = [("node-1", true), ("node-2", false), ("node-3", false)];
        assert_eq!(
            parse_readiness(&nodes),
            expected
                .map(|(name, ready)| (name.to_owned(), ready))
                .into()
        );
    }
}
