//! Clients that mean harm, or are broken: none of them keeps the API server from its answer.

use crate::support::{Client, Running, Start, review, trusting};
use axum::{Router, body::Bytes, routing::get};
use netdoctor_webhook::{
    metrics::Metrics,
    server::{Limits, Listener, Phases, Times, bind},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Short enough for a test, in the proportions of the real ones.
fn times() -> Times {
    Times {
        handshake: Duration::from_secs(2),
        head: Duration::from_secs(1),
        idle: Duration::from_mins(1),
        busy: Duration::from_secs(30),
    }
}

fn start() -> Start {
    Start {
        times: times(),
        ..Start::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_says_nothing_is_sent_away() {
    let server = start().start().await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut slow = TcpStream::connect(server.address).await.unwrap();
    let begin = Instant::now();
    let trickle = async {
        // The first bytes of a ClientHello, one by one.
        for byte in [0x16, 0x03, 0x01, 0x02, 0x00, 0x01]
            .iter()
            .cycle()
            .take(100)
        {
            if slow.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it was let in");
    };
    let mut nothing = [0; 16];
    let (read, ()) = tokio::join!(silent.read(&mut nothing), trickle);
    assert_eq!(read.unwrap_or(0), 0);
    assert!(begin.elapsed() >= Duration::from_secs(1));
    server
        .until_metric(
            "netdoctor_tls_handshake_failures_total{reason=\"timeout\"}",
            1,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_never_ends_is_cut_off_and_an_idle_connection_is_not() {
    let server = start().start().await;
    let mut idle = server.client().await;
    let mut slow = server.client().await;
    let begin = Instant::now();
    let trickle = async {
        slow.send(b"POST /validate HTTP/1.1\r\n").await?;
        for _ in 0..100 {
            slow.send(b"X-A: a\r\n").await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        std::io::Result::Ok(())
    };
    assert!(
        trickle.await.is_err(),
        "it was listened to for {:?}",
        begin.elapsed()
    );
    tokio::time::sleep(times().head * 2).await;
    let response = idle.post("/validate", &review("u", 10)).await.unwrap();
    assert_eq!(
        response.status, 200,
        "silence between requests is no slow head"
    );
    tokio::time::sleep(times().head * 3).await;
    let response = idle.post("/validate", &review("u", 10)).await.unwrap();
    assert_eq!(response.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_in_the_end() {
    let idle = Duration::from_millis(400);
    let times = Times { idle, ..times() };
    let server = Start {
        times,
        ..Start::default()
    }
    .start()
    .await;
    let mut client = server.client().await;
    client.post("/validate", &review("u", 10)).await.unwrap();
    let begin = Instant::now();
    assert_eq!(client.closed().await, b"");
    assert!(begin.elapsed() >= idle / 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_answered_or_cut_off_and_counted() {
    let server = start().start().await;
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
    server
        .until_metric(
            "netdoctor_tls_handshake_failures_total{reason=\"not-tls\"}",
            1,
        )
        .await;

    for garbage in [
        &b"\x00\x01\x02\x03\r\n\r\n"[..],
        b"POST\r\n\r\n",
        b"POST /validate HTTP/9.9\r\n\r\n",
        b"POST /validate HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /validate HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut client = server.client().await;
        client.send(garbage).await.unwrap();
        let answer = client.closed().await;
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{text}");
    }
    let mut client = server.client().await;
    let many = "X-A: a\r\n".repeat(1_000);
    let head = format!("POST /validate HTTP/1.1\r\nHost: x\r\n{many}\r\n");
    _ = client.send(head.as_bytes()).await;
    let answer = client.closed().await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"));
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_lie_about_their_length_are_refused() {
    let server = start().start().await;
    let mut client = server.client().await;
    let head = b"POST /validate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    client.send(head).await.unwrap();
    client
        .send(b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.response().await.unwrap().status, 400);
    let mut client = server.client().await;
    client.send(head).await.unwrap();
    let body = review("chunked", 100);
    for piece in body.as_bytes().chunks(7) {
        let chunk = format!(
            "{:x}\r\n{}\r\n",
            piece.len(),
            String::from_utf8_lossy(piece)
        );
        client.send(chunk.as_bytes()).await.unwrap();
    }
    client.send(b"0\r\n\r\n").await.unwrap();
    let response = client.response().await.unwrap();
    assert_eq!(response.json()["response"]["uid"], "chunked");
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_make_room_for_one_that_asks() {
    let server = Start {
        connections: 10,
        ..start()
    }
    .start()
    .await;
    let mut kept = server.client().await;
    kept.post("/validate", &review("before", 10)).await.unwrap();
    let config = trusting(&[&server.authority.pem()], None);
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(Client::connect(server.address, &config).await.unwrap());
    }
    let response = kept.post("/validate", &review("after", 10)).await.unwrap();
    assert_eq!(
        response.status, 200,
        "a connection that was used is the last to go"
    );
    let mut fresh = server.client().await;
    assert_eq!(
        fresh
            .post("/validate", &review("new", 10))
            .await
            .unwrap()
            .status,
        200
    );
    let mut first = silent.swap_remove(0);
    assert_eq!(first.closed().await, b"", "the oldest silent one is closed");
}

/// A head whose body never comes.
const PROMISE: &[u8] =
    b"POST /validate?timeout=30s HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_never_come_lock_nobody_out() {
    let server = Start {
        connections: 10,
        ..start()
    }
    .start()
    .await;
    let mut kept = server.client().await;
    kept.post("/validate", &review("before", 10)).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..30 {
        let mut client = server.client().await;
        client.send(PROMISE).await.unwrap();
        waiting.push(client);
    }
    for uid in ["first", "second", "third"] {
        let mut fresh = server.client().await;
        let response = fresh.post("/validate", &review(uid, 10)).await.unwrap();
        assert_eq!(response.json()["response"]["uid"], uid);
    }
    let response = kept.post("/validate", &review("after", 10)).await.unwrap();
    assert_eq!(
        response.status, 200,
        "whoever had its answers is the last to go"
    );
    let evicted = "netdoctor_tls_handshake_failures_total{reason=\"connection-limit\"}";
    server.until_metric(evicted, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_has_its_own_time_whatever_the_url_says() {
    let limits = Limits {
        arrival: Duration::from_millis(300),
        ..start().limits
    };
    let server = Start { limits, ..start() }.start().await;
    let mut client = server.client().await;
    let begin = Instant::now();
    client.send(PROMISE).await.unwrap();
    assert_eq!(client.response().await.unwrap().status, 503);
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_takes_lock_nobody_out_either() {
    let answer = Bytes::from(vec![b'x'; 16 << 20]);
    let router = Router::new().route("/", get(async move || answer));
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (phases, metrics) = (Phases::default(), Arc::new(Metrics::new()));
    let bounds = (times(), 5);
    let listener = Listener::new(listener, None, router, bounds, phases.follow(), metrics);
    tokio::spawn(listener.serve());
    let mut greedy = Vec::new();
    for _ in 0..20 {
        let mut client = TcpStream::connect(address).await.unwrap();
        let twice = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2);
        client.write_all(&twice).await.unwrap();
        // Its answer has begun, and it takes no more of it.
        client.readable().await.unwrap();
        greedy.push(client);
    }
    let mut probe = TcpStream::connect(address).await.unwrap();
    let asked = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    probe.write_all(asked).await.unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_early_takes_nothing_with_it() {
    let server = start().start().await;
    for _ in 0..20 {
        let mut client = server.client().await;
        let head =
            "POST /validate?timeout=10s HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{";
        client.send(head.as_bytes()).await.unwrap();
        drop(client);
    }
    // Nothing is in flight before the first of them has been noticed, either: each is a request or, where its leaving was
    // noticed before, a failed handshake.
    let noticed = |server: &Running| {
        server.metric("netdoctor_admission_duration_seconds_count")
            + server.metric("netdoctor_tls_handshake_failures_total")
    };
    let gone = |server: &Running| {
        noticed(server) == 20 && server.metric("netdoctor_admission_in_flight") == 0
    };
    server.until(gone).await;
    let mut client = server.client().await;
    assert_eq!(
        client
            .post("/validate", &review("u", 10))
            .await
            .unwrap()
            .status,
        200
    );
}
