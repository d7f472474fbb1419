//! A real Kubernetes cluster of several nodes on one machine, whose network can be broken on purpose.
//!
//! ```text
//! internet 203.0.113.53 ── switch: bridge br0 172.30.0.1 ──┬── control-plane .10  etcd, API server, controllers
//!                                                          ├── node-1        .11  containerd, kubelet, kube-proxy
//!                                                          └── node-2 …      .12
//! ```
//!
//! Every host is a set of namespaces (network, mounts, host name) in one PID namespace per lab. When the init process of
//! that PID namespace ends, the kernel ends everything else in it, and the namespaces, mounts and files in memory go too.
//! Nothing is connected to the machine's own network.

pub mod components;
mod control_group;
mod control_plane;
pub mod fault;
mod fnv;
pub mod host;
pub mod image;
mod internet;
pub mod kubeconfig;
pub mod lab;
pub mod network;
mod node;
pub mod requirements;
pub mod spec;
mod state;
mod store;
mod teardown;
mod template;
pub mod tls;
pub mod witness;

use std::path::{Path, PathBuf};

pub use host::{Container, Host, Output};
pub use lab::{Lab, Running};
pub use spec::{HostName, Overlay, ProxyMode, Spec};

/// The folder of the checkout.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}
