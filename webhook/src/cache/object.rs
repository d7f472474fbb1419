//! From the bytes of one object to what is kept of it.

use jiff::Timestamp;
use netdoctor_engine::model::{Controller, Kind, decode, decode::Any};
use serde::Deserialize;

/// What a cache has to know about an object besides its view.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Head {
    pub(super) metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) resource_version: String,
    creation_timestamp: Option<Timestamp>,
    managed_fields: Vec<Managed>,
}

/// Who wrote which fields when; only the when is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Managed {
    time: Option<Timestamp>,
    subresource: String,
}

impl Head {
    pub(super) fn of(bytes: &[u8]) -> Self {
        // What does not fit is left out: the view records what was wrong.
        serde_json::from_slice(bytes).unwrap_or_default()
    }

    /// When the object was last declared anew, by the API server's own records: it notes the time at which a manager last
    /// changed the value of a field of its own. Writes of status do not count, nor do those of `/scale`.
    pub(super) fn declared(&self) -> Option<Timestamp> {
        let managed = self.metadata.managed_fields.iter();
        let declared = managed.filter(|managed| managed.subresource.is_empty());
        let times = declared.filter_map(|managed| managed.time);
        times.chain(self.metadata.creation_timestamp).max()
    }
}

/// The view of an object, with the time of its last change.
pub(super) fn view(kind: Kind, bytes: &[u8], changed: Option<Timestamp>) -> Any {
    let mut any = decode::from_slice(kind, bytes);
    any.meta_mut().changed = changed;
    any
}

/// Whether any rule could ever look at it. A Deployment keeps ten old `ReplicaSets` by default, so that most of the
/// templates in a cluster are of pods that do not exist. Those of other owners stay: the template of a Rollout that is
/// scaled to 0 stands nowhere else.
pub(super) fn matters(any: &Any) -> bool {
    match any {
        Any::Controller(controller) => !is_left_over(controller),
        _ => true,
    }
}

fn is_left_over(controller: &Controller) -> bool {
    controller.kind == Some(Kind::ReplicaSet)
        && controller
            .meta
            .controller()
            .is_some_and(|owner| &*owner.kind == "Deployment")
        && controller.wanted_replicas() == Some(0)
        && controller.status.replicas == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_declarations_count_as_changes() {
        let head = Head::of(
            br#"{"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [
                {"manager": "kubectl", "time": "2026-01-02T00:00:00Z", "fieldsV1": {"f:spec": {}}},
                {"manager": "kubelet", "time": "2026-01-05T00:00:00Z", "subresource": "status"},
                {"manager": "hpa", "time": "2026-01-04T00:00:00Z", "subresource": "scale"}]}}"#,
        );
        let declared = head.declared().map(|time| time.to_string());
        assert_eq!(declared.as_deref(), Some("2026-01-02T00:00:00Z"));
        let bare = Head::of(br#"{"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}"#);
        assert!(bare.declared().is_some());
        assert_eq!(Head::of(b"{}").declared(), None);
        assert_eq!(Head::of(b"no JSON").declared(), None);
    }

    fn replica_set(json: &str) -> Any {
        view(Kind::ReplicaSet, json.as_bytes(), None)
    }

    #[test]
    fn old_replica_sets_of_a_deployment_are_not_kept() {
        let owned = r#""metadata": {"name": "a", "namespace": "b", "ownerReferences": [{"kind": "Deployment", "name": "a", "controller": true}]}"#;
        let of = |rest: &str| matters(&replica_set(&format!("{{{owned}, {rest}}}")));
        assert!(!of(r#""spec": {"replicas": 0}"#));
        assert!(of(r#""spec": {"replicas": 0}, "status": {"replicas": 1}"#));
        assert!(of(r#""spec": {"replicas": 1}"#));
        assert!(of(r#""spec": {}"#), "absent means one");
        let rollout = owned.replace("Deployment", "Rollout");
        assert!(matters(&replica_set(&format!(
            r#"{{{rollout}, "spec": {{"replicas": 0}}}}"#
        ))));
        assert!(matters(&replica_set(
            r#"{"metadata": {"name": "a", "namespace": "b"}, "spec": {"replicas": 0}}"#
        )));
    }
}
