//! The rules, the policy engine and the object graph behind `kubectl netdoctor`.
//!
//! Pure: no I/O, no async, no clock. The same snapshot, configuration and `now` give the same report, byte for byte.
//!
//! ```text
//!  bytes --model::decode--> objects --snapshot::Builder--> Snapshot --run(RULES, config, now)--> Report
//!                                                              ^                                   |
//!                                     manifest::parse ---------+                     renderers, fixes, admission
//! ```

pub mod cert;
pub mod config;
pub mod context;
pub mod endpoints;
pub mod facts;
pub mod finding;
mod fold;
#[cfg(any(test, feature = "testkit"))]
pub mod fuzzing;
pub mod ingress;
pub mod load;
pub mod manifest;
pub mod model;
pub mod near;
pub mod placement;
pub mod pointer;
pub mod policy;
pub mod ports;
pub mod redact;
pub mod report;
pub mod rule;
pub mod rules;
pub mod run;
pub mod scope;
pub mod selector;
pub mod snapshot;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
