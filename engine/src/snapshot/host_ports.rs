//! Who asks for which port on a node.
//!
//! One table, built once: asking it costs the number of claims of one port, whatever the size of the cluster.
//! Placements of one kind share one set of nodes.

use super::Objects;
use crate::{
    model::{Condition, Controller, Kind, Meta, Object as _, Pod, Protocol, Workload},
    placement::{NodeSet, Placement},
    ports,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// The claims of one port and protocol.
#[derive(Debug, Default)]
struct Claims {
    claimants: Vec<Claimant>,
    /// Positions of pods that have a node.
    holders: Vec<u32>,
}

/// A workload that nothing here owns, and that has or will have pods.
#[derive(Debug, Clone)]
pub struct Claimant {
    who: Who,
    /// The nodes that it may use; `None` when nobody else claims the port.
    pub nodes: Option<Arc<NodeSet>>,
}

#[derive(Debug, Clone, Copy)]
enum Who {
    Controller(u32),
    Pod(u32),
}

/// Claims of ports on nodes.
#[derive(Debug, Default)]
pub struct HostPorts {
    claims: BTreeMap<(i32, Protocol), Claims>,
}

impl HostPorts {
    pub(super) fn new(objects: &Objects) -> Self {
        let mut table = Self::default();
        // DaemonSets first: they are what other claims most often run into.
        let controllers = || (0_u32..).zip(objects.controllers.iter());
        let daemon = |controller: &Controller| controller.kind() == Kind::DaemonSet;
        for (at, controller) in controllers()
            .filter(|(_, c)| daemon(c))
            .chain(controllers().filter(|(_, c)| !daemon(c)))
        {
            let owned = has_owner(objects, &controller.meta);
            let leftover =
                controller.meta.controller().is_some() && controller.wanted_replicas() == Some(0);
            if !owned && !leftover && claims_now(controller) {
                table.claim(Who::Controller(at), Workload::Controller(controller));
            }
        }
        for (at, pod) in (0_u32..).zip(objects.pods.iter()) {
            table.pod(objects, at, pod);
        }
        table.place(objects);
        table
    }

    fn pod(&mut self, objects: &Objects, at: u32, pod: &Pod) {
        if !pod.alive() {
            return;
        }
        let ports = ports::on_node(&pod.spec);
        if ports.is_empty() {
            return;
        }
        if pod.node_name.is_some() {
            for port in ports {
                let entry = self.entry(port.port, &port.declared.protocol);
                if entry.holders.last() != Some(&at) {
                    entry.holders.push(at);
                }
            }
        }
        if !has_owner(objects, &pod.meta) {
            self.claim(Who::Pod(at), Workload::Pod(pod));
        }
    }

    fn entry(&mut self, port: i32, protocol: &Protocol) -> &mut Claims {
        self.claims.entry((port, protocol.clone())).or_default()
    }

    fn claim(&mut self, who: Who, workload: Workload<'_>) {
        let mut seen = Vec::new();
        for port in ports::on_node(workload.spec()) {
            let key = (port.port, &port.declared.protocol);
            // One port on two addresses is still one claimant.
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            let entry = self.entry(port.port, &port.declared.protocol);
            entry.claimants.push(Claimant { who, nodes: None });
        }
    }

    /// Works out the nodes where more than one workload claims a port.
    fn place(&mut self, objects: &Objects) {
        let positions: HashMap<&str, usize> = objects
            .nodes
            .iter()
            .enumerate()
            .map(|(position, node)| (&*node.meta.name, position))
            .collect();
        let mut known = HashMap::new();
        let contested = self.claims.values_mut();
        for claims in contested.filter(|claims| claims.claimants.len() > 1) {
            for claimant in &mut claims.claimants {
                let Some(workload) = claimant.workload_in(objects) else {
                    continue;
                };
                let placement = Placement::of(workload);
                if let (Workload::Pod(_), Some(name)) = (workload, placement.node_name) {
                    let position = positions.get(name);
                    let single = position.map_or_else(NodeSet::default, |at| NodeSet::single(*at));
                    claimant.nodes = Some(Arc::new(single));
                    continue;
                }
                let spec = placement.spec;
                let key = (
                    placement.daemon && spec.host_network,
                    placement.daemon,
                    placement.node_name,
                    &spec.node_selector,
                    &spec.affinity.node_terms,
                    &spec.tolerations,
                );
                let nodes = known
                    .entry(key)
                    .or_insert_with(|| Arc::new(NodeSet::of(placement, objects.nodes.iter())));
                claimant.nodes = Some(Arc::clone(nodes));
            }
        }
    }

    /// Workloads that claim a port, `DaemonSets` first.
    pub fn claimants(&self, port: i32, protocol: &Protocol) -> &[Claimant] {
        self.claims
            .get(&(port, protocol.clone()))
            .map_or(&[], |claims| &claims.claimants)
    }

    /// Positions of the pods that have a node and reserve the port there.
    pub fn holders(&self, port: i32, protocol: &Protocol) -> &[u32] {
        self.claims
            .get(&(port, protocol.clone()))
            .map_or(&[], |claims| &claims.holders)
    }
}

impl Claimant {
    /// The workload.
    pub fn workload<'a>(&self, snapshot: &'a super::Snapshot) -> Option<Workload<'a>> {
        self.workload_in(&snapshot.objects)
    }

    fn workload_in<'a>(&self, objects: &'a Objects) -> Option<Workload<'a>> {
        match self.who {
            Who::Controller(at) => objects.controllers.at(at).map(Workload::Controller),
            Who::Pod(at) => objects.pods.at(at).map(Workload::Pod),
        }
    }
}

fn has_owner(objects: &Objects, meta: &Meta) -> bool {
    meta.controller().is_some_and(|owner| {
        objects
            .controllers
            .named(&meta.namespace, &owner.name)
            .iter()
            .any(|controller| controller.reference().kind == owner.kind)
    })
}

/// Whether pods of the controller exist or will: not scaled to zero, not suspended, not finished.
pub(crate) fn claims_now(controller: &Controller) -> bool {
    let finished = ["Complete", "Failed", "SuccessCriteriaMet"];
    let conditions = &controller.status.conditions;
    let done = controller.kind() == Kind::Job
        && finished
            .iter()
            .any(|kind| Condition::find(conditions, kind).is_some_and(Condition::is_true));
    controller.wanted_replicas() != Some(0) && !controller.suspend && !done
}
