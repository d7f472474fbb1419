//! The one table of kinds: group, versions, plural and scope.

/// A kind of object that rules can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // each variant is the Kubernetes kind of that name
pub enum Kind {
    Pod,
    Service,
    Namespace,
    Node,
    ConfigMap,
    Secret,
    Event,
    ReplicationController,
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    Job,
    CronJob,
    HorizontalPodAutoscaler,
    Ingress,
    IngressClass,
    NetworkPolicy,
    EndpointSlice,
    ServiceCIDR,
    Certificate,
    CertificateRequest,
    Order,
    Challenge,
    Issuer,
    ClusterIssuer,
    ValidatingWebhookConfiguration,
    MutatingWebhookConfiguration,
    CustomResourceDefinition,
    Gateway,
    IngressRoute,
    CiliumNetworkPolicy,
    CiliumClusterwideNetworkPolicy,
    CalicoNetworkPolicy,
    GlobalNetworkPolicy,
    AdminNetworkPolicy,
    BaselineAdminNetworkPolicy,
    ClusterNetworkPolicy,
    /// An object of some other kind that holds a pod template at `spec.template` (an Argo Rollout, a Knative Service).
    CustomWorkload,
}

/// One row of the table.
struct Row {
    kind: Kind,
    name: &'static str,
    group: &'static str,
    versions: &'static [&'static str],
    plural: &'static str,
    short: &'static [&'static str],
    namespaced: bool,
}

const fn row(
    kind: Kind,
    name: &'static str,
    group: &'static str,
    versions: &'static [&'static str],
    plural: &'static str,
    short: &'static [&'static str],
    namespaced: bool,
) -> Row {
    Row {
        kind,
        name,
        group,
        versions,
        plural,
        short,
        namespaced,
    }
}

