//! From bytes or a value to a view, without ever losing an object.
//!
//! A healthy object decodes straight into its view. Otherwise: nulls are dropped (null means absent everywhere in the
//! API), then every field of the wrong type is recorded as a [`Problem`] and taken out until the rest decodes. Rules
//! that read a recorded path are unknown for that object.

mod shape;

pub use super::any::Any;
use super::{
    Kind, Maker, OpaquePolicy, Origin, Problem, admission::RawConfiguration,
    certificate::RawIssuer, gateway::RawOpaque, workload::RawController,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use shape::{custom_workload, mirrored};

/// Why a document is no object that we keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Skipped {
    /// A valid object of a kind that no rule reads.
    UnreadKind,
    /// No `apiVersion` or no `kind`: not a Kubernetes object.
    NotAnObject,
}

/// Decodes one object from a parsed document; its `apiVersion` and `kind` decide the view.
///
/// # Errors
/// [`Skipped`] when the document is no object of a kind that rules read.
pub fn from_value(value: Value, origin: Origin) -> Result<Any, Skipped> {
    let text = |key: &str| {
        value
            .get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let (Some(api_version), Some(name)) = (text("apiVersion"), text("kind")) else {
        return Err(Skipped::NotAnObject);
    };
    let mut any = match Kind::of(api_version, name) {
        Some(kind) => decode(kind, value),
        // On a cluster the mirrored slices are there to be read; in manifests only the old kind is.
        None if (api_version, name) == ("v1", "Endpoints") && origin != Origin::Live => {
            decode(Kind::EndpointSlice, mirrored(&value))
        }
        None => {
            // A cluster holds what its makers made; manifests do not.
            let maker = (origin != Origin::Live)
                .then(|| Maker::of(api_version, name, &value))
                .flatten();
            match (
                custom_workload(api_version.into(), name.into(), value),
                maker,
            ) {
                (Ok(any), _) => any,
                (Err(_), Some(maker)) => Any::Maker(maker),
                (Err(skipped), None) => return Err(skipped),
            }
        }
    };
    any.meta_mut().origin = origin;
    Ok(any)
}

/// Decodes one item of a list whose kind is known, straight from its bytes.
pub fn from_slice(kind: Kind, bytes: &[u8]) -> Any {
    match direct(kind, bytes) {
        Some(any) => any,
        None => decode(kind, serde_json::from_slice(bytes).unwrap_or(Value::Null)),
    }
}

fn decode(kind: Kind, value: Value) -> Any {
    match typed(kind, &mut Attempt::First(value)) {
        Ok(any) => settled(any, Vec::new()),
        Err(value) => {
            let mut attempt = Attempt::Repair {
                value,
                problems: Vec::new(),
            };
            drop_nulls(attempt.value_mut());
            match typed(kind, &mut attempt) {
                Ok(any) => settled(any, attempt.into_problems()),
                // Not reached: a repair ends in an empty object at worst, and every view decodes from that.
                Err(_) => settled(empty(kind), Vec::new()),
            }
        }
    }
}

fn settled(mut any: Any, mut problems: Vec<Problem>) -> Any {
    problems.sort();
    let meta = any.meta_mut();
    meta.settle_name();
    meta.problems = problems;
    any
}

fn empty(kind: Kind) -> Any {
    typed(
        kind,
        &mut Attempt::First(Value::Object(serde_json::Map::new())),
    )
    .unwrap_or_else(|_| {
        Any::OpaquePolicy(OpaquePolicy {
            kind: Some(kind),
            ..OpaquePolicy::default()
        })
    })
}

/// The two ways of decoding a value.
enum Attempt {
    First(Value),
    Repair {
        value: Value,
        problems: Vec<Problem>,
    },
}

/// Wrong fields that are taken out of one object before giving up on it.
const MOST_REPAIRS: usize = 64;

impl Attempt {
    fn value_mut(&mut self) -> &mut Value {
        match self {
            Self::First(value) | Self::Repair { value, .. } => value,
        }
    }

    fn into_problems(self) -> Vec<Problem> {
        match self {
            Self::First(_) => Vec::new(),
            Self::Repair { problems, .. } => problems,
        }
    }

    fn run<T: DeserializeOwned>(&mut self) -> Result<T, Value> {
        match self {
            Self::First(value) => T::deserialize(&*value).map_err(|_| std::mem::take(value)),
            Self::Repair { value, problems } => Ok(repair(value, problems)?),
        }
    }
}

fn repair<T: DeserializeOwned>(value: &mut Value, problems: &mut Vec<Problem>) -> Result<T, Value> {
    for _ in 0..MOST_REPAIRS {
        let error = match serde_path_to_error::deserialize::<_, T>(&*value) {
            Ok(view) => return Ok(view),
            Err(error) => error,
        };
        let pointer = pointer_of(error.path());
        let found = take_out(value, &pointer);
        problems.push(Problem {
            pointer: found.into(),
            message: error.inner().to_string().into(),
        });
    }
    // Too broken to trust any of it: the object stays as its name.
    problems.push(Problem {
        pointer: "".into(),
        message: "too many fields have the wrong type".into(),
    });
    let mut bare = serde_json::json!({"metadata": {}});
    for key in ["name", "namespace"] {
        if let Some(text) = value
            .pointer(&format!("/metadata/{key}"))
            .filter(|text| text.is_string())
        {
            bare["metadata"][key] = text.clone();
        }
    }
    T::deserialize(bare).map_err(|_| Value::Null)
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            serde_path_to_error::Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            serde_path_to_error::Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&crate::pointer::escape(key));
            }
            serde_path_to_error::Segment::Enum { .. } | serde_path_to_error::Segment::Unknown => {
                break;
            }
        }
    }
    pointer
}

