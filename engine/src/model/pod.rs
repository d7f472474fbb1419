//! Pods and the part of a pod that its template decides.

use super::{IntOrString, Kind, Mentions, Meta, Object, Protocol, Text};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use std::{collections::BTreeMap, sync::Arc};

/// A pod.
#[derive(Debug, Clone, Default, Deserialize)]
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
struct Named {
    name: Option<Text>,
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

/// One container.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(from = "RawContainer")]
pub struct Container {
    /// Name.
    pub name: Text,
    /// Image reference.
    pub image: Text,
    /// Declared ports. Informational except for host ports and names.
    pub ports: Vec<ContainerPort>,
    /// Liveness probe.
    pub liveness_probe: Option<Probe>,
    /// Readiness probe.
    pub readiness_probe: Option<Probe>,
    /// Startup probe.
    pub startup_probe: Option<Probe>,
    /// Lifecycle hooks.
    pub lifecycle: Lifecycle,
    /// `restartPolicy` of an init container.
    pub restart_policy: Option<Text>,
    /// `securityContext`.
    pub security_context: Security,
    /// Tokens found in `command`, `args` and `env` values.
    pub mentions: Mentions,
    /// `ConfigMaps` that environment variables come from.
    pub config_maps: Vec<Text>,
}

impl Container {
    /// A restartable init container (KEP-753).
    pub fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }

    /// The three probes that exist, with the field's name.
    pub fn probes(&self) -> impl Iterator<Item = (&'static str, &Probe)> {
        [
            ("livenessProbe", &self.liveness_probe),
            ("readinessProbe", &self.readiness_probe),
            ("startupProbe", &self.startup_probe),
        ]
        .into_iter()
        .filter_map(|(name, probe)| probe.as_ref().map(|probe| (name, probe)))
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawContainer {
    name: Text,
    image: Text,
    ports: Vec<ContainerPort>,
    liveness_probe: Option<Probe>,
    readiness_probe: Option<Probe>,
    startup_probe: Option<Probe>,
    lifecycle: Lifecycle,
    restart_policy: Option<Text>,
    security_context: Security,
    command: Vec<Text>,
    args: Vec<Text>,
    env: Vec<RawEnv>,
    env_from: Vec<RawEnvSource>,
    /// Only in saved snapshots, which hold the tokens instead of the texts.
    netdoctor_mentions: Mentions,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawEnv {
    name: Text,
    value: Option<Text>,
    value_from: Option<RawEnvSource>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawEnvSource {
    config_map_ref: Option<Named>,
    config_map_key_ref: Option<Named>,
}

impl RawEnvSource {
    fn config_map(self) -> Option<Text> {
        self.config_map_ref
            .or(self.config_map_key_ref)
            .and_then(|map| map.name)
    }
}

impl From<RawContainer> for Container {
    fn from(raw: RawContainer) -> Self {
        let texts = raw.command.iter().chain(&raw.args).map(|text| &**text);
        let open = raw
            .env
            .iter()
            .filter(|env| !super::names_a_credential(&env.name));
        let values = open.filter_map(|env| env.value.as_deref());
        let mentions = Mentions::of(texts.chain(values));
        let references = raw
            .env
            .into_iter()
            .filter_map(|env| env.value_from)
            .chain(raw.env_from);
        let mut config_maps: Vec<Text> = references.filter_map(RawEnvSource::config_map).collect();
        config_maps.sort();
        config_maps.dedup();
        Self {
            name: raw.name,
            image: raw.image,
            ports: raw.ports,
            liveness_probe: raw.liveness_probe,
            readiness_probe: raw.readiness_probe,
            startup_probe: raw.startup_probe,
            lifecycle: raw.lifecycle,
            restart_policy: raw.restart_policy,
            security_context: raw.security_context,
            mentions: if raw.netdoctor_mentions.is_empty() {
                mentions
            } else {
                mentions.merged(raw.netdoctor_mentions)
            },
            config_maps,
        }
    }
}

/// A declared container port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    /// Name.
    pub name: Option<Text>,
    /// Port in the pod.
    pub container_port: i32,
    /// Port on the node; 0 counts as absent.
    pub host_port: Option<i32>,
    /// `hostIP`.
    #[serde(rename = "hostIP")]
    pub host_ip: Option<Text>,
    /// Transport protocol.
    pub protocol: Protocol,
}

impl ContainerPort {
    /// `hostPort` when it asks for one.
    pub fn host_port(&self) -> Option<i32> {
        self.host_port.filter(|port| *port != 0)
    }
}

/// A probe, reduced to where it connects.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Probe {
    /// HTTP probe.
    pub http_get: Option<PortAction>,
    /// TCP probe.
    pub tcp_socket: Option<PortAction>,
    /// gRPC probe.
    pub grpc: Option<PortAction>,
    /// Seconds before the first attempt.
    pub initial_delay_seconds: i32,
    /// Seconds between attempts; 0 means the default of 10.
    pub period_seconds: i32,
    /// Failures in a row before it counts; 0 means the default of 3.
    pub failure_threshold: i32,
}

impl Probe {
    /// The port that the probe connects to, with the pointer below the probe.
    pub fn port(&self) -> Option<(&'static str, &IntOrString)> {
        let actions = [
            ("/httpGet/port", &self.http_get),
            ("/tcpSocket/port", &self.tcp_socket),
            ("/grpc/port", &self.grpc),
        ];
        actions
            .into_iter()
            .find_map(|(at, action)| Some((at, action.as_ref()?.port.as_ref()?)))
    }
}

/// Something that connects to a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(default)]
pub struct PortAction {
    /// Port, by number or name.
    pub port: Option<IntOrString>,
    /// Host instead of the pod's own address.
    pub host: Option<Text>,
}

/// Lifecycle hooks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Lifecycle {
    /// Run right after the container started; a failure kills the container.
    pub post_start: Option<LifecycleHandler>,
    /// Run before it stops.
    pub pre_stop: Option<LifecycleHandler>,
}

/// The network actions of a hook.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LifecycleHandler {
    /// HTTP request.
    pub http_get: Option<PortAction>,
    /// TCP connect.
    pub tcp_socket: Option<PortAction>,
}

