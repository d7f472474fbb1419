//! The objects that run the webhook in a cluster, made from what the rules say about themselves.
//!
//! Pure: options in, objects out. The plugin prints and applies them, the files in this folder are written from them,
//! and a test keeps both the same. Nothing here knows axum, kube or a clock, so that the plugin stays small.
//!
//! ```text
//!  RULES --scope--> kinds --+--> RBAC, webhook rules, match conditions --base--> objects --components--> objects
//!  Options -----------------+                                                       `--kustomize--> manifests/**
//! ```

mod base;
pub mod component;
mod conditions;
mod configuration;
pub mod kustomize;
pub mod names;
mod object;
mod options;
pub mod policy;
mod rbac;
pub mod scope;
mod workload;
pub mod yaml;

pub use component::Component;
pub use options::{
    Certificates, CustomWorkload, FailurePolicy, Mode, Options, OptionsError, Profile,
};

use serde_json::Value;

/// The objects in the order in which they are to be applied: what others need comes first, and the configurations that
/// send requests to the webhook come last.
pub fn render(options: &Options) -> Vec<Value> {
    let mut objects = match options.mode {
        Mode::Webhook => base::objects(options),
        Mode::Policy => policy::objects(options),
    };
    for component in options.components() {
        component.edits(options).apply(&mut objects);
    }
    object::sort(&mut objects);
    objects
}

#[cfg(test)]
mod tests;
