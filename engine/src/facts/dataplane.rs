//! The dataplane and its encapsulation, from many weak signs.

use super::{Dataplane, Distribution, Fact, agent};
use crate::{
    model::{Kind, NetworkSettings, Node, Text, network_encapsulation},
    rule::Confidence,
    snapshot::{Snapshot, Source},
};
use std::collections::BTreeSet;

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub dataplane: Option<Fact<Dataplane>>,
    /// Namespaces of its agents.
    pub namespaces: Vec<Text>,
    /// Namespace and name of every agent `DaemonSet`, of whatever dataplane.
    pub agents: Vec<(Dataplane, Text, Text)>,
}

/// Running agents say most; node annotations survive a change of the dataplane, definitions survive its removal, and
/// the distribution's usual choice is a hint.
pub(super) fn detect(snapshot: &Snapshot, distribution: Option<Distribution>) -> Found {
    let sets = agent_sets(snapshot);
    let agents = if sets.is_empty() && snapshot.known(Kind::DaemonSet, "").is_err() {
        agent_pods(snapshot)
    } else {
        sets.iter()
            .map(|(dataplane, namespace, name)| {
                let sign = format!("DaemonSet {namespace}/{name}");
                (*dataplane, namespace.clone(), sign)
            })
            .collect()
    };
    let namespaces: BTreeSet<Text> = agents
        .iter()
        .map(|(_, namespace, _)| namespace.clone())
        .filter(|namespace| &**namespace != "default" && !namespace.is_empty())
        .collect();
    let dataplane = of_agents(&agents)
        .or_else(|| snapshot.objects.nodes.iter().find_map(of_annotations))
        .or_else(|| of_definitions(snapshot))
        .or_else(|| of_distribution(snapshot, distribution));
    Found {
        dataplane,
        namespaces: namespaces.into_iter().collect(),
        agents: sets,
    }
}

type Agent = (Dataplane, Text, String);

/// Agents by their `DaemonSets`.
fn agent_sets(snapshot: &Snapshot) -> Vec<(Dataplane, Text, Text)> {
    let on_cluster = snapshot.source == Source::Cluster;
    let sets = snapshot.objects.controllers.iter().filter(|controller| {
        controller.kind == Some(Kind::DaemonSet)
            // Switched off by a node selector that no node matches.
            && !(on_cluster && idle(controller))
    });
    sets.filter_map(|set| {
        let dataplane = agent::dataplane(&set.template.spec)?;
        let (namespace, name) = (set.meta.namespace.clone(), set.meta.name.clone());
        Some((dataplane, namespace, name))
    })
    .collect()
}

/// Agents by their pods, where `DaemonSets` may not be listed.
fn agent_pods(snapshot: &Snapshot) -> Vec<Agent> {
    let owned = snapshot.objects.pods.iter().filter(|pod| {
        let owner = pod.meta.controller();
        owner.is_some_and(|owner| &*owner.kind == "DaemonSet")
    });
    let agents = owned.filter_map(|pod| {
        let dataplane = agent::dataplane(&pod.spec)?;
        let sign = format!("Pod {}", pod.meta);
        Some((dataplane, pod.meta.namespace.clone(), sign))
    });
    agents.collect()
}

fn idle(set: &crate::model::Controller) -> bool {
    set.status.observed_generation > 0 && set.status.desired_number_scheduled == 0
}

fn of_agents(agents: &[Agent]) -> Option<Fact<Dataplane>> {
    let has = |wanted: Dataplane| agents.iter().find(|agent| agent.0 == wanted);
    let kinds: BTreeSet<Dataplane> = agents.iter().map(|agent| agent.0).collect();
    // Pairs that belong together: flannel below Calico's policies, a cloud's network below Calico's policies, Cilium
    // on a cloud's address management.
    let (value, agent, usual) = if has(Dataplane::Calico).is_some()
        && let Some(flannel) = has(Dataplane::Flannel)
    {
        (Dataplane::Canal, flannel, kinds.len() == 2)
    } else if let Some(cilium) = has(Dataplane::Cilium) {
        let usual = kinds
            .iter()
            .all(|kind| matches!(kind, Dataplane::Cilium | Dataplane::CloudNative));
        (Dataplane::Cilium, cilium, usual)
    } else if let Some(cloud) = has(Dataplane::CloudNative) {
        let usual = kinds
            .iter()
            .all(|kind| matches!(kind, Dataplane::Calico | Dataplane::CloudNative));
        (Dataplane::CloudNative, cloud, usual)
    } else {
        // kindnet and kube-router give way: both are often left in place beside another dataplane.
        let order = |agent: &&Agent| {
            let late = matches!(agent.0, Dataplane::Kindnet | Dataplane::KubeRouter);
            (late, agent.0, agent.2.clone())
        };
        let first = agents.iter().min_by_key(order)?;
        (first.0, first, kinds.len() == 1)
    };
    let confidence = if usual {
        Confidence::Likely
    } else {
        Confidence::Hint
    };
    Some(Fact {
        value,
        confidence,
        sign: agent.2.clone(),
    })
}

