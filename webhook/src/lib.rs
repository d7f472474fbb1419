//! The admission webhook behind `kubectl apply`: the rules of `kubectl netdoctor` over a cached snapshot.
//!
//! ```text
//!  API server --TLS--> server --gate--> state: admit(review, cache, policy) --> answer
//!       |                |  ^                         ^       ^
//!       |              health serving                 |       |
//!       |                     ^                       |   configmap <--watch-- ConfigMap
//!       |                     |                     cache <--list, watch------ what rules read
//!       +--<--caBundle-- tls: files, or an own authority in a Secret, kept by the holder of a lease
//!
//!  auditor: the same judge over the whole cache, now and then --> Events
//! ```
//!
//! `admit` and `policy` are pure. A request asks nobody: what it needs is cached, and what is not is let through.
//! [`serve`] and [`audit`] put the two processes together.

pub mod admit;
mod answer;
pub mod audit;
pub mod auditor;
mod budget;
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
