//! How long a review may take.

use std::time::Duration;

/// The API server gives up after at most this long (`timeoutSeconds` is limited to 30).
const LONGEST: Duration = Duration::from_secs(30);

/// Anybody can write any time into a URL. So many times the configured one is as much as is believed: enough for a
/// configuration whose `timeoutSeconds` was raised, and not enough to make waiting expensive for us.
const MOST: u32 = 5;

/// Time for one review: 60 % of what the API server waits. The rest is for the network and for our answer.
///
/// `query` is that of the request: the API server adds `timeout=2s` to the URL. What is absent, unreadable or out of range
/// is replaced by `configured`, so that a strange caller gets the usual treatment.
pub(super) fn time_for_review(query: Option<&str>, configured: Duration) -> Duration {
    let sent = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter_map(|pair| pair.strip_prefix("timeout="))
        .filter_map(|text| crate::duration::parse(text).ok())
        .find(|timeout| !timeout.is_zero() && *timeout <= LONGEST);
    let waits = sent.map_or(configured, |sent| sent.min(configured * MOST));
    waits * 3 / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sixty_percent_of_what_the_api_server_waits() {
        let configured = Duration::from_secs(1);
        for (query, millis) in [
            (None, 600),
            (Some(""), 600),
            (Some("timeout=2s"), 1_200),
            (Some("timeout=5s"), 3_000),
            (Some("timeout=10s"), 3_000),
            (Some("timeout=30s"), 3_000),
            (Some("dryRun=All&timeout=500ms"), 300),
            (Some("timeout=0s"), 600),
            (Some("timeout=31s"), 600),
            (Some("timeout=-3s"), 600),
            (Some("timeout=soon"), 600),
            (Some("timeouts=3s"), 600),
            (Some("timeout=bad&timeout=2s"), 1_200),
        ] {
            assert_eq!(
                time_for_review(query, configured),
                Duration::from_millis(millis),
                "{query:?}"
            );
        }
    }
}