fn of_annotations(node: &Node) -> Option<Fact<Dataplane>> {
    let has = |prefix: &str| {
        let mut keys = node.meta.annotations.iter().map(|(key, _)| key);
        keys.find(|key| key.starts_with(prefix))
    };
    let known = [
        ("projectcalico.org/", Dataplane::Calico),
        ("network.cilium.io/", Dataplane::Cilium),
        ("flannel.alpha.coreos.com/backend-type", Dataplane::Flannel),
    ];
    let (key, value) = known
        .into_iter()
        .find_map(|(prefix, value)| Some((has(prefix)?, value)))?;
    Some(Fact {
        value,
        confidence: Confidence::Likely,
        sign: format!("annotation {key} of node {}", node.meta.name),
    })
}

fn of_definitions(snapshot: &Snapshot) -> Option<Fact<Dataplane>> {
    // In files a definition says what will be installed somewhere, not what runs.
    if snapshot.source == Source::Files {
        return None;
    }
    let known = [
        ("cilium.io", Dataplane::Cilium),
        ("crd.antrea.io", Dataplane::Antrea),
        ("kubeovn.io", Dataplane::KubeOvn),
        ("k8s.ovn.org", Dataplane::OvnKubernetes),
        ("crd.projectcalico.org", Dataplane::Calico),
    ];
    let (group, value) = known.into_iter().find(|(group, _)| {
        let mut definitions = snapshot.objects.definitions.iter();
        definitions.any(|definition| &*definition.spec.group == *group)
    })?;
    Some(Fact {
        value,
        confidence: Confidence::Hint,
        sign: format!("definitions of {group}"),
    })
}

fn of_distribution(
    snapshot: &Snapshot,
    distribution: Option<Distribution>,
) -> Option<Fact<Dataplane>> {
    let cloud = matches!(
        distribution?,
        Distribution::Gke | Distribution::Eks | Distribution::Aks
    );
    (cloud && snapshot.known(Kind::DaemonSet, "").is_ok()).then(|| Fact {
        value: Dataplane::CloudNative,
        confidence: Confidence::Hint,
        sign: "a managed cloud without agent pods".to_owned(),
    })
}

/// From configuration, else from what nodes record about their tunnels.
pub(super) fn encapsulation(
    snapshot: &Snapshot,
    dataplane: Option<Dataplane>,
    settings: &[(&NetworkSettings, String)],
) -> Option<Fact<Text>> {
    let dataplane = dataplane?;
    // Flannel's annotation tells what runs; its ConfigMap only what will run after the next restart.
    if matches!(dataplane, Dataplane::Flannel | Dataplane::Canal)
        && let Some(fact) = snapshot.objects.nodes.iter().find_map(of_flannel)
    {
        return Some(fact);
    }
    let configured = settings.iter().find_map(|(settings, sign)| {
        Some(Fact {
            value: settings.encapsulation.clone()?,
            confidence: Confidence::Likely,
            sign: sign.clone(),
        })
    });
    configured.or_else(|| match dataplane {
        Dataplane::Calico => snapshot.objects.nodes.iter().find_map(of_calico),
        Dataplane::Kindnet | Dataplane::CloudNative => Some(Fact {
            value: "none".into(),
            confidence: Confidence::Hint,
            sign: "usual for this dataplane".to_owned(),
        }),
        Dataplane::OvnKubernetes | Dataplane::KubeOvn => Some(Fact {
            value: "geneve".into(),
            confidence: Confidence::Hint,
            sign: "usual for this dataplane".to_owned(),
        }),
        _ => None,
    })
}

fn of_flannel(node: &Node) -> Option<Fact<Text>> {
    let key = "flannel.alpha.coreos.com/backend-type";
    Some(Fact {
        value: network_encapsulation(node.meta.annotations.get(key)?)?,
        confidence: Confidence::Likely,
        sign: format!("annotation {key} of node {}", node.meta.name),
    })
}

/// Calico records the address of the tunnel device it made. A node without any may still be starting, so nothing
/// follows from silence.
fn of_calico(node: &Node) -> Option<Fact<Text>> {
    let known = [
        ("projectcalico.org/IPv4WireguardInterfaceAddr", "wireguard"),
        ("projectcalico.org/IPv4VXLANTunnelAddr", "vxlan"),
        ("projectcalico.org/IPv4IPIPTunnelAddr", "ipip"),
    ];
    let (key, value) = known
        .into_iter()
        .find(|(key, _)| node.meta.annotations.get(key).is_some())?;
    Some(Fact {
        value: value.into(),
        confidence: Confidence::Likely,
        sign: format!("annotation {key} of node {}", node.meta.name),
    })
}
