//! Who is trusted, by whom, and for how long.

use jiff::Timestamp;
use netdoctor_engine::cert::{self, CertificateFacts};
use netdoctor_manifests::names;
use serde_json::Value;

use super::super::object::{self, reads_files, text};
use super::configurations::Configurations;
use super::unknown;
use crate::cluster::{ApiError, Cluster};
use crate::render::status::{Line, State};

/// An authority with less than this was not renewed when it should have been.
const SOON: i64 = 60;

/// Lines about the authorities in the configurations and in the Secret.
pub(super) async fn lines(
    cluster: &Cluster,
    namespace: &str,
    found: &Configurations,
    deployment: Option<&Value>,
    now: Timestamp,
) -> Result<Vec<Line>, ApiError> {
    let mut lines = Vec::new();
    let configurations = [
        ("validating", &found.validating),
        ("mutating", &found.mutating),
    ];
    for (name, object) in configurations {
        if let Some(object) = object {
            lines.push(bundle(name, object, now));
        }
    }
    let place = object::of("v1", "Secret", namespace, names::CA_SECRET);
    match cluster.find(&place.path).await {
        Ok(None) => lines.push(Line::new(
            State::Off,
            "authority",
            "the certificate is not self-managed: whoever issues it also renews it",
        )),
        Ok(Some(_)) if deployment.is_some_and(reads_files) => lines.push(Line::new(
            State::Off,
            "authority",
            format!(
                "the certificate is not self-managed: whoever issues it also renews it. Secret {} is left from before",
                names::CA_SECRET
            ),
        )),
        Ok(Some(secret)) => lines.extend(authority(&secret, found)),
        Err(error) => {
            let right = format!("get secret/{} -n {namespace}", names::CA_SECRET);
            let what = "whether the authority is the one that is trusted";
            lines.push(unknown(error, "authority", what, &right)?);
        }
    }
    Ok(lines)
}

fn bundle(name: &'static str, object: &Value, now: Timestamp) -> Line {
    let text = text(object, "/webhooks/0/clientConfig/caBundle");
    if text.is_empty() {
        return Line::new(
            State::Wrong,
            "bundle",
            format!("{name}: no caBundle, so every call fails"),
        );
    }
    let chain = match cert::from_base64(text) {
        Ok(chain) => chain,
        Err(reason) => {
            return Line::new(
                State::Wrong,
                "bundle",
                format!("{name}: the caBundle cannot be read: {reason}"),
            );
        }
    };
    let days: Vec<i64> = chain.iter().filter_map(|one| days_left(one, now)).collect();
    // Old authorities stay until they end; what counts is the one that lasts longest.
    let longest = days.iter().copied().max().unwrap_or_default();
    let state = match longest {
        ..0 => State::Wrong,
        0..SOON => State::Warning,
        _ => State::Good,
    };
    let several = match chain.len() {
        1 => String::new(),
        n => format!(" ({n} authorities, a rotation is or was under way)"),
    };
    Line::new(
        state,
        "bundle",
        format!("{name}: the caBundle is valid {longest} more days{several}"),
    )
}

fn days_left(certificate: &CertificateFacts, now: Timestamp) -> Option<i64> {
    let end = certificate.not_after?;
    Some((end.as_second() - now.as_second()).div_euclid(24 * 3600))
}

/// Whether the authority of the Secret is the one that is trusted, and whether it is being replaced. Only certificates are
/// looked at; the rest of the Secret is dropped unread.
fn authority(secret: &Value, found: &Configurations) -> Vec<Line> {
    let mut lines = Vec::new();
    let certificate = |key: &str| {
        let pointer = format!("/data/{}", key.replace('/', "~1"));
        let chain = cert::from_base64(text(secret, &pointer)).ok()?;
        chain.into_iter().next()
    };
    let Some(current) = certificate(names::CA_CERTIFICATE_KEY) else {
        return vec![Line::new(
            State::Warning,
            "authority",
            format!("Secret {} holds no authority yet", names::CA_SECRET),
        )];
    };
    let configurations = [&found.validating, &found.mutating];
    let trusted = configurations.into_iter().flatten().all(|object| {
        let bundle = text(object, "/webhooks/0/clientConfig/caBundle");
        cert::from_base64(bundle).is_ok_and(|chain| chain.contains(&current))
    });
    lines.push(if trusted {
        Line::new(
            State::Good,
            "authority",
            "the authority that signs is the one that is trusted",
        )
    } else {
        Line::new(
            State::Wrong,
            "authority",
            "a configuration does not trust the authority that signs: calls fail until the caBundle is written again",
        )
    });
    let annotation = |key: &str| {
        let pointer = format!("/metadata/annotations/{}", key.replace('/', "~1"));
        text(secret, &pointer).to_owned()
    };
    let (wish, done) = (
        annotation(names::ROTATE_ANNOTATION),
        annotation(names::ROTATE_DONE_ANNOTATION),
    );
    if certificate(names::NEXT_CERTIFICATE_KEY).is_some() {
        lines.push(Line::new(
            State::Good,
            "rotation",
            "a rotation is under way: the next authority is trusted before it signs",
        ));
    } else if !wish.is_empty() && wish != done {
        lines.push(Line::new(
            State::Warning,
            "rotation",
            format!("a rotation was asked for ({wish}) and has not begun"),
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn configuration(bundle: &str) -> Value {
        json!({"webhooks": [{"clientConfig": {"caBundle": bundle}}]})
    }

    #[test]
    fn a_missing_or_broken_bundle_is_wrong() {
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(
            bundle("validating", &configuration(""), now).state,
            State::Wrong
        );
        let broken = bundle("validating", &configuration("AAAA"), now);
        assert_eq!(broken.state, State::Wrong);
        assert!(broken.text.contains("cannot be read"), "{}", broken.text);
    }

    #[test]
    fn days_are_whole_and_end_below_zero() {
        let until = |seconds: i64| CertificateFacts {
            not_after: Timestamp::from_second(seconds).ok(),
            ..CertificateFacts::default()
        };
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(days_left(&until(86_400 * 3 + 5), now), Some(3));
        assert_eq!(days_left(&until(-1), now), Some(-1));
        assert_eq!(days_left(&CertificateFacts::default(), now), None);
    }

    #[test]
    fn a_wish_that_was_heard_is_no_news() {
        let secret = |wish: &str, done: &str| json!({"metadata": {"annotations": {names::ROTATE_ANNOTATION: wish, names::ROTATE_DONE_ANNOTATION: done}}});
        // Without a certificate there is nothing to rotate.
        let lines = authority(&secret("a", ""), &Configurations::default());
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].state, State::Warning);
    }
}
