//! The few requests that change something. Each says who it is by a field manager, and each can be tried without
//! persisting anything.

use std::time::Duration;

use http::{HeaderValue, Method};
use serde_json::Value;

use super::request::{Answer, Call, JSON};
use super::{ApiError, Cluster};

/// Field manager of everything that the plugin writes.
const MANAGER: &str = netdoctor_manifests::names::MANAGER;

/// Whether the server keeps what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persist {
    /// It does.
    Yes,
    /// It goes through everything, admission included, and forgets it.
    DryRun,
}

impl Persist {
    fn parameter(self) -> &'static str {
        match self {
            Self::Yes => "",
            Self::DryRun => "&dryRun=All",
        }
    }
}

/// What became of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was not there before.
    Created,
    /// It was there, and something of it changed.
    Configured,
    /// It was there as it should be.
    Unchanged,
    /// It is on its way out.
    Deleted,
    /// It was not there.
    Absent,
}

impl Outcome {
    /// What stands behind the name of the object.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
            Self::Absent => "not found",
        }
    }
}

impl Cluster {
    /// An object as it is now, `None` when there is none.
    pub(crate) async fn find(&self, path: &str) -> Result<Option<Value>, ApiError> {
        match self.get_bytes(path).await {
            Ok(answer) => self.object(&answer).map(Some),
            Err(ApiError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Server-side apply. Fields that others own are taken over: what the manifests state is ours; what they leave out, as
    /// `caBundle`, stays whose it is.
    pub(crate) async fn apply(
        &self,
        path: &str,
        object: &Value,
        persist: Persist,
    ) -> Result<Outcome, ApiError> {
        let before = self.find(path).await?;
        let after = self.send_apply(path, object, persist).await?;
        Ok(match before.map(settled) {
            None => Outcome::Created,
            Some(before) if before == settled(after) => Outcome::Unchanged,
            Some(_) => Outcome::Configured,
        })
    }

    /// An object as it is and as [`Cluster::apply`] would leave it, both without bookkeeping; `None` when it is not there.
    pub(crate) async fn compare(
        &self,
        path: &str,
        object: &Value,
    ) -> Result<Option<(Value, Value)>, ApiError> {
        let Some(before) = self.find(path).await? else {
            return Ok(None);
        };
        let after = self.send_apply(path, object, Persist::DryRun).await?;
        Ok(Some((settled(before), settled(after))))
    }

    async fn send_apply(
        &self,
        path: &str,
        object: &Value,
        persist: Persist,
    ) -> Result<Value, ApiError> {
        let call = Call {
            method: Method::PATCH,
            path_and_query: format!(
                "{path}?fieldManager={MANAGER}&force=true{}",
                persist.parameter()
            ),
            accept: JSON,
            body: Some((
                HeaderValue::from_static("application/apply-patch+yaml"),
                object.to_string().into_bytes(),
            )),
            show_warnings: true,
        };
        let answer = self.exchange(&call).await?;
        self.object(&answer)
    }

    /// Merge patch.
    pub(crate) async fn merge(
        &self,
        path: &str,
        fields: &Value,
        persist: Persist,
    ) -> Result<Value, ApiError> {
        let call = Call {
            method: Method::PATCH,
            path_and_query: format!("{path}?fieldManager={MANAGER}{}", persist.parameter()),
            accept: JSON,
            body: Some((
                HeaderValue::from_static("application/merge-patch+json"),
                fields.to_string().into_bytes(),
            )),
            show_warnings: true,
        };
        let answer = self.exchange(&call).await?;
        self.object(&answer)
    }

    /// Deletes an object together with what it owns.
    pub(crate) async fn delete(&self, path: &str, persist: Persist) -> Result<Outcome, ApiError> {
        let call = Call {
            method: Method::DELETE,
            path_and_query: format!("{path}?propagationPolicy=Background{}", persist.parameter()),
            accept: JSON,
            body: None,
            show_warnings: true,
        };
        match self.exchange(&call).await {
            Ok(_) => Ok(Outcome::Deleted),
            Err(ApiError::NotFound { .. }) => Ok(Outcome::Absent),
            Err(error) => Err(error),
        }
    }

    /// Asks what would become of a new object. Nothing is persisted, and what the server warns about is the caller's, who
    /// says how long the admission of the cluster may think about it.
    pub(crate) async fn try_create(
        &self,
        collection: &str,
        object: &Value,
        limit: Duration,
    ) -> Result<Answer, ApiError> {
        let call = Call {
            method: Method::POST,
            path_and_query: format!("{collection}?fieldManager={MANAGER}&dryRun=All"),
            accept: JSON,
            body: Some((JSON, object.to_string().into_bytes())),
            show_warnings: false,
        };
        self.exchange_within(&call, limit).await
    }

    fn object(&self, answer: &Answer) -> Result<Value, ApiError> {
        serde_json::from_slice(&answer.body).map_err(|_| ApiError::NotJson {
            server: self.authority.clone(),
            status: answer.status,
            content_type: "something that is no object".into(),
        })
    }
}

/// An object without what changes although nothing was changed: bookkeeping, and what controllers report.
fn settled(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in ["generation", "managedFields", "resourceVersion"] {
                metadata.remove(field);
            }
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bookkeeping_is_no_change() {
        let object = |version: &str, replicas: u32| {
            json!({
                "metadata": {"name": "a", "resourceVersion": version, "managedFields": [version], "generation": 1},
                "spec": {"replicas": replicas},
                "status": {"version": version},
            })
        };
        assert_eq!(settled(object("1", 2)), settled(object("2", 2)));
        assert_ne!(settled(object("1", 2)), settled(object("1", 3)));
    }
}
