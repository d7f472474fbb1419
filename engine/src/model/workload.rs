//! Everything that runs pods.

use super::{Condition, IntOrString, Kind, Labels, Meta, Object, ObjectRef, Pod, PodSpec, Text};
use crate::selector::LabelSelector;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use std::sync::Arc;

/// An object that makes pods from a template.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Controller {
    /// Metadata.
    pub meta: Meta,
    /// Which of the controller kinds; [`Kind::CustomWorkload`] for shapes we have no kind for.
    pub kind: Option<Kind>,
    /// `apiVersion` and `kind` of a custom workload.
    pub custom: Option<(Text, Text)>,
    /// `spec.replicas`; absent means 1 where the kind has replicas.
    pub replicas: Option<i32>,
    /// `spec.selector`.
    pub selector: Option<LabelSelector>,
    /// The pod template.
    pub template: Template,
    /// Labels of pods that it makes besides those of the template: the experiments of an Argo Rollout.
    pub further_labels: Vec<Labels>,
    /// Update strategy.
    pub strategy: Strategy,
    /// `spec.paused` of a Deployment.
    pub paused: bool,
    /// `spec.serviceName` of a `StatefulSet`.
    pub service_name: Option<Text>,
    /// `spec.suspend` of a Job or `CronJob`.
    pub suspend: bool,
    /// Status.
    pub status: ControllerStatus,
}

impl Object for Controller {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        self.kind.unwrap_or(Kind::CustomWorkload)
    }
    fn reference(&self) -> ObjectRef {
        let mut reference = ObjectRef::new(self.kind(), &self.meta);
        if let Some((api_version, kind)) = &self.custom {
            reference.api_version.clone_from(api_version);
            reference.kind.clone_from(kind);
        }
        reference
    }
    fn forget_status(&mut self) {
        self.status = ControllerStatus::default();
    }
}

impl Controller {
    /// Pods it wants, as the API defaults it. `None` for `DaemonSets`, Jobs and custom kinds without the field.
    pub fn wanted_replicas(&self) -> Option<i32> {
        match self.kind() {
            Kind::Deployment
            | Kind::StatefulSet
            | Kind::ReplicaSet
            | Kind::ReplicationController => Some(self.replicas.unwrap_or(1)),
            _ => self.replicas,
        }
    }

    /// Labels of all pods that it makes, the template's first.
    pub fn label_sets(&self) -> impl Iterator<Item = &Labels> {
        std::iter::once(&self.template.labels).chain(&self.further_labels)
    }

    /// JSON pointer to the pod template.
    pub fn template_pointer(&self) -> &'static str {
        if self.kind() == Kind::CronJob {
            "/spec/jobTemplate/spec/template"
        } else {
            "/spec/template"
        }
    }
}

/// A pod template.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(from = "RawTemplate")]
pub struct Template {
    /// Labels of the pods.
    pub labels: Labels,
    /// The annotations that rules read.
    pub annotations: Labels,
    /// Specification of the pods.
    pub spec: Arc<PodSpec>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawTemplate {
    metadata: Meta,
    spec: PodSpec,
}

impl From<RawTemplate> for Template {
    fn from(raw: RawTemplate) -> Self {
        Self {
            labels: raw.metadata.labels,
            annotations: raw.metadata.annotations,
            spec: Arc::new(raw.spec),
        }
    }
}

/// Update strategy of Deployments, `DaemonSets` and `StatefulSets`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Strategy {
    /// `RollingUpdate`, `Recreate`, `OnDelete`; absent means `RollingUpdate`.
    pub kind: Option<Text>,
    /// `rollingUpdate.maxSurge`.
    pub max_surge: Option<IntOrString>,
    /// `rollingUpdate.maxUnavailable`.
    pub max_unavailable: Option<IntOrString>,
    /// Whether the object has the strategy field at all.
    pub present: bool,
}

