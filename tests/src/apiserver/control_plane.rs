//! Starting etcd, kube-apiserver and kube-controller-manager on loopback.

use std::env;
use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use netdoctor_lab::components::{self, Components};
use netdoctor_lab::kubeconfig::{Credentials, Kubeconfig};
use netdoctor_lab::tls::{self, Authority};

use super::{Administrator, ApiServer, PATIENCE, Spec};
use crate::janitor::Janitor;
use crate::rest::{Endpoint, Rest};

/// An administrator's bearer token. It guards a server on loopback that lives for seconds.
const TOKEN: &str = "administrator-of-the-tests";

/// What endpoint slices, namespaces, service accounts and garbage collection need. The others would correct the nodes and
/// pods that a test writes, or delete them.
const CONTROLLERS: &str = "endpointslice-controller,endpointslice-mirroring-controller,namespace-controller,\
                           serviceaccount-controller,root-ca-certificate-publisher-controller,\
                           garbage-collector-controller";

pub(super) struct Programs {
    etcd: PathBuf,
    components: Components,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The kube-apiserver of a test, which may come and go.
pub(super) struct Process {
    program: PathBuf,
    flags: Vec<String>,
    port: u16,
    /// Its index with the janitor, and how often it was started.
    running: Mutex<(usize, usize)>,
}

impl Process {
    fn running(&self) -> MutexGuard<'_, (usize, usize)> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn kill(&self, janitor: &mut Janitor) -> io::Result<()> {
        janitor.kill(self.running().0)
    }

    pub(super) fn start_again(&self, janitor: &mut Janitor) -> io::Result<()> {
        let start = Instant::now();
        // The port is free once the process that was killed is gone.
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            if start.elapsed() > PATIENCE {
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let mut running = self.running();
        running.1 += 1;
        let name = format!("kube-apiserver-{}", running.1);
        let mut command = Command::new(&self.program);
        command.env_clear();
        running.0 = janitor.start(&name, command.args(&self.flags))?;
        Ok(())
    }
}

/// The programs, or which of them is missing.
pub(super) fn programs() -> Result<Programs, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let etcd = env::split_paths(&path)
        .map(|folder| folder.join("etcd"))
        .find(|file| file.is_file());
    let etcd = etcd.ok_or("etcd is not on PATH")?;
    match components::installed() {
        Ok(Some(components)) => Ok(Programs { etcd, components }),
        Ok(None) => Err("the components have not been built".to_owned()),
        Err(error) => Err(format!("{error:#}")),
    }
}

/// Starts a server and waits until pods can be created. Panics with the logs when that fails.
pub(super) fn start(programs: &Programs, spec: &Spec) -> ApiServer {
    // A port that was free may be taken by somebody else before it is used; three times in a row is no accident.
    for last in [false, false, true] {
        match attempt(programs, spec) {
            Ok(server) => {
                server.await_default_account("default");
                return server;
            }
            Err(error) if !last && error.to_string().contains("address already in use") => {}
            Err(error) => panic!("starting an API server: {error}"),
        }
    }
    unreachable!("the last attempt returns or panics")
}

fn attempt(programs: &Programs, spec: &Spec) -> Result<ApiServer, Error> {
    let mut janitor = Janitor::hire()?;
    let folder = janitor.folder().to_path_buf();
    let authority = Authority::new("netdoctor-tests")?;
    write_keys(&folder, &authority)?;

    let [client_port, peer_port, port] = free_ports()?;
    let etcd = format!("http://127.0.0.1:{client_port}");
    janitor.start("etcd", &mut etcd_command(&programs.etcd, &etcd, peer_port))?;
    let flags = api_server_flags(&folder, spec, &etcd, port);
    let mut command = component(programs, "kube-apiserver");
    let index = janitor.start("kube-apiserver", command.args(&flags))?;
    let process = Process {
        program: programs.components.path("kube-apiserver"),
        flags,
        port,
        running: Mutex::new((index, 1)),
    };

    let endpoint = Endpoint::new("127.0.0.1", port, &authority.pem())?;
    let rest = Rest::new(endpoint, TOKEN);
    await_ready(&rest, &mut janitor)?;

    let administrator = Administrator::Certificate {
        certificate: folder.join("admin.pem"),
        key: folder.join("admin.key"),
    };
    let kubeconfig = Kubeconfig {
        server: &format!("https://127.0.0.1:{port}"),
        authority: &folder.join("ca.pem"),
        credentials: Credentials::Certificate {
            certificate: &folder.join("admin.pem"),
            key: &folder.join("admin.key"),
        },
        namespace: "default",
    }
    .write(folder.join("admin.kubeconfig"));
    let mut command = component(programs, "kube-controller-manager");
    janitor.start(
        "kube-controller-manager",
        command.args(controller_manager_flags(&folder, &kubeconfig)),
    )?;

    Ok(ApiServer {
        rest,
        kubectl: programs.components.path("kubectl"),
        kubeconfig,
        folder,
        authority,
        administrator,
        janitor: Mutex::new(janitor),
        process: Some(process),
        files: AtomicU32::new(0),
    })
}