/// Versions are in order of preference; any version of a known group is accepted when decoding.
#[rustfmt::skip]
static TABLE: &[Row] = &[
    row(Kind::Pod, "Pod", "", &["v1"], "pods", &["po"], true),
    row(Kind::Service, "Service", "", &["v1"], "services", &["svc"], true),
    row(Kind::Namespace, "Namespace", "", &["v1"], "namespaces", &["ns"], false),
    row(Kind::Node, "Node", "", &["v1"], "nodes", &["no"], false),
    row(Kind::ConfigMap, "ConfigMap", "", &["v1"], "configmaps", &["cm"], true),
    row(Kind::Secret, "Secret", "", &["v1"], "secrets", &[], true),
    row(Kind::Event, "Event", "", &["v1"], "events", &["ev"], true),
    row(Kind::ReplicationController, "ReplicationController", "", &["v1"], "replicationcontrollers", &["rc"], true),
    row(Kind::Deployment, "Deployment", "apps", &["v1"], "deployments", &["deploy"], true),
    row(Kind::StatefulSet, "StatefulSet", "apps", &["v1"], "statefulsets", &["sts"], true),
    row(Kind::DaemonSet, "DaemonSet", "apps", &["v1"], "daemonsets", &["ds"], true),
    row(Kind::ReplicaSet, "ReplicaSet", "apps", &["v1"], "replicasets", &["rs"], true),
    row(Kind::Job, "Job", "batch", &["v1"], "jobs", &[], true),
    row(Kind::CronJob, "CronJob", "batch", &["v1"], "cronjobs", &["cj"], true),
    row(Kind::HorizontalPodAutoscaler, "HorizontalPodAutoscaler", "autoscaling", &["v2", "v1"], "horizontalpodautoscalers", &["hpa"], true),
    row(Kind::Ingress, "Ingress", "networking.k8s.io", &["v1"], "ingresses", &["ing"], true),
    row(Kind::IngressClass, "IngressClass", "networking.k8s.io", &["v1"], "ingressclasses", &[], false),
    row(Kind::NetworkPolicy, "NetworkPolicy", "networking.k8s.io", &["v1"], "networkpolicies", &["netpol"], true),
    row(Kind::EndpointSlice, "EndpointSlice", "discovery.k8s.io", &["v1", "v1beta1"], "endpointslices", &[], true),
    row(Kind::ServiceCIDR, "ServiceCIDR", "networking.k8s.io", &["v1", "v1beta1"], "servicecidrs", &[], false),
    row(Kind::Certificate, "Certificate", "cert-manager.io", &["v1"], "certificates", &["cert", "certs"], true),
    row(Kind::CertificateRequest, "CertificateRequest", "cert-manager.io", &["v1"], "certificaterequests", &["cr", "crs"], true),
    row(Kind::Order, "Order", "acme.cert-manager.io", &["v1"], "orders", &[], true),
    row(Kind::Challenge, "Challenge", "acme.cert-manager.io", &["v1"], "challenges", &[], true),
    row(Kind::Issuer, "Issuer", "cert-manager.io", &["v1"], "issuers", &[], true),
    row(Kind::ClusterIssuer, "ClusterIssuer", "cert-manager.io", &["v1"], "clusterissuers", &[], false),
    row(Kind::ValidatingWebhookConfiguration, "ValidatingWebhookConfiguration", "admissionregistration.k8s.io", &["v1"], "validatingwebhookconfigurations", &[], false),
    row(Kind::MutatingWebhookConfiguration, "MutatingWebhookConfiguration", "admissionregistration.k8s.io", &["v1"], "mutatingwebhookconfigurations", &[], false),
    row(Kind::CustomResourceDefinition, "CustomResourceDefinition", "apiextensions.k8s.io", &["v1"], "customresourcedefinitions", &["crd", "crds"], false),
    row(Kind::Gateway, "Gateway", "gateway.networking.k8s.io", &["v1", "v1beta1", "v1alpha2"], "gateways", &["gtw"], true),
    row(Kind::IngressRoute, "IngressRoute", "traefik.io", &["v1alpha1"], "ingressroutes", &[], true),
    row(Kind::CiliumNetworkPolicy, "CiliumNetworkPolicy", "cilium.io", &["v2"], "ciliumnetworkpolicies", &["cnp", "ciliumnp"], true),
    row(Kind::CiliumClusterwideNetworkPolicy, "CiliumClusterwideNetworkPolicy", "cilium.io", &["v2"], "ciliumclusterwidenetworkpolicies", &["ccnp"], false),
    row(Kind::CalicoNetworkPolicy, "NetworkPolicy", "crd.projectcalico.org", &["v1"], "networkpolicies", &[], true),
    row(Kind::GlobalNetworkPolicy, "GlobalNetworkPolicy", "crd.projectcalico.org", &["v1"], "globalnetworkpolicies", &[], false),
    row(Kind::AdminNetworkPolicy, "AdminNetworkPolicy", "policy.networking.k8s.io", &["v1alpha1"], "adminnetworkpolicies", &["anp"], false),
    row(Kind::BaselineAdminNetworkPolicy, "BaselineAdminNetworkPolicy", "policy.networking.k8s.io", &["v1alpha1"], "baselineadminnetworkpolicies", &["banp"], false),
    row(Kind::ClusterNetworkPolicy, "ClusterNetworkPolicy", "policy.networking.k8s.io", &["v1alpha2"], "clusternetworkpolicies", &["cnp"], false),
    row(Kind::CustomWorkload, "CustomWorkload", "", &[], "", &[], true),
];

/// Groups that still carry objects of a kind under another name.
fn canonical_group(group: &str, name: &str) -> &'static str {
    match (group, name) {
        ("extensions", "Ingress" | "NetworkPolicy") => "networking.k8s.io",
        ("extensions", "Deployment" | "DaemonSet" | "ReplicaSet") => "apps",
        ("traefik.containo.us", "IngressRoute") => "traefik.io",
        ("projectcalico.org", "NetworkPolicy" | "GlobalNetworkPolicy") => "crd.projectcalico.org",
        _ => "",
    }
}

