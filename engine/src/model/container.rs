//! Containers: declared ports, probes, hooks, and what they say about the network.

use super::{IntOrString, Mentions, Protocol, Text, pod::Named};
use serde::{Deserialize, Deserializer};

/// One container. What few of them have is boxed: there is one of these for every revision of every template.
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
    pub liveness_probe: Option<Box<Probe>>,
    /// Readiness probe.
    pub readiness_probe: Option<Box<Probe>>,
    /// Startup probe.
    pub startup_probe: Option<Box<Probe>>,
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
        .filter_map(|(name, probe)| Some((name, probe.as_deref()?)))
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawContainer {
    name: Text,
    image: Text,
    ports: Vec<ContainerPort>,
    liveness_probe: Option<Box<Probe>>,
    readiness_probe: Option<Box<Probe>>,
    startup_probe: Option<Box<Probe>>,
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
    pub post_start: Option<Box<LifecycleHandler>>,
    /// Run before it stops.
    pub pre_stop: Option<Box<LifecycleHandler>>,
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
