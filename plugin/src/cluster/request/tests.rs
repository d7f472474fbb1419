use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::cli::ConnectionArgs;
use crate::cluster::connect;
use crate::settings::{Connection, ProxyVariables};

/// Answers one connection after the other with the given texts, and keeps the requests.
struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start<T: Into<String>>(answers: impl IntoIterator<Item = T>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answers: Vec<String> = answers.into_iter().map(Into::into).collect();
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") && request.first() != Some(&0x16) {
                    let mut buffer = [0; 1024];
                    let n = stream.read(&mut buffer).await.unwrap();
                    if n == 0 {
                        break;
                    }
                    request.extend_from_slice(&buffer[..n]);
                }
                seen.lock()
                    .unwrap()
                    .push(String::from_utf8_lossy(&request).into_owned());
                if answer == "silence" {
                    tokio::time::sleep(Duration::from_secs(30)).await;
                }
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.ok();
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    async fn cluster(&self) -> Cluster {
        self.cluster_with(|_| {}).await
    }

    async fn cluster_with(&self, change: impl FnOnce(&mut Connection)) -> Cluster {
        let server = format!("http://{}", self.address);
        cluster_at(&server, change).await
    }
}

async fn cluster_at(server: &str, change: impl FnOnce(&mut Connection)) -> Cluster {
    crate::cluster::install_crypto_provider();
    let args = ConnectionArgs {
        server: Some(server.to_owned()),
        ..ConnectionArgs::default()
    };
    let mut connection = Connection {
        args,
        ..Connection::default()
    };
    change(&mut connection);
    connect(&connection).await.unwrap()
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn json(status: &str, body: &str) -> String {
    answer(status, "content-type: application/json\r\n", body)
}

fn failure(status: &str, message: &str) -> String {
    json(
        status,
        &format!(
            r#"{{"kind":"Status","apiVersion":"v1","status":"Failure","message":"{message}"}}"#
        ),
    )
}

async fn error_of(answers: Vec<String>) -> (ApiError, usize) {
    let server = Server::start(answers).await;
    let error = server
        .cluster()
        .await
        .get_bytes("/api/v1/pods")
        .await
        .unwrap_err();
    let count = server.requests().len();
    (error, count)
}

#[tokio::test]
async fn an_answer_and_what_was_asked() {
    let headers = "content-type: application/json\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                   warning: 299 - \"old kind\"\r\n";
    let server = Server::start([
        answer("200 OK", headers, "{}"),
        answer("200 OK", headers, "{}"),
    ])
    .await;
    let cluster = server
        .cluster_with(|connection| {
            connection.args.impersonate = Some("me".into());
            connection.args.as_group = vec!["a,b".into(), "c".into()];
            connection.args.as_uid = Some("7".into());
            connection.args.as_user_extra = vec![("Example.com/Scope".into(), "v".into())];
            connection.args.token = Some("never-over-plain-http".into());
        })
        .await;
    let page = cluster.get_bytes("/api/v1/pods?limit=500").await.unwrap();
    assert_eq!(page.body, b"{}");
    assert_eq!(page.date.unwrap().to_string(), "1994-11-06T08:49:37Z");
    cluster.get_metadata("/api/v1/secrets").await.unwrap();
    assert_eq!(cluster.take_warnings(), ["old kind"]);
    let [first, second] = &server.requests()[..] else {
        panic!()
    };
    assert!(
        first.starts_with("GET /api/v1/pods?limit=500 HTTP/1.1\r\n"),
        "{first}"
    );
    let lines: Vec<&str> = first.lines().collect();
    for expected in [
        "accept: application/json",
        "impersonate-user: me",
        "impersonate-uid: 7",
        "impersonate-group: a,b",
        "impersonate-group: c",
        "impersonate-extra-example.com%2fscope: v",
    ] {
        assert_eq!(
            lines.iter().filter(|line| **line == expected).count(),
            1,
            "{expected} in {first}"
        );
    }
    let agents: Vec<&&str> = lines
        .iter()
        .filter(|line| line.starts_with("user-agent: "))
        .collect();
    assert_eq!(agents.len(), 1, "{first}");
    assert!(
        agents[0].starts_with("user-agent: kubectl-netdoctor/v"),
        "{first}"
    );
    assert!(!first.contains("never-over-plain-http"), "{first}");
    assert!(
        second.contains(
            "accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1\r\n"
        )
    );
}

#[tokio::test]
async fn statuses_are_told_apart() {
    let message = || "the message".to_owned();
    for (status, expected) in [
        ("404 Not Found", ApiError::NotFound { message: message() }),
        ("403 Forbidden", ApiError::Forbidden { message: message() }),
        (
            "401 Unauthorized",
            ApiError::Unauthorized { message: message() },
        ),
        ("410 Gone", ApiError::Gone { message: message() }),
        (
            "500 Internal Server Error",
            ApiError::Server {
                status: 500,
                message: message(),
            },
        ),
        (
            "400 Bad Request",
            ApiError::Status {
                status: 400,
                message: message(),
            },
        ),
    ] {
        assert_eq!(
            error_of(vec![failure(status, "the message")]).await,
            (expected, 1),
            "{status}"
        );
    }
    // A path that no server knows is answered as text.
    let text = answer(
        "404 Not Found",
        "content-type: text/plain\r\n",
        "404 page not found\n",
    );
    assert_eq!(
        error_of(vec![text]).await.0,
        ApiError::NotFound {
            message: "404 page not found".into()
        }
    );
}

#[tokio::test]
async fn a38_too_many_requests_are_tried_again() {
    let busy = answer("429 Too Many Requests", "retry-after: 0\r\n", "");
    let server = Server::start([busy.clone(), busy, json("200 OK", "{}")]).await;
    assert_eq!(
        server.cluster().await.get_bytes("/x").await.unwrap().body,
        b"{}"
    );
    assert_eq!(server.requests().len(), 3);

    let unavailable = failure("503 Service Unavailable", "later");
    let server = Server::start([unavailable, json("200 OK", "{}")]).await;
    let started = Instant::now();
    assert!(server.cluster().await.get_bytes("/x").await.is_ok());
    assert!(started.elapsed() >= BACKOFF[0]);
}

#[tokio::test]
async fn a38_a_wait_beyond_the_limit_is_not_begun() {
    let busy = answer(
        "429 Too Many Requests",
        "retry-after: 3600\r\n",
        "slow down",
    );
    let started = Instant::now();
    let (error, requests) = error_of(vec![busy]).await;
    assert!(started.elapsed() < Duration::from_secs(5));
    let retry_after = Some(Duration::from_hours(1));
    assert_eq!(
        (error, requests),
        (
            ApiError::TooManyRequests {
                message: "slow down".into(),
                retry_after
            },
            1
        )
    );
}

#[tokio::test]
async fn a38_there_is_an_end_to_trying() {
    let busy = answer("429 Too Many Requests", "retry-after: 0\r\n", "");
    let (error, requests) = error_of(vec![busy; MAX_ATTEMPTS]).await;
    assert!(matches!(error, ApiError::TooManyRequests { .. }), "{error}");
    assert_eq!(requests, MAX_ATTEMPTS);
}

#[tokio::test]
async fn web_pages_are_no_answers() {
    let page = |status: &str| {
        answer(
            status,
            "content-type: text/html; charset=utf-8\r\n",
            "<html>Log in</html>",
        )
    };
    for status in [
        "200 OK",
        "401 Unauthorized",
        "403 Forbidden",
        "404 Not Found",
    ] {
        let error = error_of(vec![page(status)]).await.0;
        assert!(
            matches!(error, ApiError::NotJson { .. }),
            "{status}: {error:?}"
        );
        assert!(
            error.to_string().contains("answered with a web page"),
            "{error}"
        );
        assert!(error.ends_the_run());
    }
    // A gateway's error page is about a server that does not answer.
    let error = error_of(vec![page("502 Bad Gateway")]).await.0;
    assert_eq!(
        error,
        ApiError::Server {
            status: 502,
            message: "Bad Gateway".into()
        }
    );
    let redirect = answer(
        "302 Found",
        "location: https://login.example/?secret=1\r\n",
        "",
    );
    let error = error_of(vec![redirect]).await.0.to_string();
    assert!(
        error.contains("a redirect to https://login.example/ (HTTP 302)"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[tokio::test]
async fn cut_answers() {
    let cut = [
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"items\":[",
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"ite\r\n",
        "HTTP/1.1 200 OK\r\ncontent-ty",
        "",
    ];
    for answer in cut {
        let (error, requests) = error_of(vec![answer.to_owned()]).await;
        assert!(
            matches!(error, ApiError::Cut { .. }),
            "{answer:?}: {error:?}"
        );
        assert_eq!(requests, 1, "{answer:?}");
    }
}

#[tokio::test]
async fn a59_no_answer_in_time() {
    let server = Server::start(["silence"]).await;
    let limit = Duration::from_millis(200);
    let cluster = server
        .cluster_with(|connection| connection.request_timeout = Some(limit))
        .await;
    let error = cluster.get_bytes("/x").await.unwrap_err();
    assert_eq!(
        error,
        ApiError::Timeout {
            server: server.address.clone(),
            after: limit
        }
    );
    assert!(
        error
            .to_string()
            .contains("gave no complete answer within 200ms"),
        "{error}"
    );
}

#[tokio::test]
async fn refused_and_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = cluster_at(&format!("https://{address}"), |_| {})
        .await
        .get_bytes("/x")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "The connection to the server {address} was refused - did you specify the right host or port?"
        )
    );
    let error = cluster_at("https://does-not-exist.invalid", |_| {})
        .await
        .get_bytes("/x")
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("Unable to connect to the server: dial tcp: lookup does-not-exist.invalid: no such host;"),
        "{error}"
    );
}

