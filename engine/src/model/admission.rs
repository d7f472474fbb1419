//! Webhook configurations and conversion webhooks.

use super::{Kind, Meta, Object, Text};
use crate::selector::LabelSelector;
use serde::Deserialize;

/// A validating or mutating webhook configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct WebhookConfiguration {
    /// Metadata.
    pub meta: Meta,
    /// Which of the two.
    pub mutating: bool,
    /// Webhooks.
    pub webhooks: Vec<Webhook>,
}

/// One webhook.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Webhook {
    /// Fully qualified name.
    pub name: Text,
    /// `Fail` (the default) or `Ignore`.
    pub failure_policy: Option<Text>,
    /// Where it is served.
    pub client_config: ClientConfig,
    /// What it is asked about.
    pub rules: Vec<WebhookRule>,
    /// Namespaces it is asked about.
    pub namespace_selector: Option<LabelSelector>,
}

/// `WebhookClientConfig`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct ClientConfig {
    /// A Service in the cluster.
    pub service: Option<ServiceReference>,
    /// An address outside, which is not judged.
    pub url: Option<Text>,
}

/// A Service and the port of it.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct ServiceReference {
    pub namespace: Text,
    pub name: Text,
    pub port: Option<i32>,
}

/// A rule of a webhook.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct WebhookRule {
    pub operations: Vec<Text>,
    pub api_groups: Vec<Text>,
    pub resources: Vec<Text>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct RawConfiguration {
    metadata: Meta,
    webhooks: Vec<Webhook>,
}

impl RawConfiguration {
    pub(super) fn finish(self, kind: Kind) -> WebhookConfiguration {
        WebhookConfiguration {
            meta: self.metadata,
            mutating: kind == Kind::MutatingWebhookConfiguration,
            webhooks: self.webhooks,
        }
    }
}

impl Object for WebhookConfiguration {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        if self.mutating {
            Kind::MutatingWebhookConfiguration
        } else {
            Kind::ValidatingWebhookConfiguration
        }
    }
}

/// A custom resource definition, reduced to its conversion webhook.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct CustomResourceDefinition {
    /// Metadata.
    #[serde(rename = "metadata")]
    pub meta: Meta,
    /// Specification.
    pub spec: DefinitionSpec,
}

/// The specification.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct DefinitionSpec {
    pub group: Text,
    pub conversion: Conversion,
}

/// How versions are converted.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Conversion {
    pub strategy: Text,
    pub webhook: Option<ConversionWebhook>,
}

/// The conversion webhook.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct ConversionWebhook {
    pub client_config: ClientConfig,
}

impl Object for CustomResourceDefinition {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::CustomResourceDefinition
    }
}