/// Status of a controller, one struct for all kinds.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct ControllerStatus {
    pub observed_generation: i64,
    pub replicas: i32,
    pub updated_replicas: i32,
    pub ready_replicas: i32,
    pub available_replicas: i32,
    pub unavailable_replicas: i32,
    pub desired_number_scheduled: i32,
    pub current_number_scheduled: i32,
    pub number_ready: i32,
    pub number_available: i32,
    pub updated_number_scheduled: i32,
    pub number_unavailable: i32,
    pub conditions: Vec<Condition>,
    pub completion_time: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct RawController {
    metadata: Meta,
    spec: RawSpec,
    status: ControllerStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawSpec {
    replicas: Option<i32>,
    #[serde(deserialize_with = "either_selector")]
    selector: Option<LabelSelector>,
    template: Option<Template>,
    job_template: Option<RawJobTemplate>,
    strategy: Option<RawStrategy>,
    update_strategy: Option<RawStrategy>,
    paused: bool,
    suspend: bool,
    service_name: Option<Text>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawJobTemplate {
    spec: RawJobSpec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawJobSpec {
    template: Template,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawStrategy {
    #[serde(rename = "type")]
    kind: Option<Text>,
    rolling_update: Option<RawRollingUpdate>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawRollingUpdate {
    max_surge: Option<IntOrString>,
    max_unavailable: Option<IntOrString>,
}

/// `ReplicationController` has a plain map, all others a `LabelSelector`.
fn either_selector<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<LabelSelector>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Selector(crate::selector::StrictSelector),
        Map(Labels),
    }
    Ok(
        Option::<Either>::deserialize(deserializer)?.map(|either| match either {
            Either::Selector(selector) => selector.into(),
            Either::Map(map) => LabelSelector {
                match_labels: map,
                match_expressions: Vec::new(),
            },
        }),
    )
}

impl RawController {
    pub(super) fn finish(self, kind: Kind) -> Controller {
        let spec = self.spec;
        let template = spec
            .job_template
            .map(|job| job.spec.template)
            .or(spec.template)
            .unwrap_or_default();
        let raw = spec.strategy.or(spec.update_strategy);
        let present = raw.is_some();
        let raw = raw.unwrap_or_default();
        let rolling = raw.rolling_update.unwrap_or_default();
        Controller {
            meta: self.metadata,
            kind: Some(kind),
            custom: None,
            replicas: spec.replicas,
            selector: spec.selector,
            template,
            further_labels: Vec::new(),
            strategy: Strategy {
                kind: raw.kind,
                max_surge: rolling.max_surge,
                max_unavailable: rolling.max_unavailable,
                present,
            },
            paused: spec.paused,
            service_name: spec.service_name,
            suspend: spec.suspend,
            status: self.status,
        }
    }
}

/// A workload in the sense of the catalogue: a pod, or an object that makes pods.
#[derive(Debug, Clone, Copy)]
pub enum Workload<'a> {
    /// A pod, judged by itself.
    Pod(&'a Pod),
    /// A controller, judged by its template.
    Controller(&'a Controller),
}

impl<'a> Workload<'a> {
    /// Metadata of the object itself (not of the template).
    pub fn meta(self) -> &'a Meta {
        match self {
            Self::Pod(pod) => &pod.meta,
            Self::Controller(controller) => &controller.meta,
        }
    }

    /// The kind.
    pub fn kind(self) -> Kind {
        match self {
            Self::Pod(_) => Kind::Pod,
            Self::Controller(controller) => controller.kind(),
        }
    }

    /// The full reference.
    pub fn reference(self) -> ObjectRef {
        match self {
            Self::Pod(pod) => pod.reference(),
            Self::Controller(controller) => controller.reference(),
        }
    }

    /// Labels of the pods.
    pub fn pod_labels(self) -> &'a Labels {
        match self {
            Self::Pod(pod) => &pod.meta.labels,
            Self::Controller(controller) => &controller.template.labels,
        }
    }

    /// Labels of all pods that it makes, the template's first.
    pub fn label_sets(self) -> impl Iterator<Item = &'a Labels> {
        let further: &'a [Labels] = match self {
            Self::Pod(_) => &[],
            Self::Controller(controller) => &controller.further_labels,
        };
        std::iter::once(self.pod_labels()).chain(further)
    }

    /// Annotations of the pods, as far as rules read them.
    pub fn pod_annotations(self) -> &'a Labels {
        match self {
            Self::Pod(pod) => &pod.meta.annotations,
            Self::Controller(controller) => &controller.template.annotations,
        }
    }

    /// The pod specification.
    pub fn spec(self) -> &'a PodSpec {
        match self {
            Self::Pod(pod) => &pod.spec,
            Self::Controller(controller) => &controller.template.spec,
        }
    }

    /// `nodeName`, of the pod or in the template.
    pub fn node_name(self) -> Option<&'a str> {
        match self {
            Self::Pod(pod) => pod.node_name.as_deref(),
            Self::Controller(controller) => controller
                .template
                .spec
                .node_name
                .as_deref()
                .filter(|name| !name.is_empty()),
        }
    }

    /// JSON pointer to the pod's labels.
    pub fn labels_pointer(self) -> String {
        match self {
            Self::Pod(_) => "/metadata/labels".to_owned(),
            Self::Controller(controller) => {
                format!("{}/metadata/labels", controller.template_pointer())
            }
        }
    }

    /// JSON pointer to the pod specification.
    pub fn spec_pointer(self) -> String {
        match self {
            Self::Pod(_) => "/spec".to_owned(),
            Self::Controller(controller) => format!("{}/spec", controller.template_pointer()),
        }
    }

    /// The controller, when it is one.
    pub fn controller(self) -> Option<&'a Controller> {
        match self {
            Self::Pod(_) => None,
            Self::Controller(controller) => Some(controller),
        }
    }
}
