//! What can be chosen.

use std::collections::BTreeSet;

use crate::{Component, names};

/// What to render. The default is what `manifests/base` and `install.yaml` hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What enforces the rules.
    pub mode: Mode,
    /// Where the server lives.
    pub namespace: String,
    /// The image of server and auditor.
    pub image: String,
    /// Replicas of the server.
    pub replicas: u32,
    /// How strict it is where a namespace does not say.
    pub profile: Profile,
    /// What the API server does when the webhook cannot be asked.
    pub failure_policy: FailurePolicy,
    /// Port of the container. Some clouds open only 10250 between control plane and Pods.
    pub port: u16,
    /// Who issues the serving certificate.
    pub certificates: Certificates,
    /// Match only this namespace: the first step of an installation.
    pub only_namespace: Option<String>,
    /// Further resources with a Pod template, as `PLURAL.VERSION.GROUP`.
    pub custom_workloads: Vec<CustomWorkload>,
    /// Everything that is switched on or off as a whole.
    pub components: BTreeSet<Component>,
}

/// A resource of an operator that holds a Pod template at `spec.template` (an Argo Rollout, a Knative Service).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CustomWorkload {
    /// API group.
    pub group: String,
    /// Version.
    pub version: String,
    /// Plural name.
    pub resource: String,
}

impl std::str::FromStr for CustomWorkload {
    type Err = OptionsError;

    /// `rollouts.v1alpha1.argoproj.io`, the form that `kubectl get` accepts.
    fn from_str(text: &str) -> Result<Self, OptionsError> {
        let wrong = || OptionsError::CustomWorkload(text.to_owned());
        let (resource, rest) = text.split_once('.').ok_or_else(wrong)?;
        let (version, group) = rest.split_once('.').ok_or_else(wrong)?;
        let plain = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
        };
        let numbered = version
            .strip_prefix('v')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if !plain(resource) || !plain(group) || !plain(version) || !numbered {
            return Err(wrong());
        }
        Ok(Self {
            group: group.to_owned(),
            version: version.to_owned(),
            resource: resource.to_owned(),
        })
    }
}

/// What enforces the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A server that the API server asks.
    #[default]
    Webhook,
    /// Policies that the API server evaluates by itself.
    Policy,
}

/// How strict (webhook.md 2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Profile {
    /// Nothing is refused.
    #[default]
    Advisory,
    /// What is certain is refused.
    Guarded,
    /// Contradictions are refused on updates too, and what rules mark for this profile.
    Strict,
}

impl Profile {
    /// As configuration and labels spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Advisory => "advisory",
            Self::Guarded => "guarded",
            Self::Strict => "strict",
        }
    }
}

impl std::str::FromStr for Profile {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "advisory" => Ok(Self::Advisory),
            "guarded" => Ok(Self::Guarded),
            "strict" => Ok(Self::Strict),
            _ => Err(()),
        }
    }
}

/// What happens to requests that the webhook does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailurePolicy {
    /// They pass.
    #[default]
    Ignore,
    /// They are refused.
    Fail,
}

impl FailurePolicy {
    /// As the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ignore => "Ignore",
            Self::Fail => "Fail",
        }
    }
}

/// Who issues the serving certificate (webhook.md 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Certificates {
    /// The replicas themselves, from an authority that they share.
    #[default]
    SelfManaged,
    /// cert-manager.
    CertManager,
    /// The user, in a Secret of type `kubernetes.io/tls`.
    Files,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            namespace: names::NAMESPACE.to_owned(),
            image: format!(
                "ghcr.io/netdoctor/kubectl-netdoctor:v{}",
                env!("CARGO_PKG_VERSION")
            ),
            replicas: 2,
            profile: Profile::default(),
            failure_policy: FailurePolicy::default(),
            port: 10_250,
            certificates: Certificates::default(),
            only_namespace: None,
            custom_workloads: Vec::new(),
            components: BTreeSet::new(),
        }
    }
}

