//! The admission webhook behind `kubectl apply`: the rules of `kubectl netdoctor` over a cached snapshot.

pub mod admit;
pub mod cache;
pub mod clock;
pub mod configmap;
pub mod duration;
pub mod health;
pub mod lease;
pub mod logging;
pub mod metrics;
pub mod policy;
pub mod server;
pub mod tls;
