//! One kind: list it, watch it, and begin again when that is necessary.
//!
//! ```text
//!            +--------- 410, or a kind that came back ---------+
//!            v                                                 |
//!  discover, list in pages --> watch from there, line by line -+--> the same again after a pause, from where it ended
//! ```
//!
//! This is done here rather than with the watcher of kube-runtime because objects are projected from the bytes of a page
//! or of a line without ever being whole in memory, and because bookmarks are what tells a quiet kind from a dead watch:
//! that watcher keeps them to itself.

use super::{
    object,
    request::{self, Failure, Lines, Status},
    resource,
    shared::{Phase, Shared},
};
use jiff::Timestamp;
use netdoctor_engine::model::{Kind, decode::Any};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{borrow::Cow, collections::HashSet, sync::Arc, time::Duration};
use tokio::time::Instant;

/// How long the server is asked to keep a watch open; kinds differ a little so that not all end at once.
const WATCH_SECONDS: u64 = 240;

/// A watch on which nothing arrives for so long is dead: there is a bookmark every minute.
const IDLE: Duration = Duration::from_secs(150);

/// Refusals of a kind that could be read before are believed after this time: an API server that starts may say for a
/// moment that it knows neither the roles nor the resources that it has in store.
const DISBELIEF: Duration = Duration::from_secs(30);

const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A watch that lived for so long was a good one, however it ended: something in front of an API server may cut every
/// connection that is quiet for some minutes.
const GOOD: Duration = Duration::from_mins(1);

/// Where a watch goes on.
struct Position {
    path: String,
    version: String,
    /// Since when it has been watched from there, where it was.
    opened: Option<Instant>,
}

impl Position {
    fn lived(&self) -> Duration {
        self.opened
            .map_or(Duration::ZERO, |opened| opened.elapsed())
    }
}

/// Keeps a kind up to date for as long as the future is polled.
pub(super) async fn keep(shared: Arc<Shared>, kind: Kind) {
    let mut position: Option<Position> = None;
    let mut failures = 0;
    let mut refused = None;
    loop {
        let Err(failure) = follow(&shared, kind, &mut position).await else {
            failures = 0;
            refused = None;
            continue;
        };
        tracing::debug!(%kind, %failure, "a watch ended");
        if position
            .as_ref()
            .is_some_and(|position| position.lived() > GOOD)
        {
            failures = 0;
        }
        let pause = match &failure {
            Failure::Forbidden | Failure::NotFound => {
                let since = *refused.get_or_insert_with(Instant::now);
                refuse(&shared, kind, &failure, since, &mut position)
            }
            Failure::Busy(Some(wait)) => Some((*wait).min(Duration::from_mins(1))),
            Failure::Expired => {
                position = None;
                None
            }
            _ => None,
        };
        shared.failed(kind, &failure);
        failures += 1;
        tokio::time::sleep(pause.unwrap_or_else(|| after(failures, kind))).await;
    }
}

/// What a refusal means for what is kept, and how long to wait if it is believed.
fn refuse(
    shared: &Shared,
    kind: Kind,
    failure: &Failure,
    since: Instant,
    position: &mut Option<Position>,
) -> Option<Duration> {
    let known = position.is_some();
    if *failure == Failure::NotFound {
        // Perhaps only this version is gone.
        *position = None;
    }
    let phase = match failure {
        Failure::NotFound => Phase::Absent,
        _ => Phase::Forbidden,
    };
    let before = shared.kept().kinds.get(&kind)?.phase;
    if (known || before == Phase::Watching) && since.elapsed() < DISBELIEF {
        return None;
    }
    if before != phase {
        tracing::info!(%kind, %failure, "not watched; rules about it are unknown");
    }
    *position = None;
    shared.lost(kind, phase);
    Some(shared.options.recheck)
}

/// Grows with every failure; a little different for every kind.
fn after(failures: u32, kind: Kind) -> Duration {
    let pause = SHORTEST_PAUSE * 2_u32.saturating_pow(failures.saturating_sub(1).min(8));
    pause.min(LONGEST_PAUSE) + Duration::from_millis(kind as u64 * 17 % 250)
}