impl Kind {
    fn row(self) -> &'static Row {
        // The table is in the order of the variants, which a test holds.
        &TABLE[self as usize]
    }

    /// Every kind that can be listed, in table order.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE
            .iter()
            .map(|row| row.kind)
            .filter(|kind| *kind != Self::CustomWorkload)
    }

    /// The kind's name as it stands in manifests.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// API group, empty for the core group.
    pub fn group(self) -> &'static str {
        self.row().group
    }

    /// Served versions in order of preference.
    pub fn versions(self) -> &'static [&'static str] {
        self.row().versions
    }

    /// The preferred `apiVersion`.
    pub fn api_version(self) -> String {
        let row = self.row();
        match (row.group, row.versions.first()) {
            (_, None) => String::new(),
            ("", Some(version)) => (*version).to_owned(),
            (group, Some(version)) => format!("{group}/{version}"),
        }
    }

    /// Resource name, lower case and plural, as RBAC and `kubectl get` use it.
    pub fn plural(self) -> &'static str {
        self.row().plural
    }

    /// `plural.group`, as `kubectl auth can-i` wants it outside the core group.
    pub fn resource(self) -> String {
        let row = self.row();
        if row.group.is_empty() {
            row.plural.to_owned()
        } else {
            format!("{}.{}", row.plural, row.group)
        }
    }

    /// Whether objects live in a namespace.
    pub fn namespaced(self) -> bool {
        self.row().namespaced
    }

    /// The kind behind an `apiVersion` and `kind`, if we have a view for it. Any version of the group counts.
    pub fn of(api_version: &str, name: &str) -> Option<Self> {
        let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let canonical = canonical_group(group, name);
        let group = if canonical.is_empty() {
            group
        } else {
            canonical
        };
        TABLE
            .iter()
            .find(|row| row.name == name && row.group == group && row.kind != Self::CustomWorkload)
            .map(|row| row.kind)
    }

    /// What a person types: singular, plural, short name, kind, each also with `.group`.
    pub fn from_type(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        let (name, group) = lower
            .split_once('.')
            .map_or((&*lower, None), |(name, group)| (name, Some(group)));
        TABLE
            .iter()
            .filter(|row| row.kind != Self::CustomWorkload)
            .find(|row| {
                let named = row.plural == name
                    || row.short.contains(&name)
                    || row.name.to_ascii_lowercase() == name;
                named
                    && group.is_none_or(|group| row.group == group || row.group.starts_with(group))
            })
            .map(|row| row.kind)
    }

    /// Kinds that run pods from a template (the catalogue's W without Pod).
    pub fn is_controller(self) -> bool {
        matches!(
            self,
            Self::Deployment
                | Self::StatefulSet
                | Self::DaemonSet
                | Self::ReplicaSet
                | Self::ReplicationController
                | Self::Job
                | Self::CronJob
                | Self::CustomWorkload
        )
    }

    /// Kinds of our table that a CRD brings; their absence is normal.
    pub fn is_custom(self) -> bool {
        !matches!(self.group(), "" | "apps" | "batch" | "autoscaling")
            && !self.group().ends_with(".k8s.io")
            || matches!(
                self,
                Self::Gateway
                    | Self::AdminNetworkPolicy
                    | Self::BaselineAdminNetworkPolicy
                    | Self::ClusterNetworkPolicy
            )
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_variant_order() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.kind as usize, index, "{}", row.name);
        }
    }

    #[test]
    fn a_kind_is_found_by_what_people_type() {
        assert_eq!(Kind::from_type("deploy"), Some(Kind::Deployment));
        assert_eq!(Kind::from_type("Deployments"), Some(Kind::Deployment));
        assert_eq!(Kind::from_type("deploy.apps"), Some(Kind::Deployment));
        assert_eq!(Kind::from_type("netpol"), Some(Kind::NetworkPolicy));
        assert_eq!(
            Kind::from_type("networkpolicies.crd.projectcalico.org"),
            Some(Kind::CalicoNetworkPolicy)
        );
        assert_eq!(Kind::from_type("nothing"), None);
    }

    #[test]
    fn old_groups_still_name_the_kind() {
        assert_eq!(
            Kind::of("extensions/v1beta1", "Ingress"),
            Some(Kind::Ingress)
        );
        assert_eq!(
            Kind::of("apps/v1beta2", "Deployment"),
            Some(Kind::Deployment)
        );
        assert_eq!(Kind::of("serving.knative.dev/v1", "Service"), None);
    }
}
