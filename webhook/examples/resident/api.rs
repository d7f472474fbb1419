//! As much of an API server as a cache asks for: groups, lists in pages, and watches on which something happens when it is
//! told to.

use crate::cluster::Size;
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use netdoctor_engine::model::Kind;
use std::{convert::Infallible, net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, sync::watch};

type Body = BoxBody<Bytes, Infallible>;

/// A running server.
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    /// Each number is one change of one Pod.
    pub(crate) changes: Arc<watch::Sender<usize>>,
}

/// Serves a cluster of a size for as long as the process lives.
pub(crate) async fn serve(size: Size) -> anyhow::Result<Api> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let changes = Arc::new(watch::Sender::new(0));
    let sender = Arc::clone(&changes);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let sender = Arc::clone(&sender);
            let service = service_fn(move |request| {
                let answer = answer(size, &request, &sender);
                async move { Ok::<_, Infallible>(answer) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Ok(Api { address, changes })
}

fn answer(
    size: Size,
    request: &Request<Incoming>,
    changes: &watch::Sender<usize>,
) -> Response<Body> {
    let path = request.uri().path();
    let query = request.uri().query().unwrap_or_default();
    let parameter = |name: &str| {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value)
            .next()
    };
    let served = || Kind::all().filter(|kind| size.of(*kind) > 0);
    if let Some(group) = path
        .strip_prefix("/apis/")
        .filter(|rest| !rest.contains('/'))
    {
        return match served().find(|kind| kind.group() == group) {
            Some(kind) => whole(format!(
                r#"{{"versions":[{{"version":"{}"}}]}}"#,
                kind.versions().first().unwrap_or(&"v1")
            )),
            None => nothing(),
        };
    }
    let Some(kind) = served().find(|kind| path.ends_with(&format!("/{}", kind.plural()))) else {
        return nothing();
    };
    if path.contains("/namespaces/") {
        // The configuration: there is none.
        return match parameter("watch") {
            Some(_) => quiet(),
            None => whole(list(kind, "", None)),
        };
    }
    match parameter("watch") {
        Some(_) if kind == Kind::Pod => changing(size, changes.subscribe()),
        Some(_) => quiet(),
        None => {
            let from = parameter("continue").and_then(|text| text.parse().ok());
            let limit = parameter("limit").and_then(|text| text.parse().ok());
            page(size, kind, from.unwrap_or(0), limit.unwrap_or(usize::MAX))
        }
    }
}

fn page(size: Size, kind: Kind, from: usize, limit: usize) -> Response<Body> {
    let end = size.of(kind).min(from.saturating_add(limit));
    let items: Vec<String> = (from..end).map(|number| size.json(kind, number)).collect();
    let next = (end < size.of(kind)).then(|| end.to_string());
    whole(list(kind, &items.join(","), next))
}

fn list(kind: Kind, items: &str, next: Option<String>) -> String {
    let next = next.map(|next| format!(r#","continue":"{next}""#));
    format!(
        r#"{{"kind":"{}List","apiVersion":"{}","metadata":{{"resourceVersion":"9000000"{}}},"items":[{items}]}}"#,
        kind.name(),
        kind.api_version(),
        next.unwrap_or_default()
    )
}

/// Pods that become ready and unready in turn, and now and then one that is replaced by another.
fn changing(size: Size, changes: watch::Receiver<usize>) -> Response<Body> {
    let lines = stream::unfold(changes, move |mut changes| async move {
        changes.changed().await.ok()?;
        let number = *changes.borrow_and_update();
        let pod = size.json(Kind::Pod, number * 7 % size.pods);
        let pod = match number % 3 {
            0 => pod,
            1 => pod.replace(
                r#""type":"Ready","status":"True""#,
                r#""type":"Ready","status":"False""#,
            ),
            _ => pod.replace(r#""app":"app-"#, r#""app":"other-"#),
        };
        let line = format!("{{\"type\":\"MODIFIED\",\"object\":{pod}}}\n");
        Some((Ok(Frame::data(Bytes::from(line))), changes))
    });
    Response::new(BodyExt::boxed(StreamBody::new(lines)))
}

/// A watch on which nothing happens.
fn quiet() -> Response<Body> {
    Response::new(BodyExt::boxed(StreamBody::new(stream::pending())))
}

fn whole(text: String) -> Response<Body> {
    Response::new(Full::new(Bytes::from(text)).boxed())
}

fn nothing() -> Response<Body> {
    let mut answer = whole(r#"{"kind":"Status","code":404}"#.to_owned());
    *answer.status_mut() = StatusCode::NOT_FOUND;
    answer
}
