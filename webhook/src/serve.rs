//! `serve`: puts the server together.

use crate::{
    clock::Clock,
    health::Health,
    lease::{Election, Leases},
    metrics::Metrics,
    process::{PlainSockets, Process, client, listen},
    server::{Admission, Gate, router},
    settings::{Certificates, Serve, TlsSettings},
    state::State,
    tls::{AuthorityFile, Callers, PairFiles, SelfManaged, Serving, Tls},
};
use anyhow::Context as _;
use jiff::Timestamp;
use kube::{Api, Client};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::{task::spawn_blocking, time::sleep};

/// The least time that a Lease lasts.
const LEASE: Duration = Duration::from_secs(30);

/// Serves until a signal, and then until the last answer.
///
/// # Errors
/// When something that it cannot do without is missing at the start, or ends by itself later.
pub async fn serve(settings: &Serve) -> anyhow::Result<()> {
    let reviews = listen("reviews", settings.process.socket(settings.network.port)).await?;
    let plain = PlainSockets::bind(&settings.process).await?;
    let clock = Arc::new(Clock::default());
    let client = client(&clock).await?;
    let mut process = Process::new(Metrics::new())?;

    let serving = Arc::new(Serving::new(process.metrics.clone()));
    let callers = callers(&mut process, &settings.tls)?;
    certificates(&mut process, settings, (client.clone(), clock), &serving)?;

    let configuration = process.configuration(settings.process.place(), client.clone());
    let cache = process.cache(client, &configuration).await;
    let state = State {
        cache: cache.clone(),
        policy: configuration.shared(),
    };
    let bounds = &settings.bounds;
    let gate = Gate::new(bounds.worker_count(), bounds.max_queue);
    let judge = Arc::new(state);
    let metrics = process.metrics.clone();
    let admission = Admission::new(judge, gate.clone(), bounds.limits(), metrics.clone());
    let health = Health {
        serving: Some(serving.clone()),
        gate: Some(gate),
        phase: process.phases.follow(),
        metrics,
        cache,
    };
    let tls = Tls::new(serving, callers)?;
    let connections = (bounds.times(), bounds.max_connections);
    process.open(reviews, Some(tls), router(admission), connections);
    process.open_plain(plain, health);
    process.run(settings.shutdown.drain()).await
}

/// Begins to keep the serving certificate.
fn certificates(
    process: &mut Process,
    settings: &Serve,
    (client, clock): (Client, Arc<Clock>),
    serving: &Arc<Serving>,
) -> anyhow::Result<()> {
    let metrics = process.metrics.clone();
    let poll = settings.tls.certificate_poll;
    match settings.tls.certificates {
        Certificates::Files => {
            let folder = settings.tls.tls_dir.as_deref();
            let folder = folder.context("there is no folder for certificates")?;
            let files = (folder.join("tls.crt"), folder.join("tls.key"));
            let mut files = PairFiles::new(files, serving.clone(), metrics);
            look_every(process, poll, move || _ = files.poll(Timestamp::now()));
        }
        Certificates::SelfManaged => {
            let leases = leases(settings, client.clone());
            let timing = (clock, settings.tls.timing());
            let place = settings.place();
            let managed = SelfManaged::new(client, place, leases, timing, serving.clone(), metrics);
            let phase = process.phases.follow();
            process.add(managed.run(poll, phase));
        }
    }
    Ok(())
}

/// Who may call, when that is restricted.
fn callers(process: &mut Process, tls: &TlsSettings) -> anyhow::Result<Option<Arc<Callers>>> {
    let Some(path) = tls.client_ca_file.as_deref() else {
        return Ok(None);
    };
    let callers = read_callers(path, &tls.client_name)
        .with_context(|| format!("reading {}", path.display()))?;
    let callers = Arc::new(callers);
    let metrics = process.metrics.clone();
    let mut file = AuthorityFile::new(path.to_owned(), callers.clone(), metrics);
    look_every(process, tls.certificate_poll, move || _ = file.poll());
    Ok(Some(callers))
}

fn read_callers(path: &Path, names: &[String]) -> anyhow::Result<Callers> {
    let authority = std::fs::read(path)?;
    Ok(Callers::new(&authority, names.iter().cloned())?)
}

/// Does something that blocks every so often, until the process is on its way out.
fn look_every(process: &mut Process, every: Duration, mut look: impl FnMut() + Send + 'static) {
    process.add_until_leaving(async move {
        loop {
            let looked = spawn_blocking(move || {
                look();
                look
            });
            // It can only have panicked: then this part ends, and with it the process.
            let Ok(again) = looked.await else {
                return;
            };
            look = again;
            sleep(every).await;
        }
    });
}

/// This replica in the election. Its name is unique among restarts, so that nobody continues a Lease that it does not
/// know to hold.
fn leases(settings: &Serve, client: Client) -> Leases {
    let started = Timestamp::now().as_nanosecond();
    let identity = format!("{}_{started:x}", settings.process.pod_name);
    let duration = LEASE.max(settings.tls.certificate_poll * 3);
    let api = Api::namespaced(client, &settings.process.namespace);
    let election = Election::new(identity, duration);
    Leases::new(api, settings.tls.lease.clone(), election)
}
