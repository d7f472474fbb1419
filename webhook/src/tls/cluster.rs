//! What self-management reads and writes in the cluster: one Secret, and one field of two configurations.

use super::secret;
use crate::patience::{self, Silence};
use k8s_openapi::api::{
    admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration},
    core::v1::Secret,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::future::Future;

/// Owner of `caBundle`, and of nothing else.
pub const FIELD_MANAGER: &str = "netdoctor-webhook";

/// Why the cluster could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The API server refused, or could not be reached.
    #[error("{0}: {1}")]
    Api(&'static str, #[source] Box<kube::Error>),
    /// It did not answer in time.
    #[error("{0}: {1}")]
    Silence(&'static str, #[source] Silence),
}

impl ClusterError {
    /// Whether somebody else wrote first, or created first.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Api(_, error) if matches!(&**error, kube::Error::Api(status) if status.code == 409))
    }
}

/// Where things are.
#[derive(Debug, Clone)]
pub struct Place {
    /// The namespace of Secret, Lease and Service.
    pub namespace: String,
    /// The Service, which gives the certificate its names.
    pub service: String,
    /// The Secret.
    pub secret: String,
    /// The configurations, each with the entry that is ours.
    pub hooks: Vec<Hook>,
}

/// An entry of a webhook configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// Which of the two kinds.
    pub kind: HookKind,
    /// Name of the object.
    pub configuration: String,
    /// Name of the entry.
    pub webhook: String,
}

/// Kind of a webhook configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookKind {
    /// `ValidatingWebhookConfiguration`
    Validating,
    /// `MutatingWebhookConfiguration`
    Mutating,
}

impl HookKind {
    fn resource(self) -> ApiResource {
        match self {
            Self::Validating => ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
            Self::Mutating => ApiResource::erase::<MutatingWebhookConfiguration>(&()),
        }
    }
}

/// An existing configuration with our entry in it.
#[derive(Debug)]
pub(super) struct Found {
    hook: Hook,
    uid: Option<String>,
    version: Option<String>,
    bundle: String,
}

impl Found {
    /// Whether it trusts something else than it should.
    pub(super) fn differs(&self, bundle: &str) -> bool {
        self.bundle != bundle
    }
}

/// Access to the cluster.
pub(super) struct Cluster {
    client: Client,
    place: Place,
}

impl Cluster {
    pub(super) fn new(client: Client, place: Place) -> Self {
        Self { client, place }
    }

    pub(super) async fn secret(&self) -> Result<Option<Secret>, ClusterError> {
        let secrets = self.secrets();
        ask("reading the Secret", secrets.get_opt(&self.place.secret)).await
    }

    /// An empty Secret, not yet in the cluster.
    pub(super) fn blank(&self) -> Secret {
        secret::blank(&self.place.namespace, &self.place.secret)
    }

    /// Fails when somebody else was faster.
    pub(super) async fn create(&self, secret: &Secret) -> Result<Secret, ClusterError> {
        let (secrets, params) = (self.secrets(), PostParams::default());
        ask("creating the Secret", secrets.create(&params, secret)).await
    }

    /// Fails when somebody has written since `secret` was read.
    pub(super) async fn replace(&self, secret: &Secret) -> Result<Secret, ClusterError> {
        let (secrets, params) = (self.secrets(), PostParams::default());
        let written = secrets.replace(&self.place.secret, &params, secret);
        ask("writing the Secret", written).await
    }

    /// The configurations that exist.
    pub(super) async fn configurations(&self) -> Result<Vec<Found>, ClusterError> {
        let mut found = Vec::new();
        for hook in &self.place.hooks {
            let objects = self.objects(hook);
            let object = ask(
                "reading a webhook configuration",
                objects.get_opt(&hook.configuration),
            );
            let object = object.await?;
            found.extend(object.and_then(|object| entry(hook, &object)));
        }
        Ok(found)
    }

    /// Writes what a configuration trusts, unless it has changed or gone since it was read.
    pub(super) async fn publish(&self, found: &Found, bundle: &str) -> Result<(), ClusterError> {
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(applied(found, bundle));
        let objects = self.objects(&found.hook);
        let written = objects.patch(&found.hook.configuration, &params, &patch);
        ask("writing the caBundle", written).await.map(drop)
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.place.namespace)
    }

    fn objects(&self, hook: &Hook) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &hook.kind.resource())
    }
}

/// Our entry of a configuration. One without it is none of our business: applying would add an entry that is not valid.
fn entry(hook: &Hook, object: &DynamicObject) -> Option<Found> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let webhooks = object.data.get("webhooks")?.as_array()?;
    let ours = webhooks
        .iter()
        .find(|webhook| webhook.get("name").and_then(Value::as_str) == Some(&*hook.webhook))?;
    let bundle = ours
        .pointer("/clientConfig/caBundle")
        .and_then(Value::as_str)
        .and_then(|text| STANDARD.decode(text).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    Some(Found {
        hook: hook.clone(),
        uid: object.metadata.uid.clone(),
        version: object.metadata.resource_version.clone(),
        bundle: bundle.unwrap_or_default(),
    })
}

/// The one field. The uid keeps a configuration that was deleted meanwhile from being created again; the version keeps a
/// bundle that was made from an older Secret from replacing that of a newer one.
fn applied(found: &Found, bundle: &str) -> Value {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let resource = found.hook.kind.resource();
    json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": found.hook.configuration,
            "uid": found.uid,
            "resourceVersion": found.version,
        },
        "webhooks": [{
            "name": found.hook.webhook,
            "clientConfig": {"caBundle": STANDARD.encode(bundle)},
        }],
    })
}

/// The API server's answer, if it comes in time.
async fn ask<T>(
    what: &'static str,
    asked: impl Future<Output = kube::Result<T>>,
) -> Result<T, ClusterError> {
    match patience::answer(asked).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(ClusterError::Api(what, Box::new(error))),
        Err(silence) => Err(ClusterError::Silence(what, silence)),
    }
}
