//! Horizontal autoscalers.

use super::{Condition, Kind, Meta, Object, Text};
use serde::Deserialize;

/// A `HorizontalPodAutoscaler`, any version.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Autoscaler {
    /// Metadata.
    #[serde(rename = "metadata")]
    pub meta: Meta,
    /// Specification.
    pub spec: AutoscalerSpec,
    /// Status.
    pub status: AutoscalerStatus,
}

/// The specification.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct AutoscalerSpec {
    pub scale_target_ref: ScaleTarget,
    pub min_replicas: Option<i32>,
    pub max_replicas: i32,
}

/// What it scales.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs)]
pub struct ScaleTarget {
    pub api_version: Text,
    pub kind: Text,
    pub name: Text,
}

/// The status.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct AutoscalerStatus {
    pub conditions: Vec<Condition>,
}

impl Object for Autoscaler {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn meta_mut(&mut self) -> &mut Meta {
        &mut self.meta
    }
    fn kind(&self) -> Kind {
        Kind::HorizontalPodAutoscaler
    }
    fn forget_status(&mut self) {
        self.status = AutoscalerStatus::default();
    }
}
