//! One list, page by page.

use netdoctor_engine::model::Kind;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::plan::Wanted;
use crate::cluster::{Answer, ApiError, Cluster};
use crate::progress::Progress;

/// How often a list that expired in the middle (410) is begun again.
const RESTARTS: usize = 2;

/// The result of one list: what arrived, and why it ended early if it did.
pub(super) struct Result<T> {
    pub(super) objects: Vec<T>,
    pub(super) resource_version: String,
    pub(super) failure: Option<ApiError>,
}

/// A page, its items not yet decoded: one broken object cannot spoil its neighbours.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: PageMetadata,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PageMetadata {
    r#continue: Option<String>,
    resource_version: Option<String>,
}

/// Lists one kind. Secrets come as names first, then the certificates of TLS Secrets.
pub(super) async fn all<T>(
    cluster: &Cluster,
    wanted: &Wanted,
    progress: &Progress,
    convert: fn(Kind, &str) -> T,
) -> Result<T> {
    let result = match wanted.kind {
        Kind::Secret => secrets(cluster, wanted, progress, convert).await,
        kind => pages(cluster, wanted, selector(kind), false, progress, convert).await,
    };
    progress.done(wanted.kind);
    result
}

/// What narrows a list on the server.
fn selector(kind: Kind) -> &'static str {
    match kind {
        // Normal events say nothing that rules read.
        Kind::Event => "&fieldSelector=type%3DWarning",
        _ => "",
    }
}

/// Pages that hold large objects are shorter, so that the peak stays one modest page.
fn page_size(kind: Kind) -> usize {
    match kind {
        Kind::CustomResourceDefinition | Kind::ConfigMap => 50,
        _ => 500,
    }
}

async fn secrets<T>(
    cluster: &Cluster,
    wanted: &Wanted,
    progress: &Progress,
    convert: fn(Kind, &str) -> T,
) -> Result<T> {
    let only_tls = "&fieldSelector=type%3Dkubernetes.io%2Ftls";
    let mut with_certificate = pages(cluster, wanted, only_tls, false, progress, convert).await;
    if with_certificate.failure.is_some() {
        return with_certificate;
    }
    let others = "&fieldSelector=type%21%3Dkubernetes.io%2Ftls";
    let names = pages(cluster, wanted, others, true, progress, convert).await;
    with_certificate.objects.extend(names.objects);
    with_certificate.failure = names.failure;
    with_certificate
}

async fn pages<T>(
    cluster: &Cluster,
    wanted: &Wanted,
    selector: &str,
    metadata_only: bool,
    progress: &Progress,
    convert: fn(Kind, &str) -> T,
) -> Result<T> {
    let first = format!(
        "{}?limit={}{selector}",
        wanted.path(),
        page_size(wanted.kind)
    );
    let mut result = Result {
        objects: Vec::new(),
        resource_version: String::new(),
        failure: None,
    };
    let (mut next, mut restarts): (Option<String>, usize) = (None, 0);
    loop {
        let path = match &next {
            None => first.clone(),
            Some(token) => format!(
                "{first}&continue={}",
                percent_encoding::utf8_percent_encode(token, percent_encoding::NON_ALPHANUMERIC)
            ),
        };
        let answer = if metadata_only {
            cluster.get_metadata(&path).await
        } else {
            cluster.get_bytes(&path).await
        };
        let page = match answer.and_then(|answer| take(&answer, wanted.kind, convert, &mut result))
        {
            Ok(page) => page,
            // The pages already read belong to a state that is gone: begin again.
            Err(ApiError::Gone { .. }) if restarts < RESTARTS => {
                restarts += 1;
                result.objects.clear();
                next = None;
                continue;
            }
            Err(error) => {
                result.failure = Some(error);
                return result;
            }
        };
        progress.read(wanted.kind, result.objects.len());
        match page.filter(|token| !token.is_empty()) {
            Some(token) => next = Some(token),
            None => return result,
        }
    }
}

fn take<T>(
    answer: &Answer,
    kind: Kind,
    convert: fn(Kind, &str) -> T,
    result: &mut Result<T>,
) -> std::result::Result<Option<String>, ApiError> {
    let page: Page<'_> = serde_json::from_slice(&answer.body).map_err(|error| {
        let server = "the API server".to_owned();
        if error.is_eof() {
            ApiError::Cut { server }
        } else {
            ApiError::NotJson {
                server,
                status: 200,
                content_type: "something that is no list".into(),
            }
        }
    })?;
    result.objects.extend(
        page.items
            .unwrap_or_default()
            .into_iter()
            .map(|item| convert(kind, item.get())),
    );
    if let Some(version) = page.metadata.resource_version {
        result.resource_version = version;
    }
    Ok(page.metadata.r#continue)
}