#[tokio::test]
async fn tls_to_a_server_that_speaks_none() {
    let server = Server::start(["HTTP/1.1 400 Bad Request\r\n\r\n"]).await;
    let cluster = cluster_at(&format!("https://{}", server.address), |_| {}).await;
    let error = cluster.get_bytes("/x").await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("http: server gave HTTP response to HTTPS client"),
        "{error}"
    );
}

#[tokio::test]
async fn a_proxy_that_does_not_open_the_way() {
    let proxy = Server::start(["HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"]).await;
    let through = |address: &str| ProxyVariables {
        https: Some(format!("http://{address}")),
        ..Default::default()
    };
    let cluster = cluster_at("https://api.invalid:6443", |connection| {
        connection.proxy = through(&proxy.address);
    })
    .await;
    let error = cluster.get_bytes("/x").await.unwrap_err().to_string();
    assert!(
        proxy.requests()[0].starts_with("CONNECT api.invalid:6443 "),
        "{:?}",
        proxy.requests()
    );
    assert!(
        error.starts_with("Unable to connect to the server: "),
        "{error}"
    );
    assert!(error.contains("check the proxy and NO_PROXY"), "{error}");
    assert!(
        error.ends_with(&format!("(through the proxy http://{}/)", proxy.address)),
        "{error}"
    );
}

/// Lists are read side by side, on any thread.
#[tokio::test]
async fn requests_can_be_spawned() {
    let server = Server::start([json("200 OK", "{}")]).await;
    let cluster = Arc::new(server.cluster().await);
    let answer = tokio::spawn(async move { cluster.get_bytes("/x").await }).await;
    assert!(answer.unwrap().is_ok());
}

#[tokio::test]
async fn version() {
    let server = Server::start([json(
        "200 OK",
        r#"{"gitVersion":"v1.35.4","platform":"linux/amd64"}"#,
    )])
    .await;
    let version = server.cluster().await.version().await.unwrap();
    assert_eq!(
        (version.git_version.as_str(), version.platform.as_str()),
        ("v1.35.4", "linux/amd64")
    );
    let server = Server::start([json("200 OK", "[]")]).await;
    assert!(matches!(
        server.cluster().await.version().await,
        Err(ApiError::NotJson { .. })
    ));
}
