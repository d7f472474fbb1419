//! What is laid over the base, each piece for itself: the same edits make a kustomize component and an option of
//! `kubectl netdoctor webhook manifests`.

mod certificates;
mod host_network;
mod label_guard;
mod monitoring;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation, ReplaceOperation};
use serde_json::{Value, json};

use crate::object::{Part, text};
use crate::{Options, configuration, names, workload};

pub(crate) use monitoring::dashboard;

/// A piece. The order is the one in which pieces are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// Profile `guarded`.
    Guarded,
    /// Profile `strict`.
    Strict,
    /// The mutating webhook.
    Mutate,
    /// `failurePolicy: Fail`.
    FailClosed,
    /// One replica, for small clusters.
    SingleReplica,
    /// The serving certificate comes from cert-manager.
    CertManager,
    /// The serving certificate comes from the user.
    Files,
    /// The server runs on the node's network, for control planes that cannot reach Pods.
    HostNetwork,
    /// The server runs on control-plane nodes.
    ControlPlane,
    /// No background auditor.
    NoAuditor,
    /// No priority class, and no quota for it.
    NoPriority,
    /// No quota for the priority class.
    NoPriorityQuota,
    /// `ServiceMonitor`, alerts and dashboard.
    Monitoring,
    /// Only those who may can opt a namespace out.
    LabelGuard,
    /// Deletions are sent to the webhook, which warns of what they break.
    Deletions,
    /// The scale subresource is sent to the webhook, which warns of more replicas than nodes.
    Scale,
}

/// All pieces.
pub const ALL: [Component; 16] = [
    Component::Guarded,
    Component::Strict,
    Component::Mutate,
    Component::FailClosed,
    Component::SingleReplica,
    Component::CertManager,
    Component::Files,
    Component::HostNetwork,
    Component::ControlPlane,
    Component::NoAuditor,
    Component::NoPriority,
    Component::NoPriorityQuota,
    Component::Monitoring,
    Component::LabelGuard,
    Component::Deletions,
    Component::Scale,
];

/// What a piece changes.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    /// New objects.
    pub(crate) adds: Vec<Value>,
    /// Kind and name of objects that go.
    pub(crate) removes: Vec<(&'static str, &'static str)>,
    /// Patches; one whose object is not there does nothing.
    pub(crate) patches: Vec<ObjectPatch>,
}

/// A patch of one object.
#[derive(Debug)]
pub(crate) struct ObjectPatch {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) patch: Patch,
}

impl Component {
    /// Name of the folder, and of the flag's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guarded => "guarded",
            Self::Strict => "strict",
            Self::Mutate => "mutate",
            Self::FailClosed => "fail-closed",
            Self::SingleReplica => "single-replica",
            Self::CertManager => "cert-manager",
            Self::Files => "certificate-files",
            Self::HostNetwork => "host-network",
            Self::ControlPlane => "control-plane",
            Self::NoAuditor => "no-auditor",
            Self::NoPriority => "no-priority",
            Self::NoPriorityQuota => "no-priority-quota",
            Self::Monitoring => "monitoring",
            Self::LabelGuard => "label-guard",
            Self::Deletions => "deletions",
            Self::Scale => "scale",
        }
    }

    /// One line for people, printed above the generated files.
    pub fn about(self) -> &'static str {
        match self {
            Self::Guarded => "Refuses what is certain to fail; the other findings stay warnings.",
            Self::Strict => {
                "Refuses contradictions on updates too, and what rules mark for this profile."
            }
            Self::Mutate => {
                "Repairs what users left at its default, in namespaces labelled netdoctor.io/mutate=enabled."
            }
            Self::FailClosed => {
                "Refuses changes while no replica answers. Needs two replicas; read the manual first."
            }
            Self::SingleReplica => "One replica and no PodDisruptionBudget, for small clusters.",
            Self::CertManager => "Takes the serving certificate from cert-manager.",
            Self::Files => {
                "Takes the serving certificate from the Secret netdoctor-webhook-tls; caBundle is yours to set."
            }
            Self::HostNetwork => {
                "Serves on the node's network, for control planes that cannot reach Pods (EKS with a custom CNI)."
            }
            Self::ControlPlane => "Runs server and auditor on control-plane nodes.",
            Self::NoAuditor => {
                "Leaves the background auditor out: nothing is looked at a second time."
            }
            Self::NoPriority => "Runs without a system priority class.",
            Self::NoPriorityQuota => "Leaves the quota for the priority class out.",
            Self::Monitoring => {
                "ServiceMonitor, alert rules and dashboard for the Prometheus operator."
            }
            Self::LabelGuard => {
                "Lets only those opt namespaces out who may `exempt` namespaces.netdoctor.io."
            }
            Self::Deletions => "Warns of what a deletion breaks, and never refuses one.",
            Self::Scale => "Warns of more replicas than nodes can take when somebody scales.",
        }
    }

    /// What it changes.
    pub(crate) fn edits(self, options: &Options) -> Edits {
        match self {
            Self::Guarded => profile("guarded"),
            Self::Strict => profile("strict"),
            Self::Mutate => Edits {
                adds: vec![configuration::mutating(options)],
                ..Edits::default()
            },
            Self::FailClosed => Edits::patch(
                "ValidatingWebhookConfiguration",
                names::VALIDATING,
                vec![replace(&["webhooks", "0", "failurePolicy"], "Fail")],
            ),
            Self::SingleReplica => {
                let mut edits = Edits::patch(
                    "Deployment",
                    names::WEBHOOK,
                    vec![replace(&["spec", "replicas"], 1)],
                );
                edits.removes = vec![("PodDisruptionBudget", names::WEBHOOK)];
                edits
            }
            Self::CertManager => certificates::cert_manager(options),
            Self::Files => certificates::files(),
            Self::HostNetwork => host_network::edits(options),
            Self::ControlPlane => control_plane(),
            Self::NoAuditor => no_auditor(),
            Self::NoPriority => {
                let pod = ["spec", "template", "spec", "priorityClassName"];
                let mut edits = Edits::patch("Deployment", names::WEBHOOK, vec![remove(&pod)]);
                edits.removes = vec![("ResourceQuota", names::PRIORITY_QUOTA)];
                edits
            }
            Self::NoPriorityQuota => Edits {
                removes: vec![("ResourceQuota", names::PRIORITY_QUOTA)],
                ..Edits::default()
            },
            Self::Monitoring => monitoring::edits(options),
            Self::LabelGuard => label_guard::edits(),
            Self::Deletions => deletions(options),
            Self::Scale => Edits::patch(
                "ValidatingWebhookConfiguration",
                names::VALIDATING,
                vec![add(
                    &["webhooks", "0", "rules", "-"],
                    configuration::scale_rule(),
                )],
            ),
        }
    }
}

