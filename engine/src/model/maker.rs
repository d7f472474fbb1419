//! Objects of manifests that stand for pods and Services which are not in the manifests themselves: what a chart
//! installs, what an operator makes of its custom resource.

use super::{Kind, Meta, Object, ObjectRef, Text};
use serde_json::Value;

/// An object that makes others once it is in a cluster.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Maker {
    /// Metadata.
    pub meta: Meta,
    /// `apiVersion`.
    pub api_version: Text,
    /// `kind`.
    pub kind: Text,
    /// Whether it installs a whole application (a chart, a remote kustomization), controllers and classes included.
    pub installs: bool,
    /// Namespace of what it makes; `None` when any is possible.
    pub into: Option<Text>,
}

impl Object for Maker {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::CustomWorkload
    }
    fn reference(&self) -> ObjectRef {
        let mut reference = ObjectRef::new(self.kind(), &self.meta);
        reference.api_version.clone_from(&self.api_version);
        reference.kind.clone_from(&self.kind);
        reference
    }
}

/// Groups, with their subdomains, and single kinds whose objects configure, watch or route, and never make pods or
/// Services.
const NEVER: &[&str] = &[
    "monitoring.coreos.com/ServiceMonitor",
    "monitoring.coreos.com/PodMonitor",
    "monitoring.coreos.com/PrometheusRule",
    "monitoring.coreos.com/Probe",
    "monitoring.coreos.com/ScrapeConfig",
    "monitoring.coreos.com/AlertmanagerConfig",
    "argoproj.io/AppProject",
    "apps.openshift.io",
    "route.openshift.io",
    "security.openshift.io",
    "config.openshift.io",
    "cert-manager.io",
    "external-secrets.io",
    "bitnami.com",
    "secrets-store.csi.x-k8s.io",
    "istio.io",
    "traefik.io",
    "traefik.containo.us",
    "projectcalico.org",
    "cilium.io",
    "metallb.io",
    "metallb.universe.tf",
    "kyverno.io",
    "gatekeeper.sh",
    "linkerd.io",
    "k8s.cni.cncf.io",
    "keda.sh",
    "config.kubernetes.io",
    "kustomize.toolkit.fluxcd.io",
    "source.toolkit.fluxcd.io",
    "notification.toolkit.fluxcd.io",
    "image.toolkit.fluxcd.io",
];

impl Maker {
    /// Reads an object of a kind that no rule knows; `None` when such objects make nothing.
    pub(super) fn of(api_version: &str, kind: &str, value: &Value) -> Option<Self> {
        let text = |pointer: &str| {
            let text = value.pointer(pointer)?.as_str()?;
            (!text.is_empty()).then(|| Text::from(text))
        };
        let (group, _) = api_version.split_once('/')?;
        // `{{ .namespace }}` of a generator may become anything.
        let fixed = |at: &str| text(at).filter(|text| !text.contains('{'));
        let own = text("/metadata/namespace");
        let (installs, into) = match (group, kind) {
            ("kustomize.config.k8s.io", _) => {
                if !takes_from_elsewhere(value) {
                    return None;
                }
                (true, text("/namespace"))
            }
            ("helm.toolkit.fluxcd.io" | "helm.fluxcd.io", "HelmRelease") => {
                (true, fixed("/spec/targetNamespace").or(own))
            }
            ("helm.cattle.io", "HelmChart") => (true, fixed("/spec/targetNamespace").or(own)),
            ("argoproj.io", "Application") => (true, fixed("/spec/destination/namespace")),
            ("argoproj.io", "ApplicationSet") => {
                (true, fixed("/spec/template/spec/destination/namespace"))
            }
            ("operators.coreos.com", _) => (true, own),
            _ => {
                let built_in = !group.contains('.') || group.ends_with(".k8s.io");
                let never = NEVER.iter().any(|entry| match entry.split_once('/') {
                    Some(entry) => entry == (group, kind),
                    None => group
                        .strip_suffix(entry)
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
                });
                if built_in || never {
                    return None;
                }
                (false, own)
            }
        };
        Some(Self {
            meta: serde_json::from_value(value.get("metadata").cloned().unwrap_or_default())
                .unwrap_or_default(),
            api_version: api_version.into(),
            kind: kind.into(),
            installs,
            into,
        })
    }

    /// Whether it may make something in the namespace. `implied`: nobody stated that namespace.
    pub fn may_reach(&self, namespace: &str, implied: bool) -> bool {
        match &self.into {
            None => true,
            Some(into) => implied || **into == *namespace,
        }
    }
}

/// Whether a kustomization renders charts, or takes resources from another repository.
fn takes_from_elsewhere(kustomization: &Value) -> bool {
    let list = |key: &str| kustomization.get(key).and_then(Value::as_array);
    let remote = |entry: &str| entry.contains("://") || entry.starts_with("github.com/");
    list("helmCharts").is_some_and(|charts| !charts.is_empty())
        || ["resources", "bases"]
            .into_iter()
            .filter_map(list)
            .flatten()
            .filter_map(Value::as_str)
            .any(remote)
}
