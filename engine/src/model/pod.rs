//! Pods and the part of a pod that its template decides.

use super::{Condition, Container, ContainerPort, Kind, Meta, Object, PodStatus, Security, Text};
use serde::{Deserialize, Deserializer};
use std::{collections::BTreeMap, sync::Arc};

/// A pod.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(from = "RawPod")]
pub struct Pod {
    /// Metadata.
    pub meta: Meta,
    /// What comes from the template; shared between the pods of one template revision.
    pub spec: Arc<PodSpec>,
    /// `spec.nodeName`.
    pub node_name: Option<Text>,
    /// Status.
    pub status: PodStatus,
}

impl Object for Pod {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::Pod
    }
    fn forget_status(&mut self) {
        self.status = PodStatus::default();
    }
}

impl Pod {
    /// Phase `Succeeded` or `Failed`: the pod will never serve again.
    pub fn finished(&self) -> bool {
        matches!(&*self.status.phase, "Succeeded" | "Failed")
    }

    /// Condition `Ready` is true.
    pub fn ready(&self) -> bool {
        self.status.ready.as_ref().is_some_and(Condition::is_true)
    }

    /// The pod counts as selected by a Service: neither finished nor being deleted.
    pub fn alive(&self) -> bool {
        !self.finished() && !self.meta.deleting()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPod {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

impl From<RawPod> for Pod {
    fn from(raw: RawPod) -> Self {
        let mut spec = raw.spec;
        let node_name = spec.node_name.take().filter(|name| !name.is_empty());
        // The DaemonSet controller pins each pod to its node by a field selector. That says nothing about the template
        // and would keep every pod's specification apart from its siblings'.
        if raw
            .metadata
            .controller()
            .is_some_and(|owner| &*owner.kind == "DaemonSet")
        {
            spec.affinity.node_terms.clear();
        }
        Self {
            meta: raw.metadata,
            spec: Arc::new(spec),
            node_name,
            status: raw.status,
        }
    }
}

/// The fields of `PodSpec` that rules read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// `hostNetwork`.
    pub host_network: bool,
    /// `dnsPolicy`; absent means `ClusterFirst`.
    pub dns_policy: Option<Text>,
    /// `dnsConfig.nameservers`.
    #[serde(rename = "dnsConfig", deserialize_with = "nameservers")]
    pub nameservers: Vec<Text>,
    /// Regular containers.
    pub containers: Vec<Container>,
    /// Init containers; those with `restartPolicy: Always` are sidecars (KEP-753).
    pub init_containers: Vec<Container>,
    /// `nodeName` of a template. Empty in [`Pod::spec`], which keeps it apart.
    pub node_name: Option<Text>,
    /// `nodeSelector`.
    pub node_selector: BTreeMap<Text, Text>,
    /// Affinity.
    pub affinity: Affinity,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// Pod-level `securityContext`.
    pub security_context: Security,
    /// `ConfigMaps` that the pod mounts as volumes.
    #[serde(rename = "volumes", deserialize_with = "mounted_config_maps")]
    pub config_maps: Vec<Text>,
    /// `os.name`.
    #[serde(rename = "os", deserialize_with = "os_name")]
    pub os: Option<Text>,
    /// `restartPolicy`.
    pub restart_policy: Option<Text>,
    /// `subdomain`, the governing headless Service.
    pub subdomain: Option<Text>,
}

impl PodSpec {
    /// `dnsPolicy` with its default.
    pub fn dns_policy(&self) -> &str {
        self.dns_policy.as_deref().unwrap_or("ClusterFirst")
    }

    /// Regular containers, then sidecars (restartable init containers), each with the pointer to it below the pod spec.
    /// This is the order in which the `EndpointSlice` controller looks for a named port.
    pub fn serving_containers(&self) -> impl Iterator<Item = (String, &Container)> {
        let regular = self
            .containers
            .iter()
            .enumerate()
            .map(|(i, c)| (format!("/containers/{i}"), c));
        let sidecars = self
            .init_containers
            .iter()
            .enumerate()
            .filter(|(_, c)| c.is_sidecar())
            .map(|(i, c)| (format!("/initContainers/{i}"), c));
        regular.chain(sidecars)
    }

    /// Every container with the pointer to it below the pod spec: regular, then init.
    pub fn all_containers(&self) -> impl Iterator<Item = (String, &Container)> {
        let regular = self
            .containers
            .iter()
            .enumerate()
            .map(|(i, c)| (format!("/containers/{i}"), c));
        let init = self
            .init_containers
            .iter()
            .enumerate()
            .map(|(i, c)| (format!("/initContainers/{i}"), c));
        regular.chain(init)
    }

    /// Ports that serving containers declare, with the pointer to each below the pod spec.
    pub fn declared_ports(&self) -> impl Iterator<Item = (String, &ContainerPort)> {
        self.serving_containers().flat_map(|(at, container)| {
            container
                .ports
                .iter()
                .enumerate()
                .map(move |(i, port)| (format!("{at}/ports/{i}"), port))
        })
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawDnsConfig {
    nameservers: Vec<Text>,
}

fn nameservers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Text>, D::Error> {
    Ok(Option::<RawDnsConfig>::deserialize(deserializer)?
        .unwrap_or_default()
        .nameservers)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Named {
    pub(super) name: Option<Text>,
}

fn os_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text>, D::Error> {
    Ok(Option::<Named>::deserialize(deserializer)?.and_then(|os| os.name))
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawVolume {
    config_map: Option<Named>,
    projected: Option<RawProjected>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawProjected {
    sources: Vec<RawVolume>,
}

fn mounted_config_maps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Text>, D::Error> {
    let mut names = Vec::new();
    for volume in Option::<Vec<RawVolume>>::deserialize(deserializer)?.unwrap_or_default() {
        let projected = volume
            .projected
            .into_iter()
            .flat_map(|projected| projected.sources);
        for source in
            std::iter::once(volume.config_map).chain(projected.map(|source| source.config_map))
        {
            // Every pod mounts the cluster's CA bundle; it says nothing about the application.
            names.extend(
                source
                    .and_then(|map| map.name)
                    .filter(|name| &**name != "kube-root-ca.crt"),
            );
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}

/// Affinity, reduced to what is *required*.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(from = "RawAffinity")]
pub struct Affinity {
    /// Required node affinity; the terms are alternatives. Empty means no demand.
    pub node_terms: Vec<NodeSelectorTerm>,
    /// Required pod anti-affinity.
    pub anti_affinity: Vec<AntiAffinityTerm>,
    /// How much of the path to the required pod anti-affinity the object spells out, for patches.
    pub anti_affinity_written: Written,
}

/// Which part of `affinity.podAntiAffinity.required…` an object spells out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Written {
    /// Not even `affinity`.
    #[default]
    Nothing,
    /// `affinity`, without `podAntiAffinity`.
    Affinity,
    /// `podAntiAffinity`, without required terms: preferred ones at most.
    AntiAffinity,
    /// The list of required terms.
    Required,
}

/// Alternatives of a required node affinity: all requirements of one term must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeSelectorTerm {
    /// About node labels.
    pub match_expressions: Vec<crate::selector::Requirement>,
    /// About node fields; only `metadata.name` exists.
    pub match_fields: Vec<crate::selector::Requirement>,
}

/// One required anti-affinity term.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AntiAffinityTerm {
    /// Node label that delimits the domain.
    pub topology_key: Text,
    /// Pods to keep away from; absent matches none.
    pub label_selector: Option<crate::selector::LabelSelector>,
    /// Namespaces, the pod's own when empty and no selector is given.
    pub namespaces: Vec<Text>,
    /// Further namespaces by their labels.
    pub namespace_selector: Option<crate::selector::LabelSelector>,
    /// Keys whose value of the incoming pod is added to the selector (KEP-3633).
    pub match_label_keys: Vec<Text>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawAffinity {
    node_affinity: Option<RawNodeAffinity>,
    pod_anti_affinity: Option<RawAntiAffinity>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawNodeAffinity {
    required_during_scheduling_ignored_during_execution: Option<RawNodeSelector>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawNodeSelector {
    node_selector_terms: Vec<NodeSelectorTerm>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawAntiAffinity {
    required_during_scheduling_ignored_during_execution: Option<Vec<AntiAffinityTerm>>,
}

impl From<RawAffinity> for Affinity {
    fn from(raw: RawAffinity) -> Self {
        let node = raw
            .node_affinity
            .and_then(|node| node.required_during_scheduling_ignored_during_execution);
        let written = match &raw.pod_anti_affinity {
            None => Written::Affinity,
            Some(pods)
                if pods
                    .required_during_scheduling_ignored_during_execution
                    .is_none() =>
            {
                Written::AntiAffinity
            }
            Some(_) => Written::Required,
        };
        let pods = raw.pod_anti_affinity.unwrap_or_default();
        Self {
            node_terms: node.unwrap_or_default().node_selector_terms,
            anti_affinity: pods
                .required_during_scheduling_ignored_during_execution
                .unwrap_or_default(),
            anti_affinity_written: written,
        }
    }
}

/// A toleration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Toleration {
    pub key: Option<Text>,
    pub operator: Option<Text>,
    pub value: Option<Text>,
    pub effect: Option<Text>,
}