/// The parts of `securityContext` (pod or container) that decide about ports.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Security {
    /// `runAsUser`.
    pub run_as_user: Option<i64>,
    /// `runAsNonRoot`.
    pub run_as_non_root: Option<bool>,
    /// `privileged`.
    pub privileged: bool,
    /// `allowPrivilegeEscalation`.
    pub allow_privilege_escalation: Option<bool>,
    /// `capabilities.add`.
    #[serde(rename = "capabilities", deserialize_with = "added_capabilities")]
    pub added_capabilities: Vec<Text>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawCapabilities {
    add: Vec<Text>,
}

fn added_capabilities<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Text>, D::Error> {
    Ok(Option::<RawCapabilities>::deserialize(deserializer)?
        .unwrap_or_default()
        .add)
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

/// The status fields that rules read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "RawPodStatus")]
pub struct PodStatus {
    /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`; empty in files.
    pub phase: Text,
    /// Reason of a failed pod (`Evicted`, `NodePorts`).
    pub reason: Option<Text>,
    /// Message of a failed pod.
    pub message: Option<Text>,
    /// Condition `Ready`.
    pub ready: Option<Condition>,
    /// Condition `PodScheduled`.
    pub scheduled: Option<Condition>,
    /// Pod addresses, first is `podIP`.
    pub pod_ips: Vec<Text>,
    /// Containers.
    pub containers: Vec<ContainerStatus>,
    /// Init containers.
    pub init_containers: Vec<ContainerStatus>,
    /// When the kubelet accepted the pod.
    pub start_time: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawPodStatus {
    phase: Text,
    reason: Option<Text>,
    message: Option<Text>,
    conditions: Vec<Condition>,
    #[serde(rename = "podIP")]
    pod_ip: Option<Text>,
    #[serde(rename = "podIPs")]
    pod_ips: Vec<RawIp>,
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
    start_time: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawIp {
    ip: Text,
}

impl From<RawPodStatus> for PodStatus {
    fn from(raw: RawPodStatus) -> Self {
        let mut conditions = raw.conditions;
        let mut take = |name: &str| {
            let at = conditions
                .iter()
                .position(|condition| &*condition.kind == name)?;
            Some(conditions.swap_remove(at))
        };
        let (ready, scheduled) = (take("Ready"), take("PodScheduled"));
        let mut pod_ips: Vec<Text> = raw.pod_ips.into_iter().map(|ip| ip.ip).collect();
        if pod_ips.is_empty() {
            pod_ips.extend(raw.pod_ip.filter(|ip| !ip.is_empty()));
        }
        Self {
            phase: raw.phase,
            reason: raw.reason,
            message: raw.message,
            ready,
            scheduled,
            pod_ips,
            containers: raw.container_statuses,
            init_containers: raw.init_container_statuses,
            start_time: raw.start_time,
        }
    }
}

/// A condition of any object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: Text,
    /// `True`, `False` or `Unknown`.
    pub status: Text,
    /// Machine-readable reason.
    pub reason: Option<Text>,
    /// Text for people.
    pub message: Option<Text>,
    /// When the status last changed.
    pub last_transition_time: Option<Timestamp>,
    /// The generation it was made for, where the object records that.
    pub observed_generation: Option<i64>,
}

impl Condition {
    /// Status `True`.
    pub fn is_true(&self) -> bool {
        &*self.status == "True"
    }

    /// Status `False`.
    pub fn is_false(&self) -> bool {
        &*self.status == "False"
    }

    /// Searches by type, in any order.
    pub fn find<'a>(conditions: &'a [Self], kind: &str) -> Option<&'a Self> {
        conditions.iter().find(|condition| &*condition.kind == kind)
    }
}

/// What a container did.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerStatus {
    /// Container name.
    pub name: Text,
    /// Whether its readiness probe passes.
    pub ready: bool,
    /// Total number of restarts.
    pub restart_count: i32,
    /// Whether its startup probe has passed.
    pub started: Option<bool>,
    /// Now.
    pub state: ContainerState,
    /// The last time it ended.
    #[serde(deserialize_with = "last_terminated")]
    pub last_state: Option<Box<Terminated>>,
}

/// The present state; at most one field is set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "RawState")]
pub enum ContainerState {
    /// Nothing known.
    #[default]
    Unset,
    /// Waiting, with reason and message.
    Waiting(Option<Text>, Option<Text>),
    /// Running since.
    Running(Option<Timestamp>),
    /// Ended.
    Terminated(Box<Terminated>),
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct Terminated {
    pub reason: Option<Text>,
    pub message: Option<Text>,
    pub exit_code: i32,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawWaiting {
    reason: Option<Text>,
    message: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawRunning {
    started_at: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawState {
    waiting: Option<RawWaiting>,
    running: Option<RawRunning>,
    terminated: Option<Box<Terminated>>,
}

impl From<RawState> for ContainerState {
    fn from(raw: RawState) -> Self {
        match (raw.terminated, raw.waiting, raw.running) {
            (Some(terminated), _, _) => Self::Terminated(terminated),
            (None, Some(waiting), _) => Self::Waiting(waiting.reason, waiting.message),
            (None, None, Some(running)) => Self::Running(running.started_at),
            (None, None, None) => Self::Unset,
        }
    }
}

fn last_terminated<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Box<Terminated>>, D::Error> {
    Ok(Option::<RawState>::deserialize(deserializer)?.and_then(|state| state.terminated))
}
