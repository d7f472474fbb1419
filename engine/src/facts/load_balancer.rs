//! What could give a Service of type `LoadBalancer` its address.

use super::Fact;
use crate::{
    model::{PodSpec, Text},
    rule::Confidence,
    snapshot::{Snapshot, Source},
};
use std::collections::BTreeMap;

/// Parts of image names of the controllers that people install.
const CONTROLLERS: &[(&str, &str)] = &[
    ("metallb", "MetalLB"),
    ("kube-vip", "kube-vip"),
    ("klipper-lb", "klipper (K3s)"),
    ("purelb", "PureLB"),
    ("openelb", "OpenELB"),
    ("kube-loxilb", "LoxiLB"),
    ("cloud-controller-manager", "cloud controller"),
    ("cloud-provider", "cloud controller"),
    ("openstack-cloud-controller", "cloud controller"),
    ("hcloud-cloud-controller", "cloud controller"),
    (
        "aws-load-balancer-controller",
        "AWS Load Balancer Controller",
    ),
    ("tailscale/k8s-operator", "Tailscale"),
    ("inlets-operator", "inlets"),
];

/// Providers in `spec.providerID` that bring no load balancer.
const WITHOUT: &[&str] = &["k3s", "kind", "rke2", "minikube", "kubemark", "metal3"];

/// All signs; each controller once, with the first sign of it.
pub(super) fn detect(snapshot: &Snapshot) -> Vec<Fact<Text>> {
    if snapshot.source == Source::Files {
        return Vec::new();
    }
    let mut found: BTreeMap<Text, String> = BTreeMap::new();
    let mut add = |name: &str, sign: String| {
        found.entry(name.into()).or_insert(sign);
    };
    for node in &snapshot.objects.nodes {
        let provider = node.spec.provider_id.as_deref().unwrap_or_default();
        let scheme = provider.split("://").next().unwrap_or_default();
        if !scheme.is_empty() && !WITHOUT.contains(&scheme) {
            add(
                "cloud controller",
                format!("providerID {scheme}:// of node {}", node.meta.name),
            );
        }
    }
    for controller in &snapshot.objects.controllers {
        if let Some(name) = of_spec(&controller.template.spec) {
            add(name, format!("workload {}", controller.meta));
        }
    }
    // kube-vip usually runs as static pods, which no controller owns.
    for pod in snapshot.objects.pods.in_namespace("kube-system") {
        if let Some(name) = of_spec(&pod.spec) {
            add(name, format!("Pod {}", pod.meta));
        }
    }
    for service in &snapshot.objects.services {
        if service.service_type() == "LoadBalancer" && !service.load_balancer_addresses.is_empty() {
            let sign = format!("Service {} has an address", service.meta);
            add("a controller that serves other Services", sign);
        }
    }
    found
        .into_iter()
        .map(|(value, sign)| Fact {
            value,
            confidence: Confidence::Likely,
            sign,
        })
        .collect()
}

fn of_spec(spec: &PodSpec) -> Option<&'static str> {
    spec.containers.iter().find_map(|container| {
        let mut known = CONTROLLERS.iter();
        known
            .find(|(part, _)| container.image.contains(part))
            .map(|(_, name)| *name)
    })
}