impl std::str::FromStr for Component {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        ALL.into_iter()
            .find(|component| component.as_str() == text)
            .ok_or(())
    }
}

impl Edits {
    fn patch(kind: &'static str, name: &str, operations: Vec<PatchOperation>) -> Self {
        let mut edits = Self::default();
        edits.also(kind, name, operations);
        edits
    }

    fn also(&mut self, kind: &'static str, name: &str, operations: Vec<PatchOperation>) {
        self.patches.push(ObjectPatch {
            kind,
            name: name.to_owned(),
            patch: Patch(operations),
        });
    }

    /// Lays the edits over objects, as kustomize does: additions, removals, patches.
    pub(crate) fn apply(self, objects: &mut Vec<Value>) {
        objects.extend(self.adds);
        let is = |object: &Value, kind: &str, name: &str| {
            text(object, "/kind") == kind && text(object, "/metadata/name") == name
        };
        objects.retain(|object| {
            let mut removes = self.removes.iter();
            !removes.any(|(kind, name)| is(object, kind, name))
        });
        for patch in &self.patches {
            let targets = objects
                .iter_mut()
                .filter(|object| is(object, patch.kind, &patch.name));
            for object in targets {
                // Each patch is written against the base above, and a test applies every pair of components.
                if let Err(error) = json_patch::patch(object, &patch.patch) {
                    unreachable!("{} {}: {error}", patch.kind, patch.name);
                }
            }
        }
    }
}

/// Every rule of the base is asked about deletions too. Scaling adds its rule at the end, which has none.
fn deletions(options: &Options) -> Edits {
    let count = configuration::validating_rules(options).len();
    let operation = |index: usize| {
        let index = index.to_string();
        add(
            &["webhooks", "0", "rules", &index, "operations", "-"],
            "DELETE",
        )
    };
    Edits::patch(
        "ValidatingWebhookConfiguration",
        names::VALIDATING,
        (0..count).map(operation).collect(),
    )
}

fn profile(name: &str) -> Edits {
    let data = format!("profile: {name}\n");
    Edits::patch(
        "ConfigMap",
        names::CONFIG_MAP,
        vec![replace(&["data", names::CONFIG_KEY], data)],
    )
}

/// Tolerates and selects control-plane nodes under both of their names.
fn control_plane() -> Edits {
    let mut edits = Edits::default();
    for name in [names::WEBHOOK, names::AUDITOR] {
        let tolerations = ["control-plane", "master"].map(|role| {
            json!({
                "effect": "NoSchedule",
                "key": format!("node-role.kubernetes.io/{role}"),
                "operator": "Exists",
            })
        });
        let selector = "node-role.kubernetes.io/control-plane";
        edits.also(
            "Deployment",
            name,
            vec![
                add(&["spec", "template", "spec", "nodeSelector", selector], ""),
                add(
                    &["spec", "template", "spec", "tolerations"],
                    json!(tolerations),
                ),
            ],
        );
    }
    edits
}

fn no_auditor() -> Edits {
    let kinds = [
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Role",
        "RoleBinding",
        "NetworkPolicy",
        "Service",
        "Deployment",
    ];
    Edits {
        removes: kinds.map(|kind| (kind, names::AUDITOR)).to_vec(),
        ..Edits::default()
    }
}

/// Position of a variable of the server's container.
fn variable(options: &Options, name: &str) -> String {
    let variables = workload::environment(options, Part::Webhook);
    let position = variables
        .iter()
        .position(|variable| text(variable, "/name") == name);
    // Every name that is asked for is set by the base; a test patches each.
    position.unwrap_or_default().to_string()
}

/// Path of the server's container in its Deployment, with more behind it.
fn in_container<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut path = vec!["spec", "template", "spec", "containers", "0"];
    path.extend(more);
    path
}

fn path(tokens: &[&str]) -> PointerBuf {
    PointerBuf::from_tokens(tokens.iter().copied())
}

fn add(tokens: &[&str], value: impl Into<Value>) -> PatchOperation {
    PatchOperation::Add(AddOperation {
        path: path(tokens),
        value: value.into(),
    })
}

fn replace(tokens: &[&str], value: impl Into<Value>) -> PatchOperation {
    PatchOperation::Replace(ReplaceOperation {
        path: path(tokens),
        value: value.into(),
    })
}

fn remove(tokens: &[&str]) -> PatchOperation {
    PatchOperation::Remove(RemoveOperation { path: path(tokens) })
}
