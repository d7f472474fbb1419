//! Load on a real API server, and an account of every single call: how long it took, what became of it, and whether the
//! webhook behind the server had its say.
//!
//! ```text
//!  clock (a thread) --one ticket per call, at its time--> queue --> clients, each with a connection --TLS--> API server
//!                                                                      |                                         |
//!                                                                   account <--- status, warnings ---------- webhook
//! ```
//!
//! The loop is open: calls fall due by the clock, whatever the server does, and a call's time begins when it was due, not
//! when a client was free to send it. A server that stalls for a second is late for all that fell due in that second;
//! a loop that waits for each answer before it asks again would see a single slow call (coordinated omission).
//!
//! A webhook under `failurePolicy: Ignore` that does not answer is invisible in the status. So every call carries a flaw
//! that the webhook warns of, and a call without the warning is counted as unanswered.

mod account;
mod calls;
mod clock;
mod compare;
mod server;
mod worker;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

pub use account::{Latency, Reason, Report};
pub use calls::{Action, Resource};
pub use compare::Comparison;

use calls::Calls;
use clock::Clock;
use server::Server;
use worker::Shared;

/// How long calls may take to end after the load was told to stop.
const DRAIN: Duration = Duration::from_mins(1);

/// What is asked, how often, and what must be in the answer.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Calls per second. None closes the loop: every client asks again as soon as it has its answer.
    pub rate: Option<u32>,
    /// Connections, each with one call at a time.
    pub clients: usize,
    /// When it ends by itself. None: with [`Load::stop`].
    pub duration: Option<Duration>,
    /// Code of the rule that must be among the warnings of every answer, or else the call counts as unanswered.
    pub expect: Option<String>,
    /// What is written.
    pub resource: Resource,
    /// How.
    pub action: Action,
    /// Whether the server is only asked what it would do. Otherwise objects pile up until the load ends.
    pub dry_run: bool,
    /// A namespace that is there. None makes one for the load, and deletes it at the end.
    pub namespace: Option<String>,
    /// Whether the namespace that is made is exempt from admission: the same server without a webhook.
    pub exempt: bool,
    /// What to create instead of the sample of [`Self::resource`]; its name is replaced.
    pub object: Option<Value>,
    /// How long a client waits for an answer.
    pub timeout: Duration,
    /// How long a call that finds no API server waits until there is one that is ready, and is sent again. None: it has
    /// failed.
    pub patience: Option<Duration>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            rate: Some(100),
            clients: 50,
            duration: None,
            expect: None,
            resource: Resource::Pods,
            action: Action::Create,
            dry_run: true,
            namespace: None,
            exempt: false,
            object: None,
            timeout: Duration::from_secs(10),
            patience: None,
        }
    }
}

/// Why no load could be put on a server.
#[derive(Debug)]
pub struct LoadError(String);

impl LoadError {
    fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string())
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for LoadError {}

/// Load that is being put on a server. It has threads of its own, and its values belong outside of any async code.
pub struct Load {
    /// None after the end.
    runtime: Option<Runtime>,
    server: Arc<Server>,
    /// The namespace to delete.
    made: Option<String>,
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
    clock: Option<Clock>,
}

impl Load {
    /// Begins. Returns when all clients are connected, one call went through, and the first has fallen due.
    /// Panics where [`Self::try_start`] has an error.
    pub fn start(kubeconfig: &Path, plan: Plan) -> Self {
        Self::try_start(kubeconfig, plan).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The same for callers that can do something about it.
    ///
    /// # Errors
    /// When the plan contradicts itself, the server is not there, or it does not take the first call.
    pub fn try_start(kubeconfig: &Path, plan: Plan) -> Result<Self, LoadError> {
        plan.check()?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("load")
            .enable_all()
            .build()
            .map_err(LoadError::new)?;
        let server = Arc::new(runtime.block_on(Server::from_kubeconfig(kubeconfig))?);
        let namespace = plan.namespace.clone().unwrap_or_else(new_namespace);
        let made = plan.namespace.is_none().then(|| namespace.clone());
        let mut load = Self {
            runtime: None,
            server: Arc::clone(&server),
            made,
            shared: Arc::new(Shared::new(Calls::new(&plan, &namespace), plan, server)),
            clients: Vec::new(),
            clock: None,
        };
        let begun = runtime.block_on(load.begin(&namespace));
        load.runtime = Some(runtime);
        begun.map(|()| load)
    }

    async fn begin(&mut self, namespace: &str) -> Result<(), LoadError> {
        let plan = &self.shared.plan;
        if self.made.is_some() {
            self.server.make_namespace(namespace, plan.exempt).await?;
        }
        self.shared.prepare(plan.clients).await?;
        let mut connections = Vec::new();
        for _ in 0..plan.clients {
            connections.push(self.server.connect().await.map_err(LoadError::new)?);
        }
        let (clock, tickets) = Clock::start(plan.rate);
        self.shared.account.begin(Instant::now());
        for (client, connection) in connections.into_iter().enumerate() {
            let work = worker::work(
                client,
                connection,
                Arc::clone(&self.shared),
                tickets.clone(),
            );
            self.clients.push(tokio::spawn(work));
        }
        self.clock = Some(clock);
        Ok(())
    }

    /// What became of the calls that have ended.
    pub fn so_far(&self) -> Report {
        self.shared.account.report()
    }

    /// Waits for the end of a load that has one, and reports.
    pub fn wait(self) -> Report {
        if let Some(duration) = self.shared.plan.duration {
            std::thread::sleep(duration);
        }
        self.stop()
    }

    /// Ends it now, and reports: nothing falls due any more, and what has fallen due is waited for.
    pub fn stop(mut self) -> Report {
        self.end();
        self.shared.account.report()
    }

    fn end(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        if let Some(clock) = self.clock.take() {
            clock.stop();
        }
        self.shared.abandon_at(Instant::now() + DRAIN);
        let clients = std::mem::take(&mut self.clients);
        runtime.block_on(async {
            for client in clients {
                // It only fails with a panic, which has been printed: what it has not accounted for is missing.
                let _ = client.await;
            }
            self.shared.account.end(Instant::now());
            if let Some(namespace) = &self.made {
                self.server.delete_namespace(namespace).await;
            }
        });
        runtime.shutdown_background();
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.end();
        }
    }
}

impl Plan {
    fn check(&self) -> Result<(), LoadError> {
        if self.clients == 0 || self.rate == Some(0) {
            return Err(LoadError::new("a load needs a client and a rate"));
        }
        if self.object.is_some() && self.action != Action::Create {
            return Err(LoadError::new("an object of one's own is only created"));
        }
        let flawless = self.resource == Resource::Pods && self.action == Action::Update;
        if flawless && self.expect.is_some() {
            return Err(LoadError::new(
                "a Pod cannot be updated into anything that a rule warns of: expect nothing, or use another resource",
            ));
        }
        Ok(())
    }
}

/// A name that nobody else uses.
fn new_namespace() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("netdoctor-load-{}-{number}", std::process::id())
}