/// Replaces the wrong value by nothing: map entries go, list elements become empty so that indexes stay. Climbs up
/// where that changes nothing (an untagged value names its parent).
fn take_out(root: &mut Value, pointer: &str) -> String {
    let mut at = pointer.to_owned();
    loop {
        let Some((parent, last)) = at.rsplit_once('/') else {
            *root = Value::Object(serde_json::Map::new());
            return String::new();
        };
        let last = crate::pointer::unescape(last);
        match root.pointer_mut(parent) {
            Some(Value::Object(map)) if map.contains_key(&last) => {
                map.remove(&last);
                return at;
            }
            Some(Value::Array(items)) => {
                let empty = Value::Object(serde_json::Map::new());
                let index = last.parse::<usize>().ok();
                if let Some(item) = index
                    .and_then(|index| items.get_mut(index))
                    .filter(|item| **item != empty)
                {
                    *item = empty;
                    return at;
                }
            }
            _ => {}
        }
        let parent = parent.len();
        at.truncate(parent);
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => {
            for item in items {
                if item.is_null() {
                    *item = Value::Object(serde_json::Map::new());
                }
                drop_nulls(item);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

macro_rules! decoders {
    ($($kind:ident => $variant:ident),* ; $($raw_kind:pat => $raw:ident => $raw_variant:ident),* $(,)?) => {
        fn typed(kind: Kind, attempt: &mut Attempt) -> Result<Any, Value> {
            Ok(match kind {
                $(Kind::$kind => Any::$variant(attempt.run()?),)*
                $($raw_kind => Any::$raw_variant(attempt.run::<$raw>()?.finish(kind)),)*
            })
        }

        fn direct(kind: Kind, bytes: &[u8]) -> Option<Any> {
            let any = match kind {
                $(Kind::$kind => Any::$variant(serde_json::from_slice(bytes).ok()?),)*
                $($raw_kind => Any::$raw_variant(serde_json::from_slice::<$raw>(bytes).ok()?.finish(kind)),)*
            };
            Some(settled(any, Vec::new()))
        }
    };
}

decoders! {
    Pod => Pod, Service => Service, EndpointSlice => EndpointSlice, Namespace => Namespace, Node => Node,
    ConfigMap => ConfigMap, Secret => Secret, Event => Event, HorizontalPodAutoscaler => Autoscaler,
    Ingress => Ingress, IngressClass => IngressClass, NetworkPolicy => NetworkPolicy, ServiceCIDR => ServiceCidr,
    Certificate => Certificate, CertificateRequest => CertificateRequest, Order => Order, Challenge => Challenge,
    CustomResourceDefinition => CustomResourceDefinition, Gateway => Gateway, IngressRoute => IngressRoute;
    Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicaSet | Kind::ReplicationController
        | Kind::Job | Kind::CronJob | Kind::CustomWorkload => RawController => Controller,
    Kind::Issuer | Kind::ClusterIssuer => RawIssuer => Issuer,
    Kind::ValidatingWebhookConfiguration | Kind::MutatingWebhookConfiguration => RawConfiguration => WebhookConfiguration,
    Kind::CiliumNetworkPolicy | Kind::CiliumClusterwideNetworkPolicy | Kind::CalicoNetworkPolicy
        | Kind::GlobalNetworkPolicy | Kind::AdminNetworkPolicy | Kind::BaselineAdminNetworkPolicy
        | Kind::ClusterNetworkPolicy => RawOpaque => OpaquePolicy,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Service;
    use serde_json::json;

    fn service(value: Value) -> Service {
        match from_value(value, Origin::Live) {
            Ok(Any::Service(service)) => service,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nulls_are_absent_everywhere() {
        let service = service(
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": null},
            "spec": {"type": null, "selector": {"app": "web", "tier": null}, "ports": [null, {"port": 80, "name": null}]}}),
        );
        assert!(
            service.meta.problems.is_empty(),
            "{:?}",
            service.meta.problems
        );
        assert_eq!(service.ports.len(), 2);
        assert_eq!(service.ports[1].port, 80);
        assert_eq!(service.selector.len(), 1);
    }

    #[test]
    fn a_wrong_type_is_a_problem_of_one_field() {
        let service = service(
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
            "spec": {"selector": {"app": 1}, "ports": [{"port": "eighty", "targetPort": 8080}, {"port": 443}]}}),
        );
        let pointers: Vec<&str> = service.meta.problems.iter().map(|p| &*p.pointer).collect();
        assert_eq!(pointers, ["/spec/ports/0/port", "/spec/selector/app"]);
        assert_eq!(service.ports[1].port, 443);
        assert_eq!(
            service.ports[0].target_port,
            Some(super::super::IntOrString::Int(8080))
        );
    }

    #[test]
    fn experiments_of_a_rollout_make_pods_too() {
        let rollout = serde_json::json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"},
            "spec": {
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}},
                "strategy": {"canary": {"steps": [
                    {"setWeight": 5},
                    {"experiment": {"templates": [{"specRef": "canary", "metadata": {"labels": {"app": "preview"}}}]}},
                ]}},
            },
        });
        let Ok(Any::Controller(controller)) = from_value(rollout, Origin::Live) else {
            panic!("a Rollout is a workload by its shape");
        };
        assert_eq!(controller.template.labels.get("app"), Some("web"));
        assert_eq!(controller.further_labels[0].get("app"), Some("preview"));
        let experiment = serde_json::json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Experiment", "metadata": {"name": "trial"},
            "spec": {"templates": [
                {"name": "a", "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": []}}},
                {"name": "b", "template": {"metadata": {"labels": {"app": "b"}}, "spec": {"containers": []}}},
            ]},
        });
        let Ok(Any::Controller(controller)) = from_value(experiment, Origin::Live) else {
            panic!("an Experiment is a workload by the shape of its templates");
        };
        assert_eq!(controller.template.labels.get("app"), Some("a"));
        assert_eq!(controller.further_labels[1].get("app"), Some("b"));
    }

    #[test]
    fn endpoints_in_a_file_count_as_the_slice_that_mirrors_them() {
        let endpoints = serde_json::json!({
            "apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "db", "namespace": "shop"},
            "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "notReadyAddresses": [{"ip": "192.0.2.2"}], "ports": [{"port": 5432}]}],
        });
        let file = Origin::File {
            file: 0,
            document: 0,
            item: None,
        };
        let Ok(Any::EndpointSlice(slice)) = from_value(endpoints.clone(), file) else {
            panic!("Endpoints of a file are read");
        };
        assert_eq!(
            (slice.service_name(), &*slice.meta.namespace),
            (Some("db"), "shop")
        );
        let ready: Vec<bool> = slice
            .endpoints
            .iter()
            .map(super::super::Endpoint::ready)
            .collect();
        assert_eq!(ready, [true, false]);
        assert_eq!(slice.ports[0].port, Some(5432));
        assert!(from_value(endpoints, Origin::Live).is_err());
        let odd = serde_json::json!({"apiVersion": "v1", "kind": "Endpoints", "metadata": 3, "subsets": {"a": 1}});
        assert!(from_value(odd, file).is_ok());
    }

    #[test]
    fn shapes_count_as_workloads_and_other_kinds_are_skipped() {
        let rollout = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"},
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c"}]}}}});
        let any = from_value(rollout, Origin::Live).unwrap();
        assert_eq!(any.reference().type_name(), "rollout/web");
        let other = json!({"apiVersion": "v1", "kind": "PersistentVolume"});
        assert_eq!(
            from_value(other, Origin::Live).unwrap_err(),
            Skipped::UnreadKind
        );
        assert_eq!(
            from_value(json!({"kind": "Pod"}), Origin::Live).unwrap_err(),
            Skipped::NotAnObject
        );
    }

    #[test]
    fn nonsense_in_every_field_still_gives_the_object() {
        let bytes = br#"{"metadata": 7, "spec": [1], "status": "x"}"#;
        for kind in Kind::all() {
            assert!(
                !from_slice(kind, bytes).meta().problems.is_empty(),
                "{kind}"
            );
        }
    }
}
