//! Going away under load: no request fails.

use crate::support::{By, Client, Response, Running, Start, allow, review, trusting};
use netdoctor_webhook::{
    metrics::Webhook,
    server::{Drain, Phase},
};
use std::{
    future::pending,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What new connections reach: the endpoints of the Service, of which one is ready.
struct Service {
    servers: Vec<Running>,
    ready: AtomicUsize,
}

impl Service {
    async fn connect(&self) -> io::Result<Client> {
        let server = &self.servers[self.ready.load(Ordering::Relaxed)];
        let config = trusting(&[&server.authority.pem()], None);
        Client::connect(server.address, &config).await
    }

    /// Calls as the API server does: on the connection it has kept, if there is one.
    async fn call(&self, kept: &mut Option<Client>) -> io::Result<Response> {
        let mut client = match kept.take() {
            Some(client) => client,
            None => self.connect().await?,
        };
        let response = client
            .post("/validate?timeout=10s", &review("u", 2_000))
            .await?;
        if !response.closes() {
            *kept = Some(client);
        }
        Ok(response)
    }
}

/// Calls until told to stop; says how often it was answered, and what went wrong.
async fn caller(service: Arc<Service>, stop: Arc<AtomicBool>) -> (u32, Vec<String>) {
    let (mut answered, mut failures) = (0, Vec::new());
    let mut kept = None;
    while !stop.load(Ordering::Relaxed) {
        match service.call(&mut kept).await {
            Ok(response) if response.status == 200 => answered += 1,
            Ok(response) => failures.push(response.head),
            Err(error) => failures.push(error.to_string()),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    (answered, failures)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_under_load_fails_nobody() {
    let judge = |webhook: Webhook, review: &[u8]| {
        std::thread::sleep(Duration::from_millis(3));
        allow(webhook, review)
    };
    let start = || Start {
        judge: Arc::new(By(judge)),
        workers: 4,
        ..Start::default()
    };
    let service = Arc::new(Service {
        servers: vec![start().start().await, start().start().await],
        ready: AtomicUsize::new(0),
    });
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..8)
        .map(|_| tokio::spawn(caller(service.clone(), stop.clone())))
        .collect();
    tokio::time::sleep(Duration::from_millis(500)).await;

    let times = Drain {
        leaving: Duration::from_millis(600),
        closing: Duration::from_millis(1_500),
        stopping: Duration::from_secs(10),
    };
    let leaving = service.clone();
    let drained = tokio::spawn(async move {
        leaving.servers[0]
            .phases
            .drain(times, pending::<()>(), pending::<()>())
            .await;
    });
    // The endpoint goes a moment after readiness.
    tokio::time::sleep(Duration::from_millis(300)).await;
    service.ready.store(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let cut_off = tokio::time::timeout(Duration::from_secs(20), async {
        while !service.servers[0].served.is_finished() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    cut_off
        .await
        .expect("the first server ends by itself, long before it is cut off");
    stop.store(true, Ordering::Relaxed);
    let mut answered = 0;
    for caller in callers {
        let (count, failures) = caller.await.unwrap();
        assert_eq!(failures, Vec::<String>::new());
        answered += count;
    }
    assert!(answered > 100, "{answered} calls are no load");
    assert!(
        service.servers[1]
            .metric("netdoctor_admission_duration_seconds_count{webhook=\"validate\"}")
            > 10
    );
    drained.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_phase_does_what_it_says() {
    let server = Start::default().start().await;
    let mut idle = server.client().await;
    let mut busy = server.client().await;
    server.phases.enter(Phase::Leaving);
    let response = busy.post("/validate", &review("u", 10)).await.unwrap();
    assert!(!response.closes(), "as before");
    server.client().await;
    server.phases.enter(Phase::Closing);
    let mut late = server.client().await;
    for client in [&mut busy, &mut late] {
        let response = client.post("/validate", &review("u", 10)).await.unwrap();
        assert!(response.closes());
        assert_eq!(client.closed().await, b"");
    }
    server.phases.enter(Phase::Stopping);
    assert_eq!(idle.closed().await, b"", "idle connections go last");
    assert_eq!(server.served.await.unwrap(), 0, "nobody was cut off");
    let config = trusting(&[&server.authority.pem()], None);
    assert!(Client::connect(server.address, &config).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_being_made_is_waited_for() {
    let judge = |webhook: Webhook, review: &[u8]| {
        std::thread::sleep(Duration::from_millis(800));
        allow(webhook, review)
    };
    let server = Start {
        judge: Arc::new(By(judge)),
        ..Start::default()
    }
    .start()
    .await;
    let mut client = server.client().await;
    let call =
        tokio::spawn(async move { client.post("/validate?timeout=10s", &review("u", 10)).await });
    server
        .until_metric("netdoctor_admission_in_flight", 1)
        .await;
    server.phases.enter(Phase::Stopping);
    let response = call.await.unwrap().unwrap();
    assert_eq!((response.status, response.closes()), (200, true));
    assert_eq!(server.served.await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hangs_is_cut_off_in_the_end() {
    let server = Start::default().start().await;
    let mut client = server.client().await;
    let head = "POST /validate?timeout=30s HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{";
    client.send(head.as_bytes()).await.unwrap();
    server
        .until_metric("netdoctor_admission_in_flight", 1)
        .await;
    server.phases.enter(Phase::Stopping);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!server.served.is_finished());
    server.phases.enter(Phase::Stopped);
    assert_eq!(server.served.await.unwrap(), 1);
}
