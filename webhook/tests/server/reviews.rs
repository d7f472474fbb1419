//! What is answered to whom, and when.

use crate::support::{By, Running, Start, allow, review};
use futures_util::future::BoxFuture;
use netdoctor_webhook::{
    admit::{BadReview, Decision, Verdict},
    metrics::Webhook,
    server::{Judge, Limits},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

/// Judges only when told to, or not at all.
fn stuck_until_told() -> (mpsc::Sender<()>, Start) {
    let (tell, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let judge = move |webhook: Webhook, review: &[u8]| {
        _ = told.lock().unwrap().recv_timeout(Duration::from_secs(20));
        allow(webhook, review)
    };
    let start = Start {
        judge: Arc::new(By(judge)),
        workers: 1,
        ..Start::default()
    };
    (tell, start)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_many_reviews() {
    let server = Start::default().start().await;
    let mut client = server.client().await;
    for number in 0..20 {
        let uid = format!("uid-{number}");
        let path = ["/validate?timeout=30s", "/mutate?timeout=20s"][number % 2];
        let response = client
            .post(path, &review(&uid, 10_000 * number))
            .await
            .unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(response.json()["response"]["uid"], *uid);
        assert!(response.head.contains("content-type: application/json"));
        assert!(!response.closes());
    }
    assert_eq!(
        server.metric("netdoctor_admission_duration_seconds_count{webhook=\"mutate\"}"),
        10
    );
    assert_eq!(server.metric("netdoctor_admission_in_flight"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_review_is_left_to_the_failure_policy() {
    let server = Start::default().start().await;
    let mut client = server.client().await;
    for body in [
        "",
        "{",
        "null",
        "{\"request\":null}",
        "\u{0}\u{1}",
        "<html>",
    ] {
        let response = client.post("/validate", body).await.unwrap();
        assert_eq!(response.status, 400, "{body:?}");
    }
    let not_found = server.client().await.post("/other", "{}").await.unwrap();
    assert_eq!(not_found.status, 404);
    client
        .send(b"GET /validate HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.response().await.unwrap().status, 405);
    let good = client.post("/validate", &review("u", 10)).await.unwrap();
    assert_eq!(good.status, 200, "the connection lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_percent_of_the_timeout_is_enough() {
    let (tell, start) = stuck_until_told();
    let server = start.start().await;
    let mut client = server.client().await;
    let begin = Instant::now();
    let response = client
        .post("/validate?timeout=1s", &review("late", 10))
        .await
        .unwrap();
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(600), "{took:?}");
    assert_eq!(response.status, 200);
    let answer = response.json();
    assert_eq!(answer["response"]["uid"], "late");
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(
        server.metric("netdoctor_admission_fail_open_total{reason=\"deadline\"}"),
        1
    );
    let sample = "netdoctor_admission_requests_total{webhook=\"validate\",operation=\"CREATE\",kind=\"Deployment\",decision=\"fail-open\",code=\"200\",dry_run=\"false\"}";
    assert_eq!(server.metric(sample), 1);
    drop(tell);
}

/// Refuses until it has been told what has happened meanwhile, which takes this long.
struct Behind {
    takes: Duration,
    told: AtomicBool,
}

impl Judge for Behind {
    fn judge(&self, webhook: Webhook, review: &[u8]) -> Result<Decision, BadReview> {
        let verdict = if self.told.load(Ordering::SeqCst) {
            Verdict::Allow
        } else {
            Verdict::Deny
        };
        allow(webhook, review).map(|decision| Decision {
            verdict,
            ..decision
        })
    }

    fn catch_up(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            tokio::time::sleep(self.takes).await;
            self.told.store(true, Ordering::SeqCst);
        })
    }
}

async fn behind(takes: Duration) -> (i64, i64) {
    let judge = Behind {
        takes,
        told: AtomicBool::new(false),
    };
    let start = Start {
        judge: Arc::new(judge),
        ..Start::default()
    };
    let server = start.start().await;
    let mut client = server.client().await;
    let response = client
        .post("/validate?timeout=1s", &review("u", 10))
        .await
        .unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.json()["response"]["allowed"], true);
    (
        server.metric("netdoctor_admission_fail_open_total{reason=\"deadline\"}"),
        server.metric("netdoctor_panics_total"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_looked_at_again_with_what_has_just_arrived() {
    assert_eq!(behind(Duration::from_millis(20)).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_refused_that_could_not_be_looked_at_again_in_time() {
    assert_eq!(behind(Duration::from_mins(1)).await, (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_room_is_let_through_at_once() {
    let (tell, start) = stuck_until_told();
    let server = Start { queue: 0, ..start }.start().await;
    let mut first = server.client().await;
    let first = tokio::spawn(async move {
        first
            .post("/validate?timeout=10s", &review("first", 10))
            .await
    });
    let mut second = server.client().await;
    server
        .until_metric("netdoctor_admission_in_flight", 1)
        .await;
    // In flight is also what is still being read: the worker may take a moment longer.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begin = Instant::now();
    let shed = second
        .post("/validate?timeout=10s", &review("second", 10))
        .await
        .unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(shed.json()["response"]["uid"], "second");
    assert_eq!(shed.json()["response"]["allowed"], true);
    assert_eq!(server.metric("netdoctor_admission_shed_total"), 1);
    assert_eq!(
        server.metric("netdoctor_admission_fail_open_total{reason=\"shed\"}"),
        1
    );
    tell.send(()).unwrap();
    let first = first.await.unwrap().unwrap();
    assert_eq!(
        first.json()["response"]["uid"],
        "first",
        "the first one is judged all the same"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_an_answer_and_not_the_end() {
    let judge = |_: Webhook, review: &[u8]| -> Result<Decision, BadReview> {
        let text = String::from_utf8_lossy(review);
        assert!(!text.contains("\"uid\":\"bad\""), "as a rule may");
        allow(Webhook::Validate, review)
    };
    let start = Start {
        judge: Arc::new(By(judge)),
        ..Start::default()
    };
    let server = start.start().await;
    let mut client = server.client().await;
    for _ in 0..5 {
        let bad = client
            .post("/validate?timeout=10s", &review("bad", 10))
            .await
            .unwrap();
        assert_eq!(
            (bad.status, &bad.json()["response"]["allowed"]),
            (200, &true.into())
        );
        let good = client
            .post("/validate?timeout=10s", &review("good", 10))
            .await
            .unwrap();
        assert_eq!(good.json()["response"]["uid"], "good");
    }
    assert_eq!(server.metric("netdoctor_panics_total"), 5);
    assert_eq!(
        server.metric("netdoctor_admission_fail_open_total{reason=\"panic\"}"),
        5
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_each_and_together() {
    let limits = Limits {
        memory: 9 << 20,
        ..Limits::default()
    };
    let (tell, start) = stuck_until_told();
    let server = Start { limits, ..start }.start().await;
    let mut client = server.client().await;
    let too_long = client
        .post("/validate?timeout=30s", &review("u", 8 << 20))
        .await
        .unwrap();
    assert_eq!(too_long.status, 400);
    tell.send(()).unwrap();
    let fits = client
        .post("/validate?timeout=30s", &review("u", (8 << 20) - 1_000))
        .await
        .unwrap();
    assert_eq!(fits.status, 200);

    let mut first = server.client().await;
    let first = tokio::spawn(async move {
        first
            .post("/validate?timeout=30s", &review("first", 8_000_000))
            .await
    });
    server
        .until_metric("netdoctor_admission_in_flight", 1)
        .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let crowded = client
        .post("/validate?timeout=30s", &review("crowded", 2_000_000))
        .await
        .unwrap();
    assert_eq!(
        crowded.json()["response"]["uid"],
        "crowded",
        "its first bytes are enough"
    );
    assert_eq!(server.metric("netdoctor_admission_shed_total"), 1);
    tell.send(()).unwrap();
    assert_eq!(first.await.unwrap().unwrap().status, 200);
}

/// Sends half of a review, and no more.
async fn half(server: &Running, half: &str) -> (u16, String) {
    let mut client = server.client().await;
    let head = "POST /validate?timeout=1s HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n";
    client.send(head.as_bytes()).await.unwrap();
    client.send(half.as_bytes()).await.unwrap();
    let response = client.response().await.unwrap();
    (response.status, response.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_arriving_is_answered_in_time() {
    let server = Start::default().start().await;
    let (status, body) = half(&server, &review("half", 8_000)[..5_000]).await;
    assert_eq!(status, 200);
    assert!(body.contains("\"half\""), "{body}");
    let (status, _) = half(&server, "{\"kind\":").await;
    assert_eq!(status, 503, "nobody knows which review that is");
}
