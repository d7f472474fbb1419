//! etcd, API server, controller manager and scheduler: their keys, files and flags.

use std::path::Path;

use anyhow::{Context, Result};

use crate::host::{Host, KUBECONFIG};
use crate::kubeconfig::{Credentials, Kubeconfig};
use crate::lab::Lab;
use crate::network::{API_SERVICE, SERVICE_RANGE, SERVICE_RANGE6, address, address6};
use crate::spec::{HostName, Spec};
use crate::tls::{self, Authority, Identity};

/// In the order in which they start.
pub(crate) const COMPONENTS: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

/// Where keys and certificates are, on every host.
pub(crate) const PKI: &str = "/etc/kubernetes/pki";

/// The common name of the authority. It can be made again from its key.
const AUTHORITY: &str = "kubernetes";

/// Where the API server answers, for everybody but itself.
pub(crate) fn server() -> String {
    format!("https://{}:6443", address(HostName::ControlPlane))
}

/// Makes a new authority and writes all files of the control plane.
pub(crate) fn prepare(lab: &Lab) -> Result<Authority> {
    let host = lab.host(HostName::ControlPlane);
    let authority = Authority::new(AUTHORITY).context("making a certificate authority")?;
    host.write(&format!("{PKI}/ca.crt"), &authority.pem())?;
    host.write(&format!("{PKI}/ca.key"), &authority.key())?;

    let accounts = tls::signing_key().context("making the key of service accounts")?;
    host.write(&format!("{PKI}/sa.key"), &accounts.private)?;
    host.write(&format!("{PKI}/sa.pub"), &accounts.public)?;

    let names = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "127.0.0.1",
        &address(HostName::ControlPlane).to_string(),
        &address6(HostName::ControlPlane).to_string(),
        &API_SERVICE.to_string(),
        "fd00:10:96::1",
    ];
    write_identity(host, "apiserver", &authority.server(&names)?)?;

    // Controllers act as themselves and not as their service accounts, for which they would wait seconds at the start.
    let masters = "system:masters";
    for (name, user, group) in [
        (
            "apiserver-kubelet-client",
            "kube-apiserver-kubelet-client",
            masters,
        ),
        ("admin", "kubernetes-admin", masters),
        (
            "controller-manager",
            "system:kube-controller-manager",
            masters,
        ),
        ("scheduler", "system:kube-scheduler", ""),
    ] {
        write_identity(host, name, &authority.client(user, group)?)?;
    }
    write_kubeconfig(host, KUBECONFIG, "admin")?;
    for name in ["controller-manager", "scheduler"] {
        write_kubeconfig(host, &format!("/etc/kubernetes/{name}.conf"), name)?;
    }
    Ok(authority)
}

/// The authority of a running lab.
pub(crate) fn authority(lab: &Lab) -> Result<Authority> {
    let path = lab
        .host(HostName::ControlPlane)
        .path(&format!("{PKI}/ca.key"));
    let key =
        std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    Authority::from_key(AUTHORITY, &key).context("reading the key of the authority")
}

/// Writes a certificate and its key below [`PKI`] of a host.
pub(crate) fn write_identity(host: Host<'_>, name: &str, identity: &Identity) -> Result<()> {
    host.write(&format!("{PKI}/{name}.crt"), &identity.certificate)?;
    host.write(&format!("{PKI}/{name}.key"), &identity.key)
}

/// Writes a kubeconfig for what [`write_identity`] wrote under this name.
pub(crate) fn write_kubeconfig(host: Host<'_>, file: &str, identity: &str) -> Result<()> {
    let text = Kubeconfig {
        server: &server(),
        authority: Path::new(&format!("{PKI}/ca.crt")),
        credentials: Credentials::Certificate {
            certificate: Path::new(&format!("{PKI}/{identity}.crt")),
            key: Path::new(&format!("{PKI}/{identity}.key")),
        },
        namespace: "default",
    }
    .text();
    host.write(file, &text)
}