/// Lists if that is necessary, and watches until the server ends it.
async fn follow(
    shared: &Arc<Shared>,
    kind: Kind,
    position: &mut Option<Position>,
) -> Result<(), Failure> {
    let position = if let Some(position) = position {
        position
    } else {
        let path = resource::path(&shared.client, kind).await?;
        let version = list(shared, kind, &path).await?;
        position.insert(Position {
            path,
            version,
            opened: None,
        })
    };
    let began = Instant::now();
    watch(shared, kind, position).await?;
    // A server, or something in front of it, that hangs up at once is not asked again at once.
    if began.elapsed() < Duration::from_secs(1) {
        return Err(Failure::Cut);
    }
    Ok(())
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

/// Objects of a list that were seen, by namespace and name.
type Seen = HashSet<(String, String)>;

/// Reads all pages; returns the version from which to watch.
async fn list(shared: &Arc<Shared>, kind: Kind, path: &str) -> Result<String, Failure> {
    let _turn = shared.listing.acquire().await;
    let mut seen = Seen::new();
    let mut next: Option<String> = None;
    loop {
        let mut page = format!("{path}?limit={}", shared.options.page_size(kind));
        if let Some(token) = &next {
            page.push_str("&continue=");
            page.push_str(&escaped(token));
        }
        let page = request::get(&shared.client, &page).await?;
        shared.heard(kind);
        let work = Arc::clone(shared);
        let taken = tokio::task::spawn_blocking(move || {
            let metadata = take(&work, kind, &page, &mut seen);
            (metadata, seen)
        });
        // A panic while decoding has been reported; the kind is listed again later.
        let (metadata, back) = taken.await.map_err(|_| Failure::NotKubernetes)?;
        seen = back;
        let metadata = metadata?;
        next = metadata.r#continue.filter(|token| !token.is_empty());
        if next.is_none() {
            let version = metadata.resource_version.ok_or(Failure::NotKubernetes)?;
            shared.listed(kind, &version, &seen);
            tracing::debug!(%kind, objects = seen.len(), "listed");
            return Ok(version);
        }
    }
}

/// Projects the objects of a page.
fn take(
    shared: &Shared,
    kind: Kind,
    page: &[u8],
    seen: &mut Seen,
) -> Result<PageMetadata, Failure> {
    let page: Page<'_> = serde_json::from_slice(page).map_err(|error| {
        if error.is_eof() {
            Failure::Cut
        } else {
            Failure::NotKubernetes
        }
    })?;
    for item in page.items.unwrap_or_default() {
        let bytes = item.get().as_bytes();
        let declared = object::Head::of(bytes).declared();
        let any = object::view(kind, bytes, declared.or_else(|| Some(Timestamp::now())));
        if object::matters(&any) {
            seen.insert(names(&any));
            shared.put(kind, any);
        }
    }
    Ok(page.metadata)
}

fn names(any: &Any) -> (String, String) {
    let meta = any.meta();
    (meta.namespace.to_string(), meta.name.to_string())
}

/// Tokens are base64 for use in URLs; anything else in them is escaped.
fn escaped(token: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(token.len());
    for byte in token.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// One line of a watch.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    name: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

async fn watch(shared: &Shared, kind: Kind, position: &mut Position) -> Result<(), Failure> {
    let path = format!(
        "{}?watch=1&allowWatchBookmarks=true&resourceVersion={}&timeoutSeconds={}",
        position.path,
        escaped(&position.version),
        WATCH_SECONDS + kind as u64 * 7 % 60,
    );
    position.opened = None;
    let mut lines = Lines::open(&shared.client, &path).await?;
    position.opened = Some(Instant::now());
    shared.heard(kind);
    while let Some(line) = lines.next(IDLE).await? {
        shared.heard(kind);
        if let Some(version) = apply(shared, kind, line)? {
            position.version = version;
        }
    }
    Ok(())
}

/// Applies one event; returns the version from which a watch would go on after it.
fn apply(shared: &Shared, kind: Kind, line: &[u8]) -> Result<Option<String>, Failure> {
    let event: Event<'_> = serde_json::from_slice(line).map_err(|_| Failure::NotKubernetes)?;
    let bytes = event.object.get().as_bytes();
    if event.name == "ERROR" {
        let status: Status = serde_json::from_slice(bytes).unwrap_or_default();
        return Err(match &*status.reason {
            "Expired" | "Gone" => Failure::Expired,
            _ => Failure::of_code(status.code),
        });
    }
    let head = object::Head::of(bytes);
    let version = head.metadata.resource_version;
    match &*event.name {
        "ADDED" | "MODIFIED" => {
            let any = object::view(kind, bytes, Some(Timestamp::now()));
            if object::matters(&any) {
                shared.put(kind, any);
            } else {
                let (namespace, name) = names(&any);
                shared.remove(kind, &namespace, &name);
            }
        }
        "DELETED" => shared.remove(kind, &head.metadata.namespace, &head.metadata.name),
        // Bookmarks carry a version and nothing else; so may whatever comes after this version of the API.
        _ => {}
    }
    Ok((!version.is_empty()).then_some(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_at_a_limit() {
        let pauses: Vec<u128> = [1, 2, 3, 50]
            .map(|failures| after(failures, Kind::Pod).as_millis())
            .into();
        assert_eq!(pauses, [250, 500, 1_000, 15_000]);
        assert_ne!(after(1, Kind::Service), after(1, Kind::Pod));
    }

    #[test]
    fn a_token_cannot_add_parameters() {
        assert_eq!(escaped("eyJ2-_9."), "eyJ2-_9.");
        assert_eq!(escaped("a&b=c/ä"), "a%26b%3Dc%2F%C3%A4");
    }
}