/// Options that must not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A single Pod that restarts would stop all changes.
    #[error(
        "failurePolicy Fail needs at least 2 replicas: with one, a restart refuses every change"
    )]
    FailNeedsReplicas,
    /// What only ever warns would stand still while nobody answers.
    #[error("failurePolicy Fail would refuse what {0} only warns of while no replica answers")]
    FailOfWarnings(&'static str),
    /// Nobody would answer.
    #[error("a webhook needs at least 1 replica")]
    NoReplica,
    /// The namespace would be excluded by its own rules, and the control plane's namespaces must not depend on it.
    #[error("the webhook cannot live in {0}: the control plane must not depend on it")]
    SystemNamespace(String),
    /// Not the name of a namespace.
    #[error(
        "\"{0}\" is no name of a namespace: lower-case letters, digits and hyphens, 63 at most"
    )]
    Namespace(String),
    /// Only unprivileged ports can be bound by the container, and two are taken.
    #[error("port {0} cannot be used: choose one from 1024 to 65535 other than {1} and {2}")]
    Port(u16, u16, u16),
    /// There is no server that it could be about.
    #[error("{0} belongs to the webhook: with policies of the API server there is none")]
    NotOfPolicies(String),
    /// Not `PLURAL.VERSION.GROUP`.
    #[error(
        "\"{0}\" is no resource: write PLURAL.VERSION.GROUP, for example rollouts.v1alpha1.argoproj.io"
    )]
    CustomWorkload(String),
}

impl Options {
    /// Refuses combinations that would be, or become, an outage.
    ///
    /// # Errors
    /// The first of them.
    pub fn check(&self) -> Result<(), OptionsError> {
        if self.mode == Mode::Policy {
            return self.check_policies();
        }
        if self.replicas == 0 {
            return Err(OptionsError::NoReplica);
        }
        let components = self.components();
        let one = components.contains(&Component::SingleReplica);
        if components.contains(&Component::FailClosed) {
            if one {
                return Err(OptionsError::FailNeedsReplicas);
            }
            let warning = [Component::Deletions, Component::Scale];
            if let Some(part) = warning.iter().find(|part| components.contains(part)) {
                return Err(OptionsError::FailOfWarnings(part.as_str()));
            }
        }
        if names::SYSTEM_NAMESPACES.contains(&self.namespace.as_str()) {
            return Err(OptionsError::SystemNamespace(self.namespace.clone()));
        }
        for namespace in std::iter::once(&self.namespace).chain(&self.only_namespace) {
            if !is_label(namespace) {
                return Err(OptionsError::Namespace(namespace.clone()));
            }
        }
        let plain = if components.contains(&Component::HostNetwork) {
            names::HOST_PLAIN_PORTS
        } else {
            [names::HEALTH_PORT, names::METRICS_PORT]
        };
        if self.port < 1024 || plain.contains(&self.port) {
            return Err(OptionsError::Port(self.port, plain[0], plain[1]));
        }
        Ok(())
    }

    fn check_policies(&self) -> Result<(), OptionsError> {
        let of_server = self
            .components
            .iter()
            .find(|component| **component != Component::LabelGuard);
        let alien = if let Some(component) = of_server {
            Some(component.as_str())
        } else if self.failure_policy == FailurePolicy::Fail {
            Some("failurePolicy Fail")
        } else if self.certificates != Certificates::SelfManaged {
            Some("a certificate")
        } else if !self.custom_workloads.is_empty() {
            Some("matching custom workloads")
        } else {
            None
        };
        match alien {
            Some(alien) => Err(OptionsError::NotOfPolicies(alien.to_owned())),
            None => Ok(()),
        }
    }

    /// Everything that is laid over the base, in a fixed order.
    pub fn components(&self) -> Vec<Component> {
        let mut components = self.components.clone();
        if self.mode == Mode::Policy {
            components.retain(|component| *component == Component::LabelGuard);
            return components.into_iter().collect();
        }
        match self.profile {
            Profile::Advisory => {}
            Profile::Guarded => drop(components.insert(Component::Guarded)),
            Profile::Strict => drop(components.insert(Component::Strict)),
        }
        match self.certificates {
            Certificates::SelfManaged => {}
            Certificates::CertManager => drop(components.insert(Component::CertManager)),
            Certificates::Files => drop(components.insert(Component::Files)),
        }
        if self.replicas == 1 {
            components.insert(Component::SingleReplica);
        }
        if self.failure_policy == FailurePolicy::Fail {
            components.insert(Component::FailClosed);
        }
        components.into_iter().collect()
    }
}

/// A DNS label (RFC 1123), as names of namespaces are.
fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !text.is_empty()
        && text.len() <= 63
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}
