//! What has to happen in the network of the lab: this same program, started again on the control plane with a task.
//!
//! ```text
//! trial ──stdin: stays open as long as the task shall last──► copy on the control plane ──► API server, replicas
//!   ◄──stdout: `begun`, then the result as JSON────────────────┘
//! ```

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use netdoctor_lab::HostName;
use netdoctor_tests::client;
use netdoctor_tests::load::{Action, Load, Plan, Resource};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::runtime::Builder;

use crate::hostile::{self, Crowd};
use crate::stage::Stage;

/// Holds the task of a copy.
const TASK: &str = "NETDOCTOR_TEST_TASK";

/// What a copy says when it has begun.
const BEGUN: &str = "begun";

/// What a copy is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Put load on the API server until told to stop. The result is one report per share.
    Load(Vec<Share>),
    /// Create an object as somebody. The result is what the API server says.
    Create {
        path: String,
        user: String,
        object: Value,
    },
    /// Ask a replica as the API server would. The result is the answer.
    Review {
        address: String,
        authority: String,
        review: Value,
    },
    /// Trouble the replicas until told to stop. The result counts.
    Trouble {
        crowd: Crowd,
        addresses: Vec<String>,
        authority: String,
    },
}

/// A part of a load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Share {
    /// Calls per second, or as many as there is room for.
    pub(crate) rate: Option<u32>,
    pub(crate) clients: usize,
    pub(crate) kind: Kind,
    /// How long a call waits for an API server that is not there.
    pub(crate) patience: Option<Duration>,
}

/// What its calls do.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Pods are created in a dry run.
    Tried,
    /// Services are changed and stored.
    Stored,
}

/// A copy at work.
pub(crate) struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    /// Starts a copy, and returns when it has begun.
    pub(crate) fn start(stage: &Stage, task: &Task) -> Result<Self> {
        let program = env::current_exe().context("finding this program")?;
        let host = stage.lab.host(HostName::ControlPlane);
        let mut child = host
            .command("sh")
            // A crowd needs a file descriptor per head.
            .args(["-c", "ulimit -n 16384; exec \"$0\""])
            .arg(program)
            .env(TASK, serde_json::to_string(task)?)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a copy of this program in the lab")?;
        let output = child.stdout.take().context("no output")?;
        let mut running = Self {
            child,
            output: BufReader::new(output),
        };
        let mut line = String::new();
        running.output.read_line(&mut line)?;
        if line.trim() != BEGUN {
            let status = running.child.wait()?;
            bail!("the task did not begin ({status}): {line}");
        }
        Ok(running)
    }

    /// Tells it to stop, and waits for its result.
    pub(crate) fn finish(mut self) -> Result<Value> {
        drop(self.child.stdin.take());
        let mut text = String::new();
        self.output.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the task failed ({status}): {text}");
        serde_json::from_str(&text).with_context(|| format!("reading `{text}`"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The end of its input ends it, unless it has ended.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The result of a task that ends by itself.
pub(crate) fn ask(stage: &Stage, task: &Task) -> Result<Value> {
    Running::start(stage, task)?.finish()
}

/// Does the task of a copy. `None` in the original.
pub(crate) fn main() -> Option<ExitCode> {
    let task = env::var(TASK).ok()?;
    let outcome = serde_json::from_str(&task)
        .context("reading the task")
        .and_then(perform);
    match outcome {
        Ok(result) => {
            print(&result.to_string());
            Some(ExitCode::SUCCESS)
        }
        Err(error) => {
            print(&format!("{error:#}"));
            Some(ExitCode::FAILURE)
        }
    }
}

fn print(line: &str) {
    let mut output = io::stdout();
    // The original reads as long as it lives.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

/// Returns when the original has said that it is enough.
fn until_told() {
    print(BEGUN);
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
}

fn perform(task: Task) -> Result<Value> {
    match task {
        Task::Load(shares) => load(&shares),
        Task::Create { path, user, object } => {
            print(BEGUN);
            runtime()?.block_on(create(&path, &user, &object))
        }
        Task::Review {
            address,
            authority,
            review,
        } => {
            print(BEGUN);
            runtime()?.block_on(hostile::review(&address, &authority, &review))
        }
        Task::Trouble {
            crowd,
            addresses,
            authority,
        } => {
            let runtime = runtime()?;
            let counts = hostile::begin(&runtime, crowd, &addresses, &authority)?;
            until_told();
            runtime.shutdown_background();
            Ok(counts.json())
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}

fn load(shares: &[Share]) -> Result<Value> {
    let loads = shares.iter().map(|share| {
        let (resource, action, dry_run) = match share.kind {
            Kind::Tried => (Resource::Pods, Action::Create, true),
            Kind::Stored => (Resource::Services, Action::Update, false),
        };
        let plan = Plan {
            rate: share.rate,
            clients: share.clients,
            expect: Some(resource.code().to_owned()),
            resource,
            action,
            dry_run,
            patience: share.patience,
            ..Plan::default()
        };
        Load::try_start(Stage::kubeconfig(), plan)
    });
    let loads: Vec<Load> = loads.collect::<Result<_, _>>()?;
    until_told();
    let reports = loads.into_iter().map(Load::stop);
    let reports =
        reports.map(|report| json!({"text": report.to_string(), "report": report.json()}));
    Ok(reports.collect())
}

async fn create(path: &str, user: &str, object: &Value) -> Result<Value> {
    let client = client(Path::new(Stage::kubeconfig())).await;
    let request = Request::post(path)
        .header("Content-Type", "application/json")
        .header("Impersonate-User", user)
        .body(serde_json::to_vec(object)?)?;
    match client.request::<Value>(request).await {
        Ok(created) => Ok(created),
        Err(kube::Error::Api(status)) => Ok(serde_json::to_value(status)?),
        Err(error) => Err(error.into()),
    }
}

/// A body of a request.
pub(crate) fn body(bytes: impl Into<Bytes>) -> Full<Bytes> {
    Full::new(bytes.into())
}