fn write_keys(folder: &Path, authority: &Authority) -> Result<(), Error> {
    let server = authority.server(&["127.0.0.1", "localhost", "kubernetes.default.svc"])?;
    // The common name is the one of kubeadm, which people recognise; the group is what gives the power.
    let admin = authority.client("kubernetes-admin", "system:masters")?;
    let accounts = tls::signing_key()?;
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("server.pem", server.certificate),
        ("server.key", server.key),
        ("admin.pem", admin.certificate),
        ("admin.key", admin.key),
        ("accounts.key", accounts.private),
        ("accounts.pub", accounts.public),
        (
            "tokens.csv",
            format!("{TOKEN},kubernetes-admin,1,system:masters\n"),
        ),
    ] {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

fn etcd_command(program: &Path, url: &str, peer_port: u16) -> Command {
    let peer = format!("http://127.0.0.1:{peer_port}");
    let mut command = Command::new(program);
    command.env_clear();
    if cfg!(not(target_arch = "x86_64")) {
        // etcd 3.4 refuses every other architecture unless it is told which one this is.
        command.env(
            "ETCD_UNSUPPORTED_ARCH",
            if cfg!(target_arch = "aarch64") {
                "arm64"
            } else {
                env::consts::ARCH
            },
        );
    }
    command.args([
        "--data-dir=etcd".to_owned(),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
    ]);
    command
}

fn api_server_flags(folder: &Path, spec: &Spec, etcd: &str, port: u16) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    let mut flags = vec![
        format!("--etcd-servers={etcd}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        // Service `kubernetes` gets no endpoint from a loopback address. This one is reserved for documentation
        // (RFC 5737); nothing here connects to it.
        "--advertise-address=192.0.2.1".to_owned(),
        "--endpoint-reconciler-type=lease".to_owned(),
        format!("--tls-cert-file={}", file("server.pem")),
        format!("--tls-private-key-file={}", file("server.key")),
        format!("--client-ca-file={}", file("ca.pem")),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={}", file("accounts.pub")),
        format!(
            "--service-account-signing-key-file={}",
            file("accounts.key")
        ),
        format!("--service-cluster-ip-range={}", spec.service_cidr),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
    ];
    flags.extend(spec.api_server_flags.iter().cloned());
    flags
}

fn controller_manager_flags(folder: &Path, kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--root-ca-file={}", folder.join("ca.pem").display()),
        format!("--controllers={CONTROLLERS}"),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
    ]
}

/// A component without the environment of the test: proxies and Go's debugging variables are none of its business.
fn component(programs: &Programs, name: &str) -> Command {
    let mut command = Command::new(programs.components.path(name));
    command.env_clear();
    command
}

fn await_ready(rest: &Rest, janitor: &mut Janitor) -> Result<(), Error> {
    let start = Instant::now();
    while !rest.get("/readyz").is_ok_and(|answer| answer.status == 200) {
        if !janitor.all_alive()? {
            return Err(format!("a process ended early\n{}", janitor.logs()).into());
        }
        if start.elapsed() > PATIENCE {
            return Err(format!(
                "not ready after {} s\n{}",
                PATIENCE.as_secs(),
                janitor.logs()
            )
            .into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Three different ports that nobody listens on now.
fn free_ports() -> io::Result<[u16; 3]> {
    let listen = || TcpListener::bind(("127.0.0.1", 0));
    let held = [listen()?, listen()?, listen()?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&held) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}
