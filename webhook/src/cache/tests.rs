use super::*;
use axum::http::{Request, Response};
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use kube::client::{Body, ClientBuilder};
use std::convert::Infallible;
use tokio::time::Instant;

/// When each watch of the endless cluster below was opened.
type Opened = Arc<Mutex<Vec<Instant>>>;

/// How long something in front of the API server lets a watch be quiet.
const CUT: Duration = Duration::from_secs(100);

/// An API server that has no objects, behind something that cuts quiet connections.
fn client(opened: &Opened) -> kube::Client {
    let opened = opened.clone();
    let service = tower::service_fn(move |request: Request<Body>| {
        let watch = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("watch=1"));
        if watch {
            opened.lock().unwrap().push(Instant::now());
        }
        let frames = futures_util::stream::once(async move {
            if watch {
                tokio::time::sleep(CUT).await;
                return Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
            }
            let list = r#"{"metadata": {"resourceVersion": "7"}, "items": []}"#;
            Ok(Frame::data(Bytes::from_static(list.as_bytes())))
        });
        let body = StreamBody::new(Box::pin(frames));
        async { Ok::<_, Infallible>(Response::new(body)) }
    });
    ClientBuilder::new(service, "default").build()
}

#[tokio::test]
async fn a_kind_that_no_rule_needs_any_more_does_not_grow_old() {
    let client = client(&Opened::default());
    let both = BTreeSet::from([Kind::Pod, Kind::Service]);
    let cache = Cache::start(client, both, Options::default()).await;
    cache.settled().await;
    let metrics = Metrics::new();
    let ages = || {
        cache.measure(&metrics);
        let later = Timestamp::now() + jiff::SignedDuration::from_hours(1);
        let text = metrics.render(later);
        ["Pod", "Service"].map(|kind| {
            let of = format!("{{kind=\"{kind}\"}}");
            text.lines().filter(|line| line.contains(&of)).count()
        })
    };
    assert_eq!(ages(), [3, 3], "age, objects, and whether it is in sync");
    cache.watch(BTreeSet::from([Kind::Pod]));
    assert_eq!(ages(), [3, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_lived_is_opened_again_at_once_however_it_ended() {
    let opened = Opened::default();
    let kinds = BTreeSet::from([Kind::Pod]);
    let _cache = Cache::start(client(&opened), kinds, Options::default()).await;
    tokio::time::sleep(CUT * 20).await;
    let opened = opened.lock().unwrap();
    assert!(opened.len() >= 19, "{}", opened.len());
    for pair in opened.windows(2) {
        let between = pair[1] - pair[0];
        assert!(between < CUT + Duration::from_secs(1), "{between:?}");
    }
}
