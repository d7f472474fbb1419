//! Why a replica uses another configuration than the one that is written down: it said so in its log.

use serde_json::Value;

use crate::cluster::{ApiError, Cluster};

/// So many of the last lines are looked through. A replica says it once and goes on with its work.
const LINES: u32 = 5_000;

/// What is wrong with the configuration, in the words of a replica that refused it. `None` when they cannot be read, or
/// are gone.
pub(super) async fn reason(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
) -> Result<Option<String>, ApiError> {
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?tailLines={LINES}");
    match cluster.get_bytes(&path).await {
        Ok(answer) => Ok(last(&String::from_utf8_lossy(&answer.body))),
        Err(error) if error.ends_the_run() => Err(error),
        Err(_) => Ok(None),
    }
}

/// The newest word about the configuration, if it is a refusal.
fn last(log: &str) -> Option<String> {
    let mut newest_first = log.lines().rev().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let message = line["message"].as_str()?;
        if message.starts_with("the configuration cannot be used") {
            Some(line["problem"].as_str().map(str::to_owned))
        } else if message == "configuration in use"
            || message.starts_with("there is no configuration")
        {
            Some(None)
        } else {
            None
        }
    });
    newest_first.next()?
}

#[cfg(test)]
mod tests {
    use super::last;

    const REFUSED: &str = r#"{"level":"ERROR","message":"the configuration cannot be used; the last good one stays","problem":"line 1, column 10: `severe` is none of advisory, guarded, strict"}"#;
    const USED: &str = r#"{"level":"INFO","message":"configuration in use","profile":"guarded"}"#;
    const OTHER: &str = r#"{"level":"INFO","message":"listening","purpose":"reviews"}"#;

    #[test]
    fn the_newest_word_counts() {
        let log = |lines: &[&str]| lines.join("\n");
        let why =
            Some("line 1, column 10: `severe` is none of advisory, guarded, strict".to_owned());
        assert_eq!(last(&log(&[USED, REFUSED, OTHER])), why);
        assert_eq!(last(&log(&[REFUSED, USED, OTHER])), None);
        assert_eq!(last(&log(&[OTHER, "no JSON", "{\"message\": 1}"])), None);
        // The first line of a tail may be half a line.
        assert_eq!(last(&log(&[&REFUSED[20..], REFUSED])), why);
        assert_eq!(last(""), None);
    }
}
