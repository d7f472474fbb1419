//! The client that the webhook uses, from a kubeconfig: in a cluster it would have the account of its pod.

use std::path::Path;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// A client with the credentials of a kubeconfig. Belongs to the runtime in which it is made.
pub async fn client(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)
        .unwrap_or_else(|error| panic!("reading {}: {error}", kubeconfig.display()));
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap_or_else(|error| panic!("the kubeconfig: {error}"));
    Client::try_from(config).unwrap_or_else(|error| panic!("the kubeconfig: {error}"))
}
