//! What server and auditor have in common as processes: a client, the configuration, the cache, plain ports, and the way
//! out.

use crate::{
    cache::{self, Cache},
    clock::Clock,
    configmap::{Configuration, Place},
    health::{self, Health},
    metrics::Metrics,
    server::{Drain, Listener, Phase, Phases, Times, bind},
    settings::Process as Settings,
    tls::Tls,
};
use anyhow::{Context as _, anyhow};
use axum::{
    Router,
    http::{HeaderValue, header::USER_AGENT},
};
use kube::{Client, Config, client::ClientBuilder};
use netdoctor_engine::rules::RULES;
use std::{future::Future, net::SocketAddr, sync::Arc};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};

/// Connections of a plain port: probes and scrapers.
const PLAIN_CONNECTIONS: usize = 64;

/// A process and its parts.
pub(crate) struct Process {
    /// How far it is on its way out.
    pub(crate) phases: Phases,
    /// What it counts.
    pub(crate) metrics: Arc<Metrics>,
    tasks: JoinSet<()>,
    signals: Signals,
}

impl Process {
    /// One without any parts.
    pub(crate) fn new(metrics: Metrics) -> anyhow::Result<Self> {
        Ok(Self {
            phases: Phases::default(),
            metrics: Arc::new(metrics),
            tasks: JoinSet::new(),
            signals: Signals::new()?,
        })
    }

    /// Adds a part. When one ends by itself, the process ends, and is started anew.
    pub(crate) fn add(&mut self, part: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(part);
    }

    /// Adds a part that is not needed any more on the way out.
    pub(crate) fn add_until_leaving(&mut self, part: impl Future<Output = ()> + Send + 'static) {
        let mut phase = self.phases.follow();
        self.tasks.spawn(async move {
            tokio::select! {
                () = part => {}
                _ = phase.wait_for(|phase| *phase > Phase::Serving) => {}
            }
        });
    }

    /// Begins to follow the configuration.
    pub(crate) fn configuration(&mut self, place: Place, client: Client) -> Arc<Configuration> {
        let configuration = Arc::new(Configuration::new(self.metrics.clone()));
        let kept = configuration.clone();
        self.add_until_leaving(async move { kept.keep(client, &place).await });
        configuration
    }

    /// Begins to watch what the configured rules read, and follows the configuration in that.
    pub(crate) async fn cache(
        &mut self,
        client: Client,
        configuration: &Arc<Configuration>,
    ) -> Arc<Cache> {
        let policy = configuration.policy();
        let kinds = cache::kinds(&RULES, &policy.config);
        let options = cache::Options {
            facts: policy.facts.clone(),
            ..cache::Options::default()
        };
        let cache = Arc::new(Cache::start(client, kinds, options).await);
        let (kept, configuration) = (cache.clone(), configuration.clone());
        self.add_until_leaving(async move { kept.follow(&configuration).await });
        cache
    }

    /// Serves a router on a bound address.
    pub(crate) fn open(
        &mut self,
        socket: TcpListener,
        tls: Option<Tls>,
        router: Router,
        connections: (Times, usize),
    ) {
        let (phase, metrics) = (self.phases.follow(), self.metrics.clone());
        let listener = Listener::new(socket, tls, router, connections, phase, metrics);
        self.add(async move {
            let cut_off = listener.serve().await;
            if cut_off > 0 {
                tracing::warn!(connections = cut_off, "cut off");
            }
        });
    }

    /// Serves health and metrics.
    pub(crate) fn open_plain(&mut self, sockets: PlainSockets, health: Health) {
        let plain = (Times::default(), PLAIN_CONNECTIONS);
        let (probes, metrics) = (health::probes(health.clone()), health::metrics(health));
        match sockets.metrics {
            Some(socket) => {
                self.open(sockets.health, None, probes, plain);
                self.open(socket, None, metrics, plain);
            }
            None => self.open(sockets.health, None, probes.merge(metrics), plain),
        }
    }

    /// Runs until a signal, and then until the last answer.
    ///
    /// # Errors
    /// When a part ends by itself.
    pub(crate) async fn run(mut self, drain: Drain) -> anyhow::Result<()> {
        let outcome = tokio::select! {
            () = self.signals.next() => Ok(()),
            ended = self.tasks.join_next() => Err(anyhow!("a part of the process ended by itself: {ended:?}")),
        };
        let Self {
            phases,
            tasks,
            signals,
            ..
        } = &mut self;
        let done = async { while tasks.join_next().await.is_some() {} };
        phases.drain(drain, done, signals.next()).await;
        outcome
    }
}

/// Addresses for health and metrics, bound before anything else begins.
pub(crate) struct PlainSockets {
    health: TcpListener,
    /// `None` when metrics share the port of health.
    metrics: Option<TcpListener>,
}

impl PlainSockets {
    /// Binds them.
    pub(crate) async fn bind(settings: &Settings) -> anyhow::Result<Self> {
        let (health, metrics) = (settings.health_port, settings.metrics_port);
        let shared = health == metrics && health != 0;
        Ok(Self {
            health: listen("health", settings.socket(health)).await?,
            metrics: if shared {
                None
            } else {
                Some(listen("metrics", settings.socket(metrics)).await?)
            },
        })
    }
}

/// Binds an address, and says so: whoever asked for port 0 learns which it is.
pub(crate) async fn listen(purpose: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = bind(address).await;
    let socket = socket.with_context(|| format!("listening on {address} for {purpose}"))?;
    let address = socket.local_addr()?;
    tracing::info!(purpose, %address, "listening");
    Ok(socket)
}

/// A client for the cluster that this process runs in, or for that of the kubeconfig.
pub(crate) async fn client(clock: &Arc<Clock>) -> anyhow::Result<Client> {
    let mut config = Config::infer().await.context("finding the API server")?;
    let agent = HeaderValue::from_static(concat!("netdoctor-webhook/", env!("CARGO_PKG_VERSION")));
    config.headers.push((USER_AGENT, agent));
    let builder = ClientBuilder::try_from(config).context("preparing the client")?;
    Ok(builder.with_layer(&clock.layer()).build())
}

/// The signals that end a process politely.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
