//! What the objects are called, in one place: manifests, server and plugin have to agree on it.

/// `app.kubernetes.io/name` of every object, and the label of the break-glass command.
pub const APP: &str = "netdoctor";
/// The namespace that everything lives in, unless somebody chose another.
pub const NAMESPACE: &str = "netdoctor-system";
/// Deployment, Service, `ServiceAccount` and roles of the server.
pub const WEBHOOK: &str = "netdoctor-webhook";
/// Deployment, `ServiceAccount` and roles of the background auditor.
pub const AUDITOR: &str = "netdoctor-auditor";
/// `ClusterRole` for the field `caBundle` of the two configurations.
pub const CONFIGURATIONS_ROLE: &str = "netdoctor-webhook-configurations";
/// The `ValidatingWebhookConfiguration`.
pub const VALIDATING: &str = "netdoctor-validating";
/// The `MutatingWebhookConfiguration`.
pub const MUTATING: &str = "netdoctor-mutating";
/// The one entry of [`VALIDATING`].
pub const VALIDATING_WEBHOOK: &str = "validate.netdoctor.io";
/// The one entry of [`MUTATING`].
pub const MUTATING_WEBHOOK: &str = "mutate.netdoctor.io";
/// `ConfigMap` with the configuration.
pub const CONFIG_MAP: &str = "netdoctor-config";
/// Its key.
pub const CONFIG_KEY: &str = "netdoctor.yaml";
/// Secret with the authority that all replicas share.
pub const CA_SECRET: &str = "netdoctor-webhook-ca";
/// Lease of the replica that writes the Secret and `caBundle`.
pub const LEASE: &str = "netdoctor-webhook";
/// Secret with the serving certificate, where cert-manager or the user brings it.
pub const TLS_SECRET: &str = "netdoctor-webhook-tls";
/// `ResourceQuota` that lets Pods of a system priority class into the namespace.
pub const PRIORITY_QUOTA: &str = "netdoctor-priority";
/// Policy that guards the labels with which a namespace opts out.
pub const LABEL_GUARD: &str = "netdoctor-label-guard";

/// Field manager and `app.kubernetes.io/managed-by` of what the plugin prints or applies.
pub const MANAGER: &str = "kubectl-netdoctor";

/// Namespace label: `disabled` keeps the webhook out.
pub const ADMISSION_LABEL: &str = "netdoctor.io/admission";
/// Namespace label: `advisory`, `guarded` or `strict`.
pub const PROFILE_LABEL: &str = "netdoctor.io/profile";
/// Namespace label: `enabled` lets the mutating webhook in.
pub const MUTATE_LABEL: &str = "netdoctor.io/mutate";

/// Annotation of [`CA_SECRET`] that asks for a rotation: any value that differs from that of [`ROTATE_DONE_ANNOTATION`].
pub const ROTATE_ANNOTATION: &str = "netdoctor.io/rotate-ca";
/// Annotation of [`CA_SECRET`] with the wish that was last acted upon.
pub const ROTATE_DONE_ANNOTATION: &str = "netdoctor.io/rotate-ca-done";
/// Key of [`CA_SECRET`] with the certificate of the authority that signs.
pub const CA_CERTIFICATE_KEY: &str = "ca.crt";
/// Key of [`CA_SECRET`] with the certificate of the authority to come.
pub const NEXT_CERTIFICATE_KEY: &str = "next.crt";

/// Namespaces that the control plane lives in: never matched (webhook.md 4.3).
pub const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// Namespaces that dataplanes are installed in by their own instructions. Rules about host networking are silent where a
/// dataplane runs; a policy cannot look for it, and goes by these names.
pub const DATAPLANE_NAMESPACES: [&str; 5] = [
    "calico-system",
    "cilium",
    "kube-flannel",
    "openshift-ovn-kubernetes",
    "openshift-sdn",
];

/// Port of the Service that the API server calls.
pub const SERVICE_PORT: u16 = 443;
/// Plain port with `/livez` and `/readyz`.
pub const HEALTH_PORT: u16 = 8081;
/// Plain port with `/metrics`.
pub const METRICS_PORT: u16 = 8080;
/// Variable of the C library's allocator, with a value: free memory at the end of the heap beyond so many bytes goes back to
/// the kernel. By itself the threshold grows with the largest buffer, so that the first lists would leave their mark.
pub const ALLOCATOR: (&str, &str) = ("MALLOC_TRIM_THRESHOLD_", "1048576");
/// The two plain ports, health before metrics, on the node's network, where 8080 and 8081 are popular.
pub const HOST_PLAIN_PORTS: [u16; 2] = [9444, 9445];