/// The program and the arguments of a component.
pub(crate) fn arguments(spec: &Spec, component: &str) -> Option<Vec<String>> {
    let flags = match component {
        "etcd" => etcd(),
        "kube-apiserver" => api_server(spec),
        "kube-controller-manager" => controller_manager(),
        "kube-scheduler" => vec![
            "--kubeconfig=/etc/kubernetes/scheduler.conf".to_owned(),
            "--leader-elect=false".to_owned(),
        ],
        _ => return None,
    };
    let mut arguments = flags;
    arguments.insert(0, component.to_owned());
    Some(arguments)
}

fn etcd() -> Vec<String> {
    let flags = [
        "--data-dir=/var/lib/etcd",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        "--initial-cluster=default=http://127.0.0.1:2380",
    ];
    flags.map(str::to_owned).to_vec()
}

fn api_server(spec: &Spec) -> Vec<String> {
    let services = if spec.dual_stack {
        format!("{SERVICE_RANGE},{SERVICE_RANGE6}")
    } else {
        SERVICE_RANGE.to_owned()
    };
    let mut flags = vec![
        format!("--advertise-address={}", address(HostName::ControlPlane)),
        format!("--service-cluster-ip-range={services}"),
    ];
    for (flag, file) in [
        ("client-ca-file", "ca.crt"),
        ("tls-cert-file", "apiserver.crt"),
        ("tls-private-key-file", "apiserver.key"),
        ("service-account-key-file", "sa.pub"),
        ("service-account-signing-key-file", "sa.key"),
        ("kubelet-certificate-authority", "ca.crt"),
        ("kubelet-client-certificate", "apiserver-kubelet-client.crt"),
        ("kubelet-client-key", "apiserver-kubelet-client.key"),
    ] {
        flags.push(format!("--{flag}={PKI}/{file}"));
    }
    let fixed = [
        "--etcd-servers=http://127.0.0.1:2379",
        "--secure-port=6443",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--kubelet-preferred-address-types=InternalIP",
        // There is no kube-proxy on this host: webhooks and aggregated servers are reached by their endpoints.
        "--enable-aggregator-routing=true",
    ];
    flags.extend(fixed.map(str::to_owned));
    flags
}

fn controller_manager() -> Vec<String> {
    let flags = [
        "--kubeconfig=/etc/kubernetes/controller-manager.conf",
        "--leader-elect=false",
        "--root-ca-file=/etc/kubernetes/pki/ca.crt",
        "--service-account-private-key-file=/etc/kubernetes/pki/sa.key",
        "--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt",
        "--cluster-signing-key-file=/etc/kubernetes/pki/ca.key",
        // The lab writes the pod ranges itself, so that node-2 is always 10.244.2.0/24.
        "--allocate-node-cidrs=false",
        // A node that is gone is noticed in seconds instead of a minute. The kubelet renews its lease every 3 s.
        "--node-monitor-period=1s",
        "--node-monitor-grace-period=16s",
    ];
    flags.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_component_has_arguments() {
        for component in COMPONENTS {
            let arguments = arguments(&Spec::default(), component).unwrap();
            assert_eq!(arguments[0], component);
            assert!(arguments[1..].iter().all(|flag| flag.starts_with("--")));
        }
        assert_eq!(arguments(&Spec::default(), "kubelet"), None);
    }

    #[test]
    fn services_have_a_second_range_only_with_both_families() {
        let range = |dual_stack| {
            let spec = Spec {
                dual_stack,
                ..Spec::default()
            };
            let flags = api_server(&spec);
            flags
                .iter()
                .find_map(|flag| {
                    flag.strip_prefix("--service-cluster-ip-range=")
                        .map(str::to_owned)
                })
                .unwrap()
        };
        assert_eq!(range(false), "10.96.0.0/16");
        assert_eq!(range(true), "10.96.0.0/16,fd00:10:96::/112");
    }
}
