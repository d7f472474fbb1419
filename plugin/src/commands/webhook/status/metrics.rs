//! What the replicas count, read through the API server.

use std::collections::BTreeMap;

use jiff::Timestamp;
use netdoctor_manifests::names;

use super::super::route;
use super::replicas::Replicas;
use super::{refused, unknown};
use crate::cluster::{ApiError, Cluster};
use crate::render::status::{Line, State};

/// 1 while the configuration that is written down is in use.
const VALID: &str = "netdoctor_config_valid";

/// One sample: name, labels, value.
#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Lines about all replicas together.
pub(super) async fn lines(
    cluster: &Cluster,
    replicas: &Replicas,
    now: Timestamp,
) -> Result<Vec<Line>, ApiError> {
    let mut samples = Vec::new();
    let mut refusing = None;
    let namespace = &replicas.namespace;
    for (pod, port) in &replicas.ready {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/metrics");
        match cluster.get_within(&path, route::PATIENCE).await {
            Ok(answer) => {
                let own = parse(&String::from_utf8_lossy(&answer.body));
                if refuses(&own) {
                    refusing = Some(pod);
                }
                samples.extend(own);
            }
            Err(error) => {
                if let Some(cause) = route::unanswered(&error) {
                    let words =
                        format!("metrics: port {port} of Pod {pod} is not reached: {cause}");
                    return Ok(vec![Line::new(State::Unknown, "metrics", words)]);
                }
                let right = format!("get pods/proxy -n {namespace}");
                return Ok(vec![unknown(error, "metrics", "metrics", &right)?]);
            }
        }
    }
    if samples.is_empty() {
        return Ok(Vec::new());
    }
    let reason = match refusing {
        Some(pod) => refused::reason(cluster, namespace, pod).await?,
        None => None,
    };
    Ok(vec![
        reviews(&samples),
        fail_open(&samples),
        configuration(&samples, namespace, reason.as_deref()),
        leaf(&samples, now),
        caches(&samples),
    ])
}

/// The text format of Prometheus, as far as it is needed: `name{label="value"} 1`.
fn parse(text: &str) -> Vec<Sample> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(sample).collect()
}

fn sample(line: &str) -> Option<Sample> {
    let (head, value) = line.rsplit_once(' ')?;
    let (name, labels) = match head.split_once('{') {
        Some((name, labels)) => (name, labels.strip_suffix('}')?),
        None => (head, ""),
    };
    let labels = labels
        .split(',')
        .filter_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some((key.to_owned(), value.trim_matches('"').to_owned()))
        })
        .collect();
    Some(Sample {
        name: name.to_owned(),
        labels,
        value: value.parse().ok()?,
    })
}

/// From 0.0 on: the sum of nothing is -0.0, and would be printed as such.
fn sum<'s>(samples: impl Iterator<Item = &'s Sample>) -> f64 {
    samples.fold(0.0, |sum, sample| sum + sample.value)
}

fn named<'s>(
    samples: &'s [Sample],
    name: &'static str,
) -> impl Iterator<Item = &'s Sample> + Clone {
    samples.iter().filter(move |sample| sample.name == name)
}

fn with<'s>(
    samples: impl Iterator<Item = &'s Sample>,
    label: &'static str,
    value: &'static str,
) -> impl Iterator<Item = &'s Sample> {
    samples.filter(move |sample| sample.labels.get(label).is_some_and(|v| v == value))
}

fn reviews(samples: &[Sample]) -> Line {
    let all = named(samples, "netdoctor_admission_requests_total");
    let of = |decision| sum(with(all.clone(), "decision", decision));
    let mut words = format!(
        "since their start the replicas answered {} reviews, {} warned, {} denied",
        sum(all.clone()),
        of("warn"),
        of("deny"),
    );
    if let Some(p99) = quantile(samples, 0.99) {
        words.push_str(&format!(", p99 below {}", milliseconds(p99)));
    }
    Line::new(State::Good, "reviews", words)
}

/// The upper bound of the bucket in which the quantile lies.
fn quantile(samples: &[Sample], wanted: f64) -> Option<f64> {
    let mut bounds: BTreeMap<&str, f64> = BTreeMap::new();
    for sample in named(samples, "netdoctor_admission_duration_seconds_bucket") {
        *bounds.entry(sample.labels.get("le")?).or_default() += sample.value;
    }
    // Rust reads `+Inf` as Prometheus writes it.
    let mut buckets: Vec<(f64, f64)> = bounds
        .into_iter()
        .filter_map(|(bound, count)| Some((bound.parse().ok()?, count)))
        .collect();
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total = buckets.last().map(|(_, count)| *count)?;
    let (bound, _) = buckets
        .into_iter()
        .find(|(_, count)| total > 0.0 && *count >= total * wanted)?;
    bound.is_finite().then_some(bound)
}

fn milliseconds(seconds: f64) -> String {
    let milliseconds = seconds * 1000.0;
    if milliseconds < 1.0 {
        format!("{milliseconds:.1}ms")
    } else {
        format!("{milliseconds:.0}ms")
    }
}

fn fail_open(samples: &[Sample]) -> Line {
    let all = named(samples, "netdoctor_admission_fail_open_total");
    let mut reasons: BTreeMap<&str, f64> = BTreeMap::new();
    for sample in all.filter(|sample| sample.value > 0.0) {
        let reason = sample.labels.get("reason").map_or("", String::as_str);
        *reasons.entry(reason).or_default() += sample.value;
    }
    if reasons.is_empty() {
        return Line::new(
            State::Good,
            "failOpen",
            "no review was let through unjudged",
        );
    }
    let list: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    Line::new(
        State::Warning,
        "failOpen",
        format!("reviews were let through unjudged: {}", list.join(", ")),
    )
}

