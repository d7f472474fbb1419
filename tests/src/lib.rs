//! What the tests from outside share: a command runner, a real API server, and a proxy that misbehaves on demand.
//!
//! ```text
//! cmd::netdoctor() ──► kubectl-netdoctor ──► FaultProxy ──► ApiServer ──► etcd
//!   scrubbed env                             429, cut,       kube-apiserver and controller manager,
//!   redacted paths                           410, HTML ...   a Namespace per test
//! ```
//!
//! The API server is Kubernetes' own, and objects reach it as they do in life: through `kubectl apply`, and through the
//! status subresource for what a kubelet or a controller would write. A test begins with
//!
//! ```no_run
//! use netdoctor_tests::ApiServer;
//!
//! let Some(server) = ApiServer::shared() else { return };
//! let namespace = server.namespace();
//! namespace.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}");
//! ```
//!
//! which skips the test, saying why, where there is neither etcd nor the components of the lab nor
//! `NETDOCTOR_TEST_KUBECONFIG`. With `CI` set it fails instead.

mod apiserver;
mod client;
pub mod cmd;
mod janitor;
pub mod load;
pub mod proxy;
pub mod rest;
mod runtime;
mod skip;
pub mod webhook;

pub use apiserver::{ApiServer, Namespace, Rules, Spec};
pub use client::client;
pub use proxy::{Fault, FaultProxy, Rule};
pub use skip::lab_runs_here;
