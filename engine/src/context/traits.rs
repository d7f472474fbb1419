//! What is known about a workload or a namespace beside its own fields.

use super::Context;
use crate::model::{Labels, Text, Workload};

impl<'a> Context<'a> {
    /// A mesh or an operator injects a sidecar into these pods, which may add ports: labels and annotations of the pods,
    /// labels and annotations of their namespace (Istio, Linkerd, Kuma, Consul, Dapr, OpenTelemetry).
    pub fn mesh_injects(&self, workload: Workload<'_>) -> bool {
        let (labels, annotations) = (workload.pod_labels(), workload.pod_annotations());
        let pod = labels
            .get("sidecar.istio.io/inject")
            .or_else(|| annotations.get("sidecar.istio.io/inject"));
        let linkerd = annotations.get("linkerd.io/inject");
        if pod == Some("false") && linkerd.is_none() {
            return false;
        }
        if pod == Some("true")
            || labels.get("istio.io/rev").is_some()
            || matches!(linkerd, Some("enabled" | "ingress"))
            || asks_for_telemetry(annotations)
            || annotations.get("consul.hashicorp.com/connect-inject") == Some("true")
            || annotations.get("dapr.io/enabled") == Some("true")
            || labels.get("kuma.io/sidecar-injection") == Some("enabled")
            || workload
                .spec()
                .containers
                .iter()
                .any(|container| &*container.image == "auto")
        {
            return true;
        }
        self.named::<crate::model::Namespace>("", &workload.meta().namespace)
            .iter()
            .any(|namespace| {
                let (labels, annotations) = (&namespace.meta.labels, &namespace.meta.annotations);
                labels.get("istio-injection") == Some("enabled")
                    || labels.get("istio.io/rev").is_some()
                    || labels.get("kuma.io/sidecar-injection") == Some("enabled")
                    || matches!(
                        annotations.get("linkerd.io/inject"),
                        Some("enabled" | "ingress")
                    )
                    || asks_for_telemetry(annotations)
            })
    }

    /// Tokens that the workload's arguments, environment and mounted `ConfigMaps` mention. The second value tells
    /// whether a `ConfigMap` could not be read, so that silence proves nothing.
    pub fn mentions_port(&self, workload: Workload<'_>, port: i32) -> bool {
        let spec = workload.spec();
        spec.all_containers()
            .any(|(_, container)| container.mentions.port(port))
            || self
                .config_maps_of(workload)
                .iter()
                .any(|map| map.mentions.port(port))
    }

    /// The `ConfigMaps` that a workload mounts or takes variables from, as far as they are here.
    pub fn config_maps_of(&self, workload: Workload<'_>) -> Vec<&'a crate::model::ConfigMap> {
        let spec = workload.spec();
        let from_containers = spec
            .all_containers()
            .flat_map(|(_, container)| &container.config_maps);
        let mut names: Vec<&Text> = spec.config_maps.iter().chain(from_containers).collect();
        names.sort();
        names.dedup();
        names
            .iter()
            .flat_map(|name| self.named(&workload.meta().namespace, name))
            .collect()
    }

    /// `kube-system` and the like, where rules about host networking are silent (catalogue §1.8).
    pub fn is_system_namespace(&self, namespace: &str) -> bool {
        matches!(namespace, "kube-system" | "kube-public" | "kube-node-lease")
            || self
                .facts()
                .dataplane_namespaces
                .iter()
                .any(|system| &**system == namespace)
    }
}

/// The OpenTelemetry operator adds a collector, by the name of its resource or the only one of the namespace.
fn asks_for_telemetry(annotations: &Labels) -> bool {
    annotations
        .get("sidecar.opentelemetry.io/inject")
        .is_some_and(|value| !value.eq_ignore_ascii_case("false"))
}
