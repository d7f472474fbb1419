//! The admission webhook behind `kubectl apply`: the rules of `kubectl netdoctor` over a cached snapshot.

pub mod admit;
pub mod audit;
pub mod auditor;
mod answer;
pub mod cache;
pub mod clock;
pub mod configmap;
pub mod duration;
#[cfg(any(test, feature = "testkit"))]
pub mod fuzzing;
pub mod health;
pub mod lease;
pub mod logging;
pub mod metrics;
mod mutate;
mod patience;
pub mod policy;
mod process;
pub mod serve;
pub mod server;
pub mod settings;
pub mod state;
pub mod tls;
