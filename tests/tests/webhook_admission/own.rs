//! A webhook configuration for one namespace.

use crate::stage::Stage;
use netdoctor_tests::Namespace;
use serde_json::{Value, json};

/// Goes when it is dropped.
pub(crate) struct Own<'s> {
    stage: &'s Stage,
    name: String,
}

impl<'s> Own<'s> {
    /// Makes one of the validating configuration among these.
    pub(crate) fn apply(
        stage: &'s Stage,
        namespace: &Namespace<'_>,
        configurations: Vec<Value>,
    ) -> Self {
        let mut validating = configurations
            .into_iter()
            .filter(|object| object["kind"] == "ValidatingWebhookConfiguration");
        let mut object = validating.next().expect("the configuration");
        let name = format!("for-{namespace}");
        object["metadata"] = json!({"name": name});
        let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": &**namespace}});
        object["webhooks"][0]["namespaceSelector"] = selector;
        stage.server.apply(&object.to_string());
        Self { stage, name }
    }
}

impl Drop for Own<'_> {
    fn drop(&mut self) {
        let delete = ["delete", "validatingwebhookconfiguration", &self.name];
        // Nothing is lost when it stays: its namespace has ended.
        let _ = self.stage.server.kubectl(&delete);
    }
}
