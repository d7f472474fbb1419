//! The admission webhook behind `kubectl apply`: the rules of `kubectl netdoctor` over a cached snapshot.

pub mod admit;
mod answer;
pub mod cache;
pub mod clock;
pub mod configmap;
pub mod duration;
pub mod health;
pub mod lease;
pub mod logging;
pub mod metrics;
mod mutate;
pub mod policy;
pub mod serve;
pub mod server;
pub mod settings;
pub mod state;
pub mod tls;
