//! The lab with the image in it, and the commands that trials use.

use std::cell::OnceCell;
use std::env;
use std::path::Path;
use std::process;
use std::time::Duration;

use anyhow::{Result, ensure};
use netdoctor_lab::image::product::{self, Product, TRIAL};
use netdoctor_lab::{HostName, Lab, Output, Spec};
use netdoctor_manifests::names;
use serde_json::Value;

/// How long anything may take that needs a new Pod.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// Where everything of ours lives.
pub(crate) const NAMESPACE: &str = names::NAMESPACE;

/// The Deployment of the server, as kubectl takes it.
pub(crate) const DEPLOYMENT: &str = "deployment/netdoctor-webhook";

/// Selects the Pods of the server.
pub(crate) const REPLICAS: &str =
    "-l=app.kubernetes.io/name=netdoctor,app.kubernetes.io/component=webhook";

/// The lab and what is in it.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) product: Product,
    /// Calls per second that this machine can do beside a drill, once that is known.
    pub(crate) rate: OnceCell<u32>,
}

/// One replica.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Replica {
    pub(crate) pod: String,
    pub(crate) address: String,
    pub(crate) restarts: u64,
}

impl Stage {
    /// Builds the image, starts the lab, and loads the one into the other. Nothing is installed.
    pub(crate) fn start() -> Result<Self> {
        let product = product::build(TRIAL, None)?;
        let lab = match env::var("NETDOCTOR_LAB") {
            Ok(name) => Lab::up(&Spec::default().named(&format!("{name}-webhook"))?)?,
            Err(_) => Lab::owned(&Spec::default().named(&format!("hook-{}", process::id()))?)?,
        };
        lab.load(&product.archive)?;
        Ok(Self {
            lab,
            product,
            rate: OnceCell::new(),
        })
    }

    /// Runs the plugin of the image, as an administrator on the control plane.
    pub(crate) fn netdoctor(&self, arguments: &[&str]) -> Result<Output> {
        self.lab
            .netdoctor(&self.product.programs[1].path, arguments)
    }

    /// The same, which has to end with this code.
    pub(crate) fn netdoctor_exits(&self, code: i32, arguments: &[&str]) -> Result<Output> {
        let output = self.netdoctor(arguments)?;
        ensure!(
            output.code == code,
            "exit code {} instead of {code} from {}\n{}{}",
            output.code,
            arguments.join(" "),
            output.stdout,
            output.stderr
        );
        Ok(output)
    }

    /// `webhook install --apply` with these flags. What is there already stays.
    pub(crate) fn install(&self, flags: &[&str]) -> Result<Output> {
        let install = ["webhook", "install", "--apply", "--yes", "--timeout=90s"];
        self.netdoctor_exits(0, &[&install, flags].concat())
    }

    /// Installs unless the trial before left it installed.
    pub(crate) fn installed(&self) -> Result<()> {
        let there = ["get", "validatingwebhookconfiguration", names::VALIDATING];
        if self.lab.kubectl(&there)?.ok() && self.replicas()?.len() == 2 {
            return Ok(());
        }
        self.install(&[]).map(drop)
    }

    /// kubectl in the namespace of the webhook, which must succeed.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        let namespace = format!("--namespace={NAMESPACE}");
        let output = self.lab.must(&[&[&*namespace], arguments].concat(), "")?;
        Ok(output.stdout)
    }

    /// Waits until the Deployment runs what it should.
    pub(crate) fn await_rollout(&self) -> Result<()> {
        let timeout = format!("--timeout={}s", PATIENCE.as_secs());
        self.kubectl(&["rollout", "status", DEPLOYMENT, &timeout])
            .map(drop)
    }

    /// The replicas that are Ready and stay.
    pub(crate) fn replicas(&self) -> Result<Vec<Replica>> {
        let namespace = format!("--namespace={NAMESPACE}");
        let pods = self.lab.get(&["pods", &namespace, REPLICAS])?;
        let pods = pods["items"].as_array().cloned().unwrap_or_default();
        let mut replicas: Vec<Replica> = pods
            .iter()
            .filter(|pod| is_ready(pod))
            .map(replica)
            .collect();
        replicas.sort();
        Ok(replicas)
    }

    /// Nobody is there any more, and nobody comes.
    pub(crate) fn end_all_replicas(&self) -> Result<()> {
        self.kubectl(&["scale", DEPLOYMENT, "--replicas=0"])?;
        self.kubectl(&["delete", "pods", REPLICAS, "--force", "--grace-period=0"])?;
        self.lab.wait("the end of all replicas", PATIENCE, || {
            let left = self.kubectl(&["get", "pods", REPLICAS, "-o=name"])?;
            Ok(left.is_empty().then_some(()))
        })
    }

    /// Makes a namespace anew, in which `jane` may do what users may do.
    pub(crate) fn namespace(&self, name: &str, labels: &str) -> Result<()> {
        self.lab
            .must(&["delete", "namespace", "--ignore-not-found", name], "")?;
        self.lab.apply(&format!(
            "{{apiVersion: v1, kind: List, items: [\
             {{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{{labels}}}}}}},\
             {{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: jane, namespace: {name}}}, \
              roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}}, \
              subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: jane}}]}}]}}"
        ))?;
        self.lab
            .wait("the service account of a namespace", PATIENCE, || {
                let arguments = ["get", "serviceaccount", "default", "-n", name];
                Ok(self.lab.kubectl(&arguments)?.ok().then_some(()))
            })
    }

    /// `kubectl apply` as jane.
    pub(crate) fn apply_as_jane(&self, yaml: &str) -> Result<Output> {
        self.lab
            .kubectl_with_input(&["apply", "--as=jane", "-f", "-"], yaml)
    }

    /// The authority that signs at the moment, in PEM.
    pub(crate) fn authority(&self) -> Result<String> {
        let secret = self.secret()?;
        let encoded = secret["data"][names::CA_CERTIFICATE_KEY].as_str();
        let decoded = self.lab.host(HostName::ControlPlane).run(&format!(
            "echo '{}' | base64 -d",
            encoded.unwrap_or_default()
        ))?;
        Ok(decoded.stdout)
    }

    /// The Secret of the authority.
    pub(crate) fn secret(&self) -> Result<Value> {
        let namespace = format!("--namespace={NAMESPACE}");
        self.lab.get(&["secret", &namespace, names::CA_SECRET])
    }

    /// What somebody wants to read after a failure.
    pub(crate) fn keep_evidence(&self) {
        self.lab.keep_logs();
        for arguments in [
            &["get", "pods,events,leases", "-o", "wide"][..],
            &["logs", "--prefix", "--tail=60", REPLICAS],
            &["logs", "--prefix", "--tail=60", "--previous", REPLICAS],
        ] {
            // It goes to the log of commands; there is an error to report already.
            let _ = self.kubectl(arguments);
        }
    }

    /// The kubeconfig of an administrator, on the control plane.
    pub(crate) fn kubeconfig() -> &'static Path {
        Path::new("/etc/kubernetes/admin.conf")
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        && pod["metadata"].get("deletionTimestamp").is_none()
}

fn replica(pod: &Value) -> Replica {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Replica {
        pod: text(&pod["metadata"]["name"]),
        address: text(&pod["status"]["podIP"]),
        restarts: pod["status"]["containerStatuses"][0]["restartCount"]
            .as_u64()
            .unwrap_or_default(),
    }
}
