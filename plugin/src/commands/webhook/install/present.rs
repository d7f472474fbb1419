//! What is there before anything is done, and whose requests are judged meanwhile.

use netdoctor_manifests::{FailurePolicy, Mode, Options, names};
use serde_json::Value;

use super::super::object::{self, ADMISSION, OURS, named, text};
use super::{is_ours, steps};
use crate::cluster::{ApiError, Cluster};

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Present {
    /// The namespace.
    pub(super) namespace: Option<Value>,
    /// The `ConfigMap`, which may have been edited.
    pub(super) configuration: Option<Value>,
    /// Whose requests are judged.
    pub(super) reach: Reach,
    /// The API server knows an authority for what it calls: without one, every call fails.
    trusted: bool,
}

/// Whose requests are judged at a moment, and what happens to them when nobody answers: whoever reads that a step failed
/// has to know.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reach {
    whose: Whose,
    unanswered: Unanswered,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Whose {
    #[default]
    Nobodys,
    Of(String),
    Everybodys,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Unanswered {
    /// Policies need nobody who answers.
    Never,
    #[default]
    Passes,
    IsRefused,
}

impl Reach {
    /// What an installation with these options reaches.
    pub(super) fn of(options: &Options) -> Self {
        let whose = match &options.only_namespace {
            Some(only) => Whose::Of(only.clone()),
            None => Whose::Everybodys,
        };
        let unanswered = match (options.mode, options.failure_policy) {
            (Mode::Policy, _) => Unanswered::Never,
            (Mode::Webhook, FailurePolicy::Ignore) => Unanswered::Passes,
            (Mode::Webhook, FailurePolicy::Fail) => Unanswered::IsRefused,
        };
        Self { whose, unanswered }
    }

    /// What the configuration of an earlier installation reaches.
    fn of_webhook(webhook: &Value) -> Self {
        Self {
            whose: named(webhook, "In")
                .map_or(Whose::Everybodys, |only| Whose::Of(only.join(", "))),
            unanswered: match text(webhook, "/failurePolicy") {
                "Fail" => Unanswered::IsRefused,
                _ => Unanswered::Passes,
            },
        }
    }

    /// What bindings of an earlier installation reach; the one of the label guard says nothing about that.
    fn of_bindings(bindings: &[Value]) -> Self {
        let mut judging = bindings
            .iter()
            .filter(|binding| text(binding, "/spec/policyName") != names::LABEL_GUARD)
            .peekable();
        if judging.peek().is_none() {
            return Self::default();
        }
        let only =
            judging.find_map(|binding| named(binding.pointer("/spec/matchResources")?, "In"));
        Self {
            whose: only.map_or(Whose::Everybodys, |only| Whose::Of(only.join(", "))),
            unanswered: Unanswered::Never,
        }
    }

    /// Whether a server that is not there would stop somebody's work.
    pub(super) fn refuses_unanswered(&self) -> bool {
        self.whose != Whose::Nobodys && self.unanswered == Unanswered::IsRefused
    }

    /// The same as a sentence, with the way back.
    pub(super) fn words(&self) -> String {
        let whose = match &self.whose {
            Whose::Nobodys => {
                return "No request is sent to it: the cluster is as before".to_owned();
            }
            Whose::Of(only) => format!("Only namespace {only} was included"),
            Whose::Everybodys => "All namespaces are included".to_owned(),
        };
        let what = match (&self.whose, self.unanswered) {
            (Whose::Of(_), Unanswered::Never) => ", and nothing else is matched",
            (_, Unanswered::Never) => "",
            (_, Unanswered::Passes) => {
                ", and requests pass unjudged while the webhook is not reached"
            }
            (_, Unanswered::IsRefused) => {
                ", and requests are REFUSED while the webhook is not reached"
            }
        };
        format!("{whose}{what}; `kubectl netdoctor webhook disable` takes it back")
    }
}

impl Present {
    pub(super) async fn look(cluster: &Cluster, options: &Options) -> anyhow::Result<Self> {
        let seen = match options.mode {
            Mode::Policy => Self::look_at_policies(cluster).await,
            Mode::Webhook => Self::look_at_webhook(cluster, options).await,
        };
        seen.map_err(|error| steps::explain(&error, "look at what is there"))
    }

    async fn look_at_policies(cluster: &Cluster) -> Result<Self, ApiError> {
        let kind = "ValidatingAdmissionPolicyBinding";
        let collection = object::of(ADMISSION, kind, "", "").collection;
        let list = cluster.find(&format!("{collection}?{OURS}")).await?;
        let list = list.unwrap_or_default();
        let bindings = list["items"].as_array();
        Ok(Self {
            reach: Reach::of_bindings(bindings.map_or(&[], Vec::as_slice)),
            trusted: true,
            ..Self::default()
        })
    }

    async fn look_at_webhook(cluster: &Cluster, options: &Options) -> Result<Self, ApiError> {
        let namespace = object::of("v1", "Namespace", "", &options.namespace);
        let map = object::of("v1", "ConfigMap", &options.namespace, names::CONFIG_MAP);
        let kind = "ValidatingWebhookConfiguration";
        let configuration = object::of(ADMISSION, kind, "", names::VALIDATING);
        let configuration = cluster.find(&configuration.path).await?.unwrap_or_default();
        let webhook = configuration.pointer("/webhooks/0");
        Ok(Self {
            namespace: cluster.find(&namespace.path).await?,
            configuration: cluster.find(&map.path).await?,
            reach: webhook.map(Reach::of_webhook).unwrap_or_default(),
            trusted: webhook.is_some_and(|one| !text(one, "/clientConfig/caBundle").is_empty()),
        })
    }

    /// Whether requests of all namespaces are sent to somebody who can be called.
    pub(super) fn is_enforcing(&self) -> bool {
        self.trusted && self.reach.whose == Whose::Everybodys
    }

    /// Whether an object is left as it is: a namespace that somebody else made, a configuration that somebody may have
    /// edited.
    pub(super) fn keeps(&self, object: &Value, profile_named: bool) -> bool {
        match text(object, "/kind") {
            "Namespace" => self.namespace.as_ref().is_some_and(|there| !is_ours(there)),
            "ConfigMap" if text(object, "/metadata/name") == names::CONFIG_MAP => {
                self.configuration.is_some() && !profile_named
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netdoctor_manifests::render;

    /// What an installation with these options would be taken for by the next one.
    fn seen(options: &Options) -> Reach {
        let objects = render(options);
        let of_kind = |kind: &str| {
            let found = objects
                .iter()
                .filter(|object| text(object, "/kind") == kind);
            found.cloned().collect::<Vec<Value>>()
        };
        match options.mode {
            Mode::Policy => Reach::of_bindings(&of_kind("ValidatingAdmissionPolicyBinding")),
            Mode::Webhook => {
                Reach::of_webhook(&of_kind("ValidatingWebhookConfiguration")[0]["webhooks"][0])
            }
        }
    }

    #[test]
    fn an_installation_is_recognised_by_the_next_one() {
        for mode in [Mode::Webhook, Mode::Policy] {
            for only_namespace in [None, Some("try".to_owned())] {
                for failure_policy in [FailurePolicy::Ignore, FailurePolicy::Fail] {
                    let options = Options {
                        mode,
                        only_namespace: only_namespace.clone(),
                        failure_policy,
                        ..Options::default()
                    };
                    assert_eq!(seen(&options), Reach::of(&options), "{options:?}");
                }
            }
        }
        assert_eq!(Reach::of_bindings(&[]), Reach::default());
    }

    #[test]
    fn a_message_says_who_is_refused() {
        let nobody = Reach::default();
        assert!(!nobody.refuses_unanswered());
        assert!(nobody.words().contains("the cluster is as before"));
        let fail = Options {
            failure_policy: FailurePolicy::Fail,
            ..Options::default()
        };
        assert!(Reach::of(&fail).refuses_unanswered());
        let words = Reach::of(&fail).words();
        assert!(
            words.starts_with("All namespaces are included, and requests are REFUSED"),
            "{words}"
        );
        let narrow = Options {
            only_namespace: Some("try".to_owned()),
            ..Options::default()
        };
        let words = Reach::of(&narrow).words();
        assert!(
            words.starts_with("Only namespace try was included, and requests pass"),
            "{words}"
        );
    }
}