/// Whether a replica goes on with an older configuration than the one that is written down.
fn refuses(samples: &[Sample]) -> bool {
    named(samples, VALID).any(|sample| sample.value < 1.0)
}

fn configuration(samples: &[Sample], namespace: &str, reason: Option<&str>) -> Line {
    let about = "settings";
    if !refuses(samples) {
        let text = if named(samples, VALID).count() == 0 {
            "the replicas do not say which configuration they use"
        } else {
            "the configuration is in use"
        };
        return Line::new(State::Good, about, text);
    }
    let why = match reason {
        Some(reason) => format!("{}: {reason}", names::CONFIG_KEY),
        None => format!(
            "kubectl -n {namespace} logs deployment/{} names the line",
            names::WEBHOOK
        ),
    };
    Line::new(
        State::Warning,
        about,
        format!("the configuration was refused and the last good one is in use: {why}"),
    )
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds since 1970 in a float"
)]
fn leaf(samples: &[Sample], now: Timestamp) -> Line {
    let all = named(samples, "netdoctor_cert_expiry_timestamp_seconds");
    let first = with(all, "certificate", "leaf")
        .map(|sample| sample.value as i64)
        .min();
    let Some(first) = first else {
        return Line::new(
            State::Unknown,
            "certificate",
            "no replica says when its serving certificate ends",
        );
    };
    let days = (first - now.as_second()).div_euclid(24 * 3600);
    let state = match days {
        ..0 => State::Wrong,
        0..7 => State::Warning,
        _ => State::Good,
    };
    Line::new(
        state,
        "certificate",
        format!("the serving certificates are valid {days} more days"),
    )
}

fn caches(samples: &[Sample]) -> Line {
    let all = named(samples, "netdoctor_cache_synced");
    let mut kinds: Vec<&str> = all
        .filter(|sample| sample.value < 1.0)
        .filter_map(|sample| sample.labels.get("kind"))
        .map(String::as_str)
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() {
        return Line::new(State::Good, "caches", "every watched kind is in sync");
    }
    Line::new(
        State::Warning,
        "caches",
        format!(
            "out of sync, so that rules which need them let everything through: {}",
            kinds.join(", ")
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP netdoctor_admission_requests_total x
# TYPE netdoctor_admission_requests_total counter
netdoctor_admission_requests_total{webhook=\"validate\",decision=\"allow\"} 90
netdoctor_admission_requests_total{webhook=\"validate\",decision=\"warn\"} 8
netdoctor_admission_requests_total{webhook=\"validate\",decision=\"deny\"} 2
netdoctor_admission_duration_seconds_bucket{webhook=\"validate\",le=\"0.001\"} 50
netdoctor_admission_duration_seconds_bucket{webhook=\"validate\",le=\"0.005\"} 99
netdoctor_admission_duration_seconds_bucket{webhook=\"validate\",le=\"+Inf\"} 100
netdoctor_admission_fail_open_total{reason=\"deadline\"} 3
netdoctor_config_valid 1
netdoctor_cache_synced{kind=\"Pod\"} 1
netdoctor_cache_synced{kind=\"Service\"} 0
netdoctor_cert_expiry_timestamp_seconds{certificate=\"ca\"} 9000000
netdoctor_cert_expiry_timestamp_seconds{certificate=\"leaf\"} 864000
";

    #[test]
    fn counters_in_words() {
        let samples = parse(TEXT);
        assert_eq!(
            reviews(&samples).text,
            "since their start the replicas answered 100 reviews, 8 warned, 2 denied, p99 below 5ms"
        );
        assert_eq!(
            fail_open(&samples).text,
            "reviews were let through unjudged: deadline 3"
        );
        assert_eq!(configuration(&samples, "n", None).state, State::Good);
        assert!(caches(&samples).text.ends_with(": Service"));
        let line = leaf(&samples, Timestamp::UNIX_EPOCH);
        assert_eq!(line.text, "the serving certificates are valid 10 more days");
    }

    #[test]
    fn two_replicas_are_summed_and_the_first_to_end_counts() {
        let mut samples = parse(TEXT);
        samples.extend(parse(&TEXT.replace("864000", "86400")));
        assert!(reviews(&samples).text.contains("200 reviews, 16 warned"));
        assert_eq!(leaf(&samples, Timestamp::UNIX_EPOCH).state, State::Warning);
    }

    #[test]
    fn one_replica_that_refuses_the_configuration_is_enough() {
        let samples = parse("netdoctor_config_valid 1\nnetdoctor_config_valid 0\n");
        let line = configuration(&samples, "n", Some("line 1, column 10: unknown"));
        assert_eq!(line.state, State::Warning);
        assert_eq!(
            line.text,
            "the configuration was refused and the last good one is in use: netdoctor.yaml: line 1, column 10: unknown"
        );
        let unread = configuration(&samples, "n", None).text;
        assert!(unread.ends_with("kubectl -n n logs deployment/netdoctor-webhook names the line"));
    }

    #[test]
    fn replicas_that_were_not_asked_anything_denied_nothing() {
        assert_eq!(
            reviews(&parse("netdoctor_config_valid 1\n")).text,
            "since their start the replicas answered 0 reviews, 0 warned, 0 denied"
        );
    }

    #[test]
    fn what_is_no_sample_is_passed_over() {
        assert!(parse("<html>\n\nnetdoctor_x\nname{a=\"b\" 1\n").is_empty());
    }
}
