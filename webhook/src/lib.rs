//! The admission webhook behind `kubectl apply`: the rules of `kubectl netdoctor` over a cached snapshot.

pub mod admit;
pub mod cache;
pub mod metrics;
pub mod policy;
